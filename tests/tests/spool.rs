//! A destination that is gone for a while costs no full sync: the spool takes the stream meanwhile, in memory and on
//! disk, and outlives the process. About 2 minutes (SCALE=10: 8, with outages of a minute).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tributary_tests::cli::Sync;
use tributary_tests::exact::{self, Load};
use tributary_tests::proxy::Proxy;
use tributary_tests::seed::Random;
use tributary_tests::server::{Server, Version};
use tributary_tests::{compare, eventually, load, scale};

const EXPIRY_TOLERANCE_MS: i64 = 10;
const BOUND_MIB: u64 = 128;

/// A source, a destination behind a proxy, and a sync in step that spools to a folder of its own.
struct Spooling {
    source: Server,
    destination: Server,
    proxy: Proxy,
    folder: TempDir,
    quota: &'static str,
    sync: Sync,
}

impl Spooling {
    fn new(backlog: &str, quota: &'static str) -> Self {
        let source = Server::with(Version::Redis70, &[&format!("repl-backlog-size {backlog}")]);
        let destination = Server::start(Version::Redis70);
        load::bulk(&source, 2_000);
        let (proxy, folder) = (Proxy::before(destination.port()), tempfile::tempdir().unwrap());
        let mut sync = start(&source, &proxy, folder.path(), quota);
        sync.until_synced();
        Self { source, destination, proxy, folder, quota, sync }
    }

    /// The process is killed, and what `meanwhile` does to its files comes before the next one starts.
    fn kill_and_start_again(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let Self { source, destination, proxy, folder, quota, sync } = self;
        let ended = sync.kill();
        assert_eq!(ended.code, None, "{}", ended.output());
        meanwhile(folder.path());
        let sync = start(&source, &proxy, folder.path(), quota);
        Self { source, destination, proxy, folder, quota, sync }
    }

    /// Ctrl+C, and a new process.
    fn stop_and_start_again(self) -> Self {
        let Self { source, destination, proxy, folder, quota, sync } = self;
        let ended = sync.interrupt();
        assert_eq!(ended.code, Some(0), "{}", ended.output());
        let sync = start(&source, &proxy, folder.path(), quota);
        Self { source, destination, proxy, folder, quota, sync }
    }

