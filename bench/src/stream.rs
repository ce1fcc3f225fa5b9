//! How many writes a second pass through to the destination.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::process::Used;
use crate::replica::{Attached, Bench, Kind};
use crate::wait::until;

/// What is streamed, by the names that redis-benchmark gives them.
pub const COMMANDS: [&str; 3] = ["SET", "INCR", "LPUSH"];

/// Written behind the load: when it is visible, so is the load.
const SENTINEL: &str = "bench:sentinel";
const POLL: Duration = Duration::from_millis(1);

/// One stream.
pub struct Sample {
    pub per_second: f64,
    /// What our engine used for it.
    pub engine: Option<Used>,
}

/// Times one load from the start of redis-benchmark until its last write is visible at the destination.
/// Source and destination start empty, so that no list grows from round to round.
pub fn measure(bench: &mut Bench, kind: Kind, command: &str, count: u64) -> Result<Sample> {
    bench.source.clear()?;
    bench.prepare(kind)?;
    let mut attached = bench.attach(kind)?;
    settle(&mut attached)?;
    let before = attached.used()?;
    let started = Instant::now();
    load(attached.source.port(), command, count)?;
    pass_sentinel(&mut attached, "after")?;
    let per_second = count as f64 / started.elapsed().as_secs_f64();
    let engine = attached.used()?.zip(before).map(|(after, before)| after.since(before));
    Ok(Sample { per_second, engine })
}

/// Waits until writes pass through, which is a little later than the end of the full sync.
pub fn settle(attached: &mut Attached<'_>) -> Result<()> {
    pass_sentinel(attached, "before")
}

fn load(port: u16, command: &str, count: u64) -> Result<()> {
    let (port, count) = (port.to_string(), count.to_string());
    let output = Command::new("redis-benchmark")
        .args(["-p", &port, "-P", "16", "-r", "100000", "-q", "-n", &count, "-t", &command.to_lowercase()])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("redis-benchmark cannot be started: {e}; is the package redis-tools installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("redis-benchmark {command} ended with {}: {said}", output.status).into());
    }
    Ok(())
}

fn pass_sentinel(attached: &mut Attached<'_>, token: &str) -> Result<()> {
    attached.source.run::<()>(&["SET", SENTINEL, token])?;
    until("a write's arrival at the destination", POLL, || {
        let seen: Option<String> = attached.destination.run(&["GET", SENTINEL])?;
        Ok(seen.as_deref() == Some(token))
    })
}
