//! What Prometheus scrapes of each source. What is not known is left out, never 0.

use std::time::{Duration, SystemTime};

use tributary_engine::{Phase, SourceStatus, Status};
use tributary_metrics::{Kind, Page};

use super::fleet::Standing;
use super::metrics::STATUSES;

/// Every phase, best first.
const PHASES: [Phase; 9] = [
    Phase::Synced,
    Phase::CatchingUp,
    Phase::Loading,
    Phase::WaitingForSnapshot,
    Phase::Handshaking,
    Phase::Connecting,
    Phase::Retrying,
    Phase::Paused,
    Phase::Stopped,
];

/// A metric of a source: its name, what its numbers do, what it means, and how it is read.
type Metric = (&'static str, Kind, &'static str, fn(&SourceStatus) -> Option<f64>);

/// The source while there is a link: without one nobody knows how far it has gone on.
fn linked(source: &SourceStatus) -> Option<&SourceStatus> {
    (source.phase != Phase::Retrying).then_some(source)
}

const METRICS: &[Metric] = &[
    (
        "tributary_source_lag_seconds",
        Kind::Gauge,
        "Time between a command's execution at the source and at the destination.",
        |source| linked(source).and_then(|source| source.lag).map(|lag| lag.as_secs_f64()),
    ),
    ("tributary_source_lag_bytes", Kind::Gauge, "The same in bytes of the replication stream.", |source| {
        linked(source).and_then(|source| source.lag_bytes).map(number)
    }),
    (
        "tributary_source_progress_ratio",
        Kind::Gauge,
        "How much of the snapshot is in, below 1 until all is.",
        |source| source.progress.map(|percent| percent / 100.0),
    ),
    ("tributary_source_keys_total", Kind::Counter, "Keys loaded from the snapshot.", |source| {
        Some(number(source.keys))
    }),
    ("tributary_source_snapshot_keys", Kind::Gauge, "Keys that the snapshot is expected to hold.", |source| {
        source.keys_total.map(number)
    }),
    (
        "tributary_source_snapshot_bytes",
        Kind::Gauge,
        "Bytes of the snapshot, where the source announced them.",
        |source| source.bytes_total.map(number),
    ),
    (
        "tributary_source_omitted_keys_total",
        Kind::Counter,
        "Keys of the snapshot that were left out, or kept without something, as the options allow.",
        |source| Some(number(source.omitted)),
    ),
    (
        "tributary_source_commands_total",
        Kind::Counter,
        "Commands of the stream executed at the destination since the start.",
        |source| Some(number(source.commands)),
    ),
    (
        "tributary_source_bytes_total",
        Kind::Counter,
        "Bytes of snapshots and streams received since the start, decompressed.",
        |source| Some(number(source.bytes)),
    ),
    (
        "tributary_source_wire_bytes_total",
        Kind::Counter,
        "The same on the wire: fewer where a relay compresses them.",
        |source| Some(number(source.wire_bytes)),
    ),
    ("tributary_source_received_offset_bytes", Kind::Gauge, "Replication offset that was received.", |source| {
        Some(number(source.received))
    }),
    (
        "tributary_source_applied_offset_bytes",
        Kind::Gauge,
        "Replication offset that the destination has executed.",
        |source| Some(number(source.applied)),
    ),
    (
        "tributary_source_durable_offset_bytes",
        Kind::Gauge,
        "Replication offset that survives a restart of the destination.",
        |source| source.durable.map(number),
    ),
    ("tributary_source_spool_bytes", Kind::Gauge, "Bytes received that wait to be applied.", |source| {
        Some(number(source.spool_bytes))
    }),
    ("tributary_source_spool_disk_bytes", Kind::Gauge, "Bytes of the spool's files on disk.", |source| {
        Some(number(source.spool_disk_bytes))
    }),
    (
        "tributary_source_retry_attempts",
        Kind::Gauge,
        "Attempts to connect since the link broke; 0 while it stands.",
        |source| Some(source.retry.map_or(0.0, |retry| f64::from(retry.attempt))),
    ),
    (
        "tributary_source_last_command_timestamp_seconds",
        Kind::Gauge,
        "Unix time at which the destination last executed a command of the stream.",
        |source| source.last_command_at.and_then(unix_seconds),
    ),
    ("tributary_source_clock_skew_seconds", Kind::Gauge, "The source's clock less the destination's.", |source| {
        source.clock_skew_ms.map(|skew| skew as f64 / 1_000.0)
    }),
    (
        "tributary_source_decompress_cpu_seconds_total",
        Kind::Counter,
        "Time spent on decompressing here, where a relay compresses the link.",
        |source| source.compression.map(|costs| costs.cpu.as_secs_f64()),
    ),
    (
        "tributary_source_relay_cpu_seconds_total",
        Kind::Counter,
        "Processor time of the relay for this connection, by its last word.",
        |source| source.compression.map(|costs| costs.relay_cpu.as_secs_f64()),
    ),
    ("tributary_source_relay_bytes_total", Kind::Counter, "Bytes that the relay has compressed for that.", |source| {
        source.compression.map(|costs| number(costs.relay_bytes))
    }),
    (
        "tributary_source_relay_behind",
        Kind::Gauge,
        "1 while the source sends faster than its relay compresses.",
        |source| source.compression.map(|costs| f64::from(u8::from(costs.relay_behind))),
    ),
];

