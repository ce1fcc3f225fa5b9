//! One client from its first byte to its last.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tributary_resp::relay::{GRANTED, Opening, Seen};
use tributary_tls::{ClientTls, TlsAcceptor};

use crate::compressor::{Compressor, Input};
use crate::health::Health;
use crate::pump::pump;
use crate::{Metrics, RelaySpec};

/// Bytes that are read from the server at once.
const READ: usize = 64 * 1024;
/// Pieces that wait for the compressor, and compressed ones that wait for the client: with both, and what deflate needs
/// itself, a compressed link takes up to about 1.5 MiB.
const QUEUE: usize = 8;
/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How often the server is looked for.
const LOOK: Duration = Duration::from_secs(10);
/// When a silent peer is asked whether it is still there, and how often.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(10));

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}
type Stream = Box<dyn Io>;

/// Where the connections of one listener lead.
pub(crate) struct Route {
    pub spec: RelaySpec,
    pub acceptor: Option<TlsAcceptor>,
    pub metrics: Arc<Metrics>,
    pub health: Health,
}

/// How a connection ended, for the log.
struct Ended {
    mode: &'static str,
    sent: u64,
    reason: String,
}

/// Follows a client until it or the server ends, or the relay does.
pub(crate) async fn follow(tcp: TcpStream, peer: std::net::SocketAddr, route: Arc<Route>, stop: CancellationToken) {
    let began = Instant::now();
    let ended = serve(tcp, &route, &stop).await;
    let seconds = began.elapsed().as_secs_f64();
    tracing::info!(%peer, mode = ended.mode, from_upstream = ended.sent, seconds, reason = ended.reason, "client closed");
}

/// Looks from time to time whether the server can be reached, so that health is known while there are no clients.
pub(crate) async fn look_now_and_then(route: Arc<Route>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let _ = stop.run_until_cancelled(connect(&route)).await;
    }
}

async fn serve(tcp: TcpStream, route: &Route, stop: &CancellationToken) -> Ended {
    let before = |reason: String| Ended { mode: "?", sent: 0, reason };
    let client = match tokio::time::timeout(route.spec.limits.handshake, accept(tcp, route)).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            route.metrics.bad_handshake();
            return before(format!("TLS: {error}"));
        }
        Err(_) => {
            route.metrics.bad_handshake();
            return before("its TLS handshake took too long".to_owned());
        }
    };
    let upstream = match connect(route).await {
        Ok(upstream) => upstream,
        Err(reason) => return before(reason),
    };
    let (mut here, mut there) = (client, upstream);
    let opened = tokio::select! {
        opened = open(&mut here, &mut there, route.spec.limits.handshake) => opened,
        () = stop.cancelled() => return before("the relay ended".to_owned()),
    };
    match opened {
        Ok(Opened { mode, forward, back }) => {
            let gzip = matches!(mode, Seen::Compressed(_));
            route.metrics.opened(gzip);
            let ended = match mode {
                Seen::Compressed(level) => compressed(here, there, forward, level, route, stop).await,
                _ => plain(here, there, forward, back, stop).await,
            };
            route.metrics.closed(gzip);
            ended
        }
        Err(reason) => {
            route.metrics.bad_handshake();
            before(reason)
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

/// Small writes go out at once, and a peer that has vanished is noticed.
fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE.0).with_interval(KEEPALIVE.1);
    socket2::SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

/// Connects to the server: why not, if not. That is logged when it is news.
async fn connect(route: &Route) -> Result<Stream, String> {
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
    prepare(&tcp).map_err(|error| error.to_string())?;
    let Some(options) = upstream.tls.clone() else { return Ok(Box::new(tcp)) };
    let tls = tokio::task::spawn_blocking(move || ClientTls::new(&options)).await.map_err(|error| error.to_string())?;
    let tls = tls.map_err(|error| error.to_string())?;
    Ok(Box::new(tls.connect(&upstream.host, tcp).await.map_err(|error| error.to_string())?))
}

/// What a connection turned out to be.
struct Opened {
    mode: Seen,
    /// What the client has sent for the server.
    forward: Vec<u8>,
    /// What the server has sent before that.
    back: Vec<u8>,
}

/// Looks at the client's first bytes. A client that says nothing may do so for as long as it likes; one that has begun a
/// request has to end it. A server that speaks first refuses the client, which is then told.
async fn open(client: &mut Stream, upstream: &mut Stream, patience: Duration) -> Result<Opened, String> {
    let (mut opening, mut forward) = (Opening::default(), Vec::new());
    let (mut from_client, mut from_upstream) = ([0; 512], [0; 512]);
    let mut deadline = None;
    loop {
        let late = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = client.read(&mut from_client) => {
                let length = read.map_err(|error| error.to_string())?;
                if length == 0 {
                    return Err("the client ended before it had asked anything".to_owned());
                }
                let mode = opening.take(from_client.get(..length).unwrap_or_default(), &mut forward);
                if mode != Seen::Undecided {
                    return Ok(Opened { mode, forward, back: Vec::new() });
                }
                deadline.get_or_insert_with(|| tokio::time::Instant::now() + patience);
            }
            read = upstream.read(&mut from_upstream) => {
                let length = read.map_err(|error| error.to_string())?;
                if length == 0 {
                    return Err("the upstream closed the connection".to_owned());
                }
                let back = from_upstream.get(..length).unwrap_or_default().to_vec();
                return Ok(Opened { mode: Seen::Plain, forward, back });
            }
            () = late => return Err("the client did not end its request in time".to_owned()),
        }
    }
}

