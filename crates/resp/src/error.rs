/// Bytes that are not RESP, or that say more than a server would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RespError {
    /// A frame began with a byte that no command or reply begins with.
    #[error("expected {expected}, found byte 0x{found:02x}")]
    UnexpectedByte {
        /// What the protocol allows at this place.
        expected: &'static str,
        /// The byte that stood there.
        found: u8,
    },
    /// A length line did not hold a decimal number in range.
    #[error("invalid length in a {what} header")]
    InvalidLength {
        /// The frame whose header it was.
        what: &'static str,
    },
    /// A header or status line did not end within the bound.
    #[error("a line of more than {limit} bytes has no end")]
    LineTooLong {
        /// The bound in bytes.
        limit: usize,
    },
    /// Replies were nested deeper than any server nests them.
    #[error("replies nested deeper than {limit} levels")]
    TooDeep {
        /// The bound in levels.
        limit: usize,
    },
}
