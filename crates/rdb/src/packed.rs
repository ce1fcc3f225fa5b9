//! The packed encodings: many small elements in one string.
//!
//! Formats: ziplist.c, listpack.c, intset.c and zipmap.c of Redis. Each reader gives every element as bytes, integers in
//! decimal, as commands would give them.

use crate::cursor::Cursor;
use crate::error::{Broken, Parsed};

/// Elements of a packed string.
pub(crate) type Elements = Vec<Vec<u8>>;

/// Bytes that end before they should are malformed here: a packed string is whole.
fn whole<T>(parsed: Parsed<T>, what: &'static str) -> Parsed<T> {
    parsed.map_err(|broken| if broken == Broken::Need { Broken::Malformed(what) } else { broken })
}

/// The end byte was read: nothing may follow, or elements would be lost unnoticed.
fn end<T>(cursor: &Cursor<'_>) -> Parsed<Option<T>> {
    if cursor.left() == 0 { Ok(None) } else { Err(Broken::Malformed("a packed value with bytes behind its end")) }
}

fn decimal(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// A signed integer of 24 bits, little endian.
fn i24(bytes: [u8; 3]) -> i64 {
    let [a, b, c] = bytes;
    i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
}

/// The elements of a ziplist.
pub(crate) fn ziplist(bytes: &[u8]) -> Parsed<Elements> {
    // Total bytes and the tail's offset (4 each), the count (2).
    let mut cursor = Cursor::new(bytes, 10);
    let mut elements = Vec::new();
    loop {
        match whole(ziplist_element(&mut cursor), "a ziplist that is cut off")? {
            Some(element) => elements.push(element),
            None => return Ok(elements),
        }
    }
}

fn ziplist_element(cursor: &mut Cursor<'_>) -> Parsed<Option<Vec<u8>>> {
    match cursor.byte()? {
        0xff => return end(cursor),
        // Length of the element before: five bytes when the first says 254.
        0xfe => drop(cursor.take(4)?),
        _ => {}
    }
    let head = cursor.byte()?;
    let text = |cursor: &mut Cursor<'_>, len: usize| cursor.take(len).map(|bytes| Some(bytes.to_vec()));
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
        0xc0 => Ok(Some(decimal(i16::from_le_bytes(cursor.array()?).into()))),
        0xd0 => Ok(Some(decimal(i32::from_le_bytes(cursor.array()?).into()))),
        0xe0 => Ok(Some(decimal(i64::from_le_bytes(cursor.array()?)))),
        0xf0 => Ok(Some(decimal(i24(cursor.array()?)))),
        0xfe => Ok(Some(decimal(i8::from_le_bytes(cursor.array()?).into()))),
        0xf1..=0xfd => Ok(Some(decimal(i64::from(head & 0x0f) - 1))),
        _ => Err(Broken::Malformed("an unknown element in a ziplist")),
    }
}

/// The elements of a listpack.
pub(crate) fn listpack(bytes: &[u8]) -> Parsed<Elements> {
    // Total bytes (4) and the count (2).
    let mut cursor = Cursor::new(bytes, 6);
    let mut elements = Vec::new();
    loop {
        match whole(listpack_element(&mut cursor), "a listpack that is cut off")? {
            Some(element) => elements.push(element),
            None => return Ok(elements),
        }
    }
}

