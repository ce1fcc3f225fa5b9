//! Compares replies that hold the content of a value, or the same part of it at both ends.

use redis::Value;

use super::heads::Kind;
use super::reply::{bytes, field, int, items, score};

/// What was found about content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Same,
    /// Where it first differs, in words that hold no content.
    Differs(String),
    /// The reply was not of this type: the key has changed meanwhile.
    Unread,
}

impl Found {
    fn differs(text: String) -> Self {
        Self::Differs(text)
    }

    /// The first that is not the same.
    pub(super) fn and(self, next: impl FnOnce() -> Self) -> Self {
        if self == Self::Same { next() } else { self }
    }
}

/// Compares elements or members of a value; `at` is the position of the first.
pub(super) fn elements(kind: &Kind, at: u64, source: &Value, destination: &Value) -> Found {
    if matches!((source, destination), (Value::ServerError(_), _) | (_, Value::ServerError(_))) {
        return Found::Unread;
    }
    if source == destination {
        return Found::Same;
    }
    let found = match kind {
        Kind::Text => texts(at, source, destination),
        Kind::List => positions("element", at, source, destination, 1, |a, b| a == b),
        Kind::SortedSet => positions("rank", at, source, destination, 2, same_scored),
        Kind::Set => unordered("member", source, destination, 1),
        Kind::Hash => unordered("field", source, destination, 2),
        Kind::Stream => entries(source, destination),
        Kind::Absent | Kind::Other(_) => None,
    };
    found.unwrap_or(Found::Unread)
}

/// The first byte that differs, counted from 0 as GETRANGE does.
fn texts(at: u64, source: &Value, destination: &Value) -> Option<Found> {
    let (a, b) = (bytes(source)?, bytes(destination)?);
    let alike = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    Some(Found::differs(format!("differs from byte {}", at + alike as u64)))
}

/// The first position that differs, counted from 0 as LRANGE and ZRANGE do.
fn positions(
    word: &str,
    at: u64,
    source: &Value,
    destination: &Value,
    width: usize,
    same: impl Fn(&[Value], &[Value]) -> bool,
) -> Option<Found> {
    let (a, b) = (items(source)?, items(destination)?);
    let alike = a.chunks(width).zip(b.chunks(width)).take_while(|(a, b)| same(a, b)).count();
    if alike * width == a.len() && a.len() == b.len() {
        return Some(Found::Same);
    }
    Some(Found::differs(format!("differs at {word} {}", at + alike as u64)))
}

fn same_scored(a: &[Value], b: &[Value]) -> bool {
    match (a, b) {
        ([a, a_score], [b, b_score]) => a == b && score(a_score).is_some() && score(a_score) == score(b_score),
        _ => false,
    }
}

/// What has no order: how many of the source's are not there.
fn unordered(word: &str, source: &Value, destination: &Value, width: usize) -> Option<Found> {
    let sorted = |value: &Value| -> Option<Vec<Vec<Vec<u8>>>> {
        let chunk = |chunk: &[Value]| chunk.iter().map(|item| bytes(item).map(<[u8]>::to_vec)).collect();
        let mut all: Vec<Vec<Vec<u8>>> = items(value)?.chunks(width).map(chunk).collect::<Option<_>>()?;
        all.sort_unstable();
        Some(all)
    };
    let (a, b) = (sorted(source)?, sorted(destination)?);
    let missing = a.iter().filter(|one| b.binary_search(one).is_err()).count();
    let same = missing == 0 && a.len() == b.len();
    Some(if same { Found::Same } else { lacking(word, missing as u64) })
}

/// Members or fields of the source that the destination does not have like this.
pub(super) fn lacking(word: &str, number: u64) -> Found {
    match number {
        0 => Found::differs(format!("has further {word}s")),
        1 => Found::differs(format!("1 {word} differs")),
        _ => Found::differs(format!("{number} {word}s differ")),
    }
}

/// The first entry of a stream that differs, by its ID.
fn entries(source: &Value, destination: &Value) -> Option<Found> {
    let (a, b) = (items(source)?, items(destination)?);
    let alike = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let id = |entries: &[Value]| Some(text(items(entries.get(alike)?)?.first()?));
    let first = id(a).or_else(|| id(b))?;
    Some(Found::differs(format!("differs at entry {first}")))
}

