use std::time::{Duration, SystemTime};

use crate::{Expiry, Failure};

/// What the user reads first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// In step; set when a link first has nothing left to catch up on.
    Synced,
    /// On the way: connecting, loading or catching up.
    Syncing,
    /// Nothing is going on, by the user's will or for an error that needs the user.
    Stopped,
}

impl Status {
    /// The word used in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Syncing => "syncing",
            Self::Stopped => "stopped",
        }
    }
}

/// Where a source stands, best first: the worst phase of all sources is the replica's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Set by the link when what it applied has reached the source's head. A drop leads to `Retrying`.
    Synced,
    /// Set by the link after the snapshot, or after a partial sync was granted. Leads to `Synced`.
    CatchingUp,
    /// Set by the link with the first byte of the snapshot. Leads to `CatchingUp`, or to a new start.
    Loading,
    /// Set by the link once the source has promised a snapshot. Leads to `Loading`.
    WaitingForSnapshot,
    /// Set by the link when the connections stand. Leads to `WaitingForSnapshot` or `CatchingUp`.
    Handshaking,
    /// Set by the supervisor at every new attempt. Leads to `Handshaking` or `Retrying`.
    Connecting,
    /// Set by the supervisor when an attempt failed for a reason that may pass. Leads to `Connecting`.
    Retrying,
    /// Set by the user: links stay open, nothing is applied.
    Paused,
    /// Set by the user, or by an error that needs the user. Leads to `Connecting` when started again.
    Stopped,
}

impl Phase {
    /// The word used in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::CatchingUp => "catching_up",
            Self::Loading => "loading",
            Self::WaitingForSnapshot => "waiting_for_snapshot",
            Self::Handshaking => "handshaking",
            Self::Connecting => "connecting",
            Self::Retrying => "retrying",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// The next attempt of a link that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Which attempt it will be, from 1.
    pub attempt: u32,
    /// When it will be made.
    pub at: SystemTime,
}

/// What compression costs, and whether it keeps up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compression {
    /// The source sends faster than its relay compresses.
    pub relay_behind: bool,
    /// Processor time that the relay has spent on this connection, by its last word.
    pub relay_cpu: Duration,
    /// Bytes that it has compressed for that.
    pub relay_bytes: u64,
    /// Time spent on decompressing here since the start.
    pub cpu: Duration,
}

/// All that is known of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceStatus {
    /// The source's identity.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// `host:port[/db]`.
    pub endpoint: String,
    /// Identity of the server process when it was last connected to.
    pub run_id: Option<String>,
    /// Status; keeps its last value while the phase is `Retrying`.
    pub status: Status,
    /// Phase.
    pub phase: Phase,
    /// Progress of the snapshot in percent, below 100 until it is in.
    pub progress: Option<f64>,
    /// Bytes of the snapshot that were decoded.
    pub bytes_done: Option<u64>,
    /// Bytes of the snapshot, where the source announced them.
    pub bytes_total: Option<u64>,
    /// Keys loaded from the snapshot.
    pub keys: u64,
    /// Keys that the snapshot is expected to hold.
    pub keys_total: Option<u64>,
    /// Keys of the snapshot that were left out, or kept without something, as the user agreed.
    pub omitted: u64,
    /// Time left until the snapshot is in, from the speed so far.
    pub time_left: Option<Duration>,
    /// Time between a command's execution on the source and on the destination.
    pub lag: Option<Duration>,
    /// The same in bytes of the replication stream.
    pub lag_bytes: Option<u64>,
    /// Replication offset up to which the stream was received.
    pub received: u64,
    /// Replication offset up to which the destination has executed and answered.
    pub applied: u64,
    /// Replication offset that survives a restart of the destination, where it is known.
    pub durable: Option<u64>,
    /// Commands of the stream executed at the destination since the start.
    pub commands: u64,
    /// Bytes of snapshots and streams that were received since the start.
    pub bytes: u64,
    /// What they were on the wire: fewer where a relay compresses them. Without the overhead of TLS.
    pub wire_bytes: u64,
    /// What compression costs; `None` where it is off.
    pub compression: Option<Compression>,
    /// When the destination last executed a command of the stream.
    pub last_command_at: Option<SystemTime>,
    /// The next attempt, while `Retrying`.
    pub retry: Option<Retry>,
    /// Why it is `Retrying` or `Stopped`.
    pub failure: Option<Failure>,
    /// Bytes of the stream that were received and wait to be applied.
    pub spool_bytes: u64,
    /// Bytes of the spool's files on disk.
    pub spool_disk_bytes: u64,
    /// The source's clock less the destination's, in milliseconds.
    pub clock_skew_ms: Option<i64>,
}

/// What came of making the other users of the destination read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockDownState {
    /// These are.
    Held(Vec<String>),
    /// They can still write: why.
    NotHeld(String),
}

/// A replica and its sources at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaStatus {
    /// The worst of the sources', those aside that the user has stopped while others go on.
    pub status: Status,
    /// Of the same source.
    pub phase: Phase,
    /// Why the replica as a whole is down: the destination's failure, or else the worst source's.
    pub failure: Option<Failure>,
    /// How expiries are carried to the destination, once it was reached.
    pub expiry: Option<Expiry>,
    /// Writes of other clients that were noticed at the destination since the start.
    pub foreign_writes: u64,
    /// The last of them, in a sentence.
    pub foreign_write: Option<String>,
    /// Whether the other users of the destination are read-only; `None` where nobody asked for it, or not yet known.
    pub lock_down: Option<LockDownState>,
    /// One entry for each source, in the order of the definition.
    pub sources: Vec<SourceStatus>,
}
