//! Looks at what seems to differ again and again, until it is equal or has not settled in time.
//!
//! A look says something when the source's value stood still meanwhile, which WATCH tells without a second reading. Where a
//! replica follows the source, it is made once the destination has applied all that the source had executed: then nothing
//! that is still on its way can be taken for a difference.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::applied::{Applied, Place};
use super::ledger::Ledger;
use super::page::{Finding, Pair, Verdict};
use super::plan::{Plan, Unit};
use super::reply::bytes;
use super::side::Side;
use super::{Difference, DifferenceKind};
use crate::control::Info;
use crate::{Action, Failure};

/// Differences that may settle at one time, and what their keys may take up, in bytes. Beyond that the passes wait.
const WAITING: usize = 65_536;
const WAITING_BYTES: usize = 32 << 20;
/// Keys of one look.
const BATCH: usize = 128;
/// The first pause between looks, which then doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// How long a look waits for the destination to apply what the source has executed.
const FOLLOW: Duration = Duration::from_millis(200);
/// Looks that must agree before a difference is reported, however short the time to settle.
const LOOKS: u32 = 2;
/// A key that has changed at every look gets so many more times the time to settle.
const EXTENSION: u32 = 2;

/// A key that seems to differ.
#[derive(Debug, Clone)]
pub(super) struct Suspect {
    /// Where it was found; `None` for a key of no source.
    pub owner: Option<Unit>,
    /// The destination's database.
    pub db: u32,
    pub key: Vec<u8>,
}

/// One that is waited for.
#[derive(Debug)]
struct Waiting {
    suspect: Suspect,
    since: Instant,
    pause: Duration,
    /// Looks that found it to differ while the source stood still.
    agreeing: u32,
    last: Option<Sighting>,
}

/// A difference that was seen: at which source, and how.
#[derive(Debug, Clone)]
struct Sighting {
    unit: Option<Unit>,
    finding: Finding,
}

/// What a look says about a key.
#[derive(Debug)]
enum Seen {
    Equal,
    Differs(Sighting),
    /// The source's value changed meanwhile.
    Moving,
    Unjudged(String),
}

/// The connections and the queue.
pub(super) struct Rechecks {
    ledger: Arc<Ledger>,
    applied: Arc<Applied>,
    plan: Arc<Plan>,
    sources: Vec<Side>,
    destination: Side,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    waiting: std::collections::HashMap<u64, Waiting>,
    keys: HashSet<(u32, Vec<u8>)>,
    key_bytes: usize,
    serial: u64,
}

impl Rechecks {
    pub(super) fn new(
        (ledger, applied, plan): (&Arc<Ledger>, &Arc<Applied>, &Arc<Plan>),
        (sources, destination): (Vec<Side>, Side),
    ) -> Self {
        Self {
            ledger: ledger.clone(),
            applied: applied.clone(),
            plan: plan.clone(),
            sources,
            destination,
            queue: BinaryHeap::new(),
            waiting: std::collections::HashMap::new(),
            keys: HashSet::new(),
            key_bytes: 0,
            serial: 0,
        }
    }

    /// Looks at what comes until nothing more does and all has settled.
    pub(super) async fn run(mut self, mut suspects: mpsc::Receiver<Suspect>) -> Result<(), Failure> {
        let mut open = true;
        while open || !self.queue.is_empty() {
            let room = self.waiting.len() < WAITING && self.key_bytes < WAITING_BYTES;
            let due = self.queue.peek().map(|Reverse((due, _))| *due);
            tokio::select! {
                biased;
                // What is due comes first, so that a flood of suspects does not keep anything from being settled.
                () = until(due) => {
                    let batch = self.due();
                    self.look_at(batch).await?;
                }
                suspect = suspects.recv(), if open && room => match suspect {
                    Some(suspect) => self.add(suspect),
                    None => open = false,
                },
            }
            let settling = self.waiting.len() as u64;
            self.ledger.update(|progress| progress.settling = settling);
        }
        Ok(())
    }

    fn add(&mut self, suspect: Suspect) {
        if !self.keys.insert((suspect.db, suspect.key.clone())) {
            return;
        }
        self.key_bytes += suspect.key.len();
        let now = Instant::now();
        self.put(Waiting { suspect, since: now, pause: FIRST_PAUSE, agreeing: 0, last: None }, now);
    }

    fn put(&mut self, waiting: Waiting, due: Instant) {
        self.serial += 1;
        self.queue.push(Reverse((due, self.serial)));
        self.waiting.insert(self.serial, waiting);
    }

    /// What is due and of the same databases.
    fn due(&mut self) -> Vec<Waiting> {
        let now = Instant::now();
        let mut batch: Vec<Waiting> = Vec::new();
        while let Some(Reverse((due, serial))) = self.queue.peek().copied() {
            let alike = |waiting: &Waiting| {
                let first = batch.first().map(|first| (first.suspect.owner, first.suspect.db));
                first.is_none_or(|first| first == (waiting.suspect.owner, waiting.suspect.db))
            };
            if due > now || batch.len() >= BATCH || !self.waiting.get(&serial).is_some_and(alike) {
                break;
            }
            self.queue.pop();
            batch.extend(self.waiting.remove(&serial));
        }
        batch
    }

