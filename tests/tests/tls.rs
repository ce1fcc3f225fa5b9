//! Links to real servers by TLS: what comes about, what is refused, and what the refusal says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use tributary_tests::certificates::{Authority, Signed, date_time_ymd, encrypted};
use tributary_tests::cli::{Sync, run};
use tributary_tests::compare;
use tributary_tests::load;
use tributary_tests::sentinel::{MASTER, Sentinel};
use tributary_tests::server::{Server, Version, free_port};

/// A Redis 7.0 that is entered by TLS as well; the port without it is for the test itself.
struct Secure {
    server: Server,
    port: u16,
}

impl Secure {
    /// Shows this certificate; `further` are lines of configuration.
    fn shows(signed: &Signed, authority: &Authority, further: &[&str]) -> Self {
        let port = free_port();
        let lines = [
            format!("tls-port {port}"),
            format!("tls-cert-file {}", signed.certificate.display()),
            format!("tls-key-file {}", signed.key.display()),
            format!("tls-ca-cert-file {}", authority.path().display()),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).chain(further.iter().copied()).collect();
        Self { server: Server::with(Version::Redis70, &lines), port }
    }

    fn url(&self, parameters: &str) -> String {
        format!("rediss://127.0.0.1:{}{parameters}", self.port)
    }
}

const NO_CLIENT_CERTIFICATES: &str = "tls-auth-clients no";

fn ca(authority: &Authority) -> String {
    authority.path().display().to_string()
}

