//! What compression gains on a slow link, and costs on a fast one.
//!
//! The source holds documents as applications keep them, and each link is measured in every [`Way`]. The slow link is the tests' proxy.

use std::time::{Duration, Instant};

use redis::Connection;
use tributary_tests::proxy::{Direction, Proxy};

use crate::Result;
use crate::process::Used;
use crate::replica::{Bench, Followed, Relay};
use crate::server::Server;
use crate::wait::until;

/// 20 Mbit/s.
const RATE: u64 = 20_000_000 / 8;
/// There and back it is twice that.
const DELAY: Duration = Duration::from_millis(40);
const DOCUMENT: usize = 1_000;
const BATCH: u64 = 500;
const POLL: Duration = Duration::from_millis(5);

/// What lies between the relay, or the source, and Tributary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// 20 Mbit/s, 80 ms there and back.
    Distant,
    /// The loopback.
    Fast,
}

/// How the bytes go over a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As the source sends them.
    Plain,
    /// Through the relay.
    Gzip,
    /// Through the relay, from a source whose snapshots are not compressed already (`rdbcompression no`).
    GzipAlone,
}

/// Every way, the plain one first.
pub const WAYS: [Way; 3] = [Way::Plain, Way::Gzip, Way::GzipAlone];

/// One link, one way.
#[derive(Debug)]
pub struct Sample {
    pub full_sync: f64,
    pub stream: f64,
    /// Decompressed bytes for each byte on the wire.
    pub ratio: Option<f64>,
    pub engine: Used,
    /// CPU seconds of the relay.
    pub relay: Option<f64>,
}

/// Loads `documents` of 1 KB, then streams as many again.
pub fn measure(bench: &Bench, link: Link, way: Way, documents: u64) -> Result<Sample> {
    let compressed = way != Way::Plain;
    let (mut source, mut destination) = (Server::start()?, Server::start()?);
    if way == Way::GzipAlone {
        redis::cmd("CONFIG").arg(&["SET", "rdbcompression", "no"]).exec(source.connection()?)?;
    }
    fill(source.connection()?, "loaded", documents)?;
    let relay = if compressed { Some(Relay::start(bench, source.port())?) } else { None };
    let near = relay.as_ref().map_or(source.port(), Relay::port);
    let proxy = (link == Link::Distant).then(|| {
        let proxy = Proxy::before(near);
        proxy.delay(DELAY);
        proxy.throttle(Direction::ToClient, RATE);
        proxy
    });
    let url = proxy.as_ref().map_or_else(|| format!("redis://127.0.0.1:{near}"), Proxy::url);
    let url = if compressed { format!("{url}?compress=gzip") } else { url };
    let began = Instant::now();
    let mut followed = Followed::start(bench, &url, &destination)?;
    let all = |destination: &mut Server, followed: &mut Followed, keys: u64| {
        until("the documents' arrival", POLL, || {
            followed.alive()?;
            // One more is Tributary's own.
            Ok(destination.run::<u64>(&["DBSIZE"])? > keys)
        })
    };
    all(&mut destination, &mut followed, documents)?;
    let full_sync = began.elapsed().as_secs_f64();
    let began = Instant::now();
    fill(source.connection()?, "streamed", documents)?;
    all(&mut destination, &mut followed, 2 * documents)?;
    let stream = began.elapsed().as_secs_f64();
    let (engine, relay) = (followed.used()?, relay.map(|relay| relay.cpu_seconds()).transpose()?);
    let ratio = if compressed { Some(followed.ratio()?) } else { None };
    Ok(Sample { full_sync, stream, ratio, engine, relay })
}

/// Texts that are mostly alike, with numbers that are not (xorshift64).
fn fill(connection: &mut Connection, prefix: &str, count: u64) -> Result<()> {
    for start in (0..count).step_by(BATCH as usize) {
        let mut pipe = redis::pipe();
        for number in start..count.min(start + BATCH) {
            let mut text = format!("{{\"id\":{number},\"customer\":\"customer-{}\",\"lines\":[", number % 977);
            let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            while text.len() < DOCUMENT {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let (article, price) = (random % 100_000, random % 997);
                text.push_str(&format!("{{\"article\":{article},\"price\":{price}.99,\"paid\":true}},"));
            }
            pipe.set(format!("{prefix}:{number}"), text).ignore();
        }
        pipe.exec(connection)?;
    }
    Ok(())
}
