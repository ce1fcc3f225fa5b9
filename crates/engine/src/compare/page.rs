//! Compares a page of keys between a database of a source and one of the destination.
//!
//! Types and expiries first, then lengths, then content: of small values all of it, for many keys at once; of large ones
//! a few elements (`samples.rs`) or, one value after the other, everything (`deep.rs`).

use redis::{Pipeline, Value};

use super::content::{self, Found};
use super::heads::{self, Head, Heads, Kind};
use super::reply::{bytes, count, items};
use super::side::Side;
use super::{CompareMode, DifferenceKind};
use crate::Failure;

/// A string up to this is small, in bytes; of longer ones this much is always read.
pub(super) const HEAD: u64 = 1024;
/// A collection of up to so many elements is small in fast mode, and in full mode, where large ones cost round trips.
const SMALL: u64 = 64;
const SMALL_FULL: u64 = 512;
/// A value that takes up more than this is never held whole, in bytes.
const HELD: u64 = 1 << 20;
/// What is read at once, in bytes and elements.
const BATCH_BYTES: u64 = 4 << 20;
const BATCH_ELEMENTS: u64 = 16_384;
/// Values of which a few elements are read at once.
const SAMPLED: usize = 256;
/// What an element is taken for where a server does not tell the size of a value, in bytes.
const GUESS: u64 = 128;

/// What is to be said about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Equal,
    /// It is nowhere, or may be: its time has come.
    Gone,
    Differs(Finding),
    /// It changed its type while it was read.
    Unread,
    /// It cannot be compared: why.
    Unjudged(String),
}

/// In what a key differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub kind: DifferenceKind,
    pub source_says: String,
    pub destination_says: String,
}

/// A value of one type at both ends.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// Its place in the page.
    pub at: usize,
    pub kind: Kind,
    pub length: u64,
    /// What it takes up at the source, as far as it says.
    pub bytes: u64,
}

/// A database of a source and one of the destination.
pub(super) struct Pair<'a> {
    pub source: &'a mut Side,
    pub destination: &'a mut Side,
    pub source_db: u32,
    pub destination_db: u32,
    pub mode: CompareMode,
}

