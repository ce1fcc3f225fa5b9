//! Runs a replica: round after round, each of all links together ([`crate::round`]), until the user or an error ends it.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::Progress;
use crate::clients::OwnClients;
use crate::destination::{self, Opening};
use crate::event::Severity;
use crate::foreign::{self, ForeignWrites};
use crate::handle::{Events, Order};
use crate::link::back_off;
use crate::meters::{LinkState, Meters, Side};
use crate::owner::Owner;
use crate::probe::Skew;
use crate::round::{RoundEnd, Starts};
use crate::spool::{self, Quota};
use crate::writer::{may_end, taken_over};
use crate::{
    Action, ErrorKind, Failure, LockDownState, ReplicaSpec, Retry, SourceSpec, StartMode, durability, kinship, lockdown,
};

/// Before the destination is looked at once more because it held something else than was planned with.
const BEFORE_ANOTHER_LOOK: Duration = Duration::from_millis(200);

/// All that lasts from one round to the next.
pub(crate) struct Supervisor {
    pub spec: Arc<ReplicaSpec>,
    pub events: Events,
    pub stop: CancellationToken,
    pub meters: Vec<Arc<Meters>>,
    pub paused: Vec<watch::Receiver<bool>>,
    /// Sources that the user has stopped.
    unwanted: Vec<AtomicBool>,
    /// Whether the destination was emptied in this round.
    flushed: AtomicBool,
    pub orders: mpsc::Receiver<Order>,
    pub owner: Owner,
    /// Owners of the checkpoints that this run found first; unknown until it has looked.
    pub predecessors: Arc<OnceLock<Arc<[String]>>>,
    /// Whether a round was planned by what stands at the destination.
    pub planned: bool,
    pub quota: Arc<Quota>,
    pub destination_skew: Arc<Skew>,
    /// Our connections to the destination that last.
    pub own: Arc<OwnClients>,
    /// What others were seen to write there.
    foreign: watch::Sender<ForeignWrites>,
    /// Whether they are kept from it.
    lock_down: watch::Sender<Option<LockDownState>>,
}

/// What a run learns of the destination's other users, for the status.
pub(crate) struct Others {
    pub foreign: watch::Sender<ForeignWrites>,
    pub lock_down: watch::Sender<Option<LockDownState>>,
}

impl Supervisor {
    pub(crate) fn new(
        spec: Arc<ReplicaSpec>,
        events: Events,
        stop: CancellationToken,
        meters: Vec<Arc<Meters>>,
        paused: Vec<watch::Receiver<bool>>,
        orders: mpsc::Receiver<Order>,
        others: Others,
    ) -> Self {
        let quota = Arc::new(Quota::new(spec.options.spool.as_ref().map_or(0, |spool| spool.quota)));
        let unwanted = spec.sources.iter().map(|source| AtomicBool::new(source.stopped)).collect();
        Self {
            spec,
            events,
            stop,
            meters,
            paused,
            unwanted,
            flushed: AtomicBool::new(false),
            orders,
            owner: Owner::new(),
            predecessors: Arc::default(),
            planned: false,
            quota,
            destination_skew: Arc::default(),
            own: Arc::default(),
            foreign: others.foreign,
            lock_down: others.lock_down,
        }
    }

    pub(crate) async fn run(mut self, mut mode: StartMode) {
        if let Err(error) = self.spec.validate() {
            self.stopped(&Failure::new(ErrorKind::Internal, "", error.sentence));
            return;
        }
        // Ends with the run.
        let mut watches = JoinSet::new();
        watches.spawn(durability::watch(
            self.spec.destination.clone(),
            self.own.clone(),
            self.meters.clone(),
            self.destination_skew.clone(),
        ));
        watches.spawn(foreign::watch_foreign(self.spec.destination.clone(), self.own.clone(), self.foreign.clone()));
        watches.spawn(tell_first(self.foreign.subscribe(), self.events.clone()));
        let (mut attempt, mut resync, mut resyncs) = (0, false, 0);
        while !self.stop.is_cancelled() {
            let end = match self.plan(mode, resync).await {
                Ok(starts) => self.round(starts).await,
                // A destination that is gone is no reason to lose what the spools of an earlier run can still be gone on
                // with: the links wait for it themselves.
                Err(failure) if attempt == 0 && self.goes_on_without(&failure, mode) => {
                    self.round(Starts::behind(&self.left_out())).await
                }
                Err(failure) => RoundEnd::Failed(failure),
            };
            // What is there from now on was loaded for this resync.
            resync &= !self.flushed.swap(false, Relaxed);
            match end {
                RoundEnd::Over => break,
                RoundEnd::Replan => self.rest(BEFORE_ANOTHER_LOOK).await,
                RoundEnd::Resync(reason) if self.spec.options.ask_before_resync => {
                    let message = format!("All sources have to be loaded again: {reason}.");
                    self.stopped(&Failure::new(ErrorKind::ResyncNeeded, &self.spec.destination.authority(), message));
                    return;
                }
                RoundEnd::Resync(reason) => {
                    let message = format!("Full resync across all sources: {reason}.");
                    self.events.replica(Severity::Warning, message, None);
                    attempt = 0;
                    // One that leads to the next must not keep the servers busy.
                    resyncs += 1;
                    self.rest(back_off(resyncs)).await;
                    // The user's confirmation covers later resyncs of the same replica: of what is ours.
                    (mode, resync) = (StartMode::Resume, true);
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
                state.stopped.get_or_insert(None);
            });
        }
    }

