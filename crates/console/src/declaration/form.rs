//! The format, field by field. What has a place to point at when it is wrong is [`Spanned`].

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::{Flush, SecretPlace};
use crate::dto::{ExpiryChoice, ReplicaOptions};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub data: Option<PathBuf>,
    pub metrics: Option<SocketAddr>,
    #[serde(default)]
    pub replica: Vec<Replica>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replica {
    pub id: Option<Spanned<String>>,
    pub name: Spanned<String>,
    pub destination: Spanned<String>,
    pub destination_password: Option<SecretPlace>,
    pub destination_key_passphrase: Option<SecretPlace>,
    pub destination_certificate: Option<String>,
    #[serde(default)]
    pub flush: Flush,
    #[serde(default)]
    pub options: Options,
    #[serde(default)]
    pub source: Vec<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub id: Option<Spanned<String>>,
    pub name: Spanned<String>,
    pub url: Spanned<String>,
    pub password: Option<SecretPlace>,
    pub key_passphrase: Option<SecretPlace>,
    pub certificate: Option<String>,
    #[serde(default)]
    pub stopped: bool,
}

/// [`ReplicaOptions`] under the names of the file.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    pub spool_quota_mb: u32,
    pub expiry: ExpiryChoice,
    pub ask_before_resync: bool,
    pub lock_down: bool,
    pub drop_field_expiry: bool,
    pub skip_module_keys: bool,
    pub skip_functions: bool,
}

impl Default for Options {
    fn default() -> Self {
        ReplicaOptions::default().into()
    }
}

impl From<ReplicaOptions> for Options {
    fn from(options: ReplicaOptions) -> Self {
        let ReplicaOptions {
            spool_quota_mb,
            expiry,
            ask_before_resync,
            lock_down,
            drop_field_expiry,
            skip_module_keys,
            skip_functions,
        } = options;
        Self {
            spool_quota_mb,
            expiry,
            ask_before_resync,
            lock_down,
            drop_field_expiry,
            skip_module_keys,
            skip_functions,
        }
    }
}

impl From<Options> for ReplicaOptions {
    fn from(options: Options) -> Self {
        let Options {
            spool_quota_mb,
            expiry,
            ask_before_resync,
            lock_down,
            drop_field_expiry,
            skip_module_keys,
            skip_functions,
        } = options;
        Self {
            spool_quota_mb,
            expiry,
            ask_before_resync,
            lock_down,
            drop_field_expiry,
            skip_module_keys,
            skip_functions,
        }
    }
}
