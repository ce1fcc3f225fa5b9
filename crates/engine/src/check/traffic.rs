//! How long the source's buffers hold what is written to it.

use super::figures::{bytes, rate as per_second, time, whole};
use super::line::Found;
use crate::control::Info;

/// A backlog that holds less is worth a warning: a restart of the console or of a router takes about a minute.
const BREAK: f64 = 60.0;
/// What a backlog should hold, for the size that is suggested.
const COMFORTABLE: f64 = 600.0;
/// A careful guess of how fast a snapshot is taken over, for the time that the source has to buffer meanwhile.
const LOAD_RATE: f64 = 20e6;
/// A snapshot is given this many times the guess, and never less than a minute.
const SAFETY: f64 = 2.0;

/// How fast a source is written to, in bytes of its stream a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rate {
    /// By its replication offset.
    Measured(f64),
    /// Without a replica it counts no offset: what all its clients send.
    AtMost(f64),
}

impl Rate {
    fn value(self) -> f64 {
        match self {
            Self::Measured(value) | Self::AtMost(value) => value,
        }
    }
}

/// The rate between two looks at INFO.
pub(super) fn rate(first: &Info, second: &Info, seconds: f64) -> Option<Rate> {
    let grown = |field: &str| Some(second.number(field)?.saturating_sub(first.number(field)?) as f64 / seconds);
    // A primary that never had a replica keeps no backlog and its offset stands still (replicationFeedSlaves).
    let counts = first.number("repl_backlog_active") == Some(1) || first.get("role") == Some("slave");
    if counts {
        return grown("master_repl_offset").map(Rate::Measured);
    }
    match (first.number("rdb_changes_since_last_save"), second.number("rdb_changes_since_last_save")) {
        (Some(before), Some(after)) if before == after => Some(Rate::Measured(0.0)),
        _ => grown("total_net_input_bytes").map(Rate::AtMost),
    }
}

/// How long a break may last before it costs a full sync.
pub(super) fn backlog(info: &Info, rate: Option<Rate>) -> Found {
    const WHAT: &str = "Backlog";
    let (Some(size), Some(rate)) = (info.number("repl_backlog_size"), rate) else {
        return Found::unknown(WHAT, "the server does not say", "Let the user run INFO.");
    };
    if rate.value() < 1.0 {
        return Found::ok(WHAT, format!("backlog of {}; nothing was written for 2 s", bytes(size)));
    }
    let holds = size as f64 / rate.value();
    let found = match rate {
        Rate::Measured(value) => {
            format!("backlog of {} holds {} of writes at {}", bytes(size), time(holds), per_second(value))
        }
        Rate::AtMost(value) => {
            format!(
                "backlog of {} holds at least {} of writes at up to {}",
                bytes(size),
                time(holds),
                per_second(value)
            )
        }
    };
    if holds >= BREAK {
        return Found::ok(WHAT, found);
    }
    let megabytes = whole(rate.value() * COMFORTABLE / 1_048_576.0) + 1;
    let todo = format!("A longer break costs a full sync. For 10 minutes: CONFIG SET repl-backlog-size {megabytes}mb");
    Found::warning(WHAT, found, todo)
}

/// How long a snapshot may take before the source gives up on its replica.
pub(super) fn output_buffer(limit: Option<&str>, rate: Option<Rate>, data: Option<u64>) -> Found {
    const WHAT: &str = "Output buffer";
    let Some((hard, soft, seconds)) = limit.and_then(parse) else {
        let todo = "Let the user run CONFIG GET, or look at client-output-buffer-limit replica yourself.";
        return Found::unknown(WHAT, "the server does not say its client-output-buffer-limit", todo);
    };
    let text = match (hard, soft) {
        (0, 0) => return Found::ok(WHAT, "client-output-buffer-limit replica has no limit"),
        (0, soft) => format!("client-output-buffer-limit replica of {} for {seconds} s", bytes(soft)),
        (hard, 0) => format!("client-output-buffer-limit replica of {}", bytes(hard)),
        (hard, soft) => {
            format!("client-output-buffer-limit replica of {}, {} for {seconds} s", bytes(hard), bytes(soft))
        }
    };
    let Some(rate) = rate else { return Found::unknown(WHAT, text, "Let the user run INFO.") };
    if rate.value() < 1.0 {
        return Found::ok(WHAT, text);
    }
    let fills = |limit: u64| if limit == 0 { f64::INFINITY } else { limit as f64 / rate.value() };
    let lasts = fills(hard).min(fills(soft) + seconds as f64);
    let load = data.unwrap_or(0) as f64 / LOAD_RATE;
    let found = format!("{text}: lasts {} while a snapshot is sent, at {}", time(lasts), per_second(rate.value()));
    if lasts >= (load * SAFETY).max(BREAK) {
        return Found::ok(WHAT, found);
    }
    let todo = "A snapshot that takes longer is cut off and begins again. Raise it: \
                CONFIG SET client-output-buffer-limit \"replica 1gb 512mb 300\"";
    Found::warning(WHAT, found, todo)
}

