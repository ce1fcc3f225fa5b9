//! Lag: how long a command takes from its execution on the source to its execution on the destination.
//!
//! The probe samples the source's offset with a clock. A sample that is applied later than it was taken tells the
//! lag; a sample that is not applied yet tells that the lag is at least its age. A sample that was applied already, because
//! the stream is faster than the probe, leaves what we measure ourselves: the time from a command's arrival here to the
//! destination's answer.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Most samples kept while nothing is applied; older ones matter more, so the newest are thinned out.
const MAX_SAMPLES: usize = 4096;

/// Measures the lag of one link.
#[derive(Debug)]
pub(crate) struct LagMeter {
    /// Offset of the oldest sample that is not applied; `u64::MAX` when all are. Lets the data path skip the lock.
    pending: AtomicU64,
    /// Microseconds between arrival and answer of the last batch.
    transit_us: AtomicU64,
    // A std Mutex: held for a few pushes and pops, never across an await.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    samples: VecDeque<(u64, Instant)>,
    last: Option<Duration>,
    head: Option<u64>,
    applied: u64,
    /// When the newest sample that is applied was taken.
    passed: Option<Instant>,
}

impl Default for LagMeter {
    fn default() -> Self {
        Self { pending: AtomicU64::new(u64::MAX), transit_us: AtomicU64::new(0), inner: Mutex::default() }
    }
}

impl LagMeter {
    /// Records that the source's stream ended at `offset` at the time `at`.
    pub(crate) fn sampled(&self, offset: u64, at: Instant, applied: u64) {
        let mut inner = self.lock();
        let moved = inner.head.is_none_or(|head| offset > head);
        inner.head = Some(offset);
        inner.applied = inner.applied.max(applied);
        if offset <= inner.applied {
            // What was there when the clock was read had arrived already.
            if inner.samples.is_empty() {
                let transit = if moved { self.transit_us.load(Relaxed) } else { 0 };
                inner.last = Some(Duration::from_micros(transit));
                inner.passed = Some(at);
            }
        } else if moved && inner.samples.len() < MAX_SAMPLES {
            inner.samples.push_back((offset, at));
        }
        self.pending.store(inner.samples.front().map_or(u64::MAX, |s| s.0), Relaxed);
    }

    /// Records how long the last batch took from its arrival here to the destination's answer.
    pub(crate) fn transited(&self, time: Duration) {
        self.transit_us.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Records that the destination has executed the stream up to `offset`.
    pub(crate) fn applied(&self, offset: u64) {
        if offset < self.pending.load(Relaxed) {
            return;
        }
        let mut inner = self.lock();
        inner.applied = inner.applied.max(offset);
        while let Some((_, at)) = inner.samples.front().copied().filter(|s| s.0 <= offset) {
            inner.last = Some(at.elapsed());
            inner.passed = Some(at);
            inner.samples.pop_front();
        }
        self.pending.store(inner.samples.front().map_or(u64::MAX, |s| s.0), Relaxed);
    }

    /// The lag now, and the bytes that the source is ahead; unknown before the first sample.
    pub(crate) fn read(&self, applied: u64) -> (Option<Duration>, Option<u64>) {
        let inner = self.lock();
        let Some(head) = inner.head else { return (None, None) };
        let bytes = head.saturating_sub(applied);
        let waiting = inner.samples.front().map(|s| s.1.elapsed());
        (waiting.max(inner.last), Some(bytes))
    }

    /// Whether the destination has been seen to hold all that the source held at some moment after `start`.
    /// `None` while the source has not been sampled at all.
    pub(crate) fn caught_up_since(&self, start: Instant) -> Option<bool> {
        let inner = self.lock();
        inner.head.map(|_| inner.passed.is_some_and(|at| at >= start))
    }

    /// Forgets everything: the link starts anew.
    pub(crate) fn reset(&self) {
        *self.lock() = Inner::default();
        self.pending.store(u64::MAX, Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_is_idle_and_caught_up_has_no_lag() {
        let meter = LagMeter::default();
        assert_eq!(meter.read(0), (None, None));
        meter.sampled(100, Instant::now(), 100);
        assert_eq!(meter.read(100), (Some(Duration::ZERO), Some(0)));
    }

    #[test]
    fn a_stream_that_outruns_the_samples_shows_its_own_transit_and_0_once_it_is_idle() {
        let meter = LagMeter::default();
        meter.transited(Duration::from_micros(700));
        meter.sampled(100, Instant::now(), 100);
        assert_eq!(meter.read(100).0, Some(Duration::from_micros(700)));
        meter.sampled(100, Instant::now(), 100);
        assert_eq!(meter.read(100).0, Some(Duration::ZERO));
    }

    #[test]
    fn a_sample_that_is_not_applied_makes_the_lag_grow_and_falls_back_once_it_is() {
        let meter = LagMeter::default();
        meter.sampled(200, Instant::now() - Duration::from_secs(3), 100);
        let (lag, bytes) = meter.read(100);
        assert!(lag >= Some(Duration::from_secs(3)));
        assert_eq!(bytes, Some(100));
        meter.applied(200);
        assert!(meter.read(200).0 >= Some(Duration::from_secs(3)), "the last measured lag stays until the next sample");
        meter.sampled(200, Instant::now(), 200);
        assert_eq!(meter.read(200), (Some(Duration::ZERO), Some(0)));
    }
}
