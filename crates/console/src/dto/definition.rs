use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Intent, TlsView};

/// A replica as it is kept. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaDefinition {
    /// Its ID; part of the name of its checkpoints at the destination.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// The database written to.
    pub destination: EndpointView,
    /// The databases copied from.
    pub sources: Vec<SourceDefinition>,
    /// What the user wants of it.
    pub intent: Intent,
    /// How it is run.
    pub options: ReplicaOptions,
    /// Whether it is the demo, which is not kept.
    pub demo: bool,
    /// When it was created.
    pub created_at: u64,
}

/// A source as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SourceDefinition {
    /// Its ID; part of the name of its checkpoint.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// Where it is.
    pub endpoint: EndpointView,
    /// Whether the user has stopped it while the others go on.
    pub stopped: bool,
}

/// How a replica is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaOptions {
    /// What its spools may take up on disk together, in MB of 1024 × 1024 bytes; 0 keeps them in memory.
    pub spool_quota_mb: u32,
    /// What is done with expiries.
    pub expiry: ExpiryChoice,
    /// Stop, and ask, before everything is deleted and loaded again.
    pub ask_before_resync: bool,
    /// Make the other users of the destination read-only while it runs.
    pub lock_down: bool,
    /// Keep fields of hashes that expire without their expiry, where the destination does not know it.
    pub drop_field_expiry: bool,
    /// Leave out keys of modules that the destination lacks.
    pub skip_module_keys: bool,
    /// Leave out function libraries, where the destination does not know them.
    pub skip_functions: bool,
}

impl Default for ReplicaOptions {
    fn default() -> Self {
        Self {
            spool_quota_mb: 4096,
            expiry: ExpiryChoice::FollowSource,
            ask_before_resync: false,
            lock_down: false,
            drop_field_expiry: false,
            skip_module_keys: false,
            skip_functions: false,
        }
    }
}

/// What is done with expiries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryChoice {
    /// Keys wait for the source's own deletion.
    #[default]
    FollowSource,
    /// Keys carry the source's times.
    Exact,
}

/// An endpoint as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EndpointView {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The name under which Sentinels know it; the host is a list of them then, with commas between.
    pub sentinel: Option<String>,
    /// How it speaks TLS; none for an open link.
    pub tls: Option<TlsView>,
    /// Whether a relay at this address compresses the link.
    pub compression: bool,
    /// The ACL user.
    pub username: Option<String>,
    /// One database only.
    pub db: Option<u32>,
    /// Whether a password belongs to it.
    pub has_password: bool,
    /// The URL without the password.
    pub url: String,
}