    /// The source's own number of the link: a new one comes with every connection.
    fn link(&self) -> String {
        let replicas: String = self.source.run(&["CLIENT", "LIST", "TYPE", "replica"]);
        replicas.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Waits until so much of the stream is in files.
    fn until_on_disk(&mut self, bytes: u64) {
        self.sync.until("spooling to disk", |source| number(source, "spool_disk_bytes") >= bytes);
    }

    /// All is at the destination exactly once, after one full sync in all; nothing is left of the spool.
    fn ends_equal(mut self, load: Load) -> Self {
        let rounds = load.finish();
        self.sync.until_in_step(&self.source);
        let mut watch = self.destination.connect();
        assert_eq!(exact::rounds(&mut watch), rounds);
        exact::no_transaction_is_split(&mut watch);
        compare::servers(&self.source, &self.destination, EXPIRY_TOLERANCE_MS).none();
        assert_eq!(self.source.count("sync_full"), 1, "{:#?}", self.sync.events());
        self.sync.until("the spool is drained", |source| {
            number(source, "spool_bytes") == 0 && number(source, "spool_disk_bytes") == 0
        });
        let left = eventually("the spool's files are removed", || {
            let left: u64 = files(self.folder.path()).iter().map(|file| file.metadata().unwrap().len()).sum();
            (left < 4096).then_some(left)
        });
        let peak = self.sync.peak_mib();
        println!("{rounds} rounds, peak {peak} MiB, {left} bytes left in the folder");
        assert!(peak < BOUND_MIB, "{peak} MiB");
        self
    }
}

fn start(source: &Server, proxy: &Proxy, folder: &Path, quota: &str) -> Sync {
    let extra = ["--spool-dir", folder.to_str().unwrap(), "--spool-quota", quota];
    Sync::start(&source.url(), &proxy.url(), &extra, &[])
}

fn number(source: &Value, field: &str) -> u64 {
    source[field].as_u64().unwrap_or_else(|| panic!("no {field} in {source}"))
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).map_or(Vec::new(), |entries| entries.map_while(Result::ok).collect());
    let paths = entries.iter().map(std::fs::DirEntry::path);
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// An outage at full size.
const FULL_OUTAGE: Duration = Duration::from_secs(60);

/// How long the destination is gone.
fn outage() -> Duration {
    Duration::from_secs(10 * scale()).min(FULL_OUTAGE)
}

/// Waits for the time of an outage, which is what the test is about.
fn last(since: Instant, time: Duration) {
    eventually("the outage lasts", || (since.elapsed() >= time).then_some(()));
}

#[test]
fn an_outage_of_the_destination_under_20_000_writes_a_second_costs_neither_the_link_nor_a_full_sync() {
    let mut spooling = Spooling::new("1mb", "4gb");
    let link = spooling.link();
    let load = Load::heavy(&spooling.source);
    let (started, before) = (Instant::now(), load.written());
    spooling.proxy.cut();
    let report = spooling.sync.until("retrying", |source| source["phase"] == "retrying");
    assert!(report["error"]["message"].as_str().unwrap().contains("127.0.0.1"), "{report}");
    last(started, outage());
    spooling.until_on_disk(1 << 20);
    let (written, took) = ((load.written() - before) * exact::COMMANDS_PER_ROUND, started.elapsed());
    let rate = written as f64 / took.as_secs_f64();
    println!("{:.0} s without the destination, {rate:.0} writes a second", took.as_secs_f64());
    // At full size the rate is part of what is promised; `make test` may share its machine.
    assert!(outage() < FULL_OUTAGE || rate > 19_000.0, "{rate:.0} writes a second");
    spooling.proxy.mend();
    spooling.sync.until_synced();
    assert_eq!(spooling.link(), link, "the source's link was dropped");
    let spooling = spooling.ends_equal(load);
    assert_eq!(spooling.link(), link, "the source's link was dropped");
    assert_eq!(spooling.source.count("sync_partial_ok"), 0);
    assert_eq!(spooling.sync.interrupt().code, Some(0));
}

#[test]
fn a_process_that_was_killed_goes_on_from_its_spool_although_the_backlog_has_moved_past_the_checkpoint() {
    let mut spooling = Spooling::new("1mb", "4gb");
    let load = Load::heavy(&spooling.source);
    spooling.proxy.cut();
    spooling.until_on_disk(4 << 20);
    // The backlog must still reach back to the spool's end when the next process asks for it.
    load.rest();
    let mut spooling = spooling.kill_and_start_again(|_| ());
    spooling.sync.until("retrying", |source| source["phase"] == "retrying");
    spooling.proxy.mend();
    let spooling = spooling.ends_equal(load);
    assert_eq!(spooling.sync.interrupt().code, Some(0));
}

#[test]
fn an_outage_in_which_the_process_is_killed_costs_no_full_sync_although_the_backlog_has_moved_on() {
    let mut spooling = Spooling::new("1mb", "4gb");
    let mut random = Random::of_this_run("killed while spooling");
    let load = Load::heavy(&spooling.source);
    let started = Instant::now();
    spooling.proxy.cut();
    last(started, outage() / 2);
    spooling.until_on_disk(1 << 20);
    random.moment(500);
    let mut spooling = spooling.kill_and_start_again(|_| ());
    // The new process takes the stream from the spool's end on while the destination is still gone.
    spooling.sync.until("retrying", |source| source["phase"] == "retrying");
    last(started, outage());
    spooling.proxy.mend();
    let spooling = spooling.ends_equal(load);
    assert_eq!(spooling.sync.interrupt().code, Some(0));
}

#[test]
fn a_full_spool_holds_the_source_back_and_nothing_is_lost() {
    let mut spooling = Spooling::new("1mb", "24mb");
    let link = spooling.link();
    let load = Load::heavy(&spooling.source);
    spooling.proxy.cut();
    // Beyond memory and quota; what is left waits in the source's buffer for this replica.
    load.burst(80_000);
    eventually("the source is held back", || {
        let replicas: String = spooling.source.run(&["CLIENT", "LIST", "TYPE", "replica"]);
        let waiting = replicas.split(' ').find_map(|field| field.strip_prefix("omem=")?.parse::<u64>().ok())?;
        (waiting > 4 << 20).then_some(())
    });
    let limit = "client-output-buffer-limit";
    eventually("a warning names the limit", || {
        spooling.sync.events().iter().any(|line| line.contains(limit)).then_some(())
    });
    let report = spooling.sync.until("a report", |_| true);
    assert!(number(&report, "spool_disk_bytes") <= 25 << 20, "{report}");
    spooling.proxy.mend();
    let spooling = spooling.ends_equal(load);
    assert_eq!(spooling.link(), link, "the source's link was dropped");
    assert_eq!(spooling.sync.interrupt().code, Some(0));
}

/// Changes the last bytes of the newest file.
fn at_the_tail(folder: &Path, change: impl FnOnce(&mut std::fs::File, u64)) {
    let newest = |path: &PathBuf| path.metadata().map(|data| (data.len() > 0, data.modified().ok())).ok();
    let path = files(folder).into_iter().max_by_key(newest).expect("a file of the spool");
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    assert!(length > 4096, "{} holds {length} bytes", path.display());
    change(&mut file, length);
}

fn goes_on_behind_a_tail(change: impl FnOnce(&mut std::fs::File, u64)) {
    // The source must still hold what is cut off.
    let mut spooling = Spooling::new("256mb", "4gb");
    let load = Load::heavy(&spooling.source);
    spooling.proxy.cut();
    load.burst(20_000);
    spooling.until_on_disk(8 << 20);
    let spooling = spooling.kill_and_start_again(|folder| at_the_tail(folder, change));
    spooling.proxy.mend();
    let spooling = spooling.ends_equal(load);
    assert_eq!(spooling.sync.interrupt().code, Some(0));
}

#[test]
fn a_tail_that_was_cut_short_is_left_out_and_every_write_arrives_once() {
    goes_on_behind_a_tail(|file, length| file.set_len(length - 7).unwrap());
}

#[test]
fn a_tail_that_is_garbled_is_left_out_and_every_write_arrives_once() {
    goes_on_behind_a_tail(|file, length| {
        file.seek(SeekFrom::Start(length - 64)).unwrap();
        file.write_all(&load::noise(3, 64)).unwrap();
    });
}

#[test]
fn a_paused_replica_takes_the_stream_and_applies_none_of_it_until_it_is_resumed() {
    let mut spooling = Spooling::new("1mb", "4gb");
    let link = spooling.link();
    let load = Load::heavy(&spooling.source);
    spooling.sync.signal("USR1");
    spooling.sync.until("paused", |source| source["phase"] == "paused");
    let mut watch = spooling.destination.connect();
    // What had been sent when the pause began is in.
    let held = eventually("nothing is applied any more", || {
        let (before, mark) = (exact::rounds(&mut watch), load.written());
        eventually("the load goes on", || (load.written() > mark + 1000).then_some(()));
        (exact::rounds(&mut watch) == before).then_some(before)
    });
    load.burst(50_000);
    spooling.until_on_disk(1 << 20);
    assert_eq!(exact::rounds(&mut watch), held, "applied while paused");
    assert_eq!(spooling.link(), link, "the link stays open");
    spooling.sync.signal("USR2");
    spooling.sync.until_synced();
    assert_eq!(spooling.link(), link, "the link stays open");
    let spooling = spooling.ends_equal(load);
    assert_eq!(spooling.sync.interrupt().code, Some(0));
}

#[test]
fn a_paused_replica_that_is_stopped_goes_on_from_its_checkpoint() {
    let mut spooling = Spooling::new("64mb", "4gb");
    let load = Load::start(&spooling.source, 300);
    spooling.sync.signal("USR1");
    spooling.sync.until("paused", |source| source["phase"] == "paused");
    load.burst(500);
    let spooling = spooling.stop_and_start_again();
    let spooling = spooling.ends_equal(load);
    assert_eq!(spooling.sync.interrupt().code, Some(0));
}

/// What moves the offset and writes nothing, such as WAIT's question, is no part of what the destination stands at.
#[test]
fn an_outage_behind_a_question_costs_no_full_sync() {
    let mut spooling = Spooling::new("16kb", "1gb");
    spooling.source.run::<()>(&["SET", "before", "it"]);
    assert_eq!(spooling.source.run::<u64>(&["WAIT", "1", "30000"]), 1);
    let Spooling { source, sync, .. } = &mut spooling;
    sync.until_in_step(source);
    spooling.proxy.cut();
    spooling.sync.until_retrying("disconnected");
    load::big_list(&spooling.source, "more than memory takes", 40);
    spooling.until_on_disk(1);
    spooling.proxy.mend();
    let Spooling { source, destination, mut sync, .. } = spooling;
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(source.count("sync_full"), 1, "{:#?}", sync.events());
}

#[test]
fn a_command_larger_than_memory_passes_without_a_disk() {
    let mut spooling = Spooling::new("1mb", "0");
    spooling.sync.signal("USR1");
    spooling.sync.until("paused", |source| source["phase"] == "paused");
    // Its reply comes when the source has taken it in; the source's own buffer holds what Tributary does not take.
    load::big_string(&spooling.source, "large", 60);
    spooling.sync.until("the link takes what it can", |source| number(source, "spool_bytes") > 20 << 20);
    let full = |event: &String| event.contains("The spool is full (there is no disk to spill to)");
    eventually("a warning", || spooling.sync.events().iter().any(full).then_some(()));
    spooling.sync.signal("USR2");
    let Spooling { source, destination, mut sync, .. } = spooling;
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
}

/// A destination that saves rarely: what it has executed and not saved is kept while there is room, and no longer.
#[test]
fn what_is_not_durable_does_not_stop_the_stream() {
    let mut spooling = Spooling::new("1mb", "64mb");
    eventually("a save that covers something", || {
        // It may still be saving.
        let _ = spooling.destination.try_run::<()>(&["BGSAVE"]);
        let report = spooling.sync.until_report("a report", |_| true);
        (!report["sources"][0]["durable"].is_null()).then_some(())
    });
    spooling.sync.signal("USR1");
    spooling.sync.until("paused", |source| source["phase"] == "paused");
    load::big_list(&spooling.source, "list", 42);
    spooling.until_on_disk(1);
    spooling.sync.signal("USR2");
    load::big_list(&spooling.source, "another", 90);
    let Spooling { source, destination, mut sync, .. } = spooling;
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(source.count("sync_full"), 1, "{:#?}", sync.events());
}

/// A source that is ready long before another one gives up a replica that takes nothing meanwhile.
#[test]
fn a_source_that_is_ready_first_is_listened_to_until_the_others_are() {
    let first = Server::with(Version::Redis70, &["repl-timeout 4", "rdbcompression no", "enable-debug-command yes"]);
    let second = Server::with(Version::Redis70, &["repl-diskless-sync-delay 9"]);
    let (destination, folder) = (Server::start(Version::Redis70), tempfile::tempdir().unwrap());
    first.run::<()>(&["DEBUG", "POPULATE", "800000", "first", "100"]);
    second.run::<()>(&["SET", "of the second", "2"]);
    let extra = ["--spool-dir", folder.path().to_str().unwrap()];
    let mut sync = Sync::from_all(&[first.url(), second.url()], &destination.url(), &extra, &[]);
    sync.until_all_synced();
    assert_eq!((first.count("sync_full"), second.count("sync_full")), (1, 1), "{:#?}", sync.events());
    assert_eq!(destination.run::<u64>(&["DBSIZE"]), 800_000 + 1 + 2);
    assert_eq!(sync.interrupt().code, Some(0));
}

/// The same without a disk: it does give the link up, and that costs nobody any data.
#[test]
fn a_source_that_gives_up_before_the_others_are_ready_costs_no_data() {
    let first = Server::with(Version::Redis70, &["repl-timeout 4", "rdbcompression no", "enable-debug-command yes"]);
    let second = Server::with(Version::Redis70, &["repl-diskless-sync-delay 20"]);
    let destination = Server::start(Version::Redis70);
    first.run::<()>(&["DEBUG", "POPULATE", "800000", "first", "100"]);
    second.run::<()>(&["SET", "of the second", "2"]);
    destination.run::<()>(&["SET", "kept", "1"]);
    let extra = ["--spool-quota", "0", "--flush"];
    let mut sync = Sync::from_all(&[first.url(), second.url()], &destination.url(), &extra, &[]);
    sync.until_retrying("disconnected");
    assert!(!sync.events().iter().any(|event| event.contains("Emptied")), "{:#?}", sync.events());
    assert_eq!(destination.run::<u64>(&["EXISTS", "kept"]), 1);
}

/// One transaction has no checkpoint before its end, so nothing of it can be given up by one; the quota is no limit to it.
#[test]
fn a_command_larger_than_memory_and_quota_passes() {
    let spooling = Spooling::new("1mb", "16mb");
    load::big_string(&spooling.source, "large", 120);
    let Spooling { source, destination, mut sync, .. } = spooling;
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(source.count("sync_full"), 1, "{:#?}", sync.events());
}
