//! What the black-box tests share: real servers, the `tributary` binary, data to copy, and a comparison of two servers.
//!
//! Everything waits for a state with a generous deadline; nothing sleeps for a time that is hoped to be enough.
//! Read [`server`] and [`cli`] first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test harness fails by panicking")]

pub mod certificates;
pub mod cli;
pub mod compare;
pub mod exact;
pub mod families;
pub mod fixture;
pub mod headless;
pub mod load;
pub mod load_cli;
pub mod proxy;
pub mod relay;
pub mod seed;
pub mod sentinel;
pub mod server;

use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Far above what is seen; two cores may be busy.
pub const DEADLINE: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(20);

/// Waits until `condition` gives a value.
///
/// # Panics
/// When it does not within [`DEADLINE`].
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(POLL);
    }
}

/// The factor by which the data sets grow: 1 in `make test`, 10 (the full size) in `make soak`.
///
/// # Panics
/// When the variable `SCALE` is not a whole number.
#[must_use]
pub fn scale() -> u64 {
    std::env::var("SCALE").map_or(1, |text| text.parse().expect("SCALE is a whole number"))
}
