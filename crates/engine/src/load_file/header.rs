//! What stands at a dump's beginning: who wrote it, and when.

use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use tributary_rdb::{Decoder, Event, Limits, RdbError};

use super::DumpFile;
use super::pieces::Pieces;
use crate::{ErrorKind, Failure, Product};

/// No dump has more before its first key.
const LONGEST: usize = 4 << 20;

/// What stands at a dump's beginning. What an older server did not write is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHeader {
    /// Whose format it is.
    pub product: Product,
    /// The version of the format.
    pub rdb_version: u32,
    /// The version of the server that wrote it.
    pub server_version: Option<String>,
    /// When it was written.
    pub created: Option<SystemTime>,
    /// Memory that the server used then, in bytes.
    pub used_memory: Option<u64>,
    /// Whether it is the beginning of an append only file: writes that came later stand elsewhere.
    pub begins_aof: bool,
    /// Bytes of the file; unknown of standard input.
    pub size: Option<u64>,
}

impl Default for FileHeader {
    fn default() -> Self {
        Self {
            product: Product::Redis,
            rdb_version: 0,
            server_version: None,
            created: None,
            used_memory: None,
            begins_aof: false,
            size: None,
        }
    }
}

/// Reads the beginning of a file.
///
/// # Errors
/// `file_unreadable`, or what makes it no dump.
pub async fn inspect_file(path: &Path) -> Result<FileHeader, Failure> {
    let file = DumpFile::Path(path.to_owned());
    let mut pieces = Pieces::open(&file).await?;
    let header = read(&mut pieces, &file.to_string()).await;
    pieces.close().await;
    header
}

/// Reads the header; what was taken for it comes again.
pub(super) async fn read(pieces: &mut Pieces, name: &str) -> Result<FileHeader, Failure> {
    let mut taken = BytesMut::new();
    let mut decoder = Decoder::new(Limits::default());
    let mut header = FileHeader { size: pieces.size, ..FileHeader::default() };
    loop {
        let Some(piece) = pieces.next().await? else { return Err(cut_off(name, pieces.read, decoder.offset())) };
        taken.extend_from_slice(&piece);
        decoder.feed(&piece);
        let whole = header.learn(&mut decoder).map_err(|error| damaged(name, &error, Some(&taken)))?;
        if whole || taken.len() > LONGEST {
            pieces.put_back(taken.freeze());
            return Ok(header);
        }
    }
}

impl FileHeader {
    /// Takes what the decoder has; true once data begins.
    fn learn(&mut self, decoder: &mut Decoder) -> Result<bool, RdbError> {
        while let Some(event) = decoder.next_event()? {
            match event {
                Event::Header { version, valkey } => {
                    self.rdb_version = version;
                    if valkey {
                        self.product = Product::Valkey;
                    }
                }
                Event::Aux { name, value } => self.note(&name, &String::from_utf8_lossy(&value)),
                // A module may write its own before the keys as well as behind them.
                Event::ModuleAux { .. } => {}
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    /// One note of the server (Redis' rdb.c, `rdbSaveInfoAuxFields`).
    fn note(&mut self, name: &[u8], value: &str) {
        match name {
            b"redis-ver" => self.server_version = Some(value.to_owned()),
            b"valkey-ver" => (self.product, self.server_version) = (Product::Valkey, Some(value.to_owned())),
            b"ctime" => {
                let seconds = value.parse().ok().map(Duration::from_secs);
                self.created = seconds.and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(seconds));
            }
            b"used-mem" => self.used_memory = value.parse().ok(),
            // The first name up to 6.2, the second since.
            b"aof-preamble" | b"aof-base" => self.begins_aof |= value == "1",
            _ => {}
        }
    }
}

/// A dump that does not decode. `begin` is the file's beginning, where it may be another kind of file.
pub(super) fn damaged(name: &str, error: &RdbError, begin: Option<&[u8]>) -> Failure {
    let kind = if error.is_unknown() { ErrorKind::UnknownValue } else { ErrorKind::CorruptSnapshot };
    let hint = match error {
        RdbError::NotADump => begin.map_or(NOT_A_DUMP, other_kind),
        RdbError::UnknownVersion { .. } => {
            "A newer server wrote it than this Tributary knows: install the latest version."
        }
        RdbError::CannotSplit { .. } => {
            "Make that key smaller at the server that wrote the file, or delete it, and save it again."
        }
        error if error.is_unknown() => "Delete that key at the server that wrote the file, and save it again.",
        _ => DAMAGED,
    };
    Failure { hint: hint.to_owned(), ..Failure::new(kind, name, format!("{name} cannot be read: {error}.")) }
}

/// A dump that ends before its end.
pub(super) fn cut_off(name: &str, read: u64, decoded: u64) -> Failure {
    let message = if read == 0 {
        format!("{name} is empty.")
    } else {
        format!("{name} is cut off: it ends at byte {read}, in the middle of what begins at byte {decoded}.")
    };
    Failure { hint: DAMAGED.to_owned(), ..Failure::new(ErrorKind::CorruptSnapshot, name, message) }
}

pub(super) const DAMAGED: &str =
    "The file is damaged or was not copied whole: copy it again, or take another one. redis-check-rdb tells more.";
const NOT_A_DUMP: &str = "Choose a dump of Redis or Valkey, as SAVE, BGSAVE or redis-cli --rdb write it.";

fn other_kind(begin: &[u8]) -> &'static str {
    match begin {
        [0x1f, 0x8b, ..] => "It is compressed with gzip: zcat FILE | tributary load - …, or unpack it first.",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            "It is compressed with zstd: zstdcat FILE | tributary load - …, or unpack it first."
        }
        [b'*' | b'#', ..] => {
            "It is an append only file without a dump at its beginning: have a redis-server load it, run SAVE there, and \
             load its dump.rdb."
        }
        [b'f', b'i', b'l', b'e', b' ', ..] => {
            "It is the list of an append only file's parts: the .base.rdb beside it is a dump."
        }
        _ => NOT_A_DUMP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_of_every_server_are_understood() {
        let mut header = FileHeader::default();
        header.note(b"redis-ver", "7.2.4");
        header.note(b"ctime", "1700000000");
        header.note(b"used-mem", "1234");
        header.note(b"aof-base", "0");
        assert_eq!((header.product, header.server_version.as_deref()), (Product::Redis, Some("7.2.4")));
        assert_eq!(header.created, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
        assert_eq!((header.used_memory, header.begins_aof), (Some(1234), false));
        header.note(b"valkey-ver", "8.1.0");
        header.note(b"aof-preamble", "1");
        header.note(b"ctime", "soon");
        assert_eq!((header.product, header.begins_aof, header.created), (Product::Valkey, true, None));
    }

    #[test]
    fn another_kind_of_file_is_recognized() {
        let hint = |begin: &[u8]| damaged("f", &RdbError::NotADump, Some(begin)).hint;
        assert!(hint(b"\x1f\x8b\x08").contains("gzip"));
        assert!(hint(b"*2\r\n$6\r\nSELECT").contains("append only"));
        assert!(hint(b"file appendonly.aof.1.base.rdb").contains(".base.rdb"));
        assert_eq!(hint(b"PK"), NOT_A_DUMP);
    }

    #[test]
    fn a_file_that_is_cut_off_says_where() {
        assert_eq!(cut_off("f", 0, 0).message, "f is empty.");
        assert!(cut_off("f", 100, 90).message.contains("ends at byte 100, in the middle of what begins at byte 90"));
    }
}