/// Compares XINFO STREAM: what a stream knows beyond its entries.
pub(super) fn stream_info(source: &Value, destination: &Value, counters: bool) -> Found {
    let mut names = vec!["length", "last-generated-id", "groups", "first-entry", "last-entry"];
    if counters {
        names.extend(["max-deleted-entry-id", "entries-added"]);
    }
    if items(source).is_none() || items(destination).is_none() {
        return Found::Unread;
    }
    let differs = names.into_iter().find(|name| field(source, name) != field(destination, name));
    differs.map_or(Found::Same, |name| Found::differs(format!("{} differs", name.replace('-', " "))))
}

/// How many entries were ever added to a stream, by XINFO STREAM of a server that counts them.
pub(super) fn entries_added(info: &Value) -> Option<i64> {
    field(info, "entries-added").and_then(int)
}

/// A group of a stream, as XINFO GROUPS tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupInfo {
    pub name: Vec<u8>,
    pub pending: i64,
    last_id: String,
    /// Consumers and entries read; only where both servers count alike (7.0 and later).
    counted: Option<(Option<i64>, Option<i64>)>,
}

/// The groups of a stream in the order of their names; `added` is what [`entries_added`] says, where counters are compared.
pub(super) fn groups(reply: &Value, added: Option<i64>) -> Option<Vec<GroupInfo>> {
    let group = |group: &Value| {
        let number = |name: &str| field(group, name).and_then(int);
        // More than were ever added is what XGROUP was told; Redis 8 keeps it within what there was, others as it came.
        let read = |added: i64| number("entries-read").map(|read| read.min(added));
        Some(GroupInfo {
            name: bytes(field(group, "name")?)?.to_vec(),
            pending: number("pending")?,
            last_id: text(field(group, "last-delivered-id")?),
            counted: added.map(|added| (number("consumers"), read(added))),
        })
    };
    let mut groups: Vec<GroupInfo> = items(reply)?.iter().map(group).collect::<Option<_>>()?;
    groups.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Some(groups)
}

/// Compares the groups of a stream.
pub(super) fn same_groups(source: &[GroupInfo], destination: &[GroupInfo]) -> Found {
    if source.len() != destination.len() {
        return Found::differs(format!("{} groups, the source has {}", destination.len(), source.len()));
    }
    match source.iter().zip(destination).find(|(a, b)| a != b) {
        None => Found::Same,
        Some((group, _)) => Found::differs(format!("group “{}” differs", group.name.escape_ascii())),
    }
}

/// Compares entries that are pending in a group (XPENDING): ID, consumer and deliveries. Since when is another matter at
/// every look.
pub(super) fn pending(group: &[u8], source: &Value, destination: &Value) -> Found {
    let (Some(a), Some(b)) = (items(source), items(destination)) else { return Found::Unread };
    let same = |a: &Value, b: &Value| match (items(a), items(b)) {
        (Some([id, consumer, _, count]), Some([other, with, _, times])) => {
            id == other && consumer == with && count == times
        }
        _ => false,
    };
    let alike = a.iter().zip(b).take_while(|(a, b)| same(a, b)).count();
    if alike == a.len() && a.len() == b.len() {
        return Found::Same;
    }
    let first = a.get(alike).or(b.get(alike)).and_then(items).and_then(<[Value]>::first);
    let id = first.map_or_else(String::new, text);
    Found::differs(format!("pending entries of group “{}” differ at {id}", group.escape_ascii()))
}

/// Compares when fields of a hash expire (HPEXPIRETIME), in ms; `tolerance` as for keys.
pub(super) fn field_expiries(source: &Value, destination: &Value, tolerance: i64) -> Found {
    let times = |value: &Value| -> Option<Vec<i64>> { items(value)?.iter().map(int).collect() };
    let (Some(a), Some(b)) = (times(source), times(destination)) else { return Found::Unread };
    let same = |a: i64, b: i64| a == b || (a > 0 && b > 0 && a.abs_diff(b) <= tolerance.unsigned_abs());
    match a.iter().zip(&b).filter(|(a, b)| !same(**a, **b)).count() {
        0 if a.len() == b.len() => Found::Same,
        1 => Found::differs("the expiry of 1 field differs".to_owned()),
        number => Found::differs(format!("the expiry of {number} fields differs")),
    }
}

