//! Passes commands on, in words that the destination knows.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

use tributary_resp::write;

use super::super::command::{Kind, kind};
use super::super::rewrite::rewrite;
use super::super::translate::{Loss, Obstacle, Told};
use super::Apply;
use crate::link::SessionEnd;
use crate::writer::printable;
use crate::{ErrorKind, Failure};

impl Apply<'_> {
    /// Adds the command that was scanned last to the transaction, unless its database is left out.
    pub(super) fn pass_on(&mut self, raw: &[u8], kind: Kind) -> Result<(), SessionEnd> {
        let Some(db) = self.target() else { return Ok(()) };
        if !self.translator.passes(raw, self.scanner.args()) {
            return self.tell(db, &self.args(raw), kind);
        }
        self.transaction.begin(db, self.arrived);
        if kind != Kind::Write && !matches!(kind, Kind::Set if self.scanner.argc() == 3) {
            let (clock, args) = (self.clock(), self.args(raw));
            if let Some(commands) = rewrite(&mut self.transaction.out, kind, &args, clock) {
                self.transaction.added(commands);
                return Ok(());
            }
        }
        self.transaction.out.extend_from_slice(raw);
        self.transaction.added(1);
        Ok(())
    }

    /// The same for a command of other words than came.
    pub(super) fn pass_on_words(&mut self, args: &[&[u8]]) -> Result<(), SessionEnd> {
        let Some(db) = self.target() else { return Ok(()) };
        self.tell(db, args, kind(args.first().copied().unwrap_or_default()))
    }

    fn tell(&mut self, db: u32, args: &[&[u8]], kind: Kind) -> Result<(), SessionEnd> {
        match self.translator.tell(args) {
            Told::AsItIs => self.add(db, &[(args, kind)]),
            Told::Instead(commands) => self.add_words(db, &commands),
            Told::Less(loss, commands) => {
                self.add_words(db, &commands);
                self.note(loss, args);
            }
            Told::Never(obstacle) => return Err(self.untellable(obstacle, args).into()),
        }
        Ok(())
    }

    fn add_words(&mut self, db: u32, commands: &[Vec<Cow<'_, [u8]>>]) {
        let commands: Vec<Vec<&[u8]>> =
            commands.iter().map(|words| words.iter().map(|word| &**word).collect()).collect();
        let commands: Vec<(&[&[u8]], Kind)> =
            commands.iter().map(|args| (args.as_slice(), kind(args.first().copied().unwrap_or_default()))).collect();
        self.add(db, &commands);
    }

    fn add(&mut self, db: u32, commands: &[(&[&[u8]], Kind)]) {
        if commands.is_empty() {
            return;
        }
        self.transaction.begin(db, self.arrived);
        let (clock, mut written) = (self.clock(), 0);
        for (args, kind) in commands {
            written += rewrite(&mut self.transaction.out, *kind, args, clock).unwrap_or_else(|| {
                write::command(&mut self.transaction.out, args);
                1
            });
        }
        self.transaction.added(written);
    }

    /// Notes what is not copied, as the user agreed.
    pub(super) fn note(&mut self, loss: Loss, args: &[&[u8]]) {
        let to = self.ctx.spec.destination.authority();
        let name = args.first().map(|name| String::from_utf8_lossy(name).to_uppercase()).unwrap_or_default();
        let reason = match loss {
            Loss::FieldExpiry => format!("Hashes whose fields are kept without their expiry, which {to} does not know"),
            Loss::Module => format!("Written to by {name}, which is left out because {to} does not know it"),
            Loss::Library => format!("Changes of function libraries left out, which {to} does not know"),
        };
        let key = match (loss, args) {
            (Loss::Library, [_, what, ..]) => what,
            (_, [_, key, ..]) => key,
            _ => &b""[..],
        };
        let ctx = self.ctx;
        if self.omitted.note(&reason, key, &|message| ctx.event_warning(message)) {
            ctx.meters.omitted.fetch_add(1, Relaxed);
        }
    }

    /// The failure of a command that cannot be told. Nothing of it was sent.
    pub(super) fn untellable(&self, obstacle: Obstacle, args: &[&[u8]]) -> Failure {
        let to = self.ctx.spec.destination.authority();
        let name = args.first().map(|name| String::from_utf8_lossy(name).to_uppercase()).unwrap_or_default();
        let key = args.get(1).map(|key| format!(" {}", printable(key))).unwrap_or_default();
        let source = match self.ctx.meters.state().server.as_deref() {
            Some(server) => format!("{} ({server})", self.ctx.source.endpoint.authority()),
            None => self.ctx.source.endpoint.authority(),
        };
        let there = format!("{to} ({})", self.dialect.server());
        let (kind, why) = match obstacle {
            Obstacle::Unknown => (ErrorKind::UnknownCommand, format!("which {there} does not know")),
            Obstacle::Form => (ErrorKind::UnknownCommand, format!("in a form that {there} does not know")),
            Obstacle::TooLarge => (
                ErrorKind::ValueRefused,
                format!("which {there} would have to be told in other words, and it is too large for that"),
            ),
            Obstacle::FieldExpiry => {
                (ErrorKind::FieldExpiryUnknown, format!("but {there} does not know fields of a hash that expire"))
            }
            Obstacle::Module => (ErrorKind::ModuleMissing, format!("a command of a module that {there} lacks")),
            Obstacle::Functions => {
                (ErrorKind::FunctionsUnknown, format!("but {there} does not know function libraries"))
            }
            Obstacle::Value => (ErrorKind::ValueRefused, format!("with a value that {there} cannot hold")),
        };
        Failure::new(kind, &to, format!("{source} executed {name}{key}, {why}. It was not applied."))
    }
}
