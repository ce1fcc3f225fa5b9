//! Bounded memory: whatever the size of a value or a transaction, the peak stays under 128 MiB.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use tributary_tests::cli::Sync;
use tributary_tests::compare;
use tributary_tests::eventually;
use tributary_tests::load;
use tributary_tests::load_cli::Load;
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

/// A vector set whose elements have large attributes: noise, so that nothing gets smaller in the dump.
fn vectors(server: &Server, key: &str, mib: u64) {
    let mut connection = server.connect();
    for number in 0..mib / 4 {
        let attribute: String = load::noise(number, 2 << 20).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = redis::cmd("VADD");
        command.arg(key).arg("VALUES").arg(3).arg(number).arg(1).arg(2).arg(format!("element {number}"));
        command.arg("SETATTR").arg(format!("{{\"text\":\"{attribute}\"}}")).query::<()>(&mut connection).unwrap();
    }
}

/// What a vector set of [`vectors`] holds, in short.
fn attributes(server: &Server, key: &str) -> Vec<(usize, String)> {
    let count: u64 = server.run(&["VCARD", key]);
    let attribute = |number| server.run::<String>(&["VGETATTR", key, &format!("element {number}")]);
    (0..count).map(attribute).map(|text| (text.len(), text[text.len() - 100..].to_owned())).collect()
}

#[test]
fn a_vector_set_of_200_mib_is_loaded_in_bounded_memory_or_named() {
    let source = Server::start(Version::Redis82);
    vectors(&source, "vectors", 200);
    source.run::<u64>(&["PEXPIRE", "vectors", "3600000"]);
    source.run::<()>(&["SET", "beside", "the large one"]);
    let want = attributes(&source, "vectors");
    assert_eq!(want.len(), 50);

    let same = Server::start(Version::Redis82);
    let mut sync = Sync::between(&source, &same, &["--expiry", "exact"]);
    sync.until_synced();
    let peak = sync.peak_mib();
    println!("peak {peak} MiB");
    assert_eq!(attributes(&same, "vectors"), want);
    let left: i64 = same.run(&["PTTL", "vectors"]);
    assert!((3_000_000..=3_600_000).contains(&left), "{left}");
    assert!(peak < BOUND_MIB, "{peak} MiB");
    assert_eq!(sync.interrupt().code, Some(0));

    let without = Server::start(Version::Redis70);
    let error = Sync::between(&source, &without, &[]).ended().stopped_with("module_missing");
    assert!(error["message"].as_str().unwrap().contains("“vectors”"), "{error}");
    let mut sync = Sync::between(&source, &without, &["--skip-module-keys"]);
    let report = sync.until_in_step(&source);
    assert_eq!((&report["omitted"], without.run::<u64>(&["EXISTS", "vectors"])), (&1.into(), 0), "{report}");
    assert_eq!(without.run::<String>(&["GET", "beside"]), "the large one");
    assert_eq!(sync.interrupt().code, Some(0));

    let strict = Server::with(Version::Redis82, &["proto-max-bulk-len 20mb"]);
    let error = Sync::between(&source, &strict, &[]).ended().stopped_with("server_limit");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("“vectors”") && message.contains("proto-max-bulk-len"), "{message}");
    assert_eq!(strict.run::<u64>(&["EXISTS", "vectors"]), 0);

    let again = Server::start(Version::Redis82);
    Load::whole(&source.save(), &again.url(), &[]).done();
    assert_eq!(attributes(&again, "vectors"), want);
}
