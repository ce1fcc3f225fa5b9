//! Tributary at work without a server at hand: two `redis-server`s of its own on free loopback ports, a data set, live
//! traffic, and the replica between them. Everything stops with it, even when this process is killed.

mod data;
mod server;
mod traffic;

use tributary_engine::{Endpoint, ReplicaSpec, SourceSpec};

use server::Server;
use traffic::Traffic;

pub use server::find_server;

/// The ID of the demo's replica.
pub const ID: &str = "demo";

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No server to run.
    #[error("The demo needs redis-server (or valkey-server), and there is none in PATH.")]
    NoServer,
    /// A server did not come up.
    #[error("{program} did not start: {reason}.")]
    Start {
        /// The program.
        program: String,
        /// Why.
        reason: String,
    },
    /// The data set could not be written.
    #[error("The demo's data set could not be written: {0}.")]
    Fill(#[from] redis::RedisError),
}

impl DemoError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoServer => "Install it: apt install redis-server, dnf install redis, brew install redis.",
            Self::Start { .. } => {
                "Check that the program runs in a terminal and that there is room in the temporary folder."
            }
            Self::Fill(_) => "Check that there is enough free memory, then try again.",
        }
    }
}

/// Two servers and the traffic on the first. Dropping it stops all of it.
pub struct Demo {
    traffic: Traffic,
    source: Server,
    destination: Server,
}

impl Demo {
    /// Starts the servers, writes the data set and begins the traffic.
    ///
    /// # Errors
    /// When there is no server to run, or one does not start.
    pub async fn start() -> Result<Self, DemoError> {
        let program = find_server()?;
        let (source, destination) = tokio::try_join!(Server::start(&program), Server::start(&program))?;
        let mut connection = source.connect().await?;
        data::fill(&mut connection).await?;
        let traffic = Traffic::start(connection);
        Ok(Self { traffic, source, destination })
    }

    /// The replica to run.
    #[must_use]
    pub fn spec(&self) -> ReplicaSpec {
        let source =
            SourceSpec { id: "source".into(), name: "shop".into(), endpoint: self.source.endpoint(), stopped: false };
        ReplicaSpec {
            id: ID.into(),
            name: "Demo".into(),
            destination: self.destination.endpoint(),
            sources: vec![source],
            options: tributary_engine::ReplicaOptions::default(),
        }
    }

    /// Where the traffic goes, for those who want to look at it with redis-cli.
    #[must_use]
    pub fn source(&self) -> Endpoint {
        self.source.endpoint()
    }

    /// Stops the traffic, then the servers, and removes their folders.
    pub async fn stop(self) {
        self.traffic.stop().await;
        tokio::join!(self.source.stop(), self.destination.stop());
    }
}
