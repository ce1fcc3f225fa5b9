//! Takes replies apart. What is not of the form that was asked for gives `None`: the key has changed its type meanwhile.

use redis::Value;

/// A whole number.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::BulkString(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}

/// A length or count.
pub(super) fn count(value: &Value) -> Option<u64> {
    int(value).and_then(|number| u64::try_from(number).ok())
}

/// A string.
pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// The elements of an array.
pub(super) fn items(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

/// A field of a reply that is a flat list of names and values.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let pairs = items(value)?.chunks_exact(2);
    pairs.filter_map(|pair| pair.split_first()).find(|(n, _)| bytes(n) == Some(name.as_bytes()))?.1.first()
}

/// The pages of SCAN and its kin: the next cursor and what was given.
pub(super) fn page(value: &Value) -> Option<(&[u8], &[Value])> {
    let (cursor, rest) = items(value)?.split_first()?;
    Some((bytes(cursor)?, items(rest.first()?)?))
}

/// A score: servers write one double with different digits.
pub(super) fn score(value: &Value) -> Option<f64> {
    match value {
        Value::Double(score) => Some(*score),
        other => std::str::from_utf8(bytes(other)?).ok()?.parse().ok(),
    }
}
