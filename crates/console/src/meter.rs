//! Rates from counters: the engine counts, a window shows "a second".

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back a rate looks. Long enough to be steady, short enough to follow.
const WINDOW: Duration = Duration::from_secs(3);
/// Below this a rate would be noise.
const SHORTEST: Duration = Duration::from_millis(700);

/// The counters of one source at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counters {
    pub commands: u64,
    /// Bytes received, decompressed.
    pub bytes: u64,
    /// The same on the wire.
    pub wire_bytes: u64,
    /// Bytes or keys of the snapshot, whichever its progress is measured in.
    pub loaded: u64,
    /// Processor time of the relay, by its last word.
    pub relay_cpu: Duration,
    /// Time spent on decompressing here.
    pub decompress_cpu: Duration,
}

/// What they gain a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Rates {
    pub commands: Option<f64>,
    pub bytes: Option<f64>,
    pub wire_bytes: Option<f64>,
    pub loaded: Option<f64>,
    /// Share of one core.
    pub relay_cpu: Option<f64>,
    /// Share of one core.
    pub decompress_cpu: Option<f64>,
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
        let share = |from: Duration, to: Duration| Some((to - from).as_secs_f64() / span.as_secs_f64());
        Rates {
            commands: rate(first.commands, counters.commands),
            bytes: rate(first.bytes, counters.bytes),
            wire_bytes: rate(first.wire_bytes, counters.wire_bytes),
            loaded: rate(first.loaded, counters.loaded),
            relay_cpu: share(first.relay_cpu, counters.relay_cpu),
            decompress_cpu: share(first.decompress_cpu, counters.decompress_cpu),
        }
    }
}

/// A new start of the engine counts from zero again; so does a new load, and the relay with every connection.
fn went_back(last: &Counters, now: &Counters) -> bool {
    now.commands < last.commands
        || now.bytes < last.bytes
        || now.wire_bytes < last.wire_bytes
        || now.loaded < last.loaded
        || now.relay_cpu < last.relay_cpu
        || now.decompress_cpu < last.decompress_cpu
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(n: u64) -> Counters {
        Counters {
            commands: n,
            bytes: n * 400,
            wire_bytes: n * 100,
            loaded: n / 2,
            relay_cpu: Duration::from_micros(n * 100),
            decompress_cpu: Duration::from_micros(n * 20),
        }
    }

    #[test]
    fn a_rate_is_unknown_until_there_is_enough_to_measure() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        assert_eq!(meter.read(start, counters(0)), Rates::default());
        let rates = meter.read(start + Duration::from_secs(1), counters(500));
        assert_eq!((rates.commands, rates.loaded), (Some(500.0), Some(250.0)));
        assert_eq!((rates.bytes, rates.wire_bytes), (Some(200_000.0), Some(50_000.0)));
    }

    #[test]
    fn processor_time_is_a_share_of_one_core() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        meter.read(start, counters(0));
        let rates = meter.read(start + Duration::from_secs(2), counters(1_000));
        assert_eq!((rates.relay_cpu, rates.decompress_cpu), (Some(0.05), Some(0.01)));
        let idle = (3..9).map(|second| meter.read(start + Duration::from_secs(second), counters(1_000)));
        assert_eq!(idle.last().unwrap().relay_cpu, Some(0.0));
    }

    #[test]
    fn a_relay_that_counts_again_with_a_new_connection_gives_no_share_below_zero() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        meter.read(start, counters(1_000));
        let again = |n| Counters { relay_cpu: Duration::from_micros(n), ..counters(1_000) };
        assert_eq!(meter.read(start + Duration::from_secs(1), again(0)).relay_cpu, None);
        assert_eq!(meter.read(start + Duration::from_secs(2), again(250_000)).relay_cpu, Some(0.25));
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
