//! A link: one source, kept connected. [`run`] repeats sessions, each from where the destination says it stands.

mod acks;
mod handshake;
mod pump;
mod session;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use session::{SessionEnd, Start};

use crate::checkpoint::Mark;
use crate::event::EngineEvent;
use crate::meters::Meters;
use crate::supervisor::Events;
use crate::{Action, ErrorKind, Failure, Phase, ReplicaSpec, Retry, Severity, SourceSpec, destination};

/// How long a destination that turned read-only is given to become writable again, as after a failover.
const READ_ONLY_GRACE: Duration = Duration::from_secs(60);
/// First and longest wait between attempts.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// All that a link's parts share.
#[derive(Clone)]
pub(crate) struct LinkContext {
    pub spec: Arc<ReplicaSpec>,
    pub source: SourceSpec,
    pub meters: Arc<Meters>,
    pub events: Events,
    pub stop: CancellationToken,
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
}

/// Holds a link back until the destination has been flushed for all links of the replica.
pub(crate) struct Gate {
    pub ready: mpsc::Sender<()>,
    pub open: watch::Receiver<bool>,
}

impl Gate {
    /// Says that the snapshot is at hand, and waits until it may be applied. A gate whose replica is gone never opens.
    pub(crate) async fn pass(mut self) {
        let told = self.ready.send(()).await.is_ok();
        if !told || self.open.wait_for(|open| *open).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Why a link ended for good.
#[derive(Debug)]
pub(crate) enum LinkEnd {
    /// The user stopped it.
    Stopped,
    /// The destination has to be loaded again; the reason.
    NeedsFull(String),
    /// Its snapshot failed before it was in.
    LoadFailed(Failure),
    /// It failed for a reason that needs the user.
    Failed(Failure),
}

/// Keeps one source in step until it is stopped or cannot go on.
pub(crate) async fn run(ctx: LinkContext, start: Start, gate: Option<Gate>) -> LinkEnd {
    let mut retries = Retries::default();
    let loading = matches!(start, Start::Load);
    let mut end = session::session(&ctx, &start, gate).await;
    if loading
        && ctx.meters.state().streaming_since.is_none()
        && let SessionEnd::Failed(failure) = end
    {
        return LinkEnd::LoadFailed(failure);
    }
    loop {
        let failure = match end {
            SessionEnd::Stopped => return LinkEnd::Stopped,
            SessionEnd::NeedsFull(reason) => return LinkEnd::NeedsFull(reason),
            SessionEnd::Failed(failure) => failure,
        };
        if !retries.may_retry(&failure, &ctx.meters) {
            return LinkEnd::Failed(failure);
        }
        if !retries.pause(&ctx, &failure).await {
            return LinkEnd::Stopped;
        }
        end = resume(&ctx).await;
    }
}

/// One more session, from where the destination says it stands.
async fn resume(ctx: &LinkContext) -> SessionEnd {
    ctx.meters.update(|state| state.phase = Phase::Connecting);
    let mark = tokio::select! {
        mark = destination::mark(&ctx.spec, &ctx.source.id) => mark,
        () = ctx.stop.cancelled() => return SessionEnd::Stopped,
    };
    match mark {
        Ok(Some(Mark::At(place))) => session::session(ctx, &Start::Resume(place), None).await,
        Ok(Some(Mark::Failed(what))) => SessionEnd::Failed(failed_before(&ctx.spec, &what)),
        Ok(Some(Mark::Loading) | None) => {
            let name = ctx.spec.destination.authority();
            SessionEnd::NeedsFull(format!("{name} lost the checkpoint, and with it the data"))
        }
        Err(failure) => SessionEnd::Failed(failure),
    }
}

/// The failure that an earlier session left in the destination.
pub(crate) fn failed_before(spec: &ReplicaSpec, what: &str) -> Failure {
    let name = spec.destination.authority();
    Failure::new(ErrorKind::CommandFailed, &name, format!("An earlier run stopped at a command that failed: {what}"))
}

/// Counts attempts, and decides on the next.
#[derive(Debug, Default)]
struct Retries {
    attempt: u32,
    read_only_since: Option<Instant>,
}

impl Retries {
    fn may_retry(&mut self, failure: &Failure, meters: &Meters) -> bool {
        if meters.state().phase == Phase::Synced {
            *self = Self::default();
        }
        if failure.kind == ErrorKind::ReadOnly {
            let since = *self.read_only_since.get_or_insert_with(Instant::now);
            return since.elapsed() < READ_ONLY_GRACE;
        }
        failure.action() == Action::Retry
    }

    /// Waits before the next attempt; false when the user stopped the sync meanwhile.
    async fn pause(&mut self, ctx: &LinkContext, failure: &Failure) -> bool {
        self.attempt += 1;
        let wait = back_off(self.attempt);
        if self.attempt == 1 {
            ctx.event_failure(failure);
        }
        ctx.meters.update(|state| {
            let since = state.failure.as_ref().filter(|f| f.kind == failure.kind).map(|f| f.since);
            state.phase = Phase::Retrying;
            state.retry = Some(Retry { attempt: self.attempt, at: SystemTime::now() + wait });
            state.failure = Some(Failure { since: since.unwrap_or(failure.since), ..failure.clone() });
            state.streaming_since = None;
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = ctx.stop.cancelled() => false,
        }
    }
}

/// Doubles with every attempt up to a bound; jitter keeps 32 links from knocking at the same moment.
pub(crate) fn back_off(attempt: u32) -> Duration {
    let (first, longest) = BACK_OFF;
    let wait = first.saturating_mul(1u32 << attempt.saturating_sub(1).min(10)).min(longest);
    wait.mul_f64(0.75 + fastrand::f64() / 2.0)
}
