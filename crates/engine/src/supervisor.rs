//! Runs a replica: brings its links up together, loads the destination when it must, and decides what a link's end
//! means for the others.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::checkpoint::Mark;
use crate::destination::{self, Opening};
use crate::event::{EngineEvent, Severity};
use crate::link::{self, Gate, LinkContext, LinkEnd, Start, back_off};
use crate::meters::Meters;
use crate::report::Reporter;
use crate::{Action, ErrorKind, Failure, Phase, ReplicaSpec, ReplicaStatus, Retry, kinship};

/// How often the status is published.
const REPORT_PERIOD: Duration = Duration::from_millis(250);
/// Events that a slow reader may fall behind.
const EVENT_BACKLOG: usize = 256;

/// How a replica is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartMode {
    /// Go on from the checkpoints; load an empty destination, or one that holds our loading marker. Anything
    /// else is refused.
    Resume,
    /// The same, but whatever else the destination holds may be deleted: the user confirmed it.
    MayFlush,
    /// Delete and load from the beginning in any case.
    Restart,
}

/// Sends lines of the event log; nobody needs to listen.
#[derive(Debug, Clone)]
pub(crate) struct Events(broadcast::Sender<EngineEvent>);

impl Events {
    pub(crate) fn send(&self, event: EngineEvent) {
        tracing::info!(source = event.source.as_deref(), severity = ?event.severity, "{}", event.message);
        // An error only says that nobody listens.
        let _ = self.0.send(event);
    }

    fn replica(&self, severity: Severity, message: String, hint: Option<String>) {
        self.send(EngineEvent { at: SystemTime::now(), source: None, severity, message, hint });
    }
}

/// A running replica. Dropping it ends it without draining; [`ReplicaHandle::stop`] is the clean way.
#[derive(Debug)]
pub struct ReplicaHandle {
    status: watch::Receiver<Arc<ReplicaStatus>>,
    events: Events,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl ReplicaHandle {
    /// The status, published at most four times a second.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Arc<ReplicaStatus>> {
        self.status.clone()
    }

    /// The event log from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<EngineEvent> {
        self.events.0.subscribe()
    }

    /// Applies what was received, closes the links and waits for every task. The checkpoints stay.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // A panic of the task has ended it just as well.
        let _ = (&mut self.task).await;
    }
}

impl Drop for ReplicaHandle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// Starts a replica. Must be called within a tokio runtime.
#[must_use]
pub fn start(spec: ReplicaSpec, mode: StartMode) -> ReplicaHandle {
    let spec = Arc::new(spec);
    let events = Events(broadcast::channel(EVENT_BACKLOG).0);
    let stop = CancellationToken::new();
    let reporter = Reporter::new(&spec);
    let (publish, status) = watch::channel(Arc::new(reporter.report()));
    let supervisor = Supervisor { spec, events: events.clone(), stop: stop.clone(), meters: reporter.meters() };
    let task = tokio::spawn(async move {
        let mut tick = tokio::time::interval(REPORT_PERIOD);
        let mut run = std::pin::pin!(supervisor.run(mode));
        loop {
            tokio::select! {
                () = &mut run => break,
                _ = tick.tick() => drop(publish.send_replace(Arc::new(reporter.report()))),
            }
        }
        publish.send_replace(Arc::new(reporter.report()));
    });
    ReplicaHandle { status, events, stop, task }
}

struct Supervisor {
    spec: Arc<ReplicaSpec>,
    events: Events,
    stop: CancellationToken,
    meters: Vec<Arc<Meters>>,
}

/// Why a round of all links ended.
enum RoundEnd {
    /// Nothing is left to run: stopped by the user, or every link by an error of its own.
    Over,
    /// All sources are to be loaded again; the reason.
    Resync(String),
    /// The load failed; the round is to be repeated or given up, by the failure's action.
    Failed(Failure),
}

