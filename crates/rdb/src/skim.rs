//! Finds where a value ends, without decoding it.
//!
//! Every encoding is a small program of steps. The machine keeps its place between calls, so that a value that
//! arrives in many pieces is walked once.

use crate::cursor::Cursor;
use crate::error::{Broken, Parsed};
use crate::kind::Encoding;

/// One step over a value.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A string in any form.
    Str,
    /// A length that is a number of its own.
    Len,
    /// So many of them.
    Lens(usize),
    /// So many bytes.
    Raw(usize),
    /// A double as text behind one byte of length; 253 to 255 stand for nan and the infinities.
    AsciiDouble,
    /// A length, then so many times these steps.
    Repeat(&'static [Step]),
    /// A module's values, each behind an opcode, until opcode 0.
    ModuleValues,
}

use Step::{AsciiDouble, Len, Lens, ModuleValues, Raw, Repeat, Str};

const STREAM_NODES: Step = Repeat(&[Str, Str]);
const PENDING: Step = Repeat(&[Raw(16), Raw(8), Len]);
const PENDING_IDS: Step = Repeat(&[Raw(16)]);

/// The steps over a value of this encoding (Redis' rdb.c, `rdbLoadObject`).
fn program(encoding: Encoding) -> &'static [Step] {
    use Encoding as E;
    match encoding {
        E::String
        | E::HashZipmap
        | E::ListZiplist
        | E::SetIntset
        | E::ZsetZiplist
        | E::HashZiplist
        | E::HashListpack
        | E::ZsetListpack
        | E::SetListpack
        | E::HashListpackTtlPreGa => &[Str],
        E::List | E::Set | E::Quicklist => &[Repeat(&[Str])],
        E::ZsetAscii => &[Repeat(&[Str, AsciiDouble])],
        E::Zset => &[Repeat(&[Str, Raw(8)])],
        E::Hash => &[Repeat(&[Str, Str])],
        E::Quicklist2 => &[Repeat(&[Len, Str])],
        E::Module2 => &[Len, ModuleValues],
        E::HashTtlPreGa => &[Repeat(&[Len, Str, Str])],
        E::HashTtl => &[Raw(8), Repeat(&[Len, Str, Str])],
        E::HashListpackTtl => &[Raw(8), Str],
        E::HashValkeyTtl => &[Repeat(&[Str, Str, Raw(8)])],
        E::Stream(1) => &[STREAM_NODES, Lens(3), Repeat(&[Str, Lens(2), PENDING, Repeat(&[Str, Raw(8), PENDING_IDS])])],
        E::Stream(2) => &[STREAM_NODES, Lens(8), Repeat(&[Str, Lens(3), PENDING, Repeat(&[Str, Raw(8), PENDING_IDS])])],
        E::Stream(_) => {
            &[STREAM_NODES, Lens(8), Repeat(&[Str, Lens(3), PENDING, Repeat(&[Str, Raw(16), PENDING_IDS])])]
        }
    }
}

/// How deep programs nest: a stream, its groups, their consumers, and the pending IDs of one.
const DEPTH: usize = 4;

/// Steps under way, and how often they are still to be taken.
#[derive(Debug, Clone, Copy)]
struct Frame {
    steps: &'static [Step],
    next: usize,
    left: u64,
}

/// Walks over one value.
#[derive(Debug)]
pub(crate) struct Skim {
    /// The innermost is `frames[depth - 1]`. Not in a `Vec`: there is one walk to every object.
    frames: [Frame; DEPTH],
    depth: usize,
    /// How far the walk has come, from the value's first byte.
    pub at: usize,
}

impl Skim {
    pub(crate) fn new(encoding: Encoding) -> Self {
        let mut frames = [Frame { steps: &[], next: 0, left: 0 }; DEPTH];
        let [first, ..] = &mut frames;
        *first = Frame { steps: program(encoding), next: 0, left: 1 };
        Self { frames, depth: 1, at: 0 }
    }

    /// Goes on over `value`, which begins with the value's first byte; gives its length once its end is there.
    pub(crate) fn walk(&mut self, value: &[u8]) -> Parsed<usize> {
        let mut cursor = Cursor::new(value, self.at);
        while let Some(frame) = self.depth.checked_sub(1).and_then(|top| self.frames.get_mut(top)) {
            let Some(step) = frame.steps.get(frame.next) else {
                frame.next = 0;
                frame.left -= 1;
                if frame.left == 0 {
                    self.depth -= 1;
                }
                continue;
            };
            match step {
                Str => cursor.skip_string()?,
                Raw(len) => drop(cursor.take(*len)?),
                Len => drop(length(&mut cursor)?),
                Lens(count) => {
                    for _ in 0..*count {
                        length(&mut cursor)?;
                    }
                }
                AsciiDouble => drop(ascii_double(&mut cursor)?),
                ModuleValues => {
                    // Stays at this step until the opcode that ends the values.
                    if module_value(&mut cursor)? {
                        self.at = cursor.at;
                        continue;
                    }
                }
                Repeat(steps) => {
                    let mut ahead = cursor;
                    let left = ahead.count()?;
                    cursor = ahead;
                    frame.next += 1;
                    if left > 0 {
                        let inner = self.frames.get_mut(self.depth).ok_or(Broken::Malformed("a value too deep"))?;
                        *inner = Frame { steps, next: 0, left };
                        self.depth += 1;
                    }
                    self.at = cursor.at;
                    continue;
                }
            }
            frame.next += 1;
            self.at = cursor.at;
        }
        Ok(self.at)
    }
}

/// A length that is read whole or not at all.
fn length(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    let mut ahead = *cursor;
    let length = ahead.length()?;
    *cursor = ahead;
    Ok(length)
}

/// The text of a double, empty for the three that have none.
pub(crate) fn ascii_double(cursor: &mut Cursor<'_>) -> Parsed<f64> {
    let mut ahead = *cursor;
    let number = match ahead.byte()? {
        255 => f64::NEG_INFINITY,
        254 => f64::INFINITY,
        253 => f64::NAN,
        len => std::str::from_utf8(ahead.take(usize::from(len))?)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(Broken::Malformed("a score that is no number"))?,
    };
    *cursor = ahead;
    Ok(number)
}

/// Passes over one value of a module; false at their end.
pub(crate) fn module_value(cursor: &mut Cursor<'_>) -> Parsed<bool> {
    let mut ahead = *cursor;
    let more = match ahead.length()? {
        0 => false,
        1 | 2 => ahead.length().map(|_| true)?,
        3 => ahead.take(4).map(|_| true)?,
        4 => ahead.take(8).map(|_| true)?,
        5 => ahead.skip_string().map(|()| true)?,
        _ => return Err(Broken::Malformed("an unknown opcode in a module's value")),
    };
    *cursor = ahead;
    Ok(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_whatever_the_pieces() {
        // A hash of two fields, and a byte that is no longer its own.
        let value = b"\x02\x01a\xc0\x05\x01b\x03xyz\xff";
        for step in 1..value.len() {
            let mut skim = Skim::new(Encoding::Hash);
            let mut end = 0;
            let found = loop {
                match skim.walk(&value[..end]) {
                    Ok(len) => break len,
                    Err(Broken::Need) => end = (end + step).min(value.len()),
                    Err(other) => panic!("{other:?}"),
                }
            };
            assert_eq!(found, value.len() - 1);
        }
    }

    #[test]
    fn an_empty_collection_ends_at_its_length() {
        assert_eq!(Skim::new(Encoding::Quicklist2).walk(b"\x00rest"), Ok(1));
    }
}
