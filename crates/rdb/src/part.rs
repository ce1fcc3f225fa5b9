//! The logical content of a value, in parts of bounded size.

/// A part of a value's content. The parts of one value come in the value's own order.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Bytes of a string.
    Bytes(Vec<u8>),
    /// Elements of a list, from head to tail, or members of a set.
    Elements(Vec<Vec<u8>>),
    /// An element of a list or a set that is too long to be held: its bytes follow, then [`Part::LongEnd`].
    LongElement {
        /// Length in bytes.
        len: u64,
    },
    /// A field of a hash whose value is too long to be held: its bytes follow, then [`Part::LongEnd`].
    LongField {
        /// The field's name.
        name: Vec<u8>,
        /// Length of the value in bytes.
        len: u64,
    },
    /// Behind the bytes of a long element.
    LongEnd {
        /// When the field expires, in Unix ms.
        expire_at_ms: Option<u64>,
    },
    /// Members of a sorted set, with their scores.
    Scored(Vec<(Vec<u8>, f64)>),
    /// Fields of a hash.
    Fields(Vec<Field>),
    /// Entries of a stream.
    Entries(Vec<Entry>),
    /// What a stream knows beyond its entries. Follows them.
    StreamInfo(StreamInfo),
    /// A consumer group begins. Follows the stream's info.
    Group(Group),
    /// Entries of the group that were delivered and not acknowledged, of all its consumers.
    Pending(Vec<Pending>),
    /// A consumer of the group, and the IDs that are pending with it. Follows the group's pending entries; a consumer
    /// with very many comes more than once.
    Consumer(Consumer),
    /// Bytes of a module's value as the dump has them: only the module can read them.
    Opaque(Vec<u8>),
}

/// A field of a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name.
    pub name: Vec<u8>,
    /// Value.
    pub value: Vec<u8>,
    /// When the field expires, in Unix ms.
    pub expire_at_ms: Option<u64>,
}

/// ID of a stream's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Unix time in ms, by convention.
    pub ms: u64,
    /// Number within that millisecond.
    pub seq: u64,
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its ID.
    pub id: StreamId,
    /// Fields and values, one after the other.
    pub fields: Vec<Vec<u8>>,
}

/// What a stream knows beyond its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Number of entries.
    pub length: u64,
    /// The last ID that was given out.
    pub last_id: StreamId,
    /// The greatest ID that was deleted; known from Redis 7.0 on.
    pub max_deleted_id: Option<StreamId>,
    /// How many entries were ever added; known from Redis 7.0 on.
    pub entries_added: Option<u64>,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: Vec<u8>,
    /// The last ID that was delivered.
    pub last_id: StreamId,
    /// How many entries were read; known from Redis 7.0 on, where the server itself could tell.
    pub entries_read: Option<u64>,
}

/// A delivery that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The entry.
    pub id: StreamId,
    /// When it was last delivered, in Unix ms.
    pub delivered_at_ms: u64,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// A consumer of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Name.
    pub name: Vec<u8>,
    /// The entries that are pending with it.
    pub pending: Vec<StreamId>,
}