impl Supervisor {
    async fn run(self, mut mode: StartMode) {
        if let Err(error) = self.spec.validate() {
            self.stopped(&Failure::new(ErrorKind::Internal, "", error.sentence));
            return;
        }
        let mut attempt = 0;
        while !self.stop.is_cancelled() {
            let end = match self.plan(mode).await {
                Ok(starts) => self.round(starts).await,
                Err(failure) => RoundEnd::Failed(failure),
            };
            match end {
                RoundEnd::Over => break,
                RoundEnd::Resync(reason) => {
                    let message = format!("Full resync across all sources: {reason}.");
                    self.events.replica(Severity::Warning, message, None);
                    attempt = 0;
                    // What may be deleted is ours: the user's confirmation covers later resyncs of the same replica.
                    mode = StartMode::Restart;
                }
                RoundEnd::Failed(failure) if failure.action() == Action::Stop => {
                    self.stopped(&failure);
                    return;
                }
                RoundEnd::Failed(failure) => {
                    attempt += 1;
                    self.pause(attempt, &failure).await;
                }
            }
        }
        if self.stop.is_cancelled() {
            self.each(|state| {
                if state.phase != Phase::Stopped {
                    state.failure = None;
                }
                state.phase = Phase::Stopped;
                state.retry = None;
            });
        }
    }

    /// Where each source is to begin: all of them behind their checkpoints, or all with a snapshot.
    async fn plan(&self, mode: StartMode) -> Result<Vec<Start>, Failure> {
        self.each(|state| state.phase = Phase::Connecting);
        let look = async {
            let starts = self.starts(mode, destination::open(&self.spec).await?)?;
            if starts.iter().any(|start| matches!(start, Start::Load)) {
                kinship::check(&self.spec).await?;
            }
            Ok(starts)
        };
        tokio::select! {
            starts = look => starts,
            () = self.stop.cancelled() => Ok(Vec::new()),
        }
    }

    fn starts(&self, mode: StartMode, found: Opening) -> Result<Vec<Start>, Failure> {
        let Opening { survey, marks } = found;
        let load = || Ok(vec![Start::Load; self.spec.sources.len()]);
        if mode == StartMode::Restart {
            return load();
        }
        let failed = marks.iter().flatten().find_map(|mark| match mark {
            Mark::Failed(what) => Some(what),
            _ => None,
        });
        if let Some(what) = failed {
            return Err(link::failed_before(&self.spec, what));
        }
        let places: Option<Vec<Start>> = marks
            .iter()
            .map(|mark| match mark {
                Some(Mark::At(place)) => Some(Start::Resume(place.clone())),
                _ => None,
            })
            .collect();
        match places {
            Some(starts) => Ok(starts),
            None if mode == StartMode::MayFlush || survey.keys + survey.functions == 0 => load(),
            // Our own load that was broken off; what a source that was added would delete is another matter.
            None if marks.iter().flatten().any(|mark| *mark == Mark::Loading) => load(),
            None => Err(not_empty(&self.spec, survey.keys, survey.functions)),
        }
    }

    /// Runs all links until none is left, or until one end concerns them all.
    async fn round(&self, starts: Vec<Start>) -> RoundEnd {
        let round_stop = self.stop.child_token();
        let (ready, mut ready_links) = mpsc::channel(self.spec.sources.len().max(1));
        let (open, opened) = watch::channel(false);
        let mut waiting = 0;
        let mut links = JoinSet::new();
        for (i, start) in starts.into_iter().enumerate() {
            let (Some(source), Some(meters)) = (self.spec.sources.get(i), self.meters.get(i)) else { continue };
            let gate = matches!(start, Start::Load).then(|| Gate { ready: ready.clone(), open: opened.clone() });
            waiting += usize::from(gate.is_some());
            meters.update(|state| state.streaming_since = None);
            let ctx = LinkContext {
                spec: self.spec.clone(),
                source: source.clone(),
                meters: meters.clone(),
                events: self.events.clone(),
                stop: round_stop.clone(),
            };
            links.spawn(async move { (i, link::run(ctx, start, gate).await) });
        }
        let mut end = RoundEnd::Over;
        loop {
            tokio::select! {
                Some(()) = ready_links.recv(), if waiting > 0 => {
                    waiting -= 1;
                    if waiting == 0 {
                        if let Err(failure) = self.flush().await {
                            end = RoundEnd::Failed(failure);
                            break;
                        }
                        open.send_replace(true);
                    }
                }
                ended = links.join_next() => match ended {
                    None => break,
                    Some(Ok((i, link_end))) => if let Some(concerns_all) = self.link_ended(i, link_end) {
                        end = concerns_all;
                        break;
                    },
                    Some(Err(error)) => {
                        let message = format!("A replication task failed: {error}.");
                        end = RoundEnd::Failed(Failure::new(ErrorKind::Internal, "", message));
                        break;
                    }
                },
            }
        }
        round_stop.cancel();
        while links.join_next().await.is_some() {}
        end
    }

