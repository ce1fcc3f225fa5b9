use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::event::{EngineEvent, Severity};
use crate::foreign::ForeignWrites;
use crate::meters::Meters;
use crate::report::Reporter;
use crate::supervisor::{Others, Supervisor};
use crate::{Phase, ReplicaSpec, ReplicaStatus, finish, lockdown};

/// How often the status is published.
const REPORT_PERIOD: Duration = Duration::from_millis(250);
/// Events that a slow reader may fall behind.
const EVENT_BACKLOG: usize = 256;
/// Orders that may wait for the supervisor.
const ORDERS: usize = 64;

/// How a replica is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartMode {
    /// Go on from the checkpoints; load an empty destination, or one that holds our loading marker. Anything
    /// else is refused.
    Resume,
    /// The same, but sources without a checkpoint are loaded beside the others, deleting nothing.
    Join,
    /// The same as `Resume`, but whatever else the destination holds may be deleted: the user confirmed it.
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

    /// Tells something that concerns the replica as a whole.
    pub(crate) fn replica(&self, severity: Severity, message: String, hint: Option<String>) {
        self.send(EngineEvent { at: SystemTime::now(), source: None, severity, message, hint });
    }
}

/// What the user wants of one source while the replica runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Stop(usize),
    Start(usize),
}

/// A running replica. Dropping it ends it without draining; [`ReplicaHandle::stop`] is the clean way.
#[derive(Debug)]
pub struct ReplicaHandle {
    spec: Arc<ReplicaSpec>,
    status: watch::Receiver<Arc<ReplicaStatus>>,
    events: Events,
    /// Opened before the run: whoever asks first misses nothing of one that stops at once.
    first: Mutex<Option<broadcast::Receiver<EngineEvent>>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// Identity, figures and pause of each source.
    sources: Vec<(String, Arc<Meters>, watch::Sender<bool>)>,
    orders: mpsc::Sender<Order>,
}

impl ReplicaHandle {
    /// The status, published at most four times a second.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Arc<ReplicaStatus>> {
        self.status.clone()
    }

    /// The event log: from the beginning for the first who asks, from now on for all others.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<EngineEvent> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.unwrap_or_else(|| self.events.0.subscribe())
    }

    /// Pauses one source, or all: links stay open and fill the spool, nothing is applied.
    pub fn pause(&self, source: Option<&str>) {
        self.set_paused(source, true);
    }

    /// Goes on applying after [`Self::pause`].
    pub fn resume(&self, source: Option<&str>) {
        self.set_paused(source, false);
    }

    fn set_paused(&self, source: Option<&str>, paused: bool) {
        for (id, meters, pause) in &self.sources {
            if source.is_none_or(|wanted| wanted == id) {
                meters.update(|state| state.paused = paused);
                pause.send_replace(paused);
            }
        }
    }

    /// Stops one source and leaves the others alone: drains it, closes its link, keeps its checkpoint.
    pub fn stop_source(&self, id: &str) {
        self.order(id, Order::Stop);
    }

    /// Goes on with a source that was stopped, by the user or by an error. False when nothing of the replica runs any
    /// more: then it has to be started as a whole.
    #[must_use]
    pub fn start_source(&self, id: &str) -> bool {
        self.order(id, Order::Start)
    }

    fn order(&self, id: &str, order: impl Fn(usize) -> Order) -> bool {
        let index = self.sources.iter().position(|(source, ..)| source == id);
        index.is_some_and(|index| self.orders.try_send(order(index)).is_ok())
    }

    /// Applies what was received, closes the links and waits for every task. The checkpoints stay.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // A panic of the task has ended it just as well.
        let _ = (&mut self.task).await;
        self.release().await;
    }

    /// Gives the destination's other users what they had, also when the run ended by itself: they stayed read-only.
    async fn release(&self) {
        if !self.spec.options.lock_down {
            return;
        }
        let (severity, message) = match lockdown::release(&self.spec).await {
            Ok(released) if released.restored.is_empty() && released.changed.is_empty() => return,
            Ok(released) => finish::describe_released(&released),
            Err(failure) => (Severity::Warning, format!("Users of the destination stay read-only: {failure}")),
        };
        self.events.replica(severity, message, None);
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
    let (events, first) = broadcast::channel(EVENT_BACKLOG);
    let (events, first) = (Events(events), Mutex::new(Some(first)));
    let stop = CancellationToken::new();
    let (foreign, noticed) = watch::channel(ForeignWrites::default());
    let (lock_down, locked) = watch::channel(None);
    let reporter = Reporter::new(&spec, noticed, locked);
    let meters = reporter.meters();
    let pauses: Vec<_> = spec.sources.iter().map(|_| watch::Sender::new(spec.options.paused)).collect();
    for (source, meters) in spec.sources.iter().zip(&meters) {
        meters.update(|state| {
            state.paused = spec.options.paused;
            state.stage = Phase::Connecting;
            state.stopped = source.stopped.then_some(None);
        });
    }
    let (orders, ordered) = mpsc::channel(ORDERS);
    let (publish, status) = watch::channel(Arc::new(reporter.report()));
    let paused = pauses.iter().map(watch::Sender::subscribe).collect();
    let ids = spec.sources.iter().map(|source| source.id.clone());
    let sources = ids.zip(meters.iter().cloned()).zip(pauses).map(|((id, m), pause)| (id, m, pause)).collect();
    let others = Others { foreign, lock_down };
    let supervisor = Supervisor::new(spec.clone(), events.clone(), stop.clone(), meters, paused, ordered, others);
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
    ReplicaHandle { spec, status, events, first, stop, task, sources, orders }
}
