//! Decodes a value's content, part by part, from bytes that need not all be there.

use std::borrow::Cow;

use crate::cursor::{Cursor, StringHead};
use crate::error::{Broken, Parsed};
use crate::kind::Encoding;
use crate::lzf;
use crate::packed::Packed;
use crate::part::{Field, Part};
use crate::skim::ascii_double;
use crate::stream::StreamState;

/// Decodes one value.
#[derive(Debug)]
pub(crate) struct Content {
    state: State,
    /// Bytes that a part should hold, about.
    part: usize,
    /// What is wrong behind the bytes that the last call took.
    broken: Option<Broken>,
}

#[derive(Debug)]
enum State {
    /// Nothing was read yet.
    Start(Encoding),
    /// A string, of which so many bytes follow.
    Raw(u64),
    /// A compressed string: compressed bytes that follow, and bytes that are still to come out.
    Lzf(u64, u64, lzf::Stream),
    /// Elements one by one: how many are left, and a node whose elements are not all out.
    Each(Element, u64, Option<Packed>),
    /// A packed value.
    Packed(Packed, Shape),
    /// A stream.
    Stream(StreamState),
    Done,
}

/// What one element of a collection consists of.
#[derive(Debug, Clone, Copy)]
enum Element {
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

/// What the elements of a packed value are.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Plain,
    Scored,
    Field,
    /// Field, value and expiry.
    FieldTtl,
}

/// What a call gave.
pub(crate) enum Step {
    /// A part, and the bytes that it took.
    Part(usize, Part),
    /// Bytes that were read without a part to show for it; more are wanted.
    Progress(usize),
    /// The value's end, and the bytes up to it.
    End(usize),
}

impl Content {
    pub(crate) fn new(encoding: Encoding, part: usize) -> Self {
        Self { state: State::Start(encoding), part: part.max(1), broken: None }
    }

    /// The next part of the value; `bytes` begins where the last call ended.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Parsed<Step> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let mut cursor = Cursor::new(bytes, 0);
        match self.advance(&mut cursor) {
            // The state has moved on, so the bytes must be let go of.
            Err(broken) if cursor.at > 0 => {
                self.broken = Some(broken).filter(|broken| *broken != Broken::Need);
                Ok(Step::Progress(cursor.at))
            }
            other => other,
        }
    }

    fn advance(&mut self, cursor: &mut Cursor<'_>) -> Parsed<Step> {
        loop {
            match &mut self.state {
                State::Start(encoding) => {
                    let encoding = *encoding;
                    // Read whole or not at all: a need for more leaves the state as it is.
                    let mut ahead = *cursor;
                    let (state, part) = start(encoding, &mut ahead)?;
                    self.state = state;
                    *cursor = ahead;
                    if let Some(part) = part {
                        return Ok(Step::Part(cursor.at, part));
                    }
                }
                State::Raw(0) => self.state = State::Done,
                State::Raw(left) => {
                    let available = (cursor.left() as u64).min(*left).min(self.part as u64);
                    if available == 0 {
                        return Err(Broken::Need);
                    }
                    *left -= available;
                    let piece = cursor.take(usize::try_from(available).map_err(|_| Broken::Need)?)?;
                    return Ok(Step::Part(cursor.at, Part::Bytes(piece.to_vec())));
                }
                State::Lzf(compressed, length, lzf) => {
                    if *compressed == 0 && *length == 0 {
                        self.state = State::Done;
                        continue;
                    }
                    let part = inflate(cursor, compressed, length, lzf, self.part)?;
                    return Ok(Step::Part(cursor.at, part));
                }
                State::Each(_, 0, None) => self.state = State::Done,
                State::Each(element, left, node) => {
                    let part = elements(cursor, *element, left, node, self.part)?;
                    return Ok(Step::Part(cursor.at, part));
                }
                State::Packed(packed, shape) => match packed_elements(packed, *shape, self.part)? {
                    Some(part) => return Ok(Step::Part(cursor.at, part)),
                    None => self.state = State::Done,
                },
                State::Stream(stream) => {
                    return match stream.next(cursor, self.part)? {
                        Some(part) => Ok(Step::Part(cursor.at, part)),
                        None => {
                            self.state = State::Done;
                            Ok(Step::End(cursor.at))
                        }
                    };
                }
                State::Done => return Ok(Step::End(cursor.at)),
            }
        }
    }
}

