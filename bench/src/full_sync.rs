//! How long the first copy takes, from an empty destination.

use std::time::Instant;

use crate::Result;
use crate::process::Used;
use crate::replica::{Bench, Kind};

/// One full sync.
pub struct Sample {
    pub seconds: f64,
    pub keys: usize,
    /// What our engine used for it.
    pub engine: Option<Used>,
}

/// Times one full sync. Ours includes the start of the process.
pub fn measure(bench: &mut Bench, kind: Kind) -> Result<Sample> {
    bench.prepare(kind)?;
    let expected: usize = bench.source.run(&["DBSIZE"])?;
    let started = Instant::now();
    let mut attached = bench.attach(kind)?;
    let seconds = started.elapsed().as_secs_f64();
    let engine = attached.used()?;
    let keys = attached.keys()?;
    if keys != expected {
        return Err(format!("{kind}: {keys} keys arrived instead of {expected}").into());
    }
    drop(attached);
    // The copy would only take memory from the measurements that follow.
    bench.prepare(kind)?;
    Ok(Sample { seconds, keys, engine })
}
