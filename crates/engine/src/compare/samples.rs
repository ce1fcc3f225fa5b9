//! A few elements of large values, the same at both ends. Of what has no order the source chooses.

use redis::{Pipeline, Value};

use super::content::{self, Found, lacking};
use super::heads::Kind;
use super::page::{HEAD, Open, Pair};
use super::reply::{bytes, int, items, page};
use crate::Failure;

/// Bytes of each part of a string.
const PART: u64 = 256;
/// Elements of each part of what has an order.
const RUN: u64 = 4;
/// Members and fields of what has none.
const CHOSEN: usize = 8;

impl Pair<'_> {
    /// Compares a few elements of each value.
    pub(super) async fn samples(&mut self, keys: &[Vec<u8>], batch: &[Open]) -> Result<Vec<Found>, Failure> {
        let (mut same, mut choose) = (Pipeline::new(), Pipeline::new());
        for open in batch {
            if let Some(key) = keys.get(open.at) {
                ask(&mut same, &mut choose, key, open);
            }
        }
        let (ours, theirs) = self.both(&same).await?;
        let chosen = self.source.ask(self.source_db, &choose).await?;
        let mut replies = ours.iter().zip(&theirs);
        let mut chosen = chosen.iter();
        let (mut check, mut expected) = (Pipeline::new(), Vec::new());
        let mut found = Vec::with_capacity(batch.len());
        let smismember = self.destination.facts().smismember();
        for (place, open) in batch.iter().enumerate() {
            let mut one = Found::Same;
            for at in starts(open) {
                let Some((a, b)) = replies.next() else { break };
                one = one.and(|| content::elements(&open.kind, at, a, b));
            }
            match open.kind {
                Kind::Stream => {
                    let (info, groups) = (replies.next(), replies.next());
                    one = one.and(|| stream(info, groups));
                }
                Kind::Set | Kind::Hash => {
                    let width = if open.kind == Kind::Set { 1 } else { 2 };
                    let picked = chosen.next().and_then(|reply| picked(reply, width));
                    match (picked, keys.get(open.at)) {
                        (Some(picked), Some(key)) => {
                            let replies = verify(&mut check, key, &open.kind, &picked, smismember);
                            expected.push((place, picked, replies));
                        }
                        _ => one = Found::Unread,
                    }
                }
                _ => {}
            }
            found.push(one);
        }
        let checked = self.destination.ask(self.destination_db, &check).await?;
        let mut checked = checked.as_slice();
        for (place, picked, replies) in expected {
            let (mine, rest) = checked.split_at_checked(replies).unwrap_or_default();
            checked = rest;
            let kind = batch.get(place).map_or(&Kind::Absent, |open| &open.kind);
            if let Some(one) = found.get_mut(place) {
                *one = held(kind, &picked, mine);
            }
        }
        Ok(found)
    }
}

/// Asks for what can be asked for at both ends alike, and has the source choose otherwise.
fn ask(same: &mut Pipeline, choose: &mut Pipeline, key: &[u8], open: &Open) {
    for at in starts(open) {
        let end = at + if open.kind == Kind::Text { PART } else { RUN } - 1;
        match open.kind {
            Kind::Text => same.cmd("GETRANGE").arg(key).arg(at).arg(end),
            Kind::List => same.cmd("LRANGE").arg(key).arg(at).arg(end),
            _ => same.cmd("ZRANGE").arg(key).arg(at).arg(end).arg("WITHSCORES"),
        };
    }
    match open.kind {
        Kind::Stream => {
            same.cmd("XINFO").arg("STREAM").arg(key).cmd("XINFO").arg("GROUPS").arg(key);
        }
        Kind::Set => {
            choose.cmd("SRANDMEMBER").arg(key).arg(CHOSEN);
        }
        Kind::Hash => {
            choose.cmd("HSCAN").arg(key).arg(0).arg("COUNT").arg(2 * CHOSEN);
        }
        _ => {}
    }
}

/// Where the parts of a value with an order begin: beginning, middle and end.
fn starts(open: &Open) -> Vec<u64> {
    let (part, first) = match open.kind {
        // The beginning was read with the length.
        Kind::Text => (PART, None),
        Kind::List | Kind::SortedSet => (RUN, Some(0)),
        _ => return Vec::new(),
    };
    let (middle, last) = (open.length / 2, open.length.saturating_sub(part));
    let least = if first.is_some() { part } else { HEAD };
    first.into_iter().chain([middle, last].into_iter().filter(|at| *at + part > least)).collect()
}

