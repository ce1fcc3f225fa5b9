//! Expiries follow the source: no key goes before the source says so, and `tributary finish` leaves exact times.
//! About half a minute.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::BTreeMap;

use tributary_tests::cli::{self, Sync};
use tributary_tests::proxy::Proxy;
use tributary_tests::server::{Server, Version};
use tributary_tests::{compare, eventually, load};

/// The first time to live that is tried; doubled when the machine is too busy for it.
const SHORT_MS: u64 = 2_000;
const HOUR_MS: u64 = 3_600_000;
/// How much later expiries are carried where the destination knows no import mode: 100 years.
const HELD_BACK_MS: i64 = 3_155_760_000_000;

/// A source behind a proxy, a destination, and a sync in step.
struct Pair {
    source: Server,
    destination: Server,
    proxy: Proxy,
    extra: &'static [&'static str],
    sync: Option<Sync>,
}

impl Pair {
    fn new(destination: Version, extra: &'static [&'static str]) -> Self {
        let (source, destination) = (Server::start(Version::Redis70), Server::start(destination));
        load::bulk(&source, 500);
        let proxy = Proxy::before(source.port());
        let mut pair = Self { source, destination, proxy, extra, sync: None };
        pair.start();
        pair
    }

    fn start(&mut self) {
        let mut sync = Sync::start(&self.proxy.url(), &self.destination.url(), self.extra, &[]);
        sync.until_synced();
        self.sync = Some(sync);
    }

    fn sync(&mut self) -> &mut Sync {
        self.sync.as_mut().unwrap()
    }

    /// The process is killed.
    fn kill(&mut self) {
        let ended = self.sync.take().unwrap().kill();
        assert_eq!(ended.code, None, "{}", ended.output());
    }

    /// Waits until the destination holds all that the source does.
    fn in_step(&mut self) {
        let Self { source, sync, .. } = self;
        sync.as_mut().unwrap().until_in_step(source);
    }

    /// Stops the sync where it runs, and ends the replication for good: what `tributary finish` says.
    fn finish(&mut self) -> String {
        if let Some(sync) = self.sync.take() {
            assert_eq!(sync.interrupt().code, Some(0));
        }
        let arguments = ["finish", "--source", &self.proxy.url(), "--destination", &self.destination.url()];
        let (code, text) = cli::run(&arguments);
        assert_eq!(code, Some(0), "{text}");
        text
    }

    /// After the end: nothing of Tributary is left, and every key has the source's own time, to the millisecond.
    fn is_exact(&self) {
        let own: Vec<String> = self.destination.run(&["KEYS", "tributary:*"]);
        assert_eq!(own, Vec::<String>::new());
        let (here, there) = (times(&self.source), times(&self.destination));
        assert!(here.values().filter(|at| **at > 0).count() > 50, "too few keys with an expiry to tell");
        for (key, at) in &here {
            assert_eq!(there.get(key), Some(at), "{key:?}");
        }
        compare::servers(&self.source, &self.destination, 0).none();
    }

    /// Sets a key that lives for a short time at both sides, has `strike` cut them apart, and has `change` act at the source
    /// before that time is over. Returns when it is over.
    fn outlive(&mut self, key: &str, strike: impl Fn(&mut Self), change: impl Fn(&Server) -> bool) {
        let mut ttl = SHORT_MS;
        let over = loop {
            self.source.run::<()>(&["SET", key, "5", "PX", &ttl.to_string()]);
            let over: i64 = self.source.run(&["PEXPIRETIME", key]);
            self.in_step();
            strike(self);
            if over > 0 && change(&self.source) {
                break over;
            }
            // It was over too soon.
            ttl *= 2;
            self.proxy.mend();
            if self.sync.is_none() {
                self.start();
            }
        };
        for server in [&self.source, &self.destination] {
            eventually("its first time is over", || (clock(server) > over).then_some(()));
        }
    }
}

/// A server's clock in Unix ms.
fn clock(server: &Server) -> i64 {
    let (seconds, micros): (i64, i64) = server.run(&["TIME"]);
    seconds * 1000 + micros / 1000
}

