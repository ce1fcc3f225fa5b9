//! Opens connections, plain or encrypted.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tributary_tls::{ClientTls, TlsOptions, TlsStream};

use crate::{Endpoint, ErrorKind, Failure, sentinel};

/// How long a connection may take to come about, and TLS again as long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The reading half of a connection.
pub(crate) type Reader = Box<dyn AsyncRead + Send + Sync + Unpin>;
/// The writing half of a connection.
pub(crate) type Writer = Box<dyn AsyncWrite + Send + Sync + Unpin>;

/// A connection to a server.
pub(crate) struct Dialled {
    pub reader: Reader,
    pub writer: Writer,
    /// The version of TLS that was agreed on, as `TLS 1.3`; `None` for an open link.
    pub tls: Option<&'static str>,
}

/// Connects to a server.
///
/// # Errors
/// `dns`, `unreachable`, `timed_out` or `tls`.
pub(crate) async fn dial(endpoint: &Endpoint) -> Result<Dialled, Failure> {
    let name = endpoint.authority();
    let (host, tcp) = reach(endpoint, &name).await?;
    let Some(options) = &endpoint.tls else {
        let (reader, writer) = tcp.into_split();
        return Ok(Dialled { reader: Box::new(reader), writer: Box::new(writer), tls: None });
    };
    let stream = secure(options, &host, tcp, &name).await?;
    let tls = Some(stream.version());
    let (reader, writer) = tokio::io::split(stream);
    Ok(Dialled { reader: Box::new(reader), writer: Box::new(writer), tls })
}

/// Opens the connection that is to be encrypted, or not; with the host that it leads to.
///
/// # Errors
/// `dns`, `unreachable` or `timed_out`.
pub(crate) async fn reach(endpoint: &Endpoint, name: &str) -> Result<(String, TcpStream), Failure> {
    tokio::time::timeout(CONNECT_TIMEOUT, find(endpoint, name)).await.unwrap_or_else(|_| {
        let seconds = CONNECT_TIMEOUT.as_secs();
        Err(Failure::new(ErrorKind::TimedOut, name, format!("{name} did not accept a connection within {seconds} s.")))
    })
}

async fn find(endpoint: &Endpoint, name: &str) -> Result<(String, TcpStream), Failure> {
    let (host, port) = match &endpoint.sentinel {
        Some(master) => sentinel::find(endpoint, master).await?,
        None => (endpoint.host.clone(), endpoint.port),
    };
    let tcp = open(&host, port, name).await?;
    // Batches are written whole; waiting for an ACK before the next one would only add lag.
    tcp.set_nodelay(true).map_err(|e| Failure::io(name, &e))?;
    Ok((host, tcp))
}

/// Opens a plain connection; `name` is what messages call the server.
pub(crate) async fn open(host: &str, port: u16, name: &str) -> Result<TcpStream, Failure> {
    let addresses: Vec<_> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|e| {
            let message = format!("The host name {host} has no address: {e}.");
            Failure::new(ErrorKind::Dns, name, message)
        })?
        .collect();
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(Failure::io(name, &error)),
        }
    }
    Err(last.unwrap_or_else(|| Failure::new(ErrorKind::Dns, name, format!("The host name {host} has no address."))))
}

/// Encrypts a connection to `host`.
pub(crate) async fn secure(
    options: &TlsOptions,
    host: &str,
    tcp: TcpStream,
    name: &str,
) -> Result<TlsStream<TcpStream>, Failure> {
    let tls = prepare(options, name).await?;
    handshake(&tls, host, tcp, name).await
}

/// Redis that expects no TLS takes the first message for the beginning of a command, and waits for the rest of it.
pub(crate) async fn handshake(
    tls: &ClientTls,
    host: &str,
    tcp: TcpStream,
    name: &str,
) -> Result<TlsStream<TcpStream>, Failure> {
    match tokio::time::timeout(CONNECT_TIMEOUT, tls.connect(host, tcp)).await {
        Ok(done) => done.map_err(|error| Failure::tls(name, &error)),
        Err(_) => {
            let seconds = CONNECT_TIMEOUT.as_secs();
            let message =
                format!("{name} did not answer the TLS handshake within {seconds} s; its port may not speak TLS.");
            let hint = "Check the port: Redis serves TLS at tls-port. Or turn TLS off for this endpoint. Tributary keeps trying.";
            Err(Failure { hint: hint.to_owned(), ..Failure::new(ErrorKind::TimedOut, name, message) })
        }
    }
}

/// Reads the files that the options name. Opening an encrypted key is made to take its time.
pub(crate) async fn prepare(options: &TlsOptions, name: &str) -> Result<ClientTls, Failure> {
    let options = options.clone();
    match tokio::task::spawn_blocking(move || ClientTls::new(&options)).await {
        Ok(tls) => tls.map_err(|error| Failure::tls(name, &error)),
        Err(error) => Err(Failure::new(ErrorKind::Internal, name, format!("TLS could not be set up: {error}."))),
    }
}
