//! What clients may use up, and how a relay ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::time::Duration;

use common::{commands, exactly, gunzip, gunzip_all, noise, relay, relay_with, rest, soon};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tributary_relay::{Limits, Relay, RelaySpec, ServerTls, Upstream};
use tributary_resp::relay::request;
use tributary_tests::certificates::Authority;
use tributary_tls::{ClientIdentity, TlsVersion};

const HANDSHAKES: &str = "tributary_relay_refused_total{reason=\"handshake\"}";

#[tokio::test]
async fn a_request_that_never_ends_is_dropped_and_counted() {
    let bench = relay(Limits { handshake: Duration::from_millis(50), ..Limits::default() }).await;
    let (mut idle, mut served) = bench.pair().await;
    let (mut client, mut upstream) = bench.pair().await;
    client.write_all(&request(6)[..40]).await.unwrap();
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    assert_eq!(rest(&mut upstream).await.unwrap(), b"", "nothing of it belongs to the upstream");
    assert_eq!(bench.metric(HANDSHAKES), 1.0);
    // One that has been silent for longer has begun nothing.
    idle.write_all(b"PING\r\n").await.unwrap();
    assert_eq!(exactly(&mut served, 6).await, b"PING\r\n");
    // And one that comes and goes, as probes do, is not refused.
    drop(bench.pair().await.0);
    bench.until_metric("tributary_relay_connections_total{mode=\"plain\"}", 2.0).await;
    assert_eq!(bench.metric(HANDSHAKES), 1.0);
}

#[tokio::test]
async fn a_client_that_never_ends_its_tls_handshake_or_speaks_none_is_dropped() {
    let authority = Authority::new("Ours");
    let signed = authority.signs("127.0.0.1");
    let identity =
        ClientIdentity { certificate: signed.certificate.clone(), key: signed.key.clone(), passphrase: None };
    let tls = ServerTls { identity, client_authorities: None, oldest: TlsVersion::default() };
    let bench = relay_with(Limits { handshake: Duration::from_millis(50), ..Limits::default() }, Some(tls)).await;
    let mut silent = bench.client().await;
    assert_eq!(rest(&mut silent).await.unwrap(), b"");
    assert_eq!(bench.metric(HANDSHAKES), 1.0);
    let mut plain = bench.client().await;
    plain.write_all(&request(6)).await.unwrap();
    // An alert, and the end.
    assert!(rest(&mut plain).await.unwrap_or_default().len() < 16);
    bench.until_metric(HANDSHAKES, 2.0).await;
    bench.until_nobody().await;
}

#[tokio::test]
async fn a_client_above_the_limit_is_told_so_and_the_others_live() {
    let bench = relay(Limits { connections: 2, ..Limits::default() }).await;
    let (mut first, mut first_upstream) = bench.pair().await;
    let (second, mut second_upstream) = bench.gzip_pair().await;
    let mut third = bench.client().await;
    assert_eq!(rest(&mut third).await.unwrap(), b"-ERR max number of clients reached at the relay\r\n");
    assert_eq!(bench.metric("tributary_relay_refused_total{reason=\"full\"}"), 1.0);
    first.write_all(b"PING\r\n").await.unwrap();
    assert_eq!(exactly(&mut first_upstream, 6).await, b"PING\r\n");
    second_upstream.write_all(b"data").await.unwrap();
    drop(second_upstream);
    assert_eq!(soon(gunzip_all(second)).await.unwrap(), b"data");
    // A place that is free is given away.
    bench.until_metric("tributary_relay_connections{mode=\"gzip\"}", 0.0).await;
    let served = async {
        loop {
            let mut fourth = bench.client().await;
            // The connection has ended a moment before its place is free.
            if fourth.write_all(b"x").await.is_err() {
                continue;
            }
            let mut refusal = [0];
            tokio::select! {
                refused = fourth.peek(&mut refusal) => assert!(refused.is_err() || refused.is_ok_and(|read| read > 0)),
                mut upstream = bench.accepted() => return exactly(&mut upstream, 1).await,
            }
        }
    };
    assert_eq!(soon(served).await, b"x");
}

