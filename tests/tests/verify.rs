//! What `tributary verify` finds, what it does not take for a difference, and what it repairs. About a minute; with
//! SCALE=10 a million keys are compared.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tributary_tests::cli::{Sync, program};
use tributary_tests::load::{self, Writer};
use tributary_tests::proxy::Proxy;
use tributary_tests::server::{Server, Version, free_port};
use tributary_tests::{compare, eventually, scale};

/// A difference by database, key and kind.
type Found = (u64, String, String);

/// A run of `tributary verify --json` that has ended.
struct Verified {
    code: Option<i32>,
    lines: Vec<Value>,
    text: String,
    took: Duration,
}

fn verify(sources: &[&str], destination: &str, extra: &[&str]) -> Verified {
    let started = Instant::now();
    let output = Command::new(program())
        .args(["verify", "--json", "--destination", destination])
        .args(sources.iter().flat_map(|source| ["--source", source]))
        .args(extra)
        .stdin(Stdio::null())
        .output()
        .expect("tributary verify");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = format!("{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    Verified { code: output.status.code(), lines, text, took: started.elapsed() }
}

fn pair(source: &Server, destination: &Server, extra: &[&str]) -> Verified {
    verify(&[&source.url()], &destination.url(), extra)
}

impl Verified {
    fn last(&self) -> &Value {
        self.lines.last().unwrap_or_else(|| panic!("{}", self.text))
    }

    fn found(&self) -> BTreeSet<Found> {
        let list = self.last()["list"].as_array().unwrap_or_else(|| panic!("{}", self.text));
        let found: BTreeSet<Found> =
            list.iter().map(|one| (one["db"].as_u64().unwrap(), text(&one["key"]), text(&one["kind"]))).collect();
        assert_eq!((found.len(), self.last()["differences"].as_u64().unwrap() as usize), (list.len(), list.len()));
        found
    }

    fn keys(&self) -> BTreeSet<String> {
        self.found().into_iter().map(|(_, key, _)| key).collect()
    }

    fn says(&self, key: &str) -> String {
        let list = self.last()["list"].as_array().unwrap();
        let one = list.iter().find(|one| one["key"] == key).unwrap_or_else(|| panic!("{key}: {}", self.text));
        text(&one["destination_says"])
    }

    /// Nothing differs, and everything could be judged.
    fn equal(&self) {
        assert_eq!(self.code, Some(0), "{}", self.text);
        assert!(self.found().is_empty(), "{}", self.text);
        assert_eq!(self.last()["skipped"].as_array().unwrap().len(), 0, "{}", self.text);
        assert!(self.last()["equal"].as_u64() > Some(0), "{}", self.text);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Plants `number` differences of all kinds among the keys of the bulk's first database that the writer leaves alone.
fn plant(destination: &Server, number: u64, step: u64) -> BTreeSet<Found> {
    let mut pipe = redis::pipe();
    let mut planted = BTreeSet::new();
    for at in 0..number {
        // A fifth of each kind, over all types.
        let which = 20_000 + at * step;
        let key = format!("key:{which}");
        let kind = match (at / 10) % 5 {
            0 => {
                pipe.cmd("DEL").arg(&key);
                "missing"
            }
            1 => {
                pipe.cmd("RPUSH").arg(format!("extra:{at}")).arg("a");
                planted.insert((0, format!("extra:{at}"), "extra".to_owned()));
                continue;
            }
            2 => {
                pipe.cmd("DEL").arg(&key);
                if which % 10 <= 4 { pipe.cmd("LPUSH") } else { pipe.cmd("SET") }.arg(&key).arg("x");
                "type"
            }
            3 => {
                if which.is_multiple_of(5) {
                    pipe.cmd("PERSIST").arg(&key)
                } else {
                    pipe.cmd("PEXPIRE").arg(&key).arg(7_200_000)
                };
                "expiry"
            }
            _ => {
                change(&mut pipe, &key, which);
                "value"
            }
        };
        planted.insert((0, key, kind.to_owned()));
    }
    pipe.query::<redis::Value>(&mut destination.connect()).unwrap();
    planted
}

/// Changes the content of a key of the bulk a little, and not its expiry.
fn change(pipe: &mut redis::Pipeline, key: &str, which: u64) {
    match which % 10 {
        0..=4 => pipe.cmd("SETRANGE").arg(key).arg(0).arg("V"),
        5 => pipe.cmd("LSET").arg(key).arg(0).arg("another"),
        6 => pipe.cmd("SADD").arg(key).arg("another"),
        7 => pipe.cmd("ZINCRBY").arg(key).arg("0.125").arg("member 0"),
        // Of 300 fields fast mode looks at a few.
        8 if which.is_multiple_of(97) => pipe.cmd("HSET").arg(key).arg("one more").arg("another"),
        8 => pipe.cmd("HSET").arg(key).arg("field 0").arg("another"),
        _ => pipe.cmd("XADD").arg(key).arg("99999999-0").arg("a").arg("b"),
    };
}

/// The acceptance test: 100,000 keys, or a million with SCALE=10.
#[test]
fn every_planted_difference_is_found_and_nothing_else_while_the_source_is_written_to() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 100_000 * scale());
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    let planted = plant(&destination, 1000, 29);
    assert_eq!(planted.len(), 1000);
    let writer = Writer::paced(&source, Duration::from_millis(4));
    let verified = pair(&source, &destination, &["--settle", "5"]);
    let rounds = writer.finish();
    let last = verified.last();
    println!("{} keys in {:?}, {rounds} rounds of writes", last["keys_total"], verified.took);
    println!("{} {} {}", last["elapsed_ms"], last["equal"], last["skipped"]);
    assert_eq!(verified.code, Some(1));
    assert!(rounds > 100, "{rounds}");
    let found = verified.found();
    let lost: Vec<&Found> = planted.difference(&found).collect();
    let invented: Vec<&Found> = found.difference(&planted).collect();
    assert!(lost.is_empty() && invented.is_empty(), "not found: {lost:?}\nnot planted: {invented:?}");
    for kind in ["missing", "extra", "type", "value", "expiry"] {
        assert_eq!(last["by_kind"][kind], 200, "{last}");
    }
    assert!(last["equal"].as_u64().unwrap() > 90_000 * scale(), "{last}");
    assert_eq!(sync.interrupt().code, Some(0));
}

/// The destination is behind all the while, and some keys never stand still.
#[test]
fn nothing_is_invented_while_the_source_is_written_to_as_fast_as_it_can_be() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 20_000);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    let writer = Writer::start(&source);
    let verified: Vec<Verified> =
        [&["--settle", "2"][..], &["--settle", "2", "--full"]].map(|mode| pair(&source, &destination, mode)).into();
    writer.finish();
    for one in verified {
        println!("{:?} {}", one.took, one.last()["skipped"]);
        assert_eq!((one.code, one.found()), (Some(0), BTreeSet::new()), "{}", one.text);
    }
    assert_eq!(sync.interrupt().code, Some(0));
}

