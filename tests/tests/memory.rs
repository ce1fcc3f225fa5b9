//! Bounded memory: whatever the size of a value or a transaction, the peak stays under 128 MiB.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use tributary_tests::cli::Sync;
use tributary_tests::compare;
use tributary_tests::eventually;
use tributary_tests::load;
use tributary_tests::server::{Server, Version};

const BOUND_MIB: u64 = 128;
const EXPIRY_TOLERANCE_MS: i64 = 10;

/// Loads a source that `fill` has filled, compares, and holds the peak against the bound.
fn stays_small(fill: impl FnOnce(&Server)) {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    fill(&source);
    source.run::<()>(&["SET", "beside", "the large one"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    let peak = sync.peak_mib();
    println!("peak {peak} MiB");
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert!(peak < BOUND_MIB, "{peak} MiB");
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_hash_of_three_million_fields_is_loaded_in_bounded_memory() {
    stays_small(|source| load::big_hash(source, "hash", 3_000_000));
}

#[test]
fn a_string_of_250_mib_is_loaded_in_bounded_memory() {
    stays_small(|source| load::big_string(source, "string", 250));
}

#[test]
fn a_string_of_250_mib_that_compresses_well_is_loaded_in_bounded_memory() {
    stays_small(|source| {
        source.run::<()>(&["SETRANGE", "string", "262143999", "x"]);
    });
}

#[test]
fn a_list_of_250_mib_is_loaded_in_bounded_memory() {
    stays_small(|source| load::big_list(source, "list", 250));
}

#[test]
fn a_stream_with_two_million_unacknowledged_entries_is_loaded_in_bounded_memory() {
    const ENTRIES: u64 = 2_000_000;
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["XGROUP", "CREATE", "stream", "group", "0", "MKSTREAM"]);
    let fill = "for i = 1, 100000 do redis.call('XADD', 'stream', '*', 'f', 'v') end \
                for _, c in ipairs({'ann', 'bob'}) do \
                redis.call('XREADGROUP', 'GROUP', 'group', c, 'COUNT', 50000, 'STREAMS', 'stream', '>') end";
    (0..ENTRIES / 100_000).for_each(|_| source.run(&["EVAL", fill, "0"]));
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    let peak = sync.peak_mib();
    println!("peak {peak} MiB");
    type Summary = (u64, String, String, Vec<(String, u64)>);
    let summary = |server: &Server| server.run::<Summary>(&["XPENDING", "stream", "group"]);
    assert_eq!(summary(&source).0, ENTRIES);
    assert_eq!(summary(&source), summary(&destination));
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert!(peak < BOUND_MIB, "{peak} MiB");
    assert_eq!(sync.interrupt().code, Some(0));
}

/// Runs `write` on a source in step, compares, and holds the peak against the bound.
fn streams_small(write: impl FnOnce(&mut redis::Connection)) {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    write(&mut source.connect());
    source.run::<()>(&["SET", "after", "it"]);
    eventually("the write after it arrives", || destination.run::<Option<String>>(&["GET", "after"]));
    sync.until_in_step(&source);
    let peak = sync.peak_mib();
    println!("peak {peak} MiB");
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert!(peak < BOUND_MIB, "{peak} MiB");
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_set_of_200_mib_passes_through_the_stream_in_bounded_memory() {
    streams_small(|source| redis::cmd("SET").arg("large").arg(load::noise(1, 200 << 20)).query(source).unwrap());
}

#[test]
fn a_transaction_of_50_mib_passes_through_the_stream_in_bounded_memory() {
    streams_small(|source| {
        let mut block = redis::pipe();
        block.atomic();
        (0..500).for_each(|number| {
            block.cmd("SET").arg(format!("part:{number}")).arg(load::noise(number, 100 << 10)).ignore();
        });
        block.query(source).unwrap()
    });
}
