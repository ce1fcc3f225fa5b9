//! A replica as the console keeps it: where, not with which secret. An endpoint holds a *credential reference*; the
//! secret itself is in the keyring.

use serde::{Deserialize, Serialize};
use tributary_engine as engine;
use tributary_engine::{Endpoint, ReplicaSpec, Secret, SourceSpec};

use crate::dto::{EndpointView, ExpiryChoice, Intent, ReplicaDefinition, ReplicaOptions, SourceDefinition};
use crate::tls::StoredTls;

/// One replica as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its ID; part of its checkpoints' names.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// What the user wants of it.
    pub intent: Intent,
    /// Unix milliseconds.
    pub created_at: u64,
    /// How it is run.
    pub options: ReplicaOptions,
    /// The database written to.
    pub destination: StoredEndpoint,
    /// The databases copied from.
    pub sources: Vec<StoredSource>,
}

/// One source as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSource {
    /// Its ID; part of its checkpoint's name.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// Where it is.
    pub endpoint: StoredEndpoint,
    /// Whether the user has stopped it while the others go on.
    pub stopped: bool,
}

/// One endpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEndpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The name under which Sentinels know it; the host is a list of them then.
    pub sentinel: Option<String>,
    /// How it speaks TLS; none for an open link.
    pub tls: Option<StoredTls>,
    /// Whether a relay at this address compresses the link.
    pub compression: bool,
    /// The ACL user.
    pub username: Option<String>,
    /// One database only.
    pub db: Option<u32>,
    /// Where its password is; none when it has none.
    pub credential: Option<Credential>,
}

/// The secrets of one endpoint, for as long as they are used.
#[derive(Debug, Clone, Default)]
pub struct EndpointSecrets {
    /// Its password.
    pub password: Option<Secret>,
    /// What its client key is opened with.
    pub key_passphrase: Option<Secret>,
}

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The account it is kept under.
    pub reference: String,
    /// Where to look.
    pub place: Place,
}

/// Where a password is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The keyring of the operating system.
    Keyring,
    /// This process's memory, until it ends.
    Memory,
}

impl StoredEndpoint {
    /// The engine's endpoint, with its secrets.
    #[must_use]
    pub fn with(&self, secrets: EndpointSecrets) -> Endpoint {
        Endpoint {
            host: self.host.clone(),
            port: self.port,
            sentinel: self.sentinel.clone(),
            tls: self.tls.as_ref().map(|tls| tls.options(secrets.key_passphrase)),
            compression: self.compression,
            username: self.username.clone(),
            password: secrets.password,
            db: self.db,
        }
    }

    /// The engine's endpoint, without secrets.
    #[must_use]
    pub fn bare(&self) -> Endpoint {
        self.with(EndpointSecrets::default())
    }

    /// Every credential it refers to.
    pub fn credentials(&self) -> impl Iterator<Item = &Credential> {
        self.credential.iter().chain(self.tls.as_ref().and_then(StoredTls::passphrase))
    }

    fn view(&self) -> EndpointView {
        let endpoint = self.bare();
        EndpointView {
            host: self.host.clone(),
            port: self.port,
            sentinel: self.sentinel.clone(),
            tls: self.tls.as_ref().map(StoredTls::view),
            compression: self.compression,
            username: self.username.clone(),
            db: self.db,
            has_password: self.credential.is_some(),
            url: endpoint.url_redacted(),
        }
    }

    /// `host:port[/db]`.
    #[must_use]
    pub fn address(&self) -> String {
        self.bare().address()
    }
}

impl From<&Endpoint> for StoredEndpoint {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            host: endpoint.host.clone(),
            port: endpoint.port,
            sentinel: endpoint.sentinel.clone(),
            tls: endpoint.tls.as_ref().map(StoredTls::from),
            compression: endpoint.compression,
            username: endpoint.username.clone(),
            db: endpoint.db,
            credential: None,
        }
    }
}

impl Definition {
    /// As a window may see it.
    #[must_use]
    pub fn view(&self) -> ReplicaDefinition {
        let source = |s: &StoredSource| SourceDefinition {
            id: s.id.clone(),
            name: s.name.clone(),
            endpoint: s.endpoint.view(),
            stopped: s.stopped,
        };
        ReplicaDefinition {
            id: self.id.clone(),
            name: self.name.clone(),
            destination: self.destination.view(),
            sources: self.sources.iter().map(source).collect(),
            intent: self.intent,
            options: self.options.clone(),
            demo: self.id == crate::demo::ID,
            created_at: self.created_at,
        }
    }

    /// Every credential it refers to.
    pub fn credentials(&self) -> impl Iterator<Item = &Credential> {
        self.endpoints().flat_map(|(endpoint, _)| endpoint.credentials())
    }

    /// The destination and every source, each with its field of a form.
    pub fn endpoints(&self) -> impl Iterator<Item = (&StoredEndpoint, String)> {
        let sources = self.sources.iter().enumerate().map(|(n, source)| (&source.endpoint, format!("sources[{n}]")));
        std::iter::once((&self.destination, "destination".to_owned())).chain(sources)
    }

    /// What the engine runs, with the secrets of each endpoint looked up by `secrets`.
    ///
    /// # Errors
    /// Whatever `secrets` returns.
    pub fn spec<E>(
        &self,
        mut secrets: impl FnMut(&StoredEndpoint, &str) -> Result<EndpointSecrets, E>,
    ) -> Result<ReplicaSpec, E> {
        let destination = self.destination.with(secrets(&self.destination, "destination")?);
        let mut sources = Vec::with_capacity(self.sources.len());
        for (index, source) in self.sources.iter().enumerate() {
            let endpoint = source.endpoint.with(secrets(&source.endpoint, &format!("sources[{index}]"))?);
            sources.push(SourceSpec {
                id: source.id.clone(),
                name: source.name.clone(),
                endpoint,
                stopped: source.stopped,
            });
        }
        let options = engine::ReplicaOptions {
            expiry: match self.options.expiry {
                ExpiryChoice::FollowSource => engine::ExpiryPolicy::FollowSource,
                ExpiryChoice::Exact => engine::ExpiryPolicy::Exact,
            },
            ask_before_resync: self.options.ask_before_resync,
            paused: self.intent == Intent::Paused,
            lock_down: self.options.lock_down,
            unsupported: engine::Unsupported {
                drop_field_expiry: self.options.drop_field_expiry,
                skip_module_keys: self.options.skip_module_keys,
                skip_functions: self.options.skip_functions,
            },
            ..engine::ReplicaOptions::default()
        };
        Ok(ReplicaSpec { id: self.id.clone(), name: self.name.clone(), destination, sources, options })
    }
}
