//! Role, databases, cluster, modules and clocks: what a server is, and whether a pair fits together.

use super::facts::{Clock, Facts};
use super::figures::count;
use super::line::Found;
use crate::control::Info;
use crate::{Endpoint, ErrorKind};

/// Clocks that are further apart make keys expire noticeably early or late.
const SKEW_LIMIT_MS: i64 = 1_000;
/// Modules that are part of the server, and without values of their own.
const BUILT_IN: [&str; 1] = ["lua"];

/// Whether a source is a primary; a replica does as well.
pub(super) fn source_role(info: &Info) -> Found {
    const WHAT: &str = "Role";
    match (info.get("role"), info.get("master_link_status")) {
        (Some("master"), _) => Found::ok(WHAT, "primary"),
        (Some("slave"), Some("down")) => Found::warning(
            WHAT,
            format!("replica of {}, which it cannot reach", master(info)),
            "It has no new data to give until its own link is up: look at that server.",
        ),
        (Some("slave"), _) => Found::ok(WHAT, format!("replica of {}", master(info))),
        _ => Found::unknown(WHAT, "the server does not say", "Let the user run INFO."),
    }
}

/// Whether a destination takes writes.
pub(super) fn destination_role(info: &Info) -> Found {
    const WHAT: &str = "Role";
    match (info.get("role"), info.number("slave_read_only")) {
        (Some("master"), _) => Found::ok(WHAT, "primary"),
        (Some("slave"), Some(0)) => Found::warning(
            WHAT,
            format!("a replica of {} that takes writes", master(info)),
            "What its primary sends is mixed in, and a full sync from there deletes everything: use a primary.",
        ),
        (Some("slave"), _) => {
            let found = format!("a read-only replica of {}", master(info));
            Found::fails(WHAT, found, ErrorKind::ReadOnly.hint())
        }
        _ => Found::unknown(WHAT, "the server does not say", "Let the user run INFO."),
    }
}

fn master(info: &Info) -> String {
    format!("{}:{}", info.get("master_host").unwrap_or("?"), info.get("master_port").unwrap_or("?"))
}

/// Clusters are not replicated yet.
pub(super) fn cluster(facts: &Facts) -> Found {
    const WHAT: &str = "Cluster";
    match facts.info.number("cluster_enabled") {
        Some(0) => Found::ok(WHAT, "a single server"),
        Some(_) => Found::fails(WHAT, "a node of a cluster: clusters are not supported yet", "Choose a single server."),
        None if facts.setting("cluster-enabled") == Some("no") => Found::ok(WHAT, "a single server"),
        None => Found::unknown(WHAT, "the server does not say", "Let the user run INFO."),
    }
}

/// Whether the databases that are used exist at the destination.
pub(super) fn databases(source: (&Endpoint, &Facts), destination: (&Endpoint, &Facts)) -> Found {
    const WHAT: &str = "Databases";
    let ((from, source), (to, destination)) = (source, destination);
    let there = match destination.databases {
        Some(there) => there,
        None => {
            return Found::unknown(WHAT, "the destination does not say how many it has", "Let the user run SELECT.");
        }
    };
    let raise = "Raise `databases` in the destination's configuration and restart it, or replicate single databases.";
    let out_of_range = |number: u32, at: &str| {
        let todo = if at == "the source" { "Choose a database that it has." } else { raise };
        Found::fails(WHAT, format!("database {number} does not exist at {at}"), todo)
    };
    if let Some(number) = to.db.filter(|db| *db >= there) {
        return out_of_range(number, "the destination");
    }
    if let Some(number) = from.db {
        if source.databases.is_some_and(|here| number >= here) {
            return out_of_range(number, "the source");
        }
        let target = to.db.unwrap_or(number);
        return if target >= there {
            out_of_range(target, "the destination")
        } else {
            Found::ok(WHAT, format!("database {number} of the source becomes {target} of the destination"))
        };
    }
    let used: Vec<u32> = source.info.keys_by_db().iter().map(|(db, _)| *db).collect();
    let has = format!("the destination has {}", count(u64::from(there), "database"));
    let list = used.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    match (used.last(), source.databases) {
        (Some(highest), _) if *highest >= there => Found::fails(WHAT, format!("the source uses {list}; {has}"), raise),
        (_, Some(here)) if here > there => {
            let used = if used.is_empty() { "none".to_owned() } else { list };
            Found::warning(WHAT, format!("the source has {here} and uses {used}; {has}"), raise)
        }
        (None, _) => Found::ok(WHAT, format!("the source uses none yet; {has}")),
        _ => Found::ok(WHAT, format!("the source uses {list}; {has}")),
    }
}

