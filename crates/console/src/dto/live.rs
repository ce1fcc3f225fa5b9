use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{FileLoadLive, Intent, VerifyLive};

/// All that changed since the last push, at most four times a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LiveBatch {
    /// When it was taken.
    pub at: u64,
    /// Every replica, running or not.
    pub replicas: Vec<ReplicaLive>,
    /// The load of a dump file that runs, or the last one, until it is put away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub file_load: Option<FileLoadLive>,
    /// The events since the last batch.
    pub events: Vec<EventView>,
}

/// How a replica is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaLive {
    /// The replica's ID.
    pub id: String,
    /// The replica's name.
    pub name: String,
    /// `host:port[/db]` of the destination.
    pub destination: String,
    /// What the user wants of it.
    pub intent: Intent,
    /// The worst of its sources, those aside that the user has stopped while others go on.
    pub status: Status,
    /// Of the same source.
    pub phase: Phase,
    /// 0 to 100 while syncing.
    pub progress: Option<f64>,
    /// How many sources are in step.
    pub in_step: u32,
    /// How many sources there are.
    pub total: u32,
    /// The largest lag of its sources.
    pub worst_lag_ms: Option<f64>,
    /// Commands applied a second, all sources together.
    pub writes_per_sec: Option<f64>,
    /// Bytes received a second, all sources together, decompressed.
    pub bytes_per_sec: Option<f64>,
    /// The same on the wire.
    pub wire_bytes_per_sec: Option<f64>,
    /// Whether the destination or any source is believed whatever certificate it shows.
    pub insecure: bool,
    /// Why it stopped or retries.
    pub failure: Option<FailureView>,
    /// The destination server.
    pub server: Option<ServerFacts>,
    /// How expiries are carried there; unknown before it was reached.
    pub expiry: Option<ExpiryHandling>,
    /// Writes of other clients that were noticed at the destination.
    pub foreign_writes: u64,
    /// The last of them, in a sentence.
    pub foreign_write: Option<String>,
    /// Whether the other users of the destination are read-only; `null` where nobody asked for it, or not yet known.
    pub lock_down: Option<LockDownLive>,
    /// Each source.
    pub sources: Vec<SourceLive>,
    /// The worst lag of the last 60 seconds, one sample a second.
    pub lag_spark: Vec<Option<f64>>,
    /// The comparison with its sources that was asked for last.
    pub verify: Option<VerifyLive>,
}

/// How a source is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SourceLive {
    /// The source's ID.
    pub id: String,
    /// The source's name.
    pub name: String,
    /// `host:port[/db]`.
    pub endpoint: String,
    /// One of three.
    pub status: Status,
    /// What it is doing.
    pub phase: Phase,
    /// 0 to 100 while syncing.
    pub progress: Option<f64>,
    /// Bytes of the snapshot read.
    pub bytes_done: Option<u64>,
    /// Bytes of the snapshot, when the source announces them.
    pub bytes_total: Option<u64>,
    /// Keys loaded.
    pub keys: u64,
    /// Keys the snapshot holds.
    pub keys_total: Option<u64>,
    /// Keys left out, or kept without something, as the user agreed.
    pub omitted: u64,
    /// Time left of the snapshot, at the present rate.
    pub time_left_ms: Option<f64>,
    /// Lag behind the source.
    pub lag_ms: Option<f64>,
    /// Lag behind the source in bytes of the stream.
    pub lag_bytes: Option<u64>,
    /// When the last command was executed at the destination.
    pub last_command_at: Option<u64>,
    /// Commands applied a second.
    pub commands_per_sec: Option<f64>,
    /// Bytes received a second, decompressed.
    pub bytes_per_sec: Option<f64>,
    /// The same on the wire.
    pub wire_bytes_per_sec: Option<f64>,
    /// Whether its link is encrypted.
    pub tls: bool,
    /// Whether it is believed whatever certificate it shows.
    pub insecure: bool,
    /// Whether a relay compresses its link.
    pub compression: bool,
    /// Bytes received since the start, decompressed.
    pub bytes: u64,
    /// The same on the wire, without the overhead of TLS.
    pub wire_bytes: u64,
    /// How many times fewer those are; unknown until something came, or without compression.
    pub ratio: Option<f64>,
    /// How many bytes the wire was spared; unknown like the ratio.
    pub saved_bytes: Option<u64>,
    /// Whether the source sends faster than its relay compresses; unknown until the relay has told.
    pub relay_behind: Option<bool>,
    /// What the relay's processor does for this link just now: 0.05 is 5 % of one core.
    pub relay_cpu: Option<f64>,
    /// The same for decompressing here.
    pub decompress_cpu: Option<f64>,
    /// Offset received.
    pub received: u64,
    /// Offset applied.
    pub applied: u64,
    /// Offset that survives a restart of the destination.
    pub durable: Option<u64>,
    /// Commands applied since the start.
    pub commands: u64,
    /// Bytes received that wait to be applied.
    pub spool_bytes: u64,
    /// Bytes of the spool's files on disk.
    pub spool_disk_bytes: u64,
    /// The source's clock less the destination's.
    pub clock_skew_ms: Option<i64>,
    /// The next attempt, while it retries.
    pub retry: Option<Retry>,
    /// Why it stopped or retries.
    pub failure: Option<FailureView>,
}

/// What came of making the other users of a destination read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LockDownLive {
    /// The users that are.
    pub users: Vec<String>,
    /// Why they can still write.
    pub problem: Option<String>,
}

/// How expiries are carried to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryHandling {
    /// As they are, and the destination acts on them.
    Exact,
    /// As they are; the destination is in import mode and does not act on them.
    ImportMode,
    /// 100 years later than they are, until the replication is finished.
    HeldBack,
}

/// The next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Which attempt it will be.
    pub attempt: u32,
    /// When.
    pub next_at: u64,
}

/// One of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not in step yet.
    Syncing,
    /// In step.
    Synced,
    /// Not running: by the user, or by a failure that needs the user.
    Stopped,
}

/// What a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Dialling.
    Connecting,
    /// Authenticating and negotiating.
    Handshaking,
    /// The source prepares its snapshot.
    WaitingForSnapshot,
    /// The snapshot is being loaded.
    Loading,
    /// What was written meanwhile is being applied.
    CatchingUp,
    /// In step.
    Synced,
    /// Waits for the next attempt.
    Retrying,
    /// Nothing is applied, the links stay open.
    Paused,
    /// Not running.
    Stopped,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FailureView {
    /// The engine's error kind.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// What the user can do.
    pub hint: String,
    /// To which endpoint.
    pub endpoint: String,
    /// Since when.
    pub since: u64,
    /// What Tributary does about it.
    pub action: FailureAction,
}

/// What Tributary does about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum FailureAction {
    /// It needs the user.
    Stops,
    /// It backs off and tries again.
    Retries,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// `Redis`, `Valkey`.
    pub product: String,
    /// Its version.
    pub version: String,
    /// Keys in all databases.
    pub keys: u64,
    /// Memory used, bytes.
    pub used_memory: u64,
    /// Memory limit, bytes; none when unlimited.
    pub max_memory: Option<u64>,
}

/// A line of the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// Rises with every event.
    pub id: i64,
    /// The replica it belongs to.
    pub replica_id: String,
    /// The source it belongs to.
    pub source_id: Option<String>,
    /// That source's name.
    pub source_name: Option<String>,
    /// When it happened.
    pub at: u64,
    /// How grave it is.
    pub severity: Severity,
    /// What happened.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
}

/// How grave an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record.
    Info,
    /// Worth a look.
    Warning,
    /// Needs the user.
    Error,
}
