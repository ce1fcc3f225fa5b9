//! The two ways to keep a destination in step with the source, behind one face.

use std::fmt;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::Result;
use crate::process::{Ticks, Used};
use crate::server::Server;
use crate::wait::until;

/// How often a state is asked for: small against a full sync, and no load for the servers.
const POLL: Duration = Duration::from_millis(5);

/// Who replicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The destination itself, by `REPLICAOF`.
    Native,
    /// `tributary sync`.
    Tributary,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Tributary => "tributary",
        })
    }
}

/// The servers of a run, and what is measured.
pub struct Bench {
    pub source: Server,
    native: Server,
    ours: Server,
    binary: PathBuf,
    folder: TempDir,
    ticks: Ticks,
}

impl Bench {
    /// Starts the source and both destinations.
    pub fn start(binary: PathBuf) -> Result<Self> {
        Ok(Self {
            source: Server::start()?,
            native: Server::start()?,
            ours: Server::start()?,
            binary,
            folder: tempfile::tempdir()?,
            ticks: Ticks::read()?,
        })
    }

    /// Empties the destination and waits until the source serves nobody and writes no snapshot.
    pub fn prepare(&mut self, kind: Kind) -> Result<()> {
        self.destination(kind).clear()?;
        until("the end of the source's earlier replicas", POLL, || {
            Ok(self.source.info_number("replication", "connected_slaves")? == 0
                && self.source.info_number("persistence", "rdb_bgsave_in_progress")? == 0)
        })
    }

    /// Starts the replication and waits until the destination holds all that the source held.
    pub fn attach(&mut self, kind: Kind) -> Result<Attached<'_>> {
        let before = self.source.info_number("stats", "sync_full")?;
        let Self { source, native, ours, binary, folder, ticks } = self;
        let mut attached = match kind {
            Kind::Native => Attached { source, destination: native, engine: None },
            Kind::Tributary => {
                let engine = Engine::start(binary, folder, &source.url(), ours, *ticks)?;
                Attached { source, destination: ours, engine: Some(engine) }
            }
        };
        attached.await_load()?;
        if attached.source.info_number("stats", "sync_full")? != before + 1 {
            return Err(format!("{kind}: the source did not send exactly one full copy").into());
        }
        Ok(attached)
    }

    fn destination(&mut self, kind: Kind) -> &mut Server {
        match kind {
            Kind::Native => &mut self.native,
            Kind::Tributary => &mut self.ours,
        }
    }
}

/// A destination that follows the source until this is dropped.
pub struct Attached<'a> {
    pub source: &'a mut Server,
    pub destination: &'a mut Server,
    engine: Option<Engine>,
}

impl Attached<'_> {
    fn await_load(&mut self) -> Result<()> {
        let (source, destination) = (self.source.port().to_string(), &mut *self.destination);
        let Some(engine) = &mut self.engine else {
            destination.run::<()>(&["REPLICAOF", "127.0.0.1", &source])?;
            return until("native replication's full sync", POLL, || {
                // It is up only when the snapshot has been loaded.
                Ok(destination.info("replication")?.get("master_link_status").is_some_and(|status| status == "up"))
            });
        };
        let checkpoint = format!("tributary:checkpoint:127.0.0.1-{}:127.0.0.1-{source}", destination.port());
        until("Tributary's full sync", POLL, || {
            engine.alive()?;
            let mark: Option<String> = destination.run(&["GET", &checkpoint])?;
            // The first word is the version of the format.
            Ok(mark.is_some_and(|mark| mark.split(' ').nth(1) == Some("at")))
        })
    }

    /// What our engine has used so far; native replication has none of its own.
    pub fn used(&self) -> Result<Option<Used>> {
        self.engine.as_ref().map(Engine::used).transpose()
    }

    /// Keys at the destination, without the one that Tributary keeps for itself.
    pub fn keys(&mut self) -> Result<usize> {
        let keys: usize = self.destination.run(&["DBSIZE"])?;
        Ok(keys - usize::from(self.engine.is_some()))
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        // The engine ends with its own drop. A server that cannot be detached will fail the next measurement aloud.
        if self.engine.is_none() {
            let _ = self.destination.run::<()>(&["REPLICAOF", "NO", "ONE"]);
        }
    }
}

/// A running `tributary sync`, killed on drop.
struct Engine {
    child: Child,
    ticks: Ticks,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Engine {
    fn start(binary: &PathBuf, folder: &TempDir, source: &str, destination: &Server, ticks: Ticks) -> Result<Self> {
        let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
        let child = Command::new(binary)
            .args(["sync", "--source", source, "--destination", &destination.url()])
            .args(["--flush=always", "--json", "--spool-dir"])
            .arg(folder.path().join("spool"))
            // The servers have no passwords, whatever the caller's environment holds for others.
            .env_remove("TRIBUTARY_SOURCE_PASSWORD")
            .env_remove("TRIBUTARY_DESTINATION_PASSWORD")
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()
            .map_err(|e| format!("{} cannot be started: {e}", binary.display()))?;
        Ok(Self { child, ticks, stdout, stderr })
    }

    fn alive(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let last = |path: &PathBuf| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().last().unwrap_or_default().to_owned()
        };
        Err(format!("tributary ended ({status}) and said: {} {}", last(&self.stderr), last(&self.stdout)).into())
    }

    fn used(&self) -> Result<Used> {
        self.ticks.used(self.child.id())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended already; the measurement has said so then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A destination that follows a source of any URL until this is dropped.
pub struct Followed(Engine);

impl Followed {
    /// Starts the replication from `source`.
    pub fn start(bench: &Bench, source: &str, destination: &Server) -> Result<Self> {
        Ok(Self(Engine::start(&bench.binary, &bench.folder, source, destination, bench.ticks)?))
    }

    /// Fails when it has ended.
    pub fn alive(&mut self) -> Result<()> {
        self.0.alive()
    }

    /// What it has used so far.
    pub fn used(&self) -> Result<Used> {
        self.0.used()
    }

    /// Decompressed bytes for each byte on the wire, by its last report.
    pub fn ratio(&self) -> Result<f64> {
        let text = fs::read_to_string(&self.0.stdout)?;
        let ratio = text.lines().rev().find_map(|line| {
            let report: serde_json::Value = serde_json::from_str(line).ok()?;
            report.pointer("/sources/0/compression/ratio")?.as_f64()
        });
        ratio.ok_or_else(|| "tributary reported no ratio".into())
    }
}

/// A running `tributary relay`, killed on drop.
pub struct Relay {
    child: Child,
    port: u16,
    ticks: Ticks,
}

impl Relay {
    /// Starts one before a port of 127.0.0.1, and waits until it listens.
    pub fn start(bench: &Bench, upstream: u16) -> Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let child = Command::new(&bench.binary)
            .args(["relay", "--listen", &format!("127.0.0.1:{port}"), "--upstream", &format!("127.0.0.1:{upstream}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("{} cannot be started: {e}", bench.binary.display()))?;
        let relay = Self { child, port, ticks: bench.ticks };
        until("the relay", POLL, || Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()))?;
        Ok(relay)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has used so far.
    pub fn cpu_seconds(&self) -> Result<f64> {
        Ok(self.ticks.used(self.child.id())?.cpu_seconds)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended already; the measurement has said so then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
