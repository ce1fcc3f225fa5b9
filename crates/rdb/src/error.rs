use crate::ValueKind;

/// Why a dump cannot be decoded. Offsets count from the dump's first byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RdbError {
    /// The first nine bytes are not a dump's.
    #[error("it does not begin as a dump of Redis or Valkey")]
    NotADump,
    /// A version that is none, or came after this decoder.
    #[error("RDB version {version} of {} is not one that this decoder knows", if *valkey { "Valkey" } else { "Redis" })]
    UnknownVersion {
        /// The version.
        version: u32,
        /// Whether it is Valkey's.
        valkey: bool,
    },
    /// A length said more than the format or this decoder's bound allows.
    #[error("length {len} at byte {offset} exceeds the limit of {limit}")]
    LengthTooLarge {
        /// The announced length, in bytes or elements.
        len: u64,
        /// Where the opcode or element that it belongs to begins.
        offset: u64,
        /// The bound.
        limit: u64,
    },
    /// An opcode that no known server writes.
    #[error("unknown opcode {opcode} at byte {offset}")]
    UnknownOpcode {
        /// The opcode.
        opcode: u8,
        /// Where it stands.
        offset: u64,
    },
    /// A value of a type that this decoder does not know.
    #[error("the key “{key}” at byte {offset} has the unknown type {type_byte}")]
    UnknownType {
        /// The type byte.
        type_byte: u8,
        /// The key, with what is not printable escaped.
        key: String,
        /// Where the object begins.
        offset: u64,
    },
    /// A value that is known but can only be restored whole, and is too large for that.
    #[error("the key “{key}” at byte {offset} ({kind}) is larger than {limit} bytes and cannot be split")]
    CannotSplit {
        /// The kind of value.
        kind: String,
        /// The key, with what is not printable escaped.
        key: String,
        /// Where the object begins.
        offset: u64,
        /// The bound in bytes.
        limit: u64,
    },
    /// A value that only its module can read, and nobody can pass over.
    #[error(
        "the key “{key}” at byte {offset} holds a value of the module type {module} in a form of before Redis 4.0's release"
    )]
    ModuleUnmarked {
        /// The type's name, nine characters.
        module: String,
        /// The key, with what is not printable escaped.
        key: String,
        /// Where the object begins.
        offset: u64,
    },
    /// Bytes that break the format.
    #[error("{what} at byte {offset}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where the opcode or element in question begins; for an element of a packed string, where that begins or ends.
        offset: u64,
    },
    /// A value that cannot be decoded.
    #[error("the value of the key “{key}”: {cause}")]
    InValue {
        /// The key, with what is not printable escaped.
        key: String,
        /// Why not.
        cause: Box<RdbError>,
    },
    /// No more bytes come, and the dump's end was not there.
    #[error("the dump is cut off at byte {offset}")]
    CutOff {
        /// How many bytes there were.
        offset: u64,
    },
    /// The checksum at the end does not fit.
    #[error("the checksum is {computed:016x}, the dump says {stored:016x}")]
    Checksum {
        /// Over the bytes that came.
        computed: u64,
        /// At the dump's end.
        stored: u64,
    },
}

impl RdbError {
    /// Whether the dump may be sound, only this decoder does not know all that is in it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(
            self,
            Self::UnknownVersion { .. }
                | Self::UnknownOpcode { .. }
                | Self::UnknownType { .. }
                | Self::CannotSplit { .. }
                | Self::ModuleUnmarked { .. }
        )
    }

    /// Why the value of a key cannot be decoded.
    pub(crate) fn in_value(key: String, cause: Self) -> Self {
        Self::InValue { key, cause: Box::new(cause) }
    }

    /// An unknown type, with its key shown.
    pub(crate) fn unknown_type(kind: ValueKind, key: &[u8], offset: u64) -> Self {
        Self::UnknownType { type_byte: kind.byte(), key: shown(key), offset }
    }
}

/// Most bytes of a key that an error shows.
const SHOWN_KEY: usize = 128;

/// A key as an error shows it.
pub(crate) fn shown(key: &[u8]) -> String {
    let mut text = key.get(..SHOWN_KEY.min(key.len())).unwrap_or_default().escape_ascii().to_string();
    if key.len() > SHOWN_KEY {
        text.push('…');
    }
    text
}

/// What a parser of part of the bytes met; [`crate::Decoder`] adds where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// More bytes are wanted.
    Need,
    /// The bytes break the format.
    Malformed(&'static str),
    /// A length passes a bound: the length and the bound.
    TooLarge(u64, u64),
}

/// The result of a parser of part of the bytes.
pub(crate) type Parsed<T> = Result<T, Broken>;
