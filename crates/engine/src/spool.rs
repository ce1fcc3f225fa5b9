//! The spool: the byte queue between a source's socket and the decoder.
//!
//! It takes bytes off the source as fast as they come, so that a destination that pauses for a moment does not
//! fill the source's output buffer. It is bounded: when it is full the pump stops reading.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::Failure;

/// Bytes as they were read, and when.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub bytes: Bytes,
    /// Unix time in ms of the read.
    pub arrived_ms: u64,
    /// The same on a clock that never jumps.
    pub arrived: Instant,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Set once: no more pieces will come, and why.
    end: Option<End>,
}

/// Why no more bytes will come.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// The user stops the sync: what is in the spool is still applied.
    Stopping,
    /// The link broke.
    Broken(Failure),
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    // A std Mutex: held for a push or a pop, never across an await.
    state: Mutex<State>,
    filled: Notify,
    emptied: Notify,
}

/// The pump's side.
#[derive(Debug)]
pub(crate) struct SpoolIn(Arc<Shared>);

/// The decoder's side.
#[derive(Debug)]
pub(crate) struct SpoolOut {
    shared: Arc<Shared>,
    /// Bytes given out so far.
    pub taken: u64,
}

/// A spool that holds about `limit` bytes in memory.
pub(crate) fn spool(limit: usize) -> (SpoolIn, SpoolOut) {
    let shared = Arc::new(Shared { limit, state: Mutex::default(), filled: Notify::new(), emptied: Notify::new() });
    (SpoolIn(shared.clone()), SpoolOut { shared, taken: 0 })
}

impl SpoolIn {
    /// Waits until there is room.
    pub(crate) async fn room(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            if self.0.lock().bytes < self.0.limit {
                return;
            }
            emptied.await;
        }
    }

    /// Adds what was read.
    pub(crate) fn push(&self, piece: Piece) {
        let mut state = self.0.lock();
        state.bytes += piece.bytes.len();
        state.pieces.push_back(piece);
        drop(state);
        self.0.filled.notify_one();
    }

    /// Says that no more will come.
    pub(crate) fn end(&self, end: End) {
        self.0.lock().end.get_or_insert(end);
        self.0.filled.notify_one();
    }
}

impl SpoolOut {
    /// The next piece, or why there will be none.
    pub(crate) async fn next(&mut self) -> Result<Piece, End> {
        loop {
            let shared = self.shared.clone();
            let filled = shared.filled.notified();
            if let Some(next) = self.try_next() {
                return next;
            }
            filled.await;
        }
    }

    /// The same without waiting; `None` when nothing has come yet.
    pub(crate) fn try_next(&mut self) -> Option<Result<Piece, End>> {
        let mut state = self.shared.lock();
        if let Some(piece) = state.pieces.pop_front() {
            state.bytes -= piece.bytes.len();
            drop(state);
            self.taken += piece.bytes.len() as u64;
            self.shared.emptied.notify_one();
            return Some(Ok(piece));
        }
        state.end.clone().map(Err)
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &'static str) -> Piece {
        Piece { bytes: Bytes::from_static(text.as_bytes()), arrived_ms: 1, arrived: Instant::now() }
    }

    #[tokio::test]
    async fn what_was_received_before_the_end_is_still_given_out() {
        let (input, mut output) = spool(100);
        input.push(piece("abc"));
        input.end(End::Stopping);
        assert_eq!(output.next().await.unwrap().bytes, "abc");
        assert!(matches!(output.next().await, Err(End::Stopping)));
    }

    #[tokio::test]
    async fn a_full_spool_makes_the_pump_wait_until_the_decoder_takes_something() {
        let (input, mut output) = spool(3);
        input.room().await;
        input.push(piece("abc"));
        let full = tokio::time::timeout(std::time::Duration::from_millis(20), input.room()).await;
        assert!(full.is_err());
        output.next().await.unwrap();
        input.room().await;
    }
}
