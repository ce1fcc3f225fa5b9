//! Sources and destinations that Sentinels know: a promotion is followed, without a full sync. About half a minute.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use tributary_tests::cli::Sync;
use tributary_tests::exact::{self, Load};
use tributary_tests::sentinel::{MASTER, Sentinel, url};
use tributary_tests::server::{Server, Version, free_port};
use tributary_tests::{compare, eventually, load};

const EXPIRY_TOLERANCE_MS: i64 = 10;
/// A PING that only one of two servers saw would be a history of its own: none is sent.
const QUIET: &str = "repl-ping-replica-period 3600";

/// A master, its replica and a Sentinel.
struct Watched {
    master: Server,
    replica: Server,
    sentinel: Sentinel,
}

impl Watched {
    fn new() -> Self {
        let config = [QUIET, "repl-backlog-size 256mb"];
        let master = Server::with(Version::Redis70, &config);
        // A replica that took the streams' groups from a snapshot holds exactly what its master does.
        load::bulk(&master, 500);
        let of = format!("replicaof 127.0.0.1 {}", master.port());
        let replica = Server::with(Version::Redis70, &[&config[..], &[&of]].concat());
        eventually("the replica is up", || (replica.info("master_link_status") == "up").then_some(()));
        let sentinel = Sentinel::of(&master);
        Self { master, replica, sentinel }
    }

    fn url(&self) -> String {
        url(&[self.sentinel.port()], MASTER)
    }

    fn until_replicated(&self) {
        eventually("the replica holds all", || {
            (self.replica.count("slave_repl_offset") == self.master.count("master_repl_offset")).then_some(())
        });
    }
}

fn no_full_resync(sync: &Sync) {
    let events = sync.events();
    assert!(!events.iter().any(|line| line.contains("Full resync")), "{events:#?}");
}

/// What is written to the promoted source, which has so many replicas of its own, arrives, and nothing was loaded twice.
fn goes_on_from(source: &Server, own: u64, destination: &Server, mut sync: Sync) {
    (0..100).for_each(|_| source.run(&["INCR", "counter"]));
    source.run::<()>(&["SET", "after", "the promotion"]);
    eventually("the write after it arrives", || {
        sync.still_runs();
        destination.run::<Option<String>>(&["GET", "after"])
    });
    sync.until_in_step(source);
    compare::servers(source, destination, EXPIRY_TOLERANCE_MS).none();
    no_full_resync(&sync);
    assert!(source.count("sync_partial_ok") > 0, "the link has not come to the promoted server");
    assert!(source.count("sync_full") <= own, "a full sync beside those of its own replicas");
    assert_eq!(sync.interrupt().code, Some(0));
}

/// A source that Sentinels know, and a sync that is in step with it.
fn in_step(source: &str, watched: &Watched) -> (Server, Sync) {
    (0..100).for_each(|_| watched.master.run(&["INCR", "counter"]));
    let destination = Server::start(Version::Redis70);
    let mut sync = Sync::start(source, &destination.url(), &[], &[]);
    sync.until_in_step(&watched.master);
    watched.until_replicated();
    (destination, sync)
}

#[test]
fn a_promotion_at_the_source_is_followed_by_a_partial_sync() {
    let watched = Watched::new();
    let (destination, sync) = in_step(&watched.url(), &watched);
    watched.sentinel.fail_over(&watched.replica);
    goes_on_from(&watched.replica, 1, &destination, sync);
    // The first master is a replica of the other by now; what is written goes its way once.
    assert_eq!(destination.run::<u64>(&["GET", "counter"]), 200);
}

#[test]
fn a_master_that_dies_is_left_for_the_one_that_the_sentinel_promotes() {
    let mut watched = Watched::new();
    let (destination, sync) = in_step(&watched.url(), &watched);
    watched.master.kill();
    watched.sentinel.until_master(&watched.replica);
    goes_on_from(&watched.replica, 0, &destination, sync);
}

#[test]
fn a_sentinel_that_is_down_does_not_matter_while_another_answers() {
    let watched = Watched::new();
    let source = url(&[free_port(), watched.sentinel.port(), free_port()], MASTER);
    let (destination, sync) = in_step(&source, &watched);
    watched.sentinel.fail_over(&watched.replica);
    goes_on_from(&watched.replica, 1, &destination, sync);
}

#[test]
fn sentinels_that_are_all_down_are_asked_again_until_one_answers() {
    let watched = Watched::new();
    let (destination, mut sync) = in_step(&watched.url(), &watched);
    let Watched { master, replica, sentinel } = watched;
    let port = sentinel.port();
    drop(sentinel);
    // A link that stands needs no Sentinel.
    master.run::<()>(&["SET", "without", "a Sentinel"]);
    eventually("the write arrives", || destination.run::<Option<String>>(&["GET", "without"]));
    master.run::<u64>(&["CLIENT", "KILL", "TYPE", "replica", "LADDR", &format!("127.0.0.1:{}", master.port())]);
    let error = sync.until_retrying("unreachable");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("Sentinel") && message.contains(MASTER), "{message}");
    assert!(message.contains(&format!("127.0.0.1:{port}")), "{message}");
    let _sentinel = Sentinel::at(port, &master);
    master.run::<()>(&["SET", "after", "the outage"]);
    eventually("the write after it arrives", || destination.run::<Option<String>>(&["GET", "after"]));
    sync.until_in_step(&master);
    no_full_resync(&sync);
    drop(replica);
}

