//! A module's value, which only the module can read: its bytes as the dump has them, in pieces of bounded size.

use crate::cursor::{Cursor, StringHead};
use crate::error::{Broken, Parsed};
use crate::part::Part;
use crate::skim::module_value;

/// Walks over one value of a module and gives all of its bytes.
#[derive(Debug)]
pub(crate) struct Opaque(Stage);

/// What comes next.
#[derive(Debug)]
enum Stage {
    /// The type's ID.
    Id,
    /// One of the values behind it, or the opcode that ends them.
    Values,
    /// So many bytes of a string.
    Bytes(u64),
    End,
}

/// The opcode before a string (Redis' rdb.h, `RDB_MODULE_OPCODE_STRING`).
const STRING: u64 = 5;

impl Opaque {
    pub(crate) fn new() -> Self {
        Self(Stage::Id)
    }

    /// The next piece, of at most about `size` bytes; `None` at the end.
    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>, size: usize) -> Parsed<Option<Part>> {
        let mut piece = Vec::new();
        while piece.len() < size && !matches!(self.0, Stage::End) {
            match self.step(cursor, size - piece.len()) {
                Ok(bytes) => piece.extend_from_slice(bytes),
                Err(Broken::Need) if !piece.is_empty() => break,
                Err(broken) => return Err(broken),
            }
        }
        Ok((!piece.is_empty()).then_some(Part::Opaque(piece)))
    }

    fn step<'a>(&mut self, cursor: &mut Cursor<'a>, most: usize) -> Parsed<&'a [u8]> {
        let mut ahead = *cursor;
        let next = match self.0 {
            Stage::Id => {
                ahead.length()?;
                Stage::Values
            }
            Stage::Values => values(&mut ahead)?,
            Stage::Bytes(left) => {
                let available = (ahead.left().min(most) as u64).min(left);
                if available == 0 {
                    return Err(Broken::Need);
                }
                ahead.take(usize::try_from(available).map_err(|_| Broken::Need)?)?;
                if left > available { Stage::Bytes(left - available) } else { Stage::Values }
            }
            Stage::End => Stage::End,
        };
        self.0 = next;
        cursor.take(ahead.at - cursor.at)
    }
}

/// Passes over one value, of a string over what stands before its bytes.
fn values(cursor: &mut Cursor<'_>) -> Parsed<Stage> {
    let mut ahead = *cursor;
    if ahead.length()? != STRING {
        return Ok(if module_value(cursor)? { Stage::Values } else { Stage::End });
    }
    let stage = match ahead.string_head()? {
        StringHead::Raw(0) | StringHead::Lzf(0, _) | StringHead::Int(_) => Stage::Values,
        StringHead::Raw(length) | StringHead::Lzf(length, _) => Stage::Bytes(length),
    };
    *cursor = ahead;
    Ok(stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ID, a number, a float, a double, a string in three forms, the end.
    const VALUE: &[u8] =
        b"\x81\x01\x02\x03\x04\x05\x06\x07\x08\x02\x05\x03abcd\x0412345678\x05\x04text\x05\xc0\x09\x05\x00\x05\xc3\x03\x05\x01ab\x00";

    #[test]
    fn all_bytes_come_out_as_they_are_whatever_the_pieces() {
        for (step, size) in [(1, 1), (1, 100), (3, 2), (7, 5), (VALUE.len(), 4), (VALUE.len(), 1000)] {
            let (mut opaque, mut bytes, mut at, mut end) = (Opaque::new(), vec![], 0, 0);
            loop {
                let mut cursor = Cursor::new(&VALUE[..end], at);
                match opaque.next(&mut cursor, size) {
                    Ok(Some(Part::Opaque(piece))) => bytes.extend(piece),
                    Ok(None) => break,
                    Err(Broken::Need) => end = (end + step).min(VALUE.len()),
                    other => panic!("{other:?}"),
                }
                at = cursor.at;
            }
            assert_eq!(bytes, VALUE, "{step} {size}");
        }
    }

    #[test]
    fn an_opcode_that_is_none_is_refused() {
        let mut cursor = Cursor::new(b"\x01\x09", 0);
        let mut opaque = Opaque::new();
        assert!(matches!(opaque.next(&mut cursor, 1), Ok(Some(_))));
        assert!(matches!(opaque.next(&mut cursor, 1), Err(Broken::Malformed(_))));
    }
}
