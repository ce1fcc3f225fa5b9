//! How soon a write at the source can be read at the destination.

use std::thread;
use std::time::{Duration, Instant};

use redis::Connection;

use crate::Result;
use crate::pacer::Pacer;
use crate::process::Used;
use crate::replica::{Attached, Bench, Kind};
use crate::report::percentile;
use crate::stream::settle;
use crate::wait::DEADLINE;

const KEY: &str = "bench:probe";
/// Between two probes, so that each meets a pipeline that has come to rest.
const PAUSE: Duration = Duration::from_millis(1);

/// Milliseconds from before the write until a read has returned it.
pub struct Visible {
    pub p50: f64,
    pub p99: f64,
}

/// One series of probes without other writes and one under load.
pub struct Sample {
    pub idle: Visible,
    pub loaded: Visible,
    /// The load that was reached.
    pub load_per_second: f64,
    /// What our engine used.
    pub engine: Option<Used>,
}

/// Times `probes` writes idle, and as many under the pacer's load.
pub fn measure(bench: &mut Bench, kind: Kind, probes: usize) -> Result<Sample> {
    bench.source.clear()?;
    bench.prepare(kind)?;
    let mut attached = bench.attach(kind)?;
    settle(&mut attached)?;
    let idle = probe(&attached, "idle", probes)?;
    let pacer = Pacer::start(attached.source)?;
    let loaded = probe(&attached, "loaded", probes)?;
    let load_per_second = pacer.stop()?;
    Ok(Sample { idle, loaded, load_per_second, engine: attached.used()? })
}

fn probe(attached: &Attached<'_>, series: &str, probes: usize) -> Result<Visible> {
    let (mut source, mut destination) = (attached.source.connect()?, attached.destination.connect()?);
    let mut times = Vec::with_capacity(probes);
    for n in 0..probes {
        times.push(one(&mut source, &mut destination, &format!("{series}:{n}"))?);
        thread::sleep(PAUSE);
    }
    Ok(Visible { p50: percentile(&mut times, 50), p99: percentile(&mut times, 99) })
}

/// The reads follow each other without a pause: a read's round trip is the resolution.
fn one(source: &mut Connection, destination: &mut Connection, token: &str) -> Result<f64> {
    let started = Instant::now();
    redis::cmd("SET").arg(KEY).arg(token).exec(source)?;
    loop {
        let seen: Option<String> = redis::cmd("GET").arg(KEY).query(destination)?;
        let elapsed = started.elapsed();
        if seen.as_deref() == Some(token) {
            return Ok(elapsed.as_secs_f64() * 1e3);
        }
        if elapsed > DEADLINE {
            return Err(format!("a write was not visible at the destination within {} s", DEADLINE.as_secs()).into());
        }
    }
}
