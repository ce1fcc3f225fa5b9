//! The receiving end of a link that a relay compresses: gzip (RFC 1952) as it comes, with the relay's notes in the headers of
//! its members.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use tokio::io::{AsyncRead, ReadBuf};
use tributary_resp::relay::{EXTRA_ID, Note};

use crate::dial;
use crate::meters::Meters;

/// Compressed bytes that are read at once.
const WIRE: usize = 64 * 1024;
/// Bytes that are decompressed at once.
const PLAIN: usize = 64 * 1024;
/// The part of a member's header that it always has.
const HEADER: usize = 10;
/// CRC-32 and length.
const TRAILER: usize = 8;
/// The one flag that a relay sets: an extra field follows the header.
const FLAG_EXTRA: u8 = 4;
/// An extra field is not longer than this; it may hold what later relays tell.
const LONGEST_EXTRA: usize = 1024;

/// Where in a member the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Body,
    Trailer,
}

/// Decompresses what a relay sends.
pub(crate) struct Gunzip {
    relay: dial::Reader,
    meters: Arc<Meters>,
    wire: BytesMut,
    inflate: Decompress,
    crc: Crc,
    place: Place,
    /// The last piece filled all the room that there was: more may be ready without more input.
    filled: bool,
}

impl Gunzip {
    /// `read` is what was read behind the relay's answer.
    pub(crate) fn new(relay: dial::Reader, read: BytesMut, meters: Arc<Meters>) -> Self {
        meters.wire_bytes(read.len());
        let (inflate, crc) = (Decompress::new(false), Crc::new());
        Self { relay, meters, wire: read, inflate, crc, place: Place::Header, filled: false }
    }

    /// Writes what can be decompressed to `out`: how many bytes. 0 means that more has to be read first.
    fn advance(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.place {
                Place::Header => {
                    let Some((length, note)) = header(&self.wire)? else { return Ok(0) };
                    self.wire.advance(length);
                    if let Some(note) = note {
                        self.meters.update(|state| state.relay = Some(note));
                    }
                    (self.inflate, self.crc) = (Decompress::new(false), Crc::new());
                    self.place = Place::Body;
                }
                Place::Body => {
                    let produced = self.body(out)?;
                    if produced > 0 || self.place == Place::Body {
                        return Ok(produced);
                    }
                }
                Place::Trailer => {
                    let Some((sum, length)) = trailer(&self.wire) else { return Ok(0) };
                    if (sum, length) != (self.crc.sum(), self.crc.amount()) {
                        return Err(damaged("a checksum is wrong"));
                    }
                    self.wire.advance(TRAILER);
                    self.place = Place::Header;
                }
            }
        }
    }

    fn body(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.wire.is_empty() && !self.filled {
            return Ok(0);
        }
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let started = Instant::now();
        let status = self.inflate.decompress(&self.wire, out, FlushDecompress::None);
        self.meters.inflated(started.elapsed());
        let status = status.map_err(|error| damaged(&error.to_string()))?;
        // Both are bounded by the lengths of the slices.
        let consumed = (self.inflate.total_in() - before_in) as usize;
        let produced = (self.inflate.total_out() - before_out) as usize;
        self.wire.advance(consumed);
        self.crc.update(out.get(..produced).unwrap_or_default());
        self.filled = produced == out.len();
        if status == Status::StreamEnd {
            (self.place, self.filled) = (Place::Trailer, false);
        }
        Ok(produced)
    }

    /// Reads compressed bytes: how many; 0 is the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // What is left of the last piece is a part of a header or a trailer at most.
        self.wire.reserve(WIRE);
        let reading = std::pin::pin!(tokio::io::AsyncReadExt::read_buf(&mut self.relay, &mut self.wire));
        let read = ready!(reading.poll(cx))?;
        self.meters.wire_bytes(read);
        Poll::Ready(Ok(read))
    }
}

impl AsyncRead for Gunzip {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = buf.remaining().min(PLAIN);
        if room == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let produced = self.advance(buf.initialize_unfilled_to(room))?;
            if produced > 0 {
                buf.advance(produced);
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_more(cx))? == 0 {
                let whole = self.place == Place::Header && self.wire.is_empty();
                return Poll::Ready(if whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) });
            }
        }
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("what the relay sends is not gzip, or damaged: {what}"))
}

