//! One round of a replica: all links together, until none is left or one end concerns them all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::destination;
use crate::event::{EngineEvent, Severity};
use crate::handle::Order;
use crate::link::{self, Gate, LinkContext, LinkEnd, Start, back_off};
use crate::meters::{Meters, Side};
use crate::supervisor::Supervisor;
use crate::{ErrorKind, Failure, Retry, SourceSpec};

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
    /// All with a snapshot. Of those that are `stopped` the ones that had `data` there, because it is emptied with the
    /// rest; they stop again when it is in.
    pub(crate) fn all(stopped: &[bool], data: &[bool]) -> Self {
        let begin = |(stopped, data): (&bool, &bool)| match (stopped, data) {
            (true, false) => Begin::Stay { loaded: false },
            _ => Begin::Load,
        };
        Self(stopped.iter().zip(data).map(begin).collect())
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

/// Where links that load wait for each other.
struct Entrance {
    ready: mpsc::Sender<u64>,
    opened: watch::Receiver<bool>,
}

/// The links of a round that run.
struct Running<'a> {
    supervisor: &'a Supervisor,
    links: JoinSet<(usize, LinkEnd)>,
    begins: Vec<Begin>,
    stops: HashMap<usize, CancellationToken>,
    /// The gate of a round that loads, until the destination has been emptied.
    entrance: Option<Entrance>,
    /// Links on their way to the gate, with their tickets: a link that was stopped there is not the one that comes after.
    awaited: HashMap<usize, u64>,
    tickets: u64,
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
            source: SourceSpec { stopped: !all.wants(index), ..source.clone() },
            meters: meters.clone(),
            events: all.events.clone(),
            stop: stop.clone(),
            paused: paused.clone(),
            owner: all.owner.clone(),
            predecessors: all.predecessors.clone(),
            planned: all.planned,
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
                if let Some(stop) = self.stops.get(&index) {
                    stop.cancel();
                }
            }
            Order::Start(index) => {
                self.supervisor.want(index, true);
                // One that runs, or still applies what it has received, begins again when it has ended.
                if !self.stops.contains_key(&index) {
                    self.begin(index);
                }
            }
        }
    }

    fn begin(&mut self, index: usize) {
        let start = match (&self.entrance, self.begins.get(index)) {
            (Some(entrance), Some(Begin::Load)) => {
                self.tickets += 1;
                self.awaited.insert(index, self.tickets);
                let Entrance { ready, opened } = entrance;
                Start::Load(Gate { ticket: self.tickets, ready: ready.clone(), open: opened.clone() })
            }
            _ if self.is_new(index) => Start::Join,
            _ => Start::Resume,
        };
        self.start(index, start);
    }

    /// Whether all that load wait at the gate, and any does: nothing is emptied for sources that were stopped there.
    fn may_enter(&self) -> bool {
        self.entrance.is_some() && self.awaited.is_empty() && self.stops.values().any(|stop| !stop.is_cancelled())
    }

    /// Which sources load once the destination is empty; those that were stopped on the way join when they are started.
    fn loads(&mut self) -> Vec<bool> {
        for (index, begin) in self.begins.iter_mut().enumerate() {
            let waits = self.stops.get(&index).is_some_and(|stop| !stop.is_cancelled());
            if *begin == Begin::Load && !waits {
                *begin = Begin::Stay { loaded: false };
            }
        }
        self.begins.iter().map(|begin| *begin == Begin::Load).collect()
    }

    /// Notes at the destination that a source, stopped in the middle of a load of all, can join the others later.
    fn set_aside(&mut self, index: usize) {
        let all = self.supervisor;
        let Some(id) = all.spec.sources.get(index).map(|source| source.id.clone()) else { return };
        if let Some(begin) = self.begins.get_mut(index) {
            *begin = Begin::Stay { loaded: false };
        }
        // Until that is done, the source is not started again.
        self.stops.insert(index, self.stop.child_token());
        let (spec, owner) = (all.spec.clone(), all.owner.clone());
        self.links.spawn(async move {
            if let Err(failure) = destination::set_aside(&spec, &id, &owner).await {
                tracing::warn!(%failure, source = id, "a start of this source will load all again");
            }
            (index, LinkEnd::Stopped)
        });
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
        let asked = self.stops.remove(&index).is_some_and(|stop| stop.is_cancelled());
        self.awaited.remove(&index);
        let all = self.supervisor;
        let meters = all.meters.get(index)?;
        // With the whole replica a load is broken off as a whole.
        let alone = !self.stop.is_cancelled();
        let loads = self.entrance.is_none() && self.begins.get(index) == Some(&Begin::Load);
        let end = match end {
            // What broke on the way to a stop concerns nobody any more.
            LinkEnd::LoadFailed(_) | LinkEnd::JoinsAgain if asked && alone => LinkEnd::Stopped,
            end => end,
        };
        match end {
            LinkEnd::Stopped if alone && loads && !meters.state().is_loaded => {
                meters.update(|state| state.stopped = Some(None));
                self.set_aside(index);
                None
            }
            LinkEnd::Stopped if alone && all.wants(index) => {
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
            entrance: starts.contains(&Begin::Load).then_some(Entrance { ready, opened }),
            awaited: HashMap::new(),
            tickets: 0,
            attempts: HashMap::new(),
            stop: self.stop.child_token(),
            destination_back: destination_back.clone(),
        };
        if !starts.contains(&Begin::Load) {
            self.lock_down().await;
        }
        for (index, begin) in starts.into_iter().enumerate() {
            if !matches!(begin, Begin::Stay { .. }) {
                running.begin(index);
            }
        }
        let end = loop {
            if running.may_enter() {
                let loads = running.loads();
                let flushed = tokio::select! {
                    flushed = self.flush(&loads) => flushed,
                    () = self.stop.cancelled() => break RoundEnd::Over,
                };
                if let Err(failure) = flushed {
                    break RoundEnd::Failed(failure);
                }
                running.entrance = None;
                open.send_replace(true);
            }
            tokio::select! {
                Some(ticket) = ready_links.recv() => running.awaited.retain(|_, awaited| *awaited != ticket),
                () = destination_back.notified() => self.lock_down().await,
                Some(order) = orders.recv() => running.obey(order),
                ended = running.links.join_next() => match ended {
                    // A start that came while the last link ended is not lost.
                    None => match orders.try_recv() {
                        Ok(order) => running.obey(order),
                        Err(_) => break RoundEnd::Over,
                    },
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