/// Reads what stands before the elements; a packed value is one part.
fn start(encoding: Encoding, cursor: &mut Cursor<'_>) -> Parsed<(State, Option<Part>)> {
    use Encoding as E;
    let mut each = |element| Ok((State::Each(element, cursor.count()?, None), None));
    match encoding {
        E::String => string(cursor),
        E::List | E::Set => each(Element::Plain),
        E::ZsetAscii => each(Element::AsciiScored),
        E::Zset => each(Element::Scored),
        E::Hash => each(Element::Field),
        E::Quicklist => each(Element::Ziplist),
        E::Quicklist2 => each(Element::Node),
        // The expiry itself.
        E::HashTtlPreGa => each(Element::TtlField(1)),
        E::HashValkeyTtl => each(Element::FieldTtl),
        E::HashTtl => {
            let base = u64::from_le_bytes(cursor.array()?);
            // A hash whose fields have no expiry any more has no base either.
            Ok((State::Each(Element::TtlField(base), cursor.count()?, None), None))
        }
        E::HashListpackTtl => {
            cursor.take(8)?;
            packed(encoding, cursor.string()?)
        }
        E::Stream(generation) => Ok((State::Stream(StreamState::new(generation)), None)),
        E::Module2 => Err(Broken::Malformed("a module's value, whose content only the module knows")),
        _ => packed(encoding, cursor.string()?),
    }
}

fn string(cursor: &mut Cursor<'_>) -> Parsed<(State, Option<Part>)> {
    Ok(match cursor.string_head()? {
        StringHead::Raw(length) => (State::Raw(length), None),
        StringHead::Int(number) => (State::Done, Some(Part::Bytes(number.to_string().into_bytes()))),
        StringHead::Lzf(compressed, length) => (State::Lzf(compressed, length, lzf::Stream::default()), None),
    })
}

fn inflate(
    cursor: &mut Cursor<'_>,
    compressed: &mut u64,
    length: &mut u64,
    lzf: &mut lzf::Stream,
    part: usize,
) -> Parsed<Part> {
    let available = usize::try_from((cursor.left() as u64).min(*compressed)).map_err(|_| Broken::Need)?;
    let input = cursor.take(available)?;
    // One byte more than announced is enough to notice that there are more.
    let piece = usize::try_from(*length).unwrap_or(usize::MAX).saturating_add(1).min(part);
    let used = lzf.feed(input, piece)?;
    cursor.at -= available - used;
    let piece = lzf.take();
    if used == 0 && piece.is_empty() {
        let all_there = available as u64 == *compressed;
        return Err(if all_there { Broken::Malformed("compressed data that is cut off") } else { Broken::Need });
    }
    *compressed -= used as u64;
    *length =
        length.checked_sub(piece.len() as u64).ok_or(Broken::Malformed("compressed data longer than announced"))?;
    if *compressed == 0 && *length > 0 {
        return Err(Broken::Malformed("compressed data shorter than announced"));
    }
    Ok(Part::Bytes(piece.to_vec()))
}

/// Begins with a packed value.
fn packed(encoding: Encoding, string: Cow<'_, [u8]>) -> Parsed<(State, Option<Part>)> {
    use Encoding as E;
    let (packed, shape) = match encoding {
        E::ListZiplist => (Packed::ziplist(string)?, Shape::Plain),
        E::SetIntset => (Packed::intset(string)?, Shape::Plain),
        E::SetListpack => (Packed::listpack(string)?, Shape::Plain),
        E::ZsetZiplist => (Packed::ziplist(string)?, Shape::Scored),
        E::ZsetListpack => (Packed::listpack(string)?, Shape::Scored),
        E::HashZipmap => (Packed::zipmap(string)?, Shape::Field),
        E::HashZiplist => (Packed::ziplist(string)?, Shape::Field),
        E::HashListpack => (Packed::listpack(string)?, Shape::Field),
        _ => (Packed::listpack(string)?, Shape::FieldTtl),
    };
    Ok((State::Packed(packed, shape), None))
}

