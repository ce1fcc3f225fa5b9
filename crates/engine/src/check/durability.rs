//! What survives a restart, what waits for replicas, and who else can write.

use super::facts::Facts;
use super::figures::count;
use super::line::Found;

/// What of the destination survives its restart. What does not is sent again, or loaded again.
pub(super) fn durability(facts: &Facts) -> Found {
    const WHAT: &str = "Durability";
    let Some(aof) = facts.info.number("aof_enabled") else {
        return Found::unknown(WHAT, "the server does not say what it keeps on disk", "Let the user run INFO.");
    };
    let saves = facts.setting("save").map(|save| !save.is_empty());
    match (aof, facts.setting("appendfsync"), saves) {
        (1, Some("always"), _) => Found::ok(WHAT, "appendfsync always: all that is applied survives a restart"),
        (1, Some(policy), _) => Found::ok(
            WHAT,
            format!("appendfsync {policy}: a crash can lose the last second or more, which is then sent again"),
        ),
        (1, None, _) => {
            let todo = "Let the user run CONFIG GET.";
            Found::unknown(WHAT, "appendonly yes; the server does not say its appendfsync", todo)
        }
        (_, _, Some(true)) => Found::ok(
            WHAT,
            "snapshots only: what came after the last one is lost at a crash, and sent again if the source still has it",
        ),
        (_, _, Some(false)) => Found::warning(
            WHAT,
            "nothing is kept on disk: after a restart of the destination everything is loaded again",
            "CONFIG SET appendonly yes, if a full sync takes long",
        ),
        (_, _, None) => {
            let todo = "Let the user run CONFIG GET.";
            Found::unknown(WHAT, "appendonly no; the server does not say whether it saves", todo)
        }
    }
}

/// Who else can write to the destination while the replica runs.
pub(super) fn other_writers(facts: &Facts) -> Found {
    const WHAT: &str = "Other writers";
    let release = facts.release.as_ref();
    match &facts.accounts {
        None if release.is_some_and(|release| release.redis < (6, 0)) => Found::warning(
            WHAT,
            "every client can write: this server knows no users",
            "Let no other client write there: the data would no longer be only the sources'.",
        ),
        None => Found::unknown(
            WHAT,
            "the server does not say who else can log in",
            "Let the user run ACL LIST and ACL WHOAMI, or make sure yourself that nobody else writes.",
        ),
        Some((us, others)) if others.is_empty() => Found::warning(
            WHAT,
            format!("every other client logs in as Tributary does (user {us}) and can write"),
            "Give Tributary its own user: then the others can be made read-only while the replica runs.",
        ),
        Some((us, others)) => Found::ok(
            WHAT,
            format!("users beside {us}: {}; they can be made read-only while the replica runs", others.join(", ")),
        ),
    }
}

/// Whether the destination waits for replicas of its own.
pub(super) fn own_replicas(facts: &Facts) -> Option<Found> {
    const WHAT: &str = "Own replicas";
    let wanted: u64 = facts.setting("min-replicas-to-write")?.parse().ok().filter(|wanted| *wanted > 0)?;
    let good = facts.info.number("min_slaves_good_slaves").or_else(|| facts.info.number("connected_slaves"))?;
    let found = format!("min-replicas-to-write {wanted}, and {good} are in step");
    Some(if good < wanted {
        Found::fails(WHAT, found, "It refuses writes until enough of its replicas are in step: look at them.")
    } else {
        Found::ok(WHAT, found)
    })
}

/// That we count as a replica of the source.
pub(super) fn acknowledgements(facts: &Facts) -> Found {
    const WHAT: &str = "WAIT";
    let replicas = facts
        .info
        .number("connected_slaves")
        .map_or_else(String::new, |n| format!("; the source has {} now", count(n, "replica")));
    let min = match facts.setting("min-replicas-to-write") {
        Some("0") | None => String::new(),
        Some(n) => format!(" (which is {n})"),
    };
    Found::ok(
        WHAT,
        format!(
            "Tributary counts as a replica for WAIT and min-replicas-to-write{min}, for what it has applied{replicas}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::CheckVerdict::{self, Fails, Ok, Unknown, Warning};
    use super::*;
    use crate::control::Info;

    fn facts(info: &str, settings: &[(&'static str, &str)]) -> Facts {
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Facts { info: Info::parse(info), settings, ..Facts::default() }
    }

    #[test]
    fn what_survives_a_restart_is_told() {
        let verdict = |aof: u8, settings: &[(&'static str, &str)]| -> CheckVerdict {
            durability(&facts(&format!("aof_enabled:{aof}\r\n"), settings)).verdict
        };
        assert_eq!(verdict(1, &[("appendfsync", "always")]), Ok);
        assert_eq!(verdict(1, &[("appendfsync", "everysec")]), Ok);
        assert_eq!(verdict(0, &[("save", "3600 1")]), Ok);
        assert_eq!(verdict(0, &[("save", "")]), Warning);
        assert_eq!(verdict(0, &[]), Unknown);
        assert_eq!(durability(&Facts::default()).verdict, Unknown);
    }

    #[test]
    fn a_user_of_our_own_is_what_makes_the_others_tellable() {
        let verdict = |accounts| other_writers(&Facts { accounts, ..Facts::default() }).verdict;
        assert_eq!(verdict(None), Unknown);
        assert_eq!(verdict(Some(("default".into(), Vec::new()))), Warning);
        assert_eq!(verdict(Some(("tributary".into(), vec!["default".into()]))), Ok);
    }

    #[test]
    fn a_destination_that_misses_its_replicas_fails() {
        let wants = |n| [("min-replicas-to-write", n)];
        let few = facts("min_slaves_good_slaves:1\r\nconnected_slaves:2\r\n", &wants("2"));
        assert_eq!(own_replicas(&few).unwrap().verdict, Fails);
        assert!(own_replicas(&facts("connected_slaves:0\r\n", &wants("0"))).is_none());
        let source = acknowledgements(&facts("connected_slaves:1\r\n", &wants("2")));
        assert!(source.found.contains("(which is 2)") && source.found.ends_with("has 1 replica now"), "{source:?}");
    }
}