#[test]
fn sentinels_that_are_all_down_at_the_start_are_told_and_asked_again() {
    let (destination, port) = (Server::start(Version::Redis70), free_port());
    let mut sync = Sync::start(&url(&[port, free_port()], MASTER), &destination.url(), &[], &[]);
    let error = sync.until_retrying("unreachable");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("No Sentinel tells") && message.contains(MASTER), "{message}");
    let master = Server::start(Version::Redis70);
    master.run::<()>(&["SET", "key", "value"]);
    let _sentinel = Sentinel::at(port, &master);
    sync.until_synced();
    assert_eq!(destination.run::<String>(&["GET", "key"]), "value");
}

#[test]
fn a_name_that_the_sentinels_do_not_know_is_told_with_what_to_do() {
    let watched = Watched::new();
    let destination = Server::start(Version::Redis70);
    let source = url(&[free_port(), watched.sentinel.port()], "mistyped");
    let mut sync = Sync::start(&source, &destination.url(), &[], &[]);
    let error = sync.until_retrying("source_unavailable");
    let (message, hint) = (error["message"].as_str().unwrap(), error["hint"].as_str().unwrap());
    assert!(message.contains("does not know a master “mistyped”"), "{message}");
    assert!(hint.contains("Check the name"), "{hint}");
}

/// The promoted destination may lack what the other had executed: the checkpoint says so, and it is sent again.
#[test]
fn a_promotion_at_the_destination_under_load_loses_nothing_and_applies_nothing_twice() {
    let watched = Watched::new();
    let source = Server::with(Version::Redis70, &["repl-backlog-size 256mb"]);
    load::bulk(&source, 500);
    let mut sync = Sync::start(&source.url(), &watched.url(), &["--flush"], &[]);
    sync.until_synced();
    watched.until_replicated();
    let load = Load::start(&source, 300);
    watched.sentinel.fail_over(&watched.replica);
    let (target, mut watch) = (load.written(), watched.replica.connect());
    eventually("the promoted destination is written to", || {
        sync.still_runs();
        (exact::rounds(&mut watch) > target).then_some(())
    });
    let rounds = load.finish();
    sync.until_in_step(&source);
    assert_eq!(exact::rounds(&mut watch), rounds);
    exact::no_transaction_is_split(&mut watch);
    compare::servers(&source, &watched.replica, EXPIRY_TOLERANCE_MS).none();
    no_full_resync(&sync);
    assert_eq!(source.count("sync_full"), 1);
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_destination_that_dies_is_left_for_the_one_that_the_sentinel_promotes() {
    let mut watched = Watched::new();
    let source = Server::with(Version::Redis70, &["repl-backlog-size 256mb"]);
    load::bulk(&source, 500);
    let mut sync = Sync::start(&source.url(), &watched.url(), &["--flush"], &[]);
    sync.until_synced();
    watched.until_replicated();
    let load = Load::start(&source, 300);
    watched.master.kill();
    watched.sentinel.until_master(&watched.replica);
    let (target, mut watch) = (load.written(), watched.replica.connect());
    eventually("the promoted destination is written to", || {
        sync.still_runs();
        (exact::rounds(&mut watch) > target).then_some(())
    });
    let rounds = load.finish();
    sync.until_in_step(&source);
    assert_eq!(exact::rounds(&mut watch), rounds);
    compare::servers(&source, &watched.replica, EXPIRY_TOLERANCE_MS).none();
    no_full_resync(&sync);
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn sentinels_of_a_destination_that_are_down_at_the_start_are_told_as_the_destinations() {
    let source = Server::start(Version::Redis70);
    source.run::<()>(&["SET", "key", "value"]);
    let port = free_port();
    let mut sync = Sync::start(&source.url(), &url(&[port], MASTER), &[], &[]);
    let error = sync.until_retrying("unreachable");
    assert!(error["message"].as_str().unwrap().contains("No Sentinel tells"), "{error}");
    let destination = Server::start(Version::Redis70);
    let _sentinel = Sentinel::at(port, &destination);
    sync.until_synced();
    assert_eq!(destination.run::<String>(&["GET", "key"]), "value");
}

/// A source's Sentinels speak through it, and what they say is in its stream. Those of the destination must not hear it:
/// under the same name, and with a later epoch, it would be word of a new master of theirs.
#[test]
fn sentinels_of_a_source_and_of_a_destination_under_one_name_do_not_hear_each_other() {
    let (from, to) = (Watched::new(), Watched::new());
    let mut sync = Sync::start(&from.url(), &to.url(), &["--flush"], &[]);
    sync.until_in_step(&from.master);
    from.until_replicated();
    from.sentinel.fail_over(&from.replica);
    from.replica.run::<()>(&["SET", "after", "the promotion"]);
    eventually("the write after it arrives", || to.master.run::<Option<String>>(&["GET", "after"]));
    let spoken = |server: &Server| server.commands("publish");
    let target = spoken(&from.replica) + 5;
    eventually("the source's Sentinel goes on speaking", || (spoken(&from.replica) >= target).then_some(()));
    sync.until_in_step(&from.replica);
    assert_eq!(to.sentinel.master(), to.master.port());
    assert_eq!(to.master.info("role"), "master");
    assert_eq!(sync.interrupt().code, Some(0));
}
