//! Sources that come, go, stop and start while the others of a replica go on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use std::sync::Arc;

use redis::Value;
use support::{RememberingKeyring, Server, form_of, new_source, open, replica, until};
use tempfile::TempDir;
use tributary_console::Console;
use tributary_console::dto::{PasswordDraft, ReplicaDefinition, ReplicaLive, Status};

/// A replica of two sources that is in step.
struct Two {
    first: Server,
    second: Server,
    destination: Server,
    console: Arc<Console>,
    kept: ReplicaDefinition,
    keyring: RememberingKeyring,
    folder: TempDir,
}

impl Two {
    async fn new() -> Self {
        let (first, second) = (Server::start("1-secret").await, Server::start("2-secret").await);
        let destination = Server::start("d-secret").await;
        let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
        first.run(&["SET", "first", "1"]).await;
        second.run(&["SET", "second", "2"]).await;
        let console = open(folder.path(), &keyring).await;
        let mut draft = replica("two", &first, &destination);
        draft.sources.push(new_source("other", &second));
        let kept = console.create(draft).await.unwrap();
        console.start(&kept.id, None).await.unwrap();
        until(&console, &kept.id, |live| live.in_step == 2).await;
        Self { first, second, destination, console, kept, keyring, folder }
    }

    fn other(&self) -> &str {
        &self.kept.sources[1].id
    }

    async fn until(&self, met: impl Fn(&ReplicaLive) -> bool) -> ReplicaLive {
        until(&self.console, &self.kept.id, met).await
    }

    /// What is written to this source arrives.
    async fn follows(&self, source: &Server, value: &str) {
        let key = format!("written to {}", source.port);
        source.run(&["SET", &key, value]).await;
        self.destination.answers(&["GET", &key], value).await;
    }

    /// The app is closed and opened again; what ran goes on.
    async fn reopen(&mut self) {
        self.console.shut_down().await;
        self.console = open(self.folder.path(), &self.keyring).await;
        self.console.resume_all(true).await.unwrap();
    }

    async fn full_syncs(&self) -> (u64, u64) {
        (self.first.count("sync_full").await, self.second.count("sync_full").await)
    }
}

fn stopped(live: &ReplicaLive) -> Vec<bool> {
    live.sources.iter().map(|source| source.status == Status::Stopped).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_stopped_stays_so_across_a_restart_of_the_app_while_the_other_goes_on() {
    let mut two = Two::new().await;
    two.console.stop_source(&two.kept.id, two.other()).await.unwrap();
    let live = two.until(|live| stopped(live) == [false, true]).await;
    assert_eq!(live.sources[1].failure, None, "by the user's will");
    two.second.run(&["SET", "while", "stopped"]).await;
    two.follows(&two.first, "before").await;
    two.reopen().await;
    two.follows(&two.first, "after").await;
    two.until(|live| stopped(live) == [false, true]).await;
    assert!(two.console.startup().await.unwrap().definitions[0].sources[1].stopped);
    assert_eq!(two.destination.run(&["EXISTS", "while"]).await, Value::Int(0));
    two.console.start_source(&two.kept.id, two.other()).await.unwrap();
    two.destination.answers(&["GET", "while"], "stopped").await;
    two.until(|live| live.in_step == 2).await;
    assert!(!two.console.startup().await.unwrap().definitions[0].sources[1].stopped);
    assert_eq!(two.full_syncs().await, (1, 1), "it went on from its checkpoint");
    two.console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_sources_are_all_stopped_starts_with_the_one_that_is_started() {
    let two = Two::new().await;
    for source in &two.kept.sources {
        two.console.stop_source(&two.kept.id, &source.id).await.unwrap();
    }
    two.until(|live| stopped(live) == [true, true]).await;
    two.console.start_source(&two.kept.id, two.other()).await.unwrap();
    two.follows(&two.second, "again").await;
    two.until(|live| stopped(live) == [true, false]).await;
    assert_eq!(two.full_syncs().await, (1, 1));
    two.console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_added_is_loaded_beside_the_others_and_one_that_is_removed_leaves_its_data() {
    let mut two = Two::new().await;
    let third = Server::start("3-secret").await;
    third.run(&["SET", "third", "3"]).await;
    let mut form = form_of(&two.kept);
    form.sources.push(new_source("third", &third));
    two.kept = two.console.update(&two.kept.id, form).await.unwrap();
    two.until(|live| live.in_step == 3).await;
    two.destination.answers(&["GET", "third"], "3").await;
    two.destination.answers(&["GET", "first"], "1").await;
    for source in [&two.first, &two.second, &third] {
        two.follows(source, "of three").await;
    }
    assert_eq!(two.full_syncs().await, (1, 1), "the others went on");
    assert_eq!(two.destination.marks().await, 3);

    let mut form = form_of(&two.kept);
    form.sources.remove(1);
    two.kept = two.console.update(&two.kept.id, form).await.unwrap();
    two.until(|live| live.total == 2 && live.in_step == 2).await;
    assert_eq!(two.destination.marks().await, 2);
    two.destination.answers(&["GET", "second"], "2").await;
    two.second.run(&["SET", "second", "changed"]).await;
    for source in [&two.first, &third] {
        two.follows(source, "without the second").await;
    }
    two.destination.answers(&["GET", "second"], "2").await;
    assert_eq!((two.first.count("sync_full").await, third.count("sync_full").await), (1, 1));
    assert_eq!(two.second.count("connected_slaves").await, 0);
    two.console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_added_leaves_the_others_alone_and_is_loaded_once_it_can() {
    let mut two = Two::new().await;
    let third = Server::start("3-secret").await;
    third.run(&["SET", "third", "3"]).await;
    let mut form = form_of(&two.kept);
    let mut source = new_source("third", &third);
    source.endpoint.password = PasswordDraft::Set { value: "wrong".into(), this_run_only: false };
    form.sources.push(source);
    two.kept = two.console.update(&two.kept.id, form).await.unwrap();
    let live = two.until(|live| stopped(live) == [false, false, true] && live.in_step == 2).await;
    assert_eq!(live.sources[2].failure.as_ref().unwrap().kind, "wrong_password");
    two.follows(&two.first, "beside it").await;
    // The server takes the password now.
    third.run(&["CONFIG", "SET", "requirepass", "wrong"]).await;
    two.console.start_source(&two.kept.id, &two.kept.sources[2].id).await.unwrap();
    two.destination.answers(&["GET", "third"], "3").await;
    two.until(|live| live.in_step == 3).await;
    assert_eq!(two.full_syncs().await, (1, 1), "nothing was loaded again");
    two.console.shut_down().await;
}
