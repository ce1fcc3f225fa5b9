//! Rates from counters: the engine counts, a window shows "a second".

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back a rate looks. Long enough to be steady, short enough to follow.
const WINDOW: Duration = Duration::from_secs(3);
/// Below this a rate would be noise.
const SHORTEST: Duration = Duration::from_millis(700);

/// The counters of one source at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    pub commands: u64,
    pub wire_bytes: u64,
    /// Bytes or keys of the snapshot, whichever its progress is measured in.
    pub loaded: u64,
}

/// What they gain a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Rates {
    pub commands: Option<f64>,
    pub wire_bytes: Option<f64>,
    pub loaded: Option<f64>,
}

/// Remembers the last seconds of one source's counters.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    readings: VecDeque<(Instant, Counters)>,
}

impl Meter {
    /// Takes a reading and says how fast the counters grow.
    pub fn read(&mut self, now: Instant, counters: Counters) -> Rates {
        if self.readings.back().is_some_and(|(_, last)| went_back(last, &counters)) {
            self.readings.clear();
        }
        self.readings.push_back((now, counters));
        while self.readings.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.readings.pop_front();
        }
        self.rates(now, counters)
    }

    fn rates(&self, now: Instant, counters: Counters) -> Rates {
        let Some((at, first)) = self.readings.front() else { return Rates::default() };
        let span = now.duration_since(*at);
        if span < SHORTEST {
            return Rates::default();
        }
        // Counters stay below 2^53 for longer than any process lives.
        let rate = |from: u64, to: u64| Some((to - from) as f64 / span.as_secs_f64());
        Rates {
            commands: rate(first.commands, counters.commands),
            wire_bytes: rate(first.wire_bytes, counters.wire_bytes),
            loaded: rate(first.loaded, counters.loaded),
        }
    }
}

/// A new attempt counts from zero again.
fn went_back(last: &Counters, now: &Counters) -> bool {
    now.commands < last.commands || now.wire_bytes < last.wire_bytes || now.loaded < last.loaded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(n: u64) -> Counters {
        Counters { commands: n, wire_bytes: n * 100, loaded: n / 2 }
    }

    #[test]
    fn a_rate_is_unknown_until_there_is_enough_to_measure() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        assert_eq!(meter.read(start, counters(0)), Rates::default());
        let rates = meter.read(start + Duration::from_secs(1), counters(500));
        assert_eq!((rates.commands, rates.wire_bytes, rates.loaded), (Some(500.0), Some(50_000.0), Some(250.0)));
    }

    #[test]
    fn a_rate_forgets_what_is_older_than_its_window() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        for second in 0..10 {
            meter.read(start + Duration::from_secs(second), counters(if second < 5 { 1_000 * second } else { 4_000 }));
        }
        assert_eq!(meter.read(start + Duration::from_secs(10), counters(4_000)).commands, Some(0.0));
    }

    #[test]
    fn counters_that_start_again_give_no_rate_below_zero() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        meter.read(start, counters(1_000));
        assert_eq!(meter.read(start + Duration::from_secs(1), counters(10)), Rates::default());
    }
}
