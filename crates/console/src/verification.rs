//! A comparison of one replica's destination with its sources: the engine's handle, and what is remembered for the window.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tributary_engine as engine;
use tributary_engine::{CompareHandle, CompareProgress, Difference, Repair};

use crate::dto::{
    DifferenceKind, DifferencePage, DifferenceView, KindCounts, RepairLive, RepairOutcome, RepairView, SkippedKeys,
    VerifyLive, VerifyMode, VerifyOptions, VerifySide, VerifyStage,
};
use crate::export::readable;
use crate::meter::{Counters, Meter};
use crate::time::now_ms;
use crate::view;

/// What is known of a comparison before it begins.
pub(crate) struct Asked {
    /// Rises with every comparison.
    pub run: u64,
    pub options: VerifyOptions,
    /// Whether the replica follows its sources.
    pub followed: bool,
    /// The sources' names, by ID.
    pub names: HashMap<String, String>,
}

/// A comparison that runs, or ran since the app was opened. Its list can be repaired until it is dropped.
pub(crate) struct Verification {
    asked: Asked,
    handle: CompareHandle,
    started_at: u64,
    ended_at: Option<u64>,
    meter: Meter,
    /// Tells the event log what comes of it; ends with the handle.
    tells: JoinHandle<()>,
}

impl Verification {
    /// Remembers one that has begun. `tell` follows it until the engine publishes nothing any more.
    pub fn new<F>(asked: Asked, handle: CompareHandle, tell: impl FnOnce(watch::Receiver<CompareProgress>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tells = tokio::spawn(tell(handle.progress()));
        Self { asked, handle, started_at: now_ms(), ended_at: None, meter: Meter::default(), tells }
    }

    /// Whether it still compares or repairs.
    pub fn is_working(&self) -> bool {
        !self.handle.progress().borrow().stage.is_over()
    }

    /// Which one it is.
    pub fn run(&self) -> u64 {
        self.asked.run
    }

    /// Ends it soon; what was found stays.
    pub fn stop(&self) {
        self.handle.stop();
    }

    /// Ends it and waits for all of it.
    pub async fn end(self) {
        let Self { mut handle, tells, .. } = self;
        handle.stop();
        // What is being written is best written whole; a server that hangs is not waited for.
        if tokio::time::timeout(ENDING, handle.finished()).await.is_err() {
            tracing::warn!("a comparison took too long to end; a repair was broken off");
        }
        drop(handle);
        if let Err(error) = tells.await {
            tracing::error!(%error, "the outcome of a comparison was not kept");
        }
    }

    /// Asks for the repair of those with these places in the list, or of all. False when that is not possible now.
    pub fn repair(&self, chosen: Option<&[u32]>) -> bool {
        let Some(chosen) = chosen else { return self.handle.repair(Repair::All) };
        let differences = self.handle.differences();
        let place = |id: &u32| usize::try_from(*id).ok().and_then(|index| differences.get(index));
        let keys = chosen.iter().filter_map(place).map(|difference| (difference.db, difference.key.clone())).collect();
        self.handle.repair(Repair::Keys(keys))
    }

    /// All in the list, with the names of their sources.
    pub fn differences(&self) -> Vec<DifferenceView> {
        let numbered = (0_u32..).zip(self.handle.differences());
        numbered.map(|(id, difference)| self.difference(id, difference)).collect()
    }

    /// A part of the list.
    pub fn page(&self, kind: Option<DifferenceKind>, offset: u64, limit: u64) -> DifferencePage {
        let all = self.handle.differences();
        let mut open = KindCounts::default();
        let is_open =
            |difference: &&Difference| !difference.repaired.as_ref().is_some_and(engine::RepairOutcome::is_right);
        all.iter().filter(is_open).for_each(|difference| open.add(kind_of(difference.kind)));
        let wanted: Vec<(u32, Difference)> = (0_u32..)
            .zip(all)
            .filter(|(_, difference)| kind.is_none_or(|kind| kind == kind_of(difference.kind)))
            .collect();
        let total = wanted.len() as u64;
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let take = usize::try_from(limit).unwrap_or(usize::MAX);
        let shown = wanted.into_iter().skip(skip).take(take);
        let differences = shown.map(|(id, difference)| self.difference(id, difference)).collect();
        DifferencePage { run: self.asked.run, total, offset, open, differences }
    }

    fn difference(&self, id: u32, difference: Difference) -> DifferenceView {
        DifferenceView {
            id,
            source: difference.source.map(|source| self.name_of(&source)),
            db: difference.db,
            key: readable(&difference.key),
            kind: kind_of(difference.kind),
            source_says: difference.source_says,
            destination_says: difference.destination_says,
            repair: difference.repaired.map(repair),
        }
    }

    fn name_of(&self, source: &str) -> String {
        self.asked.names.get(source).cloned().unwrap_or_else(|| source.to_owned())
    }

    /// How it is doing now.
    pub fn live(&mut self, now: Instant) -> VerifyLive {
        let progress = self.handle.progress().borrow().clone();
        let over = progress.stage.is_over();
        let counters = Counters { loaded: progress.keys_done, ..Counters::default() };
        let rate = self.meter.read(now, counters).loaded;
        if over && self.ended_at.is_none() {
            self.ended_at = Some(now_ms());
        }
        let side = |side: &engine::SideCount| VerifySide {
            source: side.source.as_deref().map(|source| self.name_of(source)),
            endpoint: side.endpoint.clone(),
            keys: side.keys,
        };
        let counted = progress.stage != engine::CompareStage::Counting && progress.keys_total > 0;
        let sides = progress.sources.iter().chain([&progress.destination]).filter(|_| counted).map(side).collect();
        VerifyLive {
            run: self.asked.run,
            options: self.asked.options,
            stage: stage(progress.stage),
            started_at: self.started_at,
            ended_at: self.ended_at,
            followed: self.asked.followed,
            keys_total: (counted || over).then_some(progress.keys_total),
            keys_done: progress.keys_done,
            sides,
            equal: progress.equal,
            settling: progress.settling,
            skipped: progress.skipped.iter().map(skipped).collect(),
            differences: progress.differences,
            by_kind: counts(&progress.by_kind),
            listed: progress.differences.min(LISTED as u64),
            elapsed_ms: progress.elapsed_ms as f64,
            left_ms: progress.left_ms.filter(|_| !over).map(|left| left as f64),
            keys_per_sec: rate.filter(|_| !over),
            repair: (progress.repairs > 0).then_some(RepairLive {
                asked: progress.repairs,
                repaired: progress.repaired,
                not_repaired: progress.not_repaired,
            }),
            failure: progress.failure.as_ref().map(view::failure),
        }
    }
}

/// How long the end of one is waited for.
const ENDING: Duration = Duration::from_secs(5);
/// Differences that are kept in the list; all are counted.
pub(crate) const LISTED: usize = 10_000;

/// How the engine is asked for it.
pub(crate) fn options(wanted: VerifyOptions) -> engine::CompareOptions {
    let mode = match wanted.mode {
        VerifyMode::Fast => engine::CompareMode::Fast,
        VerifyMode::Full => engine::CompareMode::Full,
    };
    let keys_per_second = wanted.keys_per_second;
    engine::CompareOptions { mode, keys_per_second, list_limit: LISTED, ..engine::CompareOptions::default() }
}

fn stage(stage: engine::CompareStage) -> VerifyStage {
    match stage {
        engine::CompareStage::Counting => VerifyStage::Counting,
        engine::CompareStage::Comparing => VerifyStage::Comparing,
        engine::CompareStage::Extra => VerifyStage::Extra,
        engine::CompareStage::Settling => VerifyStage::Settling,
        engine::CompareStage::Repairing => VerifyStage::Repairing,
        engine::CompareStage::Done => VerifyStage::Done,
        engine::CompareStage::Stopped => VerifyStage::Stopped,
        engine::CompareStage::Failed => VerifyStage::Failed,
    }
}

fn kind_of(kind: engine::DifferenceKind) -> DifferenceKind {
    match kind {
        engine::DifferenceKind::Missing => DifferenceKind::Missing,
        engine::DifferenceKind::Extra => DifferenceKind::Extra,
        engine::DifferenceKind::Type => DifferenceKind::Type,
        engine::DifferenceKind::Value => DifferenceKind::Value,
        engine::DifferenceKind::Expiry => DifferenceKind::Expiry,
    }
}

fn counts(of: &engine::KindCounts) -> KindCounts {
    KindCounts { missing: of.missing, extra: of.extra, types: of.type_differs, value: of.value, expiry: of.expiry }
}

fn skipped(skipped: &engine::Skipped) -> SkippedKeys {
    SkippedKeys { why: skipped.why.clone(), keys: skipped.keys, example: readable(&skipped.example) }
}

fn repair(outcome: engine::RepairOutcome) -> RepairView {
    let (outcome, why) = match outcome {
        engine::RepairOutcome::Repaired => (RepairOutcome::Repaired, None),
        engine::RepairOutcome::Equal => (RepairOutcome::Equal, None),
        engine::RepairOutcome::NotRepaired(why) => (RepairOutcome::NotRepaired, Some(why)),
    };
    RepairView { outcome, why }
}
