//! What a dump was decoded to, in a form that does not depend on the pieces it came in.

use tributary_rdb::{Decoder, Event, Field, Limits, Part, RdbError};

/// What was decoded.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// Everything beside objects, as text.
    pub notes: Vec<String>,
    /// The objects, in the dump's order.
    pub objects: Vec<Object>,
    /// How it ended; a dump that is cut off is an error.
    pub end: Result<(), RdbError>,
}

/// An object.
#[derive(Debug, PartialEq)]
pub struct Object {
    /// Database, key, expiry and hints, as text.
    pub head: String,
    /// Its type byte.
    pub kind: u8,
    /// Whether it came in parts.
    pub large: bool,
    /// Its content.
    pub content: Result<Vec<Part>, RdbError>,
}

/// Decodes a dump that comes in pieces.
pub fn decode<'a>(limits: Limits, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new(limits);
    let mut outcome = Outcome { notes: Vec::new(), objects: Vec::new(), end: Ok(()) };
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next_event() {
                Ok(Some(Event::End)) => return outcome,
                Ok(Some(event)) => outcome.add(event, limits.part),
                Ok(None) => break,
                Err(error) => {
                    outcome.end = Err(error);
                    return outcome;
                }
            }
        }
    }
    outcome.end = decoder.finish();
    outcome
}

impl Outcome {
    fn add(&mut self, event: Event<'_>, size: usize) {
        match event {
            Event::Value(value) => {
                let mut parts = Vec::new();
                let failed = value.parts(size).find_map(|part| part.map(|part| merge(&mut parts, part)).err());
                self.objects.push(Object {
                    head: format!(
                        "{} {:?} {:?} {:?} {:?}",
                        value.db, value.key, value.expire_at_ms, value.idle_s, value.freq
                    ),
                    kind: value.kind.byte(),
                    large: false,
                    content: failed.map_or(Ok(parts), Err),
                });
            }
            Event::LargeStart(large) => self.objects.push(Object {
                head: format!(
                    "{} {:?} {:?} {:?} {:?}",
                    large.db, large.key, large.expire_at_ms, large.idle_s, large.freq
                ),
                kind: large.kind.byte(),
                large: true,
                content: Ok(Vec::new()),
            }),
            Event::LargePart(part) => {
                if let Some(Object { content: Ok(parts), .. }) = self.objects.last_mut() {
                    merge(parts, part);
                }
            }
            Event::LargeEnd => {}
            note => self.notes.push(format!("{note:?}")),
        }
    }
}

/// Adds a part to those of the same kind before it.
pub fn merge(parts: &mut Vec<Part>, part: Part) {
    match (parts.last_mut(), part) {
        (Some(Part::Bytes(all)), Part::Bytes(more)) | (Some(Part::Opaque(all)), Part::Opaque(more)) => all.extend(more),
        (Some(Part::Elements(all)), Part::Elements(more)) => all.extend(more),
        (Some(Part::Scored(all)), Part::Scored(more)) => all.extend(more),
        (Some(Part::Fields(all)), Part::Fields(more)) => all.extend(more),
        (Some(Part::Entries(all)), Part::Entries(more)) => all.extend(more),
        (Some(Part::Pending(all)), Part::Pending(more)) => all.extend(more),
        (Some(Part::Consumer(all)), Part::Consumer(more)) if all.name == more.name => all.pending.extend(more.pending),
        (_, Part::LongEnd { expire_at_ms }) => {
            let element = long(parts, expire_at_ms);
            merge(parts, element);
        }
        (_, part) => parts.push(part),
    }
}

/// Takes a long element, and the bytes behind it, off the end: it is one like all others.
fn long(parts: &mut Vec<Part>, expire_at_ms: Option<u64>) -> Part {
    let last = parts.pop();
    let (bytes, start) = match last {
        Some(Part::Bytes(bytes)) => (bytes, parts.pop()),
        other => (Vec::new(), other),
    };
    match start {
        Some(Part::LongElement { len }) if len == bytes.len() as u64 => Part::Elements(vec![bytes]),
        Some(Part::LongField { name, len }) if len == bytes.len() as u64 => {
            Part::Fields(vec![Field { name, value: bytes, expire_at_ms }])
        }
        other => panic!("{} bytes behind {other:?}", bytes.len()),
    }
}
