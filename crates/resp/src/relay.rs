//! What a console and a relay say to each other before and within a compressed link.
//!
//! The first command on a connection may ask for compression: `REPLCONF tributary-gzip 6`. A relay answers `+OK`, and from the
//! next byte on all that it sends is one gzip stream (RFC 1952) of one or more members. The header of each member carries a
//! [`Note`] as an extra field. Any other first command makes the relay a plain proxy. A Redis server answers an error: it
//! knows no such option, or wants a password first.

mod opening;

pub use opening::{Opening, Seen};

use crate::write;

/// The level that consoles ask for.
pub const LEVEL: u32 = 6;

/// The option of REPLCONF.
const OPTION: &[u8] = b"tributary-gzip";

/// The longest first command that can still be a request, in bytes.
pub const LONGEST_REQUEST: usize = 64;

/// What a relay answers to a request that it grants.
pub const GRANTED: &[u8] = b"+OK\r\n";

/// The request for compression with this level, as a RESP command.
#[must_use]
pub fn request(level: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(LONGEST_REQUEST);
    write::array_header(&mut out, 3);
    write::bulk(&mut out, b"REPLCONF");
    write::bulk(&mut out, OPTION);
    write::bulk_int(&mut out, i64::from(level));
    out
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preface {
    /// They may become a request; more bytes will tell.
    Unfinished,
    /// A request for this level, which took so many bytes.
    Request {
        /// 1 to 9.
        level: u32,
        /// The length of the request.
        length: usize,
    },
    /// Something else, which belongs to the upstream.
    Other,
}

/// Looks at the first bytes of a connection. A request has one form only, the one that [`request`] writes: a client that writes
/// it in another is not a console.
#[must_use]
pub fn preface(bytes: &[u8]) -> Preface {
    let mut unfinished = false;
    for level in 1..=9 {
        let form = request(level);
        if bytes.starts_with(&form) {
            return Preface::Request { level, length: form.len() };
        }
        unfinished |= form.starts_with(bytes);
    }
    if unfinished { Preface::Unfinished } else { Preface::Other }
}

/// What a relay tells of a link in the header of each gzip member: 25 bytes, all numbers little-endian.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Note {
    /// The upstream sends faster than this relay compresses: its socket has been waiting for the compressor.
    pub behind: bool,
    /// Processor time spent on compressing this link so far, in microseconds.
    pub cpu_us: u64,
    /// Bytes that the upstream sent over this link so far.
    pub bytes: u64,
    /// Bytes that they became.
    pub wire_bytes: u64,
}

/// The identification of the extra field (RFC 1952, 2.3.1.1).
pub const EXTRA_ID: [u8; 2] = *b"TR";

impl Note {
    /// The length of the field's data.
    pub const LENGTH: usize = 25;

    /// The data of the extra field.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut out = [0; Self::LENGTH];
        out[0] = u8::from(self.behind);
        out[1..9].copy_from_slice(&self.cpu_us.to_le_bytes());
        out[9..17].copy_from_slice(&self.bytes.to_le_bytes());
        out[17..25].copy_from_slice(&self.wire_bytes.to_le_bytes());
        out
    }

    /// Reads the data of the extra field; `None` when it is shorter. What a later version adds behind it is left alone.
    #[must_use]
    pub fn from_bytes(data: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_le_bytes(data.get(at..at + 8)?.try_into().ok()?));
        let behind = data.first()? & 1 == 1;
        Some(Self { behind, cpu_us: number(1)?, bytes: number(9)?, wire_bytes: number(17)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_when_its_last_byte_is_there() {
        let form = request(LEVEL);
        assert_eq!(form, b"*3\r\n$8\r\nREPLCONF\r\n$14\r\ntributary-gzip\r\n$1\r\n6\r\n");
        assert!(form.len() <= LONGEST_REQUEST);
        for end in 0..form.len() {
            assert_eq!(preface(&form[..end]), Preface::Unfinished, "{end}");
        }
        let more = [&form[..], b"*1\r\n$4\r\nPING\r\n"].concat();
        assert_eq!(preface(&more), Preface::Request { level: 6, length: form.len() });
    }

    #[test]
    fn anything_else_is_the_upstreams() {
        for other in
            [&b"PING\r\n"[..], b"*1\r\n$4\r\nPING\r\n", &request(0), &request(10), b"\0\xff", b"*3\r\n$8\r\nreplconf"]
        {
            assert_eq!(preface(other), Preface::Other, "{}", other.escape_ascii());
        }
    }

    #[test]
    fn a_note_comes_back_as_it_went() {
        let note = Note { behind: true, cpu_us: 1, bytes: u64::MAX, wire_bytes: 3 };
        assert_eq!(Note::from_bytes(&note.to_bytes()), Some(note));
        assert_eq!(Note::from_bytes(&note.to_bytes()[..24]), None);
    }
}
