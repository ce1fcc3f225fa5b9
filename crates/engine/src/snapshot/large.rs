//! Writes an object that is too large to be collected as plain commands, part by part.

use tributary_rdb::{Consumer, Entry, Field, Group, Large as LargeStart, Logical, Part, StreamId, StreamInfo};
use tributary_resp::write;

use super::delivered::{Delivered, TooMany};
use super::restore::Restorer;
use crate::Unsupported;
use crate::dialect::Dialect;

/// Arguments of one command: enough to make its overhead small, few enough not to hold the destination up.
const ARGS: usize = 1024;
/// Bytes after which a command is closed.
const BYTES: usize = 256 * 1024;

/// An object that is being written.
#[derive(Debug)]
pub(super) struct Large {
    pub key: Vec<u8>,
    expire_at_ms: Option<u64>,
    logical: Option<Logical>,
    /// Where the next bytes of a string go.
    at: u64,
    dialect: Dialect,
    unsupported: Unsupported,
    /// Fields were written without their expiry.
    dropped_expiry: bool,
    /// Bytes that are missing to a command whose last argument goes out as it comes.
    long: Option<u64>,
    /// The field that such an argument is the value of.
    long_field: Vec<u8>,
    stream: Stream,
}

/// What cannot be said in commands that the destination knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unwritable {
    /// A field that expires.
    FieldExpiry,
    /// An element that is longer than the destination takes, in bytes.
    Long(u64),
    /// More entries of a stream's group that are not acknowledged than can be remembered.
    Pending { group: Vec<u8>, count: u64 },
    /// A module's value, which no command writes.
    Module,
    /// A consumer has an entry of which its group does not know.
    Undelivered { group: Vec<u8>, id: StreamId },
}

/// What must be remembered of a stream until its pending entries are written.
#[derive(Debug, Default)]
struct Stream {
    group: Vec<u8>,
    delivered: Delivered,
}

impl Large {
    /// Removes what stands under the key; a string is laid out at its full length at once, so that it is not
    /// moved again and again while it grows.
    pub(super) fn begin(
        out: &mut Restorer,
        start: &LargeStart<'_>,
        dialect: Dialect,
        unsupported: Unsupported,
    ) -> Self {
        let large = Self {
            key: start.key.to_vec(),
            expire_at_ms: start.expire_at_ms.map(|at| dialect.carried(at)),
            logical: start.kind.logical(),
            at: 0,
            dialect,
            unsupported,
            dropped_expiry: false,
            long: None,
            long_field: Vec::new(),
            stream: Stream::default(),
        };
        large.command(out, &[b"DEL", &large.key]);
        if let Some(len) = start.string_len.filter(|len| *len > 0) {
            let last = (len - 1).to_string();
            large.command(out, &[b"SETRANGE", &large.key, last.as_bytes(), b"\0"]);
        }
        large
    }

    /// Writes one part.
    ///
    /// # Errors
    /// What cannot be said in commands that the destination knows.
    pub(super) fn part(&mut self, out: &mut Restorer, part: &Part) -> Result<(), Unwritable> {
        match part {
            Part::LongElement { len } => {
                let name: &[u8] = if self.logical == Some(Logical::Set) { b"SADD" } else { b"RPUSH" };
                self.begin_long(out, &[name, &self.key.clone()], *len)?;
            }
            Part::LongField { name, len } => {
                self.begin_long(out, &[b"HSET", &self.key.clone(), name], *len)?;
                self.long_field.clone_from(name);
            }
            Part::Bytes(bytes) if self.long.is_some() => {
                out.out.extend_from_slice(bytes);
                self.long = self.long.map(|left| left.saturating_sub(bytes.len() as u64));
            }
            Part::LongEnd { expire_at_ms } => {
                self.end_long(out);
                let field = std::mem::take(&mut self.long_field);
                self.field_expiry(out, &field, *expire_at_ms)?;
            }
            Part::Bytes(bytes) => {
                let at = self.at.to_string();
                self.command(out, &[b"SETRANGE", &self.key, at.as_bytes(), bytes]);
                self.at += bytes.len() as u64;
            }
            Part::Elements(elements) => {
                let name: &[u8] = if self.logical == Some(Logical::Set) { b"SADD" } else { b"RPUSH" };
                self.batches(out, name, elements, 1, |out, element| write::bulk(out, element));
            }
            Part::Scored(members) => self.batches(out, b"ZADD", members, 2, |out, (member, score)| {
                write::bulk(out, score_text(*score).as_bytes());
                write::bulk(out, member);
            }),
            Part::Fields(fields) => self.fields(out, fields)?,
            Part::Entries(entries) => entries.iter().for_each(|entry| self.entry(out, entry)),
            Part::StreamInfo(info) => self.stream_info(out, info),
            Part::Group(group) => self.group(out, group),
            Part::Pending(pending) => {
                let group = &self.stream.group;
                let too_many = |TooMany(count)| Unwritable::Pending { group: group.clone(), count };
                self.stream.delivered.remember(pending).map_err(too_many)?;
            }
            Part::Consumer(consumer) => self.consumer(out, consumer)?,
            Part::Opaque(_) => return Err(Unwritable::Module),
        }
        Ok(())
    }