/// As many elements as make a part; `None` when there are no more.
fn packed_elements(packed: &mut Packed, shape: Shape, size: usize) -> Parsed<Option<Part>> {
    let mut held = 0;
    let mut part = match shape {
        Shape::Plain => Part::Elements(Vec::new()),
        Shape::Scored => Part::Scored(Vec::new()),
        Shape::Field | Shape::FieldTtl => Part::Fields(Vec::new()),
    };
    while held < size {
        let Some(element) = packed.next()? else { break };
        held += memory(&element);
        match &mut part {
            Part::Scored(members) => {
                let score = packed.next()?.as_deref().and_then(number::<f64>);
                let score = score.filter(|score| !score.is_nan());
                members.push((element, score.ok_or(Broken::Malformed("a score that is no number"))?));
            }
            Part::Fields(fields) => {
                let value = packed.next()?.ok_or(Broken::Malformed("a field without a value"))?;
                held += memory(&value);
                let expire_at_ms = match shape {
                    Shape::FieldTtl => {
                        let expiry = packed.next()?.as_deref().and_then(number::<u64>);
                        let expiry = in_range(expiry.ok_or(Broken::Malformed("an expiry that is no number"))?)?;
                        (expiry > 0).then_some(expiry)
                    }
                    _ => None,
                };
                fields.push(Field { name: element, value, expire_at_ms });
            }
            Part::Elements(elements) => elements.push(element),
            _ => {}
        }
    }
    Ok((held > 0).then_some(part))
}

/// An expiry that a server could hold: some count in signed numbers.
fn in_range(expiry: u64) -> Parsed<u64> {
    let known = i64::try_from(expiry).is_ok();
    if known { Ok(expiry) } else { Err(Broken::Malformed("an expiry that is out of range")) }
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The memory that an element takes, about.
fn memory(bytes: &[u8]) -> usize {
    bytes.len() + size_of::<Vec<u8>>()
}

/// Reads as many elements as are there, up to a part's size.
fn elements(
    cursor: &mut Cursor<'_>,
    element: Element,
    left: &mut u64,
    node: &mut Option<Packed>,
    size: usize,
) -> Parsed<Part> {
    let begin = cursor.at;
    let mut held = 0;
    let mut part = match element {
        Element::Plain | Element::Ziplist | Element::Node => Part::Elements(Vec::new()),
        Element::AsciiScored | Element::Scored => Part::Scored(Vec::new()),
        Element::Field | Element::TtlField(_) | Element::FieldTtl => Part::Fields(Vec::new()),
    };
    while held < size {
        if let (Some(packed), Part::Elements(elements)) = (node.as_mut(), &mut part) {
            match packed.next()? {
                Some(element) => {
                    held += memory(&element);
                    elements.push(element);
                }
                None => *node = None,
            }
            continue;
        }
        if *left == 0 {
            break;
        }
        let mut ahead = *cursor;
        match add_element(&mut ahead, element, &mut part, node) {
            Ok(added) => {
                *cursor = ahead;
                held += added;
                *left -= 1;
            }
            Err(Broken::Need) if cursor.at > begin || held > 0 => break,
            Err(broken) => return Err(broken),
        }
    }
    Ok(part)
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
            let before = match element {
                Element::TtlField(base) => match cursor.length()? {
                    0 => None,
                    expiry => Some(in_range(base.saturating_add(expiry - 1))?),
                },
                _ => None,
            };
            // Nothing is decompressed again and again while the rest of the element is awaited.
            let mut ahead = *cursor;
            ahead.skip_bounded()?;
            ahead.skip_bounded()?;
            let (name, value) = (owned(cursor.string()?), owned(cursor.string()?));
            let expire_at_ms = match element {
                // -1 stands for none.
                Element::FieldTtl => u64::try_from(i64::from_le_bytes(cursor.array()?)).ok(),
                _ => before,
            };
            added = memory(&name) + memory(&value);
            fields.push(Field { name, value, expire_at_ms });
        }
        _ => {}
    }
    Ok(added)
}
