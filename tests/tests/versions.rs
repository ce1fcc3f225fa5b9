//! The stream between servers of different versions: commands are told in words that the destination knows, or stop the sync
//! before anything of them is applied. Half a minute; with SCALE=10, for all pairs of versions, a minute.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use serde_json::Value;
use tributary_tests::cli::{Sync, run};
use tributary_tests::load::{self, Writer};
use tributary_tests::server::{Server, Version};
use tributary_tests::{compare, eventually, families, scale};

/// Servers before 7.0 tell expiries as what is left of them.
const EXPIRY_TOLERANCE_MS: i64 = 150;
/// They stream them so too: an expiry is off by what its delivery took, on a machine that is busy with other things as well.
const RELATIVE_TOLERANCE_MS: i64 = 3_000;

const VERSIONS: [Version; 5] =
    [Version::Redis62, Version::Redis70, Version::Redis82, Version::Valkey81, Version::Valkey91];

/// Each version as a source and as a destination, mostly towards an older one or to the other product.
const SOME: [(Version, Version); 7] = [
    (Version::Redis82, Version::Redis62),
    (Version::Redis70, Version::Redis62),
    (Version::Valkey81, Version::Redis62),
    (Version::Valkey91, Version::Redis70),
    (Version::Redis62, Version::Redis82),
    (Version::Redis82, Version::Valkey91),
    (Version::Valkey91, Version::Redis82),
];

fn knows_field_expiry(version: Version) -> bool {
    matches!(version, Version::Redis82 | Version::Valkey91)
}

/// `tributary verify --full` finds no difference either.
fn verified(source: &Server, destination: &Server) {
    let (code, said) = run(&["verify", "--source", &source.url(), "--destination", &destination.url(), "--full"]);
    assert_eq!(code, Some(0), "{said}");
}

/// Every kind of value in the snapshot, then every family of commands in the stream.
fn ends_equal(from: Version, to: Version) {
    println!("{from:?} to {to:?}");
    let (source, destination) = (Server::start(from), Server::start(to));
    load::bulk(&source, 2_000);
    let loses = knows_field_expiry(from) && !knows_field_expiry(to);
    let mut sync = Sync::between(&source, &destination, if loses { &["--drop-field-expiry"] } else { &[] });
    sync.until_synced();
    let full = source.count("sync_full");
    let writer = Writer::start(&source);
    let rounds = 10 * scale();
    families::write(&source, rounds);
    assert!(writer.finish() > 0);
    sync.until_in_step(&source);
    let tolerance = if from == Version::Redis62 { RELATIVE_TOLERANCE_MS } else { EXPIRY_TOLERANCE_MS };
    compare::servers(&source, &destination, tolerance).none();
    if !loses {
        verified(&source, &destination);
    }
    if knows_field_expiry(from) && knows_field_expiry(to) {
        for round in 0..rounds {
            let asked = ["HPEXPIRETIME", &format!("hf:{round}"), "FIELDS", "6", "a", "b", "c", "d", "x", "z"];
            assert_eq!(source.run::<Vec<i64>>(&asked), destination.run::<Vec<i64>>(&asked), "{asked:?}");
        }
    }
    assert_eq!(source.count("sync_full"), full, "the stream was not followed all the way");
    let ended = sync.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    if loses {
        let of_each_round = if from == Version::Valkey91 { 2 } else { 1 };
        assert_eq!(ended.last()["omitted"].as_u64(), Some(of_each_round * rounds), "{}", ended.output());
    }
}

#[test]
fn every_command_of_one_version_has_its_effect_at_another() {
    if scale() < 10 {
        return SOME.into_iter().for_each(|(from, to)| ends_equal(from, to));
    }
    for from in VERSIONS {
        VERSIONS.into_iter().filter(|to| *to != from).for_each(|to| ends_equal(from, to));
    }
}

/// A source leaves LIMIT behind the threshold that it came to; servers take that from their master only.
#[test]
fn every_command_has_its_effect_at_a_server_of_the_same_version() {
    let versions: &[Version] = if scale() < 10 { &[Version::Redis70, Version::Valkey91] } else { &VERSIONS };
    versions.iter().for_each(|&version| ends_equal(version, version));
}

