//! The frame of a gzip member (RFC 1952): header with the relay's note, trailer.

use flate2::Crc;
use tributary_resp::relay::{EXTRA_ID, Note};

/// Appends the header of a member that carries `note`.
pub(crate) fn header(out: &mut Vec<u8>, note: Note) {
    // Deflate; an extra field follows; no time; no hint of the level; any operating system.
    out.extend_from_slice(&[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255]);
    let data = note.to_bytes();
    // Both lengths are a few bytes.
    out.extend_from_slice(&(data.len() as u16 + 4).to_le_bytes());
    out.extend_from_slice(&EXTRA_ID);
    out.extend_from_slice(&(data.len() as u16).to_le_bytes());
    out.extend_from_slice(&data);
}

/// Appends the trailer.
pub(crate) fn trailer(out: &mut Vec<u8>, crc: &Crc) {
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
}
