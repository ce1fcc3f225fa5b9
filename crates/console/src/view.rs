//! From the engine's status to what a window shows.

use tributary_engine as engine;

use crate::definition::{Definition, StoredEndpoint, StoredSource};
use crate::dto::{
    ExpiryHandling, FailureAction, FailureView, Intent, LockDownLive, Phase, ReplicaLive, Retry, ServerFacts, Severity,
    SourceLive, Status,
};
use crate::meter::{Counters, Rates};
use crate::time::{ms, unix_ms};

pub(crate) fn status(status: engine::Status) -> Status {
    match status {
        engine::Status::Syncing => Status::Syncing,
        engine::Status::Synced => Status::Synced,
        engine::Status::Stopped => Status::Stopped,
    }
}

fn phase(phase: engine::Phase) -> Phase {
    match phase {
        engine::Phase::Connecting => Phase::Connecting,
        engine::Phase::Handshaking => Phase::Handshaking,
        engine::Phase::WaitingForSnapshot => Phase::WaitingForSnapshot,
        engine::Phase::Loading => Phase::Loading,
        engine::Phase::CatchingUp => Phase::CatchingUp,
        engine::Phase::Synced => Phase::Synced,
        engine::Phase::Retrying => Phase::Retrying,
        engine::Phase::Paused => Phase::Paused,
        engine::Phase::Stopped => Phase::Stopped,
    }
}

fn expiry(expiry: engine::Expiry) -> ExpiryHandling {
    match expiry {
        engine::Expiry::Exact => ExpiryHandling::Exact,
        engine::Expiry::ImportMode => ExpiryHandling::ImportMode,
        engine::Expiry::HeldBack => ExpiryHandling::HeldBack,
    }
}

fn lock_down(state: &engine::LockDownState) -> LockDownLive {
    match state {
        engine::LockDownState::Held(users) => LockDownLive { users: users.clone(), problem: None },
        engine::LockDownState::NotHeld(why) => LockDownLive { users: Vec::new(), problem: Some(why.clone()) },
    }
}

pub(crate) fn severity(severity: engine::Severity) -> Severity {
    match severity {
        engine::Severity::Info => Severity::Info,
        engine::Severity::Warning => Severity::Warning,
        engine::Severity::Error => Severity::Error,
    }
}

pub(crate) fn failure(failure: &engine::Failure) -> FailureView {
    FailureView {
        kind: failure.kind.code().to_owned(),
        message: failure.message.clone(),
        hint: failure.hint.clone(),
        endpoint: failure.endpoint.clone(),
        since: unix_ms(failure.since),
        action: match failure.action() {
            engine::Action::Stop => FailureAction::Stops,
            engine::Action::Retry => FailureAction::Retries,
        },
    }
}

pub(crate) fn counters(source: &engine::SourceStatus) -> Counters {
    let loaded = if source.bytes_total.is_some() { source.bytes_done.unwrap_or(0) } else { source.keys };
    let costs = source.compression.unwrap_or_default();
    Counters {
        commands: source.commands,
        bytes: source.bytes,
        wire_bytes: source.wire_bytes,
        loaded,
        relay_cpu: costs.relay_cpu,
        decompress_cpu: costs.cpu,
    }
}

