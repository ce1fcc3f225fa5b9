//! The lines by which a source answers PSYNC and announces its dump.
//!
//! As in Redis' replication.c: `masterTryPartialResynchronization` and `replicationSetupSlaveForFullResync` write the
//! grant, `readSyncBulkPayload` reads the announcement.

use crate::error::RespError;
use crate::number::parse_int;

/// Bytes of a replication ID, and of the mark behind a dump of unknown length (`CONFIG_RUN_ID_SIZE` in server.h).
const ID_LEN: usize = 40;
/// Longest line that is accepted, in bytes.
const LINE_LIMIT: usize = 4096;

/// What the source granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// A snapshot comes, then the stream from behind this offset.
    Full {
        /// The history that the offset counts in.
        replid: String,
        /// Replication offset in bytes.
        offset: u64,
    },
    /// The stream goes on behind the offset that was asked for.
    Continue {
        /// The history's new name, where the source says one.
        replid: Option<String>,
    },
}

impl Grant {
    /// Reads `+FULLRESYNC <replid> <offset>`, `+CONTINUE` or `+CONTINUE <replid>`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let replid = |word: Option<&str>| word.filter(|id| is_replication_id(id)).map(str::to_owned);
        match words.next()? {
            "+FULLRESYNC" => Some(Self::Full { replid: replid(words.next())?, offset: number(words.next()?)? }),
            "+CONTINUE" => Some(Self::Continue { replid: replid(words.next()) }),
            _ => None,
        }
    }
}

/// How a source sends its dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// From a file: `$<length>`, then so many bytes.
    Length(u64),
    /// Diskless: `$EOF:<mark>`, then bytes until the mark.
    Mark([u8; ID_LEN]),
}

impl Framing {
    /// Reads the line before the dump.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix('$')?;
        match rest.strip_prefix("EOF:") {
            Some(mark) => mark.as_bytes().try_into().ok().map(Self::Mark),
            None => number(rest).map(Self::Length),
        }
    }

    /// Length of the dump in bytes, where it is announced.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Length(length) => Some(*length),
            Self::Mark(_) => None,
        }
    }

    /// Bytes that stand between a dump of `decoded` bytes and the stream; `None` when the dump ended elsewhere than
    /// it was announced to.
    #[must_use]
    pub fn trailer(&self, decoded: u64) -> Option<Vec<u8>> {
        match self {
            Self::Length(length) => (*length == decoded).then(Vec::new),
            Self::Mark(mark) => Some(mark.to_vec()),
        }
    }
}

/// Whether a text is a replication ID: 40 hexadecimal digits.
#[must_use]
pub fn is_replication_id(text: &str) -> bool {
    text.len() == ID_LEN && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The first line of `buf` that is not empty, without its end, and the bytes up to behind it. Empty lines are
/// keep-alives: without any other line, the bytes of those.
///
/// # Errors
/// When the line is longer than any that a source sends.
pub fn next_line(buf: &[u8]) -> Result<(usize, Option<String>), RespError> {
    let mut used = 0;
    loop {
        let rest = buf.get(used..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest);
        if end.unwrap_or(rest.len()) > LINE_LIMIT {
            return Err(RespError::LineTooLong { limit: LINE_LIMIT });
        }
        let Some(end) = end else { return Ok((used, None)) };
        used += end + 1;
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default());
        let line = line.trim_end();
        if !line.is_empty() {
            return Ok((used, Some(line.to_owned())));
        }
    }
}

fn number(text: &str) -> Option<u64> {
    parse_int(text.as_bytes())?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn grants_are_read_in_all_their_forms() {
        assert_eq!(Grant::parse(&format!("+FULLRESYNC {ID} 77")), Some(Grant::Full { replid: ID.into(), offset: 77 }));
        assert_eq!(Grant::parse("+CONTINUE"), Some(Grant::Continue { replid: None }));
        assert_eq!(Grant::parse(&format!("+CONTINUE {ID}")), Some(Grant::Continue { replid: Some(ID.into()) }));
        for bad in ["+FULLRESYNC x 1", "+OK", "-ERR no", "+FULLRESYNC"] {
            assert_eq!(Grant::parse(bad), None, "{bad}");
        }
        for offset in ["", "-1", "+1", "99999999999999999999", "1x"] {
            assert_eq!(Grant::parse(&format!("+FULLRESYNC {ID} {offset}")), None, "{offset}");
        }
    }

    #[test]
    fn both_framings_are_read() {
        assert_eq!(Framing::parse("$1234"), Some(Framing::Length(1234)));
        let framing = Framing::parse(&format!("$EOF:{ID}")).unwrap();
        assert_eq!(framing.trailer(9).as_deref(), Some(ID.as_bytes()));
        assert_eq!(Framing::Length(9).trailer(8), None);
        for bad in ["$EOF:short", "$x", "+OK", "", "$-1", "$+5"] {
            assert_eq!(Framing::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_are_the_same_one_byte_at_a_time() {
        let bytes = b"\n\n\r\n+CONTINUE\r\n\n$5\nREDIS";
        let mut lines = Vec::new();
        let (mut at, mut end) = (0, 0);
        while end <= bytes.len() {
            let (used, line) = next_line(&bytes[at..end]).unwrap();
            at += used;
            match line {
                Some(line) => lines.push(line),
                None => end += 1,
            }
        }
        assert_eq!(lines, ["+CONTINUE", "$5"]);
        assert_eq!(&bytes[at..], b"REDIS");
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_whether_its_end_is_there_or_not() {
        for end in ["", "\n"] {
            let line = format!("\n{}{end}", "x".repeat(LINE_LIMIT + 1));
            assert_eq!(next_line(line.as_bytes()), Err(RespError::LineTooLong { limit: LINE_LIMIT }));
        }
    }
}
