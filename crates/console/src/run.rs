//! A replica that runs, or ran since the app was opened: the engine's handle, and what is remembered for the window.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tributary_engine as engine;
use tributary_engine::{Downstream, Endpoint, EngineEvent, Fed, ReplicaHandle, ReplicaSpec, ReplicaStatus, StartMode};

use crate::definition::Definition;
use crate::dto::{ReplicaLive, ServerFacts, SourceLive};
use crate::meter::{Meter, Rates};
use crate::preflight;
use crate::store::Sample;
use crate::view;

/// Seconds in a sparkline.
const SPARK: usize = 60;
/// How often the destination is asked for its keys and memory.
const FACTS_EVERY: Duration = Duration::from_secs(2);

/// One replica that runs or ran.
pub(crate) struct Run {
    /// None once the user stopped it.
    handle: Option<ReplicaHandle>,
    status: watch::Receiver<Arc<ReplicaStatus>>,
    facts: watch::Receiver<Option<Asked>>,
    /// The destination's address, then those of the sources.
    addresses: Vec<String>,
    downstream: Downstream,
    asks: Stopping,
    records: Option<JoinHandle<()>>,
    meters: Vec<Meter>,
    spark: VecDeque<Option<f64>>,
    /// The largest lag of each source since the last sample, so that a short spike is in the history too.
    peaks: Vec<Option<f64>>,
    told: Vec<bool>,
}

/// What the destination said of itself.
struct Asked {
    facts: ServerFacts,
    run_id: String,
}

/// Ends its task when dropped.
struct Stopping(JoinHandle<()>);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A source that stopped for a reason that needs the user.
pub(crate) struct Stopped {
    pub source: String,
    pub failure: engine::Failure,
}

/// What is left to wait for when a run was told to stop.
pub(crate) struct Ending {
    handle: ReplicaHandle,
    records: Option<JoinHandle<()>>,
}

impl Ending {
    /// Waits until everything is written and closed, and every event is kept.
    pub async fn finish(self) {
        self.handle.stop().await;
        if let Some(records) = self.records
            && let Err(error) = records.await
        {
            tracing::error!(%error, "the events of a replica were not kept to the end");
        }
    }
}

impl Run {
    /// Starts the engine. `record` keeps its events until the last one.
    pub fn start<F>(
        spec: ReplicaSpec,
        mode: StartMode,
        record: impl FnOnce(broadcast::Receiver<EngineEvent>) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (destination, sources) = (spec.destination.clone(), spec.sources.len());
        let endpoints = std::iter::once(&spec.destination).chain(spec.sources.iter().map(|source| &source.endpoint));
        let addresses = endpoints.map(Endpoint::authority).collect();
        let downstream = spec.options.downstream.clone();
        let handle = engine::start(spec, mode);
        let records = tokio::spawn(record(handle.events()));
        let (tell, facts) = watch::channel(None);
        Self {
            status: handle.status(),
            handle: Some(handle),
            facts,
            addresses,
            downstream,
            asks: Stopping(tokio::spawn(ask(destination, tell))),
            records: Some(records),
            meters: std::iter::repeat_with(Meter::default).take(sources).collect(),
            spark: VecDeque::with_capacity(SPARK),
            peaks: vec![None; sources],
            told: vec![false; sources],
        }
    }

    /// Whether the engine works on it and no source failed for a reason that needs the user.
    pub fn is_healthy(&self) -> bool {
        let status = self.status.borrow();
        let fails =
            |source: &engine::SourceStatus| source.failure.is_some() && source.status == engine::Status::Stopped;
        self.is_working() && !status.sources.iter().any(fails)
    }

    /// Whether the engine works on any of its sources.
    pub fn is_working(&self) -> bool {
        let status = self.status.borrow();
        self.is_running() && status.sources.iter().any(|source| source.status != engine::Status::Stopped)
    }

    /// Whether the user has not stopped it.
    pub fn is_running(&self) -> bool {
        self.handle.is_some()
    }

    /// Its status as the engine publishes it, as long as the user has not stopped it.
    pub fn status(&self) -> Option<watch::Receiver<Arc<ReplicaStatus>>> {
        self.is_running().then(|| self.status.clone())
    }

    /// Takes the engine's handle out, to be awaited without a lock.
    pub fn end(&mut self) -> Option<Ending> {
        self.asks.0.abort();
        Some(Ending { handle: self.handle.take()?, records: self.records.take() })
    }