/// How a source is doing; `known` is what is kept of it.
pub(crate) fn source(source: &engine::SourceStatus, rates: Rates, known: Option<&StoredSource>) -> SourceLive {
    let runs = source.status != engine::Status::Stopped;
    let costs = source.compression.filter(|_| runs);
    // Before its first word nothing is known of the relay.
    let relay = costs.filter(|costs| costs.relay_bytes > 0);
    let compressed = source.compression.filter(|_| source.wire_bytes > 0);
    SourceLive {
        id: source.id.clone(),
        // It may have been renamed since the engine was started.
        name: known.map_or(&source.name, |known| &known.name).clone(),
        endpoint: source.endpoint.clone(),
        status: status(source.status),
        phase: phase(source.phase),
        progress: source.progress,
        bytes_done: source.bytes_done,
        bytes_total: source.bytes_total,
        keys: source.keys,
        keys_total: source.keys_total,
        omitted: source.omitted,
        time_left_ms: time_left(source, rates),
        lag_ms: source.lag.filter(|_| runs).map(ms),
        lag_bytes: source.lag_bytes.filter(|_| runs),
        last_command_at: source.last_command_at.map(unix_ms),
        commands_per_sec: rates.commands.filter(|_| runs),
        bytes_per_sec: rates.bytes.filter(|_| runs),
        wire_bytes_per_sec: rates.wire_bytes.filter(|_| runs),
        tls: known.is_some_and(|known| known.endpoint.tls.is_some()),
        insecure: known.is_some_and(|known| insecure(&known.endpoint)),
        compression: source.compression.is_some(),
        bytes: source.bytes,
        wire_bytes: source.wire_bytes,
        ratio: compressed.map(|_| source.bytes as f64 / source.wire_bytes as f64),
        saved_bytes: compressed.map(|_| source.bytes.saturating_sub(source.wire_bytes)),
        relay_behind: relay.map(|relay| relay.relay_behind),
        relay_cpu: rates.relay_cpu.filter(|_| relay.is_some()),
        decompress_cpu: rates.decompress_cpu.filter(|_| costs.is_some()),
        received: source.received,
        applied: source.applied,
        durable: source.durable,
        commands: source.commands,
        spool_bytes: source.spool_bytes,
        spool_disk_bytes: source.spool_disk_bytes,
        clock_skew_ms: source.clock_skew_ms,
        retry: source.retry.map(|retry| Retry { attempt: retry.attempt, next_at: unix_ms(retry.at) }),
        failure: source.failure.as_ref().map(failure),
    }
}

/// Whether it is believed whatever certificate it shows.
fn insecure(endpoint: &StoredEndpoint) -> bool {
    endpoint.tls.as_ref().is_some_and(|tls| tls.insecure)
}

/// What is left of the snapshot at the present rate; unknown when the rate or the total is.
fn time_left(source: &engine::SourceStatus, rates: Rates) -> Option<f64> {
    if source.phase != engine::Phase::Loading {
        return None;
    }
    let (done, total) = match source.bytes_total {
        Some(total) => (source.bytes_done?, total),
        None => (source.keys, source.keys_total?),
    };
    let rate = rates.loaded.filter(|rate| *rate > 0.0)?;
    Some(total.saturating_sub(done) as f64 / rate * 1_000.0)
}

/// The whole of a replica, from its sources.
pub(crate) fn replica(
    definition: &Definition,
    status: &engine::ReplicaStatus,
    sources: Vec<SourceLive>,
    server: Option<ServerFacts>,
    lag_spark: Vec<Option<f64>>,
) -> ReplicaLive {
    let in_step = sources.iter().filter(|source| source.phase == Phase::Synced).count();
    let syncing = sources.iter().filter(|source| source.status == Status::Syncing);
    ReplicaLive {
        id: definition.id.clone(),
        name: definition.name.clone(),
        destination: definition.destination.address(),
        intent: definition.intent,
        status: self::status(status.status),
        phase: phase(status.phase),
        progress: syncing.filter_map(|source| source.progress).reduce(f64::min),
        in_step: count(in_step),
        total: count(sources.len()),
        worst_lag_ms: sources.iter().filter_map(|source| source.lag_ms).reduce(f64::max),
        writes_per_sec: sources.iter().filter_map(|source| source.commands_per_sec).reduce(|a, b| a + b),
        bytes_per_sec: sources.iter().filter_map(|source| source.bytes_per_sec).reduce(|a, b| a + b),
        wire_bytes_per_sec: sources.iter().filter_map(|source| source.wire_bytes_per_sec).reduce(|a, b| a + b),
        insecure: insecure(&definition.destination) || sources.iter().any(|source| source.insecure),
        failure: status.failure.as_ref().map(failure),
        server,
        expiry: status.expiry.map(expiry),
        foreign_writes: status.foreign_writes,
        foreign_write: status.foreign_write.clone(),
        lock_down: status.lock_down.as_ref().map(lock_down),
        sources,
        lag_spark,
        verify: None,
    }
}

