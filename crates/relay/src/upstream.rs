//! The connections to the server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tributary_tls::ClientTls;

use crate::connection::{Route, Stream};

/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// When a silent peer is asked whether it is still there, and how often.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(10));

/// Looks from time to time whether the server can be reached, so that health is known while there are no clients.
pub(crate) async fn look_now_and_then(route: Arc<Route>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(route.spec.upstream.look);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let _ = stop.run_until_cancelled(connect(&route)).await;
    }
}

/// Connects to the server: why not, if not. That is logged when it is news.
pub(crate) async fn connect(route: &Route) -> Result<Stream, String> {
    let name = route.spec.upstream.name();
    let done = match tokio::time::timeout(CONNECT, reach(route)).await {
        Ok(done) => done,
        Err(_) => Err(format!("no connection within {} s", CONNECT.as_secs())),
    };
    match &done {
        Ok(_) => {
            if route.health.attempted(None) {
                tracing::info!(upstream = name, "the upstream can be reached again");
            }
        }
        Err(reason) => {
            route.metrics.upstream_failed();
            if route.health.attempted(Some(reason)) {
                tracing::warn!(
                    upstream = name,
                    reason,
                    "the upstream cannot be reached; clients are closed until it can"
                );
            }
        }
    }
    done.map_err(|reason| format!("upstream {name}: {reason}"))
}

async fn reach(route: &Route) -> Result<Stream, String> {
    let upstream = &route.spec.upstream;
    let tcp = TcpStream::connect((upstream.host.as_str(), upstream.port)).await.map_err(|error| error.to_string())?;
    if leads_back(&tcp, &route.own) {
        return Err("it is the relay itself: --upstream names the server".to_owned());
    }
    prepare(&tcp).map_err(|error| error.to_string())?;
    let Some(options) = upstream.tls.clone() else { return Ok(Box::new(tcp)) };
    let tls = tokio::task::spawn_blocking(move || ClientTls::new(&options)).await.map_err(|error| error.to_string())?;
    let tls = tls.map_err(|error| error.to_string())?;
    Ok(Box::new(tls.connect(&upstream.host, tcp).await.map_err(|error| error.to_string())?))
}

/// Whether a connection ends at one of our own listeners, which would connect again and again.
fn leads_back(tcp: &TcpStream, own: &[SocketAddr]) -> bool {
    let (Ok(near), Ok(far)) = (tcp.local_addr(), tcp.peer_addr()) else { return false };
    let here = near.ip() == far.ip();
    own.iter().any(|own| own.port() == far.port() && (own.ip() == far.ip() || (own.ip().is_unspecified() && here)))
}

/// Small writes go out at once, and a peer that has vanished is noticed.
pub(crate) fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE.0).with_interval(KEEPALIVE.1);
    socket2::SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}
