//! What a console sees of a compressed link.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::io::Read;
use std::time::Duration;

use common::{blocking, commands, exactly, gunzip, gunzip_all, noise, relay, rest, soon, will_reset, write_until_full};
use flate2::read::MultiGzDecoder;
use tokio::io::AsyncWriteExt;
use tributary_relay::Limits;
use tributary_resp::relay::{GRANTED, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_of_any_kind_and_size_comes_out_as_it_went_in() {
    let bench = relay(Limits::default()).await;
    for data in [Vec::new(), b"x".to_vec(), commands(100_000), noise(2_000_000), vec![0; 20_000_000]] {
        let (client, mut upstream) = bench.gzip_pair().await;
        let want = data.clone();
        let sending = tokio::spawn(async move {
            upstream.write_all(&data).await.unwrap();
            upstream.shutdown().await.unwrap();
        });
        let got = soon(gunzip_all(client)).await.unwrap();
        assert!(got == want, "{} of {} bytes", got.len(), want.len());
        soon(sending).await.unwrap();
    }
    bench.until_nobody().await;
    assert_eq!(bench.metric("tributary_relay_connections_total{mode=\"gzip\"}"), 5.0);
}

#[tokio::test]
async fn every_level_is_granted_and_counted_as_it_was() {
    let bench = relay(Limits::default()).await;
    let (data, mut wire_bytes) = (commands(1000), 0);
    for level in 1..=9 {
        let (mut client, mut upstream) = bench.pair().await;
        // As slowly as a network may bring it.
        for byte in request(level) {
            client.write_all(&[byte]).await.unwrap();
        }
        assert_eq!(exactly(&mut client, GRANTED.len()).await, GRANTED);
        upstream.write_all(&data).await.unwrap();
        drop(upstream);
        let wire = rest(&mut client).await.unwrap();
        assert!(gunzip(&wire).unwrap() == data, "level {level}");
        assert!(wire.len() * 4 < data.len(), "level {level}: {} bytes", wire.len());
        wire_bytes += wire.len();
    }
    assert_eq!(bench.metric("tributary_relay_upstream_bytes_total"), (data.len() * 9) as f64);
    assert_eq!(bench.metric("tributary_relay_wire_bytes_total"), wire_bytes as f64);
    assert!(bench.metric("tributary_relay_compress_cpu_seconds_total") > 0.0);
    assert_eq!(bench.metric("tributary_relay_behind_links"), 0.0);
}

#[tokio::test]
async fn what_follows_the_request_reaches_the_upstream_and_stays_plain() {
    let bench = relay(Limits::default()).await;
    let (mut client, mut upstream) = bench.pair().await;
    let more = commands(5000);
    client.write_all(&[&request(6)[..], &more[..100]].concat()).await.unwrap();
    assert!(exactly(&mut upstream, 100).await == more[..100]);
    client.write_all(&more[100..]).await.unwrap();
    assert!(exactly(&mut upstream, more.len() - 100).await == more[100..]);
    upstream.write_all(b"+PONG\r\n").await.unwrap();
    drop(upstream);
    let wire = rest(&mut client).await.unwrap();
    let gzip = wire.strip_prefix(GRANTED).unwrap();
    assert_eq!(gunzip(gzip).unwrap(), b"+PONG\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_byte_arrives_without_another_behind_it() {
    let bench = relay(Limits::default()).await;
    let (client, mut upstream) = bench.gzip_pair().await;
    let (went, mut goes) = tokio::sync::mpsc::channel::<u8>(1);
    let sending = tokio::spawn(async move {
        while let Some(byte) = goes.recv().await {
            upstream.write_all(&[byte]).await.unwrap();
        }
    });
    let client = blocking(client);
    // A byte that is held back fails the read by its timeout: the next is sent when this one has come.
    let receiving = tokio::task::spawn_blocking(move || {
        // It reads the header when it is made.
        went.blocking_send(0).unwrap();
        let mut decoder = MultiGzDecoder::new(client);
        let mut sent = 0;
        for byte in noise(300) {
            let mut got = [0];
            decoder.read_exact(&mut got).unwrap();
            assert_eq!(got, [sent]);
            went.blocking_send(byte).unwrap();
            sent = byte;
        }
    });
    soon(receiving).await.unwrap();
    soon(sending).await.unwrap();
}

#[tokio::test]
async fn what_was_taken_arrives_although_the_upstream_takes_nothing_more_from_the_client() {
    let bench = relay(Limits::default()).await;
    let (mut client, mut upstream) = bench.gzip_pair().await;
    let ack = b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n";
    // The client does not read, so that the relay's queues are full.
    let noise = noise(1 << 20);
    write_until_full(&mut upstream, &noise, 64 << 20).await;
    let taken = bench.metric("tributary_relay_upstream_bytes_total") as usize;
    // The upstream leaves an acknowledgement unread: its system resets the connection, and writing another fails.
    client.write_all(ack).await.unwrap();
    soon(upstream.readable()).await.unwrap();
    drop(upstream);
    // A console acknowledges all the time. The pauses let the relay notice; without them the test would prove less.
    for _ in 0..20 {
        client.write_all(ack).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let wire = rest(&mut client).await.unwrap();
    let (mut decoder, mut got, mut piece) = (MultiGzDecoder::new(&wire[..]), Vec::new(), vec![0; 65_536]);
    while let Ok(read @ 1..) = decoder.read(&mut piece) {
        got.extend_from_slice(&piece[..read]);
    }
    assert!(got.len() >= taken, "{} of {taken}", got.len());
    assert!(got.chunks(noise.len()).all(|chunk| noise.starts_with(chunk)));
}

#[tokio::test]
async fn when_the_upstream_breaks_off_its_bytes_arrive_and_the_stream_is_not_whole() {
    let bench = relay(Limits::default()).await;
    let (mut client, mut upstream) = bench.gzip_pair().await;
    upstream.write_all(b"+FULL").await.unwrap();
    // It has been read by the relay when it was compressed.
    bench.until_metric("tributary_relay_upstream_bytes_total", 5.0).await;
    will_reset(&upstream);
    drop(upstream);
    let wire = rest(&mut client).await.unwrap();
    let mut decoder = MultiGzDecoder::new(&wire[..]);
    let mut start = [0; 5];
    decoder.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"+FULL");
    assert!(decoder.read(&mut [0; 8]).is_err());
}

#[tokio::test]
async fn when_the_client_goes_its_upstream_is_closed() {
    let bench = relay(Limits::default()).await;
    for reset in [false, true] {
        let (client, mut upstream) = bench.gzip_pair().await;
        if reset {
            will_reset(&client);
        }
        drop(client);
        assert_eq!(rest(&mut upstream).await.unwrap(), b"");
        drop(upstream);
        bench.until_nobody().await;
        // Also in the middle of a transfer, in which the upstream says more than anybody reads.
        let (client, mut upstream) = bench.gzip_pair().await;
        let sending = tokio::spawn(async move { upstream.write_all(&noise(200_000_000)).await });
        if reset {
            will_reset(&client);
        }
        drop(client);
        assert!(soon(sending).await.unwrap().is_err());
        bench.until_nobody().await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_upstream_back() {
    let bench = relay(Limits::default()).await;
    let (client, mut upstream) = bench.gzip_pair().await;
    let noise = noise(1 << 20);
    let sent = write_until_full(&mut upstream, &noise, 64 << 20).await;
    // What the relay has taken and not given away waits in its queues; what is in the systems' buffers beside that does not
    // grow. Noise grows by a little, and a piece counts as taken when all of it was given.
    let taken = bench.metric("tributary_relay_upstream_bytes_total");
    let given = bench.metric("tributary_relay_wire_bytes_total");
    assert!(given <= taken * 1.01 + 131_072.0 && taken <= sent as f64, "{given} of {taken} of {sent}");
    assert!(taken - given < 1.5 * 1024.0 * 1024.0, "{taken} bytes were taken, and {given} given");
    // When it reads, it goes on where it was.
    drop(upstream);
    let got = soon(gunzip_all(client)).await.unwrap();
    assert_eq!(got.len(), sent);
    assert!(got.chunks(noise.len()).all(|chunk| noise.starts_with(chunk)));
}
