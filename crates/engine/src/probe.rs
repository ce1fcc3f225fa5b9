//! Watches a source beside its link: where its stream ends (for the lag), its clock and its number of keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use crate::control::Control;
use crate::meters::{Meters, unix_ms};
use crate::{Endpoint, Failure};

/// How often the source's offset is sampled.
const PERIOD: Duration = Duration::from_millis(100);
/// How long to wait before asking again after a failure; the link itself reports what is wrong with the source.
const PAUSE: Duration = Duration::from_secs(1);
/// The clock is compared once in so many samples.
const CLOCK_EVERY: u32 = 100;

/// A server's clock less ours, in ms.
#[derive(Debug)]
pub(crate) struct Skew(AtomicI64);

impl Default for Skew {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

/// A clock that was not read yet.
const UNKNOWN: i64 = i64::MIN;

impl Skew {
    /// Milliseconds to add to a time of ours to get the server's; 0 as long as it is unknown.
    pub(crate) fn ms(&self) -> i64 {
        self.known().unwrap_or(0)
    }

    /// The same, where it is known.
    pub(crate) fn known(&self) -> Option<i64> {
        Some(self.0.load(Relaxed)).filter(|ms| *ms != UNKNOWN)
    }
}

/// Samples for as long as the link lives.
pub(crate) async fn watch(endpoint: Endpoint, meters: Arc<Meters>, skew: Arc<Skew>, destination: Arc<Skew>) {
    loop {
        if let Err(failure) = sample(&endpoint, &meters, &skew, &destination).await {
            tracing::debug!(source = %endpoint.address(), %failure, "probe");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn sample(endpoint: &Endpoint, meters: &Meters, skew: &Skew, destination: &Skew) -> Result<(), Failure> {
    let mut control = Control::open(endpoint).await?;
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 0u32.. {
        tick.tick().await;
        if round % CLOCK_EVERY == 0 {
            measure_clock(&mut control, skew).await?;
        }
        if let (Some(source), Some(destination)) = (skew.known(), destination.known()) {
            meters.clock_skew_ms.store(source - destination, Relaxed);
        }
        expect_keys(&mut control, endpoint, meters).await?;
        let asked = Instant::now();
        let info = control.info(Some("replication")).await?;
        if let Some(head) = info.number("master_repl_offset") {
            // The head was read between question and answer; the earlier bound never flatters the lag.
            meters.lag.sampled(head, asked, meters.applied.load(Relaxed));
        }
    }
    Ok(())
}

/// Compares clocks at the middle of a round trip.
pub(crate) async fn measure_clock(control: &mut Control, skew: &Skew) -> Result<(), Failure> {
    let sent = SystemTime::now();
    let (seconds, micros): (i64, i64) = control.query(&["TIME"]).await?;
    let half = sent.elapsed().unwrap_or_default() / 2;
    let ours = i64::try_from(unix_ms(sent + half)).unwrap_or(0);
    skew.0.store(seconds * 1000 + micros / 1000 - ours, Relaxed);
    Ok(())
}

/// How many keys a snapshot taken now would hold: the measure of progress where the length is not announced.
async fn expect_keys(control: &mut Control, endpoint: &Endpoint, meters: &Meters) -> Result<(), Failure> {
    if meters.state().load.is_none_or(|load| load.keys_total.is_some()) {
        return Ok(());
    }
    let dbs = control.info(Some("keyspace")).await?.keys_by_db();
    let keys = dbs.iter().filter(|(db, _)| endpoint.db.is_none_or(|wanted| wanted == *db)).map(|(_, keys)| keys).sum();
    meters.update(|state| {
        if let Some(load) = &mut state.load {
            load.keys_total.get_or_insert(keys);
        }
    });
    Ok(())
}