async fn plain(client: Stream, upstream: Stream, forward: Vec<u8>, back: Vec<u8>, stop: &CancellationToken) -> Ended {
    let (mut client_in, mut client_out) = tokio::io::split(client);
    let (mut upstream_in, mut upstream_out) = tokio::io::split(upstream);
    let to_upstream = async {
        upstream_out.write_all(&forward).await?;
        upstream_out.flush().await?;
        pump(&mut client_in, &mut upstream_out, stop).await
    };
    let to_client = async {
        client_out.write_all(&back).await?;
        client_out.flush().await?;
        pump(&mut upstream_in, &mut client_out, stop).await
    };
    match tokio::try_join!(to_upstream, to_client) {
        Ok((_, sent)) => Ended { mode: "plain", sent, reason: "ended".to_owned() },
        Err(error) => Ended { mode: "plain", sent: 0, reason: error.to_string() },
    }
}

async fn compressed(
    client: Stream,
    upstream: Stream,
    forward: Vec<u8>,
    level: u32,
    route: &Route,
    stop: &CancellationToken,
) -> Ended {
    let (mut client_in, mut client_out) = tokio::io::split(client);
    let (mut upstream_in, mut upstream_out) = tokio::io::split(upstream);
    let (input, inputs) = mpsc::channel(QUEUE);
    let (output, mut outputs) = mpsc::channel::<Bytes>(QUEUE);
    let compressor = Compressor::new(level, output, route.metrics.clone());
    let ended = |sent, reason: String| Ended { mode: "gzip", sent, reason };
    let thread = match std::thread::Builder::new().name("gzip".to_owned()).spawn(move || compressor.run(inputs)) {
        Ok(thread) => thread,
        Err(error) => return ended(0, format!("no thread for compression: {error}")),
    };
    let to_upstream = async {
        upstream_out.write_all(&forward).await?;
        upstream_out.flush().await?;
        pump(&mut client_in, &mut upstream_out, stop).await?;
        // The server ends its side now, which is what ends the connection.
        std::future::pending::<io::Result<()>>().await
    };
    let to_client = async {
        client_out.write_all(GRANTED).await?;
        client_out.flush().await?;
        while let Some(piece) = outputs.recv().await {
            client_out.write_all(&piece).await?;
            client_out.flush().await?;
        }
        client_out.shutdown().await
    };
    let outcome = tokio::select! {
        failed = to_upstream => failed.map(|()| 0),
        // Reading ends first: then the compressor does, and then there is nothing more to write.
        done = async { tokio::try_join!(feed(&mut upstream_in, input, stop), to_client) } => done.map(|(sent, ())| sent),
    };
    drop(outputs);
    // It has nothing to wait for any more.
    let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
    if !matches!(joined, Ok(true)) {
        tracing::error!("a compressor ended in a panic");
    }
    match outcome {
        Ok(sent) => ended(sent, "ended".to_owned()),
        Err(error) => ended(0, error.to_string()),
    }
}

/// Gives the compressor what the server sends: how many bytes. Returns when the server or the relay ends.
async fn feed(
    upstream: &mut (impl AsyncRead + Unpin),
    compressor: mpsc::Sender<Input>,
    stop: &CancellationToken,
) -> io::Result<u64> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let (mut buffer, mut sent) = (BytesMut::with_capacity(READ), 0);
    loop {
        if buffer.capacity() < READ / 4 {
            buffer.reserve(READ);
        }
        let at_once = tokio::select! {
            biased;
            read = upstream.read_buf(&mut buffer) => Some(read?),
            () = std::future::ready(()) => None,
        };
        let read = match at_once {
            Some(read) => read,
            None => {
                compressor.send(Input::Pause).await.map_err(gone)?;
                tokio::select! {
                    read = upstream.read_buf(&mut buffer) => read?,
                    () = stop.cancelled() => 0,
                }
            }
        };
        if read > 0 {
            sent += read as u64;
            compressor.send(Input::Data(buffer.split().freeze())).await.map_err(gone)?;
        }
        if read == 0 || stop.is_cancelled() {
            compressor.send(Input::End).await.map_err(gone)?;
            return Ok(sent);
        }
    }
}