    /// Sets the expiry, last: the key must not go while it is written. Gives the key when
    /// fields were written without theirs.
    pub(super) fn end(self, out: &mut Restorer) -> Option<Vec<u8>> {
        if let Some(at) = self.expire_at_ms {
            self.command(out, &[b"PEXPIREAT", &self.key, at.to_string().as_bytes()]);
        }
        out.added_key();
        self.dropped_expiry.then_some(self.key)
    }

    /// Removes what was written of it.
    pub(super) fn remove(self, out: &mut Restorer) {
        self.command(out, &[b"DEL", &self.key]);
    }

    fn command(&self, out: &mut Restorer, args: &[&[u8]]) {
        write::command(&mut out.out, args);
        out.added();
    }

    /// `NAME key item…` in commands of bounded size; an item makes `width` arguments.
    fn batches<T>(
        &self,
        out: &mut Restorer,
        name: &[u8],
        items: &[T],
        width: usize,
        append: impl Fn(&mut Vec<u8>, &T),
    ) {
        let mut args = Vec::new();
        let mut count = 0;
        for (i, item) in items.iter().enumerate() {
            append(&mut args, item);
            count += width;
            if count >= ARGS || args.len() >= BYTES || i + 1 == items.len() {
                write::array_header(&mut out.out, 2 + count);
                write::bulk(&mut out.out, name);
                write::bulk(&mut out.out, &self.key);
                out.out.append(&mut args);
                out.added();
                count = 0;
            }
        }
    }

    fn fields(&mut self, out: &mut Restorer, fields: &[Field]) -> Result<(), Unwritable> {
        self.batches(out, b"HSET", fields, 2, |out, field| {
            write::bulk(out, &field.name);
            write::bulk(out, &field.value);
        });
        fields.iter().try_for_each(|field| self.field_expiry(out, &field.name, field.expire_at_ms))
    }

    fn field_expiry(&mut self, out: &mut Restorer, field: &[u8], at_ms: Option<u64>) -> Result<(), Unwritable> {
        match at_ms {
            None => {}
            Some(at) if self.dialect.field_expiry => {
                let at = at.to_string();
                self.command(out, &[b"HPEXPIREAT", &self.key, at.as_bytes(), b"FIELDS", b"1", field]);
            }
            Some(_) if self.unsupported.drop_field_expiry => self.dropped_expiry = true,
            Some(_) => return Err(Unwritable::FieldExpiry),
        }
        Ok(())
    }

    /// Adds a piece of what is missing to an open command, because the rest will not come; false when nothing is.
    pub(super) fn fill_up(&mut self, out: &mut Restorer) -> bool {
        let Some(left) = self.long else { return false };
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(BYTES);
        if piece == 0 {
            self.end_long(out);
            return false;
        }
        out.out.resize(out.out.len() + piece, 0);
        self.long = Some(left - piece as u64);
        true
    }

    fn end_long(&mut self, out: &mut Restorer) {
        out.out.extend_from_slice(b"\r\n");
        out.added();
        self.long = None;
    }

