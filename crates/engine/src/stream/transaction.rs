//! Groups writes and the checkpoint into a transaction at the destination.

use std::sync::Arc;
use std::time::Instant;

use tributary_resp::write;

use crate::Failure;
use crate::checkpoint::{Checkpoint, Session};
use crate::destination::Keepsake;
use crate::writer::{Batch, Writer};

/// A transaction with more than this is closed as soon as the source's own transactions allow and the one before it is
/// answered. Small ones cost the destination less: what it queues stays in its caches.
const FULL_BYTES: usize = 128 * 1024;
const FULL_COMMANDS: u64 = 256;
/// What of an open transaction goes out while its end has to wait: it is never collected whole, and the destination
/// queues it meanwhile.
const PART_BYTES: usize = 128 * 1024;
const PART_COMMANDS: u32 = 512;
/// A transaction of many of the source's that has grown to this waits for the one before it.
const LARGEST_BYTES: usize = 4 << 20;
const LARGEST_COMMANDS: u64 = 16 * 1024;

/// The transaction that is being filled.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Key of the checkpoint.
    key: String,
    /// Database of the checkpoint.
    home: u32,
    /// Who writes it.
    session: Session,
    pub out: Vec<u8>,
    /// Replies to the commands in `out`.
    replies: u32,
    /// Commands, MULTI included, that went out in parts.
    earlier: u64,
    /// Their bytes.
    earlier_bytes: usize,
    /// Commands of the stream in it.
    commands: u64,
    open: bool,
    /// When its first command arrived here.
    arrived: Option<Instant>,
    /// The database that the destination's connection has selected; not known at first, because the snapshot used the
    /// same connection.
    selected: Option<u32>,
}

impl Transaction {
    pub(super) fn new(key: String, home: u32, session: Session) -> Self {
        Self {
            key,
            home,
            session,
            out: Vec::new(),
            replies: 0,
            earlier: 0,
            earlier_bytes: 0,
            commands: 0,
            open: false,
            arrived: None,
            selected: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.open
    }

    /// Whether it should be closed.
    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= FULL_BYTES || self.commands >= FULL_COMMANDS
    }

    /// Whether nothing more should be added before it is closed.
    pub(super) fn is_largest(&self) -> bool {
        self.bytes() >= LARGEST_BYTES || self.commands >= LARGEST_COMMANDS
    }

    fn bytes(&self) -> usize {
        self.earlier_bytes + self.out.len()
    }

    /// Prepares for a command that arrived at this time and works in database `db`; the caller appends it to `out` and calls [`Self::added`].
    pub(super) fn begin(&mut self, db: u32, arrived: Instant) {
        if !self.open {
            self.arrived = Some(arrived);
            write::command(&mut self.out, &[b"MULTI"]);
            self.replies += 1;
            self.open = true;
        }
        self.select(db);
    }

    /// Counts `commands` that were appended to `out` for one command of the stream.
    pub(super) fn added(&mut self, commands: u32) {
        self.replies += commands;
        self.commands += 1;
    }

    /// Counts a command of our own that was appended to `out`.
    pub(super) fn added_own(&mut self) {
        self.replies += 1;
    }

    /// Appends the removal of our keys from database `db`, where a SWAPDB brought them.
    pub(super) fn remove_keys_from(&mut self, db: u32, kept: &Keepsake) {
        self.select(db);
        for key in std::iter::once(&self.key).chain(kept.iter().map(|(key, _)| key)) {
            write::command(&mut self.out, &[b"DEL", key.as_bytes()]);
            self.replies += 1;
        }
    }

    /// Appends what is recorded of the destination's settings, which a flush has deleted.
    pub(super) fn put_back(&mut self, kept: &Keepsake) {
        if let (Some((key, value)), true) = (kept, self.open) {
            self.select(self.home);
            write::command(&mut self.out, &[b"SET", key.as_bytes(), value.as_bytes()]);
            self.added_own();
        }
    }

    fn select(&mut self, db: u32) {
        if self.selected != Some(db) {
            write::array_header(&mut self.out, 2);
            write::bulk(&mut self.out, b"SELECT");
            write::bulk_int(&mut self.out, i64::from(db));
            self.replies += 1;
            self.selected = Some(db);
        }
    }

    /// Sends what there is of an open transaction when it is large; the transaction stays open.
    pub(super) async fn send_part(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        if self.out.len() < PART_BYTES && self.replies < PART_COMMANDS {
            return Ok(());
        }
        self.earlier_bytes += self.out.len();
        let replies = std::mem::take(&mut self.replies);
        let bytes = Arc::new(std::mem::replace(&mut self.out, writer.buffer()));
        let batch = Batch { bytes, replies, ..Batch::default() };
        self.earlier += u64::from(replies);
        writer.submit(batch).await
    }

    /// Appends the checkpoint, closes the transaction and sends it. The one before it has to be answered.
    pub(super) async fn commit(&mut self, writer: &mut Writer, place: &Checkpoint) -> Result<(), Failure> {
        if self.open {
            self.select(self.home);
            self.append_checkpoint(place);
            write::command(&mut self.out, &[b"EXEC"]);
            self.replies += 1;
        } else {
            self.select(self.home);
            self.append_checkpoint(place);
        }
        let batch = Batch {
            bytes: Arc::new(std::mem::replace(&mut self.out, writer.buffer())),
            replies: std::mem::take(&mut self.replies),
            earlier: std::mem::take(&mut self.earlier),
            offset: place.offset,
            checkpoint: Some(place.offset),
            commands: std::mem::take(&mut self.commands),
            keys: 0,
            arrived: self.arrived.take(),
            verdict: None,
        };
        self.earlier_bytes = 0;
        self.open = false;
        writer.submit(batch).await
    }

    fn append_checkpoint(&mut self, place: &Checkpoint) {
        let mark = place.encode("at", &self.session);
        write::command(&mut self.out, &[b"SET", self.key.as_bytes(), mark.as_bytes()]);
        self.replies += 1;
    }
}
