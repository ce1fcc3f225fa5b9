//! The figures of one link, written by its tasks and read by the status.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;
use tributary_resp::relay::Note;

use crate::expiry::Expiry;
use crate::lag::LagMeter;
use crate::{Failure, Phase, Retry};

/// Counters and state of one link. Counters are plain atomics because the data path writes them.
#[derive(Debug)]
pub(crate) struct Meters {
    /// Bytes of snapshots and streams that were received.
    bytes: AtomicU64,
    /// What they were on the wire: fewer where a relay compresses them. Without the overhead of TLS.
    wire_bytes: AtomicU64,
    /// Time spent on decompressing, in ns.
    inflate_ns: AtomicU64,
    /// Replication offset up to which the stream was received.
    received: AtomicU64,
    /// Offset of the last checkpoint that the destination has answered: from there it goes on after an outage. `applied` may
    /// be past it by what changes no data, such as PINGs.
    pub checkpointed: AtomicU64,
    /// Replication offset that survives a restart of the destination; `u64::MAX` is unknown.
    durable: AtomicU64,
    /// Bytes in the spool that the decoder has not taken.
    spool_bytes: AtomicU64,
    /// Bytes of the spool's files.
    spool_disk_bytes: AtomicU64,
    /// The source's clock less the destination's, in ms; `i64::MIN` is unknown.
    pub clock_skew_ms: AtomicI64,
    /// Whether the run's permission to skip a failed command was used.
    pub skip_used: AtomicBool,
    /// Replication offset up to which the destination has answered.
    pub applied: AtomicU64,
    /// Replication offset behind the last command that may have changed data; `u64::MAX` before the first is known.
    changed: AtomicU64,
    /// Commands of the stream that the destination executed.
    pub commands: AtomicU64,
    /// Unix time in ms of the last of them; 0 is none yet.
    pub last_command_ms: AtomicU64,
    /// Keys of the snapshot that the destination restored.
    pub keys: AtomicU64,
    /// Keys that were left out, or kept without something, as the user agreed: of the snapshot, and once more of the stream.
    pub omitted: AtomicU64,
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
    /// How far the work has come, whatever hinders it now.
    pub stage: Phase,
    /// Whether it was in step since it was last loaded; keeps the status while it reconnects.
    pub was_synced: bool,
    /// Whether the destination holds a whole load of it.
    pub is_loaded: bool,
    pub load: Option<LoadProgress>,
    /// What keeps the source's side, and the destination's, from working.
    troubles: [Option<Trouble>; 2],
    /// When the stream began to be applied, or to be received again.
    pub streaming_since: Option<Instant>,
    pub paused: bool,
    /// Identity of the source's server process when it was last connected to.
    pub run_id: Option<String>,
    /// What messages call the server: product and version.
    pub server: Option<String>,
    /// Its Redis version, by the first two numbers.
    pub server_version: Option<(u32, u32)>,
    /// How expiries are carried, once the destination was reached.
    pub expiry: Option<Expiry>,
    /// What the relay told last, while it compresses.
    pub relay: Option<Note>,
    /// It ended, for this reason if it was not the user's will.
    pub stopped: Option<Option<Failure>>,
}

/// A side of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

/// What went wrong, and when the next attempt is made.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub failure: Failure,
    pub retry: Retry,
}

impl Default for LinkState {
    fn default() -> Self {
        Self {
            stage: Phase::Connecting,
            was_synced: false,
            is_loaded: false,
            load: None,
            troubles: [None, None],
            streaming_since: None,
            paused: false,
            run_id: None,
            server: None,
            server_version: None,
            expiry: None,
            relay: None,
            stopped: None,
        }
    }
}

impl LinkState {
    /// What the user sees: what hinders the work comes before how far it is.
    pub(crate) fn phase(&self) -> Phase {
        if self.stopped.is_some() {
            Phase::Stopped
        } else if self.trouble().is_some() {
            Phase::Retrying
        } else if self.paused {
            Phase::Paused
        } else {
            self.stage
        }
    }

