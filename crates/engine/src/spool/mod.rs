//! The spool: the byte queue between a source's socket and the decoder.
//!
//! It takes bytes off the source as fast as they come, so that a destination that is slow or gone never fills the
//! source's replica output buffer. Small, it lives in memory; when more than [`MEMORY`] waits, all that is not yet applied
//! goes to files ([`disk`]), from which a later run can go on. It is bounded by the replica's quota and by the disk's free
//! space: when it is full, reading from the source pauses.
//!
//! A position counts bytes since the spool began. While a snapshot comes, that is all there is to say; from
//! [`SpoolOut::streams_from`] or [`SpoolOut::begin`] on, every position has a replication offset.

mod disk;
mod quota;
mod reader;
mod segment;
mod state;

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

pub(crate) use disk::Disk;
pub use quota::SpoolSpec;
pub(crate) use quota::{Quota, has_files, remove_files};
pub(crate) use reader::{SpoolOut, Supply};

use crate::Failure;
use crate::checkpoint::Checkpoint;
use crate::meters::Meters;
use state::State;

/// Bytes that are kept in memory. More, and they go to disk.
const MEMORY: usize = 32 << 20;
/// How long a spool that is full waits before it looks for room again.
const RECHECK: Duration = Duration::from_millis(200);

/// Bytes as they were read, and when.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub bytes: Bytes,
    /// Unix time in ms of the read.
    pub arrived_ms: u64,
    /// The same on a clock that never jumps.
    pub arrived: Instant,
}

/// Why no more bytes will come.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// The user stops the sync: what is in the spool is still applied.
    Stopping,
    /// The source's side cannot go on.
    Broken(Failure),
    /// Only a new snapshot can go on; the reason.
    NeedsFull(String),
    /// The source's history took another way behind this place. What was taken from there on is to be forgotten.
    Rewound(Checkpoint),
    /// The files do not hold what they should; what happened. The source is asked again.
    Damaged(String),
}

#[derive(Debug)]
struct Shared {
    // A std Mutex: held for a push or a pop, never across an await.
    state: Mutex<State>,
    disk: Option<Disk>,
    filled: Notify,
    emptied: Notify,
    /// Where the source's side is to begin, each with a number of its own.
    begin: watch::Sender<Option<(u64, Checkpoint)>>,
    meters: Arc<Meters>,
}

/// The source's side. Only it touches the files' ends, so that they need no lock across a write.
#[derive(Debug)]
pub(crate) struct SpoolIn {
    shared: Arc<Shared>,
    begin: watch::Receiver<Option<(u64, Checkpoint)>>,
    /// The beginning that this side works on; what was read for an earlier one is dropped.
    epoch: u64,
}

/// A spool that spills to `disk`, where there is one. `paused` holds the reader back.
pub(crate) fn spool(disk: Option<Disk>, meters: Arc<Meters>, paused: watch::Receiver<bool>) -> (SpoolIn, SpoolOut) {
    let (begin, begun) = watch::channel(None);
    let shared = Arc::new(Shared {
        state: Mutex::new(State::new(disk.is_some())),
        disk,
        filled: Notify::new(),
        emptied: Notify::new(),
        begin,
        meters,
    });
    (SpoolIn { shared: shared.clone(), begin: begun, epoch: 0 }, SpoolOut::new(shared, paused))
}

