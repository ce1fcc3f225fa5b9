//! The types of values in a dump (Redis' and Valkey's rdb.h, `RDB_TYPE_*`).

/// The logical type that a user sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logical {
    /// String.
    String,
    /// List.
    List,
    /// Set.
    Set,
    /// Sorted set.
    SortedSet,
    /// Hash.
    Hash,
    /// Stream.
    Stream,
    /// A module's own type.
    Module,
}

impl Logical {
    /// The name that TYPE gives; a module's type has a name of its own.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
            Self::Module => "module",
        }
    }
}

/// The encoding of a value: a type byte, which Valkey and Redis read differently from 22 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueKind {
    byte: u8,
    valkey: bool,
}

impl ValueKind {
    /// The kind that a type byte stands for in a dump of Redis, or of Valkey 9 and later.
    #[must_use]
    pub fn new(byte: u8, valkey: bool) -> Self {
        Self { byte, valkey }
    }

    /// The type byte.
    #[must_use]
    pub fn byte(self) -> u8 {
        self.byte
    }

    /// Whether the dump is one of Valkey 9 and later.
    pub(crate) fn is_valkey(self) -> bool {
        self.valkey
    }

    pub(crate) fn encoding(self) -> Option<Encoding> {
        use Encoding as E;
        Some(match (self.byte, self.valkey) {
            (0, _) => E::String,
            (1, _) => E::List,
            (2, _) => E::Set,
            (3, _) => E::ZsetAscii,
            (4, _) => E::Hash,
            (5, _) => E::Zset,
            (7, _) => E::Module2,
            (9, _) => E::HashZipmap,
            (10, _) => E::ListZiplist,
            (11, _) => E::SetIntset,
            (12, _) => E::ZsetZiplist,
            (13, _) => E::HashZiplist,
            (14, _) => E::Quicklist,
            (15, _) => E::Stream(1),
            (16, _) => E::HashListpack,
            (17, _) => E::ZsetListpack,
            (18, _) => E::Quicklist2,
            (19, _) => E::Stream(2),
            (20, _) => E::SetListpack,
            (21, _) => E::Stream(3),
            (22, true) => E::HashValkeyTtl,
            (22, false) => E::HashTtlPreGa,
            (23, false) => E::HashListpackTtlPreGa,
            (24, false) => E::HashTtl,
            (25, false) => E::HashListpackTtl,
            _ => return None,
        })
    }

    /// The logical type; `None` for a type that is not known.
    #[must_use]
    pub fn logical(self) -> Option<Logical> {
        use Encoding as E;
        Some(match self.encoding()? {
            E::String => Logical::String,
            E::List | E::ListZiplist | E::Quicklist | E::Quicklist2 => Logical::List,
            E::Set | E::SetIntset | E::SetListpack => Logical::Set,
            E::ZsetAscii | E::Zset | E::ZsetZiplist | E::ZsetListpack => Logical::SortedSet,
            E::Stream(_) => Logical::Stream,
            E::Module2 => Logical::Module,
            _ => Logical::Hash,
        })
    }

    /// The lowest RDB version whose servers know this encoding: what the footer of a DUMP payload should say, so that
    /// the oldest server that can hold the value takes it.
    #[must_use]
    pub fn rdb_version(self) -> u16 {
        match (self.byte, self.valkey) {
            (14, _) => 7,
            (5 | 7, _) => 8,
            (15, _) => 9,
            (16..=19, _) => 10,
            (20 | 21, _) => 11,
            // Valkey refuses 12 to 79, which are Redis' alone.
            (22.., true) => 80,
            (22.., false) => 12,
            _ => 6,
        }
    }
}

/// The encodings by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    String,
    List,
    Set,
    ZsetAscii,
    Zset,
    Hash,
    Module2,
    HashZipmap,
    ListZiplist,
    SetIntset,
    ZsetZiplist,
    HashZiplist,
    Quicklist,
    Quicklist2,
    HashListpack,
    ZsetListpack,
    SetListpack,
    HashTtlPreGa,
    HashListpackTtlPreGa,
    HashTtl,
    HashListpackTtl,
    HashValkeyTtl,
    /// Generation 1, 2 or 3.
    Stream(u8),
}
