//! Encrypted and compressed links: kept, checked, looked at and run, with a relay in this process before real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};

use support::relay::Relay;
use support::{RememberingKeyring, Server, form_of, open, replica, until};
use tributary_console::dto::{
    ApiError, CheckLine, CheckVerdict, EndpointRole, IdentityDraft, PasswordDraft, ReplicaCheckLine, ReplicaDraft,
    ReplicaLive, SeriesRange, Status, TlsDraft, TlsOldest, TrustChoice, Verdict,
};
use tributary_console::{Console, ConsoleError};
use tributary_tests::certificates::{Authority, encrypted};

const PASSPHRASE: &str = "open sesame, links";

fn tls(trust: TrustChoice) -> TlsDraft {
    TlsDraft { trust, server_name: None, identity: None, oldest: TlsOldest::Tls12, insecure: false }
}

fn file(path: &Path) -> TrustChoice {
    TrustChoice::File { path: path.display().to_string() }
}

/// A client certificate whose key is encrypted.
fn sealed_identity(authority: &Authority, passphrase: PasswordDraft) -> IdentityDraft {
    let ours = authority.signs("client");
    let key = encrypted(&ours.key, PASSPHRASE);
    IdentityDraft { certificate: ours.certificate.display().to_string(), key: key.display().to_string(), passphrase }
}

fn set(value: &str) -> PasswordDraft {
    PasswordDraft::Set { value: value.into(), this_run_only: false }
}

fn refusal<T: std::fmt::Debug>(refused: Result<T, ConsoleError>) -> ApiError {
    refused.unwrap_err().into()
}

fn holds(folder: &Path, needle: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

/// The lines of a form's check that are about its source.
async fn checked(console: &Console, draft: ReplicaDraft) -> Vec<ReplicaCheckLine> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let told = lines.clone();
    console.preflight_draft(draft, None, move |line| told.lock().unwrap().push(line)).await.unwrap();
    let all = std::mem::take(&mut *lines.lock().unwrap());
    all.into_iter().filter(|line| line.source.is_some()).collect()
}

fn line<'a>(lines: &'a [ReplicaCheckLine], what: &str) -> &'a ReplicaCheckLine {
    lines.iter().find(|line| line.what == what).unwrap_or_else(|| panic!("no {what} in {lines:#?}"))
}

