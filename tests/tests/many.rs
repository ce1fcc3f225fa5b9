//! Several sources into one destination: what concerns one leaves the others alone; and WAIT on a source tells the truth.
//! About a minute and a half.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use tributary_tests::cli::Sync;
use tributary_tests::exact::{self, Load};
use tributary_tests::proxy::{Direction, Proxy};
use tributary_tests::server::{Server, Version};
use tributary_tests::{eventually, load};

const SOURCES: usize = 32;
const ROUNDS_PER_SECOND: u64 = 10;
/// How long the costs of 32 sources are measured.
const MEASURED: Duration = Duration::from_secs(5);

/// 32 sources under load, of which the first is behind a proxy and the last is newer than the destination.
struct Many {
    sources: Vec<Server>,
    loads: Vec<Load>,
    proxy: Proxy,
    destination: Server,
    sync: Sync,
    /// Those that stopped.
    failed: BTreeSet<usize>,
}

fn prefix(source: usize) -> String {
    format!("source:{source}:")
}

impl Many {
    fn new() -> Self {
        let newest = SOURCES - 1;
        let start = |i| {
            let version = if i == newest { Version::Redis82 } else { Version::Redis70 };
            Server::with(version, &["databases 32"])
        };
        let sources: Vec<Server> = (0..SOURCES).map(start).collect();
        let load = |i: usize| Load::prefixed(&sources[i], &prefix(i), ROUNDS_PER_SECOND);
        let mut loads: Vec<Load> = (0..newest).map(load).collect();
        let proxy = Proxy::before(sources[0].port());
        let destination = Server::start(Version::Redis70);
        let mut urls: Vec<String> = sources.iter().map(Server::url).collect();
        urls[0] = proxy.url();
        let mut sync = Sync::from_all(&urls, &destination.url(), &[], &[]);
        sync.until_all_synced();
        // An older destination takes its stream, but could not load a snapshot of its values.
        loads.push(load(newest));
        Self { sources, loads, proxy, destination, sync, failed: BTreeSet::new() }
    }

    /// Waits until this source fails in this way, while all others that have not failed are and stay in step.
    fn only(&mut self, index: usize, phase: &str, kind: &str) {
        let failed = &self.failed;
        self.sync.until_report(&format!("{kind} of source {index}"), |report| {
            let sources = report["sources"].as_array().unwrap();
            for (i, source) in sources.iter().enumerate().filter(|(i, _)| *i != index && !failed.contains(i)) {
                assert_eq!(source["phase"], "synced", "source {i} while source {index} has {kind}: {source}");
            }
            sources[index]["phase"] == phase && sources[index]["error"]["kind"] == kind
        });
        if phase == "stopped" {
            self.failed.insert(index);
        }
        self.others_go_on(index);
        println!("{kind}: RSS {} MiB, {:.1} s of CPU", self.sync.rss_mib(), self.sync.cpu_seconds());
    }

    /// What the others write arrives.
    fn others_go_on(&mut self, index: usize) {
        let mut watch = self.destination.connect();
        for i in (0..SOURCES).filter(|i| *i != index && !self.failed.contains(i)) {
            let target = self.loads[i].written();
            eventually("the others go on", || {
                self.sync.still_runs();
                (exact::rounds_of(&mut watch, &prefix(i)) > target).then_some(())
            });
        }
    }

    /// Tells what 32 sources cost while they write: memory, and the share of one processor over some seconds.
    fn measure(&mut self) {
        let (began, cpu, before) = (Instant::now(), self.sync.cpu_seconds(), self.written());
        eventually("some seconds of load", || (began.elapsed() >= MEASURED).then_some(()));
        let (took, commands) = (began.elapsed().as_secs_f64(), (self.written() - before) * exact::COMMANDS_PER_ROUND);
        println!(
            "32 sources, {:.0} commands/s in all: RSS {} MiB, peak {} MiB, {:.1} % of a processor",
            commands as f64 / took,
            self.sync.rss_mib(),
            self.sync.peak_mib(),
            (self.sync.cpu_seconds() - cpu) / took * 100.0,
        );
        // What was counted was applied, too.
        self.others_go_on(SOURCES);
    }

