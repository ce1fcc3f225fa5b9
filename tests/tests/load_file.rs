//! A dump file that is loaded once: equal content, every refusal, damage, a stop in the middle, memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::path::PathBuf;

use tributary_tests::cli::{self, Sync};
use tributary_tests::compare;
use tributary_tests::eventually;
use tributary_tests::fixture::Fixture;
use tributary_tests::load;
use tributary_tests::load_cli::Load;
use tributary_tests::server::{Server, Version};

const BOUND_MIB: u64 = 128;

/// All dumps: of Redis 2.8 to 8.2 and of Valkey 7.2 to 9.1.
const ALL: [&str; 15] = [
    "redis-2.8.24",
    "redis-3.2.13",
    "redis-4.0.14",
    "redis-5.0.14",
    "redis-6.2.14",
    "redis-6.2.14-lru-nochecksum-nocompression",
    "redis-7.0.15",
    "redis-7.0.15-lfu",
    "redis-7.2.6",
    "redis-7.4.1",
    "redis-8.2.3",
    "valkey-7.2.7",
    "valkey-8.0.1",
    "valkey-8.1.8",
    "valkey-9.1.2",
];

/// Every dump, older or newer than the server, is held as its own server told it. What has no form there is left out by
/// the choices that are made, and by nothing else.
fn every_dump_is_held_by(version: Version) {
    let server = Server::start(version);
    let is_old = version == Version::Redis62;
    let knows_fields = matches!(version, Version::Redis82 | Version::Valkey91);
    for name in ALL {
        let fixture = Fixture::named(name);
        // Only Redis 8 has a module's type in its dump, and only Redis 8 knows it.
        let modules = name == "redis-8.2.3" && version != Version::Redis82;
        let fields = ["redis-7.4.1", "redis-8.2.3", "valkey-9.1.2"].contains(&name) && !knows_fields;
        let functions = is_old && fixture.has_functions();
        let mut choices = vec!["--flush"];
        for (kind, needed, choice) in [
            ("functions_unknown", functions, "--skip-functions"),
            ("module_missing", modules, "--skip-module-keys"),
            ("field_expiry_unknown", fields, "--drop-field-expiry"),
        ] {
            choices.extend(needed.then_some(choice));
            let unchosen: Vec<&str> = choices.iter().copied().filter(|&made| made != choice).collect();
            if needed && !modules {
                let message = Load::whole(&fixture.path, &server.url(), &unchosen).failed_with(kind);
                assert!(!message.is_empty(), "{name}");
            }
        }
        let loaded = Load::whole(&fixture.path, &server.url(), &choices);
        let last = loaded.done();
        assert_eq!(last["keys"], fixture.keys() - u64::from(modules), "{name}");
        assert_eq!((&last["expired"], &last["incomplete"]), (&0.into(), &false.into()), "{name}");
        if modules { fixture.is_held_but_for_modules_by(&server) } else { fixture.is_held_by(&server) }
    }
}

#[test]
fn redis_6_2_holds_every_dump() {
    every_dump_is_held_by(Version::Redis62);
}

#[test]
fn redis_7_0_holds_every_dump() {
    every_dump_is_held_by(Version::Redis70);
}

#[test]
fn redis_8_2_holds_every_dump() {
    every_dump_is_held_by(Version::Redis82);
}

#[test]
fn valkey_8_1_holds_every_dump() {
    every_dump_is_held_by(Version::Valkey81);
}

#[test]
fn valkey_9_1_holds_every_dump() {
    every_dump_is_held_by(Version::Valkey91);
}

#[test]
fn a_dump_on_standard_input_is_loaded_as_it_comes() {
    let (server, fixture) = (Server::start(Version::Redis70), Fixture::named("redis-7.0.15"));
    let bytes = std::fs::read(&fixture.path).unwrap();
    let mut loading = Load::start("-", &server.url(), &[]);
    loading.feed(&bytes[..100_000]);
    let report = loading.until("some keys are in", |report| report["keys"].as_u64() > Some(100));
    assert_eq!((&report["progress"], &report["bytes_total"]), (&().into(), &().into()));
    loading.feed(&bytes[100_000..]);
    // The dump says itself where it ends, but something may follow.
    loading.end_of_input();
    loading.ended().done();
    fixture.is_held_by(&server);
}

