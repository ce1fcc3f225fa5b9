//! What is copied: equal content at both ends, for the versions and the ways in which a source can send it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::time::{Duration, Instant};

use tributary_tests::cli::Sync;
use tributary_tests::compare;
use tributary_tests::eventually;
use tributary_tests::load::{self, Writer};
use tributary_tests::scale;
use tributary_tests::server::{Server, Version};

/// What the clocks and the delivery may move an expiry that the source streams as absolute.
const EXPIRY_TOLERANCE_MS: i64 = 10;

/// Copies a bulk of `keys` while mixed writes go on before, during and after the snapshot, then compares everything.
fn copies_all_with_writes_going_on(version: Version, keys: u64, seconds: u64) {
    let (source, destination) = (Server::start(version), Server::start(version));
    load::bulk(&source, keys);
    let writer = Writer::start(&source);
    let started = Instant::now();
    let mut sync = Sync::between(&source, &destination, &[]);
    let synced = sync.until_synced();
    // The stream is part of what is tested: writes go on for a while after the snapshot.
    eventually("the writes went on", || (started.elapsed() >= Duration::from_secs(seconds)).then_some(()));
    let rounds = writer.finish();
    let report = sync.until_in_step(&source);
    assert!(rounds > 100 && report["commands"].as_u64() > Some(1000), "{rounds} rounds, {report}");
    assert!(synced["lag_ms"].is_number(), "{synced}");
    // Up to 6.2 an expiry is streamed as relative: it may be off by the delay of its delivery too.
    let lag = if version == Version::Redis62 { 1000 } else { 0 };
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS + lag).none();
    assert!(sync.peak_mib() < 128, "{} MiB", sync.peak_mib());
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn redis_7_0_ends_equal_with_writes_before_during_and_after_the_snapshot() {
    copies_all_with_writes_going_on(Version::Redis70, 100_000 * scale(), 4 + 2 * scale());
}

#[test]
fn redis_6_2_ends_equal_with_writes_before_during_and_after_the_snapshot() {
    copies_all_with_writes_going_on(Version::Redis62, 100_000, 5);
}

#[test]
fn redis_8_2_ends_equal_with_writes_before_during_and_after_the_snapshot() {
    copies_all_with_writes_going_on(Version::Redis82, 100_000, 5);
}

#[test]
fn valkey_8_1_ends_equal_with_writes_before_during_and_after_the_snapshot() {
    copies_all_with_writes_going_on(Version::Valkey81, 100_000, 5);
}

