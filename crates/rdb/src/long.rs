//! Strings that are too long to be held: they come in pieces, as values or as elements of collections.

use crate::cursor::{Cursor, STRING_LIMIT, StringHead};
use crate::each::{Element, expiry_before, expiry_behind};
use crate::error::{Broken, Parsed};
use crate::lzf;
use crate::part::Part;

/// An element of more bytes than so many parts hold comes in pieces.
const PARTS: usize = 4;
/// A list's node of more bytes holds one element (`list-max-listpack-size` goes to 64 KiB).
const NODE: u64 = 65_536;

/// The last byte of a packed value.
const END: u8 = 0xff;

/// A string that comes in pieces.
#[derive(Debug)]
pub(crate) enum Run {
    /// So many bytes follow.
    Raw(u64),
    /// Compressed bytes that follow, and bytes that are still to come out.
    Lzf(u64, u64, lzf::Stream),
}

impl Run {
    /// The bytes behind this head. An integer has none.
    pub(crate) fn new(head: StringHead) -> Self {
        match head {
            StringHead::Raw(length) => Self::Raw(length),
            StringHead::Int(_) => Self::Raw(0),
            StringHead::Lzf(compressed, length) => Self::Lzf(compressed, length, lzf::Stream::default()),
        }
    }

    /// The next piece, of at most about `size` bytes; `None` at the end.
    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>, size: usize) -> Parsed<Option<Part>> {
        match self {
            Self::Raw(0) | Self::Lzf(0, 0, _) => Ok(None),
            Self::Raw(left) => {
                let available = (cursor.left() as u64).min(*left).min(size as u64);
                if available == 0 {
                    return Err(Broken::Need);
                }
                let piece = cursor.take(usize::try_from(available).map_err(|_| Broken::Need)?)?;
                *left -= available;
                Ok(Some(Part::Bytes(piece.to_vec())))
            }
            Self::Lzf(compressed, length, lzf) => inflate(cursor, compressed, length, lzf, size).map(Some),
        }
    }
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

/// An element of a collection that comes in pieces.
#[derive(Debug)]
pub(crate) struct Long {
    run: Run,
    /// Length of the string.
    total: u64,
    stage: Stage,
    /// The field's expiry, where it stood before it.
    expire_at_ms: Option<u64>,
    /// Whether it stands behind it.
    expiry_is_behind: bool,
}

/// What of an element comes next.
#[derive(Debug)]
enum Stage {
    /// Its bytes are those of the string.
    Bare,
    /// What a packed string has before its one element, as far as it came.
    Head(Node, Vec<u8>),
    /// So many bytes of the element, and what came with the head.
    Body(u64, Vec<u8>),
    /// What a packed string has behind its one element: the last byte that came of it.
    Tail(u8),
}

/// How a list's node is packed.
#[derive(Debug, Clone, Copy)]
enum Node {
    Ziplist,
    Listpack,
}

impl Node {
    /// Bytes before the one element of a node whose length takes 32 bits.
    fn head(self) -> usize {
        match self {
            // Header, length of the element before, form, length.
            Self::Ziplist => 10 + 1 + 1 + 4,
            Self::Listpack => 6 + 1 + 4,
        }
    }

    /// The length of that element in a node of `total` bytes. Servers put an element that is larger than a node should be
    /// in one of its own.
    fn element(self, head: &[u8], total: u64) -> Parsed<u64> {
        let mut cursor = Cursor::new(head, 0);
        let announced = u32::from_le_bytes(cursor.array()?);
        let (count, form, len) = match self {
            Self::Ziplist => {
                cursor.take(4)?;
                let (count, _before, form) = (u16::from_le_bytes(cursor.array()?), cursor.byte()?, cursor.byte()?);
                (count, form == 0x80, u32::from_be_bytes(cursor.array()?))
            }
            Self::Listpack => {
                let (count, form) = (u16::from_le_bytes(cursor.array()?), cursor.byte()?);
                (count, form == 0xf0, u32::from_le_bytes(cursor.array()?))
            }
        };
        let len = u64::from(len);
        if count != 1 || !form {
            return Err(Broken::TooLarge(len, STRING_LIMIT));
        }
        if u64::from(announced) != total || self.head() as u64 + len + self.tail(len) != total {
            return Err(Broken::Malformed("a packed value of another length than it says"));
        }
        Ok(len)
    }

