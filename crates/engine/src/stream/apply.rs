mod databases;
mod forwarding;
mod wording;

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tributary_resp::{RespError, Scan, Scanner, parse_int};

use super::command::{CopyTo, Kind, kind};
use super::huge::HUGE;
use super::omitted::Omitted;
use super::rewrite::Clock;
use super::transaction::Transaction;
use super::translate::{Reach, Translator};
use crate::checkpoint::{self, Checkpoint, Session};
use crate::destination::Keepsake;
use crate::dialect::Dialect;
use crate::link::{LinkContext, SessionEnd};
use crate::snapshot::is_foreign_mark;
use crate::spool::{Piece, SpoolOut};
use crate::writer::Writer;
use crate::{ErrorKind, Failure};
use databases::Across;

/// How often the checkpoint is written when only PINGs move the offset.
const IDLE_CHECKPOINT: Duration = Duration::from_secs(10);

/// The channel on which Sentinels tell each other of themselves and of their master.
const SENTINEL_HELLO: &[u8] = b"__sentinel__:hello";

/// Applies one source's stream to the destination.
pub(crate) struct Apply<'a> {
    ctx: &'a LinkContext,
    /// Up to where the stream was taken, and the database it has selected there.
    place: Checkpoint,
    dialect: Dialect,
    /// Written again after a command that deletes or moves it.
    kept: Keepsake,
    buf: BytesMut,
    arrived_ms: u64,
    arrived: Instant,
    scanner: Scanner,
    transaction: Transaction,
    /// Within a transaction of the source, or a command that is being forwarded: nothing may be committed.
    within: bool,
    /// The user was told that a source deletes libraries of all.
    told_of_library: bool,
    /// Where and when the checkpoint was last written.
    checkpointed: (u64, Instant),
    /// Finds words that the destination knows.
    translator: Translator,
    /// What is not copied, as the user agreed.
    omitted: Omitted,
}

/// What a session knows of its destination.
pub(crate) struct Known {
    pub dialect: Dialect,
    pub kept: Keepsake,
    pub reach: Reach,
    /// What earlier sessions have left out.
    pub omitted: Omitted,
}

impl<'a> Apply<'a> {
    /// Starts behind `place`.
    pub(crate) fn new(
        ctx: &'a LinkContext,
        place: Checkpoint,
        Known { dialect, kept, reach, omitted }: Known,
        session: Session,
    ) -> Self {
        let key = checkpoint::key(&ctx.spec.id, &ctx.source.id);
        let checkpointed = (place.offset, Instant::now());
        Self {
            ctx,
            place,
            dialect,
            kept,
            buf: BytesMut::new(),
            arrived_ms: crate::meters::unix_ms(std::time::SystemTime::now()),
            arrived: Instant::now(),
            scanner: Scanner::default(),
            transaction: Transaction::new(key, checkpoint::home_db(&ctx.spec), session),
            within: false,
            told_of_library: false,
            checkpointed,
            translator: Translator::new(reach),
            omitted,
        }
    }

    /// What was left out, for the session that follows.
    pub(crate) fn into_omitted(self) -> Omitted {
        self.omitted
    }

    /// Applies until the link or the destination breaks, or the user stops; `rest` came with the snapshot's end.
    /// What was received whole is applied, and answered, before this returns.
    pub(crate) async fn run(&mut self, spool: &mut SpoolOut, writer: &mut Writer, rest: Bytes) -> SessionEnd {
        self.buf.extend_from_slice(&rest);
        let end = match self.follow(spool, writer).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        let ctx = self.ctx;
        self.omitted.tell_all(&|message| ctx.event_warning(message));
        if let Err(failure) = self.settle(writer).await {
            return SessionEnd::Failed(failure);
        }
        end
    }

    /// Writes the place at which it stands, and waits for the answer: a snapshot is in.
    pub(crate) async fn checkpoint(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        self.ctx.meters.applied.store(self.place.offset, Relaxed);
        self.commit(writer).await?;
        writer.settled().await
    }