/// A full sync and a stream, then the servers are equal.
fn comes_into_step(source: &Server, destination: &Server, mut sync: Sync) {
    load::bulk(source, 500);
    sync.until_synced();
    for _ in 0..100 {
        source.run::<()>(&["INCR", "streamed"]);
    }
    sync.until_in_step(source);
    compare::servers(source, destination, 150).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn both_ends_of_a_replica_are_encrypted_with_the_authority_of_a_file() {
    let authority = Authority::new("Ours");
    let signed = authority.signs("127.0.0.1");
    let source =
        Secure::shows(&signed, &authority, &[NO_CLIENT_CERTIFICATES, "requirepass s3cret", "masterauth s3cret"]);
    let destination = Secure::shows(&signed, &authority, &[NO_CLIENT_CERTIFICATES]);
    let url = source.url("").replace("rediss://", "rediss://:s3cret@");
    let sync = Sync::start(&url, &destination.url(""), &["--ca", &ca(&authority)], &[]);
    comes_into_step(&source.server, &destination.server, sync);
}

#[test]
fn servers_that_want_a_client_certificate_get_ours_with_its_encrypted_key() {
    let authority = Authority::new("Ours");
    let signed = authority.signs("127.0.0.1");
    let source = Secure::shows(&signed, &authority, &["tls-protocols TLSv1.3"]);
    let destination = Secure::shows(&signed, &authority, &["tls-protocols TLSv1.2"]);
    let us = authority.signs("console");
    let (certificate, key) = (us.certificate.to_str().unwrap(), encrypted(&us.key, "open sesame"));
    let ca = ca(&authority);
    let extra = ["--flush", "--ca", &ca, "--cert", certificate, "--key", key.to_str().unwrap()];
    let passphrase = [("TRIBUTARY_KEY_PASSPHRASE", "open sesame")];
    let start = |extra: &[&str], environment: &[(&str, &str)]| {
        Sync::start(&source.url(""), &destination.url(""), extra, environment)
    };
    comes_into_step(&source.server, &destination.server, start(&extra, &passphrase));
    // Without any of it the servers refuse us, each in the way of its version; with a wrong passphrase we do not come so far.
    let bare = &extra[..3];
    let message = said(start(bare, &[]));
    assert!(message.contains("wants a client certificate"), "{message}");
    let message = said(Sync::start(&source.server.url(), &destination.url(""), bare, &[]));
    assert!(message.contains("wants a client certificate"), "{message}");
    let message = said(Sync::start(&source.url(""), &destination.server.url(), bare, &[]));
    assert!(message.contains("wants a client certificate"), "{message}");
    let message = said(start(&extra, &[("TRIBUTARY_KEY_PASSPHRASE", "open barley")]));
    assert!(message.contains("passphrase does not open") && !message.contains("barley"), "{message}");
    let other = Authority::new("Somebody else");
    let stranger = other.signs("console");
    let files = [stranger.certificate.to_str().unwrap(), stranger.key.to_str().unwrap()];
    let message = said(start(&["--ca", &ca, "--cert", files[0], "--key", files[1]], &[]));
    assert!(message.contains("refuses our client certificate"), "{message}");
}

/// What a sync says that TLS has stopped.
fn said(sync: Sync) -> String {
    sync.ended().stopped_with("tls")["message"].as_str().unwrap().to_owned()
}

#[test]
fn each_version_alone_is_spoken_and_an_older_one_than_wanted_is_not() {
    let authority = Authority::new("Ours");
    let signed = authority.signs("127.0.0.1");
    let destination = Server::start(Version::Redis70);
    for (protocols, wanted) in [("TLSv1.2", "1.2"), ("TLSv1.3", "1.3")] {
        let line = format!("tls-protocols {protocols}");
        let source = Secure::shows(&signed, &authority, &[NO_CLIENT_CERTIFICATES, &line]);
        let url = source.url(&format!("?ca={}&tls-min={wanted}", ca(&authority)));
        let sync = Sync::start(&url, &destination.url(), &["--flush"], &[]);
        comes_into_step(&source.server, &destination, sync);
        if wanted == "1.2" {
            let newer = Sync::start(&url.replace("min=1.2", "min=1.3"), &destination.url(), &["--flush"], &[]);
            let message = said(newer);
            assert!(message.contains("no TLS of version 1.3"), "{message}");
        }
    }
}

#[test]
fn a_certificate_that_cannot_be_believed_stops_with_its_reason_and_nothing_is_sent() {
    let (ours, other) = (Authority::new("Ours"), Authority::new("Somebody else"));
    let destination = Server::start(Version::Redis70);
    let expired = ours.signs_as("127.0.0.1", |params| params.not_after = date_time_ymd(2020, 2, 29));
    let elsewhere = ours.signs("cache.example");
    for (signed, reasons) in [
        (expired, &["expired on 2020-02-29"][..]),
        (elsewhere.clone(), &["not for 127.0.0.1", "cache.example"]),
        (other.signs("127.0.0.1"), &["Somebody else", "ca.pem"]),
    ] {
        let secure = Secure::shows(&signed, &ours, &[NO_CLIENT_CERTIFICATES, "requirepass s3cret"]);
        let url = secure.url(&format!("?ca={}", ca(&ours))).replace("rediss://", "rediss://:s3cret@");
        let before = secure.server.commands("auth");
        let message = said(Sync::start(&url, &destination.url(), &["--flush"], &[]));
        reasons.iter().for_each(|reason| assert!(message.contains(reason), "no {reason:?} in {message}"));
        assert_eq!(secure.server.commands("auth"), before + 1, "this look is the one");
        // The same certificate at a destination.
        let message = said(Sync::start(&destination.url(), &url, &[], &[]));
        reasons.iter().for_each(|reason| assert!(message.contains(reason), "no {reason:?} in {message}"));
        // By choice it is believed all the same, and the check goes on to say what that means.
        let careless = format!("{url}&insecure=true");
        let mut sync = Sync::start(&careless, &destination.url(), &["--flush"], &[]);
        sync.until_synced();
        drop(sync);
    }
    let secure = Secure::shows(&elsewhere, &ours, &[NO_CLIENT_CERTIFICATES]);
    let url = secure.url(&format!("?ca={}&sni=cache.example", ca(&ours)));
    let mut sync = Sync::start(&url, &destination.url(), &["--flush"], &[]);
    sync.until_synced();
}

#[test]
fn a_port_without_tls_says_so_and_a_file_that_is_missing_is_named() {
    let (source, destination) = (Server::start(Version::Redis82), Server::start(Version::Redis70));
    let authority = Authority::new("Ours");
    let url = source.url().replace("redis://", "rediss://");
    let mut sync = Sync::start(&format!("{url}?ca={}", ca(&authority)), &destination.url(), &[], &[]);
    let error = sync.until_retrying("timed_out");
    assert!(error["message"].as_str().unwrap().contains("may not speak TLS"), "{error}");
    let message = said(Sync::start(&format!("{url}?ca=/nowhere.pem"), &destination.url(), &[], &[]));
    assert!(message.contains("/nowhere.pem"), "{message}");
    let (code, text) = run(&["sync", "--source", "redis://h?sni=x", "--destination", &destination.url()]);
    assert_eq!(code, Some(2));
    assert!(text.contains("rediss://"), "{text}");
}

#[test]
fn sentinels_are_asked_by_tls_like_the_servers_that_they_watch() {
    let authority = Authority::new("Ours");
    let signed = authority.signs("127.0.0.1");
    let source = Secure::shows(&signed, &authority, &[NO_CLIENT_CERTIFICATES, "tls-replication yes"]);
    let destination = Server::start(Version::Redis70);
    let port = free_port();
    let lines = [
        format!("tls-port {port}\ntls-auth-clients no\ntls-replication yes"),
        format!("tls-cert-file {}\ntls-key-file {}", signed.certificate.display(), signed.key.display()),
        format!("tls-ca-cert-file {}", ca(&authority)),
    ];
    let _sentinel = Sentinel::with(free_port(), source.port, &lines.join("\n"));
    let url = format!("rediss+sentinel://127.0.0.1:{port}/{MASTER}?ca={}", ca(&authority));
    let sync = Sync::start(&url, &destination.url(), &[], &[]);
    comes_into_step(&source.server, &destination, sync);
}
