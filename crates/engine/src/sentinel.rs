//! Asks Sentinels where the server that they watch is now (Redis' documentation, "Guidelines for Redis clients with
//! support for Redis Sentinel"). They are asked anew at every connection, so a promotion is followed.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::task::JoinSet;
use tributary_resp::write;

use crate::dial;
use crate::failure::classify_reply;
use crate::{Action, Endpoint, ErrorKind, Failure, TlsOptions};

/// How long a Sentinel may take, TLS included.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often they are asked while a connection stands.
const LOOK: Duration = Duration::from_secs(1);
/// No answer is longer.
const LONGEST: u64 = 4096;

/// What there is to do about a name that the Sentinels do not know.
const UNKNOWN_MASTER: &str = "Check the name in the Sentinels' configuration (sentinel monitor NAME …; SENTINEL MASTERS lists what they know). Tributary keeps trying.";

/// Host and port of the server that the Sentinels know as `master`. All are asked at once, and the first that knows is
/// believed: those that are down cost no time.
pub(crate) async fn find(endpoint: &Endpoint, master: &str) -> Result<(String, u16), Failure> {
    let mut asked = JoinSet::new();
    for (host, port) in endpoint.sentinels() {
        let (master, tls) = (master.to_owned(), endpoint.tls.clone());
        asked.spawn(async move { ask_in_time(&host, port, &master, tls.as_ref()).await });
    }
    let mut failures = Vec::new();
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(failure)) => failures.push(failure),
            Err(error) => tracing::error!(%error, "a Sentinel could not be asked"),
        }
    }
    Err(none_knows(&endpoint.authority(), master, failures))
}

/// Waits until the Sentinels name another server than at first: a promotion is followed at once, and not only when the
/// old server closes the connection. A promotion right before the first look is noticed by that. For an endpoint without
/// Sentinels it waits for ever.
pub(crate) async fn moved(endpoint: &Endpoint) -> Failure {
    let Some(master) = &endpoint.sentinel else { return std::future::pending().await };
    let mut first = None;
    loop {
        if let Ok((host, port)) = find(endpoint, master).await {
            let (was, at) = first.get_or_insert_with(|| (host.clone(), port));
            if (was.as_str(), *at) != (host.as_str(), port) {
                let name = endpoint.authority();
                let message = format!("The Sentinels of {name} have put {host}:{port} in the place of {was}:{at}.");
                return Failure::new(ErrorKind::Disconnected, &name, message);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One failure of them all, named after the endpoint that the user knows.
fn none_knows(name: &str, master: &str, mut failures: Vec<Failure>) -> Failure {
    failures.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    let told: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
    let message = format!("No Sentinel tells where “{master}” is. {}", told.join(" "));
    let unknown = failures.iter().find(|failure| failure.hint == UNKNOWN_MASTER);
    // As long as one of them may come back there is no reason to stop.
    let passing = failures.iter().find(|failure| failure.action() == Action::Retry);
    let (kind, hint) = unknown
        .or(passing)
        .or(failures.first())
        .map_or((ErrorKind::Dns, ErrorKind::Dns.hint()), |failure| (failure.kind, failure.hint.as_str()));
    Failure { hint: hint.to_owned(), ..Failure::new(kind, name, message.trim_end()) }
}

async fn ask_in_time(host: &str, port: u16, master: &str, tls: Option<&TlsOptions>) -> Result<(String, u16), Failure> {
    let node = format!("{host}:{port}");
    match tokio::time::timeout(PATIENCE, connect(host, port, &node, master, tls)).await {
        Ok(Ok(Some(found))) => Ok(found),
        Ok(Ok(None)) => {
            let message = format!("The Sentinel {node} does not know a master “{master}”.");
            let failure = Failure::new(ErrorKind::SourceUnavailable, &node, message);
            Err(Failure { hint: UNKNOWN_MASTER.to_owned(), ..failure })
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => {
            let message = format!("The Sentinel {node} did not answer in time.");
            Err(Failure::new(ErrorKind::TimedOut, &node, message))
        }
    }
}

/// Sentinels are entered as the servers that they watch.
async fn connect(
    host: &str,
    port: u16,
    node: &str,
    master: &str,
    tls: Option<&TlsOptions>,
) -> Result<Option<(String, u16)>, Failure> {
    let stream = dial::open(host, port, node).await?;
    match tls {
        None => ask(stream, node, master).await,
        Some(options) => ask(dial::secure(options, host, stream, node).await?, node, master).await,
    }
}

async fn ask<S>(stream: S, node: &str, master: &str) -> Result<Option<(String, u16)>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    let mut bytes = Vec::new();
    write::command(&mut bytes, &[b"SENTINEL", b"get-master-addr-by-name", master.as_bytes()]);
    stream.write_all(&bytes).await.map_err(|e| Failure::io(node, &e))?;
    let mut answer = stream.take(LONGEST).lines();
    let mut line = async || match answer.next_line().await {
        Ok(Some(line)) => Ok(line),
        Ok(None) => Err(Failure::closed(node)),
        Err(error) => Err(Failure::io(node, &error)),
    };
    // `*2`, then twice a length and a text; `*-1` for a master that it does not know.
    let head = line().await?;
    if let Some(error) = head.strip_prefix('-') {
        let message = format!("The Sentinel {node} answered with: {error}");
        return Err(Failure::new(classify_reply(error), node, message));
    }
    if head.trim() != "*2" {
        return Ok(None);
    }
    line().await?;
    let host = line().await?;
    line().await?;
    let port = line().await?.trim().parse();
    let strange = |_| Failure::new(ErrorKind::NotRedis, node, format!("{node} does not answer as a Sentinel does."));
    Ok(Some((host.trim().to_owned(), port.map_err(strange)?)))
}
