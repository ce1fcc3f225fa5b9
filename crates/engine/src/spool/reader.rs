use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use super::disk::Left;
use super::segment::{self, Records};
use super::{Disk, End, Piece, Shared};
use crate::checkpoint::Checkpoint;

/// Bytes read from a file at once.
const AHEAD: usize = 512 * 1024;

/// Where what follows a place may come from, before the source is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supply {
    /// What this run holds.
    Held,
    /// What an earlier run left on disk.
    Left,
    /// Nowhere.
    Source,
}

/// The decoder's side.
#[derive(Debug)]
pub(crate) struct SpoolOut {
    shared: Arc<Shared>,
    paused: watch::Receiver<bool>,
    /// Read from a file ahead of the reader.
    ready: VecDeque<Piece>,
    /// The state's number of cuts when that was read.
    cuts: u64,
    /// The file that is being read, and the position in it.
    file: Option<(Records, u64)>,
}

impl SpoolOut {
    pub(super) fn new(shared: Arc<Shared>, paused: watch::Receiver<bool>) -> Self {
        Self { shared, paused, ready: VecDeque::new(), cuts: 0, file: None }
    }

    /// Goes to what follows `place`. Where that is not held, the source's side begins there anew.
    pub(crate) async fn begin(&mut self, place: &Checkpoint, from: Supply) {
        self.ready.clear();
        self.file = None;
        if from == Supply::Held && self.shared.lock().seek(place) {
            return;
        }
        let left = match &self.shared.disk {
            Some(disk) if from == Supply::Left => disk.recover(Some(place)).await,
            _ => None,
        };
        self.begin_at(&place.replid, place.offset, left.as_ref());
    }

    /// Goes to the start of what an earlier run left, before it is known where the destination stands, so that the source
    /// is followed meanwhile. False when nothing was left.
    pub(crate) async fn begin_with_what_is_left(&mut self) -> bool {
        let Some(disk) = self.shared.disk.clone() else { return false };
        let Some(left) = disk.recover(None).await else { return false };
        self.begin_at("", left.start, Some(&left));
        true
    }

    fn begin_at(&mut self, replid: &str, offset: u64, left: Option<&Left>) {
        let (epoch, next) = {
            let mut state = self.shared.lock();
            state.begin(replid, offset, left);
            let (replid, offset) = (state.replid.to_string(), state.offset(state.end));
            (state.epoch, Checkpoint { replid, offset, db: 0, checked: offset })
        };
        self.shared.meters.received_up_to(next.offset);
        self.shared.count();
        self.shared.begin.send_replace(Some((epoch, next)));
    }

    /// The snapshot is in: the stream begins behind `place`, with `unread` bytes that were taken already.
    pub(crate) fn streams_from(&mut self, place: &Checkpoint, unread: u64) {
        let received = {
            let mut state = self.shared.lock();
            state.stream(&place.replid, place.offset, unread);
            state.offset(state.end)
        };
        self.shared.meters.received_up_to(received);
        self.shared.emptied.notify_waiters();
    }

    /// Name of the history that was taken last: what is received by now may count under another one.
    pub(crate) fn history(&self) -> Arc<str> {
        self.shared.lock().name_read()
    }

    /// Why no more will come, once that is so.
    pub(crate) fn ended(&self) -> Option<End> {
        self.shared.lock().over.clone()
    }

    /// Waits until no more will come.
    pub(crate) async fn over(&self) -> End {
        loop {
            let filled = self.shared.filled.notified();
            if let Some(end) = self.ended() {
                return end;
            }
            filled.await;
        }
    }

    /// The next piece, or why there will be none.
    pub(crate) async fn next(&mut self) -> Result<Piece, End> {
        loop {
            let shared = self.shared.clone();
            let filled = shared.filled.notified();
            if let Some(place) = self.shared.lock().rewind.clone() {
                return Err(End::Rewound(place));
            }
            let stopping = matches!(self.ended(), Some(End::Stopping));
            if *self.paused.borrow_and_update() && !stopping {
                tokio::select! {
                    changed = self.paused.changed() => if changed.is_err() { std::future::pending::<()>().await },
                    () = filled => {}
                }
                continue;
            }
            if let Some(next) = self.try_next() {
                return next;
            }
            if self.shared.lock().reads_disk() {
                self.read_ahead().await.map_err(|error| End::Damaged(error.to_string()))?;
                continue;
            }
            filled.await;
        }
    }