/// Values that take several pages, the same at both ends.
fn large(server: &Server) {
    let mut connection = server.connect();
    let lua = "for i = 1, 5000 do
        redis.call('RPUSH', 'list', 'element ' .. i) redis.call('SADD', 'set', 'member ' .. i)
        redis.call('ZADD', 'zset', i / 7, 'member ' .. i) redis.call('HSET', 'hash', 'field ' .. i, i)
        redis.call('HSET', 'fields', 'field ' .. i, i) redis.call('XADD', 'stream', i .. '-1', 'f', i)
        redis.call('XADD', 'pending', i .. '-1', 'f', i) end
        redis.call('XGROUP', 'CREATE', 'pending', 'readers', '0')
        redis.call('XREADGROUP', 'GROUP', 'readers', 'alice', 'COUNT', 2500, 'STREAMS', 'pending', '>')
        redis.call('XREADGROUP', 'GROUP', 'readers', 'bob', 'COUNT', 1500, 'STREAMS', 'pending', '>')
        redis.call('XGROUP', 'CREATE', 'stream', 'none', '$')
        redis.call('HSET', 'small', 'goes', 1, 'stays', 2)";
    redis::cmd("EVAL").arg(lua).arg(0).query::<()>(&mut connection).unwrap();
    server.run::<()>(&["HPEXPIREAT", "fields", "4102444800123", "FIELDS", "1", "field 4321"]);
    server.run::<()>(&["HPEXPIREAT", "small", "4102444800123", "FIELDS", "1", "goes"]);
    redis::cmd("SET").arg("string").arg(load::noise(7, 3 << 20)).query::<()>(&mut connection).unwrap();
}