/// A replica that has not run since the app was opened.
pub(crate) fn at_rest(definition: &Definition) -> ReplicaLive {
    let source = |source: &StoredSource| SourceLive {
        id: source.id.clone(),
        name: source.name.clone(),
        endpoint: source.endpoint.address(),
        status: Status::Stopped,
        phase: Phase::Stopped,
        progress: None,
        bytes_done: None,
        bytes_total: None,
        keys: 0,
        keys_total: None,
        omitted: 0,
        time_left_ms: None,
        lag_ms: None,
        lag_bytes: None,
        last_command_at: None,
        commands_per_sec: None,
        bytes_per_sec: None,
        wire_bytes_per_sec: None,
        tls: source.endpoint.tls.is_some(),
        insecure: insecure(&source.endpoint),
        compression: source.endpoint.compression,
        bytes: 0,
        wire_bytes: 0,
        ratio: None,
        saved_bytes: None,
        relay_behind: None,
        relay_cpu: None,
        decompress_cpu: None,
        received: 0,
        applied: 0,
        durable: None,
        commands: 0,
        spool_bytes: 0,
        spool_disk_bytes: 0,
        clock_skew_ms: None,
        retry: None,
        failure: None,
    };
    ReplicaLive {
        id: definition.id.clone(),
        name: definition.name.clone(),
        destination: definition.destination.address(),
        intent: Intent::Stopped,
        status: Status::Stopped,
        phase: Phase::Stopped,
        progress: None,
        in_step: 0,
        total: count(definition.sources.len()),
        worst_lag_ms: None,
        writes_per_sec: None,
        bytes_per_sec: None,
        wire_bytes_per_sec: None,
        insecure: definition.endpoints().any(|(endpoint, _)| insecure(endpoint)),
        failure: None,
        server: None,
        expiry: None,
        foreign_writes: 0,
        foreign_write: None,
        lock_down: None,
        sources: definition.sources.iter().map(source).collect(),
        lag_spark: Vec::new(),
        verify: None,
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn running(compression: Option<engine::Compression>) -> engine::SourceStatus {
        engine::SourceStatus {
            id: "s".into(),
            name: "s".into(),
            endpoint: "h:1".into(),
            run_id: None,
            status: engine::Status::Synced,
            phase: engine::Phase::Synced,
            progress: None,
            bytes_done: None,
            bytes_total: None,
            keys: 0,
            keys_total: None,
            omitted: 0,
            time_left: None,
            lag: None,
            lag_bytes: None,
            received: 0,
            applied: 0,
            durable: None,
            commands: 0,
            bytes: 1_000,
            wire_bytes: 250,
            compression,
            last_command_at: None,
            retry: None,
            failure: None,
            spool_bytes: 0,
            spool_disk_bytes: 0,
            clock_skew_ms: None,
        }
    }

    fn rates() -> Rates {
        let some = Some(0.5);
        Rates { bytes: Some(8.0), wire_bytes: Some(2.0), relay_cpu: some, decompress_cpu: some, ..Rates::default() }
    }

    #[test]
    fn what_compression_spares_and_costs_is_told_once_it_is_known() {
        let told =
            engine::Compression { relay_behind: true, relay_bytes: 7, cpu: Duration::ZERO, ..Default::default() };
        let live = source(&running(Some(told)), rates(), None);
        assert_eq!((live.bytes_per_sec, live.wire_bytes_per_sec), (Some(8.0), Some(2.0)));
        assert_eq!((live.ratio, live.saved_bytes, live.relay_behind), (Some(4.0), Some(750), Some(true)));
        assert_eq!((live.relay_cpu, live.decompress_cpu), (Some(0.5), Some(0.5)));
        // The relay has not spoken yet.
        let silent = source(&running(Some(engine::Compression::default())), rates(), None);
        assert_eq!((silent.relay_behind, silent.relay_cpu, silent.decompress_cpu), (None, None, Some(0.5)));
        let nothing = engine::SourceStatus { bytes: 0, wire_bytes: 0, ..running(Some(told)) };
        assert_eq!(source(&nothing, rates(), None).ratio, None);
    }

    #[test]
    fn without_compression_there_is_nothing_to_tell_of_it() {
        let live = source(&running(None), rates(), None);
        assert_eq!((live.compression, live.ratio, live.saved_bytes), (false, None, None));
        assert_eq!((live.relay_behind, live.relay_cpu, live.decompress_cpu), (None, None, None));
        assert_eq!(live.wire_bytes_per_sec, Some(2.0));
    }

    #[test]
    fn a_source_that_stopped_keeps_its_totals_and_has_no_rates() {
        let told = engine::Compression { relay_bytes: 7, ..Default::default() };
        let stopped = engine::SourceStatus { status: engine::Status::Stopped, ..running(Some(told)) };
        let live = source(&stopped, rates(), None);
        assert_eq!((live.wire_bytes_per_sec, live.relay_cpu, live.relay_behind), (None, None, None));
        assert_eq!((live.bytes, live.ratio), (1_000, Some(4.0)));
    }
}
