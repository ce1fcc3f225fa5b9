//! Data to copy: a bulk of all six types, values of any size, and mixed writes that go on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use redis::{Connection, Pipeline};

use crate::server::Server;

/// The databases that the bulk and the writer use.
pub const DATABASES: [u32; 3] = [0, 3, 5];

const PER_PIPELINE: u64 = 500;
/// Far enough away that nothing of the bulk expires during a test.
const EXPIRY_SECONDS: u64 = 3600;

/// Writes `keys` keys of all six types over [`DATABASES`], one in five with an expiry.
///
/// # Panics
/// When the server refuses one.
pub fn bulk(server: &Server, keys: u64) {
    for (place, &db) in (0..).zip(&DATABASES) {
        let mut connection = server.connect_db(db);
        // Half of them in the first database, a quarter in each of the others.
        let mine = if place == 0 { keys - 2 * (keys / 4) } else { keys / 4 };
        let mut from = 0;
        while from < mine {
            let to = mine.min(from + PER_PIPELINE);
            let mut pipe = redis::pipe();
            (from..to).for_each(|number| object(&mut pipe, number));
            send(&pipe, &mut connection);
            from = to;
        }
    }
}

fn send(pipe: &Pipeline, connection: &mut Connection) {
    pipe.query::<()>(connection).expect("the server takes the data");
}

/// One key; which type and how large follows from its number.
fn object(pipe: &mut Pipeline, number: u64) {
    let key = format!("key:{number}");
    // Now and then large enough to leave the compact encoding.
    let size = if number.is_multiple_of(97) { 300 } else { 1 + number % 12 };
    match number % 10 {
        0..=4 => pipe.cmd("SET").arg(&key).arg(format!("value {number} {}", "x".repeat((number % 120) as usize))),
        5 => (0..size).fold(pipe.cmd("RPUSH").arg(&key), |c, i| c.arg(format!("element {i}"))),
        6 if number.is_multiple_of(4) => (0..size).fold(pipe.cmd("SADD").arg(&key), |c, i| c.arg(i * 7919 + number)),
        6 => (0..size).fold(pipe.cmd("SADD").arg(&key), |c, i| c.arg(format!("member {i}"))),
        7 => (0..size)
            .fold(pipe.cmd("ZADD").arg(&key), |c, i| c.arg(i as f64 / 3.0 - number as f64).arg(format!("member {i}"))),
        8 => (0..size).fold(pipe.cmd("HSET").arg(&key), |c, i| c.arg(format!("field {i}")).arg(i * number)),
        _ => return stream(pipe, &key, number, size),
    }
    .ignore();
    if number.is_multiple_of(5) {
        let seconds = EXPIRY_SECONDS + number % 1000;
        pipe.cmd("PEXPIRE").arg(&key).arg(seconds * 1000 + number % 1000).ignore();
    }
}

/// A stream; every third has a consumer group with entries that are pending.
fn stream(pipe: &mut Pipeline, key: &str, number: u64, size: u64) {
    for i in 0..size.min(40) {
        let id = format!("{}-{i}", 1000 + number);
        pipe.cmd("XADD").arg(key).arg(id).arg("field").arg(i).arg("other").arg(number).ignore();
    }
    if number.is_multiple_of(3) {
        pipe.cmd("XGROUP").arg(&["CREATE", key, "readers", "0"]).ignore();
        let read = ["GROUP", "readers", "alice", "COUNT", "2", "STREAMS", key, ">"];
        pipe.cmd("XREADGROUP").arg(&read).ignore();
        pipe.cmd("XDEL").arg(key).arg(format!("{}-0", 1000 + number)).ignore();
    }
}

