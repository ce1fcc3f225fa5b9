//! What was found so far, for whoever asks: counts, differences, and the time that is left.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::pace::Pace;
use super::{CompareOptions, CompareProgress, CompareStage, Difference, RepairOutcome, SideCount, Skipped};
use crate::Failure;

/// Differences that are remembered so that a key which a server gives twice is counted once: 32 MiB of fingerprints.
const REMEMBERED: usize = 1 << 20;
/// Reasons for which keys could not be judged that are told apart.
const REASONS: usize = 32;
/// Before this the pace says nothing.
const WARM: Duration = Duration::from_millis(500);
/// What a key of the second pass takes of what one of the first took: it is only asked whether it exists.
const EXTRA_SHARE: f64 = 0.15;

/// The record of one comparison.
#[derive(Debug)]
pub(super) struct Ledger {
    progress: watch::Sender<CompareProgress>,
    found: Mutex<Found>,
    pub options: CompareOptions,
    pub pace: Pace,
    started: Instant,
}

#[derive(Debug)]
struct Found {
    list: Vec<Difference>,
    /// Where in the list a key stands.
    places: HashMap<(u32, Vec<u8>), usize>,
    seen: HashSet<u128>,
    /// What the comparison itself is doing.
    stage: CompareStage,
    /// Since when.
    since: Instant,
    /// Repairs that were ordered and are not made yet.
    orders: usize,
    /// Seconds that a key of the first pass took.
    per_key: Option<f64>,
}

impl Ledger {
    pub(super) fn new(options: CompareOptions) -> Self {
        let now = Instant::now();
        let found = Found {
            list: Vec::new(),
            places: HashMap::new(),
            seen: HashSet::new(),
            stage: CompareStage::Counting,
            since: now,
            orders: 0,
            per_key: None,
        };
        Self {
            progress: watch::Sender::new(CompareProgress::default()),
            found: Mutex::new(found),
            pace: Pace::new(options.keys_per_second),
            options,
            started: now,
        }
    }

    // Its parts are whole after every line of this file, so a panic elsewhere does not matter.
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<CompareProgress> {
        self.progress.subscribe()
    }

    pub(super) fn differences(&self) -> Vec<Difference> {
        self.found().list.clone()
    }

    /// Changes the progress and the times in it.
    pub(super) fn update(&self, change: impl FnOnce(&mut CompareProgress)) {
        self.progress.send_modify(|progress| {
            change(progress);
            let (stage, orders) = {
                let found = self.found();
                (found.stage, found.orders)
            };
            // The time that a comparison took stands still after it.
            if !stage.is_over() || !progress.stage.is_over() && progress.stage != CompareStage::Repairing {
                progress.elapsed_ms = ms(self.started.elapsed());
            }
            progress.stage = if stage.is_over() && orders > 0 { CompareStage::Repairing } else { stage };
            progress.keys_total =
                progress.sources.iter().map(|side| side.keys).sum::<u64>() + progress.destination.keys;
            progress.keys_done = done(progress.sources.iter().chain([&progress.destination]));
            progress.left_ms = self.left(progress);
        });
    }

    /// Renews the times.
    pub(super) fn tick(&self) {
        let stage = self.progress.borrow().stage;
        if !stage.is_over() {
            self.update(|_| {});
        }
    }

    pub(super) fn enter(&self, stage: CompareStage) {
        let keys = done(self.progress.borrow().sources.iter());
        {
            let mut found = self.found();
            if stage == CompareStage::Extra && keys > 0 {
                found.per_key = Some(found.since.elapsed().as_secs_f64() / keys as f64);
            }
            (found.stage, found.since) = (stage, Instant::now());
        }
        self.update(|_| {});
    }

    /// Nobody works on it any more, nor on the repairs that were asked for.
    pub(super) fn broken_off(&self, failure: &Failure) {
        self.held_up(failure);
        self.found().orders = 0;
        self.enter(CompareStage::Failed);
    }

    /// Repairs were asked for.
    pub(super) fn order(&self) {
        self.found().orders += 1;
        self.update(|_| {});
    }

    /// An order was carried out, or given up.
    pub(super) fn order_done(&self) {
        {
            let mut found = self.found();
            found.orders = found.orders.saturating_sub(1);
        }
        self.update(|_| {});
    }