impl Pair<'_> {
    /// Compares keys; one verdict for each.
    pub(super) async fn compare(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Verdict>, Failure> {
        let (here, there) = tokio::try_join!(
            heads::heads(self.source, self.source_db, keys),
            heads::heads(self.destination, self.destination_db, keys)
        )?;
        let pairs = here.heads.iter().zip(&there.heads);
        let mut verdicts: Vec<Verdict> = pairs.map(|(a, b)| self.judge_heads(a, b, &here, &there)).collect();
        let open = self.lengths(keys, &here, &mut verdicts).await?;
        self.contents(keys, open, &mut verdicts).await?;
        expiries(&here, &there, &mut verdicts);
        Ok(verdicts)
    }

    /// `Equal` stands for what is not decided yet.
    fn judge_heads(&self, source: &Head, destination: &Head, here: &Heads, there: &Heads) -> Verdict {
        let tolerance = heads::tolerance(here, there);
        let (a, b) = (&source.kind, &destination.kind);
        match (a, b) {
            (Kind::Absent, Kind::Absent) => Verdict::Gone,
            (Kind::Absent, _) if heads::is_due(destination.expires, here.now_ms, tolerance) => Verdict::Gone,
            (_, Kind::Absent) if heads::is_due(source.expires, there.now_ms, tolerance) => Verdict::Gone,
            (Kind::Absent, _) => differs(DifferenceKind::Extra, a.describe(None), b.describe(None)),
            (_, Kind::Absent) => differs(DifferenceKind::Missing, a.describe(None), b.describe(None)),
            (a, b) if a != b => differs(DifferenceKind::Type, a.describe(None), b.describe(None)),
            (Kind::Other(name), _) if self.source.facts().product != self.destination.facts().product => {
                let (ours, theirs) = (self.source.facts().product, self.destination.facts().product);
                Verdict::Unjudged(format!("type {name}: the source is {ours}, the destination {theirs}"))
            }
            _ => Verdict::Equal,
        }
    }

    /// Asks for lengths, and compares the beginnings of strings. Gives what has to be looked into.
    async fn lengths(
        &mut self,
        keys: &[Vec<u8>],
        here: &Heads,
        verdicts: &mut [Verdict],
    ) -> Result<Vec<Open>, Failure> {
        let undecided = keys.iter().zip(&here.heads).zip(verdicts.iter_mut()).enumerate();
        let asked: Vec<(usize, &Vec<u8>, &Kind, &mut Verdict)> = undecided
            .filter(|(_, (_, verdict))| **verdict == Verdict::Equal)
            .map(|(at, ((key, head), verdict))| (at, key, &head.kind, verdict))
            .collect();
        let (mut ours, mut theirs) = (Pipeline::new(), Pipeline::new());
        for (_, key, kind, _) in &asked {
            length(&mut ours, key, kind);
            length(&mut theirs, key, kind);
            if is_collection(kind) {
                ours.cmd("MEMORY").arg("USAGE").arg(*key);
            }
        }
        let (ours, theirs) = tokio::try_join!(
            self.source.ask(self.source_db, &ours),
            self.destination.ask(self.destination_db, &theirs)
        )?;
        let (mut ours, mut theirs) = (ours.into_iter(), theirs.into_iter());
        let mut open = Vec::new();
        for (at, _, kind, verdict) in asked {
            let mut next = || (ours.next().unwrap_or_default(), theirs.next().unwrap_or_default());
            if let Kind::Other(_) = kind {
                open.push(Open { at, kind: kind.clone(), length: 0, bytes: 0 });
                continue;
            }
            let (a, b) = next();
            let (Some(length), Some(other)) = (count(&a), count(&b)) else {
                *verdict = Verdict::Unread;
                continue;
            };
            let start = matches!(kind, Kind::Text).then(next);
            let bytes = if is_collection(kind) { ours.next().as_ref().and_then(count) } else { Some(length) };
            let bytes = bytes.unwrap_or(length.saturating_mul(GUESS));
            *verdict = if length != other {
                differs(DifferenceKind::Value, kind.describe(Some(length)), kind.describe(Some(other)))
            } else {
                let found = start.map_or(Found::Same, |(a, b)| content::elements(kind, 0, &a, &b));
                if found == Found::Same && (is_collection(kind) || length > HEAD) {
                    open.push(Open { at, kind: kind.clone(), length, bytes });
                }
                judged(found, kind, length)
            };
        }
        Ok(open)
    }

    /// Looks into values of one length.
    async fn contents(&mut self, keys: &[Vec<u8>], open: Vec<Open>, verdicts: &mut [Verdict]) -> Result<(), Failure> {
        let most = if self.mode == CompareMode::Full { SMALL_FULL } else { SMALL };
        let is_small = |open: &Open| is_collection(&open.kind) && open.length <= most && open.bytes <= HELD;
        let (small, large): (Vec<Open>, Vec<Open>) = open.into_iter().partition(is_small);
        let mut found = Vec::with_capacity(small.len());
        for batch in batches(&small) {
            found.extend(self.whole(keys, batch).await?);
        }
        // A few elements say nothing cheaper where there are only a few.
        let is_deep =
            |open: &Open| self.mode == CompareMode::Full || matches!(open.kind, Kind::Other(_)) || open.length <= SMALL;
        let (deep, sampled): (Vec<Open>, Vec<Open>) = large.into_iter().partition(is_deep);
        for batch in sampled.chunks(SAMPLED) {
            found.extend(self.samples(keys, batch).await?);
        }
        for (open, found) in small.iter().chain(&sampled).zip(found) {
            if let Some(verdict) = verdicts.get_mut(open.at) {
                *verdict = judged(found, &open.kind, open.length);
            }
        }
        for open in &deep {
            let Some((key, verdict)) = keys.get(open.at).zip(verdicts.get_mut(open.at)) else { continue };
            *verdict = judged(self.deep(key, open).await?, &open.kind, open.length);
        }
        Ok(())
    }

    /// Small values, whole.
    async fn whole(&mut self, keys: &[Vec<u8>], batch: &[Open]) -> Result<Vec<Found>, Failure> {
        let mut pipe = Pipeline::new();
        for open in batch {
            if let Some(key) = keys.get(open.at) {
                whole(&mut pipe, key, open);
            }
        }
        let (ours, theirs) = self.both(&pipe).await?;
        let mut replies = ours.iter().zip(&theirs);
        let mut found = Vec::with_capacity(batch.len());
        // Streams, and hashes whose fields may expire, take another question.
        let mut streams = Vec::new();
        let mut hashes = Vec::new();
        let counters = self.counters();
        for (place, open) in batch.iter().enumerate() {
            let Some((a, b)) = replies.next() else { break };
            let mut one = content::elements(&open.kind, 0, a, b);
            if open.kind == Kind::Stream
                && let (Some(info), Some(groups)) = (replies.next(), replies.next())
            {
                one = one.and(|| content::stream_info(info.0, info.1, counters));
                let of = |groups, info| content::groups(groups, content::entries_added(info).filter(|_| counters));
                let (mut here, there) = (of(groups.0, info.0), of(groups.1, info.1));
                one = one.and(|| match (&here, &there) {
                    (Some(here), Some(there)) => content::same_groups(here, there),
                    _ => Found::Unread,
                });
                let pending = |groups: &Vec<_>| groups.iter().any(|group: &content::GroupInfo| group.pending > 0);
                if one == Found::Same && self.mode == CompareMode::Full && here.as_ref().is_some_and(pending) {
                    streams.push((place, here.take().unwrap_or_default()));
                }
            }
            if open.kind == Kind::Hash && one == Found::Same && self.compares_fields() {
                hashes.push((place, field_names(a)));
            }
            found.push(one);
        }
        self.small_fields(keys, batch, hashes, &mut found).await?;
        for (place, groups) in streams {
            let key = batch.get(place).and_then(|open| keys.get(open.at));
            if let Some((key, one)) = key.zip(found.get_mut(place)) {
                *one = self.pending(key, &groups).await?;
            }
        }
        Ok(found)
    }

    /// When the fields of small hashes expire.
    async fn small_fields(
        &mut self,
        keys: &[Vec<u8>],
        batch: &[Open],
        hashes: Vec<(usize, Vec<Vec<u8>>)>,
        found: &mut [Found],
    ) -> Result<(), Failure> {
        let mut pipe = Pipeline::new();
        for (place, names) in &hashes {
            if let Some(key) = batch.get(*place).and_then(|open| keys.get(open.at)) {
                field_expiries(&mut pipe, key, names);
            }
        }
        let (ours, theirs) = self.both(&pipe).await?;
        for ((place, _), (a, b)) in hashes.iter().zip(ours.iter().zip(&theirs)) {
            if let Some(one) = found.get_mut(*place) {
                *one = content::field_expiries(a, b, heads::TOLERANCE_MS);
            }
        }
        Ok(())
    }

    /// The same commands at both ends.
    pub(super) async fn both(&mut self, pipe: &Pipeline) -> Result<(Vec<Value>, Vec<Value>), Failure> {
        tokio::try_join!(self.source.ask(self.source_db, pipe), self.destination.ask(self.destination_db, pipe))
    }

    /// Whether both count what was added to and deleted from a stream, and it is asked for.
    pub(super) fn counters(&self) -> bool {
        self.mode == CompareMode::Full && self.source.facts().is_7() && self.destination.facts().is_7()
    }

    /// Whether both know that fields expire, and it is asked for.
    pub(super) fn compares_fields(&self) -> bool {
        let both = self.source.facts().dialect.field_expiry && self.destination.facts().dialect.field_expiry;
        self.mode == CompareMode::Full && both
    }
}