    async fn look_at(&mut self, batch: Vec<Waiting>) -> Result<(), Failure> {
        let Some(first) = batch.first().map(|waiting| waiting.suspect.clone()) else { return Ok(()) };
        self.ledger.pace.take(batch.len()).await;
        let keys: Vec<Vec<u8>> = batch.iter().map(|waiting| waiting.suspect.key.clone()).collect();
        let seen = self.look(&first, &keys).await?;
        for (waiting, mut seen) in batch.into_iter().zip(seen) {
            if matches!(seen, Seen::Moving) && keys.len() > 1 {
                // Another key of the batch may have changed: by itself it may have stood still.
                let alone = self.look(&waiting.suspect, std::slice::from_ref(&waiting.suspect.key)).await?;
                seen = alone.into_iter().next().unwrap_or(Seen::Moving);
            }
            self.weigh(waiting, seen);
        }
        Ok(())
    }

    /// What a look means for a key.
    fn weigh(&mut self, mut waiting: Waiting, seen: Seen) {
        let (age, settle) = (waiting.since.elapsed(), self.ledger.options.settle);
        let is_over = age >= settle && waiting.agreeing + 1 >= LOOKS;
        match seen {
            Seen::Equal => {
                let from_source = u64::from(waiting.suspect.owner.is_some());
                self.ledger.update(|progress| progress.equal += from_source);
                return self.forget(&waiting);
            }
            Seen::Unjudged(why) => {
                self.ledger.skip(&why, &waiting.suspect.key);
                return self.forget(&waiting);
            }
            Seen::Differs(sighting) => {
                waiting.agreeing += 1;
                waiting.last = Some(sighting);
                if is_over {
                    self.report(&waiting);
                    return self.forget(&waiting);
                }
            }
            Seen::Moving if age >= settle * EXTENSION + FOLLOW => {
                // All looks that said something said the same.
                if waiting.agreeing >= LOOKS {
                    self.report(&waiting);
                } else {
                    self.ledger.skip("changed whenever it was looked at", &waiting.suspect.key);
                }
                return self.forget(&waiting);
            }
            Seen::Moving => {}
        }
        let now = Instant::now();
        let end = (waiting.since + settle).max(now + FIRST_PAUSE);
        let due = (now + waiting.pause).min(end);
        // One that moves is looked at often: only a lucky look says anything.
        waiting.pause = if waiting.last.is_some() { waiting.pause * 2 } else { FIRST_PAUSE * 4 };
        self.put(waiting, due);
    }

    fn forget(&mut self, waiting: &Waiting) {
        self.key_bytes = self.key_bytes.saturating_sub(waiting.suspect.key.len());
        self.keys.remove(&(waiting.suspect.db, waiting.suspect.key.clone()));
    }

    fn report(&self, waiting: &Waiting) {
        let Some(Sighting { unit, finding }) = waiting.last.clone() else { return };
        let extra = finding.kind == DifferenceKind::Extra;
        self.ledger.report(Difference {
            source: unit.filter(|_| !extra).and_then(|unit| self.plan.source_id(unit.source)),
            db: waiting.suspect.db,
            key: waiting.suspect.key.clone(),
            kind: finding.kind,
            source_says: finding.source_says,
            destination_says: finding.destination_says,
            repaired: None,
        });
    }

    /// One look. A connection that was lost says nothing, and the next look has another.
    async fn look(&mut self, suspect: &Suspect, keys: &[Vec<u8>]) -> Result<Vec<Seen>, Failure> {
        match self.try_look(suspect, keys).await {
            Err(failure) if failure.action() == Action::Retry => {
                // Gives up by itself when the server does not come back.
                self.destination.ready().await?;
                for source in &mut self.sources {
                    source.ready().await?;
                }
                Ok(keys.iter().map(|_| Seen::Moving).collect())
            }
            looked => looked,
        }
    }

    async fn try_look(&mut self, suspect: &Suspect, keys: &[Vec<u8>]) -> Result<Vec<Seen>, Failure> {
        // Its own source first: what it says is reported.
        let mut owners = self.plan.owners(suspect.db);
        owners.sort_by_key(|unit| Some(*unit) != suspect.owner);
        let mut watched = Vec::new();
        for unit in &owners {
            if let Some(source) = self.sources.get_mut(unit.source) {
                let place = watch(source, unit.source_db, keys).await?;
                watched.push(source.connections());
                self.applied.wait(&mut self.destination, unit.source, &place, FOLLOW).await?;
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
        let mut still = true;
        for (unit, connection) in owners.iter().zip(watched) {
            if let Some(source) = self.sources.get_mut(unit.source) {
                still &= unchanged(source, unit.source_db).await? && source.connections() == connection;
            }
        }
        Ok(merged.into_iter().map(|one| one.seen(still)).collect())
    }
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
            // It is gone everywhere.
            _ => Seen::Equal,
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
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
        assert!(matches!(merged(vec![Verdict::Gone, Verdict::Gone], true), Seen::Equal));
        assert!(matches!(merged(vec![differs(Missing)], false), Seen::Moving));
        assert!(matches!(merged(vec![differs(Missing), Verdict::Unread], true), Seen::Moving));
        let Seen::Differs(sighting) = merged(vec![differs(Extra), differs(Value)], true) else { panic!("differs") };
        assert_eq!((sighting.finding.kind, sighting.unit.map(|unit| unit.source)), (Value, Some(1)));
    }
}
