//! The packed encodings: many small elements in one string.
//!
//! Formats: ziplist.c, listpack.c, intset.c and zipmap.c of Redis. Every element comes as bytes, integers in decimal, as
//! commands would give them.

use std::borrow::Cow;

use crate::cursor::Cursor;
use crate::error::{Broken, Parsed};

/// A packed string, and how far it is read. Its elements come one by one: all of them take up to forty times the
/// memory of the string.
#[derive(Debug)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    at: usize,
    format: Format,
    /// Elements that the header announces and that were not read; `None` where it does not tell.
    left: Option<u64>,
    ended: bool,
}

/// An element as it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Item<'a> {
    Text(&'a [u8]),
    Int(i64),
}

impl Item<'_> {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.to_vec(),
            Self::Int(number) => number.to_string().into_bytes(),
        }
    }

    /// The number that it is or says.
    pub(crate) fn number(self) -> Option<i64> {
        match self {
            Self::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            Self::Int(number) => Some(number),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Ziplist,
    Listpack,
    /// Its members' width in bytes.
    Intset(u32),
    /// A field is next, or the value behind one.
    Zipmap {
        value: bool,
    },
}

impl Packed {
    /// A ziplist: total bytes and the tail's offset (4 each), the count (2), which is not exact from 65535 on.
    pub(crate) fn ziplist(string: Cow<'_, [u8]>) -> Parsed<Self> {
        let mut cursor = Cursor::new(&string, 0);
        let cut = "a ziplist that is cut off";
        let len = u32::from_le_bytes(whole(cursor.array(), cut)?);
        let tail = u32::from_le_bytes(whole(cursor.array(), cut)?);
        let count = u16::from_le_bytes(whole(cursor.array(), cut)?);
        if u64::from(len) != string.len() as u64 || tail >= len {
            return Err(Broken::Malformed("a ziplist whose header names another length"));
        }
        let left = (count != u16::MAX).then_some(u64::from(count));
        Ok(Self { at: cursor.at, bytes: string.into_owned(), format: Format::Ziplist, left, ended: false })
    }

    /// A listpack: total bytes (4) and the count (2), which is 65535 where it is not known.
    pub(crate) fn listpack(string: Cow<'_, [u8]>) -> Parsed<Self> {
        let mut cursor = Cursor::new(&string, 0);
        let len = u32::from_le_bytes(whole(cursor.array(), "a listpack that is cut off")?);
        let count = u16::from_le_bytes(whole(cursor.array(), "a listpack that is cut off")?);
        if u64::from(len) != string.len() as u64 {
            return Err(Broken::Malformed("a listpack whose header names another length"));
        }
        let left = (count != u16::MAX).then_some(u64::from(count));
        Ok(Self { at: cursor.at, bytes: string.into_owned(), format: Format::Listpack, left, ended: false })
    }

    /// An intset: the width of its members and their number (4 each).
    pub(crate) fn intset(string: Cow<'_, [u8]>) -> Parsed<Self> {
        let mut cursor = Cursor::new(&string, 0);
        let width = u32::from_le_bytes(whole(cursor.array(), "an intset that is cut off")?);
        let count = u32::from_le_bytes(whole(cursor.array(), "an intset that is cut off")?);
        if !matches!(width, 2 | 4 | 8) {
            return Err(Broken::Malformed("an intset of an unknown width"));
        }
        if u64::from(count) * u64::from(width) != cursor.left() as u64 {
            return Err(Broken::Malformed("an intset whose header names another length"));
        }
        let left = Some(u64::from(count));
        Ok(Self { at: cursor.at, bytes: string.into_owned(), format: Format::Intset(width), left, ended: false })
    }

    /// A zipmap: the number of pairs (1), which is not exact from 254 on. Fields and values come one after the other.
    pub(crate) fn zipmap(string: Cow<'_, [u8]>) -> Parsed<Self> {
        let mut cursor = Cursor::new(&string, 0);
        let count = whole(cursor.byte(), "a zipmap that is cut off")?;
        let left = (count < 254).then_some(2 * u64::from(count));
        Ok(Self {
            at: cursor.at,
            bytes: string.into_owned(),
            format: Format::Zipmap { value: false },
            left,
            ended: false,
        })
    }

    /// The next element; `None` at the end.
    pub(crate) fn next(&mut self) -> Parsed<Option<Vec<u8>>> {
        Ok(self.item()?.map(Item::into_bytes))
    }

    /// The next element as it stands; `None` at the end.
    pub(crate) fn item(&mut self) -> Parsed<Option<Item<'_>>> {
        if self.ended {
            return Ok(None);
        }
        let mut cursor = Cursor::new(&self.bytes, self.at);
        let element = match &mut self.format {
            Format::Ziplist => whole(ziplist_element(&mut cursor), "a ziplist that is cut off")?,
            Format::Listpack => whole(listpack_element(&mut cursor), "a listpack that is cut off")?,
            Format::Intset(_) if cursor.left() == 0 => None,
            Format::Intset(width) => Some(whole(member(&mut cursor, *width), "an intset that is cut off")?),
            Format::Zipmap { value } => {
                let element = whole(zipmap_element(&mut cursor, *value), "a zipmap that is cut off")?;
                *value = !*value;
                element
            }
        };
        (self.at, self.ended) = (cursor.at, element.is_none());
        let left = self.left.map(|left| left.checked_sub(u64::from(element.is_some())));
        match (left, &element) {
            (Some(None), _) | (Some(Some(1..)), None) => {
                Err(Broken::Malformed("a packed value whose header names another count"))
            }
            (left, _) => {
                self.left = left.flatten();
                Ok(element)
            }
        }
    }
}

