//! One file of a spool.
//!
//! A header: `TRIBSPL1`, the replication ID (40 bytes, zeros for a snapshot's bytes), the offset before the first byte
//! (u64), CRC-32 of all this (u32). Then records: length (u32), CRC-32 of what follows (u32), Unix time of arrival in ms
//! (u64), the bytes. Numbers are little-endian. A record that is not whole, or does not match its CRC, ends the file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::Piece;
use crate::meters::unix_ms;

const MAGIC: &[u8; 8] = b"TRIBSPL1";
pub(super) const HEADER: u64 = 60;
const RECORD: usize = 16;
/// No record is longer: a piece is what one read of the socket gave.
const LONGEST: u32 = 16 << 20;

/// A file, or what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub path: PathBuf,
    /// Position before its first byte.
    pub start: u64,
    /// Position behind its last.
    pub end: u64,
    /// Its size on disk.
    pub bytes: u64,
    /// Its history; empty for a snapshot's bytes.
    pub replid: String,
}

/// Creates a file for what comes behind a position.
pub(super) fn create(path: &Path, replid: &str, offset: u64) -> io::Result<File> {
    let mut header = Vec::with_capacity(HEADER as usize);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(replid.as_bytes());
    header.resize(48, 0);
    header.extend_from_slice(&offset.to_le_bytes());
    let crc = crc32fast::hash(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(&header)?;
    Ok(file)
}

/// Appends pieces; gives the bytes that this took.
pub(super) fn append(file: &mut File, pieces: &[Piece]) -> io::Result<u64> {
    let mut out = Vec::with_capacity(pieces.iter().map(|piece| piece.bytes.len() + RECORD).sum());
    for piece in pieces {
        let length = u32::try_from(piece.bytes.len()).map_err(io::Error::other)?;
        let time = piece.arrived_ms.to_le_bytes();
        let mut crc = crc32fast::Hasher::new();
        crc.update(&time);
        crc.update(&piece.bytes);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&crc.finalize().to_le_bytes());
        out.extend_from_slice(&time);
        out.extend_from_slice(&piece.bytes);
    }
    file.write_all(&out)?;
    Ok(out.len() as u64)
}

/// Reads the pieces of one file in order.
#[derive(Debug)]
pub(super) struct Records {
    file: BufReader<File>,
    /// Size of the whole records so far, header included.
    pub whole: u64,
}

/// Opens a file: its history, the offset before its first byte, and its records.
pub(super) fn open(path: &Path) -> io::Result<(String, u64, Records)> {
    let mut file = BufReader::with_capacity(256 * 1024, File::open(path)?);
    let mut header = [0; HEADER as usize];
    file.read_exact(&mut header)?;
    let (content, crc) = header.split_at(56);
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not a file of a spool");
    if !content.starts_with(MAGIC) || crc32fast::hash(content).to_le_bytes() != crc {
        return Err(wrong());
    }
    let replid = content.get(8..48).unwrap_or_default();
    let replid = String::from_utf8(replid.iter().copied().take_while(|b| *b != 0).collect()).map_err(|_| wrong())?;
    let offset = u64::from_le_bytes(content.get(48..56).and_then(|b| b.try_into().ok()).ok_or_else(wrong)?);
    Ok((replid, offset, Records { file, whole: HEADER }))
}

impl Records {
    /// The next piece; `None` at the end, or where a record is not whole.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        let Some((length, crc)) = self.head()? else { return Ok(None) };
        let mut content = vec![0; length as usize + 8];
        if !fill(&mut self.file, &mut content)? || crc32fast::hash(&content) != crc {
            return Ok(None);
        }
        self.whole += (RECORD - 8) as u64 + content.len() as u64;
        let arrived_ms = content.first_chunk().map_or(0, |time| u64::from_le_bytes(*time));
        let age = Duration::from_millis(unix_ms(SystemTime::now()).saturating_sub(arrived_ms));
        let arrived = Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
        Ok(Some(Piece { bytes: Bytes::from(content).slice(8..), arrived_ms, arrived }))
    }

    /// Passes over a piece without looking into it; gives its length.
    pub(super) fn skip(&mut self) -> io::Result<Option<u64>> {
        let Some((length, _)) = self.head()? else { return Ok(None) };
        self.file.seek_relative(i64::from(length) + 8)?;
        self.whole += RECORD as u64 + u64::from(length);
        Ok(Some(u64::from(length)))
    }

    /// Goes back to the beginning of what was read whole, after the file has grown.
    pub(super) fn again(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.whole)).map(drop)
    }

    fn head(&mut self) -> io::Result<Option<(u32, u32)>> {
        let mut head = [0; 8];
        if !fill(&mut self.file, &mut head)? {
            return Ok(None);
        }
        let [a, b, c, d, e, f, g, h] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        Ok((length <= LONGEST).then_some((length, u32::from_le_bytes([e, f, g, h]))))
    }
}

/// Fills the buffer; false when the file ends before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: usize = 12;

    /// The pieces that a file of these bytes gives, as far as it is whole.
    fn read(path: &Path, bytes: &[u8]) -> io::Result<Vec<Bytes>> {
        std::fs::write(path, bytes)?;
        let (_, _, mut records) = open(path)?;
        std::iter::from_fn(|| records.next().transpose()).map(|piece| Ok(piece?.bytes)).collect()
    }

    #[test]
    fn a_file_that_is_torn_or_damaged_gives_only_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        let mut random = fastrand::Rng::with_seed(7);
        let mut piece = |len| Piece {
            bytes: (0..len).map(|_| random.u8(..)).collect::<Vec<_>>().into(),
            arrived_ms: 1_700_000_000_000,
            arrived: Instant::now(),
        };
        let pieces: Vec<Piece> = (0..PIECES).map(|i| piece(i * 37)).collect();
        let mut file = create(&path, &"a".repeat(40), 5).unwrap();
        append(&mut file, &pieces).unwrap();
        let sound = std::fs::read(&path).unwrap();
        let written: Vec<Bytes> = pieces.into_iter().map(|piece| piece.bytes).collect();
        assert_eq!(read(&path, &sound).unwrap(), written);
        for round in 0..2000 {
            let mut damaged = sound.clone();
            match round % 4 {
                0 => damaged.truncate(random.usize(..damaged.len())),
                1 => damaged[random.usize(..sound.len())] ^= 1 << random.u8(..8),
                2 => damaged.extend((0..random.usize(1..64)).map(|_| random.u8(..))),
                // A length of anything at all, up to 4 GB.
                _ => {
                    let at = random.usize(..sound.len() - 4);
                    damaged[at..at + 4].copy_from_slice(&random.u32(..).to_le_bytes());
                }
            }
            // A file without a sound header is none.
            let Ok(read) = read(&path, &damaged) else { continue };
            assert!(read.len() <= written.len(), "round {round}");
            assert_eq!(read, written[..read.len()], "round {round}");
        }
    }
}