#[test]
fn full_mode_finds_a_single_element_deep_in_a_large_value() {
    let (source, destination) = (Server::start(Version::Redis82), Server::start(Version::Redis82));
    large(&source);
    large(&destination);
    pair(&source, &destination, &["--full", "--settle", "0"]).equal();
    pair(&source, &destination, &["--settle", "0"]).equal();
    let run = |command: &[&str]| destination.run::<redis::Value>(command);
    run(&["LSET", "list", "3333", "another"]);
    run(&["SREM", "set", "member 4000"]);
    run(&["SADD", "set", "another"]);
    run(&["ZADD", "zset", "571.5", "member 4000"]);
    run(&["HSET", "hash", "field 4000", "another"]);
    run(&["HPEXPIREAT", "fields", "4102444900123", "FIELDS", "1", "field 4321"]);
    run(&["HPERSIST", "small", "FIELDS", "1", "goes"]);
    run(&["XDEL", "stream", "3000-1"]);
    run(&["XCLAIM", "pending", "readers", "bob", "0", "1777-1", "RETRYCOUNT", "1", "JUSTID"]);
    run(&["SETRANGE", "string", "2200000", "another"]);
    let verified = pair(&source, &destination, &["--full", "--settle", "0"]);
    let all = ["fields", "hash", "list", "pending", "set", "small", "stream", "string", "zset"];
    assert_eq!(verified.keys(), all.iter().map(|&key| key.to_owned()).collect(), "{}", verified.text);
    assert_eq!(verified.code, Some(1));
    for (key, says) in [
        ("list", "list of 5000, differs at element 3333"),
        ("zset", "sorted set of 5000, differs at rank 3999"),
        ("set", "set of 5000, 1 member differs"),
        ("hash", "hash of 5000, 1 field differs"),
        ("fields", "hash of 5000, the expiry of 1 field differs"),
        ("small", "hash of 2, the expiry of 1 field differs"),
        ("pending", "stream of 5000, pending entries of group “readers” differ at 1777-1"),
        ("stream", "stream of 4999"),
        ("string", "string of 3145728 bytes, differs from byte 2200000"),
    ] {
        assert_eq!(verified.says(key), says);
    }
    assert!(!verified.text.contains("another"), "no content is told");
    // Fast mode sees what is told by a length; it may see more by chance.
    let fast = pair(&source, &destination, &["--settle", "0"]);
    assert!(fast.keys().contains("stream") && fast.keys().is_subset(&verified.keys()), "{}", fast.text);
}

/// Copies a bulk by `tributary sync`, and compares both ways.
fn copied_is_equal(from: (Version, &[&str]), to: (Version, &[&str])) {
    let (source, destination) = (Server::with(from.0, from.1), Server::with(to.0, to.1));
    load::bulk(&source, 3000);
    let mut sync = Sync::between(&source, &destination, &["--expiry", "exact"]);
    sync.until_synced();
    assert_eq!(sync.interrupt().code, Some(0));
    for mode in [&["--settle", "0", "--full"][..], &["--settle", "0"]] {
        pair(&source, &destination, mode).equal();
        pair(&destination, &source, mode).equal();
    }
}

#[test]
fn encodings_make_no_difference() {
    let compact = ["list-max-listpack-size -5", "set-max-intset-entries 4000", "zset-max-listpack-entries 4000"];
    let loose = ["list-max-listpack-size 1", "hash-max-listpack-entries 1", "zset-max-listpack-entries 1"];
    let loose = [&loose[..], &["set-max-intset-entries 1", "stream-node-max-entries 2"]].concat();
    copied_is_equal((Version::Redis70, &compact), (Version::Redis70, &loose));
}

#[test]
fn versions_make_no_difference() {
    copied_is_equal((Version::Redis62, &[]), (Version::Redis70, &[]));
    copied_is_equal((Version::Redis82, &[]), (Version::Valkey91, &[]));
}

