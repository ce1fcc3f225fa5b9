//! Two pages over HTTP/1.1, for scrapers and probes on a network that is trusted: there is no login, and nothing that is
//! served is a secret.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};

/// Connections at a time; further ones wait in the kernel.
const CONNECTIONS: usize = 32;
/// How long one may take from its first byte to its last.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after an `accept` that failed, as it does while file descriptors are short.
const BREATH: Duration = Duration::from_millis(100);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Whether all is well, in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// 200 when it is, else 503.
    pub well: bool,
    /// The body, a JSON text.
    pub json: String,
}

/// What is served. Both are called for each request, on a thread that must not be blocked.
pub struct Pages {
    /// The text of `/metrics`.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// The answer of `/health`.
    pub health: Box<Ask>,
}

/// What is given the part of `/health` behind the `?`.
pub type Ask = dyn Fn(Option<&str>) -> Health + Send + Sync;

/// A socket that is bound and serves nothing yet.
#[derive(Debug)]
pub struct Server(TcpListener);

impl Server {
    /// Takes the address; port 0 is any that is free.
    ///
    /// # Errors
    /// When it is taken or not of this machine.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(TcpListener::bind(address).await?))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until [`Serving::stop`].
    #[must_use]
    pub fn serve(self, pages: Pages) -> Serving {
        let (end, ended) = oneshot::channel();
        Serving { end, task: tokio::spawn(accept(self.0, Arc::new(pages), ended)) }
    }
}

/// A server that runs.
#[derive(Debug)]
pub struct Serving {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Closes the socket and all connections.
    pub async fn stop(self) {
        // Dropping it is the sign.
        drop(self.end);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the server of the metrics ended early");
        }
    }
}

/// Answers connections until `ended`; dropping the set ends those that are open.
async fn accept(listener: TcpListener, pages: Arc<Pages>, mut ended: oneshot::Receiver<()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            _ = &mut ended => return,
            Some(_) = open.join_next() => {}
            (place, accepted) = next => match accepted {
                Ok((stream, _)) => {
                    let pages = Arc::clone(&pages);
                    open.spawn(async move {
                        answer_all(stream, pages).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection for metrics could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

async fn answer_all(stream: TcpStream, pages: Arc<Pages>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(&request, &pages);
        async move { Ok::<_, Infallible>(response) }
    });
    // One request a connection: nobody holds a place while idle.
    let connection =
        hyper::server::conn::http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request for metrics broke off"),
        Err(_) => tracing::debug!("a request for metrics took too long"),
    }
}

fn answer<B>(request: &Request<B>, pages: &Pages) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET is understood here.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => respond(StatusCode::OK, TEXT, (pages.metrics)()),
        "/health" => {
            let health = (pages.health)(request.uri().query());
            let status = if health.well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            respond(status, JSON, health.json)
        }
        _ => plain(StatusCode::NOT_FOUND, "There are /metrics and /health.\n"),
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    respond(status, HeaderValue::from_static("text/plain; charset=utf-8"), text.to_owned())
}

fn respond(status: StatusCode, kind: HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn pages() -> Pages {
        let health = |query: Option<&str>| Health { well: query.is_none(), json: format!("{{\"q\":{query:?}}}") };
        Pages { metrics: Box::new(|| "a 1\n".to_owned()), health: Box::new(health) }
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn both_pages_are_served_and_nothing_else() {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.address().unwrap();
        let serving = server.serve(pages());
        let metrics = ask(address, "GET /metrics").await;
        assert!(metrics.starts_with("HTTP/1.1 200") && metrics.ends_with("\r\n\r\na 1\n"), "{metrics}");
        assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
        assert!(ask(address, "GET /health").await.starts_with("HTTP/1.1 200"));
        let ill = ask(address, "GET /health?synced").await;
        assert!(ill.starts_with("HTTP/1.1 503") && ill.contains("synced"), "{ill}");
        assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /metrics").await.starts_with("HTTP/1.1 405"));
        assert!(ask(address, "nonsense").await.starts_with("HTTP/1.1 400"));
        serving.stop().await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn clients_that_say_nothing_do_not_keep_it_from_stopping() {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.address().unwrap();
        let serving = server.serve(pages());
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS + 3 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        serving.stop().await;
    }
}