#[test]
fn keys_whose_time_is_over_and_checkpoints_are_left_out_and_counted() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "stays", "1", "PXAT", "4102444800123"]);
    source.run::<()>(&["SET", "tributary:checkpoint:a:b", "2 joining x -"]);
    source.run::<()>(&["SET", "goes", "1", "PX", "300"]);
    source.run_in::<()>(5, &["RPUSH", "goes", "too"]);
    source.run_in::<()>(5, &["PEXPIRE", "goes", "300"]);
    let dump = source.save();
    eventually("the time is over", || (source.run_in::<u64>(5, &["EXISTS", "goes"]) == 0).then_some(()));
    let loaded = Load::whole(&dump, &destination.url(), &[]);
    let last = loaded.done();
    assert_eq!([&last["keys"], &last["expired"], &last["checkpoints"]], [1, 2, 1]);
    assert_eq!(destination.run::<Vec<String>>(&["KEYS", "*"]), ["stays"]);
    assert_eq!(destination.run::<i64>(&["PEXPIRETIME", "stays"]), 4_102_444_800_123);
    assert_eq!(destination.run_in::<u64>(5, &["DBSIZE"]), 0);
}

#[test]
fn one_database_of_the_file_lands_in_another_and_only_that_one_is_emptied() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 2000);
    let dump = source.save();
    destination.run_in::<()>(3, &["SET", "mine", "stays"]);
    destination.run_in::<()>(7, &["SET", "old", "goes"]);
    let to = format!("{}/7", destination.url());
    let path = dump.display().to_string();
    let (code, text) = cli::run(&["load", &path, "--destination", &to]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--db"), "{text}");
    let none = Load::whole(&dump, &to, &["--db", "9", "--replace"]);
    assert!(none.done()["warnings"][0].as_str().unwrap().contains("nothing in database 9"), "{none:?}");
    Load::whole(&dump, &to, &["--db", "3", "--flush"]).done();
    compare::database((&source, 3), (&destination, 7), 0).none();
    assert_eq!(destination.run_in::<Vec<String>>(3, &["KEYS", "*"]), ["mine"]);
    assert_eq!(destination.run_in::<u64>(0, &["DBSIZE"]), 0);
}

#[test]
fn what_the_destination_holds_is_refused_kept_or_deleted_as_the_user_says() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "both", "from the file"]);
    source.run::<()>(&["SET", "file", "1"]);
    let dump = source.save();
    destination.run::<()>(&["RPUSH", "both", "mine"]);
    destination.run_in::<()>(2, &["SET", "mine", "1"]);
    let library = "#!lua name=mine\nredis.register_function('mine', function() return 1 end)";
    destination.run::<String>(&["FUNCTION", "LOAD", library]);
    let message = Load::whole(&dump, &destination.url(), &[]).failed_with("destination_not_empty");
    assert!(message.contains("2 keys"), "{message}");
    assert_eq!(destination.run::<String>(&["TYPE", "both"]), "list");
    Load::whole(&dump, &destination.url(), &["--replace"]).done();
    assert_eq!(destination.run::<String>(&["GET", "both"]), "from the file");
    assert_eq!(destination.run_in::<u64>(2, &["DBSIZE"]), 1);
    Load::whole(&dump, &destination.url(), &["--flush"]).done();
    compare::servers(&source, &destination, 0).none();
    assert_eq!(destination.run_in::<u64>(2, &["DBSIZE"]), 0);
    assert_eq!(compare::functions(&destination), [""; 0]);
}

#[test]
fn the_destination_of_a_replica_is_refused_until_that_is_finished() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "key", "value"]);
    let dump = source.save();
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    let refused = |how: &str| {
        let message = Load::whole(&dump, &destination.url(), &[how]).failed_with("destination_in_use");
        assert!(message.contains("destination of the replica"), "{message}");
        let into_one = format!("{}/4", destination.url());
        let _ = Load::whole(&dump, &into_one, &["--db", "0", how]).failed_with("destination_in_use");
        assert_eq!(destination.run::<String>(&["GET", "key"]), "value");
    };
    refused("--flush");
    assert_eq!(sync.interrupt().code, Some(0));
    refused("--flush");
    refused("--replace");
    let (from, to) = (source.url(), destination.url());
    assert_eq!(cli::run(&["finish", "--source", &from, "--destination", &to]).0, Some(0));
    Load::whole(&dump, &to, &["--flush"]).done();
}

#[test]
fn a_read_only_replica_and_too_few_databases_are_refused() {
    let fixture = Fixture::named("redis-7.0.15");
    let primary = Server::start(Version::Redis70);
    let replica = Server::with(Version::Redis70, &[&format!("replicaof 127.0.0.1 {}", primary.port())]);
    let message = Load::whole(&fixture.path, &replica.url(), &["--flush"]).failed_with("read_only");
    assert!(message.contains(&primary.port().to_string()), "{message}");
    let small = Server::with(Version::Redis70, &["databases 2"]);
    let message = Load::whole(&fixture.path, &small.url(), &[]).failed_with("db_out_of_range");
    assert!(message.contains("database 15") && message.contains("is incomplete"), "{message}");
}

