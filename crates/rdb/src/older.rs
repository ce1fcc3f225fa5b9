//! Writes a value once more in an encoding that another server knows: an older one, or one of the other product.
//!
//! The plain encodings of a collection (types 1, 2, 4 and 5 in rdb.h) are read by every server; servers pack them again as
//! they are set to. A stream keeps its nodes, and loses what older servers do not keep of it either.

use crate::cursor::Cursor;
use crate::error::{Broken, Parsed, RdbError};
use crate::kind::{Encoding, Logical, ValueKind};
use crate::{Field, Part, Value};

/// The first RDB version of Valkey's own; Redis' end below it.
const VALKEY_OWN: u16 = 80;
/// Content is decoded in parts of this size.
const PART: usize = 1 << 20;

/// What a server loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loads {
    /// The RDB version that it writes itself (rdb.h, `RDB_VERSION`): 8 is Redis 4.0, 9 is 5.0 to 6.2, 10 is 7.0, 11 is 7.2 and
    /// Valkey up to 8.1, 12 is 7.4 to 8.2, 80 is Valkey 9.
    pub version: u16,
}

impl Loads {
    /// Whether it knows an encoding.
    #[must_use]
    pub fn knows(self, kind: ValueKind) -> bool {
        let version = kind.rdb_version();
        // From 12 on the two products have gone their own ways.
        let foreign = (12..VALKEY_OWN).contains(&version) && self.version >= VALKEY_OWN;
        version <= self.version && !foreign
    }

    /// Whether it knows fields of a hash that expire.
    #[must_use]
    pub fn field_expiry(self) -> bool {
        self.version >= 12
    }
}

/// A value in another encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewritten {
    /// The encoding and its bytes.
    As(ValueKind, Vec<u8>),
    /// It would be larger than the limit that was given.
    TooLarge,
    /// A field of the hash expires, which the server does not know.
    FieldExpiry,
    /// No encoding that the server knows holds such a value.
    Never,
}

impl Value<'_> {
    /// Writes the value in an encoding that a server knows, of at most about `limit` bytes. With `drop_field_expiry` fields
    /// that expire are kept for ever where the server does not know better.
    ///
    /// # Errors
    /// When the bytes break the format; offsets then count within the value.
    pub fn rewritten(&self, loads: Loads, limit: usize, drop_field_expiry: bool) -> Result<Rewritten, RdbError> {
        match (self.kind.logical(), self.kind.encoding()) {
            (Some(Logical::Stream), Some(Encoding::Stream(from))) if loads.version >= 9 => {
                let (to, byte) = if loads.version >= 10 { (2, 19) } else { (1, 15) };
                let raw = stream(self.raw, from, to).map_err(|broken| broken.at(0))?;
                Ok(Rewritten::As(ValueKind::new(byte, self.kind.is_valkey()), raw))
            }
            (Some(Logical::List), _) => self.plain(1, limit),
            (Some(Logical::Set), _) => self.plain(2, limit),
            (Some(Logical::SortedSet), _) => self.plain(5, limit),
            (Some(Logical::Hash), _) => self.hash(loads, limit, drop_field_expiry),
            _ => Ok(Rewritten::Never),
        }
    }

    /// A count of elements, then the elements.
    fn plain(&self, byte: u8, limit: usize) -> Result<Rewritten, RdbError> {
        let (mut out, mut count) = (vec![0; COUNT_LEN], 0);
        for part in self.parts(PART) {
            match part? {
                Part::Elements(elements) => {
                    count += elements.len();
                    elements.iter().for_each(|element| put_string(&mut out, element));
                }
                Part::Scored(members) => {
                    count += members.len();
                    for (member, score) in &members {
                        put_string(&mut out, member);
                        out.extend_from_slice(&score.to_le_bytes());
                    }
                }
                // Too long for a part, and so for the limits that are used.
                _ => return Ok(Rewritten::TooLarge),
            }
            if out.len() > limit {
                return Ok(Rewritten::TooLarge);
            }
        }
        Ok(counted(ValueKind::new(byte, false), out, 0, count))
    }

    fn hash(&self, loads: Loads, limit: usize, drop_field_expiry: bool) -> Result<Rewritten, RdbError> {
        let (mut fields, mut size, mut earliest) = (Vec::new(), 0, None);
        for part in self.parts(PART) {
            let Part::Fields(more) = part? else { return Ok(Rewritten::TooLarge) };
            size += more.iter().map(|field| field.name.len() + field.value.len() + size_of::<Field>()).sum::<usize>();
            if size > limit {
                return Ok(Rewritten::TooLarge);
            }
            earliest = more.iter().filter_map(|field| field.expire_at_ms).chain(earliest).min();
            fields.extend(more);
        }
        let Some(earliest) = earliest else { return Ok(plain_hash(&fields)) };
        Ok(match loads.version {
            VALKEY_OWN.. => hash_of_valkey(&fields),
            12.. => hash_of_redis(&fields, earliest),
            _ if drop_field_expiry => plain_hash(&fields),
            _ => Rewritten::FieldExpiry,
        })
    }
}

