use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{DatabaseKeys, EndpointDraft, FailureView, ServerFacts};

/// A load of a dump file as the form holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileLoadDraft {
    /// The dump's path on this machine.
    pub path: String,
    /// The one database of it that is loaded; none for all.
    pub db: Option<u32>,
    /// The database written to.
    pub destination: EndpointDraft,
    /// What becomes of keys that are there.
    pub existing: ExistingKeys,
    /// Of an append only file that begins with a dump, the dump alone is loaded.
    pub dump_only: bool,
    /// Fields of hashes that expire are kept without their expiry where the destination knows none.
    pub drop_field_expiry: bool,
    /// Keys of modules that the destination lacks are left out.
    pub skip_module_keys: bool,
    /// Function libraries are left out where the destination knows none.
    pub skip_functions: bool,
}

/// What becomes of keys that the destination of a load holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ExistingKeys {
    /// There must be none.
    Refuse,
    /// They stay, but for those of the same name.
    Replace,
    /// They are deleted first.
    Flush,
}

/// What a dump file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileFacts {
    /// Its path.
    pub path: String,
    /// `Redis`, `Valkey`.
    pub product: String,
    /// The version of the server that wrote it.
    pub server_version: Option<String>,
    /// The version of its format.
    pub rdb_version: u32,
    /// When it was written.
    pub created: Option<u64>,
    /// Bytes; unknown of a pipe.
    pub size: Option<u64>,
    /// Memory that the server used then, bytes.
    pub used_memory: Option<u64>,
    /// Whether it is the beginning of an append only file: later writes stand elsewhere.
    pub begins_aof: bool,
}

/// What a load would do, before it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileLoadReview {
    /// The file.
    pub file: FileFacts,
    /// `host:port[/db]` of what is written to; must be typed before keys are deleted there.
    pub destination: String,
    /// The server.
    pub server: ServerFacts,
    /// Keys that are there.
    pub keys: u64,
    /// Where they are.
    pub databases: Vec<DatabaseKeys>,
    /// Function libraries that are there.
    pub functions: u64,
    /// Whether deleting would empty every database, not just one.
    pub deletes_everything: bool,
    /// Why it cannot be done at all.
    pub refusal: Option<FailureView>,
}

/// How a load is doing, or how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileLoadLive {
    /// The file's path.
    pub path: String,
    /// `host:port[/db]` of what is written to.
    pub destination: String,
    /// Where it stands.
    pub phase: FileLoadPhase,
    /// 0 to 100, of this phase.
    pub progress: Option<f64>,
    /// Bytes of the file that were decoded.
    pub bytes_done: u64,
    /// Bytes of the file.
    pub bytes_total: Option<u64>,
    /// Bytes a second.
    pub bytes_per_sec: Option<f64>,
    /// Until the phase is done.
    pub time_left_ms: Option<f64>,
    /// Keys that are in.
    pub keys: u64,
    /// Function libraries that are in.
    pub functions: u64,
    /// Keys left out because their time was over.
    pub expired: u64,
    /// Checkpoints of replicas, left out.
    pub checkpoints: u64,
    /// Keys left out, or kept without something, as the user chose.
    pub omitted: u64,
    /// Whether the destination was changed, and does not hold all of the dump.
    pub incomplete: bool,
    /// What to know.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub failure: Option<FailureView>,
}

/// Where a load stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum FileLoadPhase {
    /// File and destination are looked at.
    Checking,
    /// The file is read to its end before anything is deleted.
    Verifying,
    /// The destination is emptied.
    Emptying,
    /// Keys are restored.
    Loading,
    /// All of it is in.
    Done,
    /// The user stopped it.
    Stopped,
    /// It failed.
    Failed,
}
