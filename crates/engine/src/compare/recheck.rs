//! Looks at what seems to differ again and again, until it is equal or has not settled in time.
//!
//! A look says something when the source's value stood still meanwhile, which WATCH tells without a second reading. Where a
//! replica follows the source, it is made once the destination has applied all that the source had executed: then nothing
//! that is still on its way can be taken for a difference.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::looks::{FOLLOW, Looks, Proof, Seen, Sighting, Suspect};
use super::{Difference, DifferenceKind};
use crate::Failure;

/// Differences that may settle at one time, and what their keys may take up, in bytes. Beyond that the passes wait.
const WAITING: usize = 65_536;
const WAITING_BYTES: usize = 32 << 20;
/// Keys of one look.
const BATCH: usize = 128;
/// The first pause between looks, which then doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// Where doubling ends: one that waits for a replica that is behind is looked at very often.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Looks that must agree before a difference is reported, however short the time to settle.
const LOOKS: u32 = 2;
/// The same, where one of them could not see a value that came back meanwhile.
const UNSURE_LOOKS: u32 = 4;
/// A key that changes at every look, and one for which the destination is behind, gets so many times the time to settle.
const EXTENSION: u32 = 3;

/// One that is waited for.
#[derive(Debug)]
struct Waiting {
    suspect: Suspect,
    since: Instant,
    pause: Duration,
    /// Looks that found it to differ while the source stood still.
    agreeing: u32,
    /// One of them could not see a value that came back meanwhile.
    unsure: bool,
    last: Option<Sighting>,
}

impl Waiting {
    /// Looks that must agree before it is reported.
    fn looks(&self) -> u32 {
        if self.unsure { UNSURE_LOOKS } else { LOOKS }
    }
}

/// The connections and the queue.
pub(super) struct Rechecks {
    looks: Looks,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    waiting: HashMap<u64, Waiting>,
    keys: HashSet<(u32, Vec<u8>)>,
    key_bytes: usize,
    serial: u64,
}

impl Rechecks {
    pub(super) fn new(looks: Looks) -> Self {
        Self { looks, queue: BinaryHeap::new(), waiting: HashMap::new(), keys: HashSet::new(), key_bytes: 0, serial: 0 }
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
            self.looks.ledger.update(|progress| progress.settling = settling);
        }
        Ok(())
    }

    fn add(&mut self, suspect: Suspect) {
        if !self.keys.insert((suspect.db, suspect.key.clone())) {
            return;
        }
        self.key_bytes += suspect.key.len();
        let now = Instant::now();
        self.put(Waiting { suspect, since: now, pause: FIRST_PAUSE, agreeing: 0, unsure: false, last: None }, now);
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
        self.looks.ledger.pace.take(batch.len()).await;
        let keys: Vec<Vec<u8>> = batch.iter().map(|waiting| waiting.suspect.key.clone()).collect();
        let looked = self.looks.look(&first, &keys, Proof::Watch).await?;
        let mut moving = Vec::new();
        for (waiting, seen) in batch.into_iter().zip(looked.seen) {
            // Another key of the batch may have changed: by itself it may have stood still. While the destination is behind
            // that would take long and say little.
            let worth_it = looked.followed || waiting.since.elapsed() >= self.looks.ledger.options.settle;
            if matches!(seen, Seen::Moving) && keys.len() > 1 && worth_it {
                moving.push(waiting);
            } else {
                self.weigh(waiting, seen, looked.followed, Proof::Watch);
            }
        }
        if moving.is_empty() { Ok(()) } else { self.look_at_each(&first, moving).await }
    }

    /// Looks at keys of which some change all the while: whether each of them stood still.
    async fn look_at_each(&mut self, first: &Suspect, moving: Vec<Waiting>) -> Result<(), Failure> {
        self.looks.ledger.pace.take(moving.len()).await;
        let keys: Vec<Vec<u8>> = moving.iter().map(|waiting| waiting.suspect.key.clone()).collect();
        let small = self.looks.small(first.db, &keys).await?;
        let (mut held, mut alone) = (Vec::new(), Vec::new());
        for (waiting, small) in moving.into_iter().zip(small) {
            if small { held.push(waiting) } else { alone.push(vec![waiting]) }
        }
        let parts = Some(held).filter(|held| !held.is_empty()).map(|held| (held, Proof::Content)).into_iter();
        for (part, proof) in parts.chain(alone.into_iter().map(|one| (one, Proof::Watch))) {
            let keys: Vec<Vec<u8>> = part.iter().map(|waiting| waiting.suspect.key.clone()).collect();
            let looked = self.looks.look(first, &keys, proof).await?;
            for (waiting, seen) in part.into_iter().zip(looked.seen) {
                self.weigh(waiting, seen, looked.followed, proof);
            }
        }
        Ok(())
    }

    /// What a look means for a key.
    fn weigh(&mut self, mut waiting: Waiting, seen: Seen, followed: bool, proof: Proof) {
        let (age, settle) = (waiting.since.elapsed(), self.looks.ledger.options.settle);
        // What a replica that is behind has still to apply gets more time; one that does not go on at all does not get it
        // for ever.
        let is_over = age >= if followed { settle } else { settle * EXTENSION };
        match seen {
            Seen::Equal => {
                let from_source = u64::from(waiting.suspect.owner.is_some());
                self.looks.ledger.update(|progress| progress.equal += from_source);
                return self.forget(&waiting);
            }
            Seen::Gone => return self.forget(&waiting),
            Seen::Unjudged(why) => {
                self.looks.ledger.skip(&why, &waiting.suspect.key);
                return self.forget(&waiting);
            }
            Seen::Differs(sighting) => {
                waiting.agreeing += 1;
                waiting.unsure |= proof == Proof::Content;
                waiting.last = Some(sighting);
                if is_over && waiting.agreeing >= waiting.looks() {
                    self.report(&waiting);
                    return self.forget(&waiting);
                }
            }
            Seen::Moving if age >= settle * EXTENSION + FOLLOW => {
                // All looks that said something said the same.
                if waiting.agreeing >= waiting.looks() {
                    self.report(&waiting);
                } else {
                    self.looks.ledger.skip("changed whenever it was looked at", &waiting.suspect.key);
                }
                return self.forget(&waiting);
            }
            Seen::Moving => {}
        }
        let now = Instant::now();
        let end = (waiting.since + settle).max(now + FIRST_PAUSE * 4);
        let due = (now + waiting.pause).min(end);
        // One that moves is looked at often: only a lucky look says anything.
        waiting.pause = if waiting.last.is_some() { (waiting.pause * 2).min(LONGEST_PAUSE) } else { FIRST_PAUSE * 4 };
        self.put(waiting, due);
    }

    fn forget(&mut self, waiting: &Waiting) {
        self.key_bytes = self.key_bytes.saturating_sub(waiting.suspect.key.len());
        self.keys.remove(&(waiting.suspect.db, waiting.suspect.key.clone()));
    }

    fn report(&self, waiting: &Waiting) {
        let Some(Sighting { unit, finding }) = waiting.last.clone() else { return };
        let extra = finding.kind == DifferenceKind::Extra;
        self.looks.ledger.report(Difference {
            source: unit.filter(|_| !extra).and_then(|unit| self.looks.plan.source_id(unit.source)),
            db: waiting.suspect.db,
            key: waiting.suspect.key.clone(),
            kind: finding.kind,
            source_says: finding.source_says,
            destination_says: finding.destination_says,
            repaired: None,
        });
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
