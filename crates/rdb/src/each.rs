//! Elements of a collection one by one, part by part, from bytes that need not all be there.

use std::borrow::Cow;

use crate::cursor::Cursor;
use crate::error::{Broken, Parsed};
use crate::long::Long;
use crate::packed::Packed;
use crate::part::{Field, Part};
use crate::skim::ascii_double;

/// Elements one by one.
#[derive(Debug)]
pub(crate) struct Each {
    element: Element,
    /// How many are left.
    left: u64,
    /// A node whose elements are not all out.
    node: Option<Packed>,
    /// An element whose bytes are not all out.
    long: Option<Long>,
}

/// What one element of a collection consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Element {
    Plain,
    AsciiScored,
    Scored,
    Field,
    /// A quicklist's node: a ziplist.
    Ziplist,
    /// A quicklist's node: plain, or a listpack.
    Node,
    /// A field behind its expiry, which counts from here, plus one.
    TtlField(u64),
    /// A field before its expiry.
    FieldTtl,
}

impl Each {
    pub(crate) fn new(element: Element, left: u64) -> Self {
        Self { element, left, node: None, long: None }
    }

    /// The next part; `None` at the end.
    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>, size: usize) -> Parsed<Option<Part>> {
        if let Some(long) = &mut self.long {
            let part = long.next(cursor, size)?;
            if matches!(part, Part::LongEnd { .. }) {
                self.long = None;
                self.left -= 1;
            }
            return Ok(Some(part));
        }
        if self.left == 0 && self.node.is_none() {
            return Ok(None);
        }
        self.elements(cursor, size).map(Some)
    }

    /// Reads as many elements as are there, up to a part's size; one that is too long is begun.
    fn elements(&mut self, cursor: &mut Cursor<'_>, size: usize) -> Parsed<Part> {
        let begin = cursor.at;
        let mut held = 0;
        let mut part = match self.element {
            Element::Plain | Element::Ziplist | Element::Node => Part::Elements(Vec::new()),
            Element::AsciiScored | Element::Scored => Part::Scored(Vec::new()),
            Element::Field | Element::TtlField(_) | Element::FieldTtl => Part::Fields(Vec::new()),
        };
        while held < size {
            if let (Some(packed), Part::Elements(elements)) = (self.node.as_mut(), &mut part) {
                match packed.next()? {
                    Some(element) => {
                        held += memory(&element);
                        elements.push(element);
                    }
                    None => self.node = None,
                }
                continue;
            }
            if self.left == 0 {
                break;
            }
            let mut ahead = *cursor;
            let long = Long::start(&mut ahead, self.element, size);
            if matches!(long, Ok(Some(_))) && held > 0 {
                break;
            }
            let added = match long {
                Ok(Some((long, start))) => {
                    *cursor = ahead;
                    let long = self.long.insert(long);
                    return start.map_or_else(|| long.next(cursor, size), Ok);
                }
                Ok(None) => {
                    ahead = *cursor;
                    add_element(&mut ahead, self.element, &mut part, &mut self.node)
                }
                Err(broken) => Err(broken),
            };
            match added {
                Ok(added) => {
                    *cursor = ahead;
                    held += added;
                    self.left -= 1;
                }
                Err(Broken::Need) if cursor.at > begin || held > 0 => break,
                Err(broken) => return Err(broken),
            }
        }
        Ok(part)
    }
}

/// Adds one element, or opens a node; gives the memory that this takes, about. Compressed elements take more than they
/// have bytes in the dump.
fn add_element(cursor: &mut Cursor<'_>, element: Element, part: &mut Part, node: &mut Option<Packed>) -> Parsed<usize> {
    let owned = |string: Cow<'_, [u8]>| string.into_owned();
    let mut added = 0;
    match part {
        Part::Elements(elements) => {
            match element {
                Element::Ziplist => *node = Some(Packed::ziplist(cursor.string()?)?),
                Element::Node => match cursor.length()? {
                    1 => elements.push(owned(cursor.string()?)),
                    2 => *node = Some(Packed::listpack(cursor.string()?)?),
                    _ => return Err(Broken::Malformed("an unknown node in a quicklist")),
                },
                _ => elements.push(owned(cursor.string()?)),
            }
            if node.is_none() {
                added = elements.last().map_or(0, |element| memory(element));
            }
        }
        Part::Scored(members) => {
            let member = owned(cursor.string()?);
            let score = match element {
                Element::AsciiScored => ascii_double(cursor)?,
                _ => f64::from_le_bytes(cursor.array()?),
            };
            if score.is_nan() {
                return Err(Broken::Malformed("a score that is no number"));
            }
            added = memory(&member) + size_of::<f64>();
            members.push((member, score));
        }
        Part::Fields(fields) => {
            let before = expiry_before(cursor, element)?;
            // Nothing is decompressed again and again while the rest of the element is awaited.
            let mut ahead = *cursor;
            ahead.skip_bounded()?;
            ahead.skip_bounded()?;
            let (name, value) = (owned(cursor.string()?), owned(cursor.string()?));
            let expire_at_ms = match element {
                Element::FieldTtl => expiry_behind(cursor)?,
                _ => before,
            };
            added = memory(&name) + memory(&value);
            fields.push(Field { name, value, expire_at_ms });
        }
        _ => {}
    }
    Ok(added)
}

/// The expiry before a field, where the encoding has it there.
pub(crate) fn expiry_before(cursor: &mut Cursor<'_>, element: Element) -> Parsed<Option<u64>> {
    let Element::TtlField(base) = element else { return Ok(None) };
    Ok(match cursor.length()? {
        0 => None,
        expiry => Some(in_range(base.saturating_add(expiry - 1))?),
    })
}

/// The expiry behind a field; -1 stands for none.
pub(crate) fn expiry_behind(cursor: &mut Cursor<'_>) -> Parsed<Option<u64>> {
    Ok(u64::try_from(i64::from_le_bytes(cursor.array()?)).ok())
}

/// An expiry that a server could hold: some count in signed numbers.
pub(crate) fn in_range(expiry: u64) -> Parsed<u64> {
    let known = i64::try_from(expiry).is_ok();
    if known { Ok(expiry) } else { Err(Broken::Malformed("an expiry that is out of range")) }
}

/// The memory that an element takes, about.
pub(crate) fn memory(bytes: &[u8]) -> usize {
    bytes.len() + size_of::<Vec<u8>>()
}
