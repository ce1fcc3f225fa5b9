//! Outages: connections that drop, servers that restart, a backlog that no longer reaches back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::time::{Duration, Instant};

use tributary_tests::cli::Sync;
use tributary_tests::compare;
use tributary_tests::eventually;
use tributary_tests::load::{self, Writer};
use tributary_tests::proxy::Proxy;
use tributary_tests::server::{Server, Version};

const EXPIRY_TOLERANCE_MS: i64 = 10;

#[test]
fn a_dropped_connection_is_continued_by_a_partial_sync_and_counters_stay_exact() {
    let source = Server::with(Version::Redis70, &["repl-backlog-size 256mb"]);
    let destination = Server::start(Version::Redis70);
    load::bulk(&source, 5000);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    assert_eq!(source.count("sync_full"), 1);
    let writer = Writer::start(&source);
    for already in 0..3 {
        source.run::<u64>(&["CLIENT", "KILL", "TYPE", "replica"]);
        eventually("a partial sync", || (source.count("sync_partial_ok") > already).then_some(()));
    }
    writer.finish();
    sync.until_in_step(&source);
    assert_eq!(source.count("sync_full"), 1);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn an_outage_longer_than_the_backlog_leads_to_a_full_sync() {
    let source = Server::with(Version::Redis70, &["repl-backlog-size 16kb"]);
    let destination = Server::start(Version::Redis70);
    load::bulk(&source, 5000);
    let proxy = Proxy::before(source.port());
    let mut sync = Sync::start(&proxy.url(), &destination.url(), &[], &[]);
    sync.until_synced();
    proxy.cut();
    sync.until("retrying", |report| report["phase"] == "retrying");
    load::big_list(&source, "larger than the backlog", 4);
    source.run::<u64>(&["DEL", "key:1"]);
    proxy.mend();
    eventually("a second full sync", || (source.count("sync_full") > 1).then_some(()));
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_source_that_restarts_is_followed_again() {
    let mut source = Server::start(Version::Redis70);
    let destination = Server::start(Version::Redis70);
    load::bulk(&source, 2000);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.kill();
    sync.until("retrying", |report| report["phase"] == "retrying");
    source.start_again();
    source.run::<()>(&["SET", "after", "the restart"]);
    eventually("the write arrives", || destination.run::<Option<String>>(&["GET", "after"]));
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_destination_that_restarts_empty_is_loaded_again() {
    let source = Server::start(Version::Redis70);
    let mut destination = Server::start(Version::Redis70);
    load::bulk(&source, 2000);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    destination.kill();
    source.run::<()>(&["SET", "during", "the outage"]);
    sync.until("retrying", |report| report["phase"] == "retrying");
    destination.start_again();
    eventually("the write arrives", || destination.run::<Option<String>>(&["GET", "during"]));
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_destination_whose_connections_are_cut_while_loading_ends_equal() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 40_000);
    let proxy = Proxy::before(destination.port());
    let mut sync = Sync::start(&source.url(), &proxy.url(), &[], &[]);
    eventually("the load has begun", || (destination.run::<u64>(&["DBSIZE"]) > 500).then_some(()));
    proxy.cut();
    sync.until("retrying", |report| report["phase"] == "retrying");
    proxy.mend();
    sync.until_synced();
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_sync_that_was_stopped_goes_on_from_its_checkpoint() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 5000);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    let ended = sync.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    assert_eq!(ended.last()["status"], "stopped", "{}", ended.output());
    source.run::<()>(&["SET", "while", "it was stopped"]);
    sync = Sync::between(&source, &destination, &[]);
    sync.until_in_step(&source);
    assert_eq!(source.count("sync_full"), 1, "it went on without a second snapshot");
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn other_users_are_read_only_until_a_stop_also_behind_a_kill() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 500);
    destination.run::<()>(&["ACL", "SETUSER", "tributary", "on", ">secret", "~*", "&*", "+@all"]);
    let before: Vec<String> = destination.run(&["ACL", "LIST"]);
    let url = format!("redis://tributary@127.0.0.1:{}", destination.port());
    let start =
        |extra: &[&str]| Sync::start(&source.url(), &url, extra, &[("TRIBUTARY_DESTINATION_PASSWORD", "secret")]);
    let locked = || destination.try_run::<()>(&["SET", "mine", "1"]).is_err();

    let mut sync = start(&["--lock-down"]);
    sync.until_in_step(&source);
    assert!(locked());
    assert_eq!(sync.kill().code, None);
    assert!(locked(), "nobody was there to give it back");

    let mut sync = start(&["--lock-down"]);
    sync.until_in_step(&source);
    source.run::<()>(&["SET", "still", "replicated"]);
    sync.until_in_step(&source);
    assert!(locked());
    let ended = sync.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    assert_eq!(destination.run::<Vec<String>>(&["ACL", "LIST"]), before);
    assert_eq!(destination.run::<String>(&["GET", "still"]), "replicated");
}