#[tokio::test]
async fn a_relay_whose_server_is_itself_says_so_and_does_not_call_itself_without_end() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for listen in ["127.0.0.1", "0.0.0.0"] {
        let itself = Upstream::parse(&format!("127.0.0.1:{free}")).unwrap();
        let (listen, limits) = (format!("{listen}:{free}"), Limits::default());
        let relay = Relay::bind(vec![RelaySpec { listen, upstream: itself, tls: None, limits }]).await.unwrap();
        let (troubles, metrics, stop) = (relay.troubles(), relay.metrics(), CancellationToken::new());
        let running = tokio::spawn(relay.run(stop.clone()));
        let mut client = soon(TcpStream::connect(("127.0.0.1", free))).await.unwrap();
        assert_eq!(rest(&mut client).await.unwrap(), b"");
        assert!(troubles()[0].1.contains("the relay itself"), "{:?}", troubles());
        stop.cancel();
        soon(running).await.unwrap();
        assert!(metrics.page().contains("tributary_relay_connections_total{mode=\"plain\"} 0"), "{}", metrics.page());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_do_not_starve_a_compressed_link() {
    raise_file_limit(4_200);
    let bench = relay(Limits::default()).await;
    let mut idle = Vec::new();
    for number in 0..1000 {
        let (mut client, upstream) = bench.pair().await;
        // Half of them have not said anything yet.
        if number % 2 == 0 {
            client.write_all(b"+").await.unwrap();
        }
        idle.push((client, upstream));
    }
    bench.until_metric("tributary_relay_connections{mode=\"plain\"}", 500.0).await;
    assert_eq!(bench.metric("tributary_relay_connections{mode=\"new\"}"), 500.0);
    let (client, mut upstream) = bench.gzip_pair().await;
    let data = commands(200_000);
    let want = data.clone();
    let sending = tokio::spawn(async move { upstream.write_all(&data).await.unwrap() });
    assert!(soon(gunzip_all(client)).await.unwrap() == want);
    soon(sending).await.unwrap();
    // They are served still.
    for (client, upstream) in idle.iter_mut().skip(1).step_by(100) {
        client.write_all(b"PING\r\n").await.unwrap();
        assert_eq!(exactly(upstream, 6).await, b"PING\r\n");
    }
}

#[tokio::test]
async fn told_to_stop_it_listens_no_more_and_delivers_the_answers_to_what_was_asked() {
    let bench = relay(Limits::default()).await;
    let (mut client, mut upstream) = bench.pair().await;
    client.write_all(b"PING\r\n").await.unwrap();
    assert_eq!(exactly(&mut upstream, 6).await, b"PING\r\n");
    let (mut idle, _idle_upstream) = bench.pair().await;
    bench.stop.cancel();
    // One that has asked nothing is closed, and nobody new is let in, while the first still waits for its answer.
    assert_eq!(rest(&mut idle).await.unwrap(), b"");
    soon(async { while TcpStream::connect(bench.address).await.is_ok() {} }).await;
    // The upstream hears that this was all, and answers.
    assert_eq!(rest(&mut upstream).await.unwrap(), b"");
    assert!(!bench.running.is_finished());
    let answer = noise(1_000_000);
    let (sent, got) =
        soon(async { tokio::join!(upstream.write_all(&answer), exactly(&mut client, answer.len())) }).await;
    sent.unwrap();
    assert!(got == answer);
    drop(upstream);
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    drop(client);
    soon(bench.running).await.unwrap();
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_it_compresses() {
    let bench = relay(Limits::default()).await;
    let (mut client, mut upstream) = bench.gzip_pair().await;
    let data = commands(2_000);
    upstream.write_all(&data).await.unwrap();
    bench.until_metric("tributary_relay_upstream_bytes_total", data.len() as f64).await;
    bench.stop.cancel();
    // A console acknowledges all the time; that must not break what is on its way to it.
    client.write_all(b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n").await.unwrap();
    assert!(gunzip(&rest(&mut client).await.unwrap()).unwrap() == data);
    drop(client);
    // The upstream goes on sending as if nothing were; the relay does not wait for it.
    soon(bench.running).await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() {
    let bench = relay(Limits { drain: Duration::from_millis(50), ..Limits::default() }).await;
    // It waits for an answer that does not come.
    let (mut waiting, _upstream) = bench.pair().await;
    waiting.write_all(b"BLPOP\r\n").await.unwrap();
    // It does not read what is there for it.
    let (link, mut full) = bench.gzip_pair().await;
    common::write_until_full(&mut full, &noise(1 << 20), 64 << 20).await;
    bench.stop.cancel();
    soon(bench.running).await.unwrap();
    assert_eq!(rest(&mut waiting).await.unwrap_or_default(), b"");
    assert!(soon(gunzip_all(link)).await.is_err(), "a member that is cut off must not look whole");
}

/// At least so many open files; the usual soft limit is lower.
fn raise_file_limit(files: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    assert!(limit.maximum.is_none_or(|maximum| maximum >= files), "the test needs {files} open files: {limit:?}");
    if limit.current.is_some_and(|current| current < files) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: limit.maximum }).unwrap();
    }
}
