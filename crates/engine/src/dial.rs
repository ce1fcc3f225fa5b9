//! Opens connections, plain or encrypted.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::{Endpoint, ErrorKind, Failure, sentinel};

/// How long a connection may take to come about, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The reading half of a connection.
pub(crate) type Reader = Box<dyn AsyncRead + Send + Sync + Unpin>;
/// The writing half of a connection.
pub(crate) type Writer = Box<dyn AsyncWrite + Send + Sync + Unpin>;

/// Connects to a server.
///
/// # Errors
/// `dns`, `unreachable`, `timed_out` or `tls`.
pub(crate) async fn dial(endpoint: &Endpoint) -> Result<(Reader, Writer), Failure> {
    let name = endpoint.authority();
    tokio::time::timeout(CONNECT_TIMEOUT, connect(endpoint, &name)).await.unwrap_or_else(|_| {
        let seconds = CONNECT_TIMEOUT.as_secs();
        Err(Failure::new(ErrorKind::TimedOut, &name, format!("{name} did not accept a connection within {seconds} s.")))
    })
}

async fn connect(endpoint: &Endpoint, name: &str) -> Result<(Reader, Writer), Failure> {
    let (host, port) = match &endpoint.sentinel {
        Some(master) => sentinel::find(endpoint, master).await?,
        None => (endpoint.host.clone(), endpoint.port),
    };
    let tcp = open(&host, port, name).await?;
    // Batches are written whole; waiting for an ACK before the next one would only add lag.
    tcp.set_nodelay(true).map_err(|e| Failure::io(name, &e))?;
    if !endpoint.tls {
        let (reader, writer) = tcp.into_split();
        return Ok((Box::new(reader), Box::new(writer)));
    }
    let server = ServerName::try_from(host.clone())
        .map_err(|_| Failure::new(ErrorKind::Tls, name, format!("{host} is no name that a certificate can hold.")))?;
    let connector = TlsConnector::from(tls_config(name)?);
    let stream = connector.connect(server, tcp).await.map_err(|e| tls_failure(name, &e))?;
    let (reader, writer) = tokio::io::split(stream);
    Ok((Box::new(reader), Box::new(writer)))
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

/// TLS 1.2 and 1.3 with the authorities that this machine trusts; read once, they do not change while we run.
fn tls_config(name: &str) -> Result<Arc<ClientConfig>, Failure> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let message = "This machine has no trusted certificate authorities, so no certificate can be checked.";
        return Err(Failure::new(ErrorKind::Tls, name, message));
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(CONFIG.get_or_init(|| Arc::new(config)).clone())
}

/// A handshake that was cut is worth another try; one that was refused is not.
fn tls_failure(name: &str, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::UnexpectedEof | Io::ConnectionReset | Io::BrokenPipe => Failure::new(
            ErrorKind::Disconnected,
            name,
            format!("{name} closed the connection during the TLS handshake; the port may not speak TLS."),
        ),
        _ => Failure::new(ErrorKind::Tls, name, format!("No encrypted link to {name}: {error}.")),
    }
}