/// PEXPIRETIME of every key, by database; -1 without an expiry.
fn times(server: &Server) -> BTreeMap<(u32, String), i64> {
    let of_db = |db: u32| {
        let keys: Vec<String> = server.run_in(db, &["KEYS", "*"]);
        let mut connection = server.connect_db(db);
        let time = move |key: String| {
            let at = redis::cmd("PEXPIRETIME").arg(&key).query(&mut connection).unwrap();
            ((db, key), at)
        };
        keys.into_iter().filter(|key| !key.starts_with("tributary:")).map(time).collect::<Vec<_>>()
    };
    load::DATABASES.iter().flat_map(|db| of_db(*db)).collect()
}

fn import_mode(server: &Server) -> String {
    let (_, value): (String, String) = server.run(&["CONFIG", "GET", "import-mode"]);
    value
}

/// What is recorded of the import mode that was found.
fn recorded(server: &Server) -> Vec<String> {
    let keys: Vec<String> = server.run(&["KEYS", "tributary:import-mode:*"]);
    keys.iter().map(|key| server.run(&["GET", key])).collect()
}

fn cut(pair: &mut Pair) {
    pair.proxy.cut();
    pair.sync().until("retrying", |source| source["phase"] == "retrying");
}

fn renew(source: &Server) -> bool {
    source.run::<u64>(&["PEXPIRE", "session", &HOUR_MS.to_string()]) == 1
}

fn increment_and_keep(source: &Server) -> bool {
    // One transaction: were it over in between, the counter would begin anew.
    let mut pipe = redis::pipe();
    pipe.atomic().cmd("INCR").arg("counter").cmd("PERSIST").arg("counter");
    let (count, kept): (u64, u64) = pipe.query(&mut source.connect()).unwrap();
    count == 6 && kept == 1
}

fn session_renewed_during_an_outage_of_the_link(destination: Version) {
    let mut pair = Pair::new(destination, &[]);
    pair.outlive("session", cut, renew);
    pair.proxy.mend();
    pair.in_step();
    assert_eq!(pair.destination.run::<Option<String>>(&["GET", "session"]).as_deref(), Some("5"));
    pair.finish();
    pair.is_exact();
    assert!(pair.destination.run::<i64>(&["PTTL", "session"]) > 0);
}

#[test]
fn a_session_renewed_during_an_outage_of_the_link_stays_and_ends_with_an_equal_time() {
    session_renewed_during_an_outage_of_the_link(Version::Redis70);
}

#[test]
fn a_session_renewed_during_an_outage_of_the_link_stays_at_a_valkey_too() {
    session_renewed_during_an_outage_of_the_link(Version::Valkey91);
}

fn session_renewed_while_the_process_was_gone(destination: Version) {
    let mut pair = Pair::new(destination, &[]);
    pair.outlive("session", Pair::kill, renew);
    pair.start();
    pair.in_step();
    assert_eq!(pair.source.count("sync_full"), 1);
    assert_eq!(pair.destination.run::<Option<String>>(&["GET", "session"]).as_deref(), Some("5"));
    pair.finish();
    pair.is_exact();
}

#[test]
fn a_session_renewed_while_the_process_was_gone_stays_and_ends_with_an_equal_time() {
    session_renewed_while_the_process_was_gone(Version::Redis70);
}

#[test]
fn a_session_renewed_while_the_process_was_gone_stays_at_a_valkey_too() {
    session_renewed_while_the_process_was_gone(Version::Valkey81);
}

fn counter_incremented_just_before_its_time(destination: Version) {
    let mut pair = Pair::new(destination, &[]);
    pair.outlive("counter", cut, increment_and_keep);
    // And one whose time is over at the source: there it begins anew.
    pair.source.run::<()>(&["SET", "anew", "5", "PX", "1"]);
    eventually("it is gone", || (pair.source.run::<u64>(&["EXISTS", "anew"]) == 0).then_some(()));
    pair.source.run::<()>(&["INCR", "anew"]);
    pair.proxy.mend();
    pair.in_step();
    assert_eq!(pair.destination.run::<u64>(&["GET", "counter"]), 6);
    assert_eq!(pair.destination.run::<i64>(&["PTTL", "counter"]), -1);
    assert_eq!(pair.destination.run::<u64>(&["GET", "anew"]), 1);
    pair.finish();
    pair.is_exact();
}

#[test]
fn a_counter_incremented_just_before_its_time_comes_out_equal() {
    counter_incremented_just_before_its_time(Version::Redis70);
}

#[test]
fn a_counter_incremented_just_before_its_time_comes_out_equal_at_a_valkey_too() {
    counter_incremented_just_before_its_time(Version::Valkey91);
}