/// Bytes of a count as [`put_count`] writes it.
const COUNT_LEN: usize = 5;

/// Completes a value whose count was left open at `at`.
fn counted(kind: ValueKind, mut out: Vec<u8>, at: usize, count: usize) -> Rewritten {
    let Ok(count) = u32::try_from(count) else { return Rewritten::TooLarge };
    let place = out.get_mut(at..at + COUNT_LEN);
    if let Some(place) = place {
        // The form of 32 bits, whatever the number: its place was reserved before the number was known.
        place.copy_from_slice(&[&[0x80][..], &count.to_be_bytes()].concat());
    }
    Rewritten::As(kind, out)
}

fn plain_hash(fields: &[Field]) -> Rewritten {
    let mut out = vec![0; COUNT_LEN];
    for field in fields {
        put_string(&mut out, &field.name);
        put_string(&mut out, &field.value);
    }
    counted(ValueKind::new(4, false), out, 0, fields.len())
}

/// Valkey 9's hash: each expiry behind its field, -1 for none (Valkey's rdb.c, `RDB_TYPE_HASH_2`).
fn hash_of_valkey(fields: &[Field]) -> Rewritten {
    let mut out = vec![0; COUNT_LEN];
    for field in fields {
        put_string(&mut out, &field.name);
        put_string(&mut out, &field.value);
        let at = field.expire_at_ms.map_or(-1, u64::cast_signed);
        out.extend_from_slice(&at.to_le_bytes());
    }
    counted(ValueKind::new(22, true), out, 0, fields.len())
}

/// Redis 7.4's hash: expiries before their fields, counted from the earliest, plus one (rdb.c, `RDB_TYPE_HASH_METADATA`).
fn hash_of_redis(fields: &[Field], earliest: u64) -> Rewritten {
    let mut out = earliest.to_le_bytes().to_vec();
    let at = out.len();
    out.resize(at + COUNT_LEN, 0);
    for field in fields {
        put_length(&mut out, field.expire_at_ms.map_or(0, |expiry| expiry - earliest + 1));
        put_string(&mut out, &field.name);
        put_string(&mut out, &field.value);
    }
    counted(ValueKind::new(24, false), out, at, fields.len())
}

/// Appends a length (rdb.c, `rdbSaveLen`).
fn put_length(out: &mut Vec<u8>, length: u64) {
    match length {
        0..=0x3f => out.push(length as u8),
        0x40..=0x3fff => out.extend_from_slice(&(0x4000 | length as u16).to_be_bytes()),
        0x4000..=0xffff_ffff => {
            out.push(0x80);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Copies a stream, leaving out what generation `to` of its format does not have (rdb.c, `RDB_TYPE_STREAM_LISTPACKS`).
fn stream(raw: &[u8], from: u8, to: u8) -> Parsed<Vec<u8>> {
    let mut copy = Copier { cursor: Cursor::new(raw, 0), out: Vec::with_capacity(raw.len()) };
    for _ in 0..copy.length(true)? {
        copy.pass(true, |cursor| {
            cursor.skip_string()?;
            cursor.skip_string()
        })?;
    }
    // Length and last ID; then first ID, greatest deleted ID, entries ever added.
    copy.lengths(3, true)?;
    copy.lengths(if from >= 2 { 5 } else { 0 }, to >= 2)?;
    for _ in 0..copy.length(true)? {
        copy.pass(true, Cursor::skip_string)?;
        copy.lengths(2, true)?;
        // Entries read.
        copy.lengths(if from >= 2 { 1 } else { 0 }, to >= 2)?;
        for _ in 0..copy.length(true)? {
            copy.pass(true, |cursor| cursor.take(16 + 8).map(drop))?;
            copy.lengths(1, true)?;
        }
        for _ in 0..copy.length(true)? {
            copy.pass(true, Cursor::skip_string)?;
            copy.pass(true, |cursor| cursor.take(8).map(drop))?;
            // When the consumer last took something.
            copy.pass(to >= 3, |cursor| cursor.take(if from >= 3 { 8 } else { 0 }).map(drop))?;
            for _ in 0..copy.length(true)? {
                copy.pass(true, |cursor| cursor.take(16).map(drop))?;
            }
        }
    }
    Ok(copy.out)
}

struct Copier<'a> {
    cursor: Cursor<'a>,
    out: Vec<u8>,
}

impl<'a> Copier<'a> {
    /// Passes over bytes, and copies them where they are kept.
    fn pass<T>(&mut self, keep: bool, over: impl FnOnce(&mut Cursor<'a>) -> Parsed<T>) -> Parsed<T> {
        let start = self.cursor.at;
        let read = over(&mut self.cursor)?;
        if keep {
            let bytes = self.cursor.bytes.get(start..self.cursor.at).ok_or(Broken::Need)?;
            self.out.extend_from_slice(bytes);
        }
        Ok(read)
    }

    fn length(&mut self, keep: bool) -> Parsed<u64> {
        self.pass(keep, Cursor::length)
    }

    fn lengths(&mut self, count: usize, keep: bool) -> Parsed<()> {
        (0..count).try_for_each(|_| self.length(keep).map(drop))
    }
}