/// A replica sends no SELECT at the start of its stream: the database follows from the snapshot's own note.
#[test]
fn a_chained_replica_whose_last_write_was_in_db_5_streams_into_db_5() {
    let primary = Server::start(Version::Redis70);
    load::bulk(&primary, 1000);
    let source = Server::with(Version::Redis70, &[&format!("replicaof 127.0.0.1 {}", primary.port())]);
    eventually("the chained replica is in step", || {
        (source.info("master_link_status") == "up" && source.run::<u64>(&["DBSIZE"]) > 0).then_some(())
    });
    primary.run_in::<()>(5, &["SET", "before", "the snapshot"]);
    eventually("the write reaches the chained replica", || {
        source.run_in::<Option<String>>(5, &["GET", "before"]).map(|_| ())
    });
    let destination = Server::start(Version::Redis70);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    // On one connection the primary sends no new SELECT for these.
    primary.run_in::<()>(5, &["SET", "after", "the snapshot"]);
    eventually("the write arrives in db 5", || destination.run_in::<Option<String>>(5, &["GET", "after"]).map(|_| ()));
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

/// Valkey 9 writes its own dump format, and only for replicas that say they know it.
#[test]
fn valkey_9_1_passes_on_hashes_whose_fields_expire() {
    let (source, destination) = (Server::start(Version::Valkey91), Server::start(Version::Valkey91));
    source.run::<()>(&["HSET", "h", "kept", "1", "goes", "2"]);
    source.run::<Vec<i64>>(&["HPEXPIREAT", "h", "4102444800123", "FIELDS", "1", "goes"]);
    source.run::<()>(&["SET", "text", "value"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.run::<()>(&["HSET", "after", "field", "value"]);
    sync.until_in_step(&source);
    let expiries = destination.run::<Vec<i64>>(&["HPEXPIRETIME", "h", "FIELDS", "2", "kept", "goes"]);
    assert_eq!(expiries, [-1, 4_102_444_800_123]);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn function_libraries_are_copied_and_those_of_the_destination_are_gone() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    let library = |name: &str| {
        format!("#!lua name={name}\nredis.register_function('{name}_call', function() return 'from {name}' end)")
    };
    source.run::<String>(&["FUNCTION", "LOAD", &library("wanted")]);
    source.run::<()>(&["SET", "key", "value"]);
    destination.run::<String>(&["FUNCTION", "LOAD", &library("old")]);
    destination.run::<()>(&["SET", "old", "value"]);
    let mut sync = Sync::between(&source, &destination, &["--flush"]);
    sync.until_synced();
    assert_eq!(compare::functions(&source), compare::functions(&destination));
    assert_eq!(destination.run::<String>(&["FCALL", "wanted_call", "0"]), "from wanted");
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn one_database_lands_in_another_and_only_that_one_is_flushed() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 2000);
    destination.run_in::<()>(0, &["SET", "mine", "stays"]);
    destination.run_in::<()>(3, &["SET", "mine", "stays"]);
    destination.run_in::<()>(7, &["SET", "old", "goes"]);
    let (from, to) = (format!("{}/3", source.url()), format!("{}/7", destination.url()));
    let mut sync = Sync::start(&from, &to, &["--flush"], &[]);
    sync.until_synced();
    let writer = Writer::start(&source);
    eventually("commands arrive", || destination.run_in::<Option<u64>>(7, &["GET", "pair:left"]).filter(|&n| n > 50));
    writer.finish();
    sync.until_in_step(&source);
    compare::database((&source, 3), (&destination, 7), EXPIRY_TOLERANCE_MS).none();
    for db in [0, 3] {
        assert_eq!(destination.run_in::<Vec<String>>(db, &["KEYS", "*"]), ["mine"], "db {db}");
    }
    assert_eq!(destination.run_in::<u64>(5, &["DBSIZE"]), 0);
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn copies_within_one_database_land_in_the_other_and_nowhere_else() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run_in::<()>(3, &["SET", "a", "value"]);
    let (from, to) = (format!("{}/3", source.url()), format!("{}/5", destination.url()));
    let mut sync = Sync::start(&from, &to, &[], &[]);
    sync.until_synced();
    for copy in [
        &["COPY", "a", "db"][..],
        &["COPY", "db", "x"],
        &["COPY", "a", "db", "REPLACE"],
        &["COPY", "a", "b", "DB", "3"],
        &["COPY", "x", "b", "REPLACE", "db", "3"],
        // Into one that is not copied.
        &["COPY", "a", "elsewhere", "DB", "5"],
    ] {
        assert_eq!(source.run_in::<u64>(3, copy), 1, "{copy:?}");
    }
    // And within that one.
    assert_eq!(source.run_in::<u64>(5, &["COPY", "elsewhere", "c"]), 1);
    sync.until_in_step(&source);
    let mut here: Vec<String> = destination.run_in(5, &["KEYS", "[^t]*"]);
    here.sort();
    assert_eq!(here, ["a", "b", "db", "x"]);
    assert_eq!(destination.run_in::<u64>(3, &["DBSIZE"]), 0);
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_source_that_writes_its_snapshot_to_disk_first_is_copied_too() {
    let source = Server::with(Version::Redis70, &["repl-diskless-sync no"]);
    let destination = Server::start(Version::Redis70);
    load::bulk(&source, 5000);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.run::<()>(&["SET", "after", "the snapshot"]);
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn an_empty_source_with_a_diskless_delay_comes_in_step() {
    let source = Server::with(Version::Redis70, &["repl-diskless-sync-delay 1"]);
    let destination = Server::start(Version::Redis70);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.run::<()>(&["SET", "first", "write"]);
    sync.until_in_step(&source);
    assert_eq!(destination.run::<String>(&["GET", "first"]), "write");
    assert_eq!(sync.interrupt().code, Some(0));
}