    async fn follow(
        &mut self,
        spool: &mut SpoolOut,
        writer: &mut Writer,
    ) -> Result<std::convert::Infallible, SessionEnd> {
        loop {
            self.consume(spool, writer).await?;
            if let Some(next) = spool.try_next() {
                self.take(spool, next?);
                continue;
            }
            // The source may have another name without having sent anything under it.
            self.follow_name(spool);
            let ctx = self.ctx;
            self.omitted.tell(&|message| ctx.event_warning(message));
            // The input pauses. No timer: a transaction leaves now, or with the next reply when enough are on their way.
            if self.within {
                self.wait(spool, writer).await?;
            } else if self.transaction.is_empty() {
                writer.pass(self.place.offset);
                tokio::select! {
                    next = spool.next() => self.take(spool, next?),
                    failure = writer.failed() => return Err(failure.into()),
                    () = self.idle_checkpoint_due() => self.commit(writer).await?,
                }
            } else if writer.is_clear() {
                self.commit(writer).await?;
            } else {
                tokio::select! {
                    next = spool.next() => self.take(spool, next?),
                    ready = writer.clear() => ready?,
                }
            }
        }
    }

    /// Waits for more bytes.
    async fn wait(&mut self, spool: &mut SpoolOut, writer: &Writer) -> Result<(), SessionEnd> {
        tokio::select! {
            next = spool.next() => self.take(spool, next?),
            failure = writer.failed() => return Err(failure.into()),
        }
        Ok(())
    }

    /// A source that was promoted counts on in the same offsets under another name. A checkpoint behind what it sent must
    /// bear that one: the old name says no such offset.
    fn follow_name(&mut self, spool: &SpoolOut) {
        let history = spool.history();
        if *self.place.replid != *history {
            self.place.replid = history.to_string();
            // Another server goes on, maybe of another version.
            self.translator.source(None);
        }
        if !self.translator.knows_source() {
            self.translator.source(self.ctx.meters.state().server_version);
        }
    }

    fn take(&mut self, spool: &SpoolOut, piece: Piece) {
        self.follow_name(spool);
        self.buf.extend_from_slice(&piece.bytes);
        self.arrived_ms = piece.arrived_ms;
        self.arrived = piece.arrived;
    }

