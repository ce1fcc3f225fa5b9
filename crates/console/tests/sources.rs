//! Sources that come, go, stop and start while the others of a replica go on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use support::{RememberingKeyring, Server, form_of, new_source, open, replica, until};
use tempfile::TempDir;
use tributary_console::Console;
use tributary_console::dto::{PasswordDraft, Phase, ReplicaDefinition, ReplicaLive, Status};

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
        let two = Self::kept().await;
        two.console.start(&two.kept.id, None).await.unwrap();
        two.until(|live| live.in_step == 2).await;
        two
    }

    /// Not started yet.
    async fn kept() -> Self {
        let (first, second) = (Server::start("1-secret").await, Server::start("2-secret").await);
        let destination = Server::start("d-secret").await;
        let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
        first.run(&["SET", "first", "1"]).await;
        second.run(&["SET", "second", "2"]).await;
        let console = open(folder.path(), &keyring).await;
        let mut draft = replica("two", &first, &destination);
        draft.sources.push(new_source("other", &second));
        let kept = console.create(draft).await.unwrap();
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
        // The folder is one console's at a time: another holds the place until this one is gone.
        let elsewhere = tempfile::tempdir().unwrap();
        self.console = open(elsewhere.path(), &self.keyring).await;
        self.console = open(self.folder.path(), &self.keyring).await;
        self.console.resume_all(true).await.unwrap();
    }

    /// This source begins no snapshot for a long time.
    async fn makes_wait(&self, source: &Server, seconds: &str) {
        source.run(&["CONFIG", "SET", "repl-diskless-sync-delay", seconds]).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_stopped_before_its_snapshot_holds_up_no_other_and_joins_later() {
    let two = Two::kept().await;
    two.makes_wait(&two.second, "600").await;
    two.console.start(&two.kept.id, None).await.unwrap();
    two.until(|live| live.sources.iter().all(|source| source.phase == Phase::WaitingForSnapshot)).await;
    two.console.stop_source(&two.kept.id, two.other()).await.unwrap();
    two.until(|live| stopped(live) == [false, true] && live.in_step == 1).await;
    two.follows(&two.first, "alone").await;
    two.makes_wait(&two.second, "0").await;
    two.console.start_source(&two.kept.id, two.other()).await.unwrap();
    two.until(|live| live.in_step == 2).await;
    two.destination.answers(&["GET", "second"], "2").await;
    assert_eq!(two.first.count("sync_full").await, 1, "the first was not loaded again");
    two.console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_emptied_for_sources_that_were_all_stopped_before_their_snapshots() {
    let two = Two::kept().await;
    two.destination.run(&["SET", "precious", "data"]).await;
    for source in [&two.first, &two.second] {
        two.makes_wait(source, "600").await;
    }
    two.console.start(&two.kept.id, Some("two")).await.unwrap();
    two.until(|live| live.sources.iter().all(|source| source.phase == Phase::WaitingForSnapshot)).await;
    for source in &two.kept.sources {
        two.console.stop_source(&two.kept.id, &source.id).await.unwrap();
    }
    two.until(|live| stopped(live) == [true, true]).await;
    // Until the engine has come to its end.
    let ended = async {
        while two.console.running() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    ended.await;
    two.destination.answers(&["GET", "precious"], "data").await;
    two.console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_stopped_and_started_before_its_snapshot_is_loaded_with_the_others() {
    let two = Two::kept().await;
    two.destination.run(&["SET", "confirmed to go", "1"]).await;
    two.makes_wait(&two.first, "600").await;
    two.console.start(&two.kept.id, Some("two")).await.unwrap();
    two.until(|live| live.sources.iter().all(|source| source.phase == Phase::WaitingForSnapshot)).await;
    two.console.stop_source(&two.kept.id, two.other()).await.unwrap();
    two.console.start_source(&two.kept.id, two.other()).await.unwrap();
    two.until(|live| live.sources[1].phase == Phase::WaitingForSnapshot).await;
    assert_eq!(two.destination.run(&["EXISTS", "second"]).await, Value::Int(0), "it waits for the first");
    two.makes_wait(&two.first, "0").await;
    two.until(|live| live.in_step == 2).await;
    two.destination.answers(&["GET", "second"], "2").await;
    assert_eq!(two.destination.run(&["EXISTS", "confirmed to go"]).await, Value::Int(0));
    assert_eq!(two.first.count("sync_full").await, 1);
    two.console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_stopped_within_its_load_joins_later_and_the_other_is_not_loaded_again() {
    let mut two = Two::kept().await;
    let fill = "for i = 1, 3000 do redis.call('SET', 'second:' .. i, string.rep('x', 1000)) end";
    two.second.run(&["EVAL", fill, "0"]).await;
    two.second.run(&["CONFIG", "SET", "rdb-key-save-delay", "5000"]).await;
    two.console.start(&two.kept.id, None).await.unwrap();
    two.until(|live| live.sources[1].phase == Phase::Loading && live.in_step == 1).await;
    two.console.stop_source(&two.kept.id, two.other()).await.unwrap();
    two.until(|live| stopped(live) == [false, true]).await;
    two.follows(&two.first, "alone").await;
    two.second.run(&["CONFIG", "SET", "rdb-key-save-delay", "0"]).await;
    two.reopen().await;
    two.until(|live| stopped(live) == [false, true] && live.in_step == 1).await;
    two.console.start_source(&two.kept.id, two.other()).await.unwrap();
    two.until(|live| live.in_step == 2).await;
    assert_eq!(two.destination.run(&["STRLEN", "second:3000"]).await, Value::Int(1000));
    assert_eq!(two.first.count("sync_full").await, 1, "the first was not loaded again");
    two.console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_started_while_its_stop_drains_goes_on() {
    let two = Two::new().await;
    two.destination.run(&["CLIENT", "PAUSE", "2000", "WRITE"]).await;
    two.second.run(&["SET", "while", "paused"]).await;
    two.console.stop_source(&two.kept.id, two.other()).await.unwrap();
    two.console.start_source(&two.kept.id, two.other()).await.unwrap();
    two.destination.answers(&["GET", "while"], "paused").await;
    two.follows(&two.second, "again").await;
    two.until(|live| live.in_step == 2).await;
    assert_eq!(two.full_syncs().await, (1, 1));
    two.console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_stopped_is_loaded_with_the_others_for_its_data_and_stays_stopped() {
    let two = Two::new().await;
    two.console.stop_source(&two.kept.id, two.other()).await.unwrap();
    two.until(|live| stopped(live) == [false, true]).await;
    two.second.run(&["SET", "later", "1"]).await;
    // All are loaded again.
    two.first.run(&["FLUSHALL"]).await;
    two.first.run(&["SET", "first", "once more"]).await;
    two.destination.answers(&["GET", "first"], "once more").await;
    two.until(|live| stopped(live) == [false, true] && live.in_step == 1).await;
    two.destination.answers(&["GET", "second"], "2").await;
    two.destination.answers(&["GET", "later"], "1").await;
    assert_eq!(two.full_syncs().await, (2, 2));
    assert_eq!(two.second.count("connected_slaves").await, 0);
    two.second.run(&["SET", "after", "it"]).await;
    two.follows(&two.first, "goes on").await;
    assert_eq!(two.destination.run(&["EXISTS", "after"]).await, Value::Int(0));
    two.console.start_source(&two.kept.id, two.other()).await.unwrap();
    two.destination.answers(&["GET", "after"], "it").await;
    assert_eq!(two.full_syncs().await, (2, 2), "it went on from its checkpoint");
    two.console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_cannot_be_kept_leaves_the_replica_running_as_it_was() {
    let two = Two::new().await;
    let third = Server::start("3-secret").await;
    let mut form = form_of(&two.kept);
    form.sources.push(new_source("third", &third));
    two.keyring.lock();
    two.console.update(&two.kept.id, form).await.unwrap_err();
    assert_eq!(two.console.startup().await.unwrap().definitions[0].sources.len(), 2);
    assert_eq!(two.console.running(), 1);
    two.follows(&two.first, "as before").await;
    two.console.shut_down().await;
}