    fn written(&self) -> u64 {
        self.loads.iter().map(Load::written).sum()
    }

    fn until_all_others_synced(&mut self) {
        let failed = &self.failed;
        self.sync.until_report("the others in step", |report| {
            let mut sources = report["sources"].as_array().unwrap().iter().enumerate();
            sources.all(|(i, source)| failed.contains(&i) || source["phase"] == "synced")
        });
    }
}

#[test]
fn of_32_sources_one_may_fail_in_any_way_while_the_others_stay_in_step() {
    let mut many = Many::new();
    many.measure();

    // Those that pass.
    many.proxy.cut();
    many.only(0, "retrying", "disconnected");
    many.proxy.mend();
    many.until_all_others_synced();
    let mut first = many.sources[0].connect();
    redis::cmd("CONFIG").arg(&["SET", "maxclients", "1"]).query::<()>(&mut first).unwrap();
    many.proxy.drop_connections();
    many.only(0, "retrying", "max_clients");
    redis::cmd("CONFIG").arg(&["SET", "maxclients", "1000"]).query::<()>(&mut first).unwrap();
    many.until_all_others_synced();
    many.sources[0].freeze();
    many.others_go_on(0);
    many.sources[0].thaw();
    many.until_all_others_synced();

    // Those that stop. Connections of the load are none that is killed.
    let mut second = many.sources[1].connect();
    redis::cmd("CONFIG").arg(&["SET", "requirepass", "new"]).query::<()>(&mut second).unwrap();
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "replica"]).query::<u64>(&mut second).unwrap();
    many.only(1, "stopped", "wrong_password");
    many.sources[2].run::<()>(&["ACL", "SETUSER", "default", "-psync"]);
    many.sources[2].run::<u64>(&["CLIENT", "KILL", "TYPE", "replica"]);
    many.only(2, "stopped", "no_permission");
    many.destination.run::<()>(&["SET", "source:3:wrong", "a string"]);
    many.sources[3].run::<()>(&["LPUSH", "source:3:wrong", "element"]);
    many.only(3, "stopped", "command_failed");
    many.sources[4].run_in::<()>(20, &["SET", "source:4:key", "value"]);
    many.only(4, "stopped", "db_out_of_range");
    let newest = SOURCES - 1;
    many.sources[newest].run::<()>(&["HSET", "source:31:hash", "field", "value"]);
    many.sources[newest].run::<Vec<i64>>(&["HPEXPIRE", "source:31:hash", "3600000", "FIELDS", "1", "field"]);
    many.only(newest, "stopped", "field_expiry_unknown");

    many.until_all_others_synced();
    let mut watch = many.destination.connect();
    for (i, load) in many.loads.drain(..).enumerate() {
        let rounds = load.finish();
        if !many.failed.contains(&i) {
            eventually("the last round arrives", || (exact::rounds_of(&mut watch, &prefix(i)) >= rounds).then_some(()));
            assert_eq!(exact::rounds_of(&mut watch, &prefix(i)), rounds, "source {i}");
            assert_eq!(many.sources[i].count("sync_full"), 1, "source {i}");
        }
    }
    let peak = many.sync.peak_mib();
    println!("at the end: RSS {} MiB, peak {peak} MiB, {:.1} s of CPU", many.sync.rss_mib(), many.sync.cpu_seconds());
    // At most a link's bound for all of them: they are idle but for a few commands.
    assert!(peak < 128, "{peak} MiB");
    assert_eq!(many.sync.interrupt().code, Some(0));
}

