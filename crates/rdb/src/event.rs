use std::borrow::Cow;

use crate::content::{Content, Step};
use crate::cursor::{Cursor, StringHead};
use crate::error::{Broken, RdbError};
use crate::{Logical, Part, ValueKind};

/// What a dump holds, in its order.
#[derive(Debug)]
pub enum Event<'a> {
    /// The dump begins.
    Header {
        /// RDB version.
        version: u32,
        /// Whether Valkey 9 or later wrote it.
        valkey: bool,
    },
    /// A note about the server or its replication.
    Aux {
        /// Its name.
        name: Cow<'a, [u8]>,
        /// Its value.
        value: Cow<'a, [u8]>,
    },
    /// A module's data that belongs to no key was passed over: only the module can read it.
    ModuleAux {
        /// The type's name, nine characters.
        module: String,
    },
    /// The objects that follow are in this database.
    SelectDb(u32),
    /// How much the database holds.
    ResizeDb {
        /// Keys.
        keys: u64,
        /// Keys that expire.
        expires: u64,
    },
    /// A function library's source.
    Function(Cow<'a, [u8]>),
    /// A whole object.
    Value(Value<'a>),
    /// An object that is too large to be collected begins; its parts follow.
    LargeStart(Large<'a>),
    /// A part of it.
    LargePart(Part),
    /// It is complete.
    LargeEnd,
    /// The dump is complete, and its checksum is right.
    End,
}

/// A whole object.
#[derive(Debug)]
pub struct Value<'a> {
    /// Its database.
    pub db: u32,
    /// Its key.
    pub key: Cow<'a, [u8]>,
    /// When it expires, in Unix ms.
    pub expire_at_ms: Option<u64>,
    /// How long it has not been used, in seconds.
    pub idle_s: Option<u64>,
    /// Its LFU counter.
    pub freq: Option<u8>,
    /// Its encoding.
    pub kind: ValueKind,
    /// Its bytes, as a DUMP payload has them between type byte and footer.
    pub raw: &'a [u8],
}

impl Value<'_> {
    /// The text of a string that is neither compressed nor anything else than a string.
    #[must_use]
    pub fn plain_string(&self) -> Option<Cow<'_, [u8]>> {
        if self.kind.byte() != 0 {
            return None;
        }
        let mut cursor = Cursor::new(self.raw, 0);
        match cursor.string_head().ok()? {
            StringHead::Raw(_) => self.raw.get(cursor.at..).map(Cow::Borrowed),
            StringHead::Int(number) => Some(Cow::Owned(number.to_string().into_bytes())),
            StringHead::Lzf(..) => None,
        }
    }

    /// The name of a module's type, nine characters; `None` for every other value.
    #[must_use]
    pub fn module(&self) -> Option<String> {
        let id = Cursor::new(self.raw, 0).length().ok();
        id.filter(|_| self.kind.logical() == Some(Logical::Module)).map(module_name)
    }

    /// The same as an object that comes in parts: for a server that does not take it whole.
    #[must_use]
    pub fn in_parts(&self) -> Large<'_> {
        let head = Cursor::new(self.raw, 0).string_head().ok();
        let string_len = head.filter(|_| self.kind.logical() == Some(Logical::String)).map(|head| head.len());
        Large {
            db: self.db,
            key: Cow::Borrowed(&self.key),
            expire_at_ms: self.expire_at_ms,
            idle_s: self.idle_s,
            freq: self.freq,
            kind: self.kind,
            string_len,
            module: self.module(),
        }
    }

    /// The content, decoded, in parts of about `part` bytes. What follows an error is of no use.
    pub fn parts(&self, part: usize) -> Parts<'_> {
        let content = self.kind.encoding().map(|encoding| Content::new(encoding, part));
        Parts { content: content.ok_or_else(|| RdbError::unknown_type(self.kind, &self.key, 0)), raw: self.raw, at: 0 }
    }

    /// The whole content, decoded. Parts of one kind may come several times.
    ///
    /// # Errors
    /// When the bytes break the format; offsets then count within the value.
    pub fn content(&self) -> Result<Vec<Part>, RdbError> {
        self.parts(usize::MAX).collect()
    }
}

/// The parts of a value, see [`Value::parts`].
#[derive(Debug)]
pub struct Parts<'a> {
    content: Result<Content, RdbError>,
    raw: &'a [u8],
    at: usize,
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, RdbError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let content = match &mut self.content {
                Ok(content) => content,
                Err(error) => return Some(Err(error.clone())),
            };
            match content.next(self.raw.get(self.at..).unwrap_or_default()) {
                Ok(Step::Part(used, part)) => {
                    self.at += used;
                    return Some(Ok(part));
                }
                Ok(Step::Progress(used)) => self.at += used,
                Ok(Step::End(_)) => return None,
                Err(broken) => return Some(Err(broken.at(self.at as u64))),
            }
        }
    }
}

/// A module's name: nine characters of 6 bits in the high bits of its ID (Redis' module.c, `moduleTypeEncodeId`).
pub(crate) fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |i: u32| LETTERS.get((id >> (58 - 6 * i) & 63) as usize).copied().unwrap_or(b'?') as char;
    (0..9).map(letter).collect()
}

/// An object that is too large to be collected.
#[derive(Debug)]
pub struct Large<'a> {
    /// Its database.
    pub db: u32,
    /// Its key.
    pub key: Cow<'a, [u8]>,
    /// When it expires, in Unix ms.
    pub expire_at_ms: Option<u64>,
    /// How long it has not been used, in seconds.
    pub idle_s: Option<u64>,
    /// Its LFU counter.
    pub freq: Option<u8>,
    /// Its encoding.
    pub kind: ValueKind,
    /// Length of a string.
    pub string_len: Option<u64>,
    /// The name of a module's type, nine characters; `None` for every other value.
    pub module: Option<String>,
}

impl Broken {
    /// The error, with where it was met.
    pub(crate) fn at(self, offset: u64) -> RdbError {
        match self {
            Self::Need => RdbError::Malformed { what: "a value that is cut off", offset },
            Self::Malformed(what) => RdbError::Malformed { what, offset },
            Self::TooLarge(len, limit) => RdbError::LengthTooLarge { len, offset, limit },
        }
    }
}
