//! A link: one source, kept connected. It has two sides that live and fail apart: [`intake`] takes bytes off the source
//! into the spool, [`outlet`] applies them to the destination.

mod acks;
mod foresight;
mod handshake;
mod intake;
mod outlet;
mod pump;
mod retries;

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tributary_resp::psync::Framing;

pub(crate) use handshake::find_relay;
pub(crate) use retries::back_off;

use crate::checkpoint::Checkpoint;
use crate::clients::OwnClients;
use crate::event::EngineEvent;
use crate::handle::Events;
use crate::meters::Meters;
use crate::owner::Owner;
use crate::probe::{self, Skew};
use crate::spool::{Disk, End, Quota, spool};
use crate::{ErrorKind, Failure, ReplicaSpec, Severity, SourceSpec};

/// All that a link's parts share.
#[derive(Clone)]
pub(crate) struct LinkContext {
    pub spec: Arc<ReplicaSpec>,
    /// The source; `stopped` when it ends once its snapshot is in.
    pub source: SourceSpec,
    pub meters: Arc<Meters>,
    pub events: Events,
    pub stop: CancellationToken,
    /// Whether the user has paused it.
    pub paused: watch::Receiver<bool>,
    /// The run that it belongs to.
    pub owner: Owner,
    /// The runs that it may take the checkpoint over from; unknown until somebody has reached the destination.
    pub predecessors: Arc<OnceLock<Arc<[String]>>>,
    /// Whether what stands at the destination was looked at before this link began.
    pub planned: bool,
    /// What the replica's spools may take up on disk.
    pub quota: Arc<Quota>,
    /// The source's clock less ours.
    pub skew: Arc<Skew>,
    /// The destination's clock less ours.
    pub destination_skew: Arc<Skew>,
    /// Our connections to the destination that last.
    pub own: Arc<OwnClients>,
    /// Told when the destination was reached again: it may have come back with other settings.
    pub destination_back: Arc<Notify>,
}

impl LinkContext {
    /// Writes a line of the event log.
    pub(crate) fn event_info(&self, message: &str) {
        self.event(Severity::Info, message, None);
    }

    /// Writes a warning to the event log.
    pub(crate) fn event_warning(&self, message: &str) {
        self.event(Severity::Warning, message, None);
    }

    /// Writes a failure that is retried to the event log.
    pub(crate) fn event_failure(&self, failure: &Failure) {
        self.event(Severity::Warning, &failure.message, Some(&failure.hint));
    }

    fn event(&self, severity: Severity, message: &str, hint: Option<&str>) {
        self.events.send(EngineEvent {
            at: SystemTime::now(),
            source: Some(self.source.id.clone()),
            severity,
            message: message.to_owned(),
            hint: hint.map(str::to_owned),
        });
    }

    fn open_disk(&self) -> Option<Disk> {
        let place = self.spec.options.spool.as_ref()?;
        let opened = Disk::open(&place.folder_of(&self.spec.id, &self.source.id), self.quota.clone());
        opened
            .inspect_err(|error| {
                let folder = place.folder.display();
                self.event_warning(&format!("The spool stays in memory: {folder} cannot be used: {error}."));
            })
            .ok()
    }
}

/// Where a link begins.
#[derive(Debug)]
pub(crate) enum Start {
    /// With a snapshot, once the destination has been flushed for all links of the replica.
    Load(Gate),
    /// With a snapshot beside what the destination holds.
    Join,
    /// Behind its checkpoint.
    Resume,
}

/// Holds a link back until the destination has been flushed for all links of the replica.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Tells the links at it apart.
    pub ticket: u64,
    pub ready: mpsc::Sender<u64>,
    pub open: watch::Receiver<bool>,
}

impl Gate {
    /// Says that the snapshot is at hand, and waits until it may be applied. A gate whose replica is gone never opens.
    async fn pass(mut self) {
        let told = self.ready.send(self.ticket).await.is_ok();
        if !told || self.open.wait_for(|open| *open).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A snapshot that a source has promised.
#[derive(Debug)]
struct Announced {
    framing: Framing,
    /// Where the stream begins behind it.
    place: Checkpoint,
}

/// Why a link ended for good.
#[derive(Debug)]
pub(crate) enum LinkEnd {
    /// The user stopped it.
    Stopped,
    /// The destination has to be loaded again; the reason.
    NeedsFull(String),
    /// What is at the destination was not known when it began: it has to be looked at.
    Replan,
    /// The wait before a source is loaded once more beside the others is over.
    JoinsAgain,
    /// Its snapshot failed before it was in.
    LoadFailed(Failure),
    /// It failed for a reason that needs the user.
    Failed(Failure),
}

/// Why one session with the destination ended.
#[derive(Debug)]
pub(crate) enum SessionEnd {
    /// The user stopped it; what was received is applied.
    Stopped,
    /// Only a new snapshot can go on; the reason.
    NeedsFull(String),
    /// The destination holds something else than was planned with.
    Replan,
    /// The source's side cannot go on.
    SourceFailed(Failure),
    /// The source's history took another way behind this place.
    Rewound(Checkpoint),
    /// What the spool held on disk is damaged; what happened.
    SpoolDamaged(String),
    /// The destination's side failed.
    Failed(Failure),
}

impl From<Failure> for SessionEnd {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<End> for SessionEnd {
    fn from(end: End) -> Self {
        match end {
            End::Stopping => Self::Stopped,
            End::Broken(failure) => Self::SourceFailed(failure),
            End::NeedsFull(reason) => Self::NeedsFull(reason),
            End::Rewound(place) => Self::Rewound(place),
            End::Damaged(what) => Self::SpoolDamaged(what),
        }
    }
}

/// Keeps one source in step until it is stopped or cannot go on.
pub(crate) async fn run(ctx: LinkContext, start: Start) -> LinkEnd {
    let disk = ctx.open_disk();
    if let (Some(disk), Start::Load(_) | Start::Join) = (&disk, &start) {
        disk.clear().await;
    }
    let (input, output) = spool(disk.clone(), ctx.meters.clone(), ctx.paused.clone());
    let (announce, announced) = oneshot::channel();
    let (load, joins) = match start {
        Start::Load(gate) => (Some(intake::Load { gate: Some(gate), announce }), false),
        Start::Join => (Some(intake::Load { gate: None, announce }), true),
        Start::Resume => (None, false),
    };
    let announced = load.is_some().then_some(announced);
    // Both end with the link, however it ends.
    let mut sides = tokio::task::JoinSet::new();
    sides.spawn(intake::run(ctx.clone(), input, load));
    sides.spawn(probe::watch(
        ctx.source.endpoint.clone(),
        ctx.meters.clone(),
        ctx.skew.clone(),
        ctx.destination_skew.clone(),
    ));
    let end = outlet::run(&ctx, output, announced, joins).await;
    sides.shutdown().await;
    if let Some(disk) = disk {
        disk.close().await;
    }
    end
}

/// The failure that an earlier session left in the destination.
fn failed_before(spec: &ReplicaSpec, what: &str) -> Failure {
    let name = spec.destination.authority();
    let message = format!("An earlier run stopped at a command that failed: {what}");
    Failure::new(ErrorKind::CommandFailed, &name, message)
}