impl SpoolIn {
    /// Waits for the next place to begin at.
    pub(crate) async fn next_beginning(&mut self) -> Checkpoint {
        loop {
            let found = self.begin.borrow_and_update().clone();
            if let Some((epoch, place)) = found.filter(|(epoch, _)| *epoch > self.epoch) {
                let shared = self.shared.clone();
                self.alone(async move {
                    let stale = shared.lock().disk.is_none();
                    if let (true, Some(disk)) = (stale, &shared.disk) {
                        disk.clear().await;
                    }
                })
                .await;
                // Not before: what is in the files belongs to it only now.
                self.epoch = epoch;
                return place;
            }
            if self.begin.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until what this side reads is of no use any more, because there is another place to begin at.
    pub(crate) async fn outdated(&self) {
        let mut begin = self.begin.clone();
        let later = |found: &Option<(u64, Checkpoint)>| found.as_ref().is_some_and(|(epoch, _)| *epoch > self.epoch);
        if begin.wait_for(later).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until positions are replication offsets.
    pub(crate) async fn stream_begun(&self) {
        loop {
            let emptied = self.shared.emptied.notified();
            if !self.shared.lock().raw {
                return;
            }
            emptied.await;
        }
    }

    /// Where the next byte belongs: the history that it counts in, and the offset before it.
    pub(crate) fn end_of_stream(&self) -> (Arc<str>, u64) {
        let state = self.shared.lock();
        (state.replid.clone(), state.offset(state.end))
    }

    /// The history has a new name from here on.
    pub(crate) fn rename(&self, replid: &str) {
        self.shared.lock().rename(replid);
    }

    /// Drops what was received behind `offset`, which the source no longer knows; false when it was taken already.
    pub(crate) async fn cut_back(&self, offset: u64) -> bool {
        let shared = self.shared.clone();
        self.alone(async move {
            let cut = shared.lock().cut_back(offset);
            match (cut, &shared.disk) {
                (None, _) => false,
                (Some(Some(position)), Some(disk)) => disk.cut_back(position).await.is_ok(),
                _ => true,
            }
        })
        .await
    }

    /// Has the reader go back to a place, although it took what follows it. Nothing is handed out until it begins anew.
    pub(crate) fn rewind(&self, place: Checkpoint) {
        self.shared.lock().rewind = Some(place);
        self.shared.filled.notify_one();
    }

    /// Whether nothing more may be added now.
    pub(crate) fn is_full(&self) -> bool {
        !self.shared.lock().has_room()
    }

    /// Waits until there is room.
    pub(crate) async fn room(&self) {
        loop {
            let emptied = self.shared.emptied.notified();
            if !self.is_full() {
                return;
            }
            // A timeout as well: the disk may have room again without a word from the reader.
            let _ = tokio::time::timeout(RECHECK, emptied).await;
            self.tidy().await;
        }
    }

    /// Why there is no room, where that is worth a word.
    pub(crate) fn why_full(&self) -> Option<String> {
        self.shared.lock().why_full()
    }

    /// Adds what was read.
    pub(crate) async fn push(&self, piece: Piece) {
        let spill = {
            let mut state = self.shared.lock();
            // Nothing of an old connection gets in behind a new beginning.
            if state.epoch != self.epoch {
                return;
            }
            state.push(piece);
            if !state.raw {
                self.shared.meters.received_up_to(state.offset(state.end));
            }
            if state.is_over() {
                // What the destination has executed is not worth a write.
                let keep = state.keep_from(self.shared.meters.checkpointed.load(Relaxed));
                state.drop_before(keep);
            }
            state.wants_disk()
        };
        self.shared.filled.notify_one();
        if spill {
            self.spill().await;
        }
    }

    /// Drops what is applied (and durable, where that is known), and spills what waits if it must.
    pub(crate) async fn tidy(&self) {
        if self.trim().await {
            self.spill().await;
        }
        self.shared.count();
    }

    /// Drops what is not needed; gives whether what is left in memory should go to disk.
    async fn trim(&self) -> bool {
        let (shared, epoch) = (self.shared.clone(), self.epoch);
        self.alone(async move {
            let Some(keep) = shared.needed_from(epoch) else { return false };
            if let Some(disk) = &shared.disk {
                disk.drop_before(keep).await;
            }
            let mut state = shared.lock();
            if state.epoch != epoch {
                return false;
            }
            state.disk = shared.disk.as_ref().and_then(Disk::range);
            state.drop_before(keep);
            state.wants_disk()
        })
        .await
    }

    /// Moves what is in memory to disk. What cannot be written stays in memory.
    async fn spill(&self) {
        // Where there is no room, there may be some for the taking: what is applied and only not durable.
        if !self.write().await && self.trim().await {
            self.write().await;
        }
        self.shared.filled.notify_one();
        self.shared.count();
    }

    /// Writes what is in memory to disk; false when that fails.
    async fn write(&self) -> bool {
        let Some(disk) = self.shared.disk.clone() else { return true };
        let (shared, epoch) = (self.shared.clone(), self.epoch);
        self.alone(async move {
            let (origin, pieces) = {
                let state = shared.lock();
                if state.epoch != epoch {
                    return true;
                }
                state.to_spill()
            };
            if pieces.is_empty() {
                return true;
            }
            let end = origin.position + pieces.iter().map(|piece| piece.bytes.len() as u64).sum::<u64>();
            let done = disk.append(origin, pieces).await;
            let mut state = shared.lock();
            if state.epoch != epoch {
                // A new beginning has other bytes in memory by now, and clears the files first.
                return true;
            }
            match done {
                Ok(()) => {
                    state.disk_trouble = None;
                    state.disk = disk.range();
                    state.moved_to_disk(end);
                    true
                }
                Err(error) => {
                    state.disk_trouble = Some(error.to_string());
                    false
                }
            }
        })
        .await
    }

    /// Runs what changes the files, see [`Disk::alone`].
    async fn alone<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match &self.shared.disk {
            Some(disk) => disk.alone(work).await,
            None => work.await,
        }
    }

    /// The connection that brings the snapshot broke: whoever needs more of it will wait in vain.
    pub(crate) fn broken(&self, failure: Failure) {
        self.shared.lock().broken = Some(failure);
        self.shared.filled.notify_one();
    }

    /// Says that no more will come.
    pub(crate) fn end(&self, end: End) {
        self.shared.lock().over.get_or_insert(end);
        self.shared.filled.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From which position on something is to be kept; `None` for a beginning that is over.
    fn needed_from(&self, epoch: u64) -> Option<u64> {
        let state = self.lock();
        // What is applied and not durable is kept only as long as nobody waits for room.
        let short = state.disk_trouble.is_some() || self.disk.as_ref().is_some_and(Disk::is_short);
        let keep = if state.is_stuck() {
            state.read
        } else if short {
            state.keep_from(self.meters.checkpointed.load(Relaxed))
        } else {
            state.keep_from(self.meters.needed_from())
        };
        (state.epoch == epoch).then_some(keep)
    }

    fn count(&self) {
        let waiting = self.lock().waiting();
        self.meters.spooled(waiting, self.disk.as_ref().map_or(0, Disk::bytes));
    }
}

#[cfg(test)]
mod tests;