    /// From the pace of the pass so far; the second is guessed from the first until it has one of its own.
    fn left(&self, progress: &CompareProgress) -> Option<u64> {
        let found = self.found();
        let (since, settle) = (found.since, self.options.settle);
        let first = (done(progress.sources.iter()), progress.sources.iter().map(|side| side.keys).sum::<u64>());
        let second = (done([&progress.destination].into_iter()), progress.destination.keys);
        let left = |(done, total): (u64, u64), per_key: f64| {
            let keys = total.saturating_sub(done);
            Duration::from_secs_f64((keys as f64 * per_key).clamp(0.0, 1e9)).max(self.pace.least(keys))
        };
        let measured = |done: u64| {
            let took = since.elapsed();
            (done > 0 && took >= WARM).then(|| took.as_secs_f64() / done as f64)
        };
        let settling = if progress.settling > 0 { settle } else { Duration::ZERO };
        match progress.stage {
            CompareStage::Comparing => {
                let per_key = measured(first.0)?;
                Some(ms(left(first, per_key) + left(second, per_key * EXTRA_SHARE) + settling))
            }
            CompareStage::Extra => {
                let per_key = measured(second.0).or(found.per_key.map(|seconds| seconds * EXTRA_SHARE))?;
                Some(ms(left(second, per_key) + settling))
            }
            CompareStage::Settling => Some(ms(settle.saturating_sub(since.elapsed()))),
            CompareStage::Done | CompareStage::Stopped | CompareStage::Failed => Some(0),
            CompareStage::Counting | CompareStage::Repairing => None,
        }
    }

    /// A server does not answer for now.
    pub(super) fn held_up(&self, failure: &Failure) {
        self.update(|progress| progress.failure = Some(failure.clone()));
    }

    /// It answers again.
    pub(super) fn goes_on(&self) {
        self.update(|progress| progress.failure = None);
    }

    /// Counts a difference, once, and keeps it where there is room.
    pub(super) fn report(&self, difference: Difference) {
        let kind = difference.kind;
        {
            let mut found = self.found();
            let print = xxh3_128_with_seed(&difference.key, u64::from(difference.db));
            if found.seen.contains(&print) {
                return;
            }
            if found.seen.len() < REMEMBERED {
                found.seen.insert(print);
            }
            if found.list.len() < self.options.list_limit {
                let place = found.list.len();
                found.places.insert((difference.db, difference.key.clone()), place);
                found.list.push(difference);
            }
        }
        self.update(|progress| {
            progress.differences += 1;
            progress.by_kind.add(kind);
        });
    }

    /// Counts a key that could not be judged.
    pub(super) fn skip(&self, why: &str, key: &[u8]) {
        self.update(|progress| {
            let skipped = &mut progress.skipped;
            let known = skipped.iter().position(|skipped| skipped.why == why);
            // The last reason stands for all others when there are too many.
            let place = known.or_else(|| skipped.len().checked_sub(1).filter(|last| last + 1 >= REASONS));
            match place.and_then(|place| skipped.get_mut(place)) {
                Some(skipped) => skipped.keys += 1,
                None => skipped.push(Skipped { why: why.to_owned(), keys: 1, example: key.to_vec() }),
            }
        });
    }

    /// The differences of the list that are not right yet, by their places: all, or those that are named.
    pub(super) fn wrong(&self, named: Option<&[(u32, Vec<u8>)]>) -> Vec<usize> {
        let found = self.found();
        let wrong = |place: &usize| {
            let difference = found.list.get(*place);
            difference.is_some_and(|d| !d.repaired.as_ref().is_some_and(RepairOutcome::is_right))
        };
        match named {
            None => (0..found.list.len()).filter(wrong).collect(),
            Some(named) => {
                let mut places: Vec<usize> =
                    named.iter().filter_map(|key| found.places.get(key).copied()).filter(wrong).collect();
                places.sort_unstable();
                places.dedup();
                places
            }
        }
    }

    /// A difference of the list.
    pub(super) fn difference(&self, place: usize) -> Option<Difference> {
        self.found().list.get(place).cloned()
    }

