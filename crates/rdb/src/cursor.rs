//! Reads the small parts that everything in a dump is made of (Redis' rdb.c: `rdbLoadLen`, `rdbGenericLoadStringObject`).

use std::borrow::Cow;

use crate::error::{Broken, Parsed};
use crate::lzf;

/// Longest string that is held in one piece.
pub(crate) const STRING_LIMIT: u64 = 32 << 20;
/// Longest string at all: proto-max-bulk-len can be set to any 64-bit number, a terabyte is beyond use.
const LENGTH_LIMIT: u64 = 1 << 40;
/// Most elements of a collection: with what a server needs for each, they are terabytes.
const COUNT_LIMIT: u64 = 1 << 36;

/// A position in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

/// How a string stands in the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StringHead {
    /// So many bytes follow.
    Raw(u64),
    /// An integer.
    Int(i64),
    /// LZF: compressed and original length.
    Lzf(u64, u64),
}

impl StringHead {
    /// Length of the string in bytes.
    pub(crate) fn len(self) -> u64 {
        match self {
            Self::Raw(length) | Self::Lzf(_, length) => length,
            Self::Int(number) => number.to_string().len() as u64,
        }
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn take(&mut self, len: usize) -> Parsed<&'a [u8]> {
        let end = self.at.checked_add(len).ok_or(Broken::Need)?;
        let taken = self.bytes.get(self.at..end).ok_or(Broken::Need)?;
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Broken::Need)
    }

    pub(crate) fn byte(&mut self) -> Parsed<u8> {
        let byte = self.bytes.get(self.at).copied().ok_or(Broken::Need)?;
        self.at += 1;
        Ok(byte)
    }

    /// A length, or the number of a special encoding.
    #[inline]
    fn length_or_encoding(&mut self) -> Parsed<(u64, bool)> {
        let first = self.byte()?;
        // Most lengths are below 64.
        if first < 0x40 {
            return Ok((u64::from(first), false));
        }
        self.longer(first)
    }

    fn longer(&mut self, first: u8) -> Parsed<(u64, bool)> {
        Ok(match (first >> 6, first) {
            (1, _) => (u64::from(first & 0x3f) << 8 | u64::from(self.byte()?), false),
            (3, _) => (u64::from(first & 0x3f), true),
            (_, 0x80) => (u64::from(u32::from_be_bytes(self.array()?)), false),
            (_, 0x81) => (u64::from_be_bytes(self.array()?), false),
            _ => return Err(Broken::Malformed("an unknown form of length")),
        })
    }

    /// A number of elements.
    pub(crate) fn count(&mut self) -> Parsed<u64> {
        let count = self.length()?;
        if count > COUNT_LIMIT { Err(Broken::TooLarge(count, COUNT_LIMIT)) } else { Ok(count) }
    }

    /// A length.
    pub(crate) fn length(&mut self) -> Parsed<u64> {
        match self.length_or_encoding()? {
            (length, false) => Ok(length),
            (_, true) => Err(Broken::Malformed("an encoding where a length should be")),
        }
    }

    /// The beginning of a string: how many bytes follow, or the string itself when it is an integer.
    #[inline]
    pub(crate) fn string_head(&mut self) -> Parsed<StringHead> {
        match self.length_or_encoding()? {
            (length, false) if length <= LENGTH_LIMIT => Ok(StringHead::Raw(length)),
            (length, false) => Err(Broken::TooLarge(length, LENGTH_LIMIT)),
            (encoding, true) => self.encoded_head(encoding),
        }
    }

    fn encoded_head(&mut self, encoding: u64) -> Parsed<StringHead> {
        let head = match encoding {
            0 => StringHead::Int(i64::from(i8::from_le_bytes(self.array()?))),
            1 => StringHead::Int(i64::from(i16::from_le_bytes(self.array()?))),
            2 => StringHead::Int(i64::from(i32::from_le_bytes(self.array()?))),
            3 => StringHead::Lzf(self.length()?, self.length()?),
            _ => return Err(Broken::Malformed("an unknown encoding of a string")),
        };
        match head {
            StringHead::Lzf(compressed, length) if compressed.max(length) > LENGTH_LIMIT => {
                Err(Broken::TooLarge(compressed.max(length), LENGTH_LIMIT))
            }
            StringHead::Lzf(compressed, length) if length > compressed.saturating_mul(lzf::MOST) => {
                Err(Broken::Malformed("a compressed string that announces more than it can hold"))
            }
            _ => Ok(head),
        }
    }

    /// A whole string, decoded.
    pub(crate) fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        let mut ahead = *self;
        let string = match ahead.string_head()? {
            StringHead::Raw(length) => Cow::Borrowed(ahead.take(bounded(length)?)?),
            StringHead::Int(number) => Cow::Owned(number.to_string().into_bytes()),
            StringHead::Lzf(compressed, length) => {
                let bytes = ahead.take(bounded(compressed)?)?;
                Cow::Owned(lzf::decompress(bytes, bounded(length)?)?)
            }
        };
        self.at = ahead.at;
        Ok(string)
    }

    /// Passes over a string that is to be held in one piece.
    pub(crate) fn skip_bounded(&mut self) -> Parsed<()> {
        self.skip(STRING_LIMIT)
    }

    /// Passes over a string.
    #[inline]
    pub(crate) fn skip_string(&mut self) -> Parsed<()> {
        self.skip(u64::MAX)
    }

    #[inline]
    fn skip(&mut self, limit: u64) -> Parsed<()> {
        let mut ahead = *self;
        let length = match ahead.string_head()? {
            StringHead::Raw(length) | StringHead::Lzf(length, _) => length,
            StringHead::Int(_) => 0,
        };
        if length > limit {
            return Err(Broken::TooLarge(length, limit));
        }
        ahead.take(usize::try_from(length).map_err(|_| Broken::Need)?)?;
        *self = ahead;
        Ok(())
    }
}

