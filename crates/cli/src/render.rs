//! The status for a terminal or as JSON.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use tributary_engine::{Phase, ReplicaStatus, SourceStatus, Status};

/// The object that is printed once a second with --json.
#[derive(Debug, Serialize)]
pub struct Report {
    status: &'static str,
    sources: Vec<Source>,
}

#[derive(Debug, Serialize)]
struct Source {
    name: String,
    status: &'static str,
    phase: &'static str,
    /// Percent.
    progress: Option<f64>,
    lag_ms: Option<f64>,
    lag_bytes: Option<u64>,
    keys: u64,
    /// Keys left out, or kept without something, as the user agreed.
    omitted: u64,
    received: u64,
    applied: u64,
    durable: Option<u64>,
    commands: u64,
    /// Bytes of snapshots and streams received.
    bytes: u64,
    /// What they were on the wire.
    wire_bytes: u64,
    compression: Option<Compression>,
    /// Bytes received that wait to be applied.
    spool_bytes: u64,
    /// Bytes of the spool's files.
    spool_disk_bytes: u64,
    /// The source's clock less the destination's.
    clock_skew_ms: Option<i64>,
    /// Unix time in ms.
    last_command_at: Option<u64>,
    error: Option<Error>,
}

/// Of a link that a relay compresses.
#[derive(Debug, Serialize)]
struct Compression {
    /// Bytes received for each byte on the wire.
    ratio: Option<f64>,
    /// The source sends faster than its relay compresses.
    relay_behind: bool,
    /// Processor time of the relay for this connection.
    relay_cpu_seconds: f64,
    /// Time spent on decompressing here.
    cpu_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Error {
    kind: &'static str,
    message: String,
    hint: String,
}

impl Report {
    /// The report of a status.
    pub fn new(status: &ReplicaStatus) -> Self {
        Self { status: status.status.code(), sources: status.sources.iter().map(source).collect() }
    }
}

fn source(source: &SourceStatus) -> Source {
    let since_1970 = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
    Source {
        name: source.name.clone(),
        status: source.status.code(),
        phase: source.phase.code(),
        progress: source.progress.map(|percent| (percent * 10.0).round() / 10.0),
        lag_ms: source.lag.map(|lag| (lag.as_secs_f64() * 1e5).round() / 100.0),
        lag_bytes: source.lag_bytes,
        keys: source.keys,
        omitted: source.omitted,
        received: source.received,
        applied: source.applied,
        durable: source.durable,
        commands: source.commands,
        bytes: source.bytes,
        wire_bytes: source.wire_bytes,
        compression: source.compression.map(|costs| Compression {
            ratio: (source.wire_bytes > 0).then(|| source.bytes as f64 / source.wire_bytes as f64),
            relay_behind: costs.relay_behind,
            relay_cpu_seconds: costs.relay_cpu.as_secs_f64(),
            cpu_seconds: costs.cpu.as_secs_f64(),
        }),
        spool_bytes: source.spool_bytes,
        spool_disk_bytes: source.spool_disk_bytes,
        clock_skew_ms: source.clock_skew_ms,
        last_command_at: source
            .last_command_at
            .and_then(since_1970)
            .map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
        error: source.failure.as_ref().map(|failure| Error {
            kind: failure.kind.code(),
            message: failure.message.clone(),
            hint: failure.hint.clone(),
        }),
    }
}

/// One line for a terminal; with several sources, the one that is worst off and how many are in step.
pub fn line(status: &ReplicaStatus) -> String {
    let in_step = status.sources.iter().filter(|s| s.phase == Phase::Synced).count();
    let Some(worst) = status.sources.iter().max_by_key(|s| (s.status, s.phase, s.lag)) else { return String::new() };
    let mut text = match worst.phase {
        Phase::Synced => {
            let lag = worst.lag.map_or("–".to_owned(), duration);
            let bytes = worst.lag_bytes.map_or("–".to_owned(), bytes);
            format!("Synced   lag {lag} ({bytes})   {} commands   offset {}", worst.commands, worst.applied)
        }
        Phase::Loading => {
            let percent = worst.progress.map_or("–".to_owned(), |p| format!("{p:.1} %"));
            let left = worst.time_left.map_or(String::new(), |left| format!("   {} left", duration(left)));
            format!("Syncing  {percent}   {} keys   {}{left}", worst.keys, bytes(worst.bytes_done.unwrap_or(0)))
        }
        Phase::Retrying => {
            let attempt = worst.retry.map_or(0, |retry| retry.attempt);
            let why = worst.failure.as_ref().map_or("", |f| &f.message);
            format!("Reconnecting, attempt {attempt}: {why}")
        }
        Phase::Stopped => match &worst.failure {
            Some(failure) => format!("Sync stopped: {}", failure.message),
            None => format!("Stopped  offset {}", worst.applied),
        },
        Phase::CatchingUp => format!("Syncing  catching up   offset {}", worst.applied),
        other => format!(
            "{}  {}",
            if worst.status == Status::Synced { "Synced " } else { "Syncing" },
            other.code().replace('_', " ")
        ),
    };
    if status.sources.len() > 1 {
        text = format!("{in_step} of {} in step   {}: {text}", status.sources.len(), worst.name);
    }
    text
}

/// A time with one unit.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 0.000_5 => "0 ms".to_owned(),
        s if s < 0.0995 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 60.0 => format!("{s:.1} s"),
        _ => format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60),
    }
}

/// A size with one unit.
pub fn bytes(count: u64) -> String {
    let count_f = count as f64;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count_f / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count_f / 1e6),
        _ => format!("{:.2} GB", count_f / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_carry_one_unit() {
        assert_eq!(duration(Duration::from_micros(1234)), "1.2 ms");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(bytes(2_400_000_000), "2.40 GB");
        assert_eq!(bytes(999), "999 B");
    }
}