#[test]
fn a_destination_that_goes_down_under_32_sources_costs_none_of_them_a_full_sync() {
    let mut many = Many::new();
    many.destination.freeze();
    let before = many.loads[0].written();
    eventually("the sources go on", || (many.loads[0].written() > before + 30).then_some(()));
    many.destination.thaw();
    many.others_go_on(SOURCES);
    many.sync.until_all_synced();
    assert!(many.sources.iter().all(|source| source.count("sync_full") == 1 && source.count("sync_partial_ok") == 0));
    assert_eq!(many.sync.interrupt().code, Some(0));
}

/// All keys of a server with their values, as dumps.
fn content(server: &Server) -> BTreeSet<(String, Vec<u8>)> {
    let keys: Vec<String> = server.run(&["KEYS", "*"]);
    let ours = keys.into_iter().filter(|key| !key.starts_with("tributary:"));
    ours.map(|key| (key.clone(), server.run(&["DUMP", &key]))).collect()
}

#[test]
fn flushall_of_one_of_two_sources_is_announced_and_leaves_the_others_data() {
    let servers: Vec<Server> = (0..3).map(|_| Server::start(Version::Redis70)).collect();
    let [first, second, destination] = servers.as_slice() else { panic!("three servers") };
    for (name, server) in [("first", first), ("second", second)] {
        (0..500).for_each(|number| server.run(&["SET", &format!("{name}:{number}"), "value"]));
    }
    let mut sync = Sync::from_all(&[first.url(), second.url()], &destination.url(), &[], &[]);
    sync.until_all_synced();
    for flush in ["FLUSHALL", "FLUSHDB"] {
        let announced = |sync: &Sync| sync.events().iter().filter(|line| line.contains("Full resync")).count();
        let before = announced(&sync);
        first.run::<()>(&[flush]);
        first.run::<()>(&["SET", &format!("first:after {flush}"), "value"]);
        eventually("the resync is announced", || {
            sync.still_runs();
            (announced(&sync) > before).then_some(())
        });
        eventually("both sources' data and nothing else", || {
            let both: BTreeSet<_> = content(first).union(&content(second)).cloned().collect();
            (content(destination) == both).then_some(())
        });
        sync.until_all_synced();
    }
    assert_eq!(destination.run::<u64>(&["EXISTS", "first:7", "first:after FLUSHDB", "second:7"]), 2);
    assert_eq!(sync.interrupt().code, Some(0));
}

/// The names of a server's function libraries.
fn libraries(server: &Server) -> BTreeSet<String> {
    let list: Vec<std::collections::HashMap<String, redis::Value>> = server.run(&["FUNCTION", "LIST"]);
    list.iter().map(|library| redis::from_redis_value_ref(&library["library_name"]).unwrap()).collect()
}

fn add_library(server: &Server, name: &str) {
    let code = format!("#!lua name={name}\nredis.register_function('{name}', function() return 1 end)");
    server.run::<()>(&["FUNCTION", "LOAD", "REPLACE", &code]);
}

#[test]
fn libraries_of_one_of_two_sources_go_without_those_of_the_other() {
    let servers: Vec<Server> = (0..3).map(|_| Server::start(Version::Redis70)).collect();
    let [first, second, destination] = servers.as_slice() else { panic!("three servers") };
    let load_first = || ["one", "two"].iter().for_each(|name| add_library(first, name));
    load_first();
    add_library(second, "other");
    let mut sync = Sync::from_all(&[first.url(), second.url()], &destination.url(), &[], &[]);
    sync.until_all_synced();
    let announced = |sync: &Sync, words: &str| sync.events().iter().filter(|line| line.contains(words)).count();
    let hold = |names: &[&str]| {
        let names: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
        eventually("the libraries", || (libraries(destination) == names).then_some(()));
    };
    hold(&["one", "two", "other"]);

    first.run::<()>(&["FUNCTION", "DELETE", "two"]);
    hold(&["one", "other"]);
    eventually("it is told", || (announced(&sync, "deleted the function library “two”") == 1).then_some(()));
    assert_eq!(announced(&sync, "Full resync"), 0);

    let dump = redis::cmd("FUNCTION").arg("DUMP").query::<Vec<u8>>(&mut first.connect()).unwrap();
    add_library(first, "two");
    hold(&["one", "two", "other"]);
    let mut restore = redis::cmd("FUNCTION");
    restore.arg("RESTORE").arg(dump).arg("FLUSH").query::<()>(&mut first.connect()).unwrap();
    eventually("it is announced", || (announced(&sync, "FUNCTION RESTORE … FLUSH") == 1).then_some(()));
    hold(&["one", "other"]);
    sync.until_all_synced();

    first.run::<()>(&["FUNCTION", "FLUSH"]);
    eventually("it is announced", || (announced(&sync, "executed FUNCTION FLUSH") == 1).then_some(()));
    hold(&["other"]);
    sync.until_all_synced();
    assert_eq!(announced(&sync, "Full resync"), 2);
    assert_eq!(sync.interrupt().code, Some(0));
}

