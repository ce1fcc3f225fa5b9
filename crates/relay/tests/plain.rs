//! To clients that do not ask for compression the relay is not there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::time::Duration;

use common::{commands, exactly, noise, relay, rest, soon, will_reset, write_until_full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tributary_relay::Limits;
use tributary_resp::relay::request;

#[tokio::test]
async fn bytes_pass_both_ways_at_a_time_as_they_are() {
    let bench = relay(Limits::default()).await;
    let (client, upstream) = bench.pair().await;
    let (up, down) = (commands(20_000), noise(3_000_000));
    let ((mut client_in, mut client_out), (mut upstream_in, mut upstream_out)) =
        (client.into_split(), upstream.into_split());
    let (mut got_up, mut got_down) = (Vec::new(), Vec::new());
    let asking = async {
        client_out.write_all(&up).await.unwrap();
        client_out.shutdown().await.unwrap();
    };
    let answering = async {
        upstream_out.write_all(&down).await.unwrap();
        upstream_out.shutdown().await.unwrap();
    };
    let moved = soon(async {
        tokio::join!(asking, answering, upstream_in.read_to_end(&mut got_up), client_in.read_to_end(&mut got_down))
    });
    let (.., went_up, went_down) = moved.await;
    assert_eq!((went_up.unwrap(), went_down.unwrap()), (up.len(), down.len()));
    assert!(got_up == up && got_down == down);
    bench.until_nobody().await;
    assert_eq!(bench.metric("tributary_relay_connections_total{mode=\"plain\"}"), 1.0);
    assert_eq!(bench.metric("tributary_relay_wire_bytes_total"), 0.0);
}

#[tokio::test]
async fn what_only_resembles_a_request_is_the_servers_also_byte_by_byte() {
    let bench = relay(Limits::default()).await;
    let form = request(6);
    let mut last_differs = form.clone();
    *last_differs.last_mut().unwrap() = b'\r';
    let lower = form.to_ascii_lowercase();
    let inline = b"REPLCONF tributary-gzip 6\r\n".to_vec();
    let second = [b"PING\r\n", &form[..]].concat();
    let garbage = [&form[..30], b"\0\xff\r\n\r\n", &noise(5000)].concat();
    for sent in [last_differs, lower, inline, second, garbage, request(0), request(10), commands(3)] {
        for size in [1, 7, sent.len()] {
            let (mut client, mut upstream) = bench.pair().await;
            let (sending, want) = (sent.clone(), sent.len());
            let sender = tokio::spawn(async move {
                for piece in sending.chunks(size) {
                    client.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                client
            });
            let got = exactly(&mut upstream, want).await;
            assert!(got == sent, "{} instead of {}", got.escape_ascii(), sent.escape_ascii());
            let mut client = soon(sender).await.unwrap();
            upstream.write_all(b"-ERR unknown\r\n").await.unwrap();
            assert_eq!(exactly(&mut client, 14).await, b"-ERR unknown\r\n");
        }
    }
}

#[tokio::test]
async fn bytes_that_come_one_by_one_go_on_one_by_one() {
    let bench = relay(Limits::default()).await;
    let (mut client, mut upstream) = bench.pair().await;
    // Each is waited for: nothing is kept until there is more. Only the start may become a request.
    let (start, more) = (b"*3\r\n$3\r\nS", b"ET\r\n$1\r\nk\r\n$1\r\nv\r\n");
    client.write_all(start).await.unwrap();
    assert_eq!(exactly(&mut upstream, start.len()).await, start);
    for byte in more {
        client.write_all(&[*byte]).await.unwrap();
        assert_eq!(exactly(&mut upstream, 1).await, [*byte]);
        upstream.write_all(&[*byte]).await.unwrap();
        assert_eq!(exactly(&mut client, 1).await, [*byte]);
    }
}

#[tokio::test]
async fn a_half_closed_connection_goes_on_the_other_way() {
    let bench = relay(Limits::default()).await;
    let (mut client, mut upstream) = bench.pair().await;
    client.write_all(b"PING\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut upstream).await.unwrap(), b"PING\r\n");
    upstream.write_all(b"+PONG\r\n").await.unwrap();
    assert_eq!(exactly(&mut client, 7).await, b"+PONG\r\n");
    drop(upstream);
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    let (mut client, mut upstream) = bench.pair().await;
    upstream.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    client.write_all(b"still here").await.unwrap();
    assert_eq!(exactly(&mut upstream, 10).await, b"still here");
    drop(client);
    assert_eq!(rest(&mut upstream).await.unwrap(), b"");
    bench.until_nobody().await;
}

#[tokio::test]
async fn half_a_connection_in_which_nothing_moves_is_closed() {
    let bench = relay(Limits { half_closed: Duration::from_millis(50), ..Limits::default() }).await;
    let (mut client, mut upstream) = bench.pair().await;
    upstream.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    // The client does not close; the upstream sees its end all the same.
    assert_eq!(rest(&mut upstream).await.unwrap(), b"");
    bench.until_nobody().await;
    // Likewise where it is the upstream that hangs.
    let (mut client, _upstream) = bench.pair().await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    bench.until_nobody().await;
}

#[tokio::test]
async fn a_part_of_a_request_before_the_end_goes_to_the_upstream() {
    let bench = relay(Limits::default()).await;
    let (mut client, mut upstream) = bench.pair().await;
    client.write_all(&request(6)[..40]).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut upstream).await.unwrap(), &request(6)[..40]);
    upstream.write_all(b"-ERR\r\n").await.unwrap();
    drop(upstream);
    assert_eq!(rest(&mut client).await.unwrap(), b"-ERR\r\n");
}

#[tokio::test]
async fn an_upstream_that_speaks_first_is_heard_and_nothing_of_the_client_is_lost() {
    let bench = relay(Limits::default()).await;
    let refusal = b"-ERR max number of clients reached\r\n";
    for begun in [0, 1, 20, request(6).len() - 1] {
        let (mut client, mut upstream) = bench.pair().await;
        client.write_all(&request(6)[..begun]).await.unwrap();
        upstream.write_all(refusal).await.unwrap();
        assert_eq!(exactly(&mut client, refusal.len()).await, refusal);
        client.write_all(&request(6)[begun..]).await.unwrap();
        assert_eq!(exactly(&mut upstream, request(6).len()).await, request(6), "{begun}");
    }
}

#[tokio::test]
async fn a_client_sees_all_that_an_upstream_said_before_it_closed() {
    let bench = relay(Limits::default()).await;
    let (mut client, mut upstream) = bench.pair().await;
    client.write_all(b"GET").await.unwrap();
    assert_eq!(exactly(&mut upstream, 3).await, b"GET");
    // It closes with something unread, as a server that has seen a protocol error: its system resets the connection.
    client.write_all(&noise(2_000_000)).await.ok();
    let said = noise(20_000);
    upstream.write_all(&said).await.unwrap();
    drop(upstream);
    assert!(rest(&mut client).await.unwrap() == said);
    drop(client);
    bench.until_nobody().await;
}

#[tokio::test]
async fn when_the_client_goes_its_upstream_is_closed() {
    let bench = relay(Limits::default()).await;
    for reset in [false, true] {
        // One that has said nothing, one that has begun, one in use.
        for said in [&b""[..], &request(6)[..10], b"PING\r\n"] {
            let (mut client, mut upstream) = bench.pair().await;
            client.write_all(said).await.unwrap();
            if reset {
                will_reset(&client);
            }
            drop(client);
            // Bytes before a reset may be lost with it; before an end they may not.
            let got = rest(&mut upstream).await.unwrap();
            assert!(if reset { said.starts_with(&got) } else { said == got }, "{}", got.escape_ascii());
            drop(upstream);
            bench.until_nobody().await;
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_upstream_back() {
    let bench = relay(Limits::default()).await;
    let (mut client, mut upstream) = bench.pair().await;
    client.write_all(b"PSYNC\r\n").await.unwrap();
    assert_eq!(exactly(&mut upstream, 7).await, b"PSYNC\r\n");
    // What the systems of both connections buffer, and 64 KiB of the relay.
    let noise = noise(1 << 20);
    let sent = write_until_full(&mut upstream, &noise, 64 << 20).await;
    // When it reads, all is there, in its order.
    drop(upstream);
    let got = rest(&mut client).await.unwrap();
    assert_eq!(got.len(), sent);
    assert!(got.chunks(noise.len()).all(|chunk| noise.starts_with(chunk)));
}
