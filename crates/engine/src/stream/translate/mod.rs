//! The stream in words that the destination knows.
//!
//! A source sends the commands of its own version. Most are known to every destination; [`rules`] says which of the others
//! are told in other words, and `keys`, `lists`, `sorted`, `streams` and `hashes` hold those words. What was sent had its
//! effect at the source, and the destination holds what the source held, so a condition that was met can be left out.
//! Where the destination's own commands can only say it together, they do so in a script (`scripts`), which is atomic
//! and works within our transaction as any command does.
//!
//! What each version streams was read off the servers themselves, see `tests/tests/versions.rs`.

mod hashes;
mod keys;
mod lists;
mod names;
mod reach;
mod restore;
mod rules;
mod sorted;
mod streams;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use reach::Reach;

use names::Names;
use rules::Way;

/// A command's arguments, its name included.
pub(super) type Words<'a> = Vec<Cow<'a, [u8]>>;

/// What the destination is told of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told<'a> {
    /// The same.
    AsItIs,
    /// These commands; none where there is nothing to be done.
    Instead(Vec<Words<'a>>),
    /// Less than the command says, as the user has agreed.
    Less(Loss, Vec<Words<'a>>),
    /// Nothing: it cannot be said.
    Never(Obstacle),
}

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Fields of a hash stay without their expiry.
    FieldExpiry,
    /// A key of a module.
    Module,
    /// A function library.
    Library,
}

/// Why a command cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The destination does not know it.
    Unknown,
    /// The destination knows it, but not in this form.
    Form,
    /// Fields of a hash cannot expire there.
    FieldExpiry,
    /// A module is missing there.
    Module,
    /// There are no function libraries there.
    Functions,
    /// It brings a value that the destination cannot hold.
    Value,
    /// It is too large for other words.
    TooLarge,
}

/// Finds words for one destination.
#[derive(Debug)]
pub(super) struct Translator {
    reach: Reach,
    names: Names,
}

impl Translator {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, names: Names::default() }
    }

    /// Whether the source's version is known.
    pub(super) fn knows_source(&self) -> bool {
        self.reach.source.is_some()
    }

    /// Takes the source's version, by which some commands differ in what they mean; none while it is not known.
    pub(super) fn source(&mut self, version: Option<(u32, u32)>) {
        if self.reach.source != version {
            self.reach.source = version;
            self.names = Names::default();
        }
    }

    /// Whether a command goes through as it is. `args` are ranges of `raw`.
    pub(super) fn passes(&mut self, raw: &[u8], args: &[Range<usize>]) -> bool {
        let arg = |at: usize| args.get(at).and_then(|range| raw.get(range.clone())).unwrap_or_default();
        match self.way(arg(0)) {
            Way::AsItIs => true,
            // The ID itself stands there: there are no options.
            Way::Adds(_) => arg(2).first().is_some_and(u8::is_ascii_digit),
            // There are no options either.
            Way::Sets(_) => args.len() == 3,
            _ => false,
        }
    }

    /// What a whole command is to be told as.
    pub(super) fn tell<'a>(&mut self, args: &[&'a [u8]]) -> Told<'a> {
        let told = match self.way(args.first().copied().unwrap_or_default()) {
            Way::AsItIs => Told::AsItIs,
            Way::Adds(rule) | Way::Sets(rule) | Way::By(rule) => rule(&self.reach, args),
            Way::Never(obstacle) => Told::Never(obstacle),
            Way::Skipped(loss) => Told::Less(loss, Vec::new()),
        };
        match &told {
            // The other words may be unknown as well: EVAL is a command that is often taken away.
            Told::Instead(commands) | Told::Less(_, commands) if !self.knows_all(commands) => {
                Told::Never(Obstacle::Unknown)
            }
            _ => told,
        }
    }

    fn knows_all(&self, commands: &[Words<'_>]) -> bool {
        let names = commands.iter().filter_map(|words| words.first());
        names.into_iter().all(|name| self.reach.has(&name.to_ascii_uppercase()))
    }

    /// Whether all of a command must be there before it can be told. `args` are those that are complete, of `argc`.
    pub(super) fn needs_all(&mut self, args: &[&[u8]], argc: usize) -> bool {
        match self.way(args.first().copied().unwrap_or_default()) {
            Way::AsItIs | Way::Never(_) | Way::Skipped(_) => false,
            Way::Adds(_) => !args.get(2).and_then(|id| id.first()).is_some_and(u8::is_ascii_digit),
            Way::Sets(_) => argc > 3,
            Way::By(_) => true,
        }
    }

    fn way(&mut self, name: &[u8]) -> Way {
        let reach = &self.reach;
        self.names.way(name, |name| rules::way(name, reach))
    }
}

/// Arguments as they are.
fn words<'a>(args: &[&'a [u8]]) -> Words<'a> {
    args.iter().map(|arg| Cow::Borrowed(*arg)).collect()
}

/// Other words for one command.
fn instead<'a>(args: &[&'a [u8]]) -> Told<'a> {
    Told::Instead(vec![words(args)])
}

/// `EVAL script numkeys keys… args…`.
fn script<'a>(text: &'static str, keys: &[&'a [u8]], args: &[&'a [u8]]) -> Words<'a> {
    let mut command = words(&[b"EVAL", text.as_bytes()]);
    command.push(number(keys.len()));
    command.extend(keys.iter().chain(args).map(|arg| Cow::Borrowed(*arg)));
    command
}

fn number<'a>(number: impl ToString) -> Cow<'a, [u8]> {
    Cow::Owned(number.to_string().into_bytes())
}

/// Whether an argument is this word, in any case.
fn is(arg: &[u8], word: &[u8]) -> bool {
    arg.eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests;
