use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Intent;

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
}

/// An endpoint as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EndpointView {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The ACL user.
    pub username: Option<String>,
    /// One database only.
    pub db: Option<u32>,
    /// Whether a password belongs to it.
    pub has_password: bool,
    /// The URL without the password.
    pub url: String,
}