/// Hard limit, soft limit and its seconds, from `normal 0 0 0 slave 268435456 67108864 60 pubsub …`.
fn parse(setting: &str) -> Option<(u64, u64, u64)> {
    let words: Vec<&str> = setting.split_whitespace().collect();
    let at = words.iter().position(|word| matches!(*word, "slave" | "replica"))?;
    let number = |n: usize| words.get(at + n)?.parse().ok();
    Some((number(1)?, number(2)?, number(3)?))
}

#[cfg(test)]
mod tests {
    use super::super::CheckVerdict::{Ok, Unknown, Warning};
    use super::*;

    fn info(active: u8, offset: u64, changes: u64, input: u64) -> Info {
        Info::parse(&format!(
            "role:master\r\nrepl_backlog_active:{active}\r\nrepl_backlog_size:1048576\r\nmaster_repl_offset:{offset}\r\n\
             rdb_changes_since_last_save:{changes}\r\ntotal_net_input_bytes:{input}\r\n"
        ))
    }

    #[test]
    fn the_rate_is_that_of_the_offset_and_without_a_backlog_that_of_the_clients() {
        assert_eq!(rate(&info(1, 100, 0, 0), &info(1, 1100, 9, 9000), 2.0), Some(Rate::Measured(500.0)));
        assert_eq!(rate(&info(0, 0, 0, 100), &info(0, 0, 9, 9100), 2.0), Some(Rate::AtMost(4500.0)));
        assert_eq!(rate(&info(0, 0, 5, 100), &info(0, 0, 5, 9100), 2.0), Some(Rate::Measured(0.0)));
        assert_eq!(rate(&Info::parse(""), &Info::parse(""), 2.0), None);
    }

    #[test]
    fn a_backlog_is_told_in_seconds_of_writes() {
        let found = backlog(&info(1, 0, 0, 0), Some(Rate::Measured(85_000.0)));
        assert_eq!(found.found, "backlog of 1.0 MB holds 12 s of writes at 85 KB/s");
        assert_eq!(found.verdict, Warning);
        assert!(found.todo.unwrap().contains("repl-backlog-size 49mb"));
        assert_eq!(backlog(&info(1, 0, 0, 0), Some(Rate::Measured(10_000.0))).verdict, Ok);
        assert_eq!(backlog(&info(1, 0, 0, 0), Some(Rate::AtMost(0.0))).verdict, Ok);
        assert_eq!(backlog(&Info::parse(""), None).verdict, Unknown);
    }

    #[test]
    fn an_output_buffer_must_last_for_the_snapshot() {
        let limit = Some("normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
        let at = |rate: f64, data: u64| output_buffer(limit, Some(Rate::Measured(rate)), Some(data)).verdict;
        assert_eq!(at(0.0, 1 << 40), Ok);
        assert_eq!(at(100_000.0, 1 << 30), Ok);
        // 64 MB fill in 64 s, and a minute later the link is cut.
        assert_eq!(at(1_000_000.0, 10 << 30), Warning);
        assert_eq!(at(10_000_000.0, 0), Warning);
        assert_eq!(output_buffer(Some("slave 0 0 0"), None, None).verdict, Ok);
        assert_eq!(output_buffer(None, None, None).verdict, Unknown);
    }
}