/// Bytes that end before they should are malformed here: a packed string is whole.
fn whole<T>(parsed: Parsed<T>, what: &'static str) -> Parsed<T> {
    parsed.map_err(|broken| if broken == Broken::Need { Broken::Malformed(what) } else { broken })
}

/// The end byte was read: nothing may follow, or elements would be lost unnoticed.
fn end(cursor: &Cursor<'_>) -> Parsed<Option<Item<'static>>> {
    if cursor.left() == 0 { Ok(None) } else { Err(Broken::Malformed("a packed value with bytes behind its end")) }
}

/// A signed integer of 24 bits, little endian.
fn i24(bytes: [u8; 3]) -> i64 {
    let [a, b, c] = bytes;
    i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
}

fn ziplist_element<'a>(cursor: &mut Cursor<'a>) -> Parsed<Option<Item<'a>>> {
    match cursor.byte()? {
        0xff => return end(cursor),
        // Length of the element before: five bytes when the first says 254.
        0xfe => drop(cursor.take(4)?),
        _ => {}
    }
    let head = cursor.byte()?;
    let text = |cursor: &mut Cursor<'a>, len: usize| cursor.take(len).map(|bytes| Some(Item::Text(bytes)));
    match head {
        0x00..=0x3f => text(cursor, usize::from(head)),
        0x40..=0x7f => {
            let len = usize::from(head & 0x3f) << 8 | usize::from(cursor.byte()?);
            text(cursor, len)
        }
        0x80..=0xbf => {
            let len = u32::from_be_bytes(cursor.array()?);
            text(cursor, len as usize)
        }
        0xc0 => Ok(Some(Item::Int(i16::from_le_bytes(cursor.array()?).into()))),
        0xd0 => Ok(Some(Item::Int(i32::from_le_bytes(cursor.array()?).into()))),
        0xe0 => Ok(Some(Item::Int(i64::from_le_bytes(cursor.array()?)))),
        0xf0 => Ok(Some(Item::Int(i24(cursor.array()?)))),
        0xfe => Ok(Some(Item::Int(i8::from_le_bytes(cursor.array()?).into()))),
        0xf1..=0xfd => Ok(Some(Item::Int(i64::from(head & 0x0f) - 1))),
        _ => Err(Broken::Malformed("an unknown element in a ziplist")),
    }
}