/// `WAIT 1 timeout` behind a write on the same connection, and when it answered.
fn wait(connection: &mut redis::Connection, milliseconds: u64) -> (u64, Instant) {
    redis::cmd("INCR").arg("waited for").query::<u64>(connection).unwrap();
    let replicas = redis::cmd("WAIT").arg(1).arg(milliseconds).query::<u64>(connection).unwrap();
    (replicas, Instant::now())
}

#[test]
fn wait_on_the_source_tells_whether_the_destination_has_it() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 200);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    let mut connection = source.connect();
    assert_eq!(wait(&mut connection, 500).0, 1, "the destination runs");
    // Each measurement is one of a machine that may be busy: the middle one of five counts.
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            destination.freeze();
            assert_eq!(wait(&mut connection, 500).0, 0, "the destination hangs");
            // Asked before it runs again, so that the answer's time is the engine's.
            let (replicas, answered, thawed) = std::thread::scope(|scope| {
                let waiting = scope.spawn(|| wait(&mut connection, 5_000));
                eventually("WAIT is blocked", || (source.count("blocked_clients") == 1).then_some(()));
                let thawed = Instant::now();
                destination.thaw();
                let (replicas, answered) = waiting.join().unwrap();
                (replicas, answered, thawed)
            });
            assert_eq!(replicas, 1, "the destination runs again");
            answered.duration_since(thawed)
        })
        .collect();
    println!("WAIT answered after {times:?}");
    times.sort();
    assert!(times[2] < Duration::from_millis(50), "{times:?}");
    assert_eq!(sync.until_synced()["error"], Value::Null);
    assert_eq!(source.count("sync_full") + source.count("sync_partial_ok"), 1, "the link was never dropped");
    assert_eq!(sync.interrupt().code, Some(0));
}

/// Two sources of which one is in step with the destination, and the URLs of both; the other is large and behind a proxy.
struct Joining {
    first: Server,
    second: Server,
    proxy: Proxy,
    destination: Server,
}

impl Joining {
    fn new(destination: &[&str]) -> Self {
        let first = Server::start(Version::Redis70);
        let second = Server::with(Version::Redis70, &["enable-debug-command yes"]);
        let destination = Server::with(Version::Redis70, destination);
        first.run::<()>(&["SET", "of the first", "1"]);
        second.run::<()>(&["DEBUG", "POPULATE", "200000", "second", "60"]);
        let proxy = Proxy::before(second.port());
        Self { first, second, proxy, destination }
    }

    fn urls(&self) -> [String; 2] {
        [self.first.url(), self.proxy.url()]
    }

    /// Nothing that nobody confirmed was deleted, and both sources' keys are there.
    fn is_whole(&self, sync: &mut Sync) {
        sync.until_all_synced();
        assert_eq!(self.destination.run::<Option<String>>(&["GET", "a stranger's"]).as_deref(), Some("1"));
        assert_eq!(self.destination.run::<String>(&["GET", "of the first"]), "1");
        let expected = self.second.run::<u64>(&["DBSIZE"]);
        eventually("all keys of the second", || {
            // The first's, the stranger's and two checkpoints come on top.
            (self.destination.run::<u64>(&["DBSIZE"]) == expected + 4).then_some(())
        });
    }
}

