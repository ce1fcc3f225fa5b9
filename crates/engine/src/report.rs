//! Turns the meters of all links into the status that is published.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use crate::foreign::{ForeignWrite, ForeignWrites};
use crate::meters::{LinkState, LoadProgress, Meters};
use crate::{Compression, LockDownState, Phase, ReplicaSpec, ReplicaStatus, SourceSpec, SourceStatus, Status};

/// A source whose lag cannot be sampled counts as in step when it has been silent for this long.
const QUIET: Duration = Duration::from_secs(2);
/// Progress is shown below 100 until the snapshot is in.
const ALMOST: f64 = 99.9;

/// Reads the meters of a replica's links.
#[derive(Debug)]
pub(crate) struct Reporter {
    sources: Vec<(SourceSpec, Arc<Meters>)>,
    foreign: watch::Receiver<ForeignWrites>,
    lock_down: watch::Receiver<Option<LockDownState>>,
}

impl Reporter {
    pub(crate) fn new(
        spec: &ReplicaSpec,
        foreign: watch::Receiver<ForeignWrites>,
        lock_down: watch::Receiver<Option<LockDownState>>,
    ) -> Self {
        let sources = spec.sources.iter().map(|source| (source.clone(), Arc::default())).collect();
        Self { sources, foreign, lock_down }
    }

    /// The meters, in the order of the sources.
    pub(crate) fn meters(&self) -> Vec<Arc<Meters>> {
        self.sources.iter().map(|(_, meters)| meters.clone()).collect()
    }

    /// The status now.
    pub(crate) fn report(&self) -> ReplicaStatus {
        let sources: Vec<_> = self.sources.iter().map(|(source, meters)| source_status(source, meters)).collect();
        let worst = worst(&sources);
        let foreign = self.foreign.borrow();
        ReplicaStatus {
            status: worst.map_or(Status::Stopped, |source| source.status),
            phase: worst.map_or(Phase::Stopped, |source| source.phase),
            failure: worst.and_then(|source| source.failure.clone()),
            foreign_writes: foreign.seen,
            foreign_write: foreign.last.as_ref().map(ForeignWrite::sentence),
            lock_down: self.lock_down.borrow().clone(),
            expiry: self.sources.iter().find_map(|(_, meters)| meters.state().expiry),
            sources,
        }
    }
}

/// The source that tells most of the whole. One that the user has stopped says nothing of the others, so it counts only
/// where there is no other; among those that are stopped, an error comes first.
fn worst(sources: &[SourceStatus]) -> Option<&SourceStatus> {
    let by_user = |source: &SourceStatus| source.status == Status::Stopped && source.failure.is_none();
    sources.iter().max_by_key(|source| (!by_user(source), source.status, source.phase))
}

fn source_status(source: &SourceSpec, meters: &Meters) -> SourceStatus {
    let state = in_step(meters);
    let applied = meters.applied.load(Relaxed);
    let streaming = state.streaming_since.is_some();
    let (lag, lag_bytes) = if streaming || state.was_synced { meters.lag.read(applied) } else { (None, None) };
    let last_ms = meters.last_command_ms.load(Relaxed);
    let keys = meters.keys.load(Relaxed);
    let phase = state.phase();
    let loading = state.load.filter(|_| state.stage == Phase::Loading && state.stopped.is_none());
    let (spool_bytes, spool_disk_bytes) = meters.spool();
    let skew = meters.clock_skew_ms.load(Relaxed);
    let progress = loading.map(|load| progress(&load, keys, meters));
    SourceStatus {
        id: source.id.clone(),
        name: source.name.clone(),
        endpoint: source.endpoint.address(),
        run_id: state.run_id.clone(),
        status: status(&state),
        phase,
        progress,
        bytes_done: loading.map(|load| load.bytes_done),
        bytes_total: loading.and_then(|load| load.bytes_total),
        keys,
        keys_total: loading.and_then(|load| load.keys_total),
        omitted: meters.omitted.load(Relaxed),
        time_left: loading.zip(progress).and_then(|(load, percent)| time_left(&load, percent)),
        lag,
        lag_bytes,
        received: meters.received(),
        applied,
        durable: meters.durable(),
        commands: meters.commands.load(Relaxed),
        bytes: meters.bytes(),
        wire_bytes: meters.wire(),
        compression: compression(source, meters, &state),
        last_command_at: (last_ms > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(last_ms)),
        retry: state.trouble().filter(|_| phase == Phase::Retrying).map(|trouble| trouble.retry),
        failure: state.failure().cloned(),
        spool_bytes,
        spool_disk_bytes,
        clock_skew_ms: (skew != i64::MIN).then_some(skew),
    }
}

fn compression(source: &SourceSpec, meters: &Meters, state: &LinkState) -> Option<Compression> {
    let told = state.relay.unwrap_or_default();
    source.endpoint.compression.then(|| Compression {
        relay_behind: told.behind,
        relay_cpu: Duration::from_micros(told.cpu_us),
        relay_bytes: told.bytes,
        cpu: meters.inflating(),
    })
}

