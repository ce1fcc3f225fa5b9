//! The other users of a destination lose their writes while a replica runs, and get back exactly what they had.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::sync::Arc;

use redis::{Connection, RedisResult};
use tributary_engine::{
    Endpoint, ForeignWrites, LockDownError, OwnClients, Released, ReplicaSpec, SourceSpec, StartMode, Status,
    lock_down, release, start, survey, watch_foreign,
};
use tributary_tests::server::{Server, Version};
use tributary_tests::{DEADLINE, eventually};

const VERSIONS: [Version; 5] =
    [Version::Redis62, Version::Redis70, Version::Redis82, Version::Valkey81, Version::Valkey91];

/// A destination with our own user, one that may all, one that may little, and one that is switched off.
fn destination(version: Version) -> (Server, ReplicaSpec) {
    let server = Server::start(version);
    for user in ["tributary", "app", "cart", "old"] {
        server.run::<()>(&["ACL", "SETUSER", user, "on", ">secret", "~*", "&*", "+@all"]);
    }
    server.run::<()>(&["ACL", "SETUSER", "old", "off"]);
    server.run::<()>(&["ACL", "SETUSER", "cart", "resetkeys", "~cart:*", "-@all", "+get", "+set", "+@list"]);
    if version != Version::Redis62 {
        server.run::<()>(&["ACL", "SETUSER", "cart", "(~open:* -@all +@read +hset)", "(%R~ro:* +get)"]);
    }
    let url = format!("redis://tributary:secret@127.0.0.1:{}", server.port());
    let source = Endpoint::parse("redis://127.0.0.1:1").unwrap();
    let spec = ReplicaSpec {
        id: "r".into(),
        name: "r".into(),
        destination: Endpoint::parse(&url).unwrap(),
        sources: vec![SourceSpec { id: "s".into(), name: "s".into(), endpoint: source, stopped: false }],
        options: tributary_engine::ReplicaOptions::default(),
    };
    (server, spec)
}

