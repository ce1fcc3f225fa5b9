//! Asks Sentinels where the server that they watch is now (Redis' documentation, "Guidelines for Redis clients with
//! support for Redis Sentinel"). They are asked anew at every connection, so a promotion is followed.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tributary_resp::write;

use crate::dial;
use crate::failure::classify_reply;
use crate::{Endpoint, ErrorKind, Failure};

/// How long one Sentinel may take; the next one is asked then.
const PATIENCE: Duration = Duration::from_secs(2);
/// No answer is longer.
const LONGEST: u64 = 4096;

/// Host and port of the server that the Sentinels know as `master`.
pub(crate) async fn find(endpoint: &Endpoint, master: &str) -> Result<(String, u16), Failure> {
    let name = endpoint.authority();
    let mut last = None;
    for (host, port) in endpoint.sentinels() {
        let node = format!("{host}:{port}");
        match tokio::time::timeout(PATIENCE, ask(&host, port, &node, master)).await {
            Ok(Ok(Some(found))) => return Ok(found),
            Ok(Ok(None)) => {
                let message = format!("The Sentinel {node} does not know a master “{master}”.");
                last = Some(Failure::new(ErrorKind::SourceUnavailable, &name, message));
            }
            Ok(Err(failure)) => last = Some(failure),
            Err(_) => {
                let message = format!("The Sentinel {node} did not answer in time.");
                last = Some(Failure::new(ErrorKind::TimedOut, &name, message));
            }
        }
    }
    Err(last.unwrap_or_else(|| Failure::new(ErrorKind::Dns, &name, "No Sentinel is named.")))
}

async fn ask(host: &str, port: u16, node: &str, master: &str) -> Result<Option<(String, u16)>, Failure> {
    let stream = dial::open(host, port, node).await?;
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