fn text(value: &Value) -> String {
    bytes(value).map_or_else(String::new, |bytes| bytes.escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(words: &[&str]) -> Value {
        Value::Array(words.iter().map(|word| Value::BulkString(word.as_bytes().to_vec())).collect())
    }

    fn differs(kind: &Kind, a: &[&str], b: &[&str]) -> Found {
        elements(kind, 100, &array(a), &array(b))
    }

    #[test]
    fn a_difference_is_told_by_its_place_and_not_by_what_stands_there() {
        let told = |text: &str| Found::Differs(text.to_owned());
        assert_eq!(differs(&Kind::List, &["a", "secret"], &["a", "other"]), told("differs at element 101"));
        assert_eq!(differs(&Kind::List, &["a", "b"], &["a"]), told("differs at element 101"));
        assert_eq!(differs(&Kind::Set, &["a", "b"], &["b", "a"]), Found::Same);
        assert_eq!(differs(&Kind::Set, &["a", "b"], &["b", "c"]), told("1 member differs"));
        assert_eq!(differs(&Kind::Hash, &["f", "1", "g", "2"], &["g", "2", "f", "1"]), Found::Same);
        assert_eq!(differs(&Kind::Hash, &["f", "1", "g", "2"], &["f", "2", "g", "1"]), told("2 fields differ"));
        assert_eq!(
            differs(&Kind::SortedSet, &["m", "0.1", "n", "3"], &["m", "0.10000000000000001", "n", "3"]),
            Found::Same
        );
        assert_eq!(
            differs(&Kind::SortedSet, &["m", "1", "n", "3"], &["m", "1", "n", "4"]),
            told("differs at rank 101")
        );
        let (a, b) = (Value::BulkString(b"abc".to_vec()), Value::BulkString(b"abd".to_vec()));
        assert_eq!(elements(&Kind::Text, 1024, &a, &b), told("differs from byte 1026"));
    }

    #[test]
    fn a_reply_of_another_form_is_no_difference_yet() {
        assert_eq!(elements(&Kind::List, 0, &array(&["a"]), &Value::Nil), Found::Unread);
        assert_eq!(stream_info(&Value::Nil, &array(&[])), Found::Unread);
        assert_eq!(pending(b"g", &Value::Nil, &array(&[])), Found::Unread);
        assert_eq!(field_expiries(&Value::Nil, &array(&[]), 0), Found::Unread);
    }

    fn stream_info(a: &Value, b: &Value) -> Found {
        super::stream_info(a, b, true)
    }

    #[test]
    fn deliveries_are_compared_and_the_time_since_is_not() {
        let entry = |consumer: &str, idle: i64, times: i64| {
            let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
            Value::Array(vec![Value::Array(vec![text("1-1"), text(consumer), Value::Int(idle), Value::Int(times)])])
        };
        assert_eq!(pending(b"g", &entry("c", 5, 1), &entry("c", 900, 1)), Found::Same);
        for other in [entry("d", 5, 1), entry("c", 5, 2), Value::Array(vec![])] {
            let told = "pending entries of group “g” differ at 1-1".to_owned();
            assert_eq!(pending(b"g", &entry("c", 5, 1), &other), Found::Differs(told));
        }
    }

    #[test]
    fn expiries_of_fields_may_be_a_little_apart() {
        let times = |a: i64, b: i64| Value::Array(vec![Value::Int(a), Value::Int(b)]);
        assert_eq!(field_expiries(&times(-1, 5000), &times(-1, 5900), 1000), Found::Same);
        let one = Found::Differs("the expiry of 1 field differs".to_owned());
        assert_eq!(field_expiries(&times(-1, 5000), &times(5000, 5000), 1000), one);
    }
}