/// The length of a member's header, and the note in it; `None` while it is not whole.
fn header(bytes: &[u8]) -> io::Result<Option<(usize, Option<Note>)>> {
    const START: [u8; 3] = [0x1f, 0x8b, 8];
    let known = bytes.len().min(START.len());
    if bytes.get(..known) != START.get(..known) {
        return Err(damaged("a member does not begin as it should"));
    }
    let Some(flags) = bytes.get(3) else { return Ok(None) };
    if flags & !FLAG_EXTRA != 0 {
        return Err(damaged("a header has flags that no relay sets"));
    }
    if flags & FLAG_EXTRA == 0 {
        return Ok((bytes.len() >= HEADER).then_some((HEADER, None)));
    }
    let Some(&[low, high]) = bytes.get(HEADER..HEADER + 2) else { return Ok(None) };
    let length = usize::from(u16::from_le_bytes([low, high]));
    if length > LONGEST_EXTRA {
        return Err(damaged("a header is too long"));
    }
    let end = HEADER + 2 + length;
    Ok(bytes.get(HEADER + 2..end).map(|extra| (end, note(extra))))
}

/// The relay's note among the subfields of an extra field.
fn note(mut extra: &[u8]) -> Option<Note> {
    while let Some((&[a, b, low, high], rest)) = extra.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high]));
        let data = rest.get(..length)?;
        if [a, b] == EXTRA_ID {
            return Note::from_bytes(data);
        }
        extra = rest.get(length..)?;
    }
    None
}

/// CRC-32 and length modulo 2^32 of the data.
fn trailer(bytes: &[u8]) -> Option<(u32, u32)> {
    let (sum, rest) = bytes.split_first_chunk()?;
    let (length, _) = rest.split_first_chunk()?;
    Some((u32::from_le_bytes(*sum), u32::from_le_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::DeflateEncoder;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// A member as a relay writes it.
    fn member(data: &[u8], note: Option<Note>) -> Vec<u8> {
        let mut out = vec![0x1f, 0x8b, 8, if note.is_some() { FLAG_EXTRA } else { 0 }, 0, 0, 0, 0, 0, 255];
        if let Some(note) = note {
            let field =
                [&b"XX\x02\0ab"[..], &EXTRA_ID, &(Note::LENGTH as u16).to_le_bytes(), &note.to_bytes()].concat();
            out.extend((field.len() as u16).to_le_bytes());
            out.extend(field);
        }
        let mut deflate = DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        deflate.write_all(data).unwrap();
        out.extend(deflate.finish().unwrap());
        let mut crc = Crc::new();
        crc.update(data);
        out.extend(crc.sum().to_le_bytes());
        out.extend(crc.amount().to_le_bytes());
        out
    }

    async fn decompress(wire: &[u8], piece: usize) -> (io::Result<Vec<u8>>, Arc<Meters>) {
        let (mut theirs, ours) = tokio::io::duplex(piece);
        let meters = Arc::new(Meters::default());
        let mut gunzip = Gunzip::new(Box::new(ours), BytesMut::new(), meters.clone());
        let wire = wire.to_vec();
        let sending = tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut theirs, &wire).await });
        let mut out = Vec::new();
        let done = gunzip.read_to_end(&mut out).await;
        drop(gunzip);
        // It fails when the reader has seen enough.
        let _ = sending.await;
        (done.map(|_| out), meters)
    }

    #[tokio::test]
    async fn members_are_one_stream_however_they_are_cut() {
        let note = Note { behind: true, cpu_us: 7, bytes: 500_000, wire_bytes: 9 };
        let data: Vec<u8> = (0..500_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 & 15).collect();
        let wire = [member(&data, None), member(b"", None), member(b"end", Some(note))].concat();
        for piece in [1, 7, 100_000] {
            let (out, meters) = decompress(&wire, piece).await;
            assert!(out.unwrap() == [&data[..], b"end"].concat(), "pieces of {piece}");
            assert_eq!(meters.state().relay, Some(note));
            assert_eq!(meters.wire(), wire.len() as u64);
        }
    }

    #[tokio::test]
    async fn what_is_flushed_can_be_read_before_the_member_ends() {
        let whole = member(b"later", None);
        let mut deflate = DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        deflate.write_all(b"first").unwrap();
        deflate.flush().unwrap();
        let (mut theirs, ours) = tokio::io::duplex(4096);
        let mut gunzip = Gunzip::new(Box::new(ours), BytesMut::from(&whole[..HEADER]), Arc::new(Meters::default()));
        tokio::io::AsyncWriteExt::write_all(&mut theirs, deflate.get_ref()).await.unwrap();
        let mut out = [0; 64];
        assert_eq!(gunzip.read(&mut out).await.unwrap(), 5);
        assert_eq!(&out[..5], b"first");
    }

    #[tokio::test]
    async fn damage_is_an_error_and_never_data() {
        let whole = member(b"data", Some(Note::default()));
        for at in [0, 3, 11, whole.len() - 1, whole.len() - 8] {
            let mut wire = whole.clone();
            wire[at] ^= 0xff;
            let (out, _) = decompress(&wire, 4096).await;
            assert!(out.is_err(), "byte {at}");
        }
        let (out, _) = decompress(&whole[..whole.len() - 1], 4096).await;
        assert_eq!(out.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