fn listpack_element<'a>(cursor: &mut Cursor<'a>) -> Parsed<Option<Item<'a>>> {
    let start = cursor.at;
    let head = cursor.byte()?;
    let element = match head {
        0xff => return end(cursor),
        0x00..=0x7f => Item::Int(i64::from(head)),
        0x80..=0xbf => Item::Text(cursor.take(usize::from(head & 0x3f))?),
        0xc0..=0xdf => {
            // 13 bits with a sign.
            let number = i64::from(head & 0x1f) << 8 | i64::from(cursor.byte()?);
            Item::Int(if number >= 1 << 12 { number - (1 << 13) } else { number })
        }
        0xe0..=0xef => {
            let len = usize::from(head & 0x0f) << 8 | usize::from(cursor.byte()?);
            Item::Text(cursor.take(len)?)
        }
        0xf0 => {
            let len = u32::from_le_bytes(cursor.array()?);
            Item::Text(cursor.take(len as usize)?)
        }
        0xf1 => Item::Int(i16::from_le_bytes(cursor.array()?).into()),
        0xf2 => Item::Int(i24(cursor.array()?)),
        0xf3 => Item::Int(i32::from_le_bytes(cursor.array()?).into()),
        0xf4 => Item::Int(i64::from_le_bytes(cursor.array()?)),
        _ => return Err(Broken::Malformed("an unknown element in a listpack")),
    };
    // The element's length again, 7 bits a byte, for walking backwards.
    let back = match cursor.at - start {
        // The borders are one below what 7 bits a byte could hold (`lpEncodeBacklenBytes`).
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    };
    cursor.take(back)?;
    Ok(Some(element))
}

fn member(cursor: &mut Cursor<'_>, width: u32) -> Parsed<Item<'static>> {
    Ok(Item::Int(match width {
        2 => i16::from_le_bytes(cursor.array()?).into(),
        4 => i32::from_le_bytes(cursor.array()?).into(),
        _ => i64::from_le_bytes(cursor.array()?),
    }))
}

fn zipmap_element<'a>(cursor: &mut Cursor<'a>, value: bool) -> Parsed<Option<Item<'a>>> {
    let Some(len) = zipmap_length(cursor)? else {
        return if value { Err(Broken::Malformed("a zipmap that ends behind a field")) } else { end(cursor) };
    };
    // Bytes behind a value that a shorter one has left unused.
    let unused = if value { usize::from(cursor.byte()?) } else { 0 };
    let element = cursor.take(len)?;
    cursor.take(unused)?;
    Ok(Some(Item::Text(element)))
}

