use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::Left;
use super::{End, MEMORY, Piece};
use crate::Failure;
use crate::checkpoint::Checkpoint;

/// A snapshot that is being loaded is left to the source's own patience for so long before it goes to disk: most are in by
/// then, and writing them twice would only slow them down. One that nobody takes yet, because other sources are not ready,
/// has no such time: sources give up a replica that takes nothing (repl-timeout, 60 s if nothing is said).
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(20);

/// Where bytes belong.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// Position before the first.
    pub position: u64,
    /// The history and the offset before the first, unless they belong to a snapshot.
    pub stream: Option<(Arc<str>, u64)>,
}

/// What is in memory, and where everything stands.
///
/// Files hold `disk`, memory holds what follows up to `end`; there is no gap between the two.
#[derive(Debug)]
pub(super) struct State {
    /// In memory: the position before each piece, and the piece.
    pieces: VecDeque<(u64, Piece)>,
    /// Bytes in `pieces`.
    bytes: usize,
    /// Up to where the reader has taken.
    pub read: u64,
    /// Behind the last byte received.
    pub end: u64,
    /// A snapshot comes: positions have no offsets yet.
    pub raw: bool,
    /// What to add to a position to get a replication offset.
    origin: i64,
    /// Since when the reader takes.
    taking: Option<Instant>,
    /// Name of the history that `end` counts in.
    pub replid: Arc<str>,
    /// All names that it is known to have had, each with the position from which on it counts.
    names: Vec<(u64, Arc<str>)>,
    /// From where to where the files reach.
    pub disk: Option<(u64, u64)>,
    /// There is a place for files.
    has_disk: bool,
    /// What comes goes to disk, until the reader has caught up.
    spilling: bool,
    /// Why the last write to disk failed.
    pub disk_trouble: Option<String>,
    /// Number of the beginning that the positions belong to.
    pub epoch: u64,
    /// How often something was cut back: what was read ahead before that is of no use.
    pub cuts: u64,
    /// Why no more of a snapshot will come.
    pub broken: Option<Failure>,
    pub over: Option<End>,
    /// The source knows nothing of what was received behind this place, some of which was taken.
    pub rewind: Option<Checkpoint>,
}

