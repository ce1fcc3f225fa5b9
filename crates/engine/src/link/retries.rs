use std::time::{Duration, Instant, SystemTime};

use super::LinkContext;
use crate::meters::Side;
use crate::{Action, ErrorKind, Failure, Retry};

/// How long a destination that turned read-only is given to become writable again, as after a failover.
const READ_ONLY_GRACE: Duration = Duration::from_secs(60);
/// First and longest wait between attempts.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// A side that has worked for this long begins to count anew.
const STEADY: Duration = Duration::from_secs(1);

/// Counts the attempts of one side of a link, and decides on the next.
#[derive(Debug)]
pub(super) struct Retries {
    side: Side,
    attempt: u32,
    works_since: Option<Instant>,
    /// The last failure that the event log was told of, until the side is steady again.
    told: Option<ErrorKind>,
    read_only_since: Option<Instant>,
}

impl Retries {
    pub(super) fn of(side: Side) -> Self {
        Self { side, attempt: 0, works_since: None, told: None, read_only_since: None }
    }

    /// The side works.
    pub(super) fn works(&mut self, ctx: &LinkContext) {
        self.works_since = Some(Instant::now());
        self.read_only_since = None;
        ctx.meters.update(|state| state.mended(self.side));
    }

    /// Decides on a failure: how long to wait before the next attempt, or `None` when there is to be none.
    pub(super) fn after(&mut self, ctx: &LinkContext, failure: &Failure) -> Option<Duration> {
        if self.works_since.take().is_some_and(|since| since.elapsed() > STEADY) {
            self.attempt = 0;
            self.told = None;
        }
        let may_retry = match failure.kind {
            ErrorKind::ReadOnly if self.side == Side::Destination => {
                self.read_only_since.get_or_insert_with(Instant::now).elapsed() < READ_ONLY_GRACE
            }
            _ => failure.action() == Action::Retry,
        };
        if !may_retry {
            return None;
        }
        self.attempt += 1;
        let wait = back_off(self.attempt);
        if self.told != Some(failure.kind) {
            self.told = Some(failure.kind);
            ctx.event_failure(failure);
        }
        let retry = Retry { attempt: self.attempt, at: SystemTime::now() + wait };
        ctx.meters.update(|state| state.troubled(self.side, failure, retry));
        Some(wait)
    }
}

/// Doubles with every attempt up to a bound; jitter keeps 32 links from knocking at the same moment.
pub(crate) fn back_off(attempt: u32) -> Duration {
    let (first, longest) = BACK_OFF;
    let wait = first.saturating_mul(1u32 << attempt.saturating_sub(1).min(10)).min(longest);
    wait.mul_f64(0.75 + fastrand::f64() / 2.0)
}
