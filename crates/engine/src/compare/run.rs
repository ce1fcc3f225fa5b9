//! The course of a comparison: count, compare, settle; and repairs, whenever they are asked for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::CompareStage;
use super::applied::Applied;
use super::handle::Repair;
use super::ledger::Ledger;
use super::looks::Looks;
use super::plan::Plan;
use super::recheck::Rechecks;
use super::repair::Repairs;
use super::scan::Passes;
use super::side::Side;
use crate::{ErrorKind, Failure, ReplicaSpec, ReplicaStatus};

/// How often the times in the progress are renewed.
const TICK: Duration = Duration::from_millis(250);
/// Suspects on their way from the passes to those who look at them again.
const SUSPECTS: usize = 256;

/// What the user wants to end.
#[derive(Debug, Default)]
pub(super) struct Stops {
    /// The comparison.
    pub comparing: CancellationToken,
    /// The repairs that are being made.
    pub repairing: Notify,
}

/// Runs a comparison to its end, and makes repairs until nobody can ask for one any more.
pub(super) async fn run(
    spec: Arc<ReplicaSpec>,
    ledger: Arc<Ledger>,
    status: Option<watch::Receiver<Arc<ReplicaStatus>>>,
    orders: mpsc::Receiver<Repair>,
    stops: Arc<Stops>,
) {
    let applied = Arc::new(Applied::new(spec.clone(), status));
    let work = async {
        tokio::join!(
            compare_until_stopped(&spec, &ledger, &applied, &stops.comparing),
            repair(&spec, &ledger, &applied, orders, &stops.repairing)
        );
    };
    let ticking = async {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tick.tick().await;
            ledger.tick();
        }
    };
    tokio::select! {
        () = work => {}
        () = ticking => {}
    }
}

async fn compare_until_stopped(
    spec: &Arc<ReplicaSpec>,
    ledger: &Arc<Ledger>,
    applied: &Arc<Applied>,
    stop: &CancellationToken,
) {
    tokio::select! {
        biased;
        () = stop.cancelled() => ledger.enter(CompareStage::Stopped),
        done = compare(spec, ledger, applied) => match done {
            Ok(()) => {
                ledger.goes_on();
                ledger.enter(CompareStage::Done);
            }
            Err(failure) => {
                ledger.held_up(&failure);
                ledger.enter(CompareStage::Failed);
            }
        },
    }
}

async fn compare(spec: &Arc<ReplicaSpec>, ledger: &Arc<Ledger>, applied: &Arc<Applied>) -> Result<(), Failure> {
    let connections = || {
        let sources = spec.sources.iter().map(|source| Side::new(source.endpoint.clone(), ledger.clone()));
        (sources.collect::<Vec<_>>(), Side::new(spec.destination.clone(), ledger.clone()))
    };
    let (mut sources, mut destination) = connections();
    for side in sources.iter_mut().chain([&mut destination]) {
        match side.connected().await {
            // It answers, and will do more than that.
            Err(failure) if matches!(failure.kind, ErrorKind::Loading | ErrorKind::SourceUnavailable) => {
                side.ready().await?;
            }
            // A wrong address should not be tried for a minute.
            connected => connected?,
        }
    }
    let plan = Arc::new(Plan::make(spec, &mut sources, &mut destination, ledger).await?);
    applied.look_for_sessions(&mut destination).await?;
    let (hand_on, suspects) = mpsc::channel(SUSPECTS);
    let known = (ledger, applied, &plan);
    let passes = Passes::new(spec, known, (sources, destination), hand_on);
    let (sources, destination) = connections();
    let (ledger, applied) = (ledger.clone(), applied.clone());
    let rechecks = Rechecks::new(Looks { ledger, applied, plan: plan.clone(), sources, destination });
    tokio::try_join!(passes.run(), rechecks.run(suspects)).map(drop)
}

async fn repair(
    spec: &Arc<ReplicaSpec>,
    ledger: &Arc<Ledger>,
    applied: &Arc<Applied>,
    mut orders: mpsc::Receiver<Repair>,
    stop: &Notify,
) {
    while let Some(order) = orders.recv().await {
        // Its connections end with it: one that was broken off may have keys under watch.
        let mut repairs = Repairs::new(spec, ledger, applied);
        tokio::select! {
            () = repairs.make(order) => {}
            () = stop.notified() => {}
        }
        ledger.order_done();
    }
}
