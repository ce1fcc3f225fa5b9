//! Every element of a large value, page by page at both ends.

use redis::{Pipeline, Value};

use super::content::{self, Found, GroupInfo};
use super::heads::{self, Kind};
use super::page::{Open, Pair, field_expiries};
use super::reply::{bytes, items, page};
use super::samples::{held, members};
use crate::Failure;

/// What is read of a value at once, in bytes.
const PAGE_BYTES: u64 = 1 << 20;
/// The most elements of a page.
const PAGE: u64 = 1000;
/// Version and checksum behind the payload of DUMP, in bytes.
const FOOTER: usize = 10;

impl Pair<'_> {
    /// Compares two values that are too large to be held.
    pub(super) async fn deep(&mut self, key: &[u8], open: &Open) -> Result<Found, Failure> {
        let per_element = open.bytes / open.length.max(1);
        let step = (PAGE_BYTES / per_element.max(1)).clamp(1, PAGE);
        match open.kind {
            Kind::Text => self.ranges(key, open, PAGE_BYTES).await,
            Kind::List | Kind::SortedSet => self.ranges(key, open, step).await,
            Kind::Set | Kind::Hash => self.pages(key, &open.kind, step).await,
            Kind::Stream => self.stream(key, step).await,
            Kind::Other(_) => self.payloads(key).await,
            Kind::Absent => Ok(Found::Same),
        }
    }

    /// What has an order, by position.
    async fn ranges(&mut self, key: &[u8], open: &Open, step: u64) -> Result<Found, Failure> {
        let mut at = 0;
        while at < open.length {
            let end = at + step - 1;
            let mut pipe = Pipeline::new();
            match open.kind {
                Kind::Text => pipe.cmd("GETRANGE").arg(key).arg(at).arg(end),
                Kind::List => pipe.cmd("LRANGE").arg(key).arg(at).arg(end),
                _ => pipe.cmd("ZRANGE").arg(key).arg(at).arg(end).arg("WITHSCORES"),
            };
            let found = self.one(&pipe, |a, b| content::elements(&open.kind, at, a, b)).await?;
            if found != Found::Same {
                return Ok(found);
            }
            at += step;
        }
        Ok(Found::Same)
    }

    /// What has no order: each page of the source is looked for at the destination. The lengths are the same, so nothing
    /// else can be there.
    async fn pages(&mut self, key: &[u8], kind: &Kind, step: u64) -> Result<Found, Failure> {
        let command = if *kind == Kind::Hash { "HSCAN" } else { "SSCAN" };
        let mut cursor = b"0".to_vec();
        loop {
            let mut pipe = Pipeline::new();
            pipe.cmd(command).arg(key).arg(&cursor).arg("COUNT").arg(step);
            let reply = self.source.ask(self.source_db, &pipe).await?.pop().unwrap_or_default();
            let Some((next, elements)) = page(&reply) else { return Ok(Found::Unread) };
            let elements: Vec<Vec<u8>> = elements.iter().filter_map(bytes).map(<[u8]>::to_vec).collect();
            // A page may be longer than was asked for.
            let width = if *kind == Kind::Hash { 2 } else { 1 };
            for part in elements.chunks(width * PAGE as usize) {
                let found = self.part(key, kind, part).await?;
                if found != Found::Same {
                    return Ok(found);
                }
            }
            if next == b"0" {
                return Ok(Found::Same);
            }
            cursor = next.to_vec();
        }
    }

    async fn part(&mut self, key: &[u8], kind: &Kind, part: &[Vec<u8>]) -> Result<Found, Failure> {
        if part.is_empty() {
            return Ok(Found::Same);
        }
        let mut pipe = Pipeline::new();
        let names: Vec<Vec<u8>> = part.iter().step_by(2).cloned().collect();
        if *kind == Kind::Hash {
            pipe.cmd("HMGET").arg(key).arg(&names);
        } else {
            let smismember = self.destination.facts().smismember();
            members(&mut pipe, key, part, smismember);
        }
        let replies = self.destination.ask(self.destination_db, &pipe).await?;
        let found = held(kind, part, &replies);
        if found != Found::Same || *kind != Kind::Hash || !self.compares_fields() {
            return Ok(found);
        }
        let mut pipe = Pipeline::new();
        field_expiries(&mut pipe, key, &names);
        self.one(&pipe, |a, b| content::field_expiries(a, b, heads::TOLERANCE_MS)).await
    }

    /// A stream: what it knows of itself, its groups, its entries, and what is pending.
    async fn stream(&mut self, key: &[u8], step: u64) -> Result<Found, Failure> {
        let counters = self.counters();
        let mut pipe = Pipeline::new();
        pipe.cmd("XINFO").arg("STREAM").arg(key).cmd("XINFO").arg("GROUPS").arg(key);
        let (ours, theirs) = self.both(&pipe).await?;
        let ([info, here], [other, there]) = (ours.as_slice(), theirs.as_slice()) else { return Ok(Found::Unread) };
        let groups = |groups, info| content::groups(groups, content::entries_added(info).filter(|_| counters));
        let (Some(here), Some(there)) = (groups(here, info), groups(there, other)) else {
            return Ok(Found::Unread);
        };
        let found = content::stream_info(info, other, counters).and(|| content::same_groups(&here, &there));
        if found != Found::Same {
            return Ok(found);
        }
        let mut from = "-".to_owned();
        loop {
            let mut pipe = Pipeline::new();
            pipe.cmd("XRANGE").arg(key).arg(&from).arg("+").arg("COUNT").arg(step);
            let mut last = None;
            let found = self
                .one(&pipe, |a, b| {
                    last = last_id(a, step);
                    content::elements(&Kind::Stream, 0, a, b)
                })
                .await?;
            match (found, last) {
                (Found::Same, Some(id)) => from = id,
                (Found::Same, None) => break,
                (found, _) => return Ok(found),
            }
        }
        self.pending(key, &here).await
    }

    /// What was delivered to the consumers of a stream's groups and not acknowledged.
    pub(super) async fn pending(&mut self, key: &[u8], groups: &[GroupInfo]) -> Result<Found, Failure> {
        for group in groups.iter().filter(|group| group.pending > 0) {
            let mut from = Some("-".to_owned());
            while let Some(start) = from.take() {
                let mut pipe = Pipeline::new();
                pipe.cmd("XPENDING").arg(key).arg(&group.name).arg(&start).arg("+").arg(PAGE);
                let found = self
                    .one(&pipe, |a, b| {
                        from = last_id(a, PAGE);
                        content::pending(&group.name, a, b)
                    })
                    .await?;
                if found != Found::Same {
                    return Ok(found);
                }
            }
        }
        Ok(Found::Same)
    }

    /// A module's value: what both servers would write of it.
    async fn payloads(&mut self, key: &[u8]) -> Result<Found, Failure> {
        let mut pipe = Pipeline::new();
        pipe.cmd("DUMP").arg(key);
        self.one(&pipe, |a, b| {
            let body = |reply| bytes(reply).map(|bytes| bytes.get(..bytes.len().saturating_sub(FOOTER)));
            match (body(a), body(b)) {
                (Some(a), Some(b)) if a == b => Found::Same,
                (Some(_), Some(_)) => Found::Differs("has another payload".to_owned()),
                _ => Found::Unread,
            }
        })
        .await
    }

    /// One command at both ends, and what is to be said about its replies.
    async fn one(&mut self, pipe: &Pipeline, judge: impl FnOnce(&Value, &Value) -> Found) -> Result<Found, Failure> {
        let (ours, theirs) = self.both(pipe).await?;
        Ok(ours.first().zip(theirs.first()).map_or(Found::Unread, |(a, b)| judge(a, b)))
    }
}

/// Where the next page of entries begins, when this one is full.
fn last_id(reply: &Value, step: u64) -> Option<String> {
    let all = items(reply)?;
    if (all.len() as u64) < step {
        return None;
    }
    let id = std::str::from_utf8(bytes(items(all.last()?)?.first()?)?).ok()?;
    let (ms, seq) = id.split_once('-')?;
    let (ms, seq): (u64, u64) = (ms.parse().ok()?, seq.parse().ok()?);
    Some(match seq.checked_add(1) {
        Some(seq) => format!("{ms}-{seq}"),
        None => format!("{}-0", ms.checked_add(1)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_begins_behind_the_last_entry() {
        let reply = |id: &str| Value::Array(vec![Value::Array(vec![Value::BulkString(id.as_bytes().to_vec())])]);
        assert_eq!(last_id(&reply("5-7"), 1).as_deref(), Some("5-8"));
        assert_eq!(last_id(&reply("5-18446744073709551615"), 1).as_deref(), Some("6-0"));
        assert_eq!(last_id(&reply("5-7"), 2), None);
        assert_eq!(last_id(&reply("18446744073709551615-18446744073709551615"), 1), None);
    }
}
