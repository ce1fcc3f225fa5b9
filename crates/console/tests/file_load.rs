//! A dump file that is loaded once: what is said before, what must be typed, how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use redis::Value;
use support::{RememberingKeyring, Server, open, replica, until};
use tributary_console::Console;
use tributary_console::dto::{
    ApiError, EndpointDraft, ExistingKeys, FileLoadDraft, FileLoadLive, FileLoadPhase, PasswordDraft, Status,
};

const DEADLINE: Duration = Duration::from_secs(60);

/// A dump of what a server holds.
async fn dump(server: &Server) -> PathBuf {
    server.run(&["SAVE"]).await;
    let Value::Array(setting) = server.run(&["CONFIG", "GET", "dir"]).await else { panic!("no folder") };
    let folder: String = redis::from_redis_value(setting[1].clone()).unwrap();
    PathBuf::from(folder).join("dump.rdb")
}

fn draft(file: &std::path::Path, destination: &Server, existing: ExistingKeys) -> FileLoadDraft {
    let path = file.display().to_string();
    FileLoadDraft {
        path,
        db: None,
        destination: destination.draft(),
        existing,
        dump_only: false,
        drop_field_expiry: false,
        skip_module_keys: false,
        skip_functions: false,
    }
}

/// Waits until the load is as `met` wants it.
async fn until_load(console: &Console, met: impl Fn(&FileLoadLive) -> bool) -> FileLoadLive {
    let mut live = console.live_file_load();
    let found = live.wait_for(|live| live.as_ref().is_some_and(&met));
    tokio::time::timeout(DEADLINE, found).await.expect("the load gets there").unwrap().clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_loaded_in_the_place_of_what_is_there_once_the_address_was_typed() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    source.run(&["SET", "key", "from the file"]).await;
    destination.run(&["SET", "mine", "1"]).await;
    let file = dump(&source).await;
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let draft = |existing| draft(&file, &destination, existing);

    let review = console.review_file_load(draft(ExistingKeys::Flush)).await.unwrap();
    assert_eq!((review.keys, review.functions, review.deletes_everything), (1, 0, true));
    assert_eq!((review.file.product.as_str(), review.file.begins_aof), ("Redis", false));
    assert!(review.file.size > Some(50) && review.file.created.is_some(), "{review:?}");
    let address = format!("127.0.0.1:{}", destination.port);
    assert_eq!((&review.destination, &review.refusal), (&address, &None));

    let refused = console.start_file_load(draft(ExistingKeys::Flush), Some("something else")).await.unwrap_err();
    assert_eq!(ApiError::from(refused).code, "confirmation_needed");
    assert!(!console.is_loading_file());
    console.start_file_load(draft(ExistingKeys::Refuse), None).await.unwrap();
    let failed = until_load(&console, |live| live.phase == FileLoadPhase::Failed).await;
    assert_eq!(failed.failure.unwrap().kind, "destination_not_empty");
    assert_eq!(destination.run(&["EXISTS", "mine"]).await, Value::Int(1));

    console.start_file_load(draft(ExistingKeys::Flush), Some(&address)).await.unwrap();
    let done = until_load(&console, |live| live.phase == FileLoadPhase::Done).await;
    assert_eq!((done.keys, done.incomplete, done.progress), (1, false, Some(100.0)));
    assert!(!serde_json::to_string(&done).unwrap().contains("d-secret"));
    destination.answers(&["GET", "key"], "from the file").await;
    assert_eq!(destination.run(&["EXISTS", "mine"]).await, Value::Int(0));
    assert_eq!(keyring.accounts(), 0, "the password of a load is kept nowhere");
    console.dismiss_file_load();
    assert_eq!(*console.live_file_load().borrow(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_destination_of_a_replica_is_refused_by_its_name() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    source.run(&["SET", "key", "value"]).await;
    let file = dump(&source).await;
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let id = console.create(replica("sessions", &source, &destination)).await.unwrap().id;
    console.start(&id, None).await.unwrap();
    until(&console, &id, |live| live.status == Status::Synced).await;
    let review = console.review_file_load(draft(&file, &destination, ExistingKeys::Flush)).await.unwrap();
    let refusal = review.refusal.unwrap();
    assert!(refusal.message.contains("“sessions”") && !refusal.message.contains(&id), "{refusal:?}");
    let address = review.destination;
    console.start_file_load(draft(&file, &destination, ExistingKeys::Flush), Some(&address)).await.unwrap();
    let failed = until_load(&console, |live| live.phase == FileLoadPhase::Failed).await;
    let failure = failed.failure.unwrap();
    assert_eq!((failure.kind.as_str(), failed.incomplete), ("destination_in_use", false));
    assert!(failure.message.contains("“sessions”") && !failure.message.contains(&id), "{failure:?}");
    destination.answers(&["GET", "key"], "value").await;
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_at_their_field() {
    let destination = Server::start("d-secret").await;
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let file = folder.path().join("text.rdb");
    std::fs::write(&file, "this is no dump at all").unwrap();
    let good = draft(&file, &destination, ExistingKeys::Refuse);
    type Spoil = fn(&mut FileLoadDraft);
    let cases: [(&str, &str, Spoil); 4] = [
        ("path", "corrupt_snapshot", |_| {}),
        ("path", "file_unreadable", |draft| draft.path = "/nowhere/dump.rdb".into()),
        ("path", "invalid", |draft| draft.path = "dump.rdb".into()),
        ("path", "invalid", |draft| draft.path = " ".into()),
    ];
    for (field, code, spoil) in cases {
        let mut draft = good.clone();
        spoil(&mut draft);
        let error = ApiError::from(console.review_file_load(draft).await.unwrap_err());
        assert_eq!((error.field.as_deref(), error.code.as_str()), (Some(field), code));
    }
    let cases: [(&str, Spoil); 2] = [
        ("destination.host", |draft| draft.destination.host = String::new()),
        ("db", |draft| draft.destination.db = Some(3)),
    ];
    for (field, spoil) in cases {
        let mut draft = good.clone();
        spoil(&mut draft);
        let error = ApiError::from(console.start_file_load(draft, None).await.unwrap_err());
        assert_eq!((error.field.as_deref(), error.code.as_str()), (Some(field), "invalid"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_app_stops_a_load_and_one_runs_at_a_time() {
    let destination = Server::start("d-secret").await;
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    // A pipe that nobody fills keeps a load waiting for as long as it likes.
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let held = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    console.start_file_load(draft(&pipe, &destination, ExistingKeys::Refuse), None).await.unwrap();
    assert!(console.is_loading_file());
    let again = console.start_file_load(draft(&pipe, &destination, ExistingKeys::Refuse), None).await.unwrap_err();
    assert_eq!(ApiError::from(again).code, "already_running");
    tokio::time::timeout(DEADLINE, console.shut_down()).await.expect("it closes");
    assert!(!console.is_loading_file());
    let refused = console.start_file_load(draft(&pipe, &destination, ExistingKeys::Refuse), None).await.unwrap_err();
    assert_eq!(ApiError::from(refused).code, "not_running");
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_not_repeated() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    let file = dump(&source).await;
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let password = PasswordDraft::Set { value: "wrong-water".into(), this_run_only: true };
    let draft = draft(&file, &destination, ExistingKeys::Refuse);
    let wrong = FileLoadDraft { destination: EndpointDraft { password, ..draft.destination.clone() }, ..draft };
    let error = ApiError::from(console.review_file_load(wrong).await.unwrap_err());
    assert_eq!(error.code, "wrong_password");
    assert!(!format!("{error:?}").contains("wrong-water"));
}