    /// Pauses all sources, or goes on with them; false when the engine does not work on any.
    pub fn pause(&self, paused: bool) -> bool {
        let Some(handle) = self.handle.as_ref().filter(|_| self.is_working()) else { return false };
        if paused {
            handle.pause(None)
        } else {
            handle.resume(None)
        }
        true
    }

    /// Stops one source.
    pub fn stop_source(&self, id: &str) {
        if let Some(handle) = &self.handle {
            handle.stop_source(id);
        }
    }

    /// Goes on with one source; false when the engine cannot.
    pub fn start_source(&self, id: &str) -> bool {
        self.handle.as_ref().is_some_and(|handle| handle.start_source(id))
    }

    /// Which servers are at its addresses, by the connections that were made.
    pub fn identities(&self) -> Vec<(String, String)> {
        let status = self.status.borrow();
        let destination = self.facts.borrow().as_ref().map(|asked| asked.run_id.clone());
        let found = std::iter::once(destination).chain(status.sources.iter().map(|source| source.run_id.clone()));
        self.addresses.iter().cloned().zip(found).filter_map(|(address, run_id)| Some((address, run_id?))).collect()
    }

    /// Says what the destination feeds through other replicas.
    pub fn feeds(&self, fed: Vec<Fed>) {
        self.downstream.set(fed);
    }

    /// How it is doing now.
    pub fn live(&mut self, definition: &Definition, now: Instant) -> ReplicaLive {
        let status = Arc::clone(&self.status.borrow());
        let meters = self.meters.iter_mut().zip(&status.sources);
        let rates: Vec<Rates> = meters.map(|(meter, source)| meter.read(now, view::counters(source))).collect();
        let known = |id: &str| definition.sources.iter().find(|known| known.id == id);
        let sources = status.sources.iter().zip(rates);
        let sources: Vec<SourceLive> =
            sources.map(|(source, rates)| view::source(source, rates, known(&source.id))).collect();
        for (peak, source) in self.peaks.iter_mut().zip(&sources) {
            *peak = larger(*peak, source.lag_ms);
        }
        let server = self.facts.borrow().as_ref().filter(|_| self.is_running()).map(|asked| asked.facts.clone());
        view::replica(definition, &status, sources, server, self.spark.iter().copied().collect())
    }

    /// Takes the second's sample, for the sparkline and for the history.
    pub fn sample(&mut self, live: &ReplicaLive) -> Vec<Sample> {
        let peaks: Vec<Option<f64>> = self.peaks.iter_mut().map(Option::take).collect();
        let worst = peaks.iter().copied().fold(None, larger);
        if self.spark.len() == SPARK {
            self.spark.pop_front();
        }
        self.spark.push_back(worst);
        if !self.is_running() {
            return Vec::new();
        }
        let whole = Sample {
            replica_id: live.id.clone(),
            source_id: None,
            lag_ms: worst,
            writes_per_sec: live.writes_per_sec,
            bytes_per_sec: live.bytes_per_sec,
            wire_bytes_per_sec: live.wire_bytes_per_sec,
        };
        let source = |(source, peak): (&SourceLive, Option<f64>)| Sample {
            replica_id: live.id.clone(),
            source_id: Some(source.id.clone()),
            lag_ms: peak,
            writes_per_sec: source.commands_per_sec,
            bytes_per_sec: source.bytes_per_sec,
            wire_bytes_per_sec: source.wire_bytes_per_sec,
        };
        std::iter::once(whole).chain(live.sources.iter().zip(peaks).map(source)).collect()
    }

    /// The sources that stopped by themselves since the last call.
    pub fn newly_stopped(&mut self) -> Vec<Stopped> {
        if !self.is_running() {
            return Vec::new();
        }
        let status = Arc::clone(&self.status.borrow());
        let mut stopped = Vec::new();
        for (told, source) in self.told.iter_mut().zip(&status.sources) {
            let down = source.status == engine::Status::Stopped;
            if down
                && !*told
                && let Some(failure) = source.failure.clone()
            {
                stopped.push(Stopped { source: source.name.clone(), failure });
            }
            *told = down;
        }
        stopped
    }
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::max)
}

/// Asks the destination for its facts again and again; an outage leaves the last ones.
async fn ask(destination: Endpoint, tell: watch::Sender<Option<Asked>>) {
    let mut tick = tokio::time::interval(FACTS_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match engine::examine(&destination, |_| {}).await {
            Ok(found) => {
                let asked = Asked { facts: preflight::facts(&found), run_id: found.run_id };
                if tell.send(Some(asked)).is_err() {
                    return;
                }
            }
            Err(failure) => tracing::debug!(%failure, "the destination's facts could not be read"),
        }
    }
}
