//! The two ways to keep a destination in step: Redis' own and ours.

use std::time::{Duration, Instant};

use tributary_tests::cli::Sync;
use tributary_tests::server::Server;

const DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(2);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `REPLICAOF`.
    Native,
    /// `tributary sync`.
    Tributary,
}

/// A destination that is kept in step.
#[derive(Debug)]
pub struct Link(Option<Sync>);

/// What the engine needed.
#[derive(Debug)]
pub struct Engine {
    pub load_seconds_per_million: f64,
    pub stream_micros: f64,
    pub peak_mib: f64,
}

impl Link {
    /// Fills an empty destination: the link, and the seconds from the command until all keys are there.
    pub fn full_sync(kind: Kind, source: &Server, destination: &Server, keys: u64) -> (Self, f64) {
        let mut connection = destination.connect();
        let started = Instant::now();
        let link = match kind {
            Kind::Native => {
                destination.run::<()>(&["REPLICAOF", "127.0.0.1", &source.port().to_string()]);
                Self(None)
            }
            Kind::Tributary => Self(Some(Sync::between(source, destination, &[]))),
        };
        // Ours holds one key of its own while loading and after.
        let want = if kind == Kind::Native { keys } else { keys + 1 };
        // While a native replica loads it answers with an error, which counts as "not yet".
        while redis::cmd("DBSIZE").query::<u64>(&mut connection).unwrap_or(0) < want {
            assert!(started.elapsed() < DEADLINE, "no full sync within {DEADLINE:?}");
            std::thread::sleep(POLL);
        }
        (link, started.elapsed().as_secs_f64())
    }

    /// The engine's processor time so far.
    pub fn cpu_seconds(&self) -> f64 {
        self.0.as_ref().map_or(0.0, Sync::cpu_seconds)
    }

    /// What it needed: its time after the load, before the streams and now.
    pub fn engine(&self, loaded: f64, before: f64, keys: u64) -> Option<Engine> {
        let sync = self.0.as_ref()?;
        let commands = crate::stream::requests() * crate::stream::COMMANDS.len() as u64;
        Some(Engine {
            load_seconds_per_million: loaded * 1e6 / keys as f64,
            stream_micros: (sync.cpu_seconds() - before) * 1e6 / commands as f64,
            peak_mib: sync.peak_mib() as f64,
        })
    }

    /// Ends it.
    pub fn end(self, destination: &Server) {
        match self.0 {
            Some(sync) => assert_eq!(sync.interrupt().code, Some(0)),
            None => destination.run::<()>(&["REPLICAOF", "NO", "ONE"]),
        }
    }
}