#[test]
fn a_key_goes_when_the_source_says_so() {
    for version in [Version::Redis70, Version::Valkey81] {
        let mut pair = Pair::new(version, &[]);
        pair.source.run::<()>(&["SET", "short", "value", "PX", "500"]);
        eventually("it is gone at the source", || (pair.source.run::<u64>(&["EXISTS", "short"]) == 0).then_some(()));
        pair.in_step();
        assert_eq!(pair.destination.run::<u64>(&["EXISTS", "short"]), 0, "{version:?}");
        compare::servers(&pair.source, &pair.destination, 0).none();
    }
}

#[test]
fn finish_sets_exact_times_and_deletes_what_is_past() {
    let mut pair = Pair::new(Version::Redis70, &[]);
    pair.source.run_in::<()>(3, &["SETEX", "later", "3600", "value"]);
    pair.source.run_in::<()>(5, &["HSET", "hash", "field", "value"]);
    pair.source.run_in::<()>(5, &["EXPIRE", "hash", "7200"]);
    pair.in_step();
    let (here, there) = (times(&pair.source), times(&pair.destination));
    let held = here.iter().filter(|(_, at)| **at > 0).map(|(key, at)| (there[key] - at, key));
    assert!(held.clone().count() > 50 && held.clone().all(|(by, _)| by == HELD_BACK_MS), "{:?}", held.min());
    // Its end comes while nobody is there to tell of it.
    pair.outlive("past", Pair::kill, |source| source.run::<u64>(&["EXISTS", "past"]) == 1);
    assert_eq!(pair.destination.run::<u64>(&["EXISTS", "past"]), 1, "the source did not say that it is gone");
    eventually("it is gone at the source", || (pair.source.run::<u64>(&["EXISTS", "past"]) == 0).then_some(()));
    let said = pair.finish();
    assert_eq!(pair.destination.run::<u64>(&["EXISTS", "past"]), 0);
    pair.is_exact();
    let expected = 1 + times(&pair.source).values().filter(|at| **at > 0).count();
    assert!(said.contains(&format!("; {expected} exact expiries")), "{expected}: {said}");
    // Once more does no harm.
    assert!(pair.finish().contains("; 0 exact expiries"));
    pair.is_exact();
}

fn import_mode_is_used_and_put_back(version: Version) {
    let mut pair = Pair::new(version, &[]);
    assert_eq!(import_mode(&pair.destination), "yes");
    assert_eq!(recorded(&pair.destination), ["no"]);
    assert_eq!(times(&pair.destination), times(&pair.source), "nothing is held back");
    // A source that empties itself does not take the record along.
    pair.source.run::<()>(&["FLUSHALL"]);
    (0..100).for_each(|number| pair.source.run(&["SETEX", &format!("new:{number}"), "3600", "value"]));
    pair.in_step();
    assert_eq!(recorded(&pair.destination), ["no"]);
    let ended = pair.sync.take().unwrap().interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    assert_eq!(import_mode(&pair.destination), "yes", "a stop is not the end");
    assert!(pair.finish().contains("; 0 exact expiries"));
    assert_eq!(import_mode(&pair.destination), "no");
    pair.is_exact();
}

#[test]
fn import_mode_of_a_valkey_8_1_is_used_recorded_and_put_back() {
    import_mode_is_used_and_put_back(Version::Valkey81);
}

#[test]
fn import_mode_of_a_valkey_9_1_is_used_recorded_and_put_back() {
    import_mode_is_used_and_put_back(Version::Valkey91);
}

#[test]
fn import_mode_is_put_back_after_a_process_was_killed() {
    let mut pair = Pair::new(Version::Valkey81, &[]);
    pair.kill();
    assert_eq!((import_mode(&pair.destination).as_str(), recorded(&pair.destination).len()), ("yes", 1));
    // The next one finds the mode that the first has set, and does not take it for the user's.
    pair.start();
    pair.in_step();
    assert_eq!(recorded(&pair.destination), ["no"]);
    pair.kill();
    pair.finish();
    assert_eq!(import_mode(&pair.destination), "no");
    pair.is_exact();
}

#[test]
fn import_mode_that_was_on_before_stays_on() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Valkey81));
    destination.set("import-mode", "yes");
    load::bulk(&source, 500);
    let proxy = Proxy::before(source.port());
    let mut pair = Pair { source, destination, proxy, extra: &[], sync: None };
    pair.start();
    assert_eq!(recorded(&pair.destination), Vec::<String>::new());
    pair.finish();
    assert_eq!(import_mode(&pair.destination), "yes");
    pair.is_exact();
}

