//! The commands that are needed, and whether the user may run them.

use super::line::Found;

const WHAT: &str = "Permissions";
/// More commands than this are counted instead of named, where all is well.
const LISTED: usize = 8;

/// What happens without a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Without {
    /// The sync stops.
    Stops,
    /// A session of a crashed console could not be ended.
    Unfenced,
    /// Something is told or done less well: what.
    Worse(&'static str),
}

/// A command with arguments that are right in number and form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub args: Vec<String>,
    pub without: Without,
}

impl Need {
    fn new(line: &str, without: Without) -> Self {
        Self { args: line.split(' ').map(str::to_owned).collect(), without }
    }

    /// The command as ACL rules name it: `client|kill`.
    fn rule(&self) -> String {
        let mut words = self.args.iter().map(|word| word.to_ascii_lowercase());
        let command = words.next().unwrap_or_default();
        let has_parts = ["client", "config", "function", "xgroup"].contains(&command.as_str());
        match words.next().filter(|_| has_parts) {
            Some(part) => format!("{command}|{part}"),
            None => command,
        }
    }

    /// The command as a person names it.
    fn name(&self) -> String {
        self.rule().replace('|', " ").to_ascii_uppercase()
    }
}

/// What a source is asked for.
pub(super) fn of_source() -> Vec<Need> {
    let lines = ["PSYNC ? -1", "REPLCONF listening-port 0", "PING", "INFO"];
    let mut needs: Vec<Need> = lines.iter().map(|line| Need::new(line, Without::Stops)).collect();
    let worse = "the lag stays unknown, and clocks are taken to be equal where a relative expiry is rewritten";
    needs.push(Need::new("TIME", Without::Worse(worse)));
    needs
}

/// What is sent to a destination: everything that a load and the stream's frame need, and a command of each category.
/// `key` is one of ours, so that a rule for keys is seen.
pub(super) fn of_destination(key: &str, flushes_all: bool, redis: (u32, u32), imports: bool) -> Vec<Need> {
    let mut lines: Vec<String> = ["MULTI", "EXEC", "PING", "INFO", "SELECT 0", "SCAN 0"].map(str::to_owned).into();
    lines.push(if flushes_all { "FLUSHALL" } else { "FLUSHDB" }.to_owned());
    let keyed = [
        "WATCH {} ",
        "GET {}",
        "SET {} v",
        "DEL {}",
        "MSET {} v",
        "RESTORE {} 0 v",
        "PEXPIREAT {} 1",
        "APPEND {} v",
        "RPUSH {} v",
        "SADD {} v",
        "ZADD {} 1 v",
        "HSET {} f v",
        "SETBIT {} 0 1",
        "PFADD {} v",
        "GEOADD {} 0 0 v",
        "RENAME {} {}",
    ];
    lines.extend(keyed.iter().map(|line| line.trim_end().replace("{}", key)));
    lines.push("PUBLISH c v".to_owned());
    if redis >= (5, 0) {
        lines.push(format!("XADD {key} * f v"));
        lines.push(format!("XGROUP CREATE {key} g $"));
    }
    if redis >= (7, 0) && flushes_all {
        lines.extend(["FUNCTION LOAD v", "FUNCTION FLUSH"].map(str::to_owned));
    }
    let mut needs: Vec<Need> = lines.iter().map(|line| Need::new(line, Without::Stops)).collect();
    needs.extend(["CLIENT ID", "CLIENT KILL ID 1"].map(|line| Need::new(line, Without::Unfenced)));
    needs.push(Need::new("CONFIG GET maxmemory", Without::Worse("limits and durability of the server stay unknown")));
    if imports {
        let worse = Without::Worse("expiries are held back instead of using import-mode");
        needs.push(Need::new("CONFIG SET import-mode yes", worse));
        needs.push(Need::new("CLIENT IMPORT-SOURCE ON", worse));
    }
    needs
}

/// What the server said about one need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The user may run it.
    Allowed,
    /// The user may not, in the server's words.
    Denied(String),
    /// The server does not know the command.
    Missing,
    /// The server does not say.
    Untold,
}

/// The lines about a user's permissions.
pub(super) fn judge(user: &str, answers: &[(Need, Answer)]) -> Vec<Found> {
    let mut lines = vec![needed(user, answers)];
    lines.extend(fencing(user, answers));
    let worse = answers.iter().filter_map(|(need, answer)| match (need.without, answer) {
        (Without::Worse(what), Answer::Denied(_) | Answer::Missing) => Some(Found::warning(
            "Optional permission",
            format!("user {user} may not run {}: {what}", need.name()),
            rules(user, &[need]),
        )),
        _ => None,
    });
    lines.extend(worse);
    lines
}