fn listpack_element(cursor: &mut Cursor<'_>) -> Parsed<Option<Vec<u8>>> {
    let start = cursor.at;
    let head = cursor.byte()?;
    let element = match head {
        0xff => return end(cursor),
        0x00..=0x7f => decimal(i64::from(head)),
        0x80..=0xbf => cursor.take(usize::from(head & 0x3f))?.to_vec(),
        0xc0..=0xdf => {
            // 13 bits with a sign.
            let number = i64::from(head & 0x1f) << 8 | i64::from(cursor.byte()?);
            decimal(if number >= 1 << 12 { number - (1 << 13) } else { number })
        }
        0xe0..=0xef => {
            let len = usize::from(head & 0x0f) << 8 | usize::from(cursor.byte()?);
            cursor.take(len)?.to_vec()
        }
        0xf0 => {
            let len = u32::from_le_bytes(cursor.array()?);
            cursor.take(len as usize)?.to_vec()
        }
        0xf1 => decimal(i16::from_le_bytes(cursor.array()?).into()),
        0xf2 => decimal(i24(cursor.array()?)),
        0xf3 => decimal(i32::from_le_bytes(cursor.array()?).into()),
        0xf4 => decimal(i64::from_le_bytes(cursor.array()?)),
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

/// The members of an intset.
pub(crate) fn intset(bytes: &[u8]) -> Parsed<Elements> {
    let cut = "an intset that is cut off";
    let mut cursor = Cursor::new(bytes, 0);
    let width = u32::from_le_bytes(whole(cursor.array(), cut)?);
    let count = u32::from_le_bytes(whole(cursor.array(), cut)?);
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(decimal(match width {
            2 => i16::from_le_bytes(whole(cursor.array(), cut)?).into(),
            4 => i32::from_le_bytes(whole(cursor.array(), cut)?).into(),
            8 => i64::from_le_bytes(whole(cursor.array(), cut)?),
            _ => return Err(Broken::Malformed("an intset of an unknown width")),
        }));
    }
    end::<()>(&cursor)?;
    Ok(members)
}

/// Fields and values of a zipmap, one after the other.
pub(crate) fn zipmap(bytes: &[u8]) -> Parsed<Elements> {
    // The count (1), which is not exact from 254 on.
    let mut cursor = Cursor::new(bytes, 1);
    let mut elements = Vec::new();
    loop {
        match whole(zipmap_pair(&mut cursor), "a zipmap that is cut off")? {
            Some(pair) => elements.extend(pair),
            None => return Ok(elements),
        }
    }
}

fn zipmap_pair(cursor: &mut Cursor<'_>) -> Parsed<Option<[Vec<u8>; 2]>> {
    let Some(len) = zipmap_length(cursor)? else { return end(cursor) };
    let field = cursor.take(len)?.to_vec();
    let len = zipmap_length(cursor)?.ok_or(Broken::Malformed("a zipmap that ends behind a field"))?;
    let unused = usize::from(cursor.byte()?);
    let value = cursor.take(len)?.to_vec();
    cursor.take(unused)?;
    Ok(Some([field, value]))
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

    fn texts(elements: Elements) -> Vec<String> {
        elements.into_iter().map(|e| String::from_utf8(e).unwrap()).collect()
    }

    #[test]
    fn a_listpack_gives_texts_and_integers() {
        let bytes = b"\x00\x00\x00\x00\x06\x00\x05\x01\x82hi\x03\xdf\xff\x02\xc1\x00\x02\xf1\x00\x80\x03\xf2\xff\xff\xff\x04\xff";
        assert_eq!(texts(listpack(bytes).unwrap()), ["5", "hi", "-1", "256", "-32768", "-1"]);
        for cut in 0..bytes.len() {
            assert!(listpack(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn no_element_is_lost_behind_one_at_the_border_of_its_back_length() {
        for (len, back) in [(16_377, 2), (16_378, 3), (16_379, 3), (2_097_145, 3), (2_097_146, 4)] {
            let mut bytes = b"\0\0\0\0\x02\0\xf0".to_vec();
            bytes.extend(u32::try_from(len).unwrap().to_le_bytes());
            bytes.extend(vec![b'v'; len]);
            // As the server writes it: the last bytes of 16383 and 2097151 are 255.
            bytes.extend(vec![0xff; back]);
            bytes.extend(b"\x81b\x02\xff");
            let elements = listpack(&bytes).unwrap();
            assert_eq!(elements.iter().map(Vec::len).collect::<Vec<_>>(), [len, 1]);
        }
    }

    #[test]
    fn bytes_behind_the_end_are_refused() {
        assert!(listpack(b"\0\0\0\0\x01\0\x05\x01\xff\x05\x01\xff").is_err());
        assert!(intset(b"\x02\0\0\0\x01\0\0\0\x07\0\x08\0").is_err());
        assert!(zipmap(b"\x01\x01a\x01\x00x\xff\x00").is_err());
    }

    #[test]
    fn a_ziplist_gives_texts_and_integers() {
        let bytes = b"\0\0\0\0\0\0\0\0\0\0\x00\x02hi\x04\xf1\x02\xfe\xff\x03\xc0\x39\x30\x04\xf0\x00\x00\x80\xff";
        assert_eq!(texts(ziplist(bytes).unwrap()), ["hi", "0", "-1", "12345", "-8388608"]);
    }

    #[test]
    fn a_zipmap_gives_pairs() {
        let bytes = b"\x02\x01a\x02\x00xy\x01b\x01\x02z..\xff";
        assert_eq!(texts(zipmap(bytes).unwrap()), ["a", "xy", "b", "z"]);
    }

    #[test]
    fn an_intset_gives_integers_of_its_width() {
        assert_eq!(texts(intset(b"\x02\0\0\0\x02\0\0\0\xff\xff\x07\x00").unwrap()), ["-1", "7"]);
        assert!(intset(b"\x02\0\0\0\x02\0\0\0\xff\xff\x07").is_err());
        assert!(intset(b"\x02\0\0\0\xff\xff\xff\xff").is_err());
    }
}