fn zipmap_length(cursor: &mut Cursor<'_>) -> Parsed<Option<usize>> {
    match cursor.byte()? {
        255 => Ok(None),
        254 => Ok(Some(u32::from_le_bytes(cursor.array()?) as usize)),
        len => Ok(Some(usize::from(len))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Open = fn(Cow<'_, [u8]>) -> Parsed<Packed>;

    fn read(open: Open, bytes: &[u8]) -> Parsed<Vec<Vec<u8>>> {
        let mut packed = open(bytes.into())?;
        std::iter::from_fn(|| packed.next().transpose()).collect()
    }

    fn texts(open: Open, bytes: &[u8]) -> Vec<String> {
        read(open, bytes).unwrap().into_iter().map(|e| String::from_utf8(e).unwrap()).collect()
    }

    fn listpack(count: u16, elements: &[u8]) -> Vec<u8> {
        [&(7 + elements.len() as u32).to_le_bytes()[..], &count.to_le_bytes(), elements, b"\xff"].concat()
    }

    fn ziplist(count: u16, elements: &[u8]) -> Vec<u8> {
        let head = [11 + elements.len() as u32, 10].map(u32::to_le_bytes).concat();
        [&head[..], &count.to_le_bytes(), elements, b"\xff"].concat()
    }

    #[test]
    fn a_listpack_gives_texts_and_integers() {
        let elements = b"\x05\x01\x82hi\x03\xdf\xff\x02\xc1\x00\x02\xf1\x00\x80\x03\xf2\xff\xff\xff\x04";
        let bytes = listpack(6, elements);
        assert_eq!(texts(Packed::listpack, &bytes), ["5", "hi", "-1", "256", "-32768", "-1"]);
        assert_eq!(texts(Packed::listpack, &listpack(u16::MAX, elements)).len(), 6);
        for cut in 0..bytes.len() {
            assert!(read(Packed::listpack, &bytes[..cut]).is_err());
            let rest = elements.get(..cut).unwrap_or(elements);
            assert!(read(Packed::listpack, &listpack(6, rest)[..6 + rest.len()]).is_err());
        }
    }

    #[test]
    fn no_element_is_lost_behind_one_at_the_border_of_its_back_length() {
        for (len, back) in [(16_377, 2), (16_378, 3), (16_379, 3), (2_097_145, 3), (2_097_146, 4)] {
            let mut elements = b"\xf0".to_vec();
            elements.extend(u32::try_from(len).unwrap().to_le_bytes());
            elements.extend(vec![b'v'; len]);
            // As the server writes it: the last bytes of 16383 and 2097151 are 255.
            elements.extend(vec![0xff; back]);
            elements.extend(b"\x81b\x02");
            let found = read(Packed::listpack, &listpack(2, &elements)).unwrap();
            assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [len, 1]);
        }
    }

    #[test]
    fn bytes_behind_the_end_are_refused() {
        assert!(read(Packed::listpack, &listpack(1, b"\x05\x01\xff\x05\x01")).is_err());
        assert!(read(Packed::intset, b"\x02\0\0\0\x01\0\0\0\x07\0\x08\0").is_err());
        assert!(read(Packed::zipmap, b"\x01\x01a\x01\x00x\xff\x00").is_err());
    }

    #[test]
    fn a_header_that_names_another_length_or_count_is_refused() {
        for count in [0, 1, 3] {
            assert!(read(Packed::listpack, &listpack(count, b"\x05\x01\x06\x01")).is_err(), "{count}");
            assert!(read(Packed::ziplist, &ziplist(count, b"\x00\xf2\x02\xf3")).is_err(), "{count}");
            assert!(read(Packed::zipmap, &[&[count as u8][..], b"\x01a\x01\x00x\x01b\x01\x00x\xff"].concat()).is_err());
        }
        for (at, by) in [(0, 1), (0, 255), (3, 1)] {
            let mut bytes = listpack(2, b"\x05\x01\x06\x01");
            bytes[at] = bytes[at].wrapping_add(by);
            assert!(read(Packed::listpack, &bytes).is_err());
            let mut bytes = ziplist(2, b"\x00\xf2\x02\xf3");
            bytes[at] = bytes[at].wrapping_add(by);
            assert!(read(Packed::ziplist, &bytes).is_err());
        }
    }

    #[test]
    fn a_ziplist_gives_texts_and_integers() {
        let bytes = ziplist(5, b"\x00\x02hi\x04\xf1\x02\xfe\xff\x03\xc0\x39\x30\x04\xf0\x00\x00\x80");
        assert_eq!(texts(Packed::ziplist, &bytes), ["hi", "0", "-1", "12345", "-8388608"]);
    }

    #[test]
    fn a_zipmap_gives_pairs() {
        let bytes = b"\x02\x01a\x02\x00xy\x01b\x01\x02z..\xff";
        assert_eq!(texts(Packed::zipmap, bytes), ["a", "xy", "b", "z"]);
        // From 254 pairs on the count is not exact; lengths from 254 on take five bytes.
        let long =
            [&b"\xfe\xfe\x2c\x01\0\0"[..], &[b'f'; 300], b"\xfe\x00\x01\0\0\x03", &[b'v'; 256], b"...\xff"].concat();
        assert_eq!(texts(Packed::zipmap, &long), ["f".repeat(300), "v".repeat(256)]);
    }

    #[test]
    fn an_intset_gives_integers_of_its_width() {
        assert_eq!(texts(Packed::intset, b"\x02\0\0\0\x02\0\0\0\xff\xff\x07\x00"), ["-1", "7"]);
        assert!(read(Packed::intset, b"\x02\0\0\0\x02\0\0\0\xff\xff\x07").is_err());
        assert!(read(Packed::intset, b"\x02\0\0\0\xff\xff\xff\xff").is_err());
    }
}
