use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::Piece;
use super::quota::Quota;
use super::segment::{self, Segment};
use super::state::Origin;
use crate::checkpoint::Checkpoint;

/// A file that has grown beyond this is followed by another; whole files are what is given back to the disk.
const SEGMENT: u64 = 8 << 20;
const SUFFIX: &str = "spool";

/// The files of one source's spool. One process at a time uses them.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Inner>);

/// What an earlier run left.
#[derive(Debug)]
pub(super) struct Left {
    /// Offset before its first byte.
    pub start: u64,
    /// Offset of its last.
    pub end: u64,
    /// Names of the history that it belongs to, the latest last.
    pub names: Vec<String>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    quota: Arc<Quota>,
    /// Held for as long as this process uses the folder.
    lock: File,
    /// One place, for [`Disk::alone`].
    turns: Arc<Semaphore>,
    // A std Mutex: held while a file is written, on threads that may block only.
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    /// In order, without a gap.
    segments: VecDeque<Segment>,
    /// The last of them, open for writing.
    open: Option<File>,
    /// Number of the next file.
    next: u64,
}

impl Disk {
    /// Takes a folder into use, creating it where it is not there.
    ///
    /// # Errors
    /// When it cannot be used, or another process uses it.
    pub(crate) fn open(folder: &Path, quota: Arc<Quota>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(folder.join("lock"))?;
        lock.try_lock().map_err(io::Error::from)?;
        let files = Mutex::default();
        let turns = Arc::new(Semaphore::new(1));
        Ok(Self(Arc::new(Inner { folder: folder.to_owned(), quota, lock, turns, files })))
    }

    /// Runs what changes the files and what is known of them, one after the other and each to its end, even where nobody
    /// waits for it any more. A pump that is dropped would otherwise leave a write behind, of which nobody knows and which
    /// may come after the files were cleared or cut back.
    pub(super) async fn alone<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let turn = self.0.turns.clone().acquire_owned().await;
        let working = tokio::spawn(async move {
            let done = work.await;
            drop(turn);
            done
        });
        finished(working).await
    }

    /// Lets go of the folder, for another run to use it, once nothing is written to it any more. That run counts the files
    /// that it finds.
    pub(crate) async fn close(&self) {
        let disk = self.clone();
        self.alone(async move { disk.work(Inner::close).await }).await;
    }

    /// Whether one of the replica's spools waits for room.
    pub(super) fn is_short(&self) -> bool {
        self.0.quota.is_short()
    }

    /// What an earlier run left, if it continues `place`, where that is known. All else is removed, a torn end as well.
    pub(super) async fn recover(&self, place: Option<&Checkpoint>) -> Option<Left> {
        let place = place.cloned();
        let found = self.work(move |inner| inner.recover(place.as_ref())).await;
        if found.is_none() {
            self.clear().await;
        }
        found
    }

    /// Appends pieces, without a gap to what is there.
    pub(super) async fn append(&self, origin: Origin, pieces: Vec<Piece>) -> io::Result<()> {
        self.work(move |inner| inner.append(&origin, &pieces)).await
    }

    /// Drops what is behind a position.
    pub(super) async fn cut_back(&self, position: u64) -> io::Result<()> {
        self.work(move |inner| inner.cut_back(position)).await
    }

    /// Removes the files that hold nothing behind a position.
    pub(super) async fn drop_before(&self, position: u64) {
        if self.0.lock().segments.front().is_some_and(|segment| segment.end <= position) {
            self.work(move |inner| inner.drop_while(|segment| segment.end <= position)).await;
        }
    }

    /// Removes all files.
    pub(crate) async fn clear(&self) {
        self.work(|inner| {
            inner.drop_while(|_| true);
            for path in listed(&inner.folder) {
                remove(&path);
            }
        })
        .await;
    }

    /// From where to where the files reach.
    pub(super) fn range(&self) -> Option<(u64, u64)> {
        let files = self.0.lock();
        Some((files.segments.front()?.start, files.segments.back()?.end))
    }

    /// Size of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.0.lock().segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The file that holds what follows a position.
    pub(super) fn segment_at(&self, position: u64) -> Option<Segment> {
        self.0.lock().segments.iter().find(|s| (s.start..s.end).contains(&position)).cloned()
    }

    /// Runs what blocks where that harms nobody.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> T + Send + 'static) -> T {
        let inner = self.0.clone();
        finished(tokio::task::spawn_blocking(move || work(&inner))).await
    }
}