fn needed(user: &str, answers: &[(Need, Answer)]) -> Found {
    let of = |wanted: fn(&Answer) -> bool| -> Vec<&Need> {
        let stops = answers.iter().filter(|(need, answer)| need.without == Without::Stops && wanted(answer));
        stops.map(|(need, _)| need).collect()
    };
    let (denied, missing) = (of(|a| matches!(a, Answer::Denied(_))), of(|a| *a == Answer::Missing));
    if !missing.is_empty() {
        let found = format!("this server does not know {}", names(&missing));
        return Found::fails(WHAT, found, "The command was renamed or disabled in its configuration: undo that.");
    }
    if !denied.is_empty() {
        let words = answers.iter().find_map(|(_, answer)| match answer {
            Answer::Denied(words) => Some(words.as_str()),
            _ => None,
        });
        let words = words.unwrap_or_default();
        // Redis says "access the 'x' key", "access one of the keys" or "access a key".
        let todo = if words.contains(" key") && !words.contains("to run") {
            format!("ACL SETUSER {user} ~*")
        } else {
            rules(user, &denied)
        };
        return Found::fails(WHAT, format!("user {user} may not run {}: {words}", names(&denied)), todo);
    }
    let untold = of(|a| *a == Answer::Untold);
    if !untold.is_empty() {
        let found = format!("the server does not say whether user {user} may run {}", names(&untold));
        let todo =
            format!("Give the user these commands, or let the check ask: ACL SETUSER {user} +acl|dryrun +acl|whoami");
        return Found::unknown(WHAT, found, todo);
    }
    let allowed = of(|a| *a == Answer::Allowed);
    if allowed.len() > LISTED {
        return Found::ok(WHAT, format!("user {user} may run the {} commands that are needed", allowed.len()));
    }
    Found::ok(WHAT, format!("user {user} may run {}", names(&allowed)))
}

/// Whether the session of a console that crashed can be ended.
fn fencing(user: &str, answers: &[(Need, Answer)]) -> Option<Found> {
    const WHAT: &str = "Fencing";
    let of = |wanted: fn(&Answer) -> bool| -> Vec<&Need> {
        let these = answers.iter().filter(|(need, answer)| need.without == Without::Unfenced && wanted(answer));
        these.map(|(need, _)| need).collect()
    };
    let (denied, untold) = (of(|a| matches!(a, Answer::Denied(_) | Answer::Missing)), of(|a| *a == Answer::Untold));
    if !denied.is_empty() {
        let found = format!(
            "user {user} may not run {}: a session of a crashed console could not be ended, and its last write could come late",
            names(&denied)
        );
        return Some(Found::fails(WHAT, found, rules(user, &denied)));
    }
    if !untold.is_empty() {
        let found = format!("the server does not say whether user {user} may run {}", names(&untold));
        return Some(Found::unknown(WHAT, found, rules(user, &untold)));
    }
    let known = answers.iter().any(|(need, _)| need.without == Without::Unfenced);
    known.then(|| Found::ok(WHAT, "a session of a crashed console can be ended (CLIENT KILL)"))
}

fn names(needs: &[&Need]) -> String {
    needs.iter().map(|need| need.name()).collect::<Vec<_>>().join(", ")
}

fn rules(user: &str, needs: &[&Need]) -> String {
    let rules: Vec<String> = needs.iter().map(|need| format!("+{}", need.rule())).collect();
    format!("ACL SETUSER {user} {}", rules.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::CheckVerdict::{Fails, Ok, Unknown, Warning};
    use super::*;

    fn answers(denied: &[&str], answer: &Answer) -> Vec<(Need, Answer)> {
        let of = |need: Need| {
            let found = if denied.contains(&need.rule().as_str()) { answer.clone() } else { Answer::Allowed };
            (need, found)
        };
        of_destination("k", true, (8, 0), true).into_iter().map(of).collect()
    }

    #[test]
    fn a_command_that_is_missing_is_named_with_the_rule_that_gives_it() {
        let no = Answer::Denied("User ann has no permissions to run the 'restore' command".into());
        let lines = judge("ann", &answers(&["restore", "xgroup|create"], &no));
        assert_eq!(lines[0].verdict, Fails);
        assert_eq!(lines[0].todo.as_deref(), Some("ACL SETUSER ann +restore +xgroup|create"));
        assert!(lines[0].found.contains("RESTORE, XGROUP CREATE"), "{lines:?}");
        assert_eq!((lines[1].what, lines[1].verdict), ("Fencing", Ok));
    }

    #[test]
    fn without_client_kill_the_check_fails_and_without_config_get_it_warns() {
        let no = Answer::Denied("no".into());
        let lines = judge("ann", &answers(&["client|kill", "config|get"], &no));
        let verdicts: Vec<_> = lines.iter().map(|line| (line.what, line.verdict)).collect();
        assert_eq!(verdicts, [(WHAT, Ok), ("Fencing", Fails), ("Optional permission", Warning)]);
    }

    #[test]
    fn a_rule_for_keys_asks_for_keys_and_silence_is_unknown() {
        let keys = Answer::Denied("User ann has no permissions to access the 'k' key".into());
        assert_eq!(judge("ann", &answers(&["set"], &keys))[0].todo.as_deref(), Some("ACL SETUSER ann ~*"));
        assert_eq!(judge("ann", &answers(&["set"], &Answer::Untold))[0].verdict, Unknown);
        assert_eq!(judge("ann", &answers(&["set"], &Answer::Missing))[0].verdict, Fails);
    }

    #[test]
    fn old_destinations_are_not_asked_for_what_they_never_had() {
        let rules: Vec<String> = of_destination("k", false, (4, 0), false).iter().map(Need::rule).collect();
        assert!(
            rules.contains(&"flushdb".to_owned()) && !rules.iter().any(|r| r.starts_with("function") || r == "xadd")
        );
    }
}
