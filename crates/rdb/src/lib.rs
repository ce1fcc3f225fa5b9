//! RDB, the dump of a Redis database, as bytes in and events out.
//!
//! Nothing here knows a socket, a file or a clock. [`Decoder`] takes bytes as they arrive and gives [`Event`]s. An object
//! comes whole, as the raw bytes that RESTORE wants ([`dump`] writes the payload): only its end is looked for (`skim.rs`),
//! its elements are not decoded. An object that is too large to be collected comes in [`Part`]s of its logical content
//! (`content.rs`). For a server that does not know a value's encoding there is another one (`older.rs`).
//!
//! Format: `rdb.h` and `rdb.c` of Redis 2.8 to 8.2 and Valkey 7.2 to 9.

mod content;
mod crc;
mod cursor;
mod decoder;
pub mod dump;
mod each;
mod error;
mod event;
mod kind;
mod long;
mod lzf;
mod older;
mod opaque;
mod packed;
mod part;
mod skim;
mod stream;

pub use decoder::{Decoder, Limits};
pub use error::RdbError;
pub use event::{Event, Large, Parts, Value};
pub use kind::{Logical, ValueKind};
pub use older::{Loads, Rewritten};
pub use part::{Consumer, Entry, Field, Group, Part, Pending, StreamId, StreamInfo};
