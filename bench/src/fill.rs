//! The data set of the full sync.

use redis::Pipeline;

use crate::Result;
use crate::args::Scale;
use crate::server::Server;

/// Commands that are sent before their replies are read.
const BATCH: usize = 5_000;
const STRING_BYTES: usize = 100;
const MEMBERS: usize = 20;

/// Fills a server with strings and, in equal parts, lists, sets, sorted sets and hashes.
pub fn fill(server: &mut Server, scale: Scale) -> Result<()> {
    let mut text = Text(0x9E37_79B9_7F4A_7C15);
    in_batches(server, scale.strings, |pipe, i| {
        pipe.cmd("SET").arg(format!("string:{i}")).arg(text.next(STRING_BYTES)).ignore();
    })?;
    in_batches(server, scale.collections, add_collection)?;
    let keys: usize = server.run(&["DBSIZE"])?;
    if keys != scale.keys() {
        return Err(format!("the source holds {keys} keys instead of {}", scale.keys()).into());
    }
    Ok(())
}

fn in_batches(server: &mut Server, count: usize, mut add: impl FnMut(&mut Pipeline, usize)) -> Result<()> {
    for start in (0..count).step_by(BATCH) {
        let mut pipe = redis::pipe();
        for i in start..count.min(start + BATCH) {
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