    /// What hinders the work; the destination's trouble first, because it concerns every source.
    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        self.troubles.iter().rev().flatten().next()
    }

    /// Why it is `Retrying` or `Stopped`.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match &self.stopped {
            Some(failure) => failure.as_ref(),
            None => self.trouble().map(|trouble| &trouble.failure),
        }
    }

    /// Records a failure that is retried; the same kind of failure keeps its first time.
    pub(crate) fn troubled(&mut self, side: Side, failure: &Failure, retry: Retry) {
        let slot = &mut self.troubles[side as usize];
        let since = slot.as_ref().filter(|t| t.failure.kind == failure.kind).map(|t| t.failure.since);
        let failure = Failure { since: since.unwrap_or(failure.since), ..failure.clone() };
        *slot = Some(Trouble { failure, retry });
    }

    /// A side works again.
    pub(crate) fn mended(&mut self, side: Side) {
        self.troubles[side as usize] = None;
    }

    /// A new run of the link begins.
    pub(crate) fn begins(&mut self) {
        self.stage = Phase::Connecting;
        self.troubles = [None, None];
        self.streaming_since = None;
        self.stopped = None;
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
            bytes: AtomicU64::new(0),
            wire_bytes: AtomicU64::new(0),
            inflate_ns: AtomicU64::new(0),
            received: AtomicU64::new(0),
            checkpointed: AtomicU64::new(0),
            durable: AtomicU64::new(u64::MAX),
            spool_bytes: AtomicU64::new(0),
            spool_disk_bytes: AtomicU64::new(0),
            clock_skew_ms: AtomicI64::new(i64::MIN),
            skip_used: AtomicBool::new(false),
            applied: AtomicU64::new(0),
            changed: AtomicU64::new(u64::MAX),
            commands: AtomicU64::new(0),
            last_command_ms: AtomicU64::new(0),
            keys: AtomicU64::new(0),
            omitted: AtomicU64::new(0),
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

    /// Enters a stage of normal work.
    pub(crate) fn enter(&self, stage: Phase) {
        self.update(|state| {
            state.stage = stage;
            state.was_synced |= stage == Phase::Synced;
        });
    }

    /// The destination was emptied: what was counted before is gone.
    pub(crate) fn loading_begins(&self) {
        self.keys.store(0, Relaxed);
        self.omitted.store(0, Relaxed);
        self.applied.store(0, Relaxed);
        self.checkpointed.store(0, Relaxed);
        self.received.store(0, Relaxed);
        self.durable.store(u64::MAX, Relaxed);
        self.changed.store(u64::MAX, Relaxed);
        self.lag.reset();
        self.update(|state| {
            state.was_synced = false;
            state.is_loaded = false;
            state.load = None;
        });
    }

    /// The stream goes on behind `offset`.
    pub(crate) fn streaming(&self, offset: u64) {
        self.applied.store(offset, Relaxed);
        self.checkpointed.store(offset, Relaxed);
        self.received.fetch_max(offset, Relaxed);
        self.durable.store(u64::MAX, Relaxed);
        // What an earlier run took last is not known.
        if self.changed.load(Relaxed) == u64::MAX {
            self.changed.store(offset, Relaxed);
        }
        self.lag.reset();
        self.update(|state| {
            state.stage = Phase::CatchingUp;
            state.is_loaded = true;
            state.streaming_since = Some(Instant::now());
        });
    }

    /// The stream is received again: it counts as in step once it has caught up with what the source holds now.
    pub(crate) fn receiving_again(&self) {
        self.update(|state| {
            if state.stage == Phase::Synced {
                state.stage = Phase::CatchingUp;
                state.streaming_since = Some(Instant::now());
            }
        });
    }

    /// Records the end of a command that may change data.
    pub(crate) fn changed_at(&self, offset: u64) {
        self.changed.store(offset, Relaxed);
    }

    /// Whether nothing but PINGs and the like was taken behind `offset`.
    pub(crate) fn unchanged_behind(&self, offset: u64) -> bool {
        self.changed.load(Relaxed) <= offset
    }

    /// Counts what was received, after it was decompressed.
    pub(crate) fn took(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts what came over the wire.
    pub(crate) fn wire_bytes(&self, bytes: usize) {
        self.wire_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts the time that decompressing took.
    pub(crate) fn inflated(&self, time: Duration) {
        self.inflate_ns.fetch_add(time.as_nanos().try_into().unwrap_or(u64::MAX), Relaxed);
    }

    /// Bytes received.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// What they were on the wire.
    pub(crate) fn wire(&self) -> u64 {
        self.wire_bytes.load(Relaxed)
    }

    /// Time spent on decompressing.
    pub(crate) fn inflating(&self) -> Duration {
        Duration::from_nanos(self.inflate_ns.load(Relaxed))
    }

    /// Records up to where the stream was received.
    pub(crate) fn received_up_to(&self, offset: u64) {
        self.received.store(offset, Relaxed);
    }

    /// Records what the spool holds.
    pub(crate) fn spooled(&self, waiting: u64, on_disk: u64) {
        self.spool_bytes.store(waiting, Relaxed);
        self.spool_disk_bytes.store(on_disk, Relaxed);
    }

    /// What the spool holds: bytes that wait, and bytes of its files.
    pub(crate) fn spool(&self) -> (u64, u64) {
        (self.spool_bytes.load(Relaxed), self.spool_disk_bytes.load(Relaxed))
    }

    /// Records what survives a restart of the destination, if that is known.
    pub(crate) fn durable_up_to(&self, offset: Option<u64>) {
        self.durable.store(offset.unwrap_or(u64::MAX), Relaxed);
    }

    /// Replication offset that survives a restart of the destination, where it is known; never beyond what is applied.
    pub(crate) fn durable(&self) -> Option<u64> {
        let durable = self.durable.load(Relaxed);
        (durable != u64::MAX).then(|| durable.min(self.applied.load(Relaxed)))
    }

    /// The offset behind which the destination may still ask for the stream again.
    pub(crate) fn needed_from(&self) -> u64 {
        self.durable.load(Relaxed).min(self.checkpointed.load(Relaxed))
    }

    /// Replication offset up to which the stream was received.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed).max(self.applied.load(Relaxed))
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