    /// What the end of one link means: something for all, or only for this source.
    fn link_ended(&self, index: usize, end: LinkEnd) -> Option<RoundEnd> {
        match end {
            LinkEnd::Stopped => None,
            LinkEnd::NeedsFull(reason) => Some(RoundEnd::Resync(reason)),
            LinkEnd::LoadFailed(failure) => Some(RoundEnd::Failed(failure)),
            LinkEnd::Failed(failure) => {
                let source = self.spec.sources.get(index).map(|source| source.id.clone());
                self.events.send(EngineEvent {
                    at: failure.since,
                    source,
                    severity: Severity::Error,
                    message: format!("Sync stopped: {}", failure.message),
                    hint: Some(failure.hint.clone()),
                });
                if let Some(meters) = self.meters.get(index) {
                    meters.update(|state| {
                        state.phase = Phase::Stopped;
                        state.retry = None;
                        state.failure = Some(failure);
                    });
                }
                None
            }
        }
    }

    async fn flush(&self) -> Result<(), Failure> {
        for meters in &self.meters {
            meters.loading_begins();
        }
        destination::flush(&self.spec).await?;
        let name = self.spec.destination.address();
        let count = self.spec.sources.len();
        let sources = if count == 1 { "1 source".to_owned() } else { format!("{count} sources") };
        self.events.replica(Severity::Info, format!("Emptied {name}; loading {sources}."), None);
        Ok(())
    }

    /// Waits before the next round.
    async fn pause(&self, attempt: u32, failure: &Failure) {
        let wait = back_off(attempt);
        if attempt == 1 {
            self.events.replica(Severity::Warning, failure.message.clone(), Some(failure.hint.clone()));
        }
        self.each(|state| {
            let since = state.failure.as_ref().filter(|f| f.kind == failure.kind).map(|f| f.since);
            state.phase = Phase::Retrying;
            state.retry = Some(Retry { attempt, at: SystemTime::now() + wait });
            state.failure = Some(Failure { since: since.unwrap_or(failure.since), ..failure.clone() });
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Ends the whole replica for a reason that needs the user.
    fn stopped(&self, failure: &Failure) {
        let message = format!("Sync stopped: {}", failure.message);
        self.events.replica(Severity::Error, message, Some(failure.hint.clone()));
        self.each(|state| {
            state.phase = Phase::Stopped;
            state.retry = None;
            state.failure = Some(failure.clone());
        });
    }

    fn each(&self, change: impl Fn(&mut crate::meters::LinkState)) {
        for meters in &self.meters {
            meters.update(&change);
        }
    }
}

fn not_empty(spec: &ReplicaSpec, keys: u64, functions: u64) -> Failure {
    let name = spec.destination.address();
    let mut held = format!("{keys} {}", if keys == 1 { "key" } else { "keys" });
    if functions > 0 {
        held = format!("{held} and {functions} function {}", if functions == 1 { "library" } else { "libraries" });
    }
    let message = format!("{name} holds {held} that a sync would delete.");
    Failure::new(ErrorKind::DestinationNotEmpty, &name, message)
}