impl State {
    pub(super) fn new(has_disk: bool) -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            read: 0,
            end: 0,
            raw: true,
            origin: 0,
            taking: None,
            replid: "".into(),
            names: Vec::new(),
            disk: None,
            has_disk,
            spilling: false,
            disk_trouble: None,
            epoch: 0,
            cuts: 0,
            broken: None,
            over: None,
            rewind: None,
        }
    }

    /// Why there is nothing more to take, once that is so.
    pub(super) fn ended(&self) -> Option<End> {
        let broken = self.broken.clone().filter(|_| self.raw).map(End::Broken);
        self.over.clone().or(broken)
    }

    /// The replication offset at a position.
    pub(super) fn offset(&self, position: u64) -> u64 {
        position.wrapping_add_signed(self.origin)
    }

    /// The position at a replication offset; 0 for one that lies before all that was received.
    fn position(&self, offset: u64) -> u64 {
        offset.cast_signed().wrapping_sub(self.origin).max(0).cast_unsigned()
    }

    /// Position of the oldest byte that is held.
    fn start(&self) -> u64 {
        self.disk.map_or(self.memory_start(), |(start, _)| start)
    }

    fn memory_start(&self) -> u64 {
        self.pieces.front().map_or(self.end, |(start, _)| *start)
    }

    /// Bytes that the reader has not taken.
    pub(super) fn waiting(&self) -> u64 {
        self.end.saturating_sub(self.read)
    }

    pub(super) fn push(&mut self, piece: Piece) {
        if self.read == self.end {
            // The reader has caught up: memory is enough again.
            self.spilling = false;
        }
        let start = self.end;
        self.end += piece.bytes.len() as u64;
        self.bytes += piece.bytes.len();
        self.pieces.push_back((start, piece));
        // What was taken and is not applied yet is kept for a destination that reconnects, as far as there is room. With a
        // disk there is: the checkpoint that it comes back with may lie before all that was taken.
        while !self.has_disk && self.bytes > MEMORY && self.pop_before(self.read) {}
        self.spilling |= self.bytes > MEMORY && !self.is_patient();
    }

    fn is_patient(&self) -> bool {
        self.raw && self.taking.is_some_and(|since| since.elapsed() < SNAPSHOT_PATIENCE)
    }

    /// Whether what is in memory should go to disk now.
    pub(super) fn wants_disk(&self) -> bool {
        self.has_disk && !self.pieces.is_empty() && (self.spilling || self.bytes > MEMORY) && !self.is_patient()
    }

    pub(super) fn has_room(&self) -> bool {
        // Without a disk nothing is kept for long that was taken, and a command larger than memory has to pass.
        let counted = if self.has_disk { self.bytes as u64 } else { self.waiting() };
        counted <= MEMORY as u64
    }

    /// Whether nothing can move: there is no room, and the reader has taken all that there is. A transaction larger than
    /// memory and files together has no checkpoint before its end.
    pub(super) fn is_stuck(&self) -> bool {
        self.disk_trouble.is_some() && self.waiting() == 0 && !self.has_room()
    }

    /// Whether there is more in memory than it may hold.
    pub(super) fn is_over(&self) -> bool {
        self.bytes > MEMORY
    }

    /// Why there is no room; `None` where that is not out of the ordinary: a snapshot is loaded as it comes.
    pub(super) fn why_full(&self) -> Option<String> {
        let no_disk = !self.has_disk && !self.raw;
        self.disk_trouble.clone().or_else(|| no_disk.then(|| "there is no disk to spill to".to_owned()))
    }

    /// What is in memory, and where it belongs.
    pub(super) fn to_spill(&self) -> (Origin, Vec<Piece>) {
        let pieces = self.pieces.iter().map(|(_, piece)| piece.clone()).collect();
        let position = self.memory_start();
        let stream = (!self.raw).then(|| (self.replid.clone(), self.offset(position)));
        (Origin { position, stream }, pieces)
    }

    /// What was in memory before a position is in files now; more may have come meanwhile.
    pub(super) fn moved_to_disk(&mut self, end: u64) {
        self.spilling = true;
        while self.pop_before(end) {}
    }

    /// From which position on something is still needed, when the destination may ask for what is behind `offset`.
    pub(super) fn keep_from(&self, offset: u64) -> u64 {
        if self.raw { self.read } else { self.position(offset).min(self.read) }
    }

    /// Drops what is in memory before a position, unless files hold what comes before it.
    pub(super) fn drop_before(&mut self, position: u64) {
        while self.disk.is_none() && self.pop_before(position) {}
    }

    fn pop_before(&mut self, position: u64) -> bool {
        let Some((start, piece)) = self.pieces.front() else { return false };
        let length = piece.bytes.len();
        if start + length as u64 > position {
            return false;
        }
        self.bytes -= length;
        self.pieces.pop_front();
        true
    }

    /// Forgets what is behind an offset: `None` when it was taken or is not held, else its position if files hold some.
    pub(super) fn cut_back(&mut self, offset: u64) -> Option<Option<u64>> {
        let position = self.position(offset);
        if self.read > position || position < self.start() {
            return None;
        }
        while let Some((start, mut piece)) = self.pieces.pop_back() {
            self.bytes -= piece.bytes.len();
            if start < position {
                piece.bytes.truncate(usize::try_from(position - start).unwrap_or(usize::MAX));
                self.bytes += piece.bytes.len();
                self.pieces.push_back((start, piece));
                break;
            }
        }
        self.end = position;
        self.cuts += 1;
        match self.disk {
            Some((start, end)) if end > position => {
                self.disk = Some((start, position));
                Some(Some(position))
            }
            _ => Some(None),
        }
    }

    /// The bytes in memory at the reader's position.
    pub(super) fn take(&mut self) -> Option<Piece> {
        self.taking.get_or_insert_with(Instant::now);
        let at = self.pieces.partition_point(|(start, piece)| start + piece.bytes.len() as u64 <= self.read);
        let (start, piece) = self.pieces.get(at)?;
        let skip = usize::try_from(self.read.checked_sub(*start)?).ok()?;
        let piece = Piece { bytes: piece.bytes.slice(skip..), ..piece.clone() };
        self.read += piece.bytes.len() as u64;
        if self.raw {
            self.drop_before(self.read);
        }
        Some(piece)
    }

    /// Whether the reader is to go on in the files.
    pub(super) fn reads_disk(&self) -> bool {
        self.disk.is_some_and(|(_, end)| self.read < end)
    }

    /// The history has another name from now on.
    pub(super) fn rename(&mut self, replid: &str) {
        let from = if self.names.is_empty() { 0 } else { self.end };
        self.rename_from(from, replid);
    }

    fn rename_from(&mut self, position: u64, replid: &str) {
        if *self.replid != *replid {
            self.replid = replid.into();
            self.names.push((position, self.replid.clone()));
        }
    }

    /// The history's name where the reader stands: it may be far behind the end, which another server sends by now.
    pub(super) fn name_read(&self) -> Arc<str> {
        let name = self.names.iter().rev().find(|(from, _)| *from <= self.read);
        name.map_or_else(|| self.replid.clone(), |(_, name)| name.clone())
    }

    /// Moves the reader to a place; false when what follows it is not held.
    pub(super) fn seek(&mut self, place: &Checkpoint) -> bool {
        let position = self.position(place.offset);
        let known = self.names.iter().any(|(_, name)| **name == *place.replid);
        let held = known && !self.raw && (self.start()..=self.end).contains(&position);
        if held {
            self.read = position;
        }
        held
    }

    /// Begins anew, behind an offset: nothing that is held belongs to it, except what `left` says.
    pub(super) fn begin(&mut self, replid: &str, offset: u64, left: Option<&Left>) {
        let over = self.over.take();
        let epoch = self.epoch + 1;
        *self = Self { epoch, over, raw: false, ..Self::new(self.has_disk) };
        self.read = offset;
        self.end = left.map_or(offset, |left| left.end);
        self.disk = left.map(|left| (left.start, left.end));
        self.spilling = left.is_some();
        match left {
            // Where one followed the other is not known here. The last one names all of it rightly.
            Some(left) => left.names.iter().for_each(|name| self.rename_from(0, name)),
            None => self.rename(replid),
        }
    }

    /// The stream of this history begins behind `offset`, `unread` bytes before the reader's position.
    pub(super) fn stream(&mut self, replid: &str, offset: u64, unread: u64) {
        self.origin = offset.wrapping_add(unread).wrapping_sub(self.read).cast_signed();
        self.rename(replid);
        self.raw = false;
    }
}
