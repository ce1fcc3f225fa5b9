//! What the loading of a dump must know beside its bytes: a link and a file load the same way.

use std::path::Path;

use tributary_rdb::{Large, Logical, RdbError, ValueKind};

use super::large::Unwritable;
use crate::dialect::Dialect;
use crate::failure::classify_reply;
use crate::writer::printable;
use crate::{ErrorKind, Failure, Unsupported, checkpoint};

/// Where a dump comes from, and what of it goes where.
pub(crate) struct Origin<'a> {
    /// What messages call whoever holds the data: `host:port`, or a file.
    pub name: String,
    /// What messages call the dump itself, as the beginning of a sentence.
    pub dump: String,
    /// `host:port` of the destination.
    pub destination: String,
    /// The one database that is taken; `None` is all of them, and the function libraries.
    pub only: Option<u32>,
    /// Where that one database lands, if under another number.
    pub lands: Option<u32>,
    /// The replica that is loaded: its own checkpoints coming back are a cycle.
    pub replica: Option<&'a str>,
    /// Keys whose time was over at this moment, in Unix ms, are left out. `None` takes all: a source deletes its own.
    pub expired_before: Option<u64>,
    /// What the user has agreed to lose.
    pub unsupported: Unsupported,
    /// The folder for what is too large to be held and cannot be sent before it is whole.
    pub scratch: &'a Path,
    /// Takes what the user is to be warned of.
    pub warn: &'a (dyn Fn(&str) + Send + Sync),
}