    /// The same without waiting; `None` when there is nothing at hand.
    pub(crate) fn try_next(&mut self) -> Option<Result<Piece, End>> {
        let paused = *self.paused.borrow();
        let mut state = self.shared.lock();
        if let Some(place) = state.rewind.clone() {
            return Some(Err(End::Rewound(place)));
        }
        if paused {
            return state.over.clone().filter(|end| matches!(end, End::Stopping)).map(Err);
        }
        if state.cuts != self.cuts {
            self.ready.clear();
            self.file = None;
            self.cuts = state.cuts;
        }
        if let Some(piece) = self.ready.pop_front() {
            state.read += piece.bytes.len() as u64;
            return Some(Ok(piece));
        }
        if state.reads_disk() {
            return None;
        }
        if let Some(piece) = state.take() {
            drop(state);
            self.shared.emptied.notify_waiters();
            return Some(Ok(piece));
        }
        state.ended().map(Err)
    }

    /// Reads the next pieces from the files.
    async fn read_ahead(&mut self) -> io::Result<()> {
        let Some(disk) = self.shared.disk.clone() else { return Ok(()) };
        let position = self.shared.lock().read;
        let open = self.file.take();
        let read = tokio::task::spawn_blocking(move || read(&disk, open, position)).await;
        let (file, pieces) = read.unwrap_or_else(|error| Err(io::Error::other(error)))?;
        self.file = Some(file);
        self.ready.extend(pieces);
        Ok(())
    }
}

type ReadAhead = ((Records, u64), Vec<Piece>);

/// Reads about [`AHEAD`] bytes behind a position, going on with the open file where it is the right one.
fn read(disk: &Disk, open: Option<(Records, u64)>, position: u64) -> io::Result<ReadAhead> {
    if let Some((mut records, at)) = open.filter(|(_, at)| *at == position) {
        records.again()?;
        let pieces = take(&mut records, at, position)?;
        if let Some(end) = end_of(&pieces, position) {
            return Ok(((records, end), pieces));
        }
    }
    // Nothing is open, or the file has ended and another one goes on.
    let (mut records, at) = open_at(disk, position)?;
    let pieces = take(&mut records, at, position)?;
    let end = end_of(&pieces, position).ok_or_else(|| missing(position))?;
    Ok(((records, end), pieces))
}

/// Takes about [`AHEAD`] bytes of records; the first begins at `at`, and what it holds before `position` is left out.
fn take(records: &mut Records, mut at: u64, position: u64) -> io::Result<Vec<Piece>> {
    let (mut pieces, mut bytes) = (Vec::new(), 0);
    while bytes < AHEAD {
        let Some(mut piece) = records.next()? else { break };
        let end = at + piece.bytes.len() as u64;
        if at < position {
            let skip = usize::try_from(position - at).map_err(io::Error::other)?;
            piece.bytes = piece.bytes.slice(skip.min(piece.bytes.len())..);
        }
        at = end;
        bytes += piece.bytes.len();
        pieces.push(piece);
    }
    Ok(pieces)
}

/// Where pieces that begin at `position` end; `None` when there are none.
fn end_of(pieces: &[Piece], position: u64) -> Option<u64> {
    let bytes: u64 = pieces.iter().map(|piece| piece.bytes.len() as u64).sum();
    (bytes > 0).then_some(position + bytes)
}

fn missing(position: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("what follows position {position} is not there"))
}

/// Opens the file that holds what follows a position, at the record that does.
fn open_at(disk: &Disk, position: u64) -> io::Result<(Records, u64)> {
    let segment = disk.segment_at(position).ok_or_else(|| missing(position))?;
    let (_, _, mut records) = segment::open(&segment.path)?;
    let mut at = segment.start;
    loop {
        let before = records.whole;
        let length = records.skip()?.ok_or_else(|| missing(position))?;
        if at + length > position {
            records.whole = before;
            records.again()?;
            return Ok((records, at));
        }
        at += length;
    }
}
