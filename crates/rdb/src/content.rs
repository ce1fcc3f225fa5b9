//! Decodes a value's content, part by part, from bytes that need not all be there.

use std::borrow::Cow;

use crate::cursor::{Cursor, StringHead};
use crate::error::{Broken, Parsed};
use crate::kind::Encoding;
use crate::long::{Long, Run};
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
    /// A string.
    String(Run),
    /// Elements one by one.
    Each(Each),
    /// A packed value.
    Packed(Packed, Shape),
    /// A stream.
    Stream(StreamState),
    Done,
}

/// Elements one by one.
#[derive(Debug)]
struct Each {
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
                State::String(run) => match run.next(cursor, self.part)? {
                    Some(part) => return Ok(Step::Part(cursor.at, part)),
                    None => self.state = State::Done,
                },
                State::Each(each) => match each.next(cursor, self.part)? {
                    Some(part) => return Ok(Step::Part(cursor.at, part)),
                    None => self.state = State::Done,
                },
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
    let mut each = |element| Ok((State::Each(Each::new(element, cursor.count()?)), None));
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
            Ok((State::Each(Each::new(Element::TtlField(base), cursor.count()?)), None))
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
        StringHead::Int(number) => (State::Done, Some(Part::Bytes(number.to_string().into_bytes()))),
        head => (State::String(Run::new(head)), None),
    })
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

impl Each {
    fn new(element: Element, left: u64) -> Self {
        Self { element, left, node: None, long: None }
    }

    /// The next part; `None` at the end.
    fn next(&mut self, cursor: &mut Cursor<'_>, size: usize) -> Parsed<Option<Part>> {
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