#[test]
fn a_source_whose_load_beside_the_others_breaks_is_loaded_again_alone() {
    let joining = Joining::new(&[]);
    let mut sync = Sync::from_all(&joining.urls()[..1], &joining.destination.url(), &[], &[]);
    sync.until_all_synced();
    assert_eq!(sync.interrupt().code, Some(0));
    joining.destination.run::<()>(&["SET", "a stranger's", "1"]);
    joining.proxy.throttle(Direction::ToClient, 4 << 20);
    let options = ["--add-sources", "--ask-before-resync"];
    let begun = |what: &str| {
        eventually(what, || (joining.destination.run::<u64>(&["DBSIZE"]) > 2_000).then_some(()));
    };

    // By a cut connection, and by a kill of the process, which then goes on without being told to add anything.
    let sync = Sync::from_all(&joining.urls(), &joining.destination.url(), &options, &[]);
    begun("the load has begun");
    joining.proxy.drop_connections();
    eventually("the source was asked again", || (joining.second.count("sync_full") > 1).then_some(()));
    assert_eq!(sync.kill().code, None);
    joining.proxy.mend();
    let mut sync = Sync::from_all(&joining.urls(), &joining.destination.url(), &[], &[]);
    joining.is_whole(&mut sync);
    assert_eq!(joining.first.count("sync_full"), 1);
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_source_that_is_added_while_the_destination_is_down_is_loaded_beside_the_others() {
    let mut joining = Joining::new(&["appendonly yes", "appendfsync always"]);
    let mut sync = Sync::from_all(&joining.urls()[..1], &joining.destination.url(), &[], &[]);
    sync.until_all_synced();
    joining.destination.run::<()>(&["SET", "a stranger's", "1"]);
    sync.signal("USR1");
    sync.until("paused", |report| report["phase"] == "paused");
    load::big_list(&joining.first, "more than memory takes", 48);
    sync.until_report("files of the spool", |report| report["sources"][0]["spool_disk_bytes"].as_u64() > Some(0));
    // What is in the files is applied later, and must not stand in the way of the count.
    joining.first.run::<()>(&["DEL", "more than memory takes"]);
    assert_eq!(sync.kill().code, None);
    joining.destination.kill();
    let mut sync = Sync::from_all(&joining.urls(), &joining.destination.url(), &["--add-sources"], &[]);
    sync.until_report("the destination is missed", |report| report["sources"][0]["phase"] == "retrying");
    joining.destination.start_again();
    joining.is_whole(&mut sync);
    assert_eq!(joining.first.count("sync_full"), 1);
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn with_a_state_folder_sources_may_be_given_in_another_order() {
    let servers: Vec<Server> = (0..3).map(|_| Server::start(Version::Redis70)).collect();
    let [first, second, destination] = servers.as_slice() else { panic!("three servers") };
    first.run::<()>(&["SET", "of the first", "1"]);
    second.run::<()>(&["SET", "of the second", "2"]);
    let folder = tempfile::tempdir().unwrap();
    let state = ["--state", folder.path().to_str().unwrap(), "--add-sources"];
    let mut sync = Sync::from_all(&[first.url()], &destination.url(), &state, &[]);
    sync.until_all_synced();
    assert_eq!(sync.interrupt().code, Some(0));
    destination.run::<()>(&["SET", "a stranger's", "1"]);
    for _ in 0..2 {
        let mut sync = Sync::from_all(&[second.url(), first.url()], &destination.url(), &state, &[]);
        sync.until_all_synced();
        eventually("all keys", || (destination.run::<u64>(&["DBSIZE"]) == 5).then_some(()));
        assert_eq!(sync.interrupt().code, Some(0));
    }
    assert_eq!((first.count("sync_full"), second.count("sync_full")), (1, 1));
}
