//! Exactly once, whatever is killed or cut: about 4 minutes, of which the kills take 2 (SCALE=10: about 40).
//!
//! The choices follow from one seed, which every test prints; `TRIBUTARY_SEED` brings them again. `TRIBUTARY_KILLS`
//! sets how often the process is killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Connection;
use tributary_tests::cli::Sync;
use tributary_tests::exact::{self, Load};
use tributary_tests::proxy::{Direction, Proxy};
use tributary_tests::seed::Random;
use tributary_tests::server::{Server, Version};
use tributary_tests::{compare, eventually, load, scale};

const EXPIRY_TOLERANCE_MS: i64 = 10;
/// Keys beside the load's, so that a snapshot takes a while.
const BULK: u64 = 40_000;
const ROUNDS_PER_SECOND: u64 = 300;
/// Rounds that a killed process has to catch up with.
const BURST: u64 = 8_000;

/// Where a sync stands when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Snapshot,
    CatchingUp,
    Stream,
    Spooling,
    Stopping,
}

const MOMENTS: [Moment; 5] = [Moment::Snapshot, Moment::CatchingUp, Moment::Stream, Moment::Spooling, Moment::Stopping];

/// A source under load, a destination, and no sync between kills.
struct Victim {
    source: Server,
    destination: Server,
    load: Load,
    random: Random,
    /// An open connection to the destination, only used while it is not frozen.
    watch: Connection,
    tally: BTreeMap<Moment, u32>,
}

impl Victim {
    fn new() -> Self {
        let source = Server::with(Version::Redis70, &["repl-backlog-size 256mb"]);
        let destination = Server::start(Version::Redis70);
        load::bulk(&source, BULK);
        let load = Load::start(&source, ROUNDS_PER_SECOND);
        let watch = destination.connect();
        Self { source, destination, load, random: Random::of_this_run("kills"), watch, tally: BTreeMap::new() }
    }

    fn start(&self) -> Sync {
        Sync::between(&self.source, &self.destination, &[])
    }

    /// Waits until the destination holds more than what the source holds now: this process has brought something.
    fn follow(&mut self, sync: &mut Sync) {
        let target = self.load.written();
        eventually("the destination follows", || {
            sync.still_runs();
            (exact::rounds(&mut self.watch) > target).then_some(())
        });
    }

    fn keys(&mut self) -> u64 {
        redis::cmd("DBSIZE").query(&mut self.watch).unwrap()
    }

    /// Kills a sync at this moment: whether it was met.
    fn kill(&mut self, moment: Moment) -> bool {
        let met = match moment {
            Moment::Snapshot => self.kill_in_the_snapshot(),
            Moment::CatchingUp => self.kill_while_it_catches_up(),
            Moment::Stream => self.kill_in_the_stream(),
            Moment::Spooling => self.kill_while_it_spools(),
            Moment::Stopping => self.kill_while_it_stops(),
        };
        if met {
            *self.tally.entry(moment).or_default() += 1;
        }
        met
    }

    /// The destination is emptied, so that all is loaded again. Met when the load was not through after the kill.
    fn kill_in_the_snapshot(&mut self) -> bool {
        redis::cmd("FLUSHALL").query::<()>(&mut self.watch).unwrap();
        let (all, share) = (self.source.run::<u64>(&["DBSIZE"]), self.random.below(80));
        let mut sync = self.start();
        eventually("the load has begun", || {
            sync.still_runs();
            (self.keys() > all * share / 100).then_some(())
        });
        let ended = sync.kill();
        assert_eq!(ended.code, None, "{}", ended.output());
        self.keys() < all
    }

    /// Much was written before it starts. Met when some of it had arrived and some had not.
    fn kill_while_it_catches_up(&mut self) -> bool {
        let before = exact::rounds(&mut self.watch);
        self.load.burst(BURST);
        let target = self.load.written();
        let mut sync = self.start();
        eventually("it catches up", || {
            sync.still_runs();
            (exact::rounds(&mut self.watch) > before).then_some(())
        });
        self.random.moment(100);
        let ended = sync.kill();
        assert_eq!(ended.code, None, "{}", ended.output());
        exact::rounds(&mut self.watch) < target
    }

    fn kill_in_the_stream(&mut self) -> bool {
        let mut sync = self.start();
        self.follow(&mut sync);
        self.random.moment(300);
        sync.kill().code.is_none()
    }