impl Origin<'_> {
    /// The destination's database for one of the dump's; `None` when it is left out.
    pub(super) fn target(&self, db: u32) -> Option<u32> {
        match self.only {
            None => Some(db),
            Some(only) => (only == db).then(|| self.lands.unwrap_or(db)),
        }
    }

    /// Whether a key's time was over before the load.
    pub(super) fn is_expired(&self, expire_at_ms: Option<u64>) -> bool {
        expire_at_ms.zip(self.expired_before).is_some_and(|(at, now)| at < now)
    }

    /// Whether a key is the checkpoint of some replica, which is not copied.
    ///
    /// # Errors
    /// `cycle` when it is our own: what we wrote came back.
    pub(crate) fn is_mark(&self, key: &[u8]) -> Result<bool, Failure> {
        is_mark(key, self.replica, &self.name, &self.destination)
    }

    /// Refuses a database that the destination does not have.
    pub(super) fn check_db(&self, dialect: Dialect, db: u32) -> Result<(), Failure> {
        match self.target(db) {
            Some(target) if target >= dialect.databases => {
                let (name, to) = (&self.name, &self.destination);
                let message =
                    format!("{name} has data in database {db}, but {to} has only {} databases.", dialect.databases);
                Err(Failure::new(ErrorKind::DbOutOfRange, to, message))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn damaged(&self, error: &RdbError) -> Failure {
        let kind = if error.is_unknown() { ErrorKind::UnknownValue } else { ErrorKind::CorruptSnapshot };
        Failure::new(kind, &self.name, format!("{} cannot be read: {error}.", self.dump))
    }

    /// A value that cannot be decoded.
    pub(super) fn damaged_value(&self, key: &[u8], error: &RdbError) -> Failure {
        let message = format!("{}: the value of {} cannot be read: {error} of the value.", self.dump, printable(key));
        Failure::new(ErrorKind::CorruptSnapshot, &self.name, message)
    }

    pub(super) fn no_functions(&self) -> Failure {
        let (name, to) = (&self.name, &self.destination);
        let message = format!("{name} has function libraries, which {to}, older than 7.0, does not know.");
        Failure::new(ErrorKind::FunctionsUnknown, to, message)
    }

    /// Refuses what can be known to fail before any of it is sent.
    pub(super) fn check_length(&self, start: &Large<'_>, dialect: Dialect) -> Result<(), Failure> {
        if start.kind.logical() == Some(Logical::Stream) && dialect.loads.version < STREAMS {
            return Err(self.never(&start.key, start.kind));
        }
        match (start.string_len, dialect.longest_string) {
            (Some(len), Some(limit)) if len > limit => {
                Err(self.above_limit(&format!("{}, a string", printable(&start.key)), len, dialect))
            }
            _ => Ok(()),
        }
    }

    /// Names the limit of the destination that a value is above of.
    pub(super) fn above_limit(&self, what: &str, bytes: u64, dialect: Dialect) -> Failure {
        let (limit, name) = match (dialect.longest_string, dialect.largest_command) {
            (Some(longest), _) if bytes > longest => (longest, "proto-max-bulk-len"),
            (_, Some(largest)) => (largest, "client-query-buffer-limit"),
            (longest, None) => (longest.unwrap_or_default(), "proto-max-bulk-len"),
        };
        let to = &self.destination;
        let message = format!("{} holds {what} of {bytes} bytes; the {name} of {to} is {limit}.", self.dump);
        Failure::new(ErrorKind::ServerLimit, to, message)
    }

    /// A type that the destination does not know in any form.
    pub(super) fn never(&self, key: &[u8], kind: ValueKind) -> Failure {
        let to = &self.destination;
        let what = kind.logical().map_or("value", Logical::name);
        let message = format!("{} holds {}, a {what}, which {to} is too old to know.", self.dump, printable(key));
        Failure::new(ErrorKind::ValueRefused, to, message)
    }

    pub(super) fn module_missing(&self, key: &[u8], module: &str) -> Failure {
        let to = &self.destination;
        let message = format!(
            "{} holds {}, a value of the module type {module}, and {to} lacks that module.",
            self.dump,
            printable(key)
        );
        Failure::new(ErrorKind::ModuleMissing, to, message)
    }

    pub(super) fn field_expiry(&self, key: &[u8]) -> Failure {
        let to = &self.destination;
        let message = format!(
            "{} holds {}, a hash with fields that expire, which {to} does not know.",
            self.dump,
            printable(key)
        );
        Failure::new(ErrorKind::FieldExpiryUnknown, to, message)
    }

    /// An error of the destination about one value.
    pub(super) fn refused(&self, key: &[u8], line: &str) -> Failure {
        let to = &self.destination;
        Failure::new(classify_reply(line), to, format!("{to} refused RESTORE {}: {line}", printable(key)))
            .of_destination()
    }

    pub(super) fn unwritable(&self, key: &[u8], what: Unwritable, dialect: Dialect) -> Failure {
        match what {
            Unwritable::FieldExpiry => self.field_expiry(key),
            Unwritable::Module => {
                let message = format!(
                    "{} holds {}, a module's value, which no command of the destination writes.",
                    self.dump,
                    printable(key)
                );
                Failure::new(ErrorKind::UnknownValue, &self.name, message)
            }
            Unwritable::Long(len) => self.above_limit(&format!("{}, with an element", printable(key)), len, dialect),
            Unwritable::Pending { group, count } => {
                let (key, group) = (printable(key), printable(&group));
                let message = format!(
                    "{} holds {key}, a stream whose group {group} has more than {count} entries that are not acknowledged.",
                    self.dump
                );
                Failure::new(ErrorKind::UnknownValue, &self.name, message)
            }
            Unwritable::Undelivered { group, id } => {
                let (key, group) = (printable(key), printable(&group));
                let message = format!(
                    "{}: the stream {key} has a consumer that waits for entry {id}, of which its group {group} does not know.",
                    self.dump
                );
                Failure::new(ErrorKind::CorruptSnapshot, &self.name, message)
            }
        }
    }
}

/// The first RDB version with streams.
const STREAMS: u16 = 9;

/// Whether a key from `name` is the checkpoint of some replica, which is not copied to `destination`.
///
/// # Errors
/// `cycle` when it is one of `replica` itself.
pub(crate) fn is_mark(key: &[u8], replica: Option<&str>, name: &str, destination: &str) -> Result<bool, Failure> {
    if !checkpoint::is_ours(key) {
        return Ok(false);
    }
    if replica.is_some_and(|id| key.starts_with(checkpoint::replica_prefix(id).as_bytes())) {
        let message = format!("{name} sends back what Tributary wrote to {destination}.");
        return Err(Failure::new(ErrorKind::Cycle, name, message));
    }
    Ok(true)
}