/// Writes all metrics of all sources.
pub fn write(page: &mut Page, standings: &[Standing]) {
    one_hot(page, standings);
    page.metric(
        "tributary_source_error",
        Kind::Gauge,
        "1 for the error for which the source retries or has stopped; absent when there is none.",
    );
    for (replica, source) in sources(standings) {
        if let Some(failure) = &source.failure {
            page.sample(&[("replica", replica), ("source", &source.name), ("kind", failure.kind.code())], 1.0);
        }
    }
    for (name, kind, help, read) in METRICS {
        page.metric(name, *kind, help);
        for (replica, source) in sources(standings) {
            if let Some(value) = read(source) {
                page.sample(&[("replica", replica), ("source", &source.name)], value);
            }
        }
    }
}

/// Status and phase: 1 at the one that is, 0 at the others. Those of a replica that does not run have them too.
fn one_hot(page: &mut Page, standings: &[Standing]) {
    let all = || standings.iter().flat_map(phases);
    page.metric("tributary_source_status", Kind::Gauge, "1 at the status of the source and 0 at the others.");
    for (replica, source, now, _) in all() {
        for status in STATUSES {
            let labels = [("replica", replica), ("source", source), ("status", status.code())];
            page.sample(&labels, f64::from(u8::from(status == now)));
        }
    }
    page.metric("tributary_source_phase", Kind::Gauge, "1 at what the source is doing and 0 at the others.");
    for (replica, source, _, now) in all() {
        for phase in PHASES {
            let labels = [("replica", replica), ("source", source), ("phase", phase.code())];
            page.sample(&labels, f64::from(u8::from(phase == now)));
        }
    }
}

/// Replica, source, status and phase of every source.
fn phases(standing: &Standing) -> Vec<(&str, &str, Status, Phase)> {
    let replica = standing.state.name.as_str();
    match &standing.state.status {
        Some(status) => {
            status.sources.iter().map(|source| (replica, source.name.as_str(), source.status, source.phase)).collect()
        }
        None => {
            let (status, phase) = standing.at_rest();
            standing.state.sources.iter().map(|source| (replica, source.as_str(), status, phase)).collect()
        }
    }
}

/// The sources of all replicas that run, each with its replica's name.
fn sources(standings: &[Standing]) -> impl Iterator<Item = (&str, &SourceStatus)> {
    standings.iter().flat_map(|standing| {
        let status = standing.state.status.iter();
        status.flat_map(|status| &status.sources).map(|source| (standing.state.name.as_str(), source))
    })
}

/// Exact up to 2^53.
fn number(count: u64) -> f64 {
    count as f64
}

fn unix_seconds(at: SystemTime) -> Option<f64> {
    at.duration_since(SystemTime::UNIX_EPOCH).ok().as_ref().map(Duration::as_secs_f64)
}