/// Mixed writes from a thread, until [`Writer::finish`].
#[derive(Debug)]
pub struct Writer {
    done: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Writer {
    /// Starts writing, as fast as the server takes it.
    #[must_use]
    pub fn start(server: &Server) -> Self {
        Self::paced(server, Duration::ZERO)
    }

    /// Starts writing, with a pause after every round of some forty commands.
    #[must_use]
    pub fn paced(server: &Server, pause: Duration) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&done);
        let mut connection = server.connect();
        let thread = std::thread::spawn(move || {
            let mut round = 0;
            while !stop.load(Ordering::SeqCst) {
                let mut pipe = redis::pipe();
                mixed(&mut pipe, round);
                send(&pipe, &mut connection);
                round += 1;
                std::thread::sleep(pause);
            }
            round
        });
        Self { done, thread }
    }

    /// Stops writing: how many rounds were written.
    ///
    /// # Panics
    /// When the server refused one.
    pub fn finish(self) -> u64 {
        self.done.store(true, Ordering::SeqCst);
        self.thread.join().expect("the writer")
    }
}

/// One round: counters, lists, streams, expiries, deletions and transactions, across the databases.
fn mixed(pipe: &mut Pipeline, round: u64) {
    for (step, &db) in (0..).zip(&DATABASES) {
        let turn = round * 3 + step;
        pipe.cmd("SELECT").arg(db).ignore();
        pipe.cmd("INCR").arg(format!("counter:{}", turn % 50)).ignore();
        pipe.cmd("LPUSH").arg(format!("queue:{}", turn % 20)).arg(turn).ignore();
        pipe.cmd("LTRIM").arg(format!("queue:{}", turn % 20)).arg(0).arg(200).ignore();
        pipe.cmd("XADD").arg(format!("log:{}", turn % 10)).arg(&["MAXLEN", "~", "200", "*", "turn"]).arg(turn).ignore();
        pipe.cmd("SETEX").arg(format!("session:{}", turn % 1000)).arg(EXPIRY_SECONDS).arg(turn).ignore();
        pipe.cmd("EXPIRE").arg(format!("counter:{}", turn % 50)).arg(2 * EXPIRY_SECONDS).ignore();
        pipe.cmd("DEL").arg(format!("key:{}", turn * 31 % 20_000)).ignore();
        pipe.cmd("SPOP").arg(format!("key:{}", 6 + 10 * (turn % 500))).ignore();
        pipe.cmd("HINCRBYFLOAT").arg(format!("sums:{}", turn % 7)).arg("sum").arg(0.5).ignore();
        pipe.cmd("MULTI").ignore();
        pipe.cmd("INCR").arg("pair:left").ignore();
        pipe.cmd("INCR").arg("pair:right").ignore();
        pipe.cmd("EXEC").ignore();
    }
}

/// A string of `mib` MiB that does not compress.
///
/// # Panics
/// When the server refuses it.
pub fn big_string(server: &Server, key: &str, mib: usize) {
    let mut connection = server.connect();
    for number in 0..mib {
        redis::cmd("APPEND").arg(key).arg(noise(number as u64, 1 << 20)).query::<()>(&mut connection).expect("APPEND");
    }
}

/// A list of `mib` MiB in elements of 100 bytes.
///
/// # Panics
/// When the server refuses it.
pub fn big_list(server: &Server, key: &str, mib: usize) {
    let mut connection = server.connect();
    for number in 0..mib {
        let bytes = noise(number as u64, 1 << 20);
        let mut push = redis::cmd("RPUSH");
        push.arg(key);
        bytes.chunks(100).for_each(|element| {
            push.arg(element);
        });
        push.query::<()>(&mut connection).expect("RPUSH");
    }
}

/// A hash of `fields` fields, about 80 bytes each.
///
/// # Panics
/// When the server refuses it.
pub fn big_hash(server: &Server, key: &str, fields: u64) {
    let script = "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do \
                  redis.call('HSET', KEYS[1], 'field:' .. i, 'a value with some length to it: ' .. i * 7919) end";
    let mut connection = server.connect();
    for from in (0..fields).step_by(100_000) {
        let to = fields.min(from + 100_000) - 1;
        let mut eval = redis::cmd("EVAL");
        eval.arg(script).arg(1).arg(key).arg(from).arg(to).query::<()>(&mut connection).expect("EVAL");
    }
}

/// Bytes that look random, the same for the same seed (xorshift).
#[must_use]
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
