use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{ReplicaOptions, TlsDraft};

/// A replica as the form holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaDraft {
    /// What the user calls it.
    pub name: String,
    /// The database written to.
    pub destination: EndpointDraft,
    /// The databases copied from, 1 to 32.
    pub sources: Vec<SourceDraft>,
    /// How it is run.
    pub options: ReplicaOptions,
}

/// A source as the form holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SourceDraft {
    /// The ID it already has; none for a new one.
    pub id: Option<String>,
    /// What the user calls it.
    pub name: String,
    /// Where it is.
    pub endpoint: EndpointDraft,
}

/// An endpoint as the form holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EndpointDraft {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The name under which Sentinels know it; the host is a list of them then, with commas between.
    pub sentinel: Option<String>,
    /// How to speak TLS (`rediss://`); none for an open link.
    pub tls: Option<TlsDraft>,
    /// Whether a relay at this address compresses the link; for sources only.
    pub compression: bool,
    /// The ACL user; none for the default user.
    pub username: Option<String>,
    /// One database only; none for all of them.
    pub db: Option<u32>,
    /// What to do about the password.
    pub password: PasswordDraft,
}

/// What to do about a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PasswordDraft {
    /// The endpoint has no password.
    None,
    /// The one already kept for it.
    Keep,
    /// A new one.
    Set {
        /// The password.
        value: String,
        /// Keep it in memory until the app is closed, not in the keyring.
        this_run_only: bool,
    },
}

/// Never prints the password.
impl std::fmt::Debug for PasswordDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Keep => "Keep",
            Self::Set { .. } => "Set(<redacted>)",
        })
    }
}
