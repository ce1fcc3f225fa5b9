mod object;

use std::ops::Range;

use crate::content::Content;
use crate::crc::Crc;
use crate::cursor::Cursor;
use crate::error::{Broken, Parsed, RdbError, shown};
use crate::event::{Event, Large, Value, module_name};
use crate::kind::ValueKind;
use crate::skim::{Skim, module_value};
use object::Object;

/// Newest RDB version of Redis that is understood (8.2).
const REDIS_VERSION: u32 = 12;
/// The versions of Valkey 9 that are understood.
const VALKEY_VERSIONS: std::ops::RangeInclusive<u32> = 80..=80;

/// A module's value as Redis 4.0 wrote it before its release, without the marks by which one can pass over it (rdb.h,
/// `RDB_TYPE_MODULE_PRE_GA`).
const MODULE_UNMARKED: u8 = 6;

/// Bounds of what is held in memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A value of more bytes than this comes in parts.
    pub collect: usize,
    /// Bytes that such a part holds, about.
    pub part: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { collect: 16 << 20, part: 1 << 20 }
    }
}

/// Decodes a dump as it arrives: feed bytes, take events.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    buf: Vec<u8>,
    /// Everything before is done with.
    start: usize,
    /// Bytes from `start` on that the last event showed.
    shown: usize,
    /// Everything before is in the checksum already.
    summed: usize,
    /// Offset in the dump of `start`.
    offset: u64,
    crc: Crc,
    version: u32,
    valkey: bool,
    db: u32,
    meta: Meta,
    state: State,
}

/// What stands before an object.
#[derive(Debug, Clone, Copy, Default)]
struct Meta {
    expire_at_ms: Option<u64>,
    idle_s: Option<u64>,
    freq: Option<u8>,
}

#[derive(Debug)]
enum State {
    Header,
    /// An opcode or an object comes next.
    Between,
    /// A module's note is being passed over.
    ModuleAux,
    /// An object: its parts' places, relative to `start`.
    Object(Object),
    /// An object that comes in parts, and its key as it is shown.
    Large(Box<Content>, String),
    Checksum,
    Done,
}

