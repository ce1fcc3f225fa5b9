//! What the loading of a dump must know beside its bytes: a link and a file load the same way.

use tributary_rdb::RdbError;

use crate::dialect::Dialect;
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

    pub(super) fn no_functions(&self) -> Failure {
        let (name, to) = (&self.name, &self.destination);
        let message = format!("{name} has function libraries, which {to}, older than 7.0, does not know.");
        Failure::new(ErrorKind::ValueRefused, to, message)
    }

    pub(super) fn unexpressible(&self, what: &str) -> Failure {
        Failure::new(ErrorKind::UnknownValue, &self.name, format!("{} holds {what}.", self.dump))
    }
}

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