    /// Bytes behind an element of so many bytes: what leads back over it, in a listpack, and the end.
    fn tail(self, len: u64) -> u64 {
        match self {
            Self::Ziplist => 1,
            // Redis' listpack.c, `lpEncodeBacklen`, of the length of form and element.
            Self::Listpack => match len + 5 {
                0..=127 => 2,
                128..16_383 => 3,
                16_383..2_097_151 => 4,
                2_097_151..268_435_455 => 5,
                _ => 6,
            },
        }
    }
}

impl Long {
    /// Looks whether the next element is too long to be held, and passes over what stands before its bytes if it is.
    pub(crate) fn start(
        cursor: &mut Cursor<'_>,
        element: Element,
        size: usize,
    ) -> Parsed<Option<(Self, Option<Part>)>> {
        let limit = size.saturating_mul(PARTS) as u64;
        let (mut expire_at_ms, mut field, mut node) = (None, None, None);
        match element {
            Element::Plain => {}
            Element::Ziplist => node = Some(Node::Ziplist),
            Element::Node => match cursor.length()? {
                1 => {}
                _ => node = Some(Node::Listpack),
            },
            Element::Field | Element::TtlField(_) | Element::FieldTtl => {
                expire_at_ms = expiry_before(cursor, element)?;
                let name = *cursor;
                cursor.skip_bounded()?;
                field = Some(name);
            }
            // Members of a sorted set stand before their scores, which the command wants first.
            Element::AsciiScored | Element::Scored => return Ok(None),
        }
        let head = cursor.string_head()?;
        let len = head.len();
        // A node of many elements is as large as the server is set to, and still small.
        let limit = if node.is_some() { limit.saturating_mul(4).max(NODE) } else { limit };
        if len <= limit || matches!(head, StringHead::Int(_)) {
            return Ok(None);
        }
        let start = match (field, node) {
            (Some(mut name), _) => Some(Part::LongField { name: name.string()?.into_owned(), len }),
            (None, None) => Some(Part::LongElement { len }),
            (None, Some(_)) => None,
        };
        let stage = node.map_or(Stage::Bare, |node| Stage::Head(node, Vec::new()));
        let expiry_is_behind = matches!(element, Element::FieldTtl);
        let long = Self { run: Run::new(head), total: len, stage, expire_at_ms, expiry_is_behind };
        Ok(Some((long, start)))
    }

