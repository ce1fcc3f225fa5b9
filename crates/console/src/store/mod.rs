//! The console's SQLite file: definitions, intents, events, samples, settings. Never a secret.
//!
//! Every call blocks; `Console` makes them from blocking threads.

mod definitions;
mod events;
mod lock;
mod samples;
mod schema;
mod settings;

use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};

pub use events::NewEvent;
pub use samples::{Sample, Scope};

const FILE: &str = "tributary.db";

/// Why the file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite says so.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A column holds no JSON that is understood.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The folder cannot be made.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A row holds what this version does not know.
    #[error("the {what} {value:?} in the database is not known to this version of Tributary")]
    Unknown {
        /// Which column.
        what: &'static str,
        /// What it holds.
        value: String,
    },
    /// Another process has it open.
    #[error("{folder} is in use by another Tributary{by}: one at a time works with it")]
    InUse {
        /// The folder.
        folder: String,
        /// Which process, where that is known.
        by: String,
    },
    /// Not there, or of another version, and not to be changed.
    #[error("{0}")]
    Unreadable(String),
    /// Written by a later version.
    #[error("it was written by a later version of Tributary (schema {found}, this one knows {known})")]
    TooNew {
        /// The schema in the file.
        found: u32,
        /// The latest this version knows.
        known: u32,
    },
}

/// The open file.
pub struct Store {
    // A std mutex: every use is a short blocking call on a blocking thread, none is held across an await.
    connection: Mutex<Connection>,
    /// Keeps other processes out; none where nothing is written.
    _lock: Option<File>,
}

impl Store {
    /// Opens the file in `folder`, making both if they are not there, and brings its schema up to date.
    ///
    /// # Errors
    /// When it cannot be opened, another process has it open, or a later version wrote it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder)?;
        let lock = lock::hold(folder)?;
        let connection = Connection::open(folder.join(FILE))?;
        // WAL with NORMAL: a sample a second costs no fsync, and a crash loses at most the last ones.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Self::prepare(connection, Some(lock))
    }

    /// Whether there is such a file in `folder`.
    pub fn exists(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Opens the file in `folder` to be read, also beside a process that works with it.
    ///
    /// # Errors
    /// When it is not there, cannot be opened, or has the schema of another version.
    pub fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Err(StoreError::Unreadable(format!("there is no {}", path.display())));
        }
        // Nobody works with it: its schema may be brought up to date.
        if let Some(lock) = lock::take(folder)? {
            return Self::prepare(Connection::open(path)?, Some(lock));
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        schema::expect_current(&connection)?;
        Ok(Self { connection: Mutex::new(connection), _lock: None })
    }

    fn prepare(mut connection: Connection, lock: Option<File>) -> Result<Self, StoreError> {
        connection.pragma_update(None, "foreign_keys", true)?;
        schema::migrate(&mut connection)?;
        Ok(Self { connection: Mutex::new(connection), _lock: lock })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves SQLite itself consistent: its transaction rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        Self::prepare(Connection::open_in_memory().unwrap(), None).unwrap()
    }
}

/// Unix milliseconds as SQLite keeps them.
fn to_sql(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn from_sql(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
