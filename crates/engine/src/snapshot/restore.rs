use std::borrow::Cow;
use std::sync::Arc;

use tributary_rdb::{Value, dump};
use tributary_resp::write;

use crate::Failure;
use crate::dialect::Dialect;
use crate::writer::{Batch, Writer};

/// Bytes after which a batch leaves.
const BATCH: usize = 256 * 1024;
/// Pairs of one MSET: measured to be where the gain levels off.
const MSET_PAIRS: usize = 64;
/// Longest string that goes by MSET; for longer ones the command is not what costs.
const MSET_VALUE: usize = 16 * 1024;

/// Writes whole objects as RESTORE, and plain strings as MSET.
#[derive(Debug)]
pub(super) struct Restorer {
    dialect: Dialect,
    /// Unix time in ms of the source, for destinations that only know relative expiries.
    now_ms: u64,
    pub out: Vec<u8>,
    replies: u32,
    keys: u64,
    /// Arguments of the MSET that is being filled.
    pairs: Vec<u8>,
    pair_count: usize,
    selected: u32,
}

impl Restorer {
    pub(super) fn new(dialect: Dialect, now_ms: u64) -> Self {
        let (out, pairs) = (Vec::new(), Vec::new());
        Self { dialect, now_ms, out, replies: 0, keys: 0, pairs, pair_count: 0, selected: 0 }
    }

    /// Makes sure that what follows goes to database `db`.
    pub(super) fn select(&mut self, db: u32) {
        if self.selected != db {
            self.close_mset();
            write::array_header(&mut self.out, 2);
            write::bulk(&mut self.out, b"SELECT");
            write::bulk_int(&mut self.out, i64::from(db));
            self.replies += 1;
            self.selected = db;
        }
    }

    /// Adds one object.
    pub(super) fn value(&mut self, value: &Value<'_>) {
        self.keys += 1;
        let bare = value.expire_at_ms.is_none() && value.idle_s.is_none() && value.freq.is_none();
        if bare
            && value.raw.len() <= MSET_VALUE
            && let Some(text) = value.plain_string()
        {
            write::bulk(&mut self.pairs, &value.key);
            write::bulk(&mut self.pairs, &text);
            self.pair_count += 1;
            if self.pair_count >= MSET_PAIRS || self.pairs.len() >= BATCH {
                self.close_mset();
            }
            return;
        }
        write_restore(&mut self.out, value, self.dialect, self.now_ms);
        self.replies += 1;
    }

    /// The same as a command of its own.
    pub(super) fn command(&self, value: &Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        write_restore(&mut out, value, self.dialect, self.now_ms);
        out
    }

    /// The beginning of a RESTORE, up to its payload of so many bytes.
    pub(super) fn begin_frame(&self, frame: &Frame<'_>, payload: usize) -> Vec<u8> {
        let mut out = Vec::new();
        frame.begin(&mut out, payload, self.dialect, self.now_ms);
        out
    }

    /// What follows the payload.
    pub(super) fn end_frame(&self, out: &mut Vec<u8>, frame: &Frame<'_>) {
        frame.end(out, self.dialect);
    }

    /// Adds a function library.
    pub(super) fn function(&mut self, code: &[u8]) {
        write::command(&mut self.out, &[b"FUNCTION", b"LOAD", b"REPLACE", code]);
        self.replies += 1;
    }

    /// Counts a command that was appended to `out`.
    pub(super) fn added(&mut self) {
        self.replies += 1;
    }

    /// Counts a key that was written by several commands.
    pub(super) fn added_key(&mut self) {
        self.keys += 1;
    }

    fn close_mset(&mut self) {
        if self.pair_count > 0 {
            write::array_header(&mut self.out, 1 + 2 * self.pair_count);
            write::bulk(&mut self.out, b"MSET");
            self.out.append(&mut self.pairs);
            self.pair_count = 0;
            self.replies += 1;
        }
    }

    /// Sends what there is when it is enough.
    pub(super) async fn send_full(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        if self.out.len() >= BATCH { self.send(writer).await } else { Ok(()) }
    }

    /// Sends all there is.
    pub(super) async fn send(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        self.close_mset();
        // A piece of a long argument has no reply of its own.
        if self.out.is_empty() {
            return Ok(());
        }
        let batch = Batch {
            bytes: Arc::new(std::mem::replace(&mut self.out, writer.buffer())),
            replies: std::mem::take(&mut self.replies),
            keys: std::mem::take(&mut self.keys),
            ..Batch::default()
        };
        writer.submit(batch).await
    }
}

/// `RESTORE key ttl payload REPLACE [ABSTTL] [IDLETIME s | FREQ f]`.
fn write_restore(out: &mut Vec<u8>, value: &Value<'_>, dialect: Dialect, now_ms: u64) {
    let Value { expire_at_ms, idle_s, freq, .. } = *value;
    let frame = Frame { key: Cow::Borrowed(&value.key), expire_at_ms, idle_s, freq };
    frame.begin(out, dump::payload_len(value.raw.len()), dialect, now_ms);
    dump::write_payload(out, value.kind, value.raw);
    frame.end(out, dialect);
}

/// What stands around the payload of a RESTORE.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub key: Cow<'a, [u8]>,
    /// When it expires, in Unix ms.
    pub expire_at_ms: Option<u64>,
    /// How long it has not been used, in seconds.
    pub idle_s: Option<u64>,
    /// Its LFU counter.
    pub freq: Option<u8>,
}

impl Frame<'_> {
    fn begin(&self, out: &mut Vec<u8>, payload: usize, dialect: Dialect, now_ms: u64) {
        let absolute = dialect.absolute_restore;
        let ttl = match self.expire_at_ms.map(|at| dialect.carried(at)) {
            None => 0,
            Some(at) if absolute => at,
            // 0 would mean that the key never expires.
            Some(at) => at.saturating_sub(now_ms).max(1),
        };
        let hint = if self.hint(dialect).is_some() { 2 } else { 0 };
        write::array_header(out, 5 + usize::from(self.is_absolute(dialect)) + hint);
        write::bulk(out, b"RESTORE");
        write::bulk(out, &self.key);
        write::bulk_int(out, ttl.cast_signed());
        write::bulk_header(out, payload);
    }

    fn end(&self, out: &mut Vec<u8>, dialect: Dialect) {
        out.extend_from_slice(b"\r\n");
        write::bulk(out, b"REPLACE");
        if self.is_absolute(dialect) {
            write::bulk(out, b"ABSTTL");
        }
        if let Some((name, number)) = self.hint(dialect) {
            write::bulk(out, name);
            write::bulk_int(out, number);
        }
    }

    fn is_absolute(&self, dialect: Dialect) -> bool {
        dialect.absolute_restore && self.expire_at_ms.is_some()
    }

    fn hint(&self, dialect: Dialect) -> Option<(&'static [u8], i64)> {
        match (self.idle_s, self.freq) {
            _ if !dialect.absolute_restore => None,
            (Some(idle), _) => Some((b"IDLETIME", idle.cast_signed())),
            (None, Some(freq)) => Some((b"FREQ", i64::from(freq))),
            (None, None) => None,
        }
    }
}
