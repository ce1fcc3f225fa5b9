//! How fast a dump is decoded: the decoder alone, with no server and no socket.

use std::hint::black_box;

use tributary_rdb::{Decoder, Event, Limits};

use crate::Result;
use crate::args::Scale;
use crate::fill;
use crate::process::Ticks;
use crate::server::Server;

/// Bytes that are fed at once: what one read of a source's socket gives.
const PIECE: usize = 64 * 1024;
/// Long enough for a clock of 10 ms.
const SECONDS: f64 = 1.0;

/// What a dump holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// Strings of 100 bytes.
    Strings,
    /// Lists, sets, hashes, sorted sets and streams of 5 to 5,000 elements.
    Collections,
}

/// What is done with its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Their raw bytes are shown: the way of a full sync.
    Raw,
    /// Their elements are decoded as well.
    Content,
}

/// All that is measured.
pub const ALL: [(Set, Depth); 4] = [
    (Set::Strings, Depth::Raw),
    (Set::Strings, Depth::Content),
    (Set::Collections, Depth::Raw),
    (Set::Collections, Depth::Content),
];

/// A dump, as a server of its own saved it.
pub struct Dump {
    bytes: Vec<u8>,
    keys: u64,
}

impl Dump {
    /// Fills a server and lets it save.
    pub fn of(set: Set, scale: Scale) -> Result<Self> {
        let mut server = Server::start()?;
        let keys = match set {
            Set::Strings => fill::strings(&mut server, scale.strings)?,
            Set::Collections => fill::mixed(&mut server, scale.mixed)?,
        };
        server.run::<()>(&["SAVE"])?;
        let path = server.folder().join("dump.rdb");
        let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { bytes, keys: keys as u64 })
    }

    /// Decodes it again and again for a second; gives GB/s (10^9 bytes of the dump). The second is one of CPU time: there is
    /// one thread, and nothing that it waits for.
    pub fn measure(&self, depth: Depth) -> Result<f64> {
        let (ticks, own) = (Ticks::read()?, std::process::id());
        let (before, mut bytes) = (ticks.used(own)?, 0);
        loop {
            let keys = self.decode(depth)?;
            if keys != self.keys {
                return Err(format!("{keys} keys were decoded instead of {}", self.keys).into());
            }
            bytes += self.bytes.len();
            let seconds = ticks.used(own)?.since(before).cpu_seconds;
            if seconds >= SECONDS {
                return Ok(bytes as f64 / seconds / 1e9);
            }
        }
    }

    fn decode(&self, depth: Depth) -> Result<u64> {
        let mut decoder = Decoder::new(Limits::default());
        let mut keys = 0;
        for piece in self.bytes.chunks(PIECE) {
            decoder.feed(piece);
            while let Some(event) = decoder.next_event()? {
                match event {
                    Event::Value(value) => {
                        keys += 1;
                        match depth {
                            Depth::Raw => drop(black_box((&value.key, value.raw))),
                            Depth::Content => drop(black_box(value.content()?)),
                        }
                    }
                    Event::End => return Ok(keys),
                    other => drop(black_box(other)),
                }
            }
        }
        Err("the dump's end is missing".into())
    }
}
