//! How fast it may go, and how long it will take.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What may be had at once, as a part of a second: a page after a pause is no burst.
const BURST: Duration = Duration::from_millis(250);

/// Lets so many keys a second through, whoever asks for them.
#[derive(Debug)]
pub(super) struct Pace {
    keys_per_second: Option<u32>,
    /// When all that was let through is worked off at that rate.
    worked_off: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(keys_per_second: Option<u32>) -> Self {
        Self { keys_per_second: keys_per_second.filter(|rate| *rate > 0), worked_off: Mutex::new(Instant::now()) }
    }

    /// Waits until so many keys may be looked at.
    pub(super) async fn take(&self, keys: usize) {
        let wait = self.reserve(keys, Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Counts the keys and says how long to wait before they are looked at.
    fn reserve(&self, keys: usize, now: Instant) -> Duration {
        let Some(rate) = self.keys_per_second else { return Duration::ZERO };
        let takes = Duration::from_secs_f64(keys as f64 / f64::from(rate));
        let mut worked_off = self.worked_off.lock().unwrap_or_else(PoisonError::into_inner);
        *worked_off = (*worked_off).max(now.checked_sub(BURST).unwrap_or(now)) + takes;
        worked_off.saturating_duration_since(now)
    }

    /// How many keys to ask for at once, so that the rate is even.
    pub(super) fn page(&self, most: usize) -> usize {
        let even = self.keys_per_second.map_or(most, |rate| usize::try_from(rate / 10).unwrap_or(most));
        even.clamp(10, most)
    }

    /// The least time that so many keys take.
    pub(super) fn least(&self, keys: u64) -> Duration {
        self.keys_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(keys as f64 / f64::from(rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_keys_than_the_rate_are_let_through() {
        let pace = Pace::new(Some(1000));
        let start = Instant::now();
        let mut now = start;
        for _ in 0..50 {
            now += pace.reserve(100, now);
        }
        let took = now - start;
        assert!(took >= Duration::from_millis(4_700) && took <= Duration::from_secs(5), "{took:?}");
        // A pause is not made up for.
        let later = now + Duration::from_secs(60);
        assert_eq!(pace.reserve(100, later), Duration::ZERO);
        assert!(pace.reserve(1000, later) >= Duration::from_millis(800));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let pace = Pace::new(None);
        assert_eq!(pace.reserve(1_000_000, Instant::now()), Duration::ZERO);
        assert_eq!((pace.page(1000), Pace::new(Some(500)).page(1000)), (1000, 50));
    }
}
