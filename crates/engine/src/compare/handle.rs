//! What the caller holds of a comparison.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::ledger::Ledger;
use super::run::{Stops, run};
use super::{CompareOptions, CompareProgress, Difference};
use crate::{ErrorKind, Failure, ReplicaSpec, ReplicaStatus};

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
    ledger: Arc<Ledger>,
    progress: watch::Receiver<CompareProgress>,
    stops: Arc<Stops>,
    orders: mpsc::Sender<Repair>,
    /// Ends with the handle.
    _task: AbortOnDropHandle<()>,
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
        self.ledger.differences()
    }

    /// Ends the comparison, and the repairs that are being made; what was found stays, and can still be repaired.
    pub fn stop(&self) {
        self.stops.comparing.cancel();
        self.stops.repairing.notify_waiters();
    }

    /// Asks for repairs: of each difference that is named and in the list, the destination is given what the source holds,
    /// and a key of no source is deleted. They are made in the background, also while it still compares; the outcome
    /// stands with each difference. False when too many orders wait already.
    #[must_use]
    pub fn repair(&self, which: Repair) -> bool {
        self.ledger.order();
        let taken = self.orders.try_send(which).is_ok();
        if !taken {
            self.ledger.order_done();
        }
        taken
    }

    /// Waits until it is over and all repairs that were asked for are made, and gives the progress.
    pub async fn finished(&mut self) -> CompareProgress {
        // An error says that nothing is published any more: then the last is what there is.
        let _ = self.progress.wait_for(|progress| progress.stage.is_over()).await;
        self.progress.borrow().clone()
    }
}

pub(super) fn start(
    spec: ReplicaSpec,
    options: CompareOptions,
    applied: Option<watch::Receiver<Arc<ReplicaStatus>>>,
) -> CompareHandle {
    let ledger = Arc::new(Ledger::new(options));
    let (orders, ordered) = mpsc::channel(ORDERS);
    let stops = Arc::new(Stops::default());
    let course = run(Arc::new(spec), ledger.clone(), applied, ordered, stops.clone());
    let task = AbortOnDropHandle::new(tokio::spawn(watched(course, ledger.clone())));
    CompareHandle { progress: ledger.subscribe(), ledger, stops, orders, _task: task }
}

/// Runs a comparison; one that breaks off has failed, and says so.
async fn watched(course: impl Future<Output = ()> + Send + 'static, ledger: Arc<Ledger>) {
    if let Err(broken) = AbortOnDropHandle::new(tokio::spawn(course)).await {
        let message = format!("The comparison broke off: {broken}.");
        ledger.broken_off(&Failure::new(ErrorKind::Internal, "Tributary", message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::CompareStage;

    #[tokio::test]
    async fn a_comparison_that_breaks_off_has_failed_and_nothing_is_awaited_of_it() {
        let ledger = Arc::new(Ledger::new(CompareOptions::default()));
        ledger.order();
        watched(async { panic!("a fault") }, ledger.clone()).await;
        let progress = ledger.subscribe().borrow().clone();
        assert_eq!(progress.stage, CompareStage::Failed);
        let failure = progress.failure.expect("it says why");
        assert_eq!(failure.kind, ErrorKind::Internal);
        assert!(failure.message.contains("a fault"), "{}", failure.message);
    }
}
