//! A dump file as a source that is loaded once: decoded and restored as the snapshot of a link is.
//!
//! [`load_file`] starts it; [`run`] is its course, [`pieces`] reads the file, [`header`] knows what stands at its beginning,
//! [`place`] what stands at the destination and when that is refused.

mod board;
mod header;
mod pieces;
mod place;
mod run;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use header::{FileHeader, inspect_file};
pub use place::{FileSurvey, survey_for_file};

use crate::{Endpoint, Failure, SpecError, Unsupported};
use board::Board;

/// How often the status is published.
const REPORT_PERIOD: Duration = Duration::from_millis(250);

/// Where the bytes of a dump come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpFile {
    /// A file, or what looks like one.
    Path(PathBuf),
    /// Standard input of this process.
    Stdin,
}

impl fmt::Display for DumpFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

/// What becomes of keys that the destination holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// A destination with keys is refused.
    #[default]
    Refuse,
    /// They stay, but for those of the same name.
    Replace,
    /// All are deleted first, and the function libraries with them where all databases are meant.
    Flush,
}

/// A load of a dump file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLoad {
    /// The dump.
    pub file: DumpFile,
    /// The one database of it that is loaded; `None` is all of them, to the same numbers, and the function libraries.
    pub db: Option<u32>,
    /// The database written to. With a number, that one is where [`Self::db`] lands.
    pub destination: Endpoint,
    /// What becomes of keys that are there already.
    pub existing: Existing,
    /// Of an append only file that begins with a dump, the dump alone is loaded: the user knows that the commands behind it
    /// are not.
    pub dump_only: bool,
    /// What becomes of data that the destination cannot hold.
    pub unsupported: Unsupported,
}

impl FileLoad {
    /// Checks what can be known without the file or a connection.
    ///
    /// # Errors
    /// When the destination is one database and it is not said which one of the file goes there.
    pub fn validate(&self) -> Result<(), SpecError> {
        match (self.destination.db, self.db) {
            (Some(there), None) => Err(SpecError {
                field: "db".into(),
                sentence: format!(
                    "The destination is the one database {there}: say which database of the file goes there."
                ),
            }),
            _ => Ok(()),
        }
    }

    /// The one database of the destination that is written to; `None` is all.
    #[must_use]
    pub fn lands(&self) -> Option<u32> {
        self.db.map(|db| self.destination.db.unwrap_or(db))
    }
}

/// Where a load stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilePhase {
    /// The file's beginning and the destination are looked at. Leads to `Verifying`, `Emptying`, `Loading`.
    Checking,
    /// The file is read to its end once before anything is deleted for it. Leads to `Emptying`.
    Verifying,
    /// The destination is emptied. Leads to `Loading`.
    Emptying,
    /// Keys are restored.
    Loading,
    /// All of it is in.
    Done,
    /// The user stopped it.
    Stopped,
    /// It failed.
    Failed,
}

impl FilePhase {
    /// The word used in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Verifying => "verifying",
            Self::Emptying => "emptying",
            Self::Loading => "loading",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Stopped | Self::Failed)
    }
}

/// A load at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct FileLoadStatus {
    /// Where it stands.
    pub phase: FilePhase,
    /// What stands at the file's beginning, once that is read.
    pub header: Option<FileHeader>,
    /// Percent of the bytes, of this phase; below 100 until all is in. Unknown where the file has no length.
    pub progress: Option<f64>,
    /// Bytes that were decoded.
    pub bytes_done: u64,
    /// Bytes of the file; unknown of standard input.
    pub bytes_total: Option<u64>,
    /// Bytes a second, lately.
    pub bytes_per_s: Option<f64>,
    /// Time left, from the speed so far.
    pub time_left: Option<Duration>,
    /// Keys that the destination has confirmed.
    pub keys: u64,
    /// Function libraries that were loaded.
    pub functions: u64,
    /// Keys left out because their time was over.
    pub expired: u64,
    /// Checkpoints of replicas, which are not copied.
    pub checkpoints: u64,
    /// Keys left out, or kept without something, as the user agreed.
    pub omitted: u64,
    /// Whether the destination was changed, and does not hold all of the dump.
    pub incomplete: bool,
    /// What the user is to be warned of.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// A load that runs. Dropping it ends it where it is; [`FileLoadHandle::stop`] is the clean way.
#[derive(Debug)]
pub struct FileLoadHandle {
    status: watch::Receiver<Arc<FileLoadStatus>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl FileLoadHandle {
    /// The status, published four times a second. Its sender is gone once the load has ended.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Arc<FileLoadStatus>> {
        self.status.clone()
    }

    /// Asks for the load's end: what was sent is answered, and a key of which only a part is written is removed.
    pub fn request_stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the end of the load and of every task of it.
    pub async fn ended(mut self) -> Arc<FileLoadStatus> {
        // A panic of the task has ended it just as well.
        let _ = (&mut self.task).await;
        self.status.borrow().clone()
    }

    /// [`Self::request_stop`], and [`Self::ended`].
    pub async fn stop(self) -> Arc<FileLoadStatus> {
        self.request_stop();
        self.ended().await
    }
}

impl Drop for FileLoadHandle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// Starts a load. Must be called within a tokio runtime.
#[must_use]
pub fn load_file(spec: FileLoad) -> FileLoadHandle {
    let board = Arc::new(Board::default());
    let stop = CancellationToken::new();
    let (publish, status) = watch::channel(Arc::new(board.status()));
    let (shown, stopped) = (board.clone(), stop.clone());
    let task = tokio::spawn(async move {
        let mut tick = tokio::time::interval(REPORT_PERIOD);
        let mut run = std::pin::pin!(run::run(&spec, &board, &stopped));
        loop {
            tokio::select! {
                () = &mut run => break,
                _ = tick.tick() => drop(publish.send_replace(Arc::new(shown.status()))),
            }
        }
        publish.send_replace(Arc::new(shown.status()));
    });
    FileLoadHandle { status, stop, task }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_database_of_the_destination_needs_one_of_the_file() {
        let load = |db, destination: &str| FileLoad {
            file: DumpFile::Stdin,
            db,
            destination: Endpoint::parse(destination).unwrap(),
            existing: Existing::Refuse,
            dump_only: false,
            unsupported: Unsupported::default(),
        };
        assert_eq!(load(None, "redis://h/3").validate().unwrap_err().field, "db");
        for (spec, lands) in [
            (load(None, "redis://h"), None),
            (load(Some(2), "redis://h"), Some(2)),
            (load(Some(2), "redis://h/3"), Some(3)),
        ] {
            spec.validate().unwrap();
            assert_eq!(spec.lands(), lands);
        }
    }
}
