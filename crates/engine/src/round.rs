//! One round of a replica: all links together, until none is left or one end concerns them all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::event::{EngineEvent, Severity};
use crate::handle::Order;
use crate::link::{self, Gate, LinkContext, LinkEnd, Start, back_off};
use crate::meters::{Meters, Side};
use crate::supervisor::Supervisor;
use crate::{ErrorKind, Failure, Retry};

/// Why a round of all links ended.
pub(crate) enum RoundEnd {
    /// Nothing is left to run: stopped by the user, or every link by an error of its own.
    Over,
    /// All sources are to be loaded again; the reason.
    Resync(String),
    /// The load failed; the round is to be repeated or given up, by the failure's action.
    Failed(Failure),
    /// The destination holds something else than was planned with: another look is due.
    Replan,
}

/// Where one source begins in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// With a snapshot, after the destination has been emptied.
    Load,
    /// With a snapshot beside what is there.
    Join,
    /// Behind its checkpoint.
    Resume,
    /// Not at all: the user has stopped it. Whether it was loaded before.
    Stay { loaded: bool },
}

/// Where the sources begin in a round, in the order of the definition.
#[derive(Debug, Default)]
pub(crate) struct Starts(Vec<Begin>);

impl Starts {
    /// All with a snapshot: also those that the user has stopped, because their data is emptied with the rest.
    pub(crate) fn all(sources: usize) -> Self {
        Self(vec![Begin::Load; sources])
    }

    /// All behind their checkpoints, but those that are `stopped`.
    pub(crate) fn behind(stopped: &[bool]) -> Self {
        let begin = |stopped: &bool| if *stopped { Begin::Stay { loaded: true } } else { Begin::Resume };
        Self(stopped.iter().map(begin).collect())
    }

    /// Those that are `held` behind their checkpoints, the others beside them, but those that are `stopped`.
    pub(crate) fn joining(stopped: &[bool], held: &[bool]) -> Self {
        let begin = |(stopped, held): (&bool, &bool)| match (stopped, held) {
            (true, loaded) => Begin::Stay { loaded: *loaded },
            (false, true) => Begin::Resume,
            (false, false) => Begin::Join,
        };
        Self(stopped.iter().zip(held).map(begin).collect())
    }

    /// Whether the destination is emptied.
    pub(crate) fn flushes(&self) -> bool {
        self.0.contains(&Begin::Load)
    }
}

/// The links of a round that run.
struct Running<'a> {
    supervisor: &'a Supervisor,
    links: JoinSet<(usize, LinkEnd)>,
    begins: Vec<Begin>,
    stops: HashMap<usize, CancellationToken>,
    /// Links that are to begin again once they have ended.
    again: HashSet<usize>,
    /// Links that wait at the gate or are on their way to it.
    awaited: HashSet<usize>,
    /// Times in a row that a source could not be loaded beside the others.
    attempts: HashMap<usize, u32>,
    stop: CancellationToken,
    destination_back: Arc<Notify>,
}