#[test]
fn exact_expiries_are_the_sources_from_the_first_moment() {
    for version in [Version::Redis70, Version::Valkey81] {
        let mut pair = Pair::new(version, &["--expiry", "exact"]);
        pair.source.run::<()>(&["SETEX", "later", "3600", "value"]);
        pair.in_step();
        assert_eq!(times(&pair.destination), times(&pair.source), "{version:?}");
        assert_eq!(recorded(&pair.destination), Vec::<String>::new());
        if version == Version::Valkey81 {
            assert_eq!(import_mode(&pair.destination), "no");
        }
        // Here a key goes by the destination's own clock.
        pair.outlive("short", cut, |source| source.run::<u64>(&["EXISTS", "short"]) == 1);
        assert_eq!(pair.destination.run::<u64>(&["EXISTS", "short"]), 0, "{version:?}");
        pair.proxy.mend();
        eventually("it is gone at the source", || (pair.source.run::<u64>(&["EXISTS", "short"]) == 0).then_some(()));
        pair.in_step();
        assert!(pair.finish().contains("; 0 exact expiries"));
        pair.is_exact();
    }
}

/// The longest time to live that many clients know: 2^31 - 1 seconds, 68 years. Meant as "never".
const NEVER: &str = "2147483647";

/// A far time is not one that was held back: nothing of the source's and nothing of others' goes at the end.
fn far_expiries_stay(destination: Version, extra: &'static [&'static str], held: bool) {
    let mut pair = Pair::new(destination, extra);
    pair.source.run::<()>(&["SET", "far", "value", "EX", NEVER]);
    pair.source.run_in::<()>(3, &["SET", "far", "value", "EX", NEVER]);
    // Further than what is held back by a hundred years.
    pair.source.run::<()>(&["SET", "farther", "value", "PXAT", "9000000000000"]);
    pair.in_step();
    // Not the source's: what another client of the destination has set.
    pair.destination.run::<()>(&["SET", "tributary:foreign", "value", "EX", NEVER]);
    pair.destination.run_in::<()>(3, &["SET", "tributary:foreign", "value", "EX", "2500000000"]);
    let foreign = |db| pair.destination.run_in::<i64>(db, &["PEXPIRETIME", "tributary:foreign"]);
    let before = [foreign(0), foreign(3)];
    let said = pair.finish();
    assert_eq!(said.contains("; 0 exact expiries"), !held, "{said}");
    assert_eq!([0, 3].map(|db| pair.destination.run_in::<i64>(db, &["PEXPIRETIME", "tributary:foreign"])), before);
    for db in [0, 3] {
        assert_eq!(pair.destination.run_in::<u64>(db, &["DEL", "tributary:foreign"]), 1, "{destination:?}");
    }
    assert_eq!(pair.destination.run::<u64>(&["EXISTS", "far", "farther"]), 2, "{destination:?}");
    pair.is_exact();
}

#[test]
fn a_far_expiry_outlives_the_end_of_exact_times() {
    far_expiries_stay(Version::Redis70, &["--expiry", "exact"], false);
}

#[test]
fn a_far_expiry_outlives_the_end_of_import_mode() {
    far_expiries_stay(Version::Valkey81, &[], false);
}

#[test]
fn a_far_expiry_outlives_the_end_of_times_that_were_held_back() {
    far_expiries_stay(Version::Redis70, &[], true);
}

#[test]
fn what_was_held_back_is_remembered_over_flushall_and_swapdb() {
    let mut pair = Pair::new(Version::Redis70, &[]);
    for change in [&["FLUSHALL"][..], &["SWAPDB", "0", "3"]] {
        pair.source.run::<()>(change);
        (0..100).for_each(|number| pair.source.run(&["SETEX", &format!("new:{number}"), "3600", "value"]));
        pair.in_step();
    }
    // Exact times from now on; what was held back before is still set right at the end.
    assert_eq!(pair.sync.take().unwrap().interrupt().code, Some(0));
    pair.extra = &["--expiry", "exact"];
    pair.start();
    pair.source.run::<()>(&["SET", "far", "value", "EX", NEVER]);
    pair.in_step();
    pair.finish();
    pair.is_exact();
}