#[test]
fn expiries_that_are_held_back_are_equal() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "later", "v", "EX", "3600"]);
    source.run::<()>(&["SET", "never", "v"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    assert!(destination.run::<i64>(&["TTL", "later"]) > 3_000_000_000, "held back");
    pair(&source, &destination, &["--settle", "0"]).equal();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn no_more_keys_a_second_are_looked_at_than_the_user_allows() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    for server in [&source, &destination] {
        let lua = "for i = 1, 1500 do redis.call('SET', 'key:' .. i, i) end";
        server.run::<()>(&["EVAL", lua, "0"]);
    }
    let verified = pair(&source, &destination, &["--rate", "1000"]);
    verified.equal();
    // 1,500 keys of each side.
    let ms = verified.last()["elapsed_ms"].as_u64().unwrap();
    assert!((2_500..8_000).contains(&ms), "{ms}");
    let left: Vec<u64> = verified.lines.iter().filter_map(|line| line["left_ms"].as_u64()).collect();
    assert!(left.iter().any(|left| *left > 0 && *left < 4_000), "{left:?}");
    assert_eq!(left.last(), Some(&0));
}

#[test]
fn connections_that_are_lost_on_the_way_come_back() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis62));
    for server in [&source, &destination] {
        let lua = "for i = 1, 1500 do redis.call('SET', 'key:' .. i, i) end";
        server.run::<()>(&["EVAL", lua, "0"]);
    }
    destination.run::<()>(&["SET", "key:7", "another"]);
    let done = Arc::new(AtomicBool::new(false));
    let (stop, url) = (Arc::clone(&done), (source.url(), destination.url()));
    let verified = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(400));
                for server in [&source, &destination] {
                    server.try_run::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).ok();
                }
            }
        });
        let verified = verify(&[&url.0], &url.1, &["--rate", "1000", "--settle", "1"]);
        done.store(true, Ordering::SeqCst);
        verified
    });
    assert_eq!(verified.code, Some(1), "{}", verified.text);
    assert_eq!(verified.found(), BTreeSet::from([(0, "key:7".to_owned(), "value".to_owned())]));
}

#[test]
fn a_repair_leaves_counters_right_while_they_are_counted_up() {
    const COUNTERS: u64 = 60;
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 2000);
    for at in 0..COUNTERS {
        source.run::<()>(&["SET", &format!("counter:{at}"), "1", "EX", "3600"]);
    }
    // The replica is always a little behind, and goes by another address than the one that is compared.
    let proxy = Proxy::before(source.port());
    let mut sync = Sync::start(&proxy.url(), &destination.url(), &[], &[]);
    sync.until_synced();
    proxy.delay(Duration::from_millis(20));
    let done = AtomicBool::new(false);
    let verified = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = source.connect();
            for round in 0.. {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                let at = round % COUNTERS;
                let mut pipe = redis::pipe();
                pipe.cmd("INCR").arg(format!("counter:{at}")).cmd("LPUSH").arg(format!("queue:{at}")).arg(round);
                pipe.query::<()>(&mut connection).unwrap();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        eventually("the counters arrive", || {
            destination.run::<Option<u64>>(&["GET", "counter:59"]).filter(|count| *count > 2)
        });
        for at in 0..COUNTERS {
            let counter = format!("counter:{at}");
            match at % 3 {
                0 => destination.run::<()>(&["INCRBY", &counter, "1000"]),
                1 => destination.run::<()>(&["LPUSH", &format!("queue:{at}"), "wrong"]),
                _ => destination.run::<()>(&["RPOP", &format!("queue:{at}")]),
            }
        }
        destination.run::<()>(&["SET", "extra", "1"]);
        destination.run::<()>(&["DEL", "key:7", "key:10"]);
        let verified = pair(&source, &destination, &["--settle", "2", "--repair"]);
        done.store(true, Ordering::SeqCst);
        verified
    });
    assert_eq!(verified.code, Some(0), "{}", verified.text);
    let last = verified.last();
    assert_eq!((&last["repaired"], &last["not_repaired"]), (&Value::from(COUNTERS + 3), &Value::from(0)), "{last}");
    sync.until_in_step(&source);
    compare::servers(&source, &destination, 1000).none();
    pair(&source, &destination, &["--settle", "1", "--full"]).equal();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn an_older_destination_is_given_as_commands_what_it_does_not_load() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis62));
    load::bulk(&source, 400);
    source.run::<()>(&["SET", "expires", "1", "EX", "3600"]);
    let first = pair(&source, &destination, &["--settle", "0", "--repair"]);
    let last = first.last();
    assert_eq!((first.code, &last["by_kind"]["missing"]), (Some(1), &401.into()), "{}", first.text);
    // What commands cannot say: entries that were deleted and are pending all the same.
    let list = last["list"].as_array().unwrap().iter();
    let left: BTreeSet<String> =
        list.filter(|one| one["repaired"] == "not_repaired").map(|one| text(&one["key"])).collect();
    assert_eq!(left, BTreeSet::from([9, 39, 69, 99, 129, 159, 189].map(|number| format!("key:{number}"))));
    assert!(first.text.contains("commands cannot say all of it: it is now a stream of 9, group “readers” differs"));
    assert_eq!(pair(&source, &destination, &["--settle", "0", "--full"]).keys(), left);
}

