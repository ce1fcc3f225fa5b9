//! Replicas as a file that people write, keep in version control and carry to another machine. One format, TOML, for
//! `tributary run`, export and import. It holds no secret, only where each is.
//!
//! `form.rs` is the format as serde sees it, `read.rs` makes sense of it, `plan.rs` compares it with what is kept, and
//! `write.rs` writes it.

mod error;
mod form;
mod plan;
mod read;
mod secret;
#[cfg(test)]
mod tests;
mod write;

use std::net::SocketAddr;
use std::path::PathBuf;

use tributary_engine::Endpoint;

pub use error::DeclarationError;
pub use secret::SecretPlace;

pub(crate) use plan::{Planned, PlannedSecret, keep_entered, plan};
pub(crate) use write::write;

use crate::dto::ReplicaOptions;

/// What a file declares.
#[derive(Debug, Clone, PartialEq)]
pub struct Declarations {
    /// What messages call the file.
    pub file: String,
    /// The folder of the database and the spools.
    pub data: Option<PathBuf>,
    /// Where metrics and health are served.
    pub metrics: Option<SocketAddr>,
    /// The replicas, in their order.
    pub replicas: Vec<DeclaredReplica>,
}

/// One replica of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredReplica {
    /// The line it begins at, from 1.
    pub line: usize,
    /// Its identity, where the file says it.
    pub id: Option<String>,
    /// What the user calls it.
    pub name: String,
    /// The database written to.
    pub destination: DeclaredEndpoint,
    /// When the destination may be emptied.
    pub flush: Flush,
    /// How it is run.
    pub options: ReplicaOptions,
    /// The databases copied from.
    pub sources: Vec<DeclaredSource>,
}

/// One source of a replica.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredSource {
    /// Its identity, where the file says it.
    pub id: Option<String>,
    /// What the user calls it.
    pub name: String,
    /// Where it is.
    pub endpoint: DeclaredEndpoint,
    /// Whether it is not followed while the others are.
    pub stopped: bool,
}

/// One endpoint: its URL, and where its secrets are.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredEndpoint {
    /// The line of its URL, from 1.
    pub line: usize,
    /// All but the secrets.
    pub endpoint: Endpoint,
    /// Where its password is; none when it has none.
    pub password: Option<SecretPlace>,
    /// Where the passphrase of its client key is; none when that needs none.
    pub key_passphrase: Option<SecretPlace>,
}

/// When a start may empty the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flush {
    /// It may not: a destination that holds data which is not this replica's stops it.
    #[default]
    Never,
    /// When there is no checkpoint to go on from.
    WhenNeeded,
}