    /// The destination hangs. Met when more was received than applied.
    fn kill_while_it_spools(&mut self) -> bool {
        let mut sync = self.start();
        self.follow(&mut sync);
        self.destination.freeze();
        let number = |source: &serde_json::Value, field: &str| source[field].as_u64().unwrap_or(0);
        sync.until("spooling", |source| number(source, "received") > number(source, "applied") + 10_000);
        self.random.moment(500);
        let met = sync.kill().code.is_none();
        self.awake();
        met
    }

    /// Ctrl+C and then SIGKILL; half of the time the destination hangs meanwhile, so that there is something to drain.
    fn kill_while_it_stops(&mut self) -> bool {
        let mut sync = self.start();
        self.follow(&mut sync);
        let hangs = self.random.below(2) == 0;
        if hangs {
            self.destination.freeze();
            self.random.moment(200);
        }
        sync.signal("INT");
        self.random.moment(if hangs { 500 } else { 10 });
        let met = sync.kill().code.is_none();
        if hangs {
            self.awake();
        }
        met
    }

    /// What the dead session left in the destination's sockets is executed now, or after the next session has begun.
    fn awake(&mut self) {
        if self.random.below(2) == 0 {
            let sync = self.start();
            self.random.moment(300);
            self.destination.thaw();
            let ended = sync.kill();
            assert_eq!(ended.code, None, "{}", ended.output());
        } else {
            self.destination.thaw();
        }
    }

    /// The destination holds a whole load: nothing is left of a snapshot that was broken off.
    fn loaded(&mut self) {
        let mut sync = self.start();
        sync.until_synced();
        drop(sync);
    }
}

