//! What a load's work writes down, and the status that is made of it.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{FileHeader, FileLoadStatus, FilePhase};
use crate::Failure;
use crate::meters::Meters;
use crate::snapshot::LeftOut;

/// Progress is shown below 100 until the dump is in.
const ALMOST: f64 = 99.9;
/// The speed is that of so long.
const LATELY: Duration = Duration::from_secs(3);
/// Warnings that are kept: a dump may hold any number of what one is about.
const WARNINGS: usize = 20;

/// Written by the load's task, read by whoever publishes the status.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// Counts the keys that the destination has answered.
    pub meters: Arc<Meters>,
    // A std Mutex: held for a few moves, never across an await.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: FilePhase,
    header: Option<FileHeader>,
    bytes_done: u64,
    left_out: LeftOut,
    functions: u64,
    touched: bool,
    warnings: Vec<String>,
    failure: Option<Failure>,
    /// When the phase began.
    since: Instant,
    /// Bytes done at moments of late.
    marks: VecDeque<(Instant, u64)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: FilePhase::Checking,
            header: None,
            bytes_done: 0,
            left_out: LeftOut::default(),
            functions: 0,
            touched: false,
            warnings: Vec::new(),
            failure: None,
            since: Instant::now(),
            marks: VecDeque::new(),
        }
    }
}

impl Board {
    /// A phase begins.
    pub(super) fn enter(&self, phase: FilePhase) {
        let mut state = self.lock();
        if !phase.is_end() {
            state.bytes_done = 0;
            state.since = Instant::now();
        }
        state.marks.clear();
        state.phase = phase;
    }

    pub(super) fn found(&self, header: FileHeader) {
        self.lock().header = Some(header);
    }

    /// The destination is changed from here on.
    pub(super) fn touch(&self) {
        self.lock().touched = true;
    }

    /// Bytes that were decoded in this phase.
    pub(super) fn read(&self, bytes: u64) {
        self.lock().bytes_done = bytes;
    }

    pub(super) fn counted(&self, left_out: LeftOut, functions: u64) {
        let mut state = self.lock();
        (state.left_out, state.functions) = (left_out, functions);
    }

    /// Says a thing once.
    pub(super) fn warn(&self, message: &str) {
        let mut state = self.lock();
        if state.warnings.len() < WARNINGS && !state.warnings.iter().any(|known| known == message) {
            state.warnings.push(message.to_owned());
        }
    }

    pub(super) fn failed(&self, failure: Failure) {
        let mut state = self.lock();
        (state.phase, state.failure) = (FilePhase::Failed, Some(failure));
    }

    /// Whether the destination was changed.
    pub(super) fn is_touched(&self) -> bool {
        self.lock().touched
    }

    pub(super) fn keys(&self) -> u64 {
        self.meters.keys.load(Relaxed)
    }

    /// The status now.
    pub(super) fn status(&self) -> FileLoadStatus {
        let mut state = self.lock();
        let reads = matches!(state.phase, FilePhase::Verifying | FilePhase::Loading);
        let bytes_per_s = if reads { state.speed(Instant::now()) } else { None };
        let bytes_total = state.header.as_ref().and_then(|header| header.size);
        let share = bytes_total.filter(|total| *total > 0).map(|total| state.bytes_done as f64 / total as f64);
        let progress = match state.phase {
            FilePhase::Done => Some(100.0),
            FilePhase::Checking | FilePhase::Emptying => None,
            _ => share.map(|share| (share * 100.0).min(ALMOST)),
        };
        let spent = state.since.elapsed();
        let time_left = share
            .filter(|share| reads && *share >= 0.01 && spent >= Duration::from_secs(1))
            .map(|share| spent.mul_f64(((1.0 - share) / share).max(0.0)));
        FileLoadStatus {
            phase: state.phase,
            header: state.header.clone(),
            progress,
            bytes_done: state.bytes_done,
            bytes_total,
            bytes_per_s,
            time_left,
            keys: self.keys(),
            functions: state.functions,
            expired: state.left_out.expired,
            checkpoints: state.left_out.marks,
            omitted: state.left_out.omitted,
            incomplete: state.touched && state.phase != FilePhase::Done,
            warnings: state.warnings.clone(),
            failure: state.failure.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Bytes a second since the oldest moment that is still late; unknown at first.
    fn speed(&mut self, now: Instant) -> Option<f64> {
        self.marks.push_back((now, self.bytes_done));
        while self.marks.len() > 2 && self.marks.front().is_some_and(|(at, _)| now - *at > LATELY) {
            self.marks.pop_front();
        }
        let (then, before) = *self.marks.front()?;
        let seconds = (now - then).as_secs_f64();
        (seconds > 0.1).then(|| self.bytes_done.saturating_sub(before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_of_the_phase_and_below_100_until_all_is_in() {
        let board = Board::default();
        board.found(FileHeader { size: Some(1000), ..FileHeader::default() });
        assert_eq!(board.status().progress, None);
        board.enter(FilePhase::Verifying);
        board.read(1000);
        assert_eq!(board.status().progress, Some(ALMOST));
        board.enter(FilePhase::Loading);
        assert_eq!(board.status().progress, Some(0.0));
        board.touch();
        board.read(500);
        let status = board.status();
        assert_eq!((status.progress, status.incomplete), (Some(50.0), true));
        board.enter(FilePhase::Done);
        let status = board.status();
        assert_eq!((status.progress, status.incomplete, status.bytes_done), (Some(100.0), false, 500));
    }

    #[test]
    fn a_warning_is_told_once() {
        let board = Board::default();
        (0..3).for_each(|_| board.warn("a"));
        (0..2 * WARNINGS).for_each(|number| board.warn(&number.to_string()));
        let warnings = board.status().warnings;
        assert_eq!((warnings.len(), warnings[0].as_str()), (WARNINGS, "a"));
    }
}
