//! One look at keys that seem to differ, at every source that may own them.

use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, Value};

use super::DifferenceKind;
use super::applied::{Applied, Place, Reached};
use super::ledger::Ledger;
use super::page::{Finding, Pair, Verdict};
use super::plan::{Plan, Unit};
use super::reply::{bytes, count};
use super::rewrite::{self, Held};
use super::side::Side;
use crate::control::Info;
use crate::{Action, Failure};

/// How long a look waits for the destination to apply what the source has executed.
pub(super) const FOLLOW: Duration = Duration::from_millis(200);
/// Values up to this are held to see whether they stand still, in bytes.
const SMALL: u64 = 64 << 10;

/// A key that seems to differ.
#[derive(Debug, Clone)]
pub(super) struct Suspect {
    /// Where it was found; `None` for a key of no source.
    pub owner: Option<Unit>,
    /// The destination's database.
    pub db: u32,
    pub key: Vec<u8>,
}

/// A difference that was seen: at which source, and how.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub unit: Option<Unit>,
    pub finding: Finding,
}

/// What a look says about a key.
#[derive(Debug)]
pub(super) enum Seen {
    Equal,
    /// No longer there, at either end.
    Gone,
    Differs(Sighting),
    /// The source's value changed meanwhile.
    Moving,
    Unjudged(String),
}

/// How it is known that a source's value stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// WATCH: of all keys at once, and exact.
    Watch,
    /// The value is the same before and after: of each key by itself, and blind to a value that came back meanwhile. Holds
    /// the values twice.
    Content,
}

/// What a look says about several keys.
#[derive(Debug)]
pub(super) struct Looked {
    /// One for each key.
    pub seen: Vec<Seen>,
    /// The destination had applied all that the sources had executed, or nobody is known to copy from them.
    pub followed: bool,
}

/// The connections that looks are made with.
pub(super) struct Looks {
    pub ledger: Arc<Ledger>,
    pub applied: Arc<Applied>,
    pub plan: Arc<Plan>,
    pub sources: Vec<Side>,
    pub destination: Side,
}

impl Looks {
    /// One look. A connection that was lost says nothing, and the next look has another.
    pub(super) async fn look(&mut self, suspect: &Suspect, keys: &[Vec<u8>], proof: Proof) -> Result<Looked, Failure> {
        match self.try_look(suspect, keys, proof).await {
            Err(failure) if failure.action() == Action::Retry => {
                // Gives up by itself when the server does not come back.
                self.destination.ready().await?;
                for source in &mut self.sources {
                    source.ready().await?;
                }
                Ok(Looked { seen: keys.iter().map(|_| Seen::Moving).collect(), followed: false })
            }
            looked => looked,
        }
    }

    async fn try_look(&mut self, suspect: &Suspect, keys: &[Vec<u8>], proof: Proof) -> Result<Looked, Failure> {
        // Its own source first: what it says is reported.
        let mut owners = self.plan.owners(suspect.db);
        owners.sort_by_key(|unit| Some(*unit) != suspect.owner);
        let (mut watched, mut followed) = (Vec::new(), true);
        for unit in &owners {
            if let Some(source) = self.sources.get_mut(unit.source) {
                let (place, mark) = begin(source, *unit, keys, proof).await?;
                watched.push(mark);
                let reached = self.applied.wait(&mut self.destination, unit.source, &place, FOLLOW).await?;
                followed &= matches!(reached, Reached::Yes | Reached::NobodyFollows);
            }
        }
        let mut merged: Vec<Merged> = keys.iter().map(|_| Merged::default()).collect();
        for unit in &owners {
            let open: Vec<usize> = merged.iter().enumerate().filter(|(_, one)| !one.equal).map(|(at, _)| at).collect();
            let Some(source) = self.sources.get_mut(unit.source).filter(|_| !open.is_empty()) else { continue };
            let asked: Vec<Vec<u8>> = open.iter().filter_map(|at| keys.get(*at).cloned()).collect();
            let mut pair = Pair {
                source,
                destination: &mut self.destination,
                source_db: unit.source_db,
                destination_db: unit.destination_db,
                mode: self.ledger.options.mode,
            };
            let verdicts = pair.compare(&asked).await?;
            for (at, verdict) in open.into_iter().zip(verdicts) {
                if let Some(one) = merged.get_mut(at) {
                    one.add(*unit, verdict);
                }
            }
        }
        let mut still = vec![true; keys.len()];
        for (unit, mark) in owners.iter().zip(watched) {
            if let Some(source) = self.sources.get_mut(unit.source) {
                end(source, *unit, keys, mark, &mut still).await?;
            }
        }
        let seen = merged.into_iter().zip(still).map(|(one, still)| one.seen(still)).collect();
        Ok(Looked { seen, followed })
    }

    /// Which of the keys are small enough for their values to be held at every source.
    pub(super) async fn small(&mut self, db: u32, keys: &[Vec<u8>]) -> Result<Vec<bool>, Failure> {
        let mut pipe = Pipeline::new();
        for key in keys {
            pipe.cmd("MEMORY").arg("USAGE").arg(key);
        }
        let mut small = vec![true; keys.len()];
        for unit in self.plan.owners(db) {
            let Some(source) = self.sources.get_mut(unit.source) else { continue };
            let sizes = source.ask(unit.source_db, &pipe).await?;
            for (small, size) in small.iter_mut().zip(&sizes) {
                *small &= matches!(size, Value::Nil) || count(size).is_some_and(|bytes| bytes <= SMALL);
            }
        }
        Ok(small)
    }
}

