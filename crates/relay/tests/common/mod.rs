//! A relay, its upstream and its clients, all in this process, over real sockets.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared by several test programs"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as Blocking};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tributary_relay::{Limits, Metrics, Relay, RelaySpec, ServerTls, Upstream};
use tributary_resp::relay::{GRANTED, request};

/// How long anything may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// The servers that cannot be reached, and why.
pub type Troubles = Box<dyn Fn() -> Vec<(String, String)> + Send + Sync>;

/// A relay with one listener, and the upstream's side of it.
pub struct Bench {
    pub address: SocketAddr,
    pub metrics: Arc<Metrics>,
    pub stop: CancellationToken,
    pub running: JoinHandle<()>,
    pub troubles: Troubles,
    upstream: TcpListener,
}

/// Starts a relay.
pub async fn relay(limits: Limits) -> Bench {
    relay_with(limits, None).await
}

/// Starts one that may speak TLS with its clients.
pub async fn relay_with(limits: Limits, tls: Option<ServerTls>) -> Bench {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = upstream.local_addr().unwrap().port();
    // It looks for the upstream once, at the start: every later connection to it is one of a client.
    let look = Duration::from_secs(86_400);
    let behind = Upstream { host: "127.0.0.1".to_owned(), port, tls: None, look };
    let spec = RelaySpec { listen: "127.0.0.1:0".to_owned(), upstream: behind, tls, limits };
    let relay = Relay::bind(vec![spec]).await.unwrap();
    let (address, metrics, stop) = (relay.addresses()[0], relay.metrics(), CancellationToken::new());
    let troubles = Box::new(relay.troubles());
    let running = tokio::spawn(relay.run(stop.clone()));
    soon(upstream.accept()).await.unwrap();
    Bench { address, metrics, stop, running, troubles, upstream }
}

impl Bench {
    /// A client and what the upstream sees of it.
    pub async fn pair(&self) -> (TcpStream, TcpStream) {
        let client = self.client().await;
        (client, self.accepted().await)
    }

    /// The next connection that the upstream sees.
    pub async fn accepted(&self) -> TcpStream {
        let (upstream, _) = soon(self.upstream.accept()).await.unwrap();
        upstream.set_nodelay(true).unwrap();
        upstream
    }

    /// A client alone.
    pub async fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).await.unwrap();
        client.set_nodelay(true).unwrap();
        client
    }

    /// A client that was granted compression, and its upstream.
    pub async fn gzip_pair(&self) -> (TcpStream, TcpStream) {
        let (mut client, upstream) = self.pair().await;
        client.write_all(&request(6)).await.unwrap();
        assert_eq!(exactly(&mut client, GRANTED.len()).await, GRANTED);
        (client, upstream)
    }

    /// A number of the metrics page.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.metrics.page();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name}: {page}")).parse().unwrap()
    }

    /// Waits until a number is on the metrics page.
    pub async fn until_metric(&self, name: &str, value: f64) {
        soon(async {
            while self.metric(name) != value {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits until no client is left.
    pub async fn until_nobody(&self) {
        for mode in ["new", "plain", "gzip"] {
            self.until_metric(&format!("tributary_relay_connections{{mode=\"{mode}\"}}"), 0.0).await;
        }
    }

    /// Closes the upstream's port: nobody listens there then.
    pub fn without_upstream(self) -> (SocketAddr, Arc<Metrics>, Troubles) {
        (self.address, self.metrics, self.troubles)
    }
}

/// Fails when it takes too long.
pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("it takes too long")
}

/// Reads so many bytes.
pub async fn exactly(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    soon(stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

/// Reads to the end; an error is one of the connection.
pub async fn rest(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    soon(stream.read_to_end(&mut bytes)).await.map(|_| bytes)
}

/// Writes until the other side takes no more for a while: how many bytes went. A while that is too short for a busy machine
/// makes the number smaller, and no test fails by that.
pub async fn write_until_full(stream: &mut TcpStream, bytes: &[u8], limit: usize) -> usize {
    let mut sent = 0;
    while let Ok(written) =
        tokio::time::timeout(Duration::from_secs(1), stream.write(&bytes[sent % bytes.len()..])).await
    {
        sent += written.unwrap();
        assert!(sent < limit, "{sent} bytes were taken that nobody reads");
    }
    sent
}

/// A stream for a thread that blocks: gzip is decoded by flate2's reader.
pub fn blocking(stream: TcpStream) -> Blocking {
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Decodes all members to the end of the connection.
pub async fn gunzip_all(stream: TcpStream) -> std::io::Result<Vec<u8>> {
    let stream = blocking(stream);
    let decode = move || {
        let mut data = Vec::new();
        MultiGzDecoder::new(stream).read_to_end(&mut data).map(|_| data)
    };
    tokio::task::spawn_blocking(decode).await.unwrap()
}

/// Decodes a whole gzip stream.
pub fn gunzip(wire: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    MultiGzDecoder::new(wire).read_to_end(&mut data).map(|_| data)
}

/// A close of this socket is a reset from now on.
pub fn will_reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

/// Bytes that look like a stream of writes: `count` commands.
pub fn commands(count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for n in 0..count {
        let value = format!("{{\"id\":{n},\"name\":\"user-{}\",\"score\":{}}}", n * 7919 % 10_007, n * 31 % 997);
        write!(out, "*3\r\n$3\r\nSET\r\n$11\r\nkey:{n:07}\r\n${}\r\n{value}\r\n", value.len()).unwrap();
    }
    out
}

/// Bytes that cannot be compressed (xorshift64).
pub fn noise(count: usize) -> Vec<u8> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_le_bytes()
    };
    (0..count.div_ceil(8)).flat_map(|_| next()).take(count).collect()
}
