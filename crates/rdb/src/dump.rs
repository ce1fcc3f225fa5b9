//! Writes DUMP payloads, as RESTORE takes them (Redis' cluster.c, `createDumpPayload`):
//! type byte, value, RDB version in 2 bytes and CRC64 in 8, both little endian.

use crate::ValueKind;
use crate::crc::Crc;

/// Bytes of a payload beside the value.
const FRAME: usize = 1 + 2 + 8;

/// Length of the payload of a value of so many bytes.
#[must_use]
pub fn payload_len(raw: usize) -> usize {
    raw + FRAME
}

/// Appends the payload of a value. Its version is the lowest that knows the encoding, so that the oldest server that can
/// hold the value takes it.
pub fn write_payload(out: &mut Vec<u8>, kind: ValueKind, raw: &[u8]) {
    out.reserve(payload_len(raw.len()));
    out.push(kind.byte());
    out.extend_from_slice(raw);
    let mut footer = Footer::new(kind);
    footer.update(raw);
    out.extend_from_slice(&footer.bytes());
}

/// What stands behind the value of a payload that is written piece by piece: the type byte, which begins it, and the
/// value's bytes are counted as they come.
#[derive(Debug)]
pub struct Footer {
    kind: ValueKind,
    crc: Crc,
}

impl Footer {
    /// For a value of which nothing has come yet.
    #[must_use]
    pub fn new(kind: ValueKind) -> Self {
        let mut crc = Crc::default();
        crc.update(&[kind.byte()]);
        Self { kind, crc }
    }

    /// Counts bytes of the value.
    pub fn update(&mut self, raw: &[u8]) {
        self.crc.update(raw);
    }

    /// The footer of the payload whose bytes were counted.
    #[must_use]
    pub fn bytes(mut self) -> [u8; FRAME - 1] {
        let version = self.kind.rdb_version().to_le_bytes();
        self.crc.update(&version);
        let mut bytes = [0; FRAME - 1];
        let sum = self.crc.value().to_le_bytes();
        bytes.iter_mut().zip(version.into_iter().chain(sum)).for_each(|(to, byte)| *to = byte);
        bytes
    }
}

/// A payload once more with this version; `None` where it has it, or is no payload.
#[must_use]
pub fn with_version(payload: &[u8], version: u16) -> Option<Vec<u8>> {
    let (content, footer) = payload.split_at_checked(payload.len().checked_sub(FRAME - 1)?)?;
    if footer.starts_with(&version.to_le_bytes()) {
        return None;
    }
    let mut out = content.to_vec();
    out.extend_from_slice(&version.to_le_bytes());
    let mut crc = Crc::default();
    crc.update(&out);
    out.extend_from_slice(&crc.value().to_le_bytes());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_what_a_server_gives() {
        // DUMP of SET k 10 in the documentation of DUMP, a server of RDB version 9.
        let mut crc = Crc::default();
        crc.update(b"\x00\xc0\n\t\x00");
        assert_eq!(crc.value().to_le_bytes(), *b"\xbem\x06\x89Z(\x00\n");
        let mut out = Vec::new();
        write_payload(&mut out, ValueKind::new(0, false), b"\xc0\n");
        assert_eq!(out[..5], *b"\x00\xc0\n\x06\x00");
        assert_eq!(out.len(), payload_len(2));
        let other = with_version(b"\x00\xc0\n\t\x00\xbem\x06\x89Z(\x00\n", 6).unwrap();
        assert_eq!(other, out);
        assert_eq!(with_version(&out, 6), None);
        assert_eq!(with_version(b"short", 6), None);
    }
}
