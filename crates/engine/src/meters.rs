//! The figures of one link, written by its tasks and read by the status.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime};

use tokio::sync::Notify;

use crate::lag::LagMeter;
use crate::{Failure, Phase, Retry};

/// Counters and state of one link. Counters are plain atomics because the data path writes them.
#[derive(Debug)]
pub(crate) struct Meters {
    /// Bytes read from the source's socket.
    pub wire_bytes: AtomicU64,
    /// The same since the link was last made.
    pub session_bytes: AtomicU64,
    /// What to add to `session_bytes` to get a replication offset; `i64::MIN` before the stream has begun.
    origin: AtomicI64,
    /// Replication offset up to which the destination has answered.
    pub applied: AtomicU64,
    /// Commands of the stream that the destination executed.
    pub commands: AtomicU64,
    /// Unix time in ms of the last of them; 0 is none yet.
    pub last_command_ms: AtomicU64,
    /// Keys of the snapshot that the destination restored.
    pub keys: AtomicU64,
    /// Lag.
    pub lag: LagMeter,
    /// Offset of a GETACK that is to be answered once it is applied; `u64::MAX` is none.
    ack_at: AtomicU64,
    ack: Notify,
    // A std Mutex: held for a copy at most, never across an await.
    state: Mutex<LinkState>,
}

/// Where a link stands.
#[derive(Debug, Clone)]
pub(crate) struct LinkState {
    pub phase: Phase,
    /// Whether it was in step since it was last loaded; keeps the status while it reconnects.
    pub was_synced: bool,
    pub load: Option<LoadProgress>,
    pub retry: Option<Retry>,
    pub failure: Option<Failure>,
    /// When the stream began to be applied in this session.
    pub streaming_since: Option<Instant>,
}

impl Default for LinkState {
    fn default() -> Self {
        Self {
            phase: Phase::Connecting,
            was_synced: false,
            load: None,
            retry: None,
            failure: None,
            streaming_since: None,
        }
    }
}

/// How far a snapshot is in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadProgress {
    pub started: Instant,
    /// Bytes of the dump that were decoded.
    pub bytes_done: u64,
    /// Length of the dump, when the source announced it.
    pub bytes_total: Option<u64>,
    /// Keys that are expected, from the dump's own hints or the source's INFO.
    pub keys_total: Option<u64>,
    /// The highest share shown so far: progress never goes back.
    pub shown: f64,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            wire_bytes: AtomicU64::new(0),
            session_bytes: AtomicU64::new(0),
            origin: AtomicI64::new(i64::MIN),
            applied: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            last_command_ms: AtomicU64::new(0),
            keys: AtomicU64::new(0),
            lag: LagMeter::default(),
            ack_at: AtomicU64::new(u64::MAX),
            ack: Notify::new(),
            state: Mutex::default(),
        }
    }
}

impl Meters {
    /// A copy of the state.
    pub(crate) fn state(&self) -> LinkState {
        self.lock().clone()
    }

    /// Changes the state.
    pub(crate) fn update(&self, change: impl FnOnce(&mut LinkState)) {
        change(&mut self.lock());
    }

    /// Enters a phase of normal work.
    pub(crate) fn enter(&self, phase: Phase) {
        self.update(|state| {
            state.phase = phase;
            if phase == Phase::Synced {
                state.was_synced = true;
                state.retry = None;
                state.failure = None;
            }
        });
    }

    /// The destination was emptied: what was counted before is gone.
    pub(crate) fn loading_begins(&self) {
        self.keys.store(0, Relaxed);
        self.applied.store(0, Relaxed);
        self.lag.reset();
        self.update(|state| {
            state.was_synced = false;
            state.load = None;
        });
    }

    /// A new connection begins: what was counted on the last one no longer tells offsets.
    pub(crate) fn connected(&self) {
        self.session_bytes.store(0, Relaxed);
        self.origin.store(i64::MIN, Relaxed);
    }

    /// The stream goes on behind `offset`, which stands `position` bytes into what this connection sent.
    pub(crate) fn streaming(&self, offset: u64, position: u64) {
        self.origin.store(offset.cast_signed().wrapping_sub(position.cast_signed()), Relaxed);
        self.applied.store(offset, Relaxed);
        self.lag.reset();
        self.update(|state| {
            state.phase = Phase::CatchingUp;
            state.streaming_since = Some(Instant::now());
        });
    }

    /// Replication offset up to which the stream was received.
    pub(crate) fn received(&self) -> u64 {
        match self.origin.load(Relaxed) {
            i64::MIN => self.applied.load(Relaxed),
            origin => self.session_bytes.load(Relaxed).wrapping_add_signed(origin),
        }
    }

    /// Counts a batch that the destination has executed.
    pub(crate) fn executed(&self, offset: u64, commands: u64, keys: u64, arrived: Option<Instant>) {
        if let Some(arrived) = arrived {
            self.lag.transited(arrived.elapsed());
        }
        if offset > 0 {
            self.applied.store(offset, Relaxed);
            self.lag.applied(offset);
            if offset >= self.ack_at.load(Relaxed) {
                self.ack_at.store(u64::MAX, Relaxed);
                self.ack.notify_one();
            }
        }
        if commands > 0 {
            self.commands.fetch_add(commands, Relaxed);
            self.last_command_ms.store(unix_ms(SystemTime::now()), Relaxed);
        }
        if keys > 0 {
            self.keys.fetch_add(keys, Relaxed);
        }
    }

    /// Asks for an acknowledgement as soon as the stream is applied up to `offset`.
    pub(crate) fn acknowledge_at(&self, offset: u64) {
        self.ack_at.store(offset, Relaxed);
    }

    /// Waits until an acknowledgement is due before its time.
    pub(crate) async fn acknowledge_now(&self) {
        self.ack.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Milliseconds since 1970; 0 for a clock that stands before it.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