/// Of keys whose content is alike, those whose expiry is not.
fn expiries(here: &Heads, there: &Heads, verdicts: &mut [Verdict]) {
    let tolerance = heads::tolerance(here, there);
    for ((a, b), verdict) in here.heads.iter().zip(&there.heads).zip(verdicts) {
        if *verdict == Verdict::Equal && !heads::same_expiry(a.expires, b.expires, there.now_ms, tolerance) {
            let says = |expires, now| heads::describe_expiry(expires, now);
            let (a, b) = (says(a.expires, here.now_ms), says(b.expires, there.now_ms));
            *verdict = differs(DifferenceKind::Expiry, a, b);
        }
    }
}

fn differs(kind: DifferenceKind, source_says: String, destination_says: String) -> Verdict {
    Verdict::Differs(Finding { kind, source_says, destination_says })
}

fn judged(found: Found, kind: &Kind, length: u64) -> Verdict {
    let length = Some(length).filter(|_| !matches!(kind, Kind::Other(_)));
    match found {
        Found::Same => Verdict::Equal,
        Found::Unread => Verdict::Unread,
        Found::Differs(how) => {
            let says = kind.describe(length);
            differs(DifferenceKind::Value, says.clone(), format!("{says}, {how}"))
        }
    }
}

fn is_collection(kind: &Kind) -> bool {
    matches!(kind, Kind::List | Kind::Set | Kind::SortedSet | Kind::Hash | Kind::Stream)
}

