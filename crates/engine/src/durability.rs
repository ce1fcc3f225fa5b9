//! What of the applied stream survives a restart of the destination.
//!
//! With `appendfsync always` all of it. With `everysec` what was applied a few seconds ago: the server syncs once a second and
//! may fall one behind. Without an append-only file, what was applied before the last successful save began. Where
//! CONFIG is forbidden, or nothing is ever saved, it is unknown. (Fields as in Redis' INFO persistence.)

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use crate::clients::OwnClients;
use crate::control::{Control, Info};
use crate::meters::{Meters, unix_ms};
use crate::probe::{Skew, measure_clock};
use crate::{Endpoint, Failure};

/// How often the destination is asked.
const PERIOD: Duration = Duration::from_secs(1);
/// How long to wait after a failure; the links themselves report what is wrong.
const PAUSE: Duration = Duration::from_secs(2);
/// Age after which `appendfsync everysec` has written to disk, with a second to spare.
const EVERYSEC_MS: u64 = 3_000;
/// The clock and the settings are read once in so many rounds.
const RARELY: u32 = 10;
/// Whatever is applied, now and later.
const ALL: u64 = u64::MAX - 1;
/// Samples kept to look back to the start of a save: an hour and more.
const SAMPLES: usize = 4096;

/// Watches the destination for as long as a replica runs.
pub(crate) async fn watch(destination: Endpoint, own: Arc<OwnClients>, meters: Vec<Arc<Meters>>, skew: Arc<Skew>) {
    let mut history = History::default();
    loop {
        if let Err(failure) = follow(&destination, &own, &meters, &skew, &mut history).await {
            tracing::debug!(%failure, "durability");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow(
    destination: &Endpoint,
    own: &Arc<OwnClients>,
    meters: &[Arc<Meters>],
    skew: &Skew,
    history: &mut History,
) -> Result<(), Failure> {
    let mut control = Control::open(destination).await?;
    control.belongs_to(own).await;
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut fsync = None;
    for round in 0u32.. {
        tick.tick().await;
        if round % RARELY == 0 {
            measure_clock(&mut control, skew).await?;
            fsync = control.config("appendfsync").await;
        }
        // Before the question: what is applied while it is answered is not covered by the answer.
        let applied: Vec<u64> = meters.iter().map(|meters| meters.checkpointed.load(Relaxed)).collect();
        let now = unix_ms(SystemTime::now()).saturating_add_signed(skew.ms());
        history.add(now, applied);
        let info = control.info(Some("persistence")).await?;
        let until = covered_until(&info, fsync.as_deref(), now);
        for (index, meters) in meters.iter().enumerate() {
            meters.durable_up_to(match until {
                Some(until) if until >= now => Some(ALL),
                until => until.and_then(|until| history.applied_at(until, index)),
            });
        }
    }
    Ok(())
}

/// The time, in Unix ms of the destination, up to which what it executed is on disk.
fn covered_until(info: &Info, fsync: Option<&str>, now: u64) -> Option<u64> {
    if info.get("aof_enabled") == Some("1") {
        let healthy = info.get("aof_last_write_status") == Some("ok");
        return match fsync {
            Some("always") if healthy => Some(now),
            Some("everysec") if healthy && info.get("aof_pending_bio_fsync") == Some("0") => {
                Some(now.saturating_sub(EVERYSEC_MS))
            }
            // Written by the operating system when it likes, or by rules that are not told.
            _ => None,
        };
    }
    let saved = info.number("rdb_last_save_time")?;
    let took = info.number("rdb_last_bgsave_time_sec")?;
    // Both are whole seconds.
    (info.get("rdb_last_bgsave_status") == Some("ok")).then(|| saved.saturating_sub(took + 1) * 1000)
}

/// What was applied when.
#[derive(Debug, Default)]
struct History(VecDeque<(u64, Vec<u64>)>);

impl History {
    fn add(&mut self, now: u64, applied: Vec<u64>) {
        let went_back = |(_, last): &(u64, Vec<u64>)| last.iter().zip(&applied).any(|(last, now)| now < last);
        if self.0.back().is_some_and(went_back) {
            // The destination lost writes, or is being loaded again: what was is no guide.
            self.0.clear();
        }
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((now, applied));
    }

    /// What was certainly applied at a time, for one link; nothing is known of the time before the first sample.
    fn applied_at(&self, time: u64, index: usize) -> Option<u64> {
        let after = self.0.partition_point(|(at, _)| *at <= time);
        self.0.get(after.checked_sub(1)?)?.1.get(index).copied().filter(|applied| *applied > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(text: &str) -> Info {
        Info::parse(&text.replace(' ', "\r\n"))
    }

    #[test]
    fn what_is_durable_follows_the_servers_persistence() {
        let aof = info("aof_enabled:1 aof_last_write_status:ok aof_pending_bio_fsync:0");
        assert_eq!(covered_until(&aof, Some("always"), 9_000), Some(9_000));
        assert_eq!(covered_until(&aof, Some("everysec"), 9_000), Some(6_000));
        assert_eq!(covered_until(&aof, Some("no"), 9_000), None);
        assert_eq!(covered_until(&aof, None, 9_000), None, "CONFIG is forbidden");
        let behind = info("aof_enabled:1 aof_last_write_status:ok aof_pending_bio_fsync:1");
        assert_eq!(covered_until(&behind, Some("everysec"), 9_000), None);
        let saved = info("aof_enabled:0 rdb_last_save_time:8 rdb_last_bgsave_time_sec:2 rdb_last_bgsave_status:ok");
        assert_eq!(covered_until(&saved, None, 9_000), Some(5_000));
        let never = info("aof_enabled:0 rdb_last_save_time:8 rdb_last_bgsave_time_sec:-1 rdb_last_bgsave_status:ok");
        assert_eq!(covered_until(&never, None, 9_000), None);
    }

    #[test]
    fn only_what_was_applied_before_counts_and_nothing_from_before_a_loss() {
        let mut history = History::default();
        history.add(1_000, vec![10]);
        history.add(2_000, vec![20]);
        assert_eq!(history.applied_at(999, 0), None);
        assert_eq!(history.applied_at(1_500, 0), Some(10));
        assert_eq!(history.applied_at(5_000, 0), Some(20));
        history.add(3_000, vec![15]);
        assert_eq!(history.applied_at(2_500, 0), None);
    }
}