/// A source and a destination that are in step, with one key.
fn in_step(from: Version, to: Version) -> (Server, Server) {
    let (source, destination) = (Server::with(from, &["repl-backlog-size 64mb"]), Server::start(to));
    source.run::<()>(&["SET", "earlier", "value"]);
    (source, destination)
}

/// The sync stops with this kind of error, which names all of these.
fn stops(sync: Sync, kind: &str, named: &[&str]) -> Value {
    let error = sync.ended().stopped_with(kind);
    let message = error["message"].as_str().unwrap();
    named.iter().for_each(|name| assert!(message.contains(name), "no {name:?} in {message}"));
    error
}

/// Goes on from the checkpoint with these arguments, until the source's writes are there.
fn goes_on(source: &Server, destination: &Server, extra: &[&str]) -> Sync {
    let full = source.count("sync_full");
    let mut sync = Sync::between(source, destination, extra);
    sync.until_in_step(source);
    assert_eq!(source.count("sync_full"), full, "a full sync");
    sync
}

#[test]
fn an_unknown_command_stops_before_anything_of_its_transaction_and_goes_on_when_the_destination_knows_it() {
    let source = Server::with(Version::Redis82, &["repl-backlog-size 64mb"]);
    let kept = ["appendonly yes", "appendfsync always"];
    let mut destination = Server::with(Version::Redis70, &[&kept[..], &["rename-command LPUSH \"\""]].concat());
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.run::<()>(&["SET", "before", "it"]);
    let mut pipe = redis::pipe();
    pipe.atomic().cmd("INCR").arg("counter").cmd("LPUSH").arg("list").arg("element").cmd("INCR").arg("counter");
    pipe.query::<redis::Value>(&mut source.connect()).unwrap();
    source.run::<()>(&["SET", "behind", "it"]);
    stops(sync, "unknown_command", &["LPUSH “list”", "Redis 8.2", "Redis 7.0", "was not applied"]);
    let there: Vec<String> = destination.run(&["KEYS", "[^t]*"]);
    assert!(there.iter().all(|key| key == "before"), "{there:?}");
    // And so again, until the destination is another.
    stops(Sync::between(&source, &destination, &[]), "unknown_command", &["LPUSH “list”"]);
    destination.kill();
    destination.reconfigure(&kept);
    destination.start_again();
    let sync = goes_on(&source, &destination, &[]);
    assert_eq!(destination.run::<u64>(&["GET", "counter"]), 2);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn an_unknown_command_that_is_too_large_to_be_collected_stops_just_so() {
    let source = Server::start(Version::Redis70);
    let destination = Server::with(Version::Redis70, &["rename-command RPUSH \"\""]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.run::<()>(&["RPUSH", "list", &"x".repeat(5 << 20), "y"]);
    stops(sync, "unknown_command", &["RPUSH “list”"]);
    assert_eq!(destination.run::<Vec<String>>(&["KEYS", "[^t]*"]), [""; 0]);
}

#[test]
fn a_search_by_polygon_has_no_form_that_redis_knows() {
    let (source, destination) = in_step(Version::Valkey91, Version::Redis82);
    source.run::<()>(&["GEOADD", "g", "13.361389", "38.115556", "Palermo"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    let polygon = ["GEOSEARCHSTORE", "found", "g", "BYPOLYGON", "4", "12", "36", "16", "36", "16", "39", "12", "39"];
    source.run::<()>(&polygon);
    stops(sync, "unknown_command", &["GEOSEARCHSTORE “found”", "Valkey 9.1", "Redis 8.2"]);
}

#[test]
fn fields_that_expire_stop_an_older_destination_or_lose_their_expiry_by_choice() {
    let (source, destination) = in_step(Version::Redis82, Version::Redis70);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.run::<()>(&["HSET", "h", "f", "v", "g", "1"]);
    // No loss: this field has no expiry.
    source.run::<()>(&["HINCRBYFLOAT", "h", "g", "0.5"]);
    sync.until_in_step(&source);
    for _ in 0..3 {
        source.run::<()>(&["HEXPIRE", "h", "7200", "FIELDS", "1", "f"]);
    }
    source.run::<()>(&["HSETEX", "huge", "EX", "7200", "FIELDS", "1", "f", &"x".repeat(3 << 20)]);
    source.run::<()>(&["SET", "behind", "it"]);
    stops(sync, "field_expiry_unknown", &["HPEXPIREAT “h”", "Redis 8.2", "Redis 7.0"]);
    let mut sync = goes_on(&source, &destination, &["--drop-field-expiry"]);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    let report = sync.until("both are counted", |source| source["omitted"] == 2);
    assert!(report["error"].is_null(), "{report}");
    let ended = sync.interrupt();
    let told = |event: &String| event.contains("without their expiry") && event.contains("“h”");
    assert!(ended.events().iter().any(told), "{}", ended.output());
}

#[test]
fn vector_sets_stop_where_there_are_none_or_are_left_out_by_choice() {
    let (source, destination) = in_step(Version::Redis82, Version::Valkey91);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.run::<()>(&["VADD", "vectors", "VALUES", "3", "1", "2", "3", "element"]);
    source.run::<()>(&["SET", "behind", "it"]);
    source.run::<()>(&["RENAME", "vectors", "renamed"]);
    source.run::<()>(&["RENAME", "behind", "renamed too"]);
    stops(sync, "module_missing", &["VADD “vectors”"]);
    let sync = goes_on(&source, &destination, &["--skip-module-keys"]);
    assert_eq!(destination.run::<String>(&["GET", "renamed too"]), "it");
    assert_eq!(destination.run::<u64>(&["EXISTS", "vectors", "renamed", "behind"]), 0);
    // A dump of one, and what follows.
    let dump: Vec<u8> = source.run(&["DUMP", "renamed"]);
    let restore = redis::cmd("RESTORE").arg("restored").arg(0).arg(dump).to_owned();
    restore.query::<()>(&mut source.connect()).unwrap();
    source.run::<()>(&["DEL", "restored", "renamed"]);
    let mut sync = sync;
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    let ended = sync.interrupt();
    let told = |event: &String| event.contains("VADD") && event.contains("“vectors”");
    assert!(ended.events().iter().any(told), "{}", ended.output());
}

#[test]
fn function_libraries_stop_where_there_are_none_or_are_left_out_by_choice() {
    let (source, destination) = in_step(Version::Redis70, Version::Redis62);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    let library = "#!lua name=library\nredis.register_function('f', function() return 1 end)";
    source.run::<()>(&["FUNCTION", "LOAD", library]);
    source.run::<()>(&["FUNCTION", "DELETE", "library"]);
    source.run::<()>(&["SET", "behind", "it"]);
    stops(sync, "functions_unknown", &["FUNCTION", "Redis 7.0", "Redis 6.2"]);
    let sync = goes_on(&source, &destination, &["--skip-functions"]);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn values_of_many_megabytes_are_told_in_other_words_too() {
    let (source, destination) = in_step(Version::Valkey81, Version::Redis62);
    let large = "x".repeat(3 << 20);
    source.run::<()>(&["SET", "compared", "old"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.run::<()>(&["SET", "compared", &large, "IFEQ", "old"]);
    source.run::<()>(&["SET", "exact", &large, "PXAT", "4102444800123", "GET"]);
    source.run::<()>(&["XADD", "x", "MAXLEN", "~", "5", "LIMIT", "100", "*", "field", &large]);
    source.run::<()>(&["XGROUP", "CREATE", "x", "g", "0", "ENTRIESREAD", "0"]);
    let dump: Vec<u8> = source.run(&["DUMP", "x"]);
    let restore = redis::cmd("RESTORE").arg("restored").arg(0).arg(dump).to_owned();
    restore.query::<()>(&mut source.connect()).unwrap();
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    // More than is collected: options behind it are known, or nothing is applied.
    source.run::<()>(&["SET", "huge", &"y".repeat(20 << 20), "EX", "7200"]);
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    source.run::<()>(&["SET", "compared", &"z".repeat(20 << 20), "IFEQ", &large]);
    stops(sync, "value_refused", &["SET “compared”", "too large"]);
    eventually("the destination is at rest", || {
        (destination.run::<u64>(&["STRLEN", "compared"]) == 3 << 20).then_some(())
    });
}
