use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{fs, io};

/// Bytes of the disk that are left to others.
const RESERVE: u64 = 256 << 20;
/// How long room counts as wanted after it was asked for in vain; whoever waits for it asks more often.
const WANTED: Duration = Duration::from_secs(2);
/// Nothing was refused yet.
const NEVER: u64 = u64::MAX;

/// Where a replica's spools may be on disk, and how large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSpec {
    /// The folder of all spools; each source of each replica gets one of its own within.
    pub folder: PathBuf,
    /// Bytes that the spools of one replica may take up together.
    pub quota: u64,
}

impl SpoolSpec {
    /// The folder of one source's spool. IDs may hold anything; a file name may not.
    pub(crate) fn folder_of(&self, replica: &str, source: &str) -> PathBuf {
        self.folder.join(file_name(replica)).join(file_name(source))
    }
}

fn file_name(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = id.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    // Never "", ".", or "..".
    format!("s{name}")
}

/// Removes the spools of a replica, or of one of its sources.
///
/// # Errors
/// When files are there and cannot be removed.
pub(crate) fn remove_files(spec: &SpoolSpec, replica: &str, source: Option<&str>) -> io::Result<()> {
    let folder = match source {
        Some(source) => spec.folder_of(replica, source),
        None => spec.folder.join(file_name(replica)),
    };
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether an earlier run left something of a source.
pub(crate) fn has_files(spec: &SpoolSpec, replica: &str, source: &str) -> bool {
    !super::disk::listed(&spec.folder_of(replica, source)).is_empty()
}

/// What the spools of one replica take up together.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: u64,
    used: AtomicU64,
    made: Instant,
    /// When room was asked for in vain, in ms since `made`.
    refused: AtomicU64,
}

impl Quota {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0), made: Instant::now(), refused: AtomicU64::new(NEVER) }
    }

    /// Takes `bytes`, if there is room for them in the quota and on the disk that holds `folder`.
    pub(super) fn take(&self, bytes: u64, folder: &Path) -> io::Result<()> {
        let full = |what: String| {
            self.refused.store(self.now(), Relaxed);
            Err(io::Error::new(io::ErrorKind::StorageFull, what))
        };
        if self.used.load(Relaxed) + bytes > self.limit {
            return full(format!("the spool's quota of {} MB is used up", self.limit >> 20));
        }
        let disk = rustix::fs::statvfs(folder)?;
        let free = disk.f_bavail * disk.f_frsize;
        if free < RESERVE + bytes {
            return full(format!("the disk of {} has only {} MB left", folder.display(), free >> 20));
        }
        self.used.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// Whether one of the spools waits for room: the others then keep no more than they must.
    pub(super) fn is_short(&self) -> bool {
        let refused = self.refused.load(Relaxed);
        refused != NEVER && u128::from(self.now().saturating_sub(refused)) < WANTED.as_millis()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    /// Counts bytes that are there already.
    pub(super) fn found(&self, bytes: u64) {
        self.used.fetch_add(bytes, Relaxed);
    }

    /// Gives bytes back.
    pub(super) fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
    }
}