fn login(server: &Server, user: &str) -> Connection {
    let url = format!("redis://{user}:secret@127.0.0.1:{}/", server.port());
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

/// Whether a command is permitted; that it may fail for another reason does not matter.
fn may(connection: &mut Connection, command: &[&str]) -> bool {
    let result: RedisResult<redis::Value> = redis::cmd(command[0]).arg(&command[1..]).query(connection);
    !result.is_err_and(|e| e.code() == Some("NOPERM"))
}

fn rules(server: &Server) -> Vec<String> {
    server.run(&["ACL", "LIST"])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_takes_writes_from_the_others_and_gives_back_exactly_what_they_had() {
    for version in VERSIONS {
        let (server, spec) = destination(version);
        let own = OwnClients::default();
        let before = rules(&server);
        let (mut app, mut cart) = (login(&server, "app"), login(&server, "cart"));
        assert!(may(&mut app, &["SET", "k", "v"]) && may(&mut cart, &["RPUSH", "cart:1", "v"]));

        let locked = lock_down(&spec, &own).await.unwrap();
        assert_eq!(locked.users, ["app", "cart", "default"], "{version:?}");
        for write in [&["SET", "k", "v"][..], &["FLUSHALL"], &["DEL", "k"], &["SWAPDB", "0", "1"]] {
            assert!(!may(&mut app, write), "{version:?}: {write:?} of a client that was already there");
        }
        // From 7.0 on DEBUG is off unless the configuration allows it.
        assert!(version != Version::Redis62 || !may(&mut app, &["DEBUG", "RELOAD"]));
        may(&mut app, &["EVAL", "return redis.call('SET', KEYS[1], 'script')", "1", "k"]);
        assert_eq!(server_get(&server, "k"), "v", "{version:?}: a script writes no more than its user may");
        assert!(may(&mut app, &["GET", "k"]) && may(&mut cart, &["GET", "cart:1"]));
        assert!(!may(&mut cart, &["RPUSH", "cart:1", "v"]) && !may(&mut cart, &["HSET", "open:1", "f", "v"]));
        assert!(may(&mut login(&server, "tributary"), &["SET", "k", "w"]), "{version:?}: our own user");
        if version != Version::Redis62 {
            assert!(may(&mut cart, &["HGET", "open:1", "f"]), "{version:?}: what a selector lets read");
        }

        let now = rules(&server);
        let shadows: Vec<&String> = now.iter().filter(|line| line.starts_with("user tributary:")).collect();
        assert_eq!(shadows.len(), 6, "{version:?}");
        assert!(shadows.iter().all(|line| line.contains(" off ") && !line.contains('#') && !line.contains("nopass")));
        assert_eq!(lock_down(&spec, &own).await.unwrap(), locked, "{version:?}: twice is once");
        assert_eq!(rules(&server), now);

        let released = release(&spec).await.unwrap();
        assert_eq!(released.restored, ["app", "cart", "default"], "{version:?}");
        assert_eq!(rules(&server), before, "{version:?}");
        assert!(may(&mut app, &["SET", "k", "v"]));
        assert_eq!(release(&spec).await.unwrap(), Released::default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_change_leaves_nothing_that_is_not_undone() {
    for version in [Version::Redis62, Version::Redis70, Version::Valkey91] {
        let (server, spec) = destination(version);
        let own = OwnClients::default();
        let before = rules(&server);
        // Remembered, and not changed yet: with the first shadow only, then with both.
        let shadow = |kind: &str, rule: &[&str]| {
            let name = format!("tributary:r:{kind}:app");
            server_as(&server, &[&["ACL", "SETUSER", &name, "reset", "off", "+@all"], rule].concat());
        };
        shadow("before", &[]);
        assert_eq!(release(&spec).await.unwrap(), Released::default());
        assert_eq!(rules(&server), before, "{version:?}");
        shadow("before", &[]);
        shadow("locked", &["-@write", "-debug"]);
        lock_down(&spec, &own).await.unwrap();
        assert_eq!(release(&spec).await.unwrap().restored, ["app", "cart", "default"]);
        assert_eq!(rules(&server), before, "{version:?}");
    }
}

fn server_get(server: &Server, key: &str) -> String {
    redis::cmd("GET").arg(key).query(&mut login(server, "tributary")).unwrap()
}

fn server_as(server: &Server, command: &[&str]) {
    redis::cmd(command[0]).arg(&command[1..]).query::<()>(&mut login(server, "tributary")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_outlives_a_load_and_is_no_key_of_the_destination() {
    let (server, mut spec) = destination(Version::Redis70);
    let source = Server::start(Version::Redis70);
    source.run::<()>(&["SET", "key", "value"]);
    spec.sources[0].endpoint = Endpoint::parse(&source.url()).unwrap();
    let before = rules(&server);
    lock_down(&spec, &OwnClients::default()).await.unwrap();
    assert_eq!(survey(&spec).await.unwrap().server.keys(None), 0);
    let replica = start(spec.clone(), StartMode::Restart);
    let mut status = replica.status();
    let synced = status.wait_for(|status| status.status == Status::Synced);
    tokio::time::timeout(DEADLINE, synced).await.expect("synced in time").unwrap();
    replica.stop().await;
    assert_eq!(server_get(&server, "key"), "value");
    assert_eq!(release(&spec).await.unwrap().restored.len(), 3);
    assert_eq!(rules(&server), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_an_administrator_changed_meanwhile_and_deleted_users_are_left_alone() {
    let (server, spec) = destination(Version::Valkey81);
    lock_down(&spec, &OwnClients::default()).await.unwrap();
    server_as(&server, &["ACL", "SETUSER", "app", "-@all", "+get"]);
    server_as(&server, &["ACL", "DELUSER", "cart"]);
    let released = release(&spec).await.unwrap();
    assert_eq!(released.changed, [("app".to_owned(), "+@all".to_owned())]);
    assert_eq!(released.restored, ["default"]);
    let lines = rules(&server);
    assert!(lines.iter().any(|line| line.starts_with("user app ") && line.ends_with("-@all +get")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("user cart ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_came_later_and_rules_that_came_back_are_taken_at_the_next_call() {
    let (server, spec) = destination(Version::Redis82);
    let own = OwnClients::default();
    lock_down(&spec, &own).await.unwrap();
    server_as(&server, &["ACL", "SETUSER", "late", "on", ">secret", "~*", "+@all"]);
    // As after a restart of the server with rules of its own.
    server_as(&server, &["ACL", "SETUSER", "app", "+@all"]);
    assert!(may(&mut login(&server, "late"), &["SET", "k", "v"]));
    let locked = lock_down(&spec, &own).await.unwrap();
    assert_eq!(locked.users, ["app", "cart", "default", "late"]);
    assert!(!may(&mut login(&server, "late"), &["SET", "k", "v"]));
    assert!(!may(&mut login(&server, "app"), &["SET", "k", "v"]));
    assert_eq!(release(&spec).await.unwrap().restored.len(), 4);
    assert!(
        may(&mut login(&server, "app"), &["SET", "k", "v"]) && may(&mut login(&server, "late"), &["SET", "k", "v"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_whose_clients_share_our_user_cannot_be_locked() {
    let impossible = |result: Result<_, LockDownError>| match result {
        Err(LockDownError::Impossible(why)) => why,
        other => panic!("{other:?}"),
    };
    let (server, mut spec) = destination(Version::Redis70);
    let mut shared = login(&server, "tributary");
    assert!(may(&mut shared, &["PING"]));
    let why = impossible(lock_down(&spec, &OwnClients::default()).await.map(drop));
    assert!(why.contains("as the same user") && why.contains("tributary"), "{why}");
    // The same connection, once it is known to be ours.
    let id: u64 = redis::cmd("CLIENT").arg("ID").query(&mut shared).unwrap();
    let own = Arc::new(OwnClients::default());
    let guard = own.add(id);
    lock_down(&spec, &own).await.unwrap();
    release(&spec).await.unwrap();
    drop(guard);

    let lonely = Server::start(Version::Redis70);
    spec.destination = Endpoint::parse(&lonely.url()).unwrap();
    let why = impossible(lock_down(&spec, &own).await.map(drop));
    assert!(why.contains("there is no other one"), "{why}");
    assert_eq!(lonely.run::<u64>(&["DBSIZE"]), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_may_not_administer_users_fails_and_changes_nothing() {
    let (server, spec) = destination(Version::Redis70);
    server.run::<()>(&["ACL", "SETUSER", "tributary", "-acl|setuser"]);
    let before = rules(&server);
    let LockDownError::Failed(failure) = lock_down(&spec, &OwnClients::default()).await.unwrap_err() else {
        panic!("refused by the server");
    };
    assert_eq!(failure.kind.code(), "no_permission");
    assert_eq!(rules(&server), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_others_are_noticed_and_our_own_are_not() {
    // Without a count of commands for each client, and with one.
    for version in [Version::Redis62, Version::Valkey91] {
        let (server, spec) = destination(version);
        let own = Arc::new(OwnClients::default());
        let mut ours = login(&server, "tributary");
        let id: u64 = redis::cmd("CLIENT").arg("ID").query(&mut ours).unwrap();
        let _guard = own.add(id);
        let (tell, seen) = tokio::sync::watch::channel(ForeignWrites::default());
        let watching = tokio::spawn(watch_foreign(spec.destination.clone(), own, tell));
        // Several looks with nothing but reads and writes of ours.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
        let mut app = login(&server, "app");
        while std::time::Instant::now() < until {
            redis::cmd("SET").arg("k").arg("v").query::<()>(&mut ours).unwrap();
            redis::cmd("GET").arg("k").query::<String>(&mut app).unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(*seen.borrow(), ForeignWrites::default(), "{version:?}");
        let found = eventually("a foreign write", || {
            redis::cmd("SET").arg("k").arg("x").query::<()>(&mut app).unwrap();
            Some(seen.borrow().clone()).filter(|writes| writes.seen > 0)
        });
        let last = found.last.unwrap();
        assert_eq!((last.command.as_str(), last.user.as_deref(), last.certain), ("SET", Some("app"), true));
        drop(seen);
        tokio::time::timeout(DEADLINE, watching).await.expect("the watch ends with its listener").unwrap();
    }
}
