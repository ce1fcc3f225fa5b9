//! Live traffic: about 2,000 writes a second in slow waves, of every kind.

use std::time::{Duration, Instant};

use redis::Pipeline;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

const TICK: Duration = Duration::from_millis(20);
const WRITES_A_TICK: f64 = 40.0;
/// Slow enough to be seen in a chart of five minutes.
const WAVE: Duration = Duration::from_secs(40);
const DEPTH: f64 = 0.5;

/// Writes until it is stopped or dropped.
pub(super) struct Traffic(JoinHandle<()>);

impl Drop for Traffic {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Traffic {
    pub fn start(connection: MultiplexedConnection) -> Self {
        Self(tokio::spawn(async move {
            if let Err(error) = write(connection).await {
                tracing::warn!(%error, "the demo's traffic ended");
            }
        }))
    }

    pub async fn stop(mut self) {
        self.0.abort();
        if let Err(error) = (&mut self.0).await
            && error.is_panic()
        {
            tracing::error!(%error, "the demo's traffic ended badly");
        }
    }
}

async fn write(mut connection: MultiplexedConnection) -> Result<(), redis::RedisError> {
    let start = Instant::now();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut n: u64 = 0;
    loop {
        tick.tick().await;
        let wave = (start.elapsed().as_secs_f64() / WAVE.as_secs_f64() * std::f64::consts::TAU).sin();
        let writes = (WRITES_A_TICK * (1.0 + DEPTH * wave)) as u64;
        let mut pipeline = redis::pipe();
        for _ in 0..writes {
            n += 1;
            add(&mut pipeline, n);
        }
        match pipeline.query_async::<()>(&mut connection).await {
            Err(error) if error.is_unrecoverable_error() => return Err(error),
            Err(error) => tracing::warn!(%error, "the demo's server did not take a write"),
            Ok(()) => {}
        }
    }
}

/// The n-th write. A multiplier that shares no factor with the ranges spreads the keys.
fn add(pipeline: &mut Pipeline, n: u64) {
    let key = n.wrapping_mul(48_271) % 50_000;
    match n % 10 {
        0 => pipeline.cmd("INCR").arg("orders:count").ignore(),
        1 => pipeline.cmd("LPUSH").arg(format!("feed:{}", key % 500)).arg(n).ignore(),
        2 => pipeline.cmd("LTRIM").arg(format!("feed:{}", key % 500)).arg(0).arg(99).ignore(),
        3 => pipeline.cmd("HSET").arg(format!("cart:{key}")).arg("item").arg(n).arg("at").arg(n * 7).ignore(),
        4 => pipeline.cmd("ZINCRBY").arg("bestsellers").arg(1).arg(key % 1_000).ignore(),
        5 => {
            pipeline.cmd("XADD").arg("clicks").arg("MAXLEN").arg("~").arg(5_000).arg("*").arg("page").arg(key).ignore()
        }
        6 => pipeline.cmd("SADD").arg(format!("seen:{}", key % 200)).arg(key).ignore(),
        7 => pipeline.cmd("SET").arg(format!("session:live:{key}")).arg(n).arg("EX").arg(600).ignore(),
        8 => pipeline.cmd("DEL").arg(format!("cart:{}", (key + 25_000) % 50_000)).ignore(),
        _ => pipeline.cmd("SET").arg(format!("price:{}", key % 5_000)).arg(n).ignore(),
    };
}