#[test]
fn every_counter_list_and_stream_is_exact_after_the_process_was_killed_in_every_phase() {
    let kills = std::env::var("TRIBUTARY_KILLS").map_or(90 * scale() as usize, |text| text.parse().unwrap());
    let mut victim = Victim::new();
    victim.loaded();
    let mut moments: Vec<Moment> = MOMENTS.into_iter().cycle().take(kills.max(MOMENTS.len())).collect();
    victim.random.shuffle(&mut moments);
    for moment in moments {
        // A phase that was over before the kill does not count, and is tried again.
        eventually("killed in the phase", || victim.kill(moment).then_some(()));
        if moment == Moment::Snapshot {
            victim.loaded();
        }
        exact::no_transaction_is_split(&mut victim.watch);
    }
    println!("kills: {:?}", victim.tally);
    let fewest = if kills >= 100 { 10 } else { 1 };
    assert!(MOMENTS.iter().all(|moment| victim.tally.get(moment) >= Some(&fewest)), "{:?}", victim.tally);
    let mut sync = victim.start();
    let rounds = victim.load.finish();
    sync.until_in_step(&victim.source);
    assert_eq!(exact::rounds(&mut victim.watch), rounds);
    exact::no_transaction_is_split(&mut victim.watch);
    compare::servers(&victim.source, &victim.destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

/// A sync between two proxies, under load.
struct Proxied {
    source: Server,
    destination: Server,
    to_source: Proxy,
    to_destination: Proxy,
    load: Load,
    sync: Sync,
}

impl Proxied {
    fn new(source: &[&str], destination: &[&str]) -> Self {
        let source = Server::with(Version::Redis70, &[source, &["repl-backlog-size 256mb"]].concat());
        let destination = Server::with(Version::Redis70, destination);
        load::bulk(&source, 2_000);
        let (to_source, to_destination) = (Proxy::before(source.port()), Proxy::before(destination.port()));
        let load = Load::start(&source, ROUNDS_PER_SECOND);
        let mut sync = Sync::start(&to_source.url(), &to_destination.url(), &[], &[]);
        sync.until_synced();
        Self { source, destination, to_source, to_destination, load, sync }
    }

    /// Waits until the destination holds more than what the source holds now.
    fn follow(&mut self) {
        let (target, mut watch) = (self.load.written(), self.destination.connect());
        eventually("the destination follows", || {
            self.sync.still_runs();
            (exact::rounds(&mut watch) > target).then_some(())
        });
    }

    /// All that was written is there once, after one full sync in all.
    fn ends_equal(mut self) {
        let rounds = self.load.finish();
        self.sync.until_in_step(&self.source);
        let mut watch = self.destination.connect();
        assert_eq!(exact::rounds(&mut watch), rounds);
        exact::no_transaction_is_split(&mut watch);
        compare::servers(&self.source, &self.destination, EXPIRY_TOLERANCE_MS).none();
        assert_eq!(self.source.count("sync_full"), 1);
        assert_eq!(self.sync.interrupt().code, Some(0));
    }
}

#[test]
fn every_write_arrives_once_when_either_connection_is_cut_again_and_again() {
    let mut proxied = Proxied::new(&[], &[]);
    let mut random = Random::of_this_run("cuts");
    for _ in 0..6 * scale() {
        let proxy = if random.below(2) == 0 { &proxied.to_source } else { &proxied.to_destination };
        proxy.cut();
        random.moment(300);
        proxy.mend();
        proxied.follow();
        random.moment(200);
    }
    proxied.ends_equal();
}

#[test]
fn every_write_arrives_once_when_a_dead_sessions_last_batch_arrives_late() {
    let mut proxied = Proxied::new(&[], &[]);
    let mut random = Random::of_this_run("late batches");
    let mut late = 0;
    for _ in 0..3 * scale() {
        let held = proxied.to_destination.hold(Direction::ToServer);
        // What is sent from now on hangs on its way.
        proxied.load.burst(20);
        held.until_some();
        random.moment(200);
        held.abandon();
        proxied.follow();
        late += held.deliver();
        random.moment(200);
        proxied.follow();
        exact::no_transaction_is_split(&mut proxied.destination.connect());
    }
    println!("{late} bytes came late");
    assert!(late > 1000, "{late} bytes were held back");
    proxied.ends_equal();
}

#[test]
fn every_write_arrives_once_when_a_killed_process_left_a_batch_that_arrives_after_its_successor_began() {
    let mut proxied = Proxied::new(&[], &[]);
    let mut random = Random::of_this_run("late batches of a killed process");
    for _ in 0..3 * scale() {
        let held = proxied.to_destination.hold(Direction::ToServer);
        proxied.load.burst(20);
        held.until_some();
        random.moment(200);
        let next = Sync::start(&proxied.to_source.url(), &proxied.to_destination.url(), &[], &[]);
        let ended = std::mem::replace(&mut proxied.sync, next).kill();
        assert_eq!(ended.code, None, "{}", ended.output());
        proxied.follow();
        assert!(held.deliver() > 0, "nothing was held back");
        random.moment(200);
        proxied.follow();
    }
    proxied.ends_equal();
}

#[test]
fn every_write_arrives_once_over_slow_and_narrow_connections() {
    let mut proxied = Proxied::new(&[], &[]);
    for proxy in [&proxied.to_source, &proxied.to_destination] {
        proxy.delay(Duration::from_millis(150));
    }
    proxied.follow();
    proxied.to_source.throttle(Direction::ToClient, 150_000);
    proxied.to_destination.throttle(Direction::ToServer, 100_000);
    proxied.load.burst(1_000);
    // Cut while it is slow: much is on its way.
    proxied.to_destination.drop_connections();
    proxied.to_source.drop_connections();
    proxied.follow();
    [&proxied.to_source, &proxied.to_destination].iter().for_each(|proxy| proxy.mend());
    proxied.follow();
    proxied.ends_equal();
}

/// Silence is only noticed after a minute; the four cases wait for it together.
#[test]
fn every_write_arrives_once_when_either_connection_is_half_closed() {
    let case = |at_source: bool, direction: Direction| {
        // A source that hears nothing of its replica gives it up: soon, here.
        let mut proxied = Proxied::new(&["repl-timeout 5", "repl-ping-replica-period 1"], &[]);
        let proxy = if at_source { &proxied.to_source } else { &proxied.to_destination };
        proxy.deaden(direction);
        if at_source && direction == Direction::ToServer {
            let source = &proxied.source;
            eventually("a new link", || (source.count("sync_partial_ok") > 0).then_some(()));
        }
        proxied.load.burst(100);
        proxied.sync.until_in_step(&proxied.source);
        proxied.follow();
        proxied.ends_equal();
    };
    std::thread::scope(|scope| {
        for at_source in [true, false] {
            for direction in [Direction::ToServer, Direction::ToClient] {
                scope.spawn(move || case(at_source, direction));
            }
        }
    });
}

#[test]
fn every_write_arrives_once_when_the_destination_is_killed_and_starts_again_from_its_append_only_file() {
    let mut proxied = Proxied::new(&[], &["appendonly yes", "appendfsync always"]);
    let mut random = Random::of_this_run("restarts");
    for _ in 0..4 * scale() {
        random.moment(300);
        proxied.destination.kill();
        random.moment(300);
        proxied.destination.start_again();
        proxied.follow();
    }
    proxied.ends_equal();
}
