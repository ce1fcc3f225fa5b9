//! Waiting for a state.

use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// Far above anything that is measured, even on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// Asks every `poll` until the answer is yes.
pub fn until(what: &str, poll: Duration, mut reached: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !reached()? {
        if started.elapsed() > DEADLINE {
            return Err(format!("{what} did not happen within {} s", DEADLINE.as_secs()).into());
        }
        thread::sleep(poll);
    }
    Ok(())
}
