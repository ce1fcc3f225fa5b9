//! What a relay tells its log. The log is the process's, so this program has one test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};

use common::{exactly, relay, rest, soon};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tributary_relay::Limits;
use tributary_resp::relay::request;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Waits for a line with all of these.
    async fn line(&self, parts: &[&str]) -> String {
        soon(async {
            loop {
                let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
                if let Some(line) = text.lines().find(|line| parts.iter().all(|part| line.contains(part))) {
                    return line.to_owned();
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await
    }
}

#[tokio::test]
async fn the_log_tells_how_clients_ended_and_that_the_upstream_is_gone_and_holds_no_payload() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let bench = relay(Limits { connections: 1, ..Limits::default() }).await;
    let (mut client, mut upstream) = bench.pair().await;
    client.write_all(b"AUTH S3CR3T\r\n").await.unwrap();
    assert_eq!(exactly(&mut upstream, 13).await, b"AUTH S3CR3T\r\n");
    rest(&mut bench.client().await).await.unwrap();
    log.line(&["WARN", "as many clients as may be", "clients=1"]).await;
    upstream.write_all(b"+S3CR3T\r\n").await.unwrap();
    assert_eq!(exactly(&mut client, 9).await, b"+S3CR3T\r\n");
    let peer = client.local_addr().unwrap().to_string();
    drop(upstream);
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    drop(client);
    log.line(&["INFO", "client closed", &peer, "mode=\"plain\"", "from_upstream=9", "reason=\"ended\""]).await;
    assert_eq!((bench.troubles)(), []);
    let (address, metrics, troubles) = bench.without_upstream();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&[&request(6)[..], b"AUTH S3CR3T\r\n"].concat()).await.unwrap();
    // It is closed with what it sent unread: an end or a reset.
    assert_eq!(rest(&mut client).await.unwrap_or_default(), b"");
    log.line(&["WARN", "the upstream cannot be reached", "refused"]).await;
    log.line(&["INFO", "client closed", "mode=\"new\"", "refused"]).await;
    let told = troubles();
    assert!(told.len() == 1 && told[0].0.starts_with("127.0.0.1:") && told[0].1.contains("refused"), "{told:?}");
    assert!(metrics.page().contains("tributary_relay_upstream_failures_total 1\n"), "{}", metrics.page());
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("S3CR3T"), "{text}");
}