    /// The next piece, or the end.
    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>, size: usize) -> Parsed<Part> {
        loop {
            if let Stage::Body(left @ 1.., rest) = &mut self.stage
                && !rest.is_empty()
            {
                let piece = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                let behind = rest.split_off(piece);
                *left -= piece as u64;
                return Ok(Part::Bytes(std::mem::replace(rest, behind)));
            }
            if let Stage::Body(0, rest) = &self.stage {
                self.stage = Stage::Tail(rest.last().copied().unwrap_or_default());
            }
            let Some(Part::Bytes(piece)) = self.run.next(cursor, size)? else { return self.end(cursor) };
            match &mut self.stage {
                Stage::Bare => return Ok(Part::Bytes(piece)),
                Stage::Tail(last) => *last = piece.last().copied().unwrap_or(*last),
                Stage::Body(_, rest) => *rest = piece,
                Stage::Head(node, head) => {
                    head.extend(piece);
                    if head.len() >= node.head() {
                        let rest = head.split_off(node.head());
                        let len = node.element(head, self.total)?;
                        self.stage = Stage::Body(len, rest);
                        return Ok(Part::LongElement { len });
                    }
                }
            }
        }
    }

    fn end(&mut self, cursor: &mut Cursor<'_>) -> Parsed<Part> {
        if matches!(self.stage, Stage::Head(..) | Stage::Body(1.., _)) {
            return Err(Broken::Malformed("a packed value that is cut off"));
        }
        if matches!(self.stage, Stage::Tail(last) if last != END) {
            return Err(Broken::Malformed("a packed value without its end"));
        }
        let mut ahead = *cursor;
        let expire_at_ms = if self.expiry_is_behind { expiry_behind(&mut ahead)? } else { self.expire_at_ms };
        *cursor = ahead;
        Ok(Part::LongEnd { expire_at_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All parts of a list of one node, fed in pieces of `step` bytes.
    fn parts(node: Node, string: &[u8], step: usize) -> Parsed<Vec<Part>> {
        let element = if matches!(node, Node::Ziplist) { Element::Ziplist } else { Element::Node };
        let mut bytes = if matches!(node, Node::Ziplist) { vec![] } else { vec![2] };
        bytes.push(0x80);
        bytes.extend(u32::try_from(string.len()).unwrap().to_be_bytes());
        bytes.extend(string);
        let mut cursor = Cursor::new(&bytes, 0);
        let (mut long, start) = Long::start(&mut cursor, element, 16)?.expect("it is long");
        assert_eq!(start, None);
        let (mut at, mut end, mut parts) = (cursor.at, cursor.at, vec![]);
        loop {
            let mut cursor = Cursor::new(&bytes[..end], at);
            match long.next(&mut cursor, 1000) {
                Ok(part @ Part::LongEnd { .. }) => {
                    parts.push(part);
                    return Ok(parts);
                }
                Ok(part) => parts.push(part),
                Err(Broken::Need) => end = (end + step).min(bytes.len()),
                Err(broken) => return Err(broken),
            }
            at = cursor.at;
        }
    }

    fn listpack(count: u16, element: &[u8]) -> Vec<u8> {
        let len = u32::try_from(element.len()).unwrap().to_le_bytes();
        let total = (6 + 5 + element.len() as u32 + 3 + 1).to_le_bytes();
        [&total[..], &count.to_le_bytes(), &[0xf0], &len, element, &[1, 2, 3, 0xff]].concat()
    }

    fn ziplist(count: u16, element: &[u8]) -> Vec<u8> {
        let len = u32::try_from(element.len()).unwrap().to_be_bytes();
        let total = (16 + element.len() as u32 + 1).to_le_bytes();
        [&total[..], &[0; 4], &count.to_le_bytes(), &[0, 0x80], &len, element, &[0xff]].concat()
    }

    #[test]
    fn the_one_element_of_a_large_node_comes_in_pieces() {
        let element: Vec<u8> = (0..70_000u32).map(|i| (i % 251) as u8).collect();
        for step in [1, 3, 16, 5_000] {
            for parts in [
                parts(Node::Listpack, &listpack(1, &element), step).unwrap(),
                parts(Node::Ziplist, &ziplist(1, &element), step).unwrap(),
            ] {
                assert_eq!(parts.first(), Some(&Part::LongElement { len: 70_000 }));
                let bytes = parts.iter().flat_map(|part| if let Part::Bytes(b) = part { b.clone() } else { vec![] });
                assert!(bytes.eq(element.iter().copied()), "{step}");
            }
        }
    }

    #[test]
    fn a_large_node_of_several_elements_or_one_that_is_cut_off_is_refused() {
        let element = vec![7; 70_000];
        assert!(matches!(parts(Node::Listpack, &listpack(2, &element), 100), Err(Broken::TooLarge(..))));
        assert!(matches!(parts(Node::Ziplist, &ziplist(2, &element), 100), Err(Broken::TooLarge(..))));
        let cut = &listpack(1, &element)[..69_000];
        assert!(matches!(parts(Node::Listpack, cut, 100), Err(Broken::Malformed(_))));
        // One that goes on behind its element, and one that does not end as it should.
        for (node, packed) in [(Node::Listpack, listpack(1, &element)), (Node::Ziplist, ziplist(1, &element))] {
            let longer = [&packed[..], &[END; 100]].concat();
            assert!(matches!(parts(node, &longer, 100), Err(Broken::Malformed(_))));
            for step in [1, 5_000] {
                let mut endless = packed.clone();
                *endless.last_mut().unwrap() = 0;
                assert!(matches!(parts(node, &endless, step), Err(Broken::Malformed(_))));
            }
        }
    }
}
