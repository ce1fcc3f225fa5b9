//! What the user wants of a replica: pause and resume, going on behind a failed command, and the end of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use redis::Value;
use support::{RememberingKeyring, Server, form_of, open, replica, until};
use tributary_console::dto::{
    ApiError, EndpointDraft, ExpiryChoice, Intent, PasswordDraft, Phase, ReplicaOptions, Status,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_lasts_across_a_restart_of_the_app_until_it_is_resumed() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let id = console.create(replica("paused", &source, &destination)).await.unwrap().id;
    let not_running = ApiError::from(console.pause(&id).await.unwrap_err());
    assert_eq!(not_running.code, "not_running");
    console.start(&id, None).await.unwrap();
    until(&console, &id, |live| live.status == Status::Synced).await;
    console.pause(&id).await.unwrap();
    until(&console, &id, |live| live.phase == Phase::Paused && live.intent == Intent::Paused).await;
    source.run(&["SET", "key", "while paused"]).await;
    until(&console, &id, |live| live.sources[0].received > live.sources[0].applied).await;
    assert_eq!(destination.run(&["EXISTS", "key"]).await, Value::Int(0));
    console.shut_down().await;
    drop(console);

    let console = open(folder.path(), &keyring).await;
    let startup = console.startup().await.unwrap();
    assert_eq!(startup.definitions[0].intent, Intent::Paused);
    assert_eq!(startup.resumable, std::slice::from_ref(&id));
    console.resume_all(true).await.unwrap();
    source.run(&["SET", "other", "while paused"]).await;
    let paused = |live: &tributary_console::dto::ReplicaLive| {
        live.phase == Phase::Paused && live.sources[0].received > live.sources[0].applied
    };
    let live = until(&console, &id, paused).await;
    assert_eq!(live.intent, Intent::Paused);
    assert_eq!(destination.run(&["EXISTS", "key", "other"]).await, Value::Int(0));
    console.resume(&id).await.unwrap();
    destination.answers(&["GET", "key"], "while paused").await;
    destination.answers(&["GET", "other"], "while paused").await;
    let live = until(&console, &id, |live| live.phase == Phase::Synced).await;
    assert_eq!(live.intent, Intent::Running);
    assert_eq!(source.count("sync_full").await, 1);
    console.shut_down().await;
    drop(console);
    let startup = open(folder.path(), &keyring).await.startup().await.unwrap();
    assert_eq!(startup.definitions[0].intent, Intent::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_failed_is_gone_behind_only_when_the_user_says_so() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let id = console.create(replica("failed", &source, &destination)).await.unwrap().id;
    console.start(&id, None).await.unwrap();
    until(&console, &id, |live| live.status == Status::Synced).await;
    destination.run(&["SET", "key", "a string here"]).await;
    source.run(&["LPUSH", "key", "element"]).await;
    let failed = |live: &tributary_console::dto::ReplicaLive| {
        live.status == Status::Stopped && live.failure.as_ref().is_some_and(|failure| failure.kind == "command_failed")
    };
    until(&console, &id, failed).await;
    source.run(&["SET", "behind", "it"]).await;
    // Starting again does not hide it.
    console.start(&id, None).await.unwrap();
    until(&console, &id, failed).await;
    assert_eq!(destination.run(&["EXISTS", "behind"]).await, Value::Int(0));
    console.skip_failed(&id).await.unwrap();
    destination.answers(&["GET", "behind"], "it").await;
    destination.answers(&["GET", "key"], "a string here").await;
    until(&console, &id, |live| live.status == Status::Synced && live.failure.is_none()).await;
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_replica_leaves_a_destination_of_its_own_with_exact_expiries() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    source.run(&["SET", "session", "value", "PX", "3600000"]).await;
    let console = open(folder.path(), &keyring).await;
    let id = console.create(replica("deleted", &source, &destination)).await.unwrap().id;
    console.start(&id, None).await.unwrap();
    until(&console, &id, |live| live.status == Status::Synced).await;
    assert_eq!(destination.marks().await, 1);
    let time = source.run(&["PEXPIRETIME", "session"]).await;
    assert_ne!(destination.run(&["PEXPIRETIME", "session"]).await, time, "held back while it runs");
    assert_eq!(console.delete(&id).await.unwrap(), None);
    assert_eq!(destination.marks().await, 0);
    assert_eq!(destination.run(&["PEXPIRETIME", "session"]).await, time);
    assert!(console.startup().await.unwrap().definitions.is_empty());
    assert_eq!(ApiError::from(console.start(&id, None).await.unwrap_err()).code, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_destination_is_down_is_deleted_all_the_same_with_a_note() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let id = console.create(replica("down", &source, &destination)).await.unwrap().id;
    console.start(&id, None).await.unwrap();
    until(&console, &id, |live| live.status == Status::Synced).await;
    let address = format!("127.0.0.1:{}", destination.port);
    drop(destination);
    let note = console.delete(&id).await.unwrap().expect("a note");
    assert!(note.contains(&address) && note.contains("finish"), "{note}");
    assert!(console.startup().await.unwrap().definitions.is_empty());
    assert_eq!(keyring.accounts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_and_sentinels_are_kept() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let mut draft = replica("kept", &source, &destination);
    let sentinels = "one.example,two.example:5000,[::1]:26380";
    draft.sources[0].endpoint = EndpointDraft {
        host: sentinels.into(),
        port: 26379,
        sentinel: Some("mymaster".into()),
        tls: None,
        compression: false,
        username: Some("ann".into()),
        db: Some(3),
        password: PasswordDraft::None,
    };
    draft.destination.db = Some(4);
    let options = ReplicaOptions {
        spool_quota_mb: 17,
        expiry: ExpiryChoice::Exact,
        ask_before_resync: true,
        lock_down: true,
        drop_field_expiry: true,
        skip_module_keys: true,
        skip_functions: true,
    };
    draft.options = options.clone();
    let created = console.create(draft).await.unwrap();
    console.shut_down().await;
    drop(console);

    let console = open(folder.path(), &keyring).await;
    let kept = console.startup().await.unwrap().definitions.remove(0);
    assert_eq!((&kept, &kept.options), (&created, &options));
    let endpoint = &kept.sources[0].endpoint;
    assert_eq!((endpoint.host.as_str(), endpoint.sentinel.as_deref()), (sentinels, Some("mymaster")));
    assert_eq!(endpoint.url, format!("redis+sentinel://ann@{sentinels}/mymaster/3"));
    // What a window shows is what can be pasted again.
    let pasted = tributary_console::Console::parse_url(&endpoint.url).unwrap();
    let again = (pasted.host.as_str(), pasted.sentinel.as_deref(), pasted.username.as_deref(), pasted.db);
    assert_eq!(again, (sentinels, Some("mymaster"), Some("ann"), Some(3)));

    let mut form = form_of(&kept);
    form.options = ReplicaOptions::default();
    form.sources[0].endpoint = EndpointDraft { password: PasswordDraft::None, ..source.draft() };
    form.sources[0].endpoint.db = Some(0);
    console.update(&kept.id, form).await.unwrap();
    drop(console);
    let console = open(folder.path(), &keyring).await;
    let changed = console.startup().await.unwrap().definitions.remove(0);
    assert_eq!(changed.options, ReplicaOptions::default());
    assert_eq!(changed.sources[0].endpoint.sentinel, None);
}