fn stream(info: Option<(&Value, &Value)>, groups: Option<(&Value, &Value)>) -> Found {
    let (Some(info), Some(groups)) = (info, groups) else { return Found::Unread };
    content::stream_info(info.0, info.1, false).and(|| {
        match (content::groups(groups.0, None), content::groups(groups.1, None)) {
            (Some(here), Some(there)) => content::same_groups(&here, &there),
            _ => Found::Unread,
        }
    })
}

/// What the source has chosen: members, or fields with their values.
fn picked(reply: &Value, width: usize) -> Option<Vec<Vec<u8>>> {
    let chosen = if width == 1 { items(reply)? } else { page(reply)?.1 };
    Some(chosen.iter().take(CHOSEN * width).filter_map(bytes).map(<[u8]>::to_vec).collect())
}

/// Asks the destination for what was chosen; gives the number of replies.
fn verify(pipe: &mut Pipeline, key: &[u8], kind: &Kind, picked: &[Vec<u8>], smismember: bool) -> usize {
    if picked.is_empty() {
        return 0;
    }
    if *kind == Kind::Hash {
        pipe.cmd("HMGET").arg(key);
        picked.iter().step_by(2).for_each(|name| {
            pipe.arg(name);
        });
        return 1;
    }
    members(pipe, key, picked, smismember)
}

/// Asks whether a set has these members; gives the number of replies.
pub(super) fn members(pipe: &mut Pipeline, key: &[u8], members: &[Vec<u8>], smismember: bool) -> usize {
    if smismember {
        pipe.cmd("SMISMEMBER").arg(key).arg(members);
        return 1;
    }
    for member in members {
        pipe.cmd("SISMEMBER").arg(key).arg(member);
    }
    members.len()
}

/// Judges the replies to [`members`] or HMGET.
pub(super) fn held(kind: &Kind, picked: &[Vec<u8>], replies: &[Value]) -> Found {
    let flat: Vec<&Value> = match replies {
        [Value::Array(all)] => all.iter().collect(),
        all => all.iter().collect(),
    };
    let (word, wrong, expected) = if *kind == Kind::Hash {
        let values = picked.iter().skip(1).step_by(2);
        let wrong = values.zip(&flat).filter(|(value, reply)| bytes(reply) != Some(value.as_slice())).count();
        ("field", wrong, picked.len() / 2)
    } else {
        ("member", flat.iter().filter(|reply| int(reply) != Some(1)).count(), picked.len())
    };
    if flat.len() != expected || flat.iter().any(|reply| matches!(reply, Value::ServerError(_))) {
        return Found::Unread;
    }
    if wrong == 0 { Found::Same } else { lacking(word, wrong as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_within_the_value_and_are_not_read_twice() {
        let starts = |kind, length| starts(&Open { at: 0, kind, length, bytes: 0 });
        assert_eq!(starts(Kind::Text, 1025), [769]);
        assert_eq!(starts(Kind::Text, 1 << 20), [1 << 19, (1 << 20) - PART]);
        assert_eq!(starts(Kind::List, 100), [0, 50, 96]);
        assert_eq!(starts(Kind::Hash, 100), [0; 0]);
    }

    #[test]
    fn what_was_chosen_is_looked_for() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let picked = [b"f".to_vec(), b"1".to_vec(), b"g".to_vec(), b"2".to_vec()];
        let reply = |a: Value, b: Value| [Value::Array(vec![a, b])];
        assert_eq!(held(&Kind::Hash, &picked, &reply(text("1"), text("2"))), Found::Same);
        let one = Found::Differs("1 field differs".to_owned());
        assert_eq!(held(&Kind::Hash, &picked, &reply(text("1"), Value::Nil)), one);
        let members = [b"a".to_vec(), b"b".to_vec()];
        assert_eq!(held(&Kind::Set, &members, &[Value::Int(1), Value::Int(1)]), Found::Same);
        let lacks = Found::Differs("1 member differs".to_owned());
        assert_eq!(held(&Kind::Set, &members, &reply(Value::Int(1), Value::Int(0))), lacks);
        assert_eq!(held(&Kind::Set, &members, &[]), Found::Unread);
    }
}
