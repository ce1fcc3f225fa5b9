//! The use cases against real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use std::path::Path;
use std::time::Duration;

use support::{RememberingKeyring, Server, open, replica, until};
use tributary_console::ConsoleError;
use tributary_console::dto::{ApiError, CheckVerdict, Intent, PasswordDraft, ReplicaCheckLine, SeriesRange, Status};

fn code(refused: Result<(), ConsoleError>) -> String {
    ApiError::from(refused.unwrap_err()).code
}

fn holds(folder: &Path, needle: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_runs_stops_and_is_offered_to_go_on_after_the_app_was_closed() {
    let (source, destination) = (Server::start("s-secret-1").await, Server::start("d-secret-1").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    source.run(&["SET", "greeting", "hello"]).await;

    let console = open(folder.path(), &keyring).await;
    let id = console.create(replica("one", &source, &destination)).await.unwrap().id;
    console.start(&id, None).await.unwrap();
    let live = until(&console, &id, |live| live.status == Status::Synced).await;
    assert_eq!((live.in_step, live.total, live.intent), (1, 1, Intent::Running));
    destination.answers(&["GET", "greeting"], "hello").await;
    assert_eq!(code(console.start(&id, None).await), "already_running");
    assert_eq!(console.running(), 1);
    console.shut_down().await;
    drop(console);

    source.run(&["SET", "greeting", "again"]).await;
    let console = open(folder.path(), &keyring).await;
    assert_eq!(console.startup().await.unwrap().resumable, std::slice::from_ref(&id));
    console.resume_all(true).await.unwrap();
    destination.answers(&["GET", "greeting"], "again").await;
    assert!(console.startup().await.unwrap().resumable.is_empty());
    // Two samples, so that the first is surely in the history.
    until(&console, &id, |live| live.status == Status::Synced && live.lag_spark.len() > 1).await;

    console.stop(&id).await.unwrap();
    let live = until(&console, &id, |live| live.status == Status::Stopped).await;
    assert_eq!((live.intent, live.failure), (Intent::Stopped, None));
    assert!(!console.history(id.clone(), None, SeriesRange::FiveMinutes).await.unwrap().times.is_empty());
    console.shut_down().await;
    drop(console);
    assert!(open(folder.path(), &keyring).await.startup().await.unwrap().resumable.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn data_at_the_destination_is_deleted_only_after_its_name_was_typed() {
    let (source, destination) = (Server::start("s-secret-2").await, Server::start("d-secret-2").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    source.run(&["SET", "new", "1"]).await;
    destination.run(&["SET", "precious", "kept"]).await;

    let console = open(folder.path(), &keyring).await;
    let draft = replica("two", &source, &destination);
    let review = console.review_draft(draft.clone(), None).await.unwrap();
    assert_eq!((review.keys, review.needs_typing, review.confirm_name.as_str()), (1, true, "two"));
    let id = console.create(draft).await.unwrap().id;
    assert_eq!(code(console.start(&id, None).await), "confirmation_needed");
    assert_eq!(code(console.start(&id, Some("tw")).await), "confirmation_needed");
    destination.answers(&["GET", "precious"], "kept").await;

    console.start(&id, Some("two")).await.unwrap();
    until(&console, &id, |live| live.status == Status::Synced).await;
    assert_eq!(destination.run(&["EXISTS", "precious"]).await, redis::Value::Int(0));
    assert_eq!(code(console.restart(&id, None).await), "confirmation_needed");
    console.restart(&id, Some("two")).await.unwrap();
    until(&console, &id, |live| live.status == Status::Synced).await;
    destination.answers(&["GET", "new"], "1").await;
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_in_the_keyring_and_nowhere_in_the_data_folder() {
    let (source, destination) = (Server::start("s-secret-3").await, Server::start("d-secret-3").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let id = console.create(replica("three", &source, &destination)).await.unwrap().id;
    console.start(&id, None).await.unwrap();
    until(&console, &id, |live| live.status == Status::Synced).await;
    console.stop(&id).await.unwrap();
    assert_eq!(keyring.accounts(), 2);
    assert!(!holds(folder.path(), "s-secret-3") && !holds(folder.path(), "d-secret-3"));
    assert!(holds(folder.path(), "127.0.0.1"), "the search finds what is there");
    console.delete(&id).await.unwrap();
    assert_eq!(keyring.accounts(), 0);
    assert!(console.startup().await.unwrap().definitions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_stops_the_sync_with_a_hint_an_alert_and_an_event() {
    let (source, destination) = (Server::start("s-secret-4").await, Server::start("d-secret-4").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let mut alerts = console.alerts();
    let mut draft = replica("four", &source, &destination);
    draft.sources[0].endpoint.password = PasswordDraft::Set { value: "wrong".into(), this_run_only: false };
    let id = console.create(draft).await.unwrap().id;
    console.start(&id, None).await.unwrap();
    let live = until(&console, &id, |live| live.status == Status::Stopped && live.failure.is_some()).await;
    let failure = live.failure.unwrap();
    assert_eq!(failure.kind, "wrong_password");
    assert!(!failure.hint.is_empty());
    let alert = tokio::time::timeout(std::time::Duration::from_secs(10), alerts.recv()).await.unwrap().unwrap();
    assert_eq!((alert.replica.as_str(), alert.source.as_str()), ("four", "origin"));
    assert!(console.events(id, 50).await.unwrap().iter().any(|event| event.message.contains(&failure.message)));
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_comes_into_step_and_leaves_nothing_behind() {
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let definition = console.start_demo().await.unwrap();
    assert!(definition.demo);
    let live = until(&console, &definition.id, |live| {
        live.status == Status::Synced
            && live.worst_lag_ms.is_some()
            && live.writes_per_sec.is_some_and(|rate| rate > 0.0)
    });
    assert!(live.await.sources[0].last_command_at.is_some());
    console.stop_demo().await.unwrap();
    for port in [definition.destination.port, definition.sources[0].endpoint.port] {
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "a server is left on port {port}");
    }
    assert!(console.startup().await.unwrap().definitions.is_empty());
    drop(console);
    assert!(open(folder.path(), &keyring).await.startup().await.unwrap().definitions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_checked_line_by_line_before_it_is_kept_and_after() {
    let (source, destination) = (Server::start("s-secret-9").await, Server::start("d-secret-9").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let lines = std::sync::Mutex::new(Vec::new());
    let tell = |line: ReplicaCheckLine| lines.lock().unwrap().push(line);
    console.preflight_draft(replica("one", &source, &destination), None, tell).await.unwrap();
    let drafted = std::mem::take(&mut *lines.lock().unwrap());
    assert!(drafted.iter().all(|line| line.verdict != CheckVerdict::Fails), "{drafted:?}");
    let id = console.create(replica("one", &source, &destination)).await.unwrap().id;
    console.preflight(&id, tell).await.unwrap();
    let kept = lines.lock().unwrap();
    let what = |lines: &[ReplicaCheckLine]| lines.iter().map(|line| line.what.clone()).collect::<Vec<_>>();
    assert_eq!(what(&kept), what(&drafted));
    let (first, last) = (kept.first().unwrap(), kept.last().unwrap());
    assert_eq!(first.endpoint, format!("127.0.0.1:{}", source.port));
    assert_eq!((last.endpoint.as_str(), &last.source), (format!("127.0.0.1:{}", destination.port).as_str(), &None));
    assert!(first.source.is_some() && !format!("{kept:?}").contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_destination_hangs_holds_up_no_other() {
    let (source, hanging) = (Server::start("s-secret").await, Server::start("h-secret").await);
    let (other, destination) = (Server::start("o-secret").await, Server::start("d-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let held = console.create(replica("held", &source, &hanging)).await.unwrap().id;
    let free = console.create(replica("free", &other, &destination)).await.unwrap().id;
    console.start(&held, None).await.unwrap();
    until(&console, &held, |live| live.status == Status::Synced).await;
    console.stop(&held).await.unwrap();
    hanging.freeze();
    let deleted = tokio::spawn({
        let (console, held) = (console.clone(), held.clone());
        async move { console.delete(&held).await }
    });
    // A server that does not say who it is costs 3 s.
    let in_time = tokio::time::timeout(Duration::from_secs(10), async {
        console.start(&free, None).await.unwrap();
        console.stop(&free).await.unwrap();
    });
    in_time.await.expect("the other is free to start and stop");
    assert!(!deleted.is_finished());
    hanging.thaw();
    deleted.await.unwrap().unwrap();
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_start_scans_the_destination() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    source.run(&["SET", "key", "value"]).await;
    let console = open(folder.path(), &keyring).await;
    let id = console.create(replica("one", &source, &destination)).await.unwrap().id;
    for _ in 0..2 {
        console.start(&id, None).await.unwrap();
        until(&console, &id, |live| live.status == Status::Synced).await;
        assert_eq!(console.review(&id).await.unwrap().keys, 1, "the checkpoint does not count");
        console.stop(&id).await.unwrap();
    }
    assert_eq!(code(console.restart(&id, None).await), "confirmation_needed");
    assert!(!destination.was_scanned().await);
    console.shut_down().await;
}