    /// Counts the differences that are to be repaired, each once however often it is asked for.
    pub(super) fn asked(&self, places: &[usize]) {
        let anew = {
            let found = self.found();
            let is_new = |place: &&usize| found.list.get(**place).is_some_and(|one| one.repaired.is_none());
            places.iter().filter(is_new).count() as u64
        };
        self.update(|progress| progress.repairs += anew);
    }

    /// Notes what came of a repair.
    pub(super) fn repaired(&self, place: usize, outcome: RepairOutcome) {
        let right = outcome.is_right();
        let earlier = {
            let mut found = self.found();
            found.list.get_mut(place).and_then(|difference| difference.repaired.replace(outcome))
        };
        self.update(|progress| {
            // One that could not be made before is counted by its last outcome.
            if earlier.is_some() {
                progress.not_repaired = progress.not_repaired.saturating_sub(1);
            }
            *if right { &mut progress.repaired } else { &mut progress.not_repaired } += 1;
        });
    }
}

/// What was done; a scan may give more keys than were counted.
fn done<'a>(sides: impl Iterator<Item = &'a SideCount>) -> u64 {
    sides.map(|side| side.done.min(side.keys)).sum()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::DifferenceKind;

    fn ledger(list_limit: usize) -> Ledger {
        Ledger::new(CompareOptions { list_limit, ..CompareOptions::default() })
    }

    fn difference(db: u32, key: &str) -> Difference {
        Difference {
            source: None,
            db,
            key: key.as_bytes().to_vec(),
            kind: DifferenceKind::Extra,
            source_says: String::new(),
            destination_says: String::new(),
            repaired: None,
        }
    }

    #[test]
    fn a_difference_counts_once_and_the_list_is_bounded() {
        let ledger = ledger(2);
        for (db, key) in [(0, "a"), (0, "a"), (1, "a"), (0, "b"), (0, "b")] {
            ledger.report(difference(db, key));
        }
        let progress = ledger.subscribe().borrow().clone();
        assert_eq!((progress.differences, progress.by_kind.extra), (3, 3));
        assert_eq!(ledger.differences(), [difference(0, "a"), difference(1, "a")]);
    }

    #[test]
    fn only_what_is_in_the_list_and_not_right_is_repaired_and_counts_by_its_last_outcome() {
        let ledger = ledger(10);
        ["a", "b", "c"].iter().for_each(|key| ledger.report(difference(0, key)));
        let key = |key: &str| (0, key.as_bytes().to_vec());
        assert_eq!(ledger.wrong(Some(&[key("c"), key("x"), key("a"), key("c")])), [0, 2]);
        ledger.asked(&[0, 2]);
        ledger.repaired(0, RepairOutcome::Repaired);
        ledger.repaired(2, RepairOutcome::NotRepaired("why".into()));
        assert_eq!(ledger.wrong(None), [1, 2]);
        ledger.asked(&[1, 2]);
        ledger.repaired(2, RepairOutcome::Equal);
        let progress = ledger.subscribe().borrow().clone();
        assert_eq!((progress.repairs, progress.repaired, progress.not_repaired), (3, 2, 0));
    }

    #[test]
    fn it_is_not_over_while_a_repair_is_due() {
        let ledger = ledger(10);
        let stage = || ledger.subscribe().borrow().stage;
        ledger.enter(CompareStage::Comparing);
        ledger.order();
        assert_eq!(stage(), CompareStage::Comparing);
        ledger.enter(CompareStage::Done);
        assert_eq!(stage(), CompareStage::Repairing);
        ledger.order_done();
        assert_eq!((stage(), ledger.subscribe().borrow().left_ms), (CompareStage::Done, Some(0)));
    }

    #[test]
    fn reasons_are_told_apart_up_to_a_bound_and_every_key_counts() {
        let ledger = ledger(10);
        (0..REASONS + 5).for_each(|reason| ledger.skip(&reason.to_string(), b"key"));
        ledger.skip("0", b"other");
        let skipped = ledger.subscribe().borrow().skipped.clone();
        assert_eq!((skipped.len(), skipped[0].keys, skipped[REASONS - 1].keys), (REASONS, 2, 6));
    }
}
