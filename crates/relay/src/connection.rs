//! One client from its first byte to its last.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tributary_resp::relay::{Opening, Seen};
use tributary_tls::TlsAcceptor;

use crate::compressed::compressed;
use crate::health::Health;
use crate::metrics::Mode;
use crate::plain::plain;
use crate::pump::Until;
use crate::upstream::{connect, prepare};
use crate::{Limits, Metrics, RelaySpec};

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}
pub(crate) type Stream = Box<dyn Io>;

/// Where the connections of one listener lead.
pub(crate) struct Route {
    pub spec: RelaySpec,
    pub acceptor: Option<TlsAcceptor>,
    pub metrics: Arc<Metrics>,
    pub health: Health,
    /// Where the relay listens: no server is there.
    pub own: Arc<[SocketAddr]>,
}

/// Both ends of a connection, and what the client has sent for the server so far.
pub(crate) struct Parts {
    pub client: Stream,
    pub upstream: Stream,
    pub forward: Vec<u8>,
}

/// How a connection comes to its end.
pub(crate) struct Ending<'a> {
    /// The relay ends.
    pub stop: &'a CancellationToken,
    limits: Limits,
    half: CancellationToken,
}

impl<'a> Ending<'a> {
    fn new(stop: &'a CancellationToken, limits: Limits) -> Self {
        Self { stop, limits, half: CancellationToken::new() }
    }

    /// The end of a direction, whatever the relay does.
    pub(crate) fn until(&self) -> Until<'_> {
        Until { stop: None, half: &self.half, patience: self.limits.half_closed }
    }

    /// The relay has ended, and so has the time that is given then.
    pub(crate) async fn overdue(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(self.limits.drain).await;
    }
}

/// Follows a client until it or the server ends, or the relay does.
pub(crate) async fn follow(tcp: TcpStream, peer: SocketAddr, route: Arc<Route>, stop: CancellationToken) {
    let (began, sent) = (Instant::now(), AtomicU64::new(0));
    let mut mode = Mode::New;
    route.metrics.opened(mode);
    let reason = serve(tcp, &route, &stop, &sent, &mut mode).await.unwrap_or_else(|reason| reason);
    route.metrics.closed(mode);
    let (seconds, sent) = (began.elapsed().as_secs_f64(), sent.load(Relaxed));
    tracing::info!(%peer, mode = mode.word(), from_upstream = sent, seconds, reason, "client closed");
}

/// Why it ended; as an error when that was before anything could pass.
async fn serve(
    tcp: TcpStream,
    route: &Route,
    stop: &CancellationToken,
    sent: &AtomicU64,
    mode: &mut Mode,
) -> Result<String, String> {
    let Some(opened) = stop.run_until_cancelled(begin(tcp, route)).await else {
        return Err("the relay ended".to_owned());
    };
    let (parts, opened) = opened?;
    let ending = Ending::new(stop, route.spec.limits);
    let decided = if matches!(opened.seen, Seen::Compressed(_)) { Mode::Gzip } else { Mode::Plain };
    route.metrics.closed(*mode);
    route.metrics.opened(decided);
    *mode = decided;
    Ok(match opened.seen {
        Seen::Compressed(level) => compressed(parts, level, route, &ending, sent).await,
        _ => plain(parts, &opened.back, &ending, sent).await,
    })
}

/// TLS, the connection to the server, and what the client wants.
async fn begin(tcp: TcpStream, route: &Route) -> Result<(Parts, Opened), String> {
    let patience = route.spec.limits.handshake;
    let accepted = match tokio::time::timeout(patience, accept(tcp, route)).await {
        Ok(accepted) => accepted.map_err(|error| format!("TLS: {error}")),
        Err(_) => Err("its TLS handshake took too long".to_owned()),
    };
    let client = accepted.inspect_err(|_| route.metrics.bad_handshake())?;
    let mut parts = Parts { client, upstream: connect(route).await?, forward: Vec::new() };
    match open(&mut parts, patience).await {
        Ok(opened) => Ok((parts, opened)),
        Err(reason) => {
            route.metrics.bad_handshake();
            Err(reason)
        }
    }
}

async fn accept(tcp: TcpStream, route: &Route) -> io::Result<Stream> {
    prepare(&tcp)?;
    Ok(match &route.acceptor {
        None => Box::new(tcp),
        Some(acceptor) => Box::new(acceptor.accept(tcp).await?),
    })
}

/// What a connection turned out to be.
struct Opened {
    seen: Seen,
    /// What the server has sent before that.
    back: Vec<u8>,
}

/// Looks at the client's first bytes. A client that says nothing may do so for as long as it likes; one that has begun a
/// request has to end it, or else it is an error. A server that speaks first, or ends, refuses the client, which is then told.
/// A side that has ended or broken is for the pumps to find again.
async fn open(parts: &mut Parts, patience: Duration) -> Result<Opened, String> {
    let mut opening = Opening::default();
    let (mut from_client, mut from_upstream) = ([0; 512], [0; 512]);
    let mut deadline = None;
    let Parts { client, upstream, forward } = parts;
    loop {
        let late = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let back = tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(length) if length > 0 => {
                    let seen = opening.take(from_client.get(..length).unwrap_or_default(), forward);
                    if seen != Seen::Undecided {
                        return Ok(Opened { seen, back: Vec::new() });
                    }
                    deadline.get_or_insert_with(|| tokio::time::Instant::now() + patience);
                    continue;
                }
                _ => Vec::new(),
            },
            read = upstream.read(&mut from_upstream) => {
                from_upstream.get(..read.unwrap_or_default()).unwrap_or_default().to_vec()
            }
            () = late => return Err("it did not end its request for compression in time".to_owned()),
        };
        return Ok(Opened { seen: opening.give_up(forward), back });
    }
}
