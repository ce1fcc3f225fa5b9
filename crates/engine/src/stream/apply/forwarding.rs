//! Forwards a command that is too large to be collected, while it arrives.

use bytes::Buf;
use tributary_resp::{Passthrough, Scan, write};

use super::super::command::{Kind, kind};
use super::super::huge::{self, HUGE};
use super::super::translate::{Obstacle, Told};
use super::Apply;
use crate::link::SessionEnd;
use crate::spool::SpoolOut;
use crate::writer::Writer;

/// A command that is told in other words is collected up to this size.
const LARGEST_COLLECTED: usize = 16 << 20;

impl Apply<'_> {
    /// Whether the command at the buffer's start is known well enough to be forwarded as it arrives.
    ///
    /// # Errors
    /// When the destination cannot be told it.
    pub(super) fn is_forwardable(&mut self) -> Result<bool, SessionEnd> {
        let argc = self.scanner.argc();
        let tail_is_due = argc > 3 && self.scanner.args().len() >= 3;
        if self.scanner.args().is_empty() || (tail_is_due && self.buf.len() < 2 * HUGE) {
            return Ok(false);
        }
        if self.target().is_none() {
            return Ok(true);
        }
        let buf = std::mem::take(&mut self.buf);
        let forwardable = self.judge(&self.args(&buf), buf.len(), argc);
        self.buf = buf;
        forwardable
    }

    /// The same for a command of which the first arguments and so many bytes are there.
    fn judge(&mut self, args: &[&[u8]], held: usize, argc: usize) -> Result<bool, SessionEnd> {
        if !self.translator.needs_all(args, argc) {
            return match self.translator.tell(args) {
                Told::Never(obstacle) => Err(self.untellable(obstacle, args).into()),
                _ => Ok(true),
            };
        }
        if held < LARGEST_COLLECTED {
            return Ok(false);
        }
        // Options behind a value are looked at when they come; whether a payload fits is for the destination to say.
        match kind(args.first().copied().unwrap_or_default()) {
            Kind::Set => Ok(true),
            Kind::Restore if self.dialect.absolute_restore => Ok(true),
            _ => Err(self.untellable(Obstacle::TooLarge, args).into()),
        }
    }

    /// Forwards the command at the buffer's start, which is too large to be collected.
    pub(super) async fn forward(&mut self, spool: &mut SpoolOut, writer: &mut Writer) -> Result<(), SessionEnd> {
        let was_within = std::mem::replace(&mut self.within, true);
        let raw = self.buf.split();
        let args = self.args(&raw);
        let target = self.target().filter(|_| !self.leaves_out(&args));
        let kind = kind(args.first().copied().unwrap_or_default());
        let end = self.scanner.args().last().map_or(0, |range| range.end + 2);
        let plan = huge::plan(kind, &args, self.scanner.argc(), end, self.clock());
        let (mut rest, sent) = Passthrough::take_over(&self.scanner, raw.len());
        self.scanner.reset();
        if let Some(db) = target {
            self.transaction.begin(db, self.arrived);
            self.transaction.out.extend_from_slice(&plan.head);
            self.transaction.out.extend_from_slice(raw.get(plan.from..sent).unwrap_or_default());
        }
        self.place.offset += sent as u64;
        self.buf.extend_from_slice(raw.get(sent..).unwrap_or_default());
        drop(raw);
        loop {
            let progress = rest.advance(&self.buf, plan.keep).map_err(|e| self.garbled(&e))?;
            let bytes = self.buf.split_to(progress.bytes);
            self.place.offset += progress.bytes as u64;
            if target.is_some() {
                self.transaction.out.extend_from_slice(&bytes);
                self.transaction.send_part(writer).await?;
            }
            if progress.done {
                break;
            }
            self.wait(spool, writer).await?;
        }
        let mut commands = plan.commands;
        if plan.keep > 0 {
            let key = target.is_some().then_some(plan.key.as_slice());
            commands = self.forward_options(spool, writer, plan.keep, key).await?;
        }
        if target.is_some() {
            self.transaction.out.extend_from_slice(&plan.tail);
            self.transaction.added(commands);
        }
        self.ctx.meters.changed_at(self.place.offset);
        self.within = was_within;
        Ok(())
    }

    /// Collects the last arguments of a forwarded SET of this key, where it is wanted, and appends them with an absolute
    /// expiry. Gives the number of commands that this makes.
    async fn forward_options(
        &mut self,
        spool: &mut SpoolOut,
        writer: &Writer,
        count: usize,
        key: Option<&[u8]>,
    ) -> Result<u32, SessionEnd> {
        loop {
            let mut text = Vec::new();
            write::array_header(&mut text, count);
            let header = text.len();
            text.extend_from_slice(&self.buf);
            let scan = self.scanner.scan(&text).map_err(|e| self.garbled(&e))?;
            if let Scan::Complete(len) = scan {
                let (clock, options) = (self.clock(), self.args(&text));
                if let Some(key) = key {
                    self.check_options(key, &options)?;
                }
                let commands = match key {
                    Some(key) => huge::set_options(&mut self.transaction.out, key, &options, clock),
                    None => 0,
                };
                self.scanner.reset();
                self.buf.advance(len - header);
                self.place.offset += (len - header) as u64;
                return Ok(commands);
            }
            self.scanner.reset();
            self.wait(spool, writer).await?;
        }
    }
    /// Whether the command is left out, as the user agreed. If so, that is noted.
    fn leaves_out(&mut self, args: &[&[u8]]) -> bool {
        let Told::Less(loss, _) = self.translator.tell(args) else { return false };
        self.note(loss, args);
        true
    }

    /// The number of a huge SET's arguments was told before its options were known: none of them can be left out.
    fn check_options(&mut self, key: &[u8], options: &[&[u8]]) -> Result<(), SessionEnd> {
        let mut command: Vec<&[u8]> = vec![b"SET", key, b""];
        command.extend(options);
        match self.translator.tell(&command) {
            Told::AsItIs => Ok(()),
            _ => Err(self.untellable(Obstacle::TooLarge, &command).into()),
        }
    }
}
