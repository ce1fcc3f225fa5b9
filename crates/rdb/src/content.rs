//! Decodes a value's content, part by part, from bytes that need not all be there.

use std::borrow::Cow;

use crate::cursor::{Cursor, StringHead};
use crate::error::{Broken, Parsed};
use crate::kind::Encoding;
use crate::lzf;
use crate::packed;
use crate::part::{Field, Part};
use crate::skim::ascii_double;
use crate::stream::StreamState;

/// Decodes one value.
#[derive(Debug)]
pub(crate) struct Content {
    state: State,
    /// Bytes that a part should hold, about.
    part: usize,
}

#[derive(Debug)]
enum State {
    /// Nothing was read yet.
    Start(Encoding),
    /// A string, of which so many bytes follow.
    Raw(u64),
    /// A compressed string: compressed bytes that follow, and bytes that are still to come out.
    Lzf(u64, u64, lzf::Stream),
    /// Elements one by one: how many are left.
    Each(Element, u64),
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
        Self { state: State::Start(encoding), part: part.max(1) }
    }

    /// The next part of the value; `bytes` begins where the last call ended.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Parsed<Step> {
        let mut cursor = Cursor::new(bytes, 0);
        match self.advance(&mut cursor) {
            // The state has moved on, so the bytes must be let go of.
            Err(Broken::Need) if cursor.at > 0 => Ok(Step::Progress(cursor.at)),
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
                State::Each(_, 0) => self.state = State::Done,
                State::Each(element, left) => {
                    let part = elements(cursor, *element, left, self.part)?;
                    return Ok(Step::Part(cursor.at, part));
                }
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
    let mut each = |element| Ok((State::Each(element, cursor.length()?), None));
    match encoding {
        E::String => string(cursor),
        E::List | E::Set => each(Element::Plain),
        E::ZsetAscii => each(Element::AsciiScored),
        E::Zset => each(Element::Scored),
        E::Hash => each(Element::Field),
        E::Quicklist => each(Element::Ziplist),
        E::Quicklist2 => each(Element::Node),
        E::HashTtlPreGa => each(Element::TtlField(0)),
        E::HashValkeyTtl => each(Element::FieldTtl),
        E::HashTtl => {
            let base = u64::from_le_bytes(cursor.array()?);
            // A hash whose fields have no expiry any more has no base either.
            Ok((State::Each(Element::TtlField(base), cursor.length()?), None))
        }
        E::HashListpackTtl => {
            cursor.take(8)?;
            packed_part(encoding, &cursor.string()?)
        }
        E::Stream(generation) => Ok((State::Stream(StreamState::new(generation)), None)),
        E::Module2 => Err(Broken::Malformed("a module's value, whose content only the module knows")),
        _ => packed_part(encoding, &cursor.string()?),
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
    let used = lzf.feed(input, part)?;
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

/// The elements of a packed value.
fn packed_part(encoding: Encoding, bytes: &[u8]) -> Parsed<(State, Option<Part>)> {
    use Encoding as E;
    let part = match encoding {
        E::ListZiplist => Part::Elements(packed::ziplist(bytes)?),
        E::SetIntset => Part::Elements(packed::intset(bytes)?),
        E::SetListpack => Part::Elements(packed::listpack(bytes)?),
        E::ZsetZiplist => Part::Scored(scored(packed::ziplist(bytes)?)?),
        E::ZsetListpack => Part::Scored(scored(packed::listpack(bytes)?)?),
        E::HashZipmap => Part::Fields(fields(packed::zipmap(bytes)?)?),
        E::HashZiplist => Part::Fields(fields(packed::ziplist(bytes)?)?),
        E::HashListpack => Part::Fields(fields(packed::listpack(bytes)?)?),
        _ => Part::Fields(ttl_fields(packed::listpack(bytes)?)?),
    };
    Ok((State::Done, Some(part)))
}

fn scored(elements: packed::Elements) -> Parsed<Vec<(Vec<u8>, f64)>> {
    let mut members = Vec::with_capacity(elements.len() / 2);
    let mut elements = elements.into_iter();
    while let Some(member) = elements.next() {
        let score = elements.next().and_then(|score| std::str::from_utf8(&score).ok()?.parse().ok());
        members.push((member, score.ok_or(Broken::Malformed("a score that is no number"))?));
    }
    Ok(members)
}

fn fields(elements: packed::Elements) -> Parsed<Vec<Field>> {
    let mut fields = Vec::with_capacity(elements.len() / 2);
    let mut elements = elements.into_iter();
    while let Some(name) = elements.next() {
        let value = elements.next().ok_or(Broken::Malformed("a field without a value"))?;
        fields.push(Field { name, value, expire_at_ms: None });
    }
    Ok(fields)
}

fn ttl_fields(elements: packed::Elements) -> Parsed<Vec<Field>> {
    let mut fields = Vec::with_capacity(elements.len() / 3);
    let mut elements = elements.into_iter();
    while let Some(name) = elements.next() {
        let (Some(value), Some(expiry)) = (elements.next(), elements.next()) else {
            return Err(Broken::Malformed("a field without a value or an expiry"));
        };
        let expiry: u64 = std::str::from_utf8(&expiry)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(Broken::Malformed("an expiry that is no number"))?;
        fields.push(Field { name, value, expire_at_ms: (expiry > 0).then_some(expiry) });
    }
    Ok(fields)
}

/// Reads as many elements as are there, up to a part's size.
fn elements(cursor: &mut Cursor<'_>, element: Element, left: &mut u64, size: usize) -> Parsed<Part> {
    let begin = cursor.at;
    let mut held = 0;
    let mut part = match element {
        Element::Plain | Element::Ziplist | Element::Node => Part::Elements(Vec::new()),
        Element::AsciiScored | Element::Scored => Part::Scored(Vec::new()),
        Element::Field | Element::TtlField(_) | Element::FieldTtl => Part::Fields(Vec::new()),
    };
    while *left > 0 && held < size {
        let mut ahead = *cursor;
        match add_element(&mut ahead, element, &mut part) {
            Ok(added) => {
                *cursor = ahead;
                held += added;
                *left -= 1;
            }
            Err(Broken::Need) if cursor.at > begin => break,
            Err(broken) => return Err(broken),
        }
    }
    Ok(part)
}

/// Adds one element; gives the memory that it takes, about. Compressed elements take more than they have bytes in the dump.
fn add_element(cursor: &mut Cursor<'_>, element: Element, part: &mut Part) -> Parsed<usize> {
    let owned = |string: Cow<'_, [u8]>| string.into_owned();
    let size = |bytes: &Vec<u8>| bytes.len() + size_of::<Vec<u8>>();
    let mut added = 0;
    match part {
        Part::Elements(elements) => {
            let more = match element {
                Element::Ziplist => packed::ziplist(&cursor.string()?)?,
                Element::Node => match cursor.length()? {
                    1 => vec![owned(cursor.string()?)],
                    2 => packed::listpack(&cursor.string()?)?,
                    _ => return Err(Broken::Malformed("an unknown node in a quicklist")),
                },
                _ => vec![owned(cursor.string()?)],
            };
            added = more.iter().map(size).sum();
            elements.extend(more);
        }
        Part::Scored(members) => {
            let member = owned(cursor.string()?);
            let score = match element {
                Element::AsciiScored => ascii_double(cursor)?,
                _ => f64::from_le_bytes(cursor.array()?),
            };
            added = size(&member) + size_of::<f64>();
            members.push((member, score));
        }
        Part::Fields(fields) => {
            let before = match element {
                Element::TtlField(base) => match cursor.length()? {
                    0 => None,
                    expiry if base == 0 => Some(expiry),
                    expiry => Some(base.saturating_add(expiry - 1)),
                },
                _ => None,
            };
            let (name, value) = (owned(cursor.string()?), owned(cursor.string()?));
            let expire_at_ms = match element {
                // -1 stands for none.
                Element::FieldTtl => u64::try_from(i64::from_le_bytes(cursor.array()?)).ok(),
                _ => before,
            };
            added = size(&name) + size(&value);
            fields.push(Field { name, value, expire_at_ms });
        }
        _ => {}
    }
    Ok(added)
}