/// A replica that is stopped goes on behind its checkpoint: what it has not applied must not be there already.
#[test]
fn nothing_is_repaired_behind_the_back_of_a_replica_that_is_stopped() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "counter", "5"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    assert_eq!(sync.interrupt().code, Some(0));
    source.run::<()>(&["INCR", "counter"]);
    let started = Instant::now();
    let verified = pair(&source, &destination, &["--settle", "0", "--repair"]);
    assert_eq!(verified.code, Some(1), "{}", verified.text);
    let why = text(&verified.last()["list"][0]["why_not"]);
    assert!(why.contains("did not apply"), "{why} after {:?}", started.elapsed());
    assert_eq!(destination.run::<String>(&["GET", "counter"]), "5");
}

#[test]
fn of_several_sources_either_value_counts_and_each_database_has_its_place() {
    let servers = [Server::start(Version::Redis70), Server::start(Version::Redis70)];
    let destination = Server::start(Version::Redis70);
    servers[0].run_in::<()>(2, &["SET", "both", "first"]);
    servers[1].run_in::<()>(3, &["SET", "both", "second"]);
    servers[0].run_in::<()>(2, &["SET", "mine", "1"]);
    servers[1].run_in::<()>(3, &["SET", "wrong", "1"]);
    servers[1].run_in::<()>(4, &["SET", "elsewhere", "1"]);
    destination.run_in::<()>(7, &["MSET", "both", "second", "mine", "1", "wrong", "2", "extra", "1"]);
    destination.run_in::<()>(7, &["SET", "tributary:checkpoint:x:y", "ours"]);
    destination.run_in::<()>(6, &["SET", "not ours", "1"]);
    let sources = [format!("{}/2", servers[0].url()), format!("{}/3", servers[1].url())];
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    let verified = verify(&sources, &format!("{}/7", destination.url()), &["--settle", "0"]);
    let found = |key: &str, kind: &str| (7, key.to_owned(), kind.to_owned());
    assert_eq!(verified.found(), BTreeSet::from([found("extra", "extra"), found("wrong", "value")]));
    let last = verified.last();
    assert_eq!(last["sources"].as_array().unwrap().len(), 2);
    assert_eq!((&last["sources"][0]["done"], &last["sources"][1]["done"]), (&2.into(), &2.into()), "{last}");
}

#[test]
fn keys_of_which_the_time_has_come_are_no_difference() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "stays", "1"]);
    destination.run::<()>(&["SET", "stays", "1"]);
    // Held back at the destination, and gone at the source already.
    let held = i64::try_from(now_ms()).unwrap() - 5000 + 3_155_760_000_000;
    destination.run::<()>(&["SET", "waits", "1", "PXAT", &held.to_string()]);
    pair(&source, &destination, &["--settle", "0"]).equal();
    destination.run::<()>(&["PEXPIREAT", "waits", &(held + 3_600_000).to_string()]);
    let verified = pair(&source, &destination, &["--settle", "0"]);
    assert_eq!(verified.found(), BTreeSet::from([(0, "waits".to_owned(), "extra".to_owned())]));
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

