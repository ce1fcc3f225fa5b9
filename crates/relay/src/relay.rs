use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tributary_tls::TlsError;

use crate::connection::{self, Route};
use crate::health::Health;
use crate::{Metrics, RelaySpec};

/// The pause after an `accept` that failed, as it does while file descriptors are short.
const BREATH: Duration = Duration::from_millis(100);

/// Why a relay cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(String, std::io::Error),
    /// Its certificate cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsError),
}

/// One or more listeners, each with its server; bound, and idle until [`Self::run`].
pub struct Relay {
    listeners: Vec<(TcpListener, Arc<Route>)>,
    metrics: Arc<Metrics>,
}

impl Relay {
    /// Listens.
    ///
    /// # Errors
    /// When an address is taken, or a certificate or key cannot be used.
    pub async fn bind(specs: Vec<RelaySpec>) -> Result<Self, RelayError> {
        let metrics = Arc::new(Metrics::default());
        let mut listeners = Vec::new();
        for spec in specs {
            let acceptor = spec.tls.as_ref().map(tributary_tls::ServerTls::acceptor).transpose()?;
            let listening = TcpListener::bind(&spec.listen).await;
            let listener = listening.map_err(|error| RelayError::Listen(spec.listen.clone(), error))?;
            let route = Route { spec, acceptor, metrics: metrics.clone(), health: Health::default() };
            listeners.push((listener, Arc::new(route)));
        }
        Ok(Self { listeners, metrics })
    }

    /// Where it listens, in the order of the specs.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Tells which servers cannot be reached, and why, at any time: name and reason.
    pub fn troubles(&self) -> impl Fn() -> Vec<(String, String)> + Send + Sync + 'static {
        let routes: Vec<Arc<Route>> = self.listeners.iter().map(|(_, route)| route.clone()).collect();
        move || {
            let trouble = |route: &Arc<Route>| Some((route.spec.upstream.name(), route.health.failure()?));
            routes.iter().filter_map(trouble).collect()
        }
    }

    /// Serves clients until `stop`; then delivers what was read, for as long as the limits give, and ends.
    pub async fn run(self, stop: CancellationToken) {
        let mut serving = JoinSet::new();
        for (listener, route) in self.listeners {
            serving.spawn(listen(listener, route.clone(), stop.clone()));
            serving.spawn(connection::look_now_and_then(route, stop.clone()));
        }
        while serving.join_next().await.is_some() {}
    }
}

async fn listen(listener: TcpListener, route: Arc<Route>, stop: CancellationToken) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, peer)) if clients.len() >= route.spec.limits.connections => {
                    route.metrics.full();
                    tracing::debug!(%peer, "client closed: there are as many as may be");
                    drop(tcp);
                }
                Ok((tcp, peer)) => {
                    clients.spawn(connection::follow(tcp, peer, route.clone(), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a client could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
    drop(listener);
    let drained = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(route.spec.limits.drain, drained).await.is_err() {
        tracing::warn!(clients = clients.len(), "clients did not take what was left for them in time");
    }
}
