use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tributary_tls::TlsError;

use crate::connection::{Route, follow};
use crate::health::Health;
use crate::upstream::look_now_and_then;
use crate::{Metrics, RelaySpec};

/// The pause after an `accept` that failed, as it does while file descriptors are short.
const BREATH: Duration = Duration::from_millis(100);

/// What a client hears that is one too many; by these words consoles and client libraries know the error of a server.
const FULL: &[u8] = b"-ERR max number of clients reached at the relay\r\n";

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
        let mut bound = Vec::new();
        for spec in specs {
            let acceptor = spec.tls.as_ref().map(tributary_tls::ServerTls::acceptor).transpose()?;
            let failed = |error| RelayError::Listen(spec.listen.clone(), error);
            let listener = TcpListener::bind(&spec.listen).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            bound.push((listener, address, spec, acceptor));
        }
        let own: Arc<[SocketAddr]> = bound.iter().map(|(_, address, ..)| *address).collect();
        let route = |spec, acceptor| {
            let (metrics, own) = (metrics.clone(), own.clone());
            Arc::new(Route { spec, acceptor, metrics, health: Health::default(), own })
        };
        let listeners =
            bound.into_iter().map(|(listener, _, spec, acceptor)| (listener, route(spec, acceptor))).collect();
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
            serving.spawn(look_now_and_then(route, stop.clone()));
        }
        while serving.join_next().await.is_some() {}
    }
}

async fn listen(listener: TcpListener, route: Arc<Route>, stop: CancellationToken) {
    let (mut clients, mut full) = (JoinSet::new(), false);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) if clients.len() >= route.spec.limits.connections => {
                    if !std::mem::replace(&mut full, true) {
                        let (listen, clients) = (&route.spec.listen, clients.len());
                        tracing::warn!(listen, clients, "there are as many clients as may be; further ones are refused");
                    }
                    route.metrics.full();
                    refuse(tcp, &route);
                }
                Ok((tcp, peer)) => {
                    full = false;
                    clients.spawn(follow(tcp, peer, route.clone(), stop.child_token()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a client could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
    drop(listener);
    // Each ends by itself, in the time that is given for it.
    while clients.join_next().await.is_some() {}
}

/// Closes a client that is one too many, and tells it as a server would; by TLS it would have to be waited for.
fn refuse(tcp: TcpStream, route: &Route) {
    if route.acceptor.is_none() {
        // It does not block. Whether anybody reads it is not the relay's concern.
        let _ = tcp.into_std().and_then(|mut tcp| tcp.write(FULL));
    }
}