/// What one step gave: an event's shape, to be filled with borrowed bytes.
enum Found {
    Nothing,
    Header,
    Aux(Range<usize>, Range<usize>),
    ModuleAux(String),
    SelectDb,
    ResizeDb(u64, u64),
    Function(Range<usize>),
    /// A value's kind, the place of its key, and the value's length.
    Value(ValueKind, Range<usize>, usize),
    LargeStart(Large<'static>),
    LargePart(crate::Part),
    LargeEnd,
    End,
}

impl Decoder {
    /// A decoder of one dump.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buf: Vec::new(),
            start: 0,
            shown: 0,
            summed: 0,
            offset: 0,
            crc: Crc::default(),
            version: 0,
            valkey: false,
            db: 0,
            meta: Meta::default(),
            state: State::Header,
        }
    }

    /// Adds bytes. What was done with is dropped first.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.release();
        if self.start > 0 {
            self.sum();
            self.buf.drain(..self.start);
            (self.start, self.summed) = (0, 0);
        }
        self.buf.extend_from_slice(bytes);
    }

    /// Bytes of the dump that were decoded.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset + self.shown as u64
    }

    /// What was fed beyond the dump's end.
    #[must_use]
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.release();
        let rest = self.buf.split_off(self.start.min(self.buf.len()));
        self.buf = Vec::new();
        (self.start, self.summed) = (0, 0);
        rest
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// When the dump's end has not been decoded.
    pub fn finish(&self) -> Result<(), RdbError> {
        let left = self.buf.len().saturating_sub(self.start) as u64;
        if matches!(self.state, State::Done) { Ok(()) } else { Err(RdbError::CutOff { offset: self.offset + left }) }
    }

    /// The next event; `None` when more bytes are wanted.
    ///
    /// # Errors
    /// When the dump is damaged, or holds what is not understood. The decoder is of no use afterwards.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, RdbError> {
        self.release();
        loop {
            let found = match self.step() {
                Ok(Found::Nothing) => {
                    self.release();
                    continue;
                }
                Ok(found) => found,
                Err(Stop::Broken(Broken::Need)) => return Ok(None),
                Err(Stop::Broken(broken)) => return Err(broken.at(self.offset())),
                Err(Stop::Error(error)) => return Err(error),
            };
            return Ok(Some(self.event(found)));
        }
    }

    /// Lets go of the bytes that the last event showed.
    fn release(&mut self) {
        if self.shown > 0 {
            self.offset += self.shown as u64;
            self.start += self.shown;
            self.shown = 0;
        }
    }

    /// Takes what is done with into the checksum: in large pieces, which is what makes it cheap.
    fn sum(&mut self) {
        if !matches!(self.state, State::Done) {
            self.crc.update(self.buf.get(self.summed..self.start).unwrap_or_default());
        }
        self.summed = self.start;
    }

    fn rest(&self) -> &[u8] {
        self.buf.get(self.start..).unwrap_or_default()
    }

    fn step(&mut self) -> Result<Found, Stop> {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Header => {
                self.state = State::Header;
                self.header()
            }
            State::Between => self.between(),
            State::ModuleAux => {
                self.state = State::ModuleAux;
                let mut cursor = Cursor::new(self.rest(), 0);
                let more = module_value(&mut cursor)?;
                self.shown = cursor.at;
                if !more {
                    self.state = State::Between;
                }
                Ok(Found::Nothing)
            }
            State::Object(object) => self.object(object),
            State::Large(content, key) => self.large(content, key),
            State::Checksum => {
                self.state = State::Checksum;
                self.checksum()
            }
            State::Done => {
                self.state = State::Done;
                Err(Broken::Need.into())
            }
        }
    }

    fn header(&mut self) -> Result<Found, Stop> {
        let magic: [u8; 9] = Cursor::new(self.rest(), 0).array()?;
        let digits = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
        let number = |text: &[u8]| std::str::from_utf8(text).ok().filter(|_| digits(text))?.parse().ok();
        let (valkey, version) = match &magic {
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (false, number(digits)),
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (true, number(digits)),
            _ => return Err(RdbError::NotADump.into()),
        };
        let version: u32 = version.ok_or(RdbError::NotADump)?;
        let known = if valkey { VALKEY_VERSIONS.contains(&version) } else { (1..=REDIS_VERSION).contains(&version) };
        if !known {
            return Err(RdbError::UnknownVersion { version, valkey }.into());
        }
        (self.valkey, self.version) = (valkey, version);
        self.shown = magic.len();
        self.state = State::Between;
        Ok(Found::Header)
    }

    /// An opcode, or the beginning of an object.
    fn between(&mut self) -> Result<Found, Stop> {
        let rest = self.buf.get(self.start..).unwrap_or_default();
        let mut cursor = Cursor::new(rest, 0);
        let opcode = cursor.byte()?;
        let found = match opcode {
            0xff => {
                self.state = State::Checksum;
                Found::Nothing
            }
            0xfe => {
                let db = cursor.length()?;
                self.db = u32::try_from(db).map_err(|_| Broken::TooLarge(db, u64::from(u32::MAX)))?;
                Found::SelectDb
            }
            0xfd => {
                self.meta.expire_at_ms = Some(u64::from(u32::from_le_bytes(cursor.array()?)) * 1000);
                Found::Nothing
            }
            0xfc => {
                self.meta.expire_at_ms = Some(u64::from_le_bytes(cursor.array()?));
                Found::Nothing
            }
            0xfb => Found::ResizeDb(cursor.length()?, cursor.length()?),
            0xfa => {
                let (name, value) = (string_range(&mut cursor)?, string_range(&mut cursor)?);
                Cursor::new(rest, name.start).string()?;
                Cursor::new(rest, value.start).string()?;
                Found::Aux(name, value)
            }
            0xf9 => {
                self.meta.freq = Some(cursor.byte()?);
                Found::Nothing
            }
            0xf8 => {
                self.meta.idle_s = Some(cursor.length()?);
                Found::Nothing
            }
            0xf7 => {
                let module = module_name(cursor.length()?);
                // When it was written, behind an opcode of its own.
                cursor.length()?;
                cursor.length()?;
                self.state = State::ModuleAux;
                Found::ModuleAux(module)
            }
            0xf5 => {
                let code = string_range(&mut cursor)?;
                Cursor::new(rest, code.start).string()?;
                Found::Function(code)
            }
            0xf4 => {
                // Slot, keys and expiring keys: a hint for the size of tables.
                for _ in 0..3 {
                    cursor.length()?;
                }
                Found::Nothing
            }
            0xf0..=0xf6 => return Err(RdbError::UnknownOpcode { opcode, offset: self.offset }.into()),
            _ => {
                let key = string_range(&mut cursor)?;
                let kind = ValueKind::new(opcode, self.valkey);
                let decoded = Cursor::new(rest, key.start).string()?;
                if opcode == MODULE_UNMARKED {
                    let module = module_name(cursor.length()?);
                    return Err(RdbError::ModuleUnmarked { module, key: shown(&decoded), offset: self.offset }.into());
                }
                let Some(encoding) = kind.encoding() else {
                    return Err(RdbError::unknown_type(kind, &decoded, self.offset).into());
                };
                return self.object(Object { kind, encoding, key, skim: Skim::new(encoding) });
            }
        };
        self.shown = cursor.at;
        Ok(found)
    }

    /// The checksum: none before version 5, 0 when the server was told not to compute it.
    fn checksum(&mut self) -> Result<Found, Stop> {
        if self.version >= 5 {
            self.sum();
            let mut cursor = Cursor::new(self.rest(), 0);
            let stored = u64::from_le_bytes(cursor.array()?);
            let computed = self.crc.value();
            if stored != 0 && stored != computed {
                return Err(RdbError::Checksum { computed, stored }.into());
            }
            self.shown = cursor.at;
        }
        self.state = State::Done;
        Ok(Found::End)
    }

    /// Fills an event with the bytes that it shows. They were read before, so they are sound.
    fn event(&mut self, found: Found) -> Event<'_> {
        let meta = match found {
            Found::Value(..) => std::mem::take(&mut self.meta),
            _ => Meta::default(),
        };
        let rest = self.buf.get(self.start..).unwrap_or_default();
        let string = |range: Range<usize>| Cursor::new(rest, range.start).string().unwrap_or_default();
        match found {
            Found::Nothing | Found::End => Event::End,
            Found::Header => Event::Header { version: self.version, valkey: self.valkey },
            Found::Aux(name, value) => Event::Aux { name: string(name), value: string(value) },
            Found::ModuleAux(module) => Event::ModuleAux { module },
            Found::SelectDb => Event::SelectDb(self.db),
            Found::ResizeDb(keys, expires) => Event::ResizeDb { keys, expires },
            Found::Function(code) => Event::Function(string(code)),
            Found::Value(kind, key, len) => Event::Value(Value {
                db: self.db,
                raw: rest.get(key.end..key.end + len).unwrap_or_default(),
                key: string(key),
                expire_at_ms: meta.expire_at_ms,
                idle_s: meta.idle_s,
                freq: meta.freq,
                kind,
            }),
            Found::LargeStart(large) => Event::LargeStart(large),
            Found::LargePart(part) => Event::LargePart(part),
            Found::LargeEnd => Event::LargeEnd,
        }
    }
}

/// Where a string stands, once all of it is there. Whether it decodes is for the caller to see, once all that it wants is
/// there: it may be compressed, and would be decompressed again with all bytes that come.
fn string_range(cursor: &mut Cursor<'_>) -> Parsed<Range<usize>> {
    let start = cursor.at;
    cursor.skip_bounded()?;
    Ok(start..cursor.at)
}

enum Stop {
    Broken(Broken),
    Error(RdbError),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<RdbError> for Stop {
    fn from(error: RdbError) -> Self {
        Self::Error(error)
    }
}