    /// Makes the other users of the destination read-only, where the user wants that.
    pub(crate) async fn lock_down(&self) {
        if !self.spec.options.lock_down {
            return;
        }
        let name = self.spec.destination.authority();
        match lockdown::lock_down(&self.spec, &self.own).await {
            Ok(locked) => {
                let message = format!("Users of {name} that are read-only now: {}.", locked.users.join(", "));
                self.events.replica(Severity::Info, message, None);
                self.lock_down.send_replace(Some(LockDownState::Held(locked.users)));
            }
            Err(error) => {
                let message = format!("Other users of {name} can still write: {error}");
                self.events.replica(Severity::Warning, message, None);
                self.lock_down.send_replace(Some(LockDownState::NotHeld(error.to_string())));
            }
        }
    }

    /// Where each source is to begin: all of them behind their checkpoints, or all with a snapshot.
    async fn plan(&mut self, mode: StartMode, resync: bool) -> Result<Starts, Failure> {
        self.hear();
        for (stopped, meters) in self.left_out().into_iter().zip(&self.meters) {
            meters.update(|state| {
                if !stopped {
                    state.begins();
                }
            });
        }
        let stop = self.stop.clone();
        let look = async {
            let found = destination::open(&self.spec).await?;
            self.know(&found)?;
            let starts = self.starts(mode, resync, &found)?;
            // A source that only joins deletes nothing: its own link looks, so that it alone fails.
            if starts.flushes() {
                kinship::check(&self.spec).await?;
            }
            Ok(starts)
        };
        tokio::select! {
            starts = look => starts,
            () = stop.cancelled() => Ok(Starts::default()),
        }
    }

    /// Remembers whose checkpoints were there first; one of anybody else, later, means that this run was taken over.
    fn know(&mut self, found: &Opening) -> Result<(), Failure> {
        let marks = || found.marks.iter().flatten();
        let owners = || marks().map(|mark| mark.session.owner.clone()).collect();
        let predecessors = self.predecessors.get_or_init(owners);
        self.planned = true;
        let run = found.survey.server.run_id.as_str();
        match marks().find(|mark| !may_end(&self.owner, predecessors, mark, run)) {
            Some(mark) => Err(taken_over(&self.spec.destination.authority(), &mark.session.owner)),
            None => Ok(()),
        }
    }

    /// Whether the links can begin although the destination is not there.
    fn goes_on_without(&self, failure: &Failure, mode: StartMode) -> bool {
        let Some(spool) = &self.spec.options.spool else { return false };
        let left = |source: &SourceSpec| spool::has_files(spool, &self.spec.id, &source.id);
        let of_destination = failure.endpoint == self.spec.destination.authority();
        mode != StartMode::Restart
            && failure.action() == Action::Retry
            && of_destination
            && self.spec.sources.iter().any(left)
    }

    fn starts(&self, mode: StartMode, resync: bool, found: &Opening) -> Result<Starts, Failure> {
        let Opening { survey, marks } = found;
        let progress = || marks.iter().map(|mark| mark.as_ref().map(|mark| &mark.progress));
        let held: Vec<bool> = progress().map(|p| matches!(p, Some(Progress::At(_) | Progress::Failed(..)))).collect();
        // What was being loaded with the rest is so again.
        let data: Vec<bool> = progress().map(|p| p.is_some_and(|progress| *progress != Progress::Joining)).collect();
        let all = || Starts::all(&self.left_out(), &data);
        let ours = resync && marks.iter().any(Option::is_some);
        if mode == StartMode::Restart || ours {
            return Ok(all());
        }
        if held.iter().all(|held| *held) {
            return Ok(Starts::behind(&self.left_out()));
        }
        if progress().flatten().any(|progress| *progress == Progress::Loading) {
            self.may_load_again(&held)?;
            return Ok(all());
        }
        let joins = progress().zip(&held).all(|(progress, held)| *held || progress == Some(&Progress::Joining));
        match mode {
            // What began to join goes on with that in any mode: it deletes nothing.
            _ if held.contains(&true) && (joins || mode == StartMode::Join) => {
                Ok(Starts::joining(&self.left_out(), &held))
            }
            _ if mode == StartMode::MayFlush || survey.keys + survey.functions == 0 => Ok(all()),
            _ => Err(not_empty(&self.spec, survey.keys, survey.functions)),
        }
    }

