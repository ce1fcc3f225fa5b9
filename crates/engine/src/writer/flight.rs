use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, oneshot};

use crate::Failure;
use crate::meters::Meters;

/// Buffers that are kept for the next batches.
const POOL: usize = 8;
/// A buffer larger than this is given back to the allocator.
const POOLED_CAPACITY: usize = 1 << 20;

/// Commands that are sent together, and what their replies mean.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The commands. Kept until they are answered, so that one that fails can be named.
    pub bytes: Arc<Vec<u8>>,
    /// Replies to expect.
    pub replies: u32,
    /// Commands of the same transaction, MULTI included, that went out in earlier batches; the last reply of a
    /// transaction is the array of them all.
    pub earlier: u64,
    /// Replication offset that is applied once all replies are in; 0 is none.
    pub offset: u64,
    /// The offset of the checkpoint that it writes, where it does: the end of a transaction. PINGs and the like that follow
    /// move `offset` past it.
    pub checkpoint: Option<u64>,
    /// Commands of the stream in it.
    pub commands: u64,
    /// Keys of a snapshot in it.
    pub keys: u64,
    /// When the first command of the stream in it arrived here.
    pub arrived: Option<Instant>,
    /// Takes the answer to its one command, which may be an error without anything else following from it.
    pub verdict: Option<oneshot::Sender<Verdict>>,
}

/// Whether the destination took a command, or what it said.
pub(crate) type Verdict = Result<(), String>;

/// What the reply reader must know of the batch it is at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub replies: u32,
    pub earlier: u64,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Batch>,
    bytes: usize,
    /// Batches in flight that write a checkpoint.
    commits: usize,
    failure: Option<Failure>,
    /// Whether the failed command was part of a transaction that the destination executed all the same.
    executed: bool,
    pool: Vec<Vec<u8>>,
}

/// The batches whose replies are not all in.
#[derive(Debug)]
pub(crate) struct Flight {
    // A std Mutex: held for a few moves, never across an await.
    state: Mutex<State>,
    changed: Notify,
    meters: Arc<Meters>,
}

impl Flight {
    pub(crate) fn new(meters: Arc<Meters>) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), meters }
    }

    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.lock().pool.pop().unwrap_or_default()
    }

    /// Number of batches in flight.
    pub(crate) fn len(&self) -> usize {
        self.lock().batches.len()
    }

    /// Whether every checkpoint that was sent is answered.
    pub(crate) fn is_clear(&self) -> bool {
        self.lock().commits == 0
    }

    /// Waits until every checkpoint that was sent is answered, or for a failure.
    pub(crate) async fn clear(&self) -> Result<(), Failure> {
        self.wait(|state| state.commits == 0).await
    }

    /// Enters a batch before it is written, so that no reply comes unexpected; gives its bytes to write.
    pub(crate) fn launch(&self, batch: Batch) -> Arc<Vec<u8>> {
        let bytes = batch.bytes.clone();
        let mut state = self.lock();
        state.bytes += bytes.len();
        state.commits += usize::from(batch.checkpoint.is_some());
        state.batches.push_back(batch);
        bytes
    }

    /// Counts an offset as applied when all that is in flight is answered.
    pub(crate) fn pass(&self, offset: u64) {
        let mut state = self.lock();
        match state.batches.back_mut() {
            Some(batch) => batch.offset = offset,
            None => {
                drop(state);
                self.meters.executed(offset, 0, 0, None);
            }
        }
    }

    /// Waits for a state of (bytes, batches) in flight, or a failure.
    pub(crate) async fn wait_until(&self, reached: impl Fn(usize, usize) -> bool) -> Result<(), Failure> {
        self.wait(|state| reached(state.bytes, state.batches.len())).await
    }

    async fn wait(&self, reached: impl Fn(&State) -> bool) -> Result<(), Failure> {
        loop {
            let changed = self.changed.notified();
            {
                let state = self.lock();
                if let Some(failure) = &state.failure {
                    return Err(failure.clone());
                }
                if reached(&state) {
                    return Ok(());
                }
            }
            changed.await;
        }
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.lock().failure.clone()
    }

    /// Whether a command failed within a transaction whose other commands were executed: EXEC does not roll back.
    pub(crate) fn executed_in_part(&self) -> bool {
        self.lock().executed
    }

    /// Bytes of the largest batch in flight.
    pub(crate) fn largest(&self) -> usize {
        self.lock().batches.iter().map(|batch| batch.bytes.len()).max().unwrap_or(0)
    }

    /// What the batch at the front expects.
    pub(crate) fn front(&self) -> Option<Expected> {
        self.lock().batches.front().map(|batch| Expected { replies: batch.replies, earlier: batch.earlier })
    }

    /// Looks at the bytes of the batch at the front.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.lock().batches.front().map(|batch| look(&batch.bytes))
    }

    /// Hands an error to whoever asked for it; false when nobody did.
    pub(crate) fn refuse(&self, line: &[u8]) -> bool {
        let asked = self.lock().batches.front_mut().and_then(|batch| batch.verdict.take());
        // Who no longer waits has failed for another reason.
        asked.is_some_and(|asked| asked.send(Err(String::from_utf8_lossy(line).into_owned())).is_ok())
    }

    /// The front batch has all its replies.
    pub(crate) fn complete(&self) {
        let mut state = self.lock();
        let Some(batch) = state.batches.pop_front() else { return };
        if let Some(asked) = batch.verdict {
            drop(asked.send(Ok(())));
        }
        state.bytes = state.bytes.saturating_sub(batch.bytes.len());
        state.commits = state.commits.saturating_sub(usize::from(batch.checkpoint.is_some()));
        state.recycle(batch.bytes);
        drop(state);
        if let Some(offset) = batch.checkpoint {
            self.meters.checkpointed.store(offset, Relaxed);
        }
        self.meters.executed(batch.offset, batch.commands, batch.keys, batch.arrived);
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    /// Ends everything: waiting callers get the failure.
    pub(crate) fn fail(&self, failure: Failure, executed: bool) {
        let mut state = self.lock();
        state.failure.get_or_insert(failure);
        state.executed |= executed;
        drop(state);
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn recycle(&mut self, bytes: Arc<Vec<u8>>) {
        let Ok(mut bytes) = Arc::try_unwrap(bytes) else { return };
        if self.pool.len() < POOL && bytes.capacity() > 0 && bytes.capacity() <= POOLED_CAPACITY {
            bytes.clear();
            self.pool.push(bytes);
        }
    }
}
