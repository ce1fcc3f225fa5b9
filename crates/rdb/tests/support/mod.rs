//! Dumps made by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "a test fails by panicking, and not all use everything"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;
use tributary_rdb::{Decoder, Event, Limits, Part, RdbError, Value, ValueKind};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;
static ALONE: Mutex<()> = Mutex::new(());

/// Held by a test that measures memory: others must not take any meanwhile.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub const MIB: usize = 1 << 20;

/// Runs `work`, and fails when it held more than `limit` bytes at once.
pub fn bounded<T>(limit: usize, work: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = work();
    let held = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(held <= limit, "{held} bytes were held at once");
    result
}

pub fn malformed(what: &'static str, offset: u64) -> RdbError {
    RdbError::Malformed { what, offset }
}

/// A dump that nobody computed a checksum for.
pub fn dump(magic: &str, items: &[&[u8]]) -> Vec<u8> {
    let end: &[u8] = b"\xff\0\0\0\0\0\0\0\0";
    [magic.as_bytes(), &items.concat(), end].concat()
}

/// An object under the key `key`: its value begins 5 bytes behind it.
pub fn object(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], b"\x03key", value].concat()
}

/// A length in its form of 64 bits.
pub fn length(length: u64) -> Vec<u8> {
    [&[0x81][..], &length.to_be_bytes()].concat()
}

/// A string as its bytes, with their length in 32 bits.
pub fn string(bytes: &[u8]) -> Vec<u8> {
    [&[0x80][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// A compressed string that announces `announced` bytes.
pub fn lzf(compressed: &[u8], announced: u64) -> Vec<u8> {
    [&[0xc3][..], &length(compressed.len() as u64), &length(announced), compressed].concat()
}

/// Compressed bytes that repeat `period` `times` over; gives how many bytes come out.
pub fn bomb(period: &[u8], times: usize) -> (Vec<u8>, u64) {
    let mut packed = [&[period.len() as u8 - 1], period].concat();
    // A reference of 264 bytes back to the last period.
    (0..times).for_each(|_| packed.extend([0xe0, 0xff, period.len() as u8 - 1]));
    (packed, (period.len() + 264 * times) as u64)
}

pub fn listpack(count: u16, elements: &[u8]) -> Vec<u8> {
    [&(7 + elements.len() as u32).to_le_bytes()[..], &count.to_le_bytes(), elements, b"\xff"].concat()
}

pub fn ziplist(count: u16, elements: &[u8]) -> Vec<u8> {
    let head = [11 + elements.len() as u32, 10].map(u32::to_le_bytes).concat();
    [&head[..], &count.to_le_bytes(), elements, b"\xff"].concat()
}

pub fn intset(width: u32, count: u32, members: &[u8]) -> Vec<u8> {
    [&width.to_le_bytes()[..], &count.to_le_bytes(), members].concat()
}

/// A value as it stands alone.
pub fn value(kind: u8, raw: &[u8]) -> Value<'_> {
    let kind = ValueKind::new(kind, false);
    Value { db: 0, key: b"key".into(), expire_at_ms: None, idle_s: None, freq: None, kind, raw }
}

/// Something in a dump, and the content of its value.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub event: String,
    pub content: Option<Result<Vec<Part>, RdbError>>,
}

/// Decodes a dump that comes in pieces of `step` bytes.
pub fn decode(bytes: &[u8], step: usize, limits: Limits) -> Result<Vec<Seen>, RdbError> {
    let mut decoder = Decoder::new(limits);
    let mut seen = Vec::new();
    for piece in bytes.chunks(step) {
        decoder.feed(piece);
        while let Some(event) = decoder.next_event()? {
            let content = match &event {
                Event::Value(value) => Some(value.content()),
                Event::LargeStart(_) => Some(Ok(vec![])),
                Event::LargePart(part) => {
                    let last: &mut Seen = seen.last_mut().unwrap();
                    merge(last.content.as_mut().unwrap().as_mut().unwrap(), part.clone());
                    continue;
                }
                _ => None,
            };
            let end = matches!(event, Event::End);
            seen.push(Seen { event: format!("{event:?}"), content });
            if end {
                return Ok(seen);
            }
        }
    }
    decoder.finish()?;
    Ok(seen)
}

/// Adds a part to those of the same kind before it.
fn merge(parts: &mut Vec<Part>, part: Part) {
    match (parts.last_mut(), part) {
        (Some(Part::Bytes(all)), Part::Bytes(more)) | (Some(Part::Opaque(all)), Part::Opaque(more)) => all.extend(more),
        (Some(Part::Elements(all)), Part::Elements(more)) => all.extend(more),
        (Some(Part::Scored(all)), Part::Scored(more)) => all.extend(more),
        (Some(Part::Fields(all)), Part::Fields(more)) => all.extend(more),
        (Some(Part::Entries(all)), Part::Entries(more)) => all.extend(more),
        (Some(Part::Pending(all)), Part::Pending(more)) => all.extend(more),
        (_, part) => parts.push(part),
    }
}

/// The content of a value, the same in parts of any size, and however it comes.
pub fn content(kind: u8, raw: &[u8]) -> Vec<Part> {
    let merged = |size| {
        let mut parts = vec![];
        value(kind, raw).parts(size).for_each(|part| merge(&mut parts, part.unwrap()));
        parts
    };
    let whole = merged(usize::MAX);
    assert_eq!(merged(1), whole);
    let dump = dump("REDIS0012", &[&object(kind, raw)]);
    for (limits, step) in [(Limits { collect: 0, part: 1 }, 1), (Limits { collect: 0, part: 1 }, usize::MAX)] {
        let seen = decode(&dump, step, limits).unwrap();
        assert_eq!(seen.into_iter().find_map(|seen| seen.content), Some(Ok(whole.clone())));
    }
    whole
}
