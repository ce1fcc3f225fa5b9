//! Load in which every write that is lost, applied twice or out of order shows: INCR, LPUSH, XADD with explicit IDs,
//! and a pair of counters that only ever move together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::{Connection, Pipeline};

use crate::eventually;
use crate::server::Server;

/// The counter of rounds: where a server stands.
pub const ROUNDS: &str = "exact:rounds";
const PAIR: [&str; 2] = ["exact:pair:left", "exact:pair:right"];
/// Commands of one round, MULTI and EXEC not counted.
pub const COMMANDS_PER_ROUND: u64 = 6;

const TURN: Duration = Duration::from_millis(10);
const PER_PIPELINE: u64 = 500;

/// What the commands look like.
#[derive(Debug)]
struct Shape {
    /// What every key begins with.
    prefix: String,
    /// Bytes that make each round larger.
    padding: usize,
}

/// Writes at a steady rate, and bursts when asked, until it is finished.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<redis::RedisResult<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    done: AtomicBool,
    rests: AtomicBool,
    /// Rounds to be written beyond the steady rate.
    owed: AtomicU64,
    written: AtomicU64,
}

impl Load {
    /// Starts writing to a server.
    ///
    /// # Panics
    /// When the server does not take a connection.
    #[must_use]
    pub fn start(server: &Server, rounds_per_second: u64) -> Self {
        Self::with(server, Shape { prefix: String::new(), padding: 0 }, rounds_per_second)
    }

    /// Starts writing 20,000 commands a second, about 2.5 MB.
    ///
    /// # Panics
    /// When the server does not take a connection.
    #[must_use]
    pub fn heavy(server: &Server) -> Self {
        Self::with(server, Shape { prefix: String::new(), padding: 300 }, 20_000 / COMMANDS_PER_ROUND + 1)
    }

    /// Starts writing keys that begin with `prefix`.
    ///
    /// # Panics
    /// When the server does not take a connection.
    #[must_use]
    pub fn prefixed(server: &Server, prefix: &str, rounds_per_second: u64) -> Self {
        Self::with(server, Shape { prefix: prefix.to_owned(), padding: 0 }, rounds_per_second)
    }

    fn with(server: &Server, shape: Shape, rounds_per_second: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let (seen, mut connection) = (Arc::clone(&shared), server.connect());
        let thread = std::thread::spawn(move || {
            let (mut last, mut due) = (Instant::now(), Duration::ZERO);
            let (mut number, mut bursts) = (0, 0);
            while !seen.done.load(Ordering::SeqCst) {
                let passed = last.elapsed();
                last += passed;
                if !seen.rests.load(Ordering::SeqCst) {
                    due += passed;
                }
                bursts += seen.owed.swap(0, Ordering::SeqCst);
                let target = due.as_millis() as u64 * rounds_per_second / 1000 + bursts;
                while number < target {
                    let to = target.min(number + PER_PIPELINE);
                    write(&mut connection, &shape, number..to)?;
                    number = to;
                    seen.written.store(number, Ordering::SeqCst);
                }
                std::thread::sleep(TURN);
            }
            Ok(())
        });
        Self { shared, thread }
    }

    /// Rounds written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::SeqCst)
    }

    /// Writes so many rounds at once and waits until the server has them.
    pub fn burst(&self, rounds: u64) {
        let target = self.written() + rounds;
        self.shared.owed.fetch_add(rounds, Ordering::SeqCst);
        eventually("the burst is written", || (self.written() >= target).then_some(()));
    }

    /// Writes nothing more, but for bursts.
    pub fn rest(&self) {
        self.shared.rests.store(true, Ordering::SeqCst);
        // A turn that is under way ends before long.
        std::thread::sleep(10 * TURN);
    }

    /// Stops writing: how many rounds were written.
    ///
    /// # Panics
    /// When the server refused one.
    pub fn finish(self) -> u64 {
        self.shared.done.store(true, Ordering::SeqCst);
        self.thread.join().expect("the load").expect("the server takes the load");
        self.shared.written.load(Ordering::SeqCst)
    }
}

fn write(connection: &mut Connection, shape: &Shape, rounds: std::ops::Range<u64>) -> redis::RedisResult<()> {
    let mut pipe = redis::pipe();
    rounds.for_each(|number| round(&mut pipe, shape, number));
    pipe.query(connection)
}

fn round(pipe: &mut Pipeline, shape: &Shape, number: u64) {
    let Shape { prefix, padding } = shape;
    let key = |name: &str| format!("{prefix}exact:{name}");
    pipe.cmd("INCR").arg(key(&format!("counter:{}", number % 50))).ignore();
    pipe.cmd("LPUSH").arg(key(&format!("list:{}", number % 20))).arg(number).ignore();
    let stream = key(&format!("stream:{}", number % 10));
    // A window keeps the streams small; what it drops depends on every entry before.
    pipe.cmd("XADD").arg(stream).arg(&["MAXLEN", "=", "2000"]).arg(format!("{}-7", number + 1));
    pipe.arg("round").arg(number).arg("padding").arg("x".repeat(*padding)).ignore();
    pipe.cmd("MULTI").ignore();
    PAIR.iter().for_each(|half| {
        pipe.cmd("INCR").arg(format!("{prefix}{half}")).ignore();
    });
    pipe.cmd("EXEC").ignore();
    pipe.cmd("INCR").arg(format!("{prefix}{ROUNDS}")).ignore();
}

/// How many rounds a server holds.
///
/// # Panics
/// When it does not answer.
#[must_use]
pub fn rounds(connection: &mut Connection) -> u64 {
    rounds_of(connection, "")
}

/// How many rounds a server holds of the load with this prefix.
///
/// # Panics
/// When it does not answer.
#[must_use]
pub fn rounds_of(connection: &mut Connection, prefix: &str) -> u64 {
    redis::cmd("GET").arg(format!("{prefix}{ROUNDS}")).query::<Option<u64>>(connection).expect("GET").unwrap_or(0)
}

/// The two halves of the pair are equal at any moment: no transaction was split.
///
/// # Panics
/// When they are not.
pub fn no_transaction_is_split(connection: &mut Connection) {
    let (left, right): (Option<u64>, Option<u64>) = redis::cmd("MGET").arg(&PAIR).query(connection).expect("MGET");
    assert_eq!(left, right, "a transaction was split");
}