    /// A load of this replica's own was broken off. Where some sources were whole already, that deletes their data.
    fn may_load_again(&self, held: &[bool]) -> Result<(), Failure> {
        if held.contains(&true) {
            let message = "A load was broken off before all sources were in; all have to be loaded again.";
            if self.spec.options.ask_before_resync {
                let name = self.spec.destination.authority();
                return Err(Failure::new(ErrorKind::ResyncNeeded, &name, message));
            }
            self.events.replica(Severity::Warning, message.to_owned(), None);
        }
        Ok(())
    }

    /// Which sources the user has stopped, in the order of the definition.
    fn left_out(&self) -> Vec<bool> {
        self.unwanted.iter().map(|stopped| stopped.load(Relaxed)).collect()
    }

    /// Whether the user wants a source to run.
    pub(crate) fn wants(&self, index: usize) -> bool {
        self.unwanted.get(index).is_some_and(|stopped| !stopped.load(Relaxed))
    }

    /// Takes note of what the user asked for while nothing ran.
    fn hear(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            let (Order::Stop(index) | Order::Start(index)) = order;
            let runs = matches!(order, Order::Start(_));
            self.want(index, runs);
            if let Some(meters) = self.meters.get(index).filter(|_| !runs) {
                meters.update(|state| state.stopped = Some(None));
            }
        }
    }

    /// Remembers whether the user wants a source to run.
    pub(crate) fn want(&self, index: usize, runs: bool) {
        if let Some(stopped) = self.unwanted.get(index) {
            stopped.store(!runs, Relaxed);
        }
    }

    /// Waits before the next round.
    async fn pause(&self, attempt: u32, failure: &Failure) {
        let wait = back_off(attempt);
        if attempt == 1 {
            self.events.replica(Severity::Warning, failure.message.clone(), Some(failure.hint.clone()));
        }
        let of_destination = failure.endpoint == self.spec.destination.authority();
        let side = if of_destination { Side::Destination } else { Side::Source };
        let retry = Retry { attempt, at: SystemTime::now() + wait };
        self.each(|state| {
            if state.stopped.is_none() {
                state.troubled(side, failure, retry);
            }
        });
        self.rest(wait).await;
    }

    /// Waits, unless the user stops it.
    async fn rest(&self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Ends the whole replica for a reason that needs the user.
    pub(crate) fn stopped(&self, failure: &Failure) {
        let message = format!("Sync stopped: {}", failure.message);
        self.events.replica(Severity::Error, message, Some(failure.hint.clone()));
        self.each(|state| state.stopped = Some(Some(failure.clone())));
    }

    pub(crate) fn each(&self, change: impl Fn(&mut LinkState)) {
        for meters in &self.meters {
            meters.update(&change);
        }
    }

    /// Empties the destination for a load of these sources.
    pub(crate) async fn flush(&self, loads: &[bool]) -> Result<(), Failure> {
        for meters in &self.meters {
            meters.loading_begins();
        }
        let predecessors = self.predecessors.get().map(|owners| &**owners).unwrap_or_default();
        destination::flush(&self.spec, loads, &self.owner, predecessors, &self.own).await?;
        self.flushed.store(true, Relaxed);
        let name = self.spec.destination.address();
        let count = loads.iter().filter(|loads| **loads).count();
        let sources = if count == 1 { "1 source".to_owned() } else { format!("{count} sources") };
        self.lock_down().await;
        self.events.replica(Severity::Info, format!("Emptied {name}; loading {sources}."), None);
        Ok(())
    }
}

/// Tells of the first write of another client.
async fn tell_first(mut foreign: watch::Receiver<ForeignWrites>, events: Events) {
    let first = match foreign.wait_for(|writes| writes.seen > 0).await {
        Ok(writes) => writes.last.as_ref().map(foreign::ForeignWrite::sentence),
        Err(_) => None,
    };
    if let Some(sentence) = first {
        events.replica(Severity::Warning, sentence, None);
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