/// A copy of a dump with something done to its bytes.
fn spoiled(folder: &tempfile::TempDir, name: &str, spoil: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let mut bytes = std::fs::read(Fixture::named("redis-7.0.15").path).unwrap();
    spoil(&mut bytes);
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_damaged_file_says_where_and_what_is_in_and_nothing_is_deleted_for_it() {
    let (server, folder) = (Server::start(Version::Redis70), tempfile::tempdir().unwrap());
    let cut = spoiled(&folder, "cut.rdb", |bytes| bytes.truncate(150_000));
    let checksum = spoiled(&folder, "checksum.rdb", |bytes| *bytes.last_mut().unwrap() ^= 1);
    let opcode = spoiled(&folder, "opcode.rdb", |bytes| {
        let at = bytes.windows(5).position(|part| part == b"k:500").unwrap();
        bytes[at - 2] = 0xf6;
    });
    for (path, kind, words) in [
        (&cut, "corrupt_snapshot", "ends at byte 150000"),
        (&checksum, "corrupt_snapshot", "checksum"),
        (&opcode, "unknown_value", "at byte"),
    ] {
        server.run::<()>(&["SET", "mine", "stays"]);
        let message = Load::whole(path, &server.url(), &["--flush"]).failed_with(kind);
        assert!(message.contains(words) && !message.contains("incomplete"), "{message}");
        assert_eq!(server.run::<Vec<String>>(&["KEYS", "*"]), ["mine"]);
        server.run::<()>(&["FLUSHALL"]);
        let loaded = Load::whole(path, &server.url(), &[]);
        let message = loaded.failed_with(kind);
        let keys = loaded.last["keys"].as_u64().unwrap();
        assert!(message.contains(words) && message.contains(&format!("is incomplete: {keys} keys")), "{message}");
        let databases = [0, 1, 15].map(|db| server.run_in::<u64>(db, &["DBSIZE"]));
        assert_eq!(databases.iter().sum::<u64>(), keys, "{message}");
        assert!(keys > 100, "{message}");
        server.run::<()>(&["FLUSHALL"]);
    }
}

#[test]
fn what_is_no_dump_is_refused_before_the_destination_is_touched() {
    let (server, folder) = (Server::start(Version::Redis70), tempfile::tempdir().unwrap());
    server.run::<()>(&["SET", "mine", "stays"]);
    let path = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (path, kind) in [
        (folder.path().join("missing.rdb"), "file_unreadable"),
        (folder.path().to_owned(), "file_unreadable"),
        (path("empty", b""), "corrupt_snapshot"),
        (path("text", b"this is no dump at all"), "corrupt_snapshot"),
        (path("newer", b"REDIS0999 and so on"), "unknown_value"),
        (path("append-only", b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"), "corrupt_snapshot"),
    ] {
        let _ = Load::whole(&path, &server.url(), &["--flush"]).failed_with(kind);
        assert_eq!(server.run::<u64>(&["DBSIZE"]), 1, "{path:?}");
    }
}

/// Up to 6.2 one file holds the dump and the commands behind it; since 7.0 they stand in files of their own.
#[test]
fn of_an_append_only_file_the_dump_alone_is_loaded_only_if_the_user_says_so() {
    let old = Server::with(Version::Redis62, &["appendonly yes"]);
    let new = Server::with(Version::Redis70, &["appendonly yes"]);
    let destination = Server::start(Version::Redis70);
    for server in [&old, &new] {
        server.run::<()>(&["SET", "before", "1"]);
        server.run::<String>(&["BGREWRITEAOF"]);
        eventually("the rewrite", || (server.info("aof_rewrite_in_progress") == "0").then_some(()));
        server.run::<()>(&["SET", "after", "1"]);
    }
    let parts: Vec<_> = std::fs::read_dir(new.folder().join("appendonlydir")).unwrap().flatten().collect();
    let base = parts.iter().map(std::fs::DirEntry::path).find(|path| path.extension().is_some_and(|e| e == "rdb"));
    for (path, warns) in [(old.folder().join("appendonly.aof"), true), (base.unwrap(), false)] {
        destination.run::<()>(&["FLUSHALL"]);
        destination.run::<()>(&["SET", "mine", "stays"]);
        let message = Load::whole(&path, &destination.url(), &["--flush"]).failed_with("file_goes_on");
        assert!(message.contains("append only file"), "{message}");
        assert_eq!(destination.run::<Vec<String>>(&["KEYS", "*"]), ["mine"]);
        let loaded = Load::whole(&path, &destination.url(), &["--flush", "--dump-only"]);
        let warnings = loaded.done()["warnings"].as_array().unwrap().len();
        assert_eq!((warnings > 0, destination.run::<Vec<String>>(&["KEYS", "*"])), (warns, vec!["before".to_owned()]));
    }
}

#[test]
fn bytes_behind_a_dump_that_is_no_append_only_file_are_not_passed_over_in_silence() {
    let (server, folder) = (Server::start(Version::Redis70), tempfile::tempdir().unwrap());
    let tail = spoiled(&folder, "tail.rdb", |bytes| bytes.extend_from_slice(b"*1\r\n"));
    let message = Load::whole(&tail, &server.url(), &[]).failed_with("file_goes_on");
    assert!(message.contains("4 bytes more") && message.contains("The dump itself is loaded"), "{message}");
    Fixture::named("redis-7.0.15").is_held_by(&server);
}

#[test]
fn a_stop_in_the_middle_says_what_is_in_and_leaves_no_half_key() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::big_string(&source, "large", 40);
    let dump = std::fs::read(source.save()).unwrap();
    // The keys of other databases come behind the large one, so these come before it.
    let fixture = std::fs::read(Fixture::named("redis-7.0.15").path).unwrap();
    let mut loading = Load::start("-", &destination.url(), &[]);
    let begins = dump.windows(5).position(|part| part == b"large").unwrap() - 2;
    // Behind the fixture's last key: its end and checksum are left out.
    loading.feed(&fixture[..fixture.len() - 9]);
    loading.feed(b"\xfe\x02");
    loading.feed(&dump[begins..begins + (30 << 20)]);
    loading.until("the large key is begun", |report| report["bytes_done"].as_u64() > Some(20 << 20));
    eventually("a part of it is there", || (destination.run_in::<u64>(2, &["EXISTS", "large"]) == 1).then_some(()));
    let stopped = loading.interrupt();
    assert_eq!((stopped.code, &stopped.last["phase"]), (Some(3), &"stopped".into()), "{stopped:?}");
    assert_eq!((&stopped.last["keys"], &stopped.last["incomplete"]), (&1041.into(), &true.into()));
    assert!(stopped.errors.contains("is incomplete, 1041 keys are in"), "{}", stopped.errors);
    assert_eq!(destination.run_in::<u64>(2, &["DBSIZE"]), 0);
    assert_eq!(destination.run::<u64>(&["DBSIZE"]), 1038);
}

#[test]
fn a_stop_before_anything_is_sent_changes_nothing() {
    let server = Server::start(Version::Redis70);
    server.run::<()>(&["SET", "mine", "stays"]);
    let mut loading = Load::start("-", &server.url(), &["--flush"]);
    loading.feed(b"REDIS0010");
    loading.until("it waits for the rest", |report| report["phase"] == "checking");
    let stopped = loading.interrupt();
    assert_eq!((stopped.code, &stopped.last["incomplete"]), (Some(3), &false.into()), "{stopped:?}");
    assert_eq!(server.run::<u64>(&["DBSIZE"]), 1);
}

#[test]
fn a_string_of_300_mib_is_loaded_in_bounded_memory() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::big_string(&source, "string", 300);
    let dump = source.save();
    let loaded = Load::whole(&dump, &destination.url(), &[]);
    loaded.done();
    println!("peak {} MiB", loaded.peak_mib);
    assert!((1..BOUND_MIB).contains(&loaded.peak_mib), "{} MiB", loaded.peak_mib);
    compare::servers(&source, &destination, 0).none();
}

#[test]
fn the_password_comes_from_the_environment_or_a_file_and_is_never_shown() {
    let server = Server::with(Version::Redis70, &["requirepass s3cret-word"]);
    let (fixture, folder) = (Fixture::named("redis-7.0.15"), tempfile::tempdir().unwrap());
    let message = Load::whole(&fixture.path, &server.url(), &[]).failed_with("wrong_password");
    assert!(!message.contains("incomplete"), "{message}");
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret-word\n").unwrap();
    let loaded = Load::whole(&fixture.path, &server.url(), &["--destination-password-file", file.to_str().unwrap()]);
    loaded.done();
    assert!(!format!("{loaded:?}").contains("s3cret-word"));
}