/// The lines of a connection test of a form's source.
async fn tested(console: &Console, draft: &ReplicaDraft) -> Vec<CheckLine> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (told, endpoint) = (lines.clone(), draft.sources[0].endpoint.clone());
    let tell = move |line| told.lock().unwrap().push(line);
    console.test_connection(endpoint, EndpointRole::Source, None, None, tell).await.unwrap();
    std::mem::take(&mut *lines.lock().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_in_the_keyring_alone_and_goes_with_its_replica() {
    let (source, destination) = (Server::start("links-1").await, Server::start("links-2").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let authority = Authority::new("Ours");
    let console = open(folder.path(), &keyring).await;
    let mut form = replica("one", &source, &destination);
    let mut options = tls(file(&authority.path()));
    options.identity = Some(sealed_identity(&authority, PasswordDraft::None));
    form.destination.tls = Some(options.clone());
    let asked = refusal(console.create(form.clone()).await);
    assert_eq!(asked.field.as_deref(), Some("destination.tls.identity.passphrase"));
    assert_eq!(asked.message, "The key is encrypted: enter its passphrase.");

    options.identity.as_mut().unwrap().passphrase = set(PASSPHRASE);
    options.oldest = TlsOldest::Tls13;
    form.destination.tls = Some(options.clone());
    form.sources[0].endpoint.compression = true;
    let kept = console.create(form).await.unwrap();
    assert_eq!(keyring.kept(&format!("{}/destination/key", kept.id)).as_deref(), Some(PASSPHRASE));
    assert_eq!(keyring.accounts(), 3);

    // Known again after the app was closed, and untouched by an edit.
    console.shut_down().await;
    drop(console);
    let console = open(folder.path(), &keyring).await;
    let [known] = console.startup().await.unwrap().definitions.try_into().unwrap();
    let view = known.destination.tls.clone().unwrap();
    let identity = view.identity.unwrap();
    assert!(identity.has_passphrase && known.sources[0].endpoint.compression);
    assert_eq!((view.oldest, &view.trust), (TlsOldest::Tls13, &options.trust));
    let edited = console.update(&known.id, ReplicaDraft { name: "renamed".into(), ..form_of(&known) }).await.unwrap();
    assert_eq!(edited.destination, known.destination);
    assert_eq!(keyring.accounts(), 3);

    // The wrong one is found out before it is kept.
    let mut wrong = form_of(&edited);
    wrong.destination.tls.as_mut().unwrap().identity.as_mut().unwrap().passphrase = set("hunter2");
    let told = refusal(console.update(&known.id, wrong).await);
    assert_eq!(told.field.as_deref(), Some("destination.tls.identity.passphrase"));

    // Neither files nor what a window sees hold it.
    console.export_definitions(&folder.path().join("replicas.toml")).await.unwrap();
    let exported = std::fs::read_to_string(folder.path().join("replicas.toml")).unwrap();
    assert!(exported.contains("destination_key_passphrase = { keyring = "), "{exported}");
    let seen = serde_json::to_string(&console.startup().await.unwrap()).unwrap();
    assert!(!holds(folder.path(), PASSPHRASE) && !seen.contains(PASSPHRASE));
    assert!(holds(folder.path(), "client.encrypted"), "the search finds what is there");

    // What no longer refers to it lets it go.
    let mut open_link = form_of(&edited);
    open_link.destination.tls = None;
    console.update(&known.id, open_link).await.unwrap();
    assert_eq!((keyring.kept(&format!("{}/destination/key", known.id)), keyring.accounts()), (None, 2));
    console.delete(&known.id).await.unwrap();
    assert_eq!(keyring.accounts(), 0);
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_looked_at_pasted_and_believed() {
    let (source, destination) = (Server::start("links-3").await, Server::start("links-4").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let unknown = Authority::new("Unknown");
    let relay = Relay::before(&source, Some(unknown.self_signed("db.example"))).await;
    source.run(&["SET", "greeting", "hello"]).await;
    let console = open(folder.path(), &keyring).await;
    let mut form = replica("pinned", &source, &destination);
    form.sources[0].endpoint.port = relay.port();
    let authority = Authority::new("Ours");
    form.sources[0].endpoint.tls = Some(tls(file(&authority.path())));
    let look = |draft| console.certificates(draft, EndpointRole::Source, None, None);
    let seen = look(form.sources[0].endpoint.clone()).await.unwrap();
    assert!(seen.failure.is_some_and(|failure| !failure.message.is_empty() && !failure.hint.is_empty()));
    let shown = &seen.chain[0];
    assert_eq!((seen.version, shown.names.as_slice()), (None, &["db.example".to_owned()][..]));
    assert!(shown.not_before < shown.not_after && shown.fingerprint.len() == 95);

    let pasted = Console::read_certificates(&shown.pem).unwrap();
    assert_eq!(&pasted, std::slice::from_ref(shown));
    let nothing = refusal(Console::read_certificates("hello"));
    assert_eq!((nothing.code.as_str(), nothing.field.as_deref()), ("invalid", Some("certificate")));

    form.sources[0].endpoint.tls = Some(tls(TrustChoice::Certificate { pem: shown.pem.clone() }));
    let seen = look(form.sources[0].endpoint.clone()).await.unwrap();
    assert_eq!((seen.version.as_deref(), seen.failure), (Some("TLS 1.3"), None));
    let kept = console.create(form).await.unwrap();
    let trust = kept.sources[0].endpoint.tls.as_ref().map(|tls| tls.trust.clone());
    assert_eq!(trust, Some(TrustChoice::Certificate { pem: shown.pem.clone() }));
    console.start(&kept.id, None).await.unwrap();
    let live = until(&console, &kept.id, |live| live.status == Status::Synced).await;
    destination.answers(&["GET", "greeting"], "hello").await;
    assert!(live.sources[0].tls && !live.sources[0].insecure && !live.insecure);
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_reached_shows_no_certificates_and_why() {
    let source = Server::start("links-5").await;
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let mut draft = source.draft();
    let authority = Authority::new("Ours");
    draft.tls = Some(tls(file(&authority.path())));
    drop(source);
    let seen = console.certificates(draft, EndpointRole::Destination, None, None).await.unwrap();
    assert!(seen.chain.is_empty() && seen.failure.is_some());
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_a_relay_from_a_server_and_names_what_encrypts() {
    let (source, destination) = (Server::start("links-6").await, Server::start("links-7").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let mut form = replica("checked", &source, &destination);
    assert!(checked(&console, form.clone()).await.iter().all(|line| line.what != "Compression"));

    form.sources[0].endpoint.compression = true;
    let lines = checked(&console, form.clone()).await;
    let plain = line(&lines, "Compression");
    assert_eq!(plain.verdict, CheckVerdict::Fails);
    assert!(plain.found.contains("is not a relay") && plain.hint.as_ref().is_some_and(|hint| hint.contains("relay")));
    let lines = tested(&console, &form).await;
    let plain = lines.iter().find(|line| line.what == "Compression").unwrap();
    assert_eq!(plain.verdict, Verdict::Problem);

    let authority = Authority::new("Ours");
    let relay = Relay::before(&source, Some(authority.signs("127.0.0.1"))).await;
    form.sources[0].endpoint.port = relay.port();
    form.sources[0].endpoint.tls = Some(tls(file(&authority.path())));
    let lines = checked(&console, form.clone()).await;
    let fine = line(&lines, "Compression");
    assert_eq!(fine.verdict, CheckVerdict::Ok, "{}", fine.found);
    assert!(fine.found.contains("a relay answers") && fine.found.contains("level 6"), "{}", fine.found);
    let encrypted = line(&lines, "TLS");
    assert_eq!((encrypted.verdict, encrypted.found.contains("TLS 1.3")), (CheckVerdict::Ok, true));

    form.sources[0].endpoint.tls.as_mut().unwrap().insecure = true;
    let lines = tested(&console, &form).await;
    let of = |what: &str| lines.iter().find(|line| line.what == what).unwrap();
    assert_eq!(of("Compression").verdict, Verdict::Ok);
    assert_eq!((of("TLS").verdict, of("TLS").found.contains("not verified")), (Verdict::Warning, true));
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_link_tells_what_it_spares_and_what_it_costs() {
    let (source, destination) = (Server::start("links-8").await, Server::start("links-9").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let authority = Authority::new("Ours");
    let relay = Relay::before(&source, Some(authority.signs("127.0.0.1"))).await;
    let fill = "for i = 1, 2000 do redis.call('SET', 'k:' .. i, string.rep('abcdefgh' .. i % 7, 50)) end";
    source.run(&["EVAL", fill, "0"]).await;
    source.run(&["CONFIG", "SET", "repl-ping-replica-period", "1"]).await;
    let console = open(folder.path(), &keyring).await;
    let mut form = replica("compressed", &source, &destination);
    let endpoint = &mut form.sources[0].endpoint;
    endpoint.port = relay.port();
    endpoint.compression = true;
    endpoint.tls = Some(TlsDraft { insecure: true, ..tls(file(&authority.path())) });
    let kept = console.create(form).await.unwrap();
    let [resting] = <[_; 1]>::try_from(until(&console, &kept.id, |_| true).await.sources).unwrap();
    assert_eq!((resting.compression, resting.tls, resting.insecure), (true, true, true));
    assert_eq!((resting.ratio, resting.saved_bytes, resting.relay_behind), (None, None, None));

    console.start(&kept.id, None).await.unwrap();
    // The relay tells with every piece of data how it does: the source's pings are enough.
    let told = |live: &ReplicaLive| {
        let source = &live.sources[0];
        live.status == Status::Synced && source.relay_cpu.is_some() && source.wire_bytes_per_sec.is_some()
    };
    let live = until(&console, &kept.id, told).await;
    assert_eq!(destination.run(&["EXISTS", "k:1", "k:2000"]).await, redis::Value::Int(2));
    let source = &live.sources[0];
    assert!(live.insecure && live.wire_bytes_per_sec.is_some());
    assert!(source.ratio.is_some_and(|ratio| ratio > 1.0), "{source:?}");
    assert_eq!(source.saved_bytes, Some(source.bytes - source.wire_bytes));
    assert!(source.relay_behind.is_some() && source.decompress_cpu.is_some(), "{source:?}");
    // Two more samples: the first of them has a rate.
    let samples = live.lag_spark.len();
    until(&console, &kept.id, |live| live.lag_spark.len() > samples + 1).await;
    let series = console.history(kept.id, None, SeriesRange::FiveMinutes).await.unwrap();
    assert!(series.wire_bytes_per_sec.iter().any(Option::is_some), "{series:?}");
    assert_eq!(series.wire_bytes_per_sec.len(), series.times.len());
    console.shut_down().await;
}