#[test]
fn an_error_needs_a_person_and_says_no_password() {
    let closed = Server::with(Version::Redis70, &["requirepass S3CR3TPW"]);
    let open = Server::start(Version::Redis70);
    let wrong = format!("redis://:W40NGPW@127.0.0.1:{}", closed.port());
    let dead = format!("redis://127.0.0.1:{}", free_port());
    for (source, destination, kind) in [
        (wrong.as_str(), open.url(), "wrong_password"),
        (&open.url(), wrong.clone(), "wrong_password"),
        (&closed.url(), open.url(), "wrong_password"),
        (&dead, open.url(), "unreachable"),
        (&open.url(), dead.clone(), "unreachable"),
    ] {
        let verified = verify(&[source], &destination, &[]);
        assert_eq!((verified.code, verified.last()["stage"].as_str()), (Some(3), Some("failed")), "{}", verified.text);
        assert_eq!(verified.last()["error"]["kind"], kind, "{}", verified.text);
        assert!(text(&verified.last()["error"]["hint"]).len() > 10);
        assert!(!verified.text.contains("W40NGPW") && !verified.text.contains("S3CR3TPW"), "{}", verified.text);
        assert!(verified.took < Duration::from_secs(20), "{:?}", verified.took);
    }
    for bad in [["--rate", "0"], ["--settle", "soon"], ["--export", "/nowhere/at/all"]] {
        assert_eq!(pair(&open, &closed, &bad).code, Some(2), "{bad:?}");
    }
    assert_eq!(pair(&open, &open, &[]).code, Some(2));
}

#[test]
fn a_user_without_permission_to_read_is_named() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "key", "1"]);
    source.run::<()>(&[
        "ACL",
        "SETUSER",
        "few",
        "on",
        ">pw",
        "~*",
        "+@connection",
        "+info",
        "+time",
        "+scan",
        "+config",
    ]);
    let verified = verify(&[&format!("redis://few:pw@127.0.0.1:{}", source.port())], &destination.url(), &[]);
    assert_eq!((verified.code, &verified.last()["error"]["kind"]), (Some(3), &Value::from("no_permission")));
}

#[test]
fn a_person_reads_a_table_and_the_differences_go_into_a_file() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    for server in [&source, &destination] {
        server.run::<()>(&["RPUSH", "list", "a", "b", "c"]);
    }
    destination.run::<()>(&["LSET", "list", "1", "x"]);
    source.run::<()>(&["SET", "one,\"two\"", "1", "PXAT", "4102444800123"]);
    destination.run::<()>(&["SET", "one,\"two\"", "1"]);
    let folder = tempfile::tempdir().unwrap();
    let export = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let arguments =
        ["verify", "--source", &source.url(), "--destination", &destination.url(), "--settle", "0", "--export"];
    let csv = export("found.csv");
    let output = Command::new(program()).args(arguments).arg(&csv).stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for words in [
        "value    db 0   list\n         source: list of 3   destination: list of 3, differs at element 1\n",
        "expiry   db 0   one,\\\"two\\\"\n         source: expires 2100-01-01 00:00:00.123 UTC   destination: does not expire\n",
        ": 0 equal, 2 different (0 missing, 0 extra, 0 type, 1 value, 1 expiry).\n",
    ] {
        assert!(shown.contains(words), "{words:?} in {shown}");
    }
    let written = std::fs::read_to_string(&csv).unwrap();
    assert!(written.starts_with("kind,db,key,source,source_says,destination_says,repaired,why_not\n"), "{written}");
    assert!(written.contains("\nexpiry,0,\"one,\\\"\"two\\\"\"\",127.0.0.1-"), "{written}");
    let lines = export("found.jsonl");
    Command::new(program()).args(arguments).arg(&lines).stdin(Stdio::null()).output().unwrap();
    let written = std::fs::read_to_string(&lines).unwrap();
    let kinds: BTreeSet<String> =
        written.lines().map(|line| text(&serde_json::from_str::<Value>(line).unwrap()["kind"])).collect();
    assert_eq!(kinds, BTreeSet::from(["expiry".to_owned(), "value".to_owned()]));
}

#[test]
fn an_interrupt_leaves_what_was_found_so_far() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    let lua = "for i = 1, 3000 do redis.call('SET', 'key:' .. i, i) end";
    source.run::<()>(&["EVAL", lua, "0"]);
    let mut child = Command::new(program())
        .args(["verify", "--source", &source.url(), "--destination", &destination.url()])
        .args(["--json", "--rate", "300", "--settle", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let parse = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    lines.by_ref().map(|line| parse(line.unwrap())).find(|line| line["differences"].as_u64() > Some(0)).unwrap();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let last = lines.map(|line| parse(line.unwrap())).last().unwrap();
    assert_eq!((last["stage"].as_str(), child.wait().unwrap().code()), (Some("stopped"), Some(1)), "{last}");
    assert!(!last["list"].as_array().unwrap().is_empty());
}
