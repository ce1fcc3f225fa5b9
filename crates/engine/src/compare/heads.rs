//! Type and expiry of keys.

use redis::Value;

use super::reply::{bytes, int, items};
use super::side::Side;
use crate::Failure;
use crate::expiry::{FAR_AHEAD_MS, HELD_BACK_MS};

/// What exact expiries may be apart, in ms: streams up to 6.2 carry what is left, which a delay makes later.
pub(super) const TOLERANCE_MS: i64 = 1000;
/// The same where one was computed from what is left.
const COMPUTED_TOLERANCE_MS: i64 = 2000;

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Absent,
    Text,
    List,
    Set,
    SortedSet,
    Hash,
    Stream,
    /// A module's type, by the name that TYPE gives.
    Other(String),
}

impl Kind {
    fn of(reply: &Value) -> Self {
        match bytes(reply).unwrap_or(b"none") {
            b"none" => Self::Absent,
            b"string" => Self::Text,
            b"list" => Self::List,
            b"set" => Self::Set,
            b"zset" => Self::SortedSet,
            b"hash" => Self::Hash,
            b"stream" => Self::Stream,
            other => Self::Other(String::from_utf8_lossy(other).into_owned()),
        }
    }

    /// In words, with a length where it is known.
    pub(super) fn describe(&self, length: Option<u64>) -> String {
        let name = match self {
            Self::Absent => "no such key",
            Self::Text => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted set",
            Self::Hash => "hash",
            Self::Stream => "stream",
            Self::Other(name) => name,
        };
        match (length, self) {
            (Some(length), Self::Text) => format!("{name} of {length} bytes"),
            (Some(length), _) => format!("{name} of {length}"),
            (None, _) => name.to_owned(),
        }
    }
}

/// Type and expiry of a key.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub kind: Kind,
    /// Unix ms.
    pub expires: Option<i64>,
}

/// Those of several keys, at one server.
#[derive(Debug)]
pub(super) struct Heads {
    pub heads: Vec<Head>,
    /// The server's clock, Unix ms.
    pub now_ms: i64,
    /// Whether the server told the times themselves.
    pub exact: bool,
}

/// Asks for type and expiry.
pub(super) async fn heads(side: &mut Side, db: u32, keys: &[Vec<u8>]) -> Result<Heads, Failure> {
    side.ready().await?;
    let exact = side.facts().is_7();
    let command = if exact { "PEXPIRETIME" } else { "PTTL" };
    let mut pipe = redis::Pipeline::with_capacity(2 * keys.len() + 2);
    if !exact {
        pipe.cmd("TIME");
    }
    for key in keys {
        pipe.cmd("TYPE").arg(key).cmd(command).arg(key);
    }
    if !exact {
        pipe.cmd("TIME");
    }
    let replies = side.ask(db, &pipe).await?;
    let mut now_ms = side.facts().now_ms();
    let mut replies = replies.as_slice();
    if let ([first, rest @ .., last], false) = (replies, exact) {
        now_ms = clock(first).zip(clock(last)).map_or(now_ms, |(a, b)| i64::midpoint(a, b));
        replies = rest;
    }
    let base = if exact { 0 } else { now_ms };
    let head = |pair: &[Value]| match pair {
        [kind, expiry] => {
            let expires = int(expiry).filter(|ms| *ms >= 0).map(|ms| ms.saturating_add(base));
            Head { kind: Kind::of(kind), expires }
        }
        _ => Head { kind: Kind::Absent, expires: None },
    };
    Ok(Heads { heads: replies.chunks(2).map(head).collect(), now_ms, exact })
}

/// The reply of TIME in Unix ms.
fn clock(reply: &Value) -> Option<i64> {
    match items(reply)? {
        [seconds, micros] => Some(int(seconds)? * 1000 + int(micros)? / 1000),
        _ => None,
    }
}

/// What expiries may be apart.
pub(super) fn tolerance(source: &Heads, destination: &Heads) -> i64 {
    if source.exact && destination.exact { TOLERANCE_MS } else { COMPUTED_TOLERANCE_MS }
}

/// Whether a destination's expiry is the source's: as it is, or held back.
pub(super) fn same_expiry(source: Option<i64>, destination: Option<i64>, now_ms: i64, tolerance: i64) -> bool {
    let near = |a: i64, b: i64| a.abs_diff(b) <= tolerance.unsigned_abs();
    match (source, destination) {
        (None, None) => true,
        (Some(source), Some(destination)) => {
            let held = destination > now_ms.saturating_add(FAR_AHEAD_MS);
            near(source, destination) || (held && near(source, destination - HELD_BACK_MS))
        }
        _ => false,
    }
}

/// Whether a key's time has come, held back or not: it may be gone at one end and not yet at the other.
pub(super) fn is_due(expires: Option<i64>, now_ms: i64, tolerance: i64) -> bool {
    expires.is_some_and(|at| without_hold(at, now_ms) <= now_ms.saturating_add(tolerance))
}

/// The time that is meant by one that may be held back.
pub(super) fn without_hold(at_ms: i64, now_ms: i64) -> i64 {
    if at_ms > now_ms.saturating_add(FAR_AHEAD_MS) { at_ms - HELD_BACK_MS } else { at_ms }
}

/// An expiry in words.
pub(super) fn describe_expiry(expires: Option<i64>, now_ms: i64) -> String {
    match expires {
        None => "does not expire".to_owned(),
        Some(at) => format!("expires {}", utc(without_hold(at, now_ms))),
    }
}

/// A Unix time in ms as a date (the algorithm of Howard Hinnant's `civil_from_days`).
fn utc(unix_ms: i64) -> String {
    let (days, in_day) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, ms) = (in_day / 1000, in_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_422_206_118;

    #[test]
    fn a_held_expiry_is_the_same_and_another_is_not() {
        let same = |source, destination| same_expiry(source, destination, NOW, TOLERANCE_MS);
        let at = NOW + 60_000;
        assert!(same(None, None));
        assert!(same(Some(at), Some(at + 999)));
        assert!(same(Some(at), Some(at + HELD_BACK_MS - 1000)));
        // Past already, and not yet deleted.
        assert!(same(Some(NOW - 5000), Some(NOW - 5000 + HELD_BACK_MS)));
        // A source that means 100 years.
        assert!(same(Some(at + HELD_BACK_MS), Some(at + HELD_BACK_MS)));
        for other in [None, Some(at + 1001), Some(at - 1001), Some(at + HELD_BACK_MS + 1001)] {
            assert!(!same(Some(at), other), "{other:?}");
        }
        assert!(!same(None, Some(at)));
    }

    #[test]
    fn a_key_whose_time_has_come_may_be_gone() {
        assert!(is_due(Some(NOW - 1), NOW, TOLERANCE_MS));
        assert!(is_due(Some(NOW + HELD_BACK_MS - 1), NOW, TOLERANCE_MS));
        assert!(!is_due(Some(NOW + 60_000), NOW, TOLERANCE_MS));
        assert!(!is_due(None, NOW, TOLERANCE_MS));
    }

    #[test]
    fn a_time_is_told_as_a_date() {
        assert_eq!(describe_expiry(Some(NOW), NOW), "expires 2026-11-23 08:23:26.118 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00.000 UTC");
        assert_eq!(utc(-1), "1969-12-31 23:59:59.999 UTC");
        assert_eq!(describe_expiry(None, NOW), "does not expire");
    }
}
