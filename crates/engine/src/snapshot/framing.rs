/// Bytes of the mark behind a dump of unknown length (`CONFIG_RUN_ID_SIZE` in Redis' server.h).
const MARK_LEN: usize = 40;

/// How a source sends its dump (Redis' replication.c, `readSyncBulkPayload`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Framing {
    /// From a file: `$<length>`, then so many bytes.
    Length(u64),
    /// Diskless: `$EOF:<mark>`, then bytes until the mark.
    Mark([u8; MARK_LEN]),
}

impl Framing {
    /// Reads the line before the dump.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix('$')?;
        match rest.strip_prefix("EOF:") {
            Some(mark) => mark.as_bytes().try_into().ok().map(Self::Mark),
            None => rest.parse().ok().map(Self::Length),
        }
    }

    /// Length of the dump, where it is announced.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Length(length) => Some(*length),
            Self::Mark(_) => None,
        }
    }

    /// Bytes that stand between a dump of `decoded` bytes and the stream; `None` when the dump ended elsewhere than
    /// it was announced to.
    pub(crate) fn trailer(&self, decoded: u64) -> Option<Vec<u8>> {
        match self {
            Self::Length(length) => (*length == decoded).then(Vec::new),
            Self::Mark(mark) => Some(mark.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_framings_are_read() {
        assert_eq!(Framing::parse("$1234"), Some(Framing::Length(1234)));
        let mark = "0123456789012345678901234567890123456789";
        let framing = Framing::parse(&format!("$EOF:{mark}")).unwrap();
        assert_eq!(framing.trailer(9).as_deref(), Some(mark.as_bytes()));
        assert_eq!(Framing::Length(9).trailer(8), None);
        for bad in ["$EOF:short", "$x", "+OK", ""] {
            assert_eq!(Framing::parse(bad), None, "{bad}");
        }
    }
}
