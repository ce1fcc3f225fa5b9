//! The data set of the full sync.

use redis::Pipeline;

use crate::Result;
use crate::args::Scale;
use crate::server::Server;

/// Commands that are sent before their replies are read.
const BATCH: usize = 5_000;
/// The same for large collections.
const MIXED_BATCH: usize = 100;
const STRING_BYTES: usize = 100;
const MEMBERS: usize = 20;
/// Elements of the mixed collections: packed in one string up to some size, one by one beyond.
const SIZES: [usize; 5] = [5, 20, 100, 1_000, 5_000];

/// Fills a server with strings and, in equal parts, lists, sets, sorted sets and hashes.
pub fn fill(server: &mut Server, scale: Scale) -> Result<()> {
    strings(server, scale.strings)?;
    in_batches(server, scale.collections, BATCH, add_collection)?;
    let keys: usize = server.run(&["DBSIZE"])?;
    if keys != scale.keys() {
        return Err(format!("the source holds {keys} keys instead of {}", scale.keys()).into());
    }
    Ok(())
}

/// Adds so many strings; gives how many keys they are.
pub fn strings(server: &mut Server, count: usize) -> Result<usize> {
    let mut text = Text::default();
    in_batches(server, count, BATCH, |pipe, i| {
        pipe.cmd("SET").arg(format!("string:{i}")).arg(text.next(STRING_BYTES)).ignore();
    })?;
    Ok(count)
}

/// Adds collections of all types and sizes, so many in all; gives how many keys they are.
pub fn mixed(server: &mut Server, count: usize) -> Result<usize> {
    let mut text = Text::default();
    in_batches(server, count, MIXED_BATCH, |pipe, i| {
        let size = SIZES.get(i / 6 % SIZES.len()).copied().unwrap_or(1);
        let key = format!("mixed:{i}");
        if i % 6 == 5 {
            for n in 0..size {
                pipe.cmd("XADD").arg(&key).arg(format!("1-{}", n + 1)).arg("field").arg(text.next(20)).ignore();
            }
            return;
        }
        pipe.cmd(["RPUSH", "SADD", "SADD", "ZADD", "HSET"].get(i % 6).copied().unwrap_or("RPUSH")).arg(&key);
        for n in 0..size {
            match i % 6 {
                1 => pipe.arg(n * 7),
                3 => pipe.arg(n as f64 / 3.0).arg(text.next(12)),
                4 => pipe.arg(format!("field:{n}")).arg(text.next(30)),
                _ => pipe.arg(text.next(20)),
            };
        }
        pipe.ignore();
    })?;
    Ok(count)
}

fn in_batches(
    server: &mut Server,
    count: usize,
    batch: usize,
    mut add: impl FnMut(&mut Pipeline, usize),
) -> Result<()> {
    for start in (0..count).step_by(batch) {
        let mut pipe = redis::pipe();
        for i in start..count.min(start + batch) {
            add(&mut pipe, i);
        }
        pipe.exec(server.connection()?)?;
    }
    Ok(())
}

fn add_collection(pipe: &mut Pipeline, i: usize) {
    let (command, name) = match i % 4 {
        0 => ("RPUSH", "list"),
        1 => ("SADD", "set"),
        2 => ("ZADD", "zset"),
        _ => ("HSET", "hash"),
    };
    pipe.cmd(command).arg(format!("{name}:{i}"));
    for n in 0..MEMBERS {
        match command {
            "ZADD" => pipe.arg(n).arg(format!("member:{n}")),
            "HSET" => pipe.arg(format!("field:{n}")).arg(n),
            _ => pipe.arg(format!("member:{n}")),
        };
    }
    pipe.ignore();
}

/// Printable text that does not compress: a snapshot of equal letters would be a tenth of its data (xorshift64).
struct Text(u64);

impl Default for Text {
    fn default() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }
}

impl Text {
    fn next(&mut self, bytes: usize) -> String {
        let letter = |step: u64| char::from(b'!' + (step % 94) as u8);
        (0..bytes)
            .map(|_| {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                letter(self.0)
            })
            .collect()
    }
}