    async fn idle_checkpoint_due(&self) {
        if self.checkpointed.0 == self.place.offset {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep_until((self.checkpointed.1 + IDLE_CHECKPOINT).into()).await;
    }

    async fn commit(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        // What is before it has to be answered in any case; `checked` should say so.
        writer.clear().await?;
        self.checkpointed = (self.place.offset, Instant::now());
        self.place.checked = self.ctx.meters.applied.load(Relaxed);
        self.transaction.commit(writer, &self.place).await
    }

    /// Commits what is whole and waits for all answers. What is cut off is discarded with the connection.
    async fn settle(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        if !self.within && self.checkpointed.0 != self.place.offset {
            self.commit(writer).await?;
        }
        writer.settled().await?;
        // Every answer is in: whoever goes on has nothing to wonder about.
        if self.checkpointed.0 == self.place.offset && self.place.checked < self.place.offset {
            self.commit(writer).await?;
            writer.settled().await?;
        }
        Ok(())
    }

    /// Handles every whole command in the buffer, and one that is too large to be collected.
    async fn consume(&mut self, spool: &mut SpoolOut, writer: &mut Writer) -> Result<(), SessionEnd> {
        loop {
            self.consume_whole(writer).await?;
            if self.buf.len() < HUGE || !self.is_forwardable()? {
                return Ok(());
            }
            self.forward(spool, writer).await?;
        }
    }

    async fn consume_whole(&mut self, writer: &mut Writer) -> Result<(), SessionEnd> {
        let mut buf = std::mem::take(&mut self.buf);
        let mut at = 0;
        loop {
            let rest = buf.get(at..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let Scan::Complete(len) = self.scanner.scan(rest).map_err(|e| self.garbled(&e))? else { break };
            let kind = self.command(rest.get(..len).unwrap_or_default())?;
            at += len;
            self.place.offset += len as u64;
            if kind.changes() {
                self.ctx.meters.changed_at(self.place.offset);
            }
            let closes = self.transaction.is_full() && (writer.is_clear() || self.transaction.is_largest());
            if !self.within && closes {
                self.commit(writer).await?;
            } else {
                self.transaction.send_part(writer).await?;
            }
        }
        buf.advance(at);
        self.buf = buf;
        Ok(())
    }

    /// Handles one whole command.
    fn command(&mut self, raw: &[u8]) -> Result<Kind, SessionEnd> {
        let arg = |i: usize| self.scanner.args().get(i).and_then(|range| raw.get(range.clone()));
        let kind = kind(arg(0).unwrap_or_default());
        match kind {
            Kind::Write => self.pass_on(raw, kind)?,
            Kind::Ping => {}
            // By these Sentinels find each other: those of the destination would take it for a word about their own
            // master, which often has the same name, and make their server a replica of the source.
            Kind::Publish if arg(1) == Some(SENTINEL_HELLO) => {}
            Kind::Multi => self.within = true,
            Kind::Exec => self.within = false,
            Kind::Select => self.select(arg(1).and_then(parse_int))?,
            Kind::ReplConf => {
                if arg(1).is_some_and(|what| what.eq_ignore_ascii_case(b"GETACK")) {
                    self.ctx.meters.acknowledge_at(self.place.offset + raw.len() as u64);
                }
            }
            Kind::Set if is_foreign_mark(self.ctx, arg(1).unwrap_or_default())? => {}
            Kind::FlushAll | Kind::FlushDb | Kind::SwapDb => {
                let other = (arg(1).and_then(parse_int), arg(2).and_then(parse_int));
                self.database_command(kind, other, raw)?;
            }
            Kind::Move | Kind::Copy if self.ctx.source.endpoint.db.is_some() => {
                let args = self.args(raw);
                let across = self.across(kind, &args)?;
                match (across, args.get(1)) {
                    (Across::Stays, _) if kind == Kind::Copy => {
                        // The number, if there is one, is the source's; here the database may have another.
                        self.pass_on_words(&CopyTo::of(&args).within)?;
                    }
                    (Across::Stays, _) => self.pass_on(raw, kind)?,
                    (Across::Leaves, Some(key)) => self.pass_on_words(&[b"DEL", key])?,
                    _ => {}
                }
            }
            // Libraries belong to the whole server, not to the one database that is copied.
            Kind::Function if self.ctx.source.endpoint.db.is_some() => {}
            Kind::Function if self.ctx.spec.sources.len() > 1 && self.dialect.functions => {
                self.function(&self.args(raw))?;
                self.pass_on(raw, kind)?;
            }
            _ => self.pass_on(raw, kind)?,
        }
        Ok(kind)
    }

    fn args<'b>(&self, raw: &'b [u8]) -> Vec<&'b [u8]> {
        self.scanner.args().iter().filter_map(|range| raw.get(range.clone())).collect()
    }

    /// The destination's database for what the stream does now; `None` when it is left out.
    fn target(&self) -> Option<u32> {
        match self.ctx.source.endpoint.db {
            None => Some(self.place.db),
            Some(db) => (db == self.place.db).then(|| self.ctx.spec.destination.db.unwrap_or(db)),
        }
    }

    fn clock(&self) -> Clock {
        let source_now_ms = self.arrived_ms.cast_signed().saturating_add(self.ctx.skew.ms());
        Clock {
            source_now_ms,
            set_pxat: self.dialect.set_pxat,
            absolute_restore: self.dialect.absolute_restore,
            expiry: self.dialect.expiry,
        }
    }

    fn select(&mut self, db: Option<i64>) -> Result<(), SessionEnd> {
        let Some(db) = db.and_then(|db| u32::try_from(db).ok()) else {
            return Err(self.protocol("a SELECT without a database number").into());
        };
        self.place.db = db;
        match self.target() {
            Some(target) if target >= self.dialect.databases => {
                let name = self.ctx.spec.destination.authority();
                let message = format!(
                    "{} writes to database {db}, but {name} has only {} databases.",
                    self.ctx.source.endpoint.authority(),
                    self.dialect.databases
                );
                Err(Failure::new(ErrorKind::DbOutOfRange, &name, message).into())
            }
            _ => Ok(()),
        }
    }

    fn garbled(&self, error: &RespError) -> Failure {
        self.protocol(&error.to_string())
    }

    fn protocol(&self, what: &str) -> Failure {
        let name = self.ctx.source.endpoint.authority();
        let message = format!("The stream of {name} holds {what} behind offset {}.", self.place.offset);
        Failure::new(ErrorKind::Protocol, &name, message)
    }
}