/// A length that fits into one piece.
pub(crate) fn bounded(length: u64) -> Parsed<usize> {
    match usize::try_from(length) {
        Ok(fits) if length <= STRING_LIMIT => Ok(fits),
        _ => Err(Broken::TooLarge(length, STRING_LIMIT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_five_forms() {
        for (bytes, want) in [
            (&[0x3f][..], 63),
            (&[0x42, 0x03], 0x203),
            (&[0x80, 0, 1, 0, 0], 0x10000),
            (&[0x81, 0, 0, 0, 1, 0, 0, 0, 0], 1 << 32),
        ] {
            assert_eq!(Cursor::new(bytes, 0).length(), Ok(want));
            for cut in 0..bytes.len() {
                assert_eq!(Cursor::new(&bytes[..cut], 0).length(), Err(Broken::Need));
            }
        }
        assert!(matches!(Cursor::new(&[0x82], 0).length(), Err(Broken::Malformed(_))));
        assert!(matches!(Cursor::new(&[0xc0, 1], 0).length(), Err(Broken::Malformed(_))));
    }

    #[test]
    fn strings_are_raw_integers_or_compressed() {
        assert_eq!(Cursor::new(b"\x03abc", 0).string().unwrap(), &b"abc"[..]);
        assert_eq!(Cursor::new(b"\xc0\x9c", 0).string().unwrap(), &b"-100"[..]);
        assert_eq!(Cursor::new(b"\xc1\x18\x79", 0).string().unwrap(), &b"31000"[..]);
        assert_eq!(Cursor::new(b"\xc2\x00\x94\x35\x77", 0).string().unwrap(), &b"2000000000"[..]);
        assert_eq!(Cursor::new(b"\x05abc", 0).string(), Err(Broken::Need));
        assert!(matches!(Cursor::new(&[0x81, 1, 0, 0, 0, 0, 0, 0, 0], 0).string(), Err(Broken::TooLarge(..))));
    }
}
