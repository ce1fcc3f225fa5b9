//! Replication through a real relay: compressed, encrypted, killed in mid-stream.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tributary_tests::certificates::Authority;
use tributary_tests::cli::{Sync, program};
use tributary_tests::load::{self, Writer};
use tributary_tests::proxy::{Direction, Proxy};
use tributary_tests::relay::Relay;
use tributary_tests::server::{Server, Version};
use tributary_tests::{compare, eventually, scale};

const TOLERANCE_MS: i64 = 150;

#[test]
fn a_compressed_link_brings_everything_in_fewer_bytes() {
    let (source, destination) = (Server::start(Version::Redis82), Server::start(Version::Redis82));
    let relay = Relay::beside(&source, &[]);
    load::bulk(&source, 20_000);
    let mut sync = Sync::start(&relay.url("?compress=gzip"), &destination.url(), &[], &[]);
    sync.until_synced();
    let before = source.count("master_repl_offset");
    let writer = Writer::start(&source);
    eventually("some writes", || (source.count("master_repl_offset") > before + 100_000).then_some(()));
    assert!(writer.finish() > 0);
    let report = sync.until_in_step(&source);
    compare::servers(&source, &destination, TOLERANCE_MS).none();
    let (bytes, wire) = (report["bytes"].as_u64().unwrap(), report["wire_bytes"].as_u64().unwrap());
    assert!(wire * 2 < bytes, "{report}");
    let ratio = report["compression"]["ratio"].as_f64().unwrap();
    assert!((ratio - bytes as f64 / wire as f64).abs() < 0.1, "{report}");
    assert!(report["compression"]["cpu_seconds"].as_f64().unwrap() > 0.0, "{report}");
    let page = relay.metrics();
    assert!(page.contains("tributary_relay_connections{mode=\"gzip\"} 1"), "{page}");
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn compression_at_an_endpoint_that_is_no_relay_stops_and_says_so() {
    let destination = Server::start(Version::Redis70);
    for (version, config) in [(Version::Redis82, &[][..]), (Version::Redis62, &["requirepass s3cret"])] {
        let source = Server::with(version, config);
        let url = source.url().replace("redis://", if config.is_empty() { "redis://" } else { "redis://:s3cret@" });
        let ended = Sync::start(&format!("{url}?compress=gzip"), &destination.url(), &["--flush"], &[]).ended();
        let error = ended.stopped_with("not_relay");
        assert!(error["message"].as_str().unwrap().contains("is not a relay"), "{error}");
        assert!(!ended.output().contains("s3cret"), "{}", ended.output());
    }
}

#[test]
fn a_relay_that_is_killed_in_mid_stream_and_started_again_loses_and_repeats_nothing() {
    let source = Server::with(Version::Redis70, &["repl-backlog-size 256mb"]);
    let destination = Server::start(Version::Redis82);
    let mut relay = Relay::beside(&source, &[]);
    load::bulk(&source, 5_000);
    let mut sync = Sync::start(&relay.url("?compress=gzip"), &destination.url(), &[], &[]);
    sync.until_synced();
    let full = source.count("sync_full");
    // What the backlog holds has to last over the breaks.
    let writer = Writer::paced(&source, Duration::from_millis(2));
    for _ in 0..3 {
        let applied = sync.until_synced()["applied"].as_u64().unwrap();
        sync.until("the stream runs", |report| report["applied"].as_u64() > Some(applied + 10_000));
        relay.kill();
        sync.until("the break is noticed", |report| report["phase"] == "retrying");
        relay.start_again();
    }
    assert!(writer.finish() > 0);
    sync.until_in_step(&source);
    assert_eq!(source.count("sync_full"), full, "a full sync: {:#?}", sync.events());
    compare::servers(&source, &destination, TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_relay_speaks_tls_on_both_sides_and_knows_its_clients() {
    let (authority, other) = (Authority::new("Ours"), Authority::new("Somebody else"));
    let signed = authority.signs("127.0.0.1");
    let source = Server::start(Version::Redis82);
    let destination = Server::start(Version::Valkey91);
    let ca = authority.path().display().to_string();
    let files = |signed: &tributary_tests::certificates::Signed| {
        [signed.certificate.display().to_string(), signed.key.display().to_string()]
    };
    let [certificate, key] = files(&signed);
    // One relay is the TLS front of a server that has none; the other enters it by TLS.
    let front = Relay::beside(&source, &["--tls-cert", &certificate, "--tls-key", &key]);
    let relay = Relay::before(
        front.port(),
        &["--tls-cert", &certificate, "--tls-key", &key, "--client-ca", &ca, "--upstream-tls", "--upstream-ca", &ca],
    );
    load::bulk(&source, 1_000);
    let [ours, ours_key] = files(&authority.signs("console"));
    let url = relay.url("?compress=gzip").replace("redis://", "rediss://");
    let known = ["--flush", "--ca", &ca, "--cert", &ours, "--key", &ours_key];
    let mut sync = Sync::start(&url, &destination.url(), &known, &[]);
    sync.until_in_step(&source);
    compare::servers(&source, &destination, TOLERANCE_MS).none();
    drop(sync);
    let said = |extra: &[&str], url: &str| {
        let error = Sync::start(url, &destination.url(), extra, &[]).ended().stopped_with("tls");
        error["message"].as_str().unwrap().to_owned()
    };
    let message = said(&["--flush", "--ca", &ca], &url);
    assert!(message.contains("wants a client certificate"), "{message}");
    let [theirs, their_key] = files(&other.signs("console"));
    let message = said(&["--flush", "--ca", &ca, "--cert", &theirs, "--key", &their_key], &url);
    assert!(message.contains("refuses our client certificate"), "{message}");
    let stranger = other.path().display().to_string();
    let message = said(&["--flush", "--ca", &stranger, "--cert", &ours, "--key", &ours_key], &url);
    assert!(message.contains("“") && message.contains("Ours"), "{message}");
}

#[test]
fn a_relay_shows_a_certificate_of_each_kind_that_is_refused_for_its_reason() {
    let (ours, other) = (Authority::new("Ours"), Authority::new("Somebody else"));
    let (source, destination) = (Server::start(Version::Redis82), Server::start(Version::Redis70));
    let expired = ours.signs_as("127.0.0.1", |params| {
        params.not_after = tributary_tests::certificates::date_time_ymd(2020, 2, 29);
    });
    let ca = ours.path().display().to_string();
    for (signed, reason) in [
        (expired, "expired on 2020-02-29"),
        (ours.signs("cache.example"), "not for 127.0.0.1, but for cache.example"),
        (other.signs("127.0.0.1"), "Somebody else"),
    ] {
        let (certificate, key) = (signed.certificate.display().to_string(), signed.key.display().to_string());
        let relay = Relay::beside(&source, &["--tls-cert", &certificate, "--tls-key", &key, "--tls-min", "1.3"]);
        let url = relay.url("?compress=gzip").replace("redis://", "rediss://");
        let error = Sync::start(&url, &destination.url(), &["--ca", &ca], &[]).ended().stopped_with("tls");
        assert!(error["message"].as_str().unwrap().contains(reason), "{error}");
    }
}

/// Documents as applications keep them: 1 KB, mostly alike, with numbers that are not.
fn documents(server: &Server, prefix: &str, count: u64) {
    let mut connection = server.connect();
    for block in 0..count / 500 {
        let mut pipe = redis::pipe();
        for number in block * 500..(block + 1) * 500 {
            let mut text = format!("{{\"id\":{number},\"customer\":\"customer-{}\",\"lines\":[", number % 977);
            let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            while text.len() < 1_000 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                text += &format!("{{\"article\":{},\"price\":{}.99,\"paid\":true}},", random % 100_000, random % 997);
            }
            pipe.set(format!("{prefix}:{number}"), text).ignore();
        }
        pipe.query::<()>(&mut connection).unwrap();
    }
}

/// Seconds from the first key at the destination until it has as many as the source.
fn arrival(source: &Server, destination: &Server, from: u64) -> f64 {
    let keys = |server: &Server| server.run::<u64>(&["DBSIZE"]);
    let all = keys(source);
    // Tributary's own mark comes before the keys.
    eventually("the first key", || (keys(destination) > from + 1).then_some(()));
    let began = Instant::now();
    eventually("all keys", || (keys(destination) >= all).then_some(()));
    began.elapsed().as_secs_f64()
}

/// Bytes a second of the link: slow enough that what is measured is the link, not these builds.
const LINK: u64 = 4_000_000 / 8;

/// A full sync and a stream over a link with 80 ms there and back: seconds of both, and the ratio.
fn over_a_distant_link(compressed: bool, count: u64) -> (f64, f64, f64) {
    // The snapshot as it is: a server that compresses its strings itself leaves less for a relay.
    let source = Server::with(Version::Redis82, &["rdbcompression no"]);
    let destination = Server::start(Version::Redis82);
    let relay = Relay::beside(&source, &[]);
    let proxy = Proxy::before(if compressed { relay.port() } else { source.port() });
    proxy.delay(Duration::from_millis(40));
    proxy.throttle(Direction::ToClient, LINK);
    documents(&source, "loaded", count);
    let url = if compressed { format!("{}?compress=gzip", proxy.url()) } else { proxy.url() };
    let mut sync = Sync::start(&url, &destination.url(), &[], &[]);
    let full = arrival(&source, &destination, 0);
    sync.until_synced();
    documents(&source, "streamed", count);
    let stream = arrival(&source, &destination, count);
    let report = sync.until_in_step(&source);
    compare::servers(&source, &destination, TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
    (full, stream, report["bytes"].as_f64().unwrap() / report["wire_bytes"].as_f64().unwrap())
}

#[test]
fn a_distant_link_is_much_faster_with_compression() {
    let count = 3_000 * scale();
    let (plain, plain_stream, one) = over_a_distant_link(false, count);
    let (full, stream, ratio) = over_a_distant_link(true, count);
    println!("4 Mbit/s, 80 ms, {count} documents of 1 KB, ratio {ratio:.2}");
    println!("full sync: {plain:.2} s, with compression {full:.2} s, {:.2} times as fast", plain / full);
    println!("stream: {plain_stream:.2} s, with compression {stream:.2} s, {:.2} times as fast", plain_stream / stream);
    assert!((one - 1.0).abs() < 0.01, "{one}");
    assert!(ratio > 3.0, "{ratio}");
    // On a machine of its own it is nearly the ratio, as `make bench` shows; others may want the cores now.
    assert!(plain / full > 2.0, "{plain} s and {full} s for a ratio of {ratio}");
    assert!(plain_stream / stream > 2.0, "{plain_stream} s and {stream} s for a ratio of {ratio}");
}

#[test]
fn the_log_of_a_relay_can_be_json_and_says_nothing_of_what_is_said() {
    let source = Server::start(Version::Redis70);
    let mut relay = Command::new(program())
        .args(["relay", "--listen", "127.0.0.1:0", "--upstream", &format!("127.0.0.1:{}", source.port())])
        .args(["--log-format", "json"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(relay.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut next = |message: &str| {
        let line = lines.find(|line| line.contains(message)).expect("a line that says so");
        (serde_json::from_str::<serde_json::Value>(&line).expect("an object a line"), line)
    };
    let (listening, _) = next("listening");
    let mut client = TcpStream::connect(listening["address"].as_str().unwrap()).unwrap();
    client.write_all(b"ECHO payload-4711\r\n").unwrap();
    let mut answer = [0; 19];
    client.read_exact(&mut answer).unwrap();
    drop(client);
    let (closed, line) = next("client closed");
    assert_eq!((closed["mode"].as_str(), closed["level"].as_str()), (Some("plain"), Some("INFO")));
    assert!(!line.contains("4711"), "{line}");
    relay.kill().unwrap();
    relay.wait().unwrap();
}