async fn finished<T>(working: JoinHandle<T>) -> T {
    match working.await {
        Ok(done) => done,
        // The runtime is going down, and this task with it.
        Err(error) if error.is_cancelled() => std::future::pending().await,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut files = self.lock();
        self.quota.give(files.segments.drain(..).map(|segment| segment.bytes).sum());
        files.open = None;
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(folder = %self.folder.display(), %error, "the folder of a spool stays locked");
        }
    }

    fn append(&self, origin: &Origin, pieces: &[Piece]) -> io::Result<()> {
        let mut files = self.lock();
        let replid = origin.stream.as_ref().map_or("", |(replid, _)| replid);
        let fits = |s: &Segment| s.end == origin.position && s.replid == replid && s.bytes < SEGMENT;
        if files.open.is_none() || !files.segments.back().is_some_and(fits) {
            self.begin_file(&mut files, origin, replid)?;
        }
        let length: u64 = pieces.iter().map(|piece| piece.bytes.len() as u64).sum();
        let planned = length + 16 * pieces.len() as u64;
        self.quota.take(planned, &self.folder)?;
        let Files { segments, open, .. } = &mut *files;
        let (Some(file), Some(segment)) = (open.as_mut(), segments.back_mut()) else { return Ok(()) };
        match segment::append(file, pieces) {
            Ok(bytes) => {
                segment.bytes += bytes;
                segment.end += length;
                Ok(())
            }
            Err(error) => {
                self.quota.give(planned);
                // Half a record at the end would hide what is written behind it.
                file.set_len(segment.bytes)?;
                file.seek(SeekFrom::Start(segment.bytes))?;
                Err(error)
            }
        }
    }

    fn begin_file(&self, files: &mut Files, origin: &Origin, replid: &str) -> io::Result<()> {
        self.quota.take(segment::HEADER, &self.folder)?;
        let path = self.folder.join(format!("{:020}.{SUFFIX}", files.next));
        let offset = origin.stream.as_ref().map_or(0, |(_, offset)| *offset);
        let file = segment::create(&path, replid, offset).inspect_err(|_| self.quota.give(segment::HEADER))?;
        files.next += 1;
        files.open = Some(file);
        let (start, replid) = (origin.position, replid.to_owned());
        files.segments.push_back(Segment { path, start, end: start, bytes: segment::HEADER, replid });
        Ok(())
    }

    fn drop_while(&self, unneeded: impl Fn(&Segment) -> bool) {
        let mut files = self.lock();
        while let Some(segment) = files.segments.pop_front_if(|segment| unneeded(segment)) {
            remove(&segment.path);
            self.quota.give(segment.bytes);
        }
        if files.segments.is_empty() {
            files.open = None;
        }
    }

    fn cut_back(&self, position: u64) -> io::Result<()> {
        let mut files = self.lock();
        files.open = None;
        while let Some(segment) = files.segments.pop_back_if(|segment| segment.start >= position) {
            remove(&segment.path);
            self.quota.give(segment.bytes);
        }
        let Some(segment) = files.segments.back_mut().filter(|segment| segment.end > position) else { return Ok(()) };
        let (_, _, mut records) = segment::open(&segment.path)?;
        let mut at = segment.start;
        let mut whole = records.whole;
        let mut last = None;
        while let Some(piece) = records.next()? {
            let next = at + piece.bytes.len() as u64;
            if next > position {
                let keep = usize::try_from(position - at).unwrap_or(0);
                last = Some(Piece { bytes: piece.bytes.slice(..keep), ..piece });
                break;
            }
            (at, whole) = (next, records.whole);
        }
        let mut file = OpenOptions::new().write(true).open(&segment.path)?;
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        let added = match last.filter(|piece| !piece.bytes.is_empty()) {
            Some(piece) => segment::append(&mut file, &[piece])?,
            None => 0,
        };
        self.quota.give(segment.bytes.saturating_sub(whole + added));
        segment.bytes = whole + added;
        segment.end = position;
        Ok(())
    }

    fn recover(&self, place: Option<&Checkpoint>) -> Option<Left> {
        let paths = listed(&self.folder);
        let mut found: VecDeque<Segment> = VecDeque::new();
        for path in &paths {
            // A file that cannot be read, or does not follow the one before, ends what can be used.
            let Ok(segment) = scan(path) else { break };
            if segment.replid.is_empty() || found.back().is_some_and(|last| last.end != segment.start) {
                found.clear();
                if segment.replid.is_empty() {
                    continue;
                }
            }
            found.push_back(segment);
        }
        let mut names: Vec<String> = found.iter().map(|segment| segment.replid.clone()).collect();
        names.dedup();
        let (start, end) = (found.front()?.start, found.back()?.end);
        if place.is_some_and(|place| !names.contains(&place.replid) || !(start..=end).contains(&place.offset)) {
            return None;
        }
        for path in paths.iter().filter(|path| !found.iter().any(|segment| segment.path == **path)) {
            remove(path);
        }
        let last = found.back()?;
        let torn = OpenOptions::new().write(true).open(&last.path).and_then(|file| file.set_len(last.bytes));
        torn.ok()?;
        self.quota.found(found.iter().map(|segment| segment.bytes).sum());
        let mut files = self.lock();
        files.next = last_number(&paths) + 1;
        files.segments = found;
        files.open = None;
        Some(Left { start, end, names })
    }
}

/// What a file holds, as far as it is whole.
fn scan(path: &Path) -> io::Result<Segment> {
    let (replid, start, mut records) = segment::open(path)?;
    let mut end = start;
    while let Some(piece) = records.next()? {
        end += piece.bytes.len() as u64;
    }
    Ok(Segment { path: path.to_owned(), start, end, bytes: records.whole, replid })
}

/// The spool's files of a folder, in order.
pub(super) fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == SUFFIX)).collect();
    paths.sort();
    paths
}

fn last_number(paths: &[PathBuf]) -> u64 {
    paths.last().and_then(|path| path.file_stem()?.to_str()?.parse().ok()).unwrap_or(0)
}

/// A file that stays only takes up room; the next start tries again.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "a file of the spool stays");
    }
}
