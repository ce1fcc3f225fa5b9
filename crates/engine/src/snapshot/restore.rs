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
    let expire_at_ms = value.expire_at_ms.map(|at| dialect.carried(at));
    let absolute = expire_at_ms.filter(|_| dialect.absolute_restore);
    let ttl = match expire_at_ms {
        None => 0,
        Some(at) if absolute.is_some() => at,
        // 0 would mean that the key never expires.
        Some(at) => at.saturating_sub(now_ms).max(1),
    };
    let hint = if dialect.absolute_restore { hint(value) } else { None };
    let argc = 5 + usize::from(absolute.is_some()) + if hint.is_some() { 2 } else { 0 };
    write::array_header(out, argc);
    write::bulk(out, b"RESTORE");
    write::bulk(out, &value.key);
    write::bulk_int(out, ttl.cast_signed());
    write::bulk_header(out, dump::payload_len(value.raw.len()));
    dump::write_payload(out, value.kind, value.raw);
    out.extend_from_slice(b"\r\n");
    write::bulk(out, b"REPLACE");
    if absolute.is_some() {
        write::bulk(out, b"ABSTTL");
    }
    if let Some((name, number)) = hint {
        write::bulk(out, name);
        write::bulk_int(out, number);
    }
}

fn hint(value: &Value<'_>) -> Option<(&'static [u8], i64)> {
    match (value.idle_s, value.freq) {
        (Some(idle), _) => Some((b"IDLETIME", idle.cast_signed())),
        (None, Some(freq)) => Some((b"FREQ", i64::from(freq))),
        (None, None) => None,
    }
}
