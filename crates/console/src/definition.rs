//! A replica as the console keeps it: where, not with which secret. An endpoint holds a *credential reference*; the
//! secret itself is in the keyring.

use tributary_engine as engine;
use tributary_engine::{Endpoint, ReplicaSpec, Secret, SourceSpec};

use crate::dto::{EndpointView, ExpiryChoice, Intent, ReplicaDefinition, ReplicaOptions, SourceDefinition};

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
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The ACL user.
    pub username: Option<String>,
    /// One database only.
    pub db: Option<u32>,
    /// Where its password is; none when it has none.
    pub credential: Option<Credential>,
}

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The account it is kept under.
    pub reference: String,
    /// Where to look.
    pub place: Place,
}

/// Where a password is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The keyring of the operating system.
    Keyring,
    /// This process's memory, until it ends.
    Memory,
}

impl StoredEndpoint {
    /// The engine's endpoint, with `password`.
    #[must_use]
    pub fn with_password(&self, password: Option<Secret>) -> Endpoint {
        Endpoint {
            host: self.host.clone(),
            port: self.port,
            sentinel: self.sentinel.clone(),
            tls: self.tls.then(tributary_engine::TlsOptions::default),
            compression: false,
            username: self.username.clone(),
            password,
            db: self.db,
        }
    }

    fn view(&self) -> EndpointView {
        let endpoint = self.with_password(None);
        EndpointView {
            host: self.host.clone(),
            port: self.port,
            sentinel: self.sentinel.clone(),
            tls: self.tls,
            username: self.username.clone(),
            db: self.db,
            has_password: self.credential.is_some(),
            url: endpoint.url_redacted(),
        }
    }

    /// `host:port[/db]`.
    #[must_use]
    pub fn address(&self) -> String {
        self.with_password(None).address()
    }
}

impl From<&Endpoint> for StoredEndpoint {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            host: endpoint.host.clone(),
            port: endpoint.port,
            sentinel: endpoint.sentinel.clone(),
            tls: endpoint.tls.is_some(),
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
        let sources = self.sources.iter().filter_map(|s| s.endpoint.credential.as_ref());
        self.destination.credential.as_ref().into_iter().chain(sources)
    }

    /// What the engine runs, with each password looked up by `password`.
    ///
    /// # Errors
    /// Whatever `password` returns.
    pub fn spec<E>(
        &self,
        mut password: impl FnMut(&StoredEndpoint, &str) -> Result<Option<Secret>, E>,
    ) -> Result<ReplicaSpec, E> {
        let destination = self.destination.with_password(password(&self.destination, "destination")?);
        let mut sources = Vec::with_capacity(self.sources.len());
        for (index, source) in self.sources.iter().enumerate() {
            let secret = password(&source.endpoint, &format!("sources[{index}]"))?;
            let endpoint = source.endpoint.with_password(secret);
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