/// Modules of the source that the destination lacks.
pub(super) fn modules(source: &Facts, destination: &Facts) -> Found {
    const WHAT: &str = "Modules";
    let (Some(here), Some(there)) = (&source.modules, &destination.modules) else {
        let whose = if source.modules.is_none() { "source" } else { "destination" };
        let todo = "Let the user run MODULE LIST, or compare the modules yourself.";
        return Found::unknown(WHAT, format!("the {whose} does not say which modules it has"), todo);
    };
    let lacks = |name: &&String| !there.contains(name) && !BUILT_IN.contains(&name.as_str());
    let missing: Vec<&str> = here.iter().filter(lacks).map(String::as_str).collect();
    if missing.is_empty() {
        let list = if here.is_empty() { "none at the source".to_owned() } else { here.join(", ") };
        return Found::ok(WHAT, list);
    }
    Found::warning(
        WHAT,
        format!(
            "the destination lacks {}; a key of such a type, or a command of it, stops the sync",
            missing.join(", ")
        ),
        "Load the module at the destination, or make sure that the source holds no such keys.",
    )
}

/// The source's clock against the destination's.
pub(super) fn clock(source: Option<Clock>, destination: Option<Clock>) -> Found {
    const WHAT: &str = "Clock";
    let (Some(here), Some(there)) = (source, destination) else {
        return Found::unknown(WHAT, "one of the servers does not say its time", "Let the user run TIME.");
    };
    let (ahead, uncertain) = (here.ahead - there.ahead, here.uncertain + there.uncertain);
    let found = match ahead {
        0 => format!("the source's clock is that of the destination, give or take {uncertain} ms"),
        1.. => format!("the source's clock is {ahead} ms ahead of the destination's, give or take {uncertain} ms"),
        _ => format!("the source's clock is {} ms behind the destination's, give or take {uncertain} ms", -ahead),
    };
    if ahead.abs() - uncertain <= SKEW_LIMIT_MS {
        return Found::ok(WHAT, found);
    }
    Found::warning(WHAT, found, "Keys expire that much early or late at the destination: let both keep time by NTP.")
}

#[cfg(test)]
mod tests {
    use super::super::CheckVerdict::{Fails, Ok, Unknown, Warning};
    use super::*;

    fn facts(info: &str, databases: u32, modules: &[&str]) -> Facts {
        Facts {
            info: Info::parse(info),
            databases: Some(databases),
            modules: Some(modules.iter().map(|&name| name.to_owned()).collect()),
            ..Facts::default()
        }
    }

    #[test]
    fn used_databases_must_exist_at_the_destination() {
        let source = facts("db0:keys=1,expires=0\r\ndb20:keys=1,expires=0\r\n", 32, &[]);
        let verdict = |from: &str, to: &str, there: u32| {
            let (from, to) = (Endpoint::parse(from).unwrap(), Endpoint::parse(to).unwrap());
            databases((&from, &source), (&to, &facts("", there, &[]))).verdict
        };
        assert_eq!(verdict("redis://a", "redis://b", 16), Fails);
        assert_eq!(verdict("redis://a", "redis://b", 24), Warning);
        assert_eq!(verdict("redis://a", "redis://b", 32), Ok);
        assert_eq!(verdict("redis://a/20", "redis://b", 16), Fails);
        assert_eq!(verdict("redis://a/20", "redis://b/3", 16), Ok);
        assert_eq!(verdict("redis://a/40", "redis://b/3", 16), Fails);
        assert_eq!(verdict("redis://a/1", "redis://b/16", 16), Fails);
    }

    #[test]
    fn a_read_only_replica_is_no_destination_but_a_source() {
        let info = |rest: &str| Info::parse(&format!("role:slave\r\nmaster_host:m\r\nmaster_port:1\r\n{rest}"));
        assert_eq!(destination_role(&info("slave_read_only:1\r\n")).verdict, Fails);
        assert_eq!(destination_role(&info("slave_read_only:0\r\n")).verdict, Warning);
        assert_eq!(source_role(&info("master_link_status:up\r\n")).verdict, Ok);
        assert_eq!(source_role(&info("master_link_status:down\r\n")).verdict, Warning);
        assert_eq!(source_role(&Info::parse("")).verdict, Unknown);
    }

    #[test]
    fn a_module_that_is_missing_and_a_clock_that_is_off_are_warnings() {
        let source = facts("", 16, &["lua", "ReJSON"]);
        assert_eq!(modules(&source, &facts("", 16, &[])).verdict, Warning);
        assert_eq!(modules(&source, &facts("", 16, &["ReJSON"])).verdict, Ok);
        assert_eq!(modules(&source, &Facts::default()).verdict, Unknown);
        let at = |ahead| Some(Clock { ahead, uncertain: 5 });
        assert_eq!(clock(at(-3000), at(10)).verdict, Warning);
        assert!(clock(at(-3000), at(10)).found.contains("3010 ms behind"));
        assert_eq!(clock(at(900), at(0)).verdict, Ok);
        assert_eq!(clock(None, at(0)).verdict, Unknown);
    }

    #[test]
    fn a_cluster_is_not_supported_yet() {
        assert_eq!(cluster(&facts("cluster_enabled:1\r\n", 1, &[])).verdict, Fails);
        assert_eq!(cluster(&facts("cluster_enabled:0\r\n", 1, &[])).verdict, Ok);
        assert_eq!(cluster(&facts("", 1, &[])).verdict, Unknown);
    }
}
