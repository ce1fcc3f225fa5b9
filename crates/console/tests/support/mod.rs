//! Real servers, a keyring that remembers, and waiting for a state.

#![allow(dead_code, reason = "each suite uses a part of it")]

pub mod relay;

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::AbortHandle;
use tributary_console::Console;
use tributary_console::credentials::{CredentialError, Keyring, Secret};
use tributary_console::dto::{
    EndpointDraft, EndpointView, IdentityDraft, PasswordDraft, ReplicaDefinition, ReplicaDraft, ReplicaLive,
    SourceDefinition, SourceDraft, TlsDraft, TlsView,
};

/// Generous: a busy machine is no failure.
const DEADLINE: Duration = Duration::from_secs(60);

/// A `redis-server` with a password, ended when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    pub password: String,
    _folder: TempDir,
}

impl Server {
    pub async fn start(password: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "", "--repl-diskless-sync-delay", "0"])
            .args(["--requirepass", password, "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port, password: password.to_owned(), _folder: folder };
        let up = async {
            while server.try_connect().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, up).await.expect("redis-server answers");
        server
    }

    async fn try_connect(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        let url = format!("redis://:{}@127.0.0.1:{}/", self.password, self.port);
        redis::Client::open(url)?.get_multiplexed_async_connection().await
    }

    pub async fn run(&self, command: &[&str]) -> redis::Value {
        let mut connection = self.try_connect().await.unwrap();
        let mut query = redis::cmd(command[0]);
        query.arg(&command[1..]);
        query.query_async(&mut connection).await.unwrap()
    }

    /// A number that a field of INFO holds.
    pub async fn count(&self, field: &str) -> u64 {
        let redis::Value::BulkString(text) = self.run(&["INFO", "all"]).await else { panic!("no INFO") };
        let text = String::from_utf8(text).unwrap();
        let prefix = format!("{field}:");
        text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap().trim().parse().unwrap()
    }

    /// Stops it where it is: its connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Whether it was ever asked to scan.
    pub async fn was_scanned(&self) -> bool {
        let redis::Value::BulkString(text) = self.run(&["INFO", "commandstats"]).await else { panic!("no INFO") };
        String::from_utf8(text).unwrap().contains("cmdstat_scan:")
    }

    /// Tributary's own keys.
    pub async fn marks(&self) -> usize {
        match self.run(&["KEYS", "tributary:*"]).await {
            redis::Value::Array(keys) => keys.len(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until `command` answers `want`.
    pub async fn answers(&self, command: &[&str], want: &str) {
        let want = redis::Value::BulkString(want.into());
        let met = async {
            while self.run(command).await != want {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, met).await.unwrap_or_else(|_| panic!("{command:?} never answered {want:?}"));
    }

    pub fn draft(&self) -> EndpointDraft {
        let password = PasswordDraft::Set { value: self.password.clone(), this_run_only: false };
        let host = "127.0.0.1".into();
        EndpointDraft {
            host,
            port: self.port,
            sentinel: None,
            tls: None,
            compression: false,
            username: None,
            db: None,
            password,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An address that can be made to lead to another server.
pub struct Detour {
    pub port: u16,
    to: Arc<AtomicU16>,
    open: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Detour {
    pub async fn to(server: &Server) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, open) = (Arc::new(AtomicU16::new(server.port)), Arc::<Mutex<Vec<AbortHandle>>>::default());
        let (target, connections) = (to.clone(), open.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let port = target.load(Ordering::SeqCst);
                let task = tokio::spawn(async move {
                    if let Ok(mut server) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
                        tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
                    }
                });
                connections.lock().unwrap().push(task.abort_handle());
            }
        });
        Self { port, to, open }
    }

    /// New connections lead to this server; those that stand are cut.
    pub fn turn_to(&self, server: &Server) {
        self.to.store(server.port, Ordering::SeqCst);
        self.open.lock().unwrap().drain(..).for_each(|connection| connection.abort());
    }
}

/// Remembers what it is given.
#[derive(Default, Clone)]
pub struct RememberingKeyring(Arc<Mutex<HashMap<String, Secret>>>, Arc<AtomicBool>);

impl RememberingKeyring {
    pub fn accounts(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// What it holds under an account.
    pub fn kept(&self, account: &str) -> Option<String> {
        self.0.lock().unwrap().get(account).map(|secret| secret.expose().to_owned())
    }

    /// From now on it takes nothing.
    pub fn lock(&self) {
        self.1.store(true, Ordering::SeqCst);
    }
}

impl Keyring for RememberingKeyring {
    fn set(&self, account: &str, secret: &Secret) -> Result<(), CredentialError> {
        if self.1.load(Ordering::SeqCst) {
            return Err(CredentialError::Locked("by the test".into()));
        }
        self.0.lock().unwrap().insert(account.to_owned(), secret.clone());
        Ok(())
    }

    fn get(&self, account: &str) -> Result<Option<Secret>, CredentialError> {
        Ok(self.0.lock().unwrap().get(account).cloned())
    }

    fn delete(&self, account: &str) -> Result<(), CredentialError> {
        self.0.lock().unwrap().remove(account);
        Ok(())
    }
}

pub async fn open(folder: &Path, keyring: &RememberingKeyring) -> Arc<Console> {
    Console::open(folder, Box::new(keyring.clone())).await.unwrap()
}

pub fn replica(name: &str, source: &Server, destination: &Server) -> ReplicaDraft {
    let options = tributary_console::dto::ReplicaOptions::default();
    let sources = vec![new_source("origin", source)];
    ReplicaDraft { name: name.into(), destination: destination.draft(), sources, options }
}

pub fn new_source(name: &str, server: &Server) -> SourceDraft {
    SourceDraft { id: None, name: name.into(), endpoint: server.draft() }
}

/// What a form holds that is opened on a replica which is kept: every password stays.
pub fn form_of(kept: &ReplicaDefinition) -> ReplicaDraft {
    let endpoint = |endpoint: &EndpointView| EndpointDraft {
        host: endpoint.host.clone(),
        port: endpoint.port,
        sentinel: endpoint.sentinel.clone(),
        tls: endpoint.tls.clone().map(tls_of),
        compression: endpoint.compression,
        username: endpoint.username.clone(),
        db: endpoint.db,
        password: PasswordDraft::Keep,
    };
    let source = |source: &SourceDefinition| SourceDraft {
        id: Some(source.id.clone()),
        name: source.name.clone(),
        endpoint: endpoint(&source.endpoint),
    };
    ReplicaDraft {
        name: kept.name.clone(),
        destination: endpoint(&kept.destination),
        sources: kept.sources.iter().map(source).collect(),
        options: kept.options.clone(),
    }
}

/// TLS of a form that is opened on what is kept: the passphrase stays.
pub fn tls_of(kept: TlsView) -> TlsDraft {
    TlsDraft {
        trust: kept.trust,
        server_name: kept.server_name,
        identity: kept.identity.map(|identity| IdentityDraft {
            certificate: identity.certificate,
            key: identity.key,
            passphrase: PasswordDraft::Keep,
        }),
        oldest: kept.oldest,
        insecure: kept.insecure,
    }
}

/// Waits until the replica is as `met` wants it.
pub async fn until(console: &Console, id: &str, met: impl Fn(&ReplicaLive) -> bool) -> ReplicaLive {
    let mut live = console.live();
    let found = live.wait_for(|replicas| replicas.iter().any(|replica| replica.id == id && met(replica)));
    let last = console.live();
    match tokio::time::timeout(DEADLINE, found).await {
        Ok(replicas) => replicas.unwrap().iter().find(|replica| replica.id == id).unwrap().clone(),
        Err(_) => {
            let told = |live: &ReplicaLive| {
                format!("{:?} {:?} {:#?} {:#?}", live.status, live.phase, live.failure, live.sources)
            };
            panic!("never came to be; last: {:?}", last.borrow().iter().map(told).collect::<Vec<_>>())
        }
    }
}