/// What is remembered of a source at the beginning of a look.
enum Mark {
    /// The connection that knows which keys are under WATCH.
    Watched(u64),
    Content(Vec<Option<Held>>),
}

/// Remembers the keys, and gives the place in the source's history behind their last changes.
async fn begin(source: &mut Side, unit: Unit, keys: &[Vec<u8>], proof: Proof) -> Result<(Place, Mark), Failure> {
    if proof == Proof::Content {
        let names: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let (place, held) = rewrite::read(source, unit, &names).await?;
        return Ok((place, Mark::Content(held)));
    }
    let place = watch(source, unit.source_db, keys).await?;
    Ok((place, Mark::Watched(source.connections())))
}

/// Notes which of the keys did not stand still since.
async fn end(source: &mut Side, unit: Unit, keys: &[Vec<u8>], mark: Mark, still: &mut [bool]) -> Result<(), Failure> {
    match mark {
        Mark::Watched(connection) => {
            let all = unchanged(source, unit.source_db).await? && source.connections() == connection;
            still.iter_mut().for_each(|still| *still &= all);
        }
        Mark::Content(before) => {
            let names: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let (_, after) = rewrite::read(source, unit, &names).await?;
            for ((still, before), after) in still.iter_mut().zip(&before).zip(&after) {
                *still &= Held::same(before.as_ref(), after.as_ref());
            }
        }
    }
    Ok(())
}

/// What several sources say about a key: one that agrees with the destination is enough.
#[derive(Debug, Default)]
struct Merged {
    equal: bool,
    moving: bool,
    unjudged: Option<String>,
    differs: Option<Sighting>,
}

impl Merged {
    fn add(&mut self, unit: Unit, verdict: Verdict) {
        match verdict {
            Verdict::Equal => self.equal = true,
            Verdict::Gone => {}
            Verdict::Unread => self.moving = true,
            Verdict::Unjudged(why) => self.unjudged = Some(why),
            Verdict::Differs(finding) => {
                // A source that has no such key says less than one that has.
                let says_less = |other: &Sighting| other.finding.kind == DifferenceKind::Extra;
                if self.differs.as_ref().is_none_or(says_less) {
                    self.differs = Some(Sighting { unit: Some(unit), finding });
                }
            }
        }
    }

    fn seen(self, still: bool) -> Seen {
        match self {
            Self { equal: true, .. } => Seen::Equal,
            Self { moving: true, .. } => Seen::Moving,
            Self { unjudged: Some(why), .. } => Seen::Unjudged(why),
            Self { differs: Some(_), .. } if !still => Seen::Moving,
            Self { differs: Some(sighting), .. } => Seen::Differs(sighting),
            _ => Seen::Gone,
        }
    }
}

/// Has the source remember the keys, and gives the place in its history behind their last changes.
async fn watch(source: &mut Side, db: u32, keys: &[Vec<u8>]) -> Result<Place, Failure> {
    let mut pipe = Pipeline::new();
    pipe.cmd("WATCH").arg(keys).cmd("INFO").arg("replication");
    let replies = source.ask_once(db, &pipe).await?;
    let text = replies.last().and_then(bytes).map(String::from_utf8_lossy).unwrap_or_default();
    Ok(Place::of(&Info::parse(&text)))
}

/// Whether none of the keys was changed since: an empty transaction is refused otherwise.
async fn unchanged(source: &mut Side, db: u32) -> Result<bool, Failure> {
    let mut pipe = Pipeline::new();
    pipe.cmd("MULTI").cmd("EXEC");
    let replies = source.ask_once(db, &pipe).await?;
    Ok(matches!(replies.last(), Some(Value::Array(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(kind: DifferenceKind) -> Verdict {
        Verdict::Differs(Finding { kind, source_says: String::new(), destination_says: String::new() })
    }

    fn merged(verdicts: Vec<Verdict>, still: bool) -> Seen {
        let mut one = Merged::default();
        for (source, verdict) in verdicts.into_iter().enumerate() {
            one.add(Unit { source, source_db: 0, destination_db: 0 }, verdict);
        }
        one.seen(still)
    }

    #[test]
    fn one_source_that_agrees_is_enough() {
        use DifferenceKind::{Extra, Missing, Value};
        assert!(matches!(merged(vec![differs(Value), Verdict::Equal], true), Seen::Equal));
        assert!(matches!(merged(vec![Verdict::Gone, Verdict::Gone], true), Seen::Gone));
        assert!(matches!(merged(vec![differs(Missing)], false), Seen::Moving));
        assert!(matches!(merged(vec![differs(Missing), Verdict::Unread], true), Seen::Moving));
        let Seen::Differs(sighting) = merged(vec![differs(Extra), differs(Value)], true) else { panic!("differs") };
        assert_eq!((sighting.finding.kind, sighting.unit.map(|unit| unit.source)), (Value, Some(1)));
    }
}