impl Running<'_> {
    fn start(&mut self, index: usize, start: Start) {
        let all = self.supervisor;
        let found = (all.spec.sources.get(index), all.meters.get(index), all.paused.get(index));
        let (Some(source), Some(meters), Some(paused)) = found else { return };
        let stop = self.stop.child_token();
        meters.update(crate::meters::LinkState::begins);
        let ctx = LinkContext {
            spec: all.spec.clone(),
            source: source.clone(),
            meters: meters.clone(),
            events: all.events.clone(),
            stop: stop.clone(),
            paused: paused.clone(),
            owner: all.owner.clone(),
            predecessors: all.predecessors.clone(),
            quota: all.quota.clone(),
            skew: Arc::default(),
            destination_skew: all.destination_skew.clone(),
            own: all.own.clone(),
            destination_back: self.destination_back.clone(),
        };
        self.stops.insert(index, stop);
        self.links.spawn(async move { (index, link::run(ctx, start).await) });
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Stop(index) => {
                self.supervisor.want(index, false);
                self.again.remove(&index);
                if let Some(stop) = self.stops.get(&index) {
                    stop.cancel();
                }
            }
            Order::Start(index) => {
                self.supervisor.want(index, true);
                match self.stops.get(&index) {
                    // It still applies what it has received.
                    Some(stop) if stop.is_cancelled() => drop(self.again.insert(index)),
                    Some(_) => {}
                    None => self.begin(index),
                }
            }
        }
    }

    fn begin(&mut self, index: usize) {
        let start = if self.is_new(index) { Start::Join } else { Start::Resume };
        self.start(index, start);
    }

    /// Loads a source once more beside the others, after a while.
    fn join_again(&mut self, index: usize, meters: &Meters, failure: &Failure) {
        let attempt = self.attempts.entry(index).and_modify(|n| *n += 1).or_insert(1);
        let wait = back_off(*attempt);
        if *attempt == 1 {
            let message = format!(
                "{} It is loaded once more beside the others; what it has deleted meanwhile may stay at the destination.",
                failure.message
            );
            let source = self.supervisor.spec.sources.get(index).map(|source| source.id.clone());
            let (at, hint) = (failure.since, Some(failure.hint.clone()));
            self.supervisor.events.send(EngineEvent { at, source, severity: Severity::Warning, message, hint });
        }
        let retry = Retry { attempt: *attempt, at: SystemTime::now() + wait };
        meters.update(|state| state.troubled(Side::Source, failure, retry));
        let stop = self.stop.child_token();
        self.stops.insert(index, stop.clone());
        self.links.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(wait) => (index, LinkEnd::JoinsAgain),
                () = stop.cancelled() => (index, LinkEnd::Stopped),
            }
        });
    }

    /// Whether a source was never loaded: there is no checkpoint to go on from, and that is no reason to load the others.
    fn is_new(&self, index: usize) -> bool {
        let joins = !matches!(self.begins.get(index), Some(Begin::Resume | Begin::Stay { loaded: true }));
        let loaded = self.supervisor.meters.get(index).is_some_and(|meters| meters.state().is_loaded);
        joins && !loaded
    }

    /// Records the end of a link; gives what it means for all, if it does.
    fn ended(&mut self, index: usize, end: LinkEnd) -> Option<RoundEnd> {
        self.stops.remove(&index);
        self.awaited.remove(&index);
        let all = self.supervisor;
        let meters = all.meters.get(index)?;
        match end {
            LinkEnd::Stopped if self.again.remove(&index) => {
                self.begin(index);
                None
            }
            LinkEnd::JoinsAgain => {
                self.start(index, Start::Join);
                None
            }
            LinkEnd::LoadFailed(failure) if self.begins.get(index) != Some(&Begin::Load) => {
                self.join_again(index, meters, &failure);
                None
            }
            LinkEnd::Replan => Some(RoundEnd::Replan),
            LinkEnd::Stopped => {
                meters.update(|state| state.stopped = Some(None));
                None
            }
            LinkEnd::NeedsFull(reason) => Some(RoundEnd::Resync(reason)),
            LinkEnd::LoadFailed(failure) => Some(RoundEnd::Failed(failure)),
            LinkEnd::Failed(failure) => {
                all.events.send(EngineEvent {
                    at: failure.since,
                    source: all.spec.sources.get(index).map(|source| source.id.clone()),
                    severity: Severity::Error,
                    message: format!("Sync stopped: {}", failure.message),
                    hint: Some(failure.hint.clone()),
                });
                meters.update(|state| state.stopped = Some(Some(failure)));
                None
            }
        }
    }
}

impl Supervisor {
    /// Runs all links until none is left, or until one end concerns them all.
    pub(crate) async fn round(&mut self, Starts(starts): Starts) -> RoundEnd {
        let (ready, mut ready_links) = mpsc::channel(starts.len().max(1));
        let (open, opened) = watch::channel(false);
        let mut orders = std::mem::replace(&mut self.orders, mpsc::channel(1).1);
        let destination_back = Arc::new(Notify::new());
        let mut running = Running {
            supervisor: self,
            links: JoinSet::new(),
            begins: starts.clone(),
            stops: HashMap::new(),
            again: HashSet::new(),
            awaited: HashSet::new(),
            attempts: HashMap::new(),
            stop: self.stop.child_token(),
            destination_back: destination_back.clone(),
        };
        if !starts.contains(&Begin::Load) {
            self.lock_down().await;
        }
        let loads = |(index, begin): (usize, &Begin)| (*begin == Begin::Load).then_some(index);
        running.awaited = starts.iter().enumerate().filter_map(loads).collect();
        let mut closed = !running.awaited.is_empty();
        for (index, begin) in starts.into_iter().enumerate() {
            match begin {
                Begin::Load => {
                    running.start(index, Start::Load(Gate { index, ready: ready.clone(), open: opened.clone() }))
                }
                Begin::Join => running.start(index, Start::Join),
                Begin::Resume => running.start(index, Start::Resume),
                Begin::Stay { .. } => {}
            }
        }
        let end = loop {
            if closed && running.awaited.is_empty() {
                // A source that was stopped on its way to the gate is not waited for.
                let flushed = tokio::select! {
                    flushed = self.flush() => flushed,
                    () = self.stop.cancelled() => break RoundEnd::Over,
                };
                if let Err(failure) = flushed {
                    break RoundEnd::Failed(failure);
                }
                closed = false;
                open.send_replace(true);
            }
            tokio::select! {
                Some(index) = ready_links.recv() => drop(running.awaited.remove(&index)),
                () = destination_back.notified() => self.lock_down().await,
                Some(order) = orders.recv() => running.obey(order),
                ended = running.links.join_next() => match ended {
                    None => break RoundEnd::Over,
                    Some(Ok((index, end))) => if let Some(concerns_all) = running.ended(index, end) {
                        break concerns_all;
                    },
                    Some(Err(error)) => {
                        let message = format!("A replication task failed: {error}.");
                        break RoundEnd::Failed(Failure::new(ErrorKind::Internal, "", message));
                    }
                },
            }
        };
        running.stop.cancel();
        while running.links.join_next().await.is_some() {}
        drop(running);
        self.orders = orders;
        end
    }
}