/// Asks for a length; of a string also for its beginning.
fn length(pipe: &mut Pipeline, key: &[u8], kind: &Kind) {
    let command = match kind {
        Kind::Text => {
            pipe.cmd("STRLEN").arg(key).cmd("GETRANGE").arg(key).arg(0).arg(HEAD - 1);
            return;
        }
        Kind::List => "LLEN",
        Kind::Set => "SCARD",
        Kind::SortedSet => "ZCARD",
        Kind::Hash => "HLEN",
        Kind::Stream => "XLEN",
        Kind::Absent | Kind::Other(_) => return,
    };
    pipe.cmd(command).arg(key);
}

/// Asks for a small value whole; it may have grown since, but not by much.
fn whole(pipe: &mut Pipeline, key: &[u8], open: &Open) {
    match open.kind {
        Kind::List => pipe.cmd("LRANGE").arg(key).arg(0).arg(open.length),
        Kind::Set => pipe.cmd("SMEMBERS").arg(key),
        Kind::SortedSet => pipe.cmd("ZRANGE").arg(key).arg(0).arg(open.length).arg("WITHSCORES"),
        Kind::Hash => pipe.cmd("HGETALL").arg(key),
        Kind::Stream => {
            pipe.cmd("XRANGE").arg(key).arg("-").arg("+").arg("COUNT").arg(open.length + 1);
            pipe.cmd("XINFO").arg("STREAM").arg(key).cmd("XINFO").arg("GROUPS").arg(key)
        }
        Kind::Text | Kind::Absent | Kind::Other(_) => return,
    };
}

/// Asks when fields expire.
pub(super) fn field_expiries(pipe: &mut Pipeline, key: &[u8], names: &[Vec<u8>]) {
    pipe.cmd("HPEXPIRETIME").arg(key).arg("FIELDS").arg(names.len()).arg(names);
}

/// The names in a reply of HGETALL.
pub(super) fn field_names(reply: &Value) -> Vec<Vec<u8>> {
    let names = items(reply).unwrap_or_default().iter().step_by(2);
    names.filter_map(bytes).map(<[u8]>::to_vec).collect()
}

/// Parts that can be held at once.
fn batches(open: &[Open]) -> impl Iterator<Item = &[Open]> {
    let mut rest = open;
    std::iter::from_fn(move || {
        let (mut bytes, mut elements) = (0, 0);
        let fits = |open: &&Open| {
            bytes += open.bytes;
            elements += open.length;
            bytes <= BATCH_BYTES && elements <= BATCH_ELEMENTS
        };
        let first = rest.iter().take_while(fits).count().clamp(usize::from(!rest.is_empty()), rest.len());
        let (batch, left) = rest.split_at_checked(first)?;
        rest = left;
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_holds_no_more_than_may_be_held() {
        let open = |bytes| Open { at: 0, kind: Kind::List, length: 1, bytes };
        let all = [open(1 << 20), open(3 << 20), open(1), open(9 << 20), open(1)];
        let sizes: Vec<usize> = batches(&all).map(<[Open]>::len).collect();
        assert_eq!(sizes, [2, 1, 1, 1]);
        assert_eq!(batches(&[]).count(), 0);
    }
}