#[test]
fn a_destination_that_hangs_before_it_is_emptied_is_told_and_holds_up_no_stop() {
    // The source lets its snapshot wait, so that there is a time in which only the flush is still to come.
    let source = Server::with(Version::Redis70, &["repl-diskless-sync-delay 5"]);
    let destination = Server::start(Version::Redis70);
    source.run::<()>(&["SET", "key", "value"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    eventually("the source was asked", || (source.count("connected_slaves") == 1).then_some(()));
    destination.freeze();
    sync.until_retrying("timed_out");
    sync.signal("TERM");
    let asked = Instant::now();
    assert_eq!(sync.ended().code, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    destination.thaw();
}

#[test]
fn a_stop_while_the_destination_is_emptied_does_not_wait_for_it() {
    let source = Server::with(Version::Redis70, &["repl-diskless-sync-delay 5"]);
    let destination = Server::start(Version::Redis70);
    source.run::<()>(&["SET", "key", "value"]);
    let sync = Sync::between(&source, &destination, &[]);
    eventually("the source was asked", || (source.count("connected_slaves") == 1).then_some(()));
    destination.freeze();
    // From then on the flush hangs.
    eventually("the snapshot was begun", || (source.count("total_forks") == 1).then_some(()));
    let begun = Instant::now();
    eventually("the flush was begun", || (begun.elapsed() > Duration::from_secs(1)).then_some(()));
    sync.signal("TERM");
    let asked = Instant::now();
    assert_eq!(sync.ended().code, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    destination.thaw();
}

/// The snapshot of the destination is of the run before last, whose name no run of today has met.
#[test]
fn a_destination_that_comes_back_with_marks_of_an_older_run_is_gone_on_with() {
    let source = Server::start(Version::Redis70);
    let mut destination = Server::start(Version::Redis70);
    load::bulk(&source, 500);
    for run in 0..2 {
        let mut sync = Sync::between(&source, &destination, &[]);
        sync.until_in_step(&source);
        if run == 0 {
            destination.save();
        }
        assert_eq!(sync.interrupt().code, Some(0));
    }
    let mut sync = Sync::between(&source, &destination, &[]);
    source.run::<()>(&["SET", "lost at first", "1"]);
    sync.until_in_step(&source);
    destination.kill();
    sync.until("retrying", |report| report["phase"] == "retrying");
    destination.start_again();
    eventually("the write arrives again", || destination.run::<Option<String>>(&["GET", "lost at first"]));
    sync.until_in_step(&source);
    assert_eq!(source.count("sync_full"), 1, "the backlog held what was lost");
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn the_run_before_is_remembered_where_the_destination_was_not_there_at_first() {
    let source = Server::with(Version::Redis70, &["repl-backlog-size 128mb"]);
    let destination = Server::with(Version::Redis70, &["enable-debug-command yes"]);
    let proxy = Proxy::before(destination.port());
    source.run::<()>(&["SET", "key", "value"]);
    let start = || Sync::start(&source.url(), &proxy.url(), &[], &[]);
    let mut sync = start();
    sync.until_in_step(&source);
    destination.save();
    sync.signal("USR1");
    sync.until("paused", |report| report["phase"] == "paused");
    load::big_list(&source, "more than memory takes", 48);
    sync.until("files of the spool", |report| report["spool_disk_bytes"].as_u64() > Some(0));
    assert_eq!(sync.kill().code, None);

    proxy.cut();
    let mut sync = start();
    sync.until("the destination is missed", |report| report["phase"] == "retrying");
    proxy.mend();
    sync.until_in_step(&source);
    // The same process, with the marks of the run before.
    destination.run::<()>(&["DEBUG", "RELOAD", "NOSAVE"]);
    proxy.drop_connections();
    sync.until_in_step(&source);
    eventually("what was lost arrives again", || {
        sync.still_runs();
        let length = |server: &Server| server.run::<u64>(&["LLEN", "more than memory takes"]);
        (length(&destination) == length(&source)).then_some(())
    });
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}
