//! Four times a second: how every replica is doing. Once a second: a sample for the history.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use super::{Alert, Console, lock};
use crate::dto::{Intent, ReplicaLive};
use crate::store::Sample;
use crate::time::now_ms;
use crate::view;

const BEAT: Duration = Duration::from_millis(250);
const BEATS_A_SAMPLE: u32 = 4;

/// Beats until the console is gone.
pub(super) async fn beat(console: Weak<Console>) {
    let mut tick = tokio::time::interval(BEAT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut until_sample = BEATS_A_SAMPLE;
    loop {
        tick.tick().await;
        let Some(console) = console.upgrade() else { return };
        until_sample -= 1;
        let sampling = until_sample == 0;
        let samples = console.beat(sampling);
        console.tell_file_load();
        if sampling {
            until_sample = BEATS_A_SAMPLE;
            console.keep_samples(samples).await;
        }
    }
}

impl Console {
    /// Tells windows and the desktop; the samples of this second when `sampling`.
    fn beat(&self, sampling: bool) -> Vec<Sample> {
        let now = Instant::now();
        let definitions = lock(&self.definitions).clone();
        if sampling {
            self.learn_from_runs(&definitions);
        }
        let (mut runs, mut verifications) = (lock(&self.runs), lock(&self.verifications));
        let (mut lives, mut samples) = (Vec::with_capacity(definitions.len()), Vec::new());
        for definition in &definitions {
            let verify = verifications.get_mut(&definition.id).map(|verification| verification.live(now));
            let Some(run) = runs.get_mut(&definition.id) else {
                lives.push(ReplicaLive { intent: definition.intent, verify, ..view::at_rest(definition) });
                continue;
            };
            let mut live = run.live(definition, now);
            if !run.is_running() {
                live = ReplicaLive { intent: Intent::Stopped, lag_spark: live.lag_spark, ..view::at_rest(definition) };
            }
            if sampling {
                samples.append(&mut run.sample(&live));
            }
            for stopped in run.newly_stopped() {
                self.alert(&definition.name, &stopped.source, stopped.failure);
            }
            live.verify = verify;
            lives.push(live);
        }
        drop((runs, verifications));
        self.live.send_replace(Arc::new(lives));
        samples
    }

    fn alert(&self, replica: &str, source: &str, failure: tributary_engine::Failure) {
        let tributary_engine::Failure { message, hint, .. } = failure;
        let alert = Alert { replica: replica.to_owned(), source: source.to_owned(), message, hint };
        if self.alerts.send(alert).is_err() {
            tracing::trace!("nobody listens for alerts");
        }
    }

    async fn keep_samples(&self, samples: Vec<Sample>) {
        if samples.is_empty() {
            return;
        }
        if let Err(error) = self.stored(move |store| store.add_samples(now_ms(), &samples)).await {
            tracing::error!(%error, "the history could not be kept");
        }
    }
}