    /// Begins a command whose last argument is too long to be held: its bytes go out as they come.
    fn begin_long(&mut self, out: &mut Restorer, before: &[&[u8]], len: u64) -> Result<(), Unwritable> {
        let length = usize::try_from(len).ok().filter(|_| self.dialect.takes(len));
        let Some(length) = length else { return Err(Unwritable::Long(len)) };
        write::array_header(&mut out.out, before.len() + 1);
        before.iter().for_each(|arg| write::bulk(&mut out.out, arg));
        write::bulk_header(&mut out.out, length);
        self.long = Some(len);
        Ok(())
    }

    fn entry(&self, out: &mut Restorer, entry: &Entry) {
        let id = entry.id.to_string();
        let mut args: Vec<&[u8]> = vec![b"XADD", &self.key, id.as_bytes()];
        args.extend(entry.fields.iter().map(Vec::as_slice));
        self.command(out, &args);
    }

    fn stream_info(&self, out: &mut Restorer, info: &StreamInfo) {
        if info.length == 0 {
            // A stream without entries comes about with its first entry only.
            self.command(out, &[b"XADD", &self.key, b"MAXLEN", b"0", b"0-1", b"x", b"x"]);
        }
        let last = info.last_id.to_string();
        let (added, deleted) = (info.entries_added.unwrap_or(info.length), info.max_deleted_id.unwrap_or_default());
        if self.dialect.functions {
            // ENTRIESADDED and MAXDELETEDID came with 7.0, as functions did.
            let (added, deleted) = (added.to_string(), deleted.to_string());
            let args: [&[u8]; 7] = [
                b"XSETID",
                &self.key,
                last.as_bytes(),
                b"ENTRIESADDED",
                added.as_bytes(),
                b"MAXDELETEDID",
                deleted.as_bytes(),
            ];
            self.command(out, &args);
        } else {
            self.command(out, &[b"XSETID", &self.key, last.as_bytes()]);
        }
    }

    fn group(&mut self, out: &mut Restorer, group: &Group) {
        self.stream = Stream { group: group.name.clone(), ..Stream::default() };
        let last = group.last_id.to_string();
        let mut args: Vec<&[u8]> = vec![b"XGROUP", b"CREATE", &self.key, &group.name, last.as_bytes()];
        let read = group.entries_read.map(|read| read.to_string());
        if let (Some(read), true) = (&read, self.dialect.functions) {
            args.extend([&b"ENTRIESREAD"[..], read.as_bytes()]);
        }
        self.command(out, &args);
    }

    fn consumer(&mut self, out: &mut Restorer, consumer: &Consumer) -> Result<(), Unwritable> {
        if consumer.pending.is_empty() && self.dialect.set_pxat {
            // CREATECONSUMER came with 6.2, as PXAT did; a consumer with pending entries comes about by XCLAIM.
            self.command(out, &[b"XGROUP", b"CREATECONSUMER", &self.key, &self.stream.group, &consumer.name]);
        }
        for id in &consumer.pending {
            let unknown = || Unwritable::Undelivered { group: self.stream.group.clone(), id: *id };
            let (at, deliveries) = self.stream.delivered.find(*id).ok_or_else(unknown)?;
            let (id, at, deliveries) = (id.to_string(), at.to_string(), deliveries.to_string());
            let args: [&[u8]; 12] = [
                b"XCLAIM",
                &self.key,
                &self.stream.group,
                &consumer.name,
                b"0",
                id.as_bytes(),
                b"TIME",
                at.as_bytes(),
                b"RETRYCOUNT",
                deliveries.as_bytes(),
                b"FORCE",
                b"JUSTID",
            ];
            self.command(out, &args);
        }
        Ok(())
    }
}

/// A score with the digits that give the same double again.
fn score_text(score: f64) -> String {
    if score == f64::INFINITY {
        "inf".to_owned()
    } else if score == f64::NEG_INFINITY {
        "-inf".to_owned()
    } else {
        format!("{score:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_written_so_that_the_same_double_is_read_back() {
        for score in [0.1, -2.5, 1e300, 3_479_099_956_230_698.0, f64::MIN_POSITIVE] {
            assert_eq!(score_text(score).parse::<f64>().unwrap(), score);
        }
        assert_eq!(score_text(f64::NEG_INFINITY), "-inf");
    }
}
