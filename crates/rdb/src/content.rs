//! Decodes a value's content, part by part, from bytes that need not all be there.

use std::borrow::Cow;

use crate::cursor::{Cursor, StringHead};
use crate::each::{Each, Element, in_range, memory};
use crate::error::{Broken, Parsed};
use crate::kind::Encoding;
use crate::long::Run;
use crate::opaque::Opaque;
use crate::packed::Packed;
use crate::part::{Field, Part};
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
    /// A module's value.
    Opaque(Opaque),
    Done,
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
                State::Opaque(opaque) => match opaque.next(cursor, self.part)? {
                    Some(part) => return Ok(Step::Part(cursor.at, part)),
                    None => self.state = State::Done,
                },
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
        E::Module2 => Ok((State::Opaque(Opaque::new()), None)),
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

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
