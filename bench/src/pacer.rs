//! A steady load on the source while something else is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redis::{Connection, RedisResult};

use crate::Result;
use crate::server::Server;

/// Writes a second.
pub const RATE: u64 = 20_000;
const BURSTS_PER_SECOND: u64 = 1_000;
const KEYS: u64 = 100_000;

/// A thread that writes until it is stopped or dropped.
pub struct Pacer {
    stop: Arc<AtomicBool>,
    started: Instant,
    thread: Option<JoinHandle<RedisResult<u64>>>,
}

impl Pacer {
    /// Starts to write.
    pub fn start(source: &Server) -> Result<Self> {
        let connection = source.connect()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let started = Instant::now();
        let thread = thread::Builder::new().name("pacer".into()).spawn(move || write(connection, started, &stopped))?;
        Ok(Self { stop, started, thread: Some(thread) })
    }

    /// Ends the load and says how many writes a second it reached.
    pub fn stop(mut self) -> Result<f64> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or("the load has ended before")?;
        let written = thread.join().map_err(|_| "the load's thread panicked")??;
        Ok(written as f64 / self.started.elapsed().as_secs_f64())
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Dropped without `stop`, the measurement has failed and says why.
            let _ = thread.join();
        }
    }
}

/// One pipelined burst each millisecond. A late burst carries what was missed, so that the rate holds on a busy machine.
fn write(mut connection: Connection, started: Instant, stopped: &AtomicBool) -> RedisResult<u64> {
    let mut written = 0;
    let mut next = started;
    while !stopped.load(Ordering::Relaxed) {
        let due = (started.elapsed().as_secs_f64() * RATE as f64) as u64;
        // A burst stays small: one that makes up for a long pause would be a load of another kind.
        let upto = due.min(written + 4 * RATE / BURSTS_PER_SECOND);
        if upto > written {
            let mut pipe = redis::pipe();
            for n in written..upto {
                pipe.cmd("SET").arg(format!("load:{}", n % KEYS)).arg(n).ignore();
            }
            pipe.exec(&mut connection)?;
            written = upto;
        }
        next += Duration::from_secs(1) / BURSTS_PER_SECOND as u32;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(written)
}