/// A link that has caught up with what its source held at some moment since it began is in step.
fn in_step(meters: &Meters) -> LinkState {
    let state = meters.state();
    let (Phase::CatchingUp, Some(since)) = (state.stage, state.streaming_since) else { return state };
    let applied = meters.applied.load(Relaxed);
    let caught_up = match meters.lag.caught_up_since(since) {
        Some(known) => known,
        None => since.elapsed() > QUIET && meters.received() == applied,
    };
    // What is received no further has not caught up, however little is left to apply.
    if caught_up && state.trouble().is_none() {
        meters.enter(Phase::Synced);
    }
    meters.state()
}

fn status(state: &LinkState) -> Status {
    match state.phase() {
        Phase::Stopped => Status::Stopped,
        Phase::Synced => Status::Synced,
        Phase::Retrying | Phase::Paused | Phase::Connecting | Phase::Handshaking | Phase::CatchingUp
            if state.was_synced =>
        {
            Status::Synced
        }
        _ => Status::Syncing,
    }
}

/// Bytes where the source announced them, otherwise keys; never backwards, never 100.
fn progress(load: &LoadProgress, keys: u64, meters: &Meters) -> f64 {
    let share = match (load.bytes_total, load.keys_total) {
        (Some(total), _) if total > 0 => load.bytes_done as f64 / total as f64,
        (None, Some(total)) if total > 0 => keys as f64 / total as f64,
        _ => 0.0,
    };
    let percent = (share * 100.0).min(ALMOST).max(load.shown);
    meters.update(|state| {
        if let Some(load) = &mut state.load {
            load.shown = percent;
        }
    });
    percent
}

/// What is left at the speed so far; unknown until there is a speed.
fn time_left(load: &LoadProgress, percent: f64) -> Option<Duration> {
    let spent = Instant::now().saturating_duration_since(load.started);
    (percent >= 1.0 && spent >= Duration::from_secs(1)).then(|| spent.mul_f64((100.0 - percent) / percent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meters::Side;

    fn loading(meters: &Meters, done: u64, total: Option<u64>, keys_total: Option<u64>) -> f64 {
        meters.update(|state| {
            let shown = state.load.map_or(0.0, |load| load.shown);
            let started = Instant::now();
            state.load = Some(LoadProgress { started, bytes_done: done, bytes_total: total, keys_total, shown });
        });
        let load = meters.state().load.unwrap();
        progress(&load, meters.keys.load(Relaxed), meters)
    }

    #[test]
    fn progress_never_goes_back_and_never_shows_100_before_the_snapshot_is_in() {
        let meters = Meters::default();
        assert!((loading(&meters, 50, Some(100), None) - 50.0).abs() < 1e-9);
        assert!((loading(&meters, 40, Some(100), None) - 50.0).abs() < 1e-9);
        assert!((loading(&meters, 100, Some(100), None) - ALMOST).abs() < 1e-9);
        let by_keys = Meters::default();
        by_keys.keys.store(30, Relaxed);
        assert!((loading(&by_keys, 1, None, Some(120)) - 25.0).abs() < 1e-9);
    }

    #[test]
    fn a_source_that_the_user_stopped_hides_neither_the_others_nor_their_errors() {
        let source = |id: &str| SourceSpec {
            id: id.into(),
            name: id.into(),
            endpoint: crate::Endpoint::parse("redis://h").unwrap(),
            stopped: false,
        };
        let by_user = Meters::default();
        by_user.update(|state| state.stopped = Some(None));
        let loading = Meters::default();
        loading.update(|state| state.stage = Phase::Loading);
        let broken = Meters::default();
        broken.update(|state| state.stopped = Some(Some(crate::Failure::closed("h:1"))));
        let status = |id: &str, meters: &Meters| source_status(&source(id), meters);
        let sources = [status("broken", &broken), status("loading", &loading), status("by user", &by_user)];
        assert_eq!(worst(&sources).unwrap().id, "broken");
        assert_eq!(worst(&sources[1..]).unwrap().id, "loading");
        assert_eq!(worst(&sources[2..]).unwrap().id, "by user");
    }

    #[test]
    fn a_source_that_reconnects_keeps_its_last_status() {
        let mut state = LinkState::default();
        let retry = crate::Retry { attempt: 1, at: SystemTime::now() };
        state.troubled(Side::Source, &crate::Failure::closed("h:1"), retry);
        assert_eq!((state.phase(), status(&state)), (Phase::Retrying, Status::Syncing));
        state.was_synced = true;
        assert_eq!(status(&state), Status::Synced);
        state.mended(Side::Source);
        state.stage = Phase::Loading;
        assert_eq!(status(&state), Status::Syncing);
    }
}
