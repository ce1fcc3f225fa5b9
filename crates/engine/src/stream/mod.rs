//! The stream: commands that follow the snapshot, passed through as raw bytes.
//!
//! [`Apply`] finds the commands, [`command`] knows which of them mean something to a replica, [`rewrite`] makes relative
//! expiries absolute, [`translate`] finds words that the destination knows, [`transaction`] groups what is written, with the
//! checkpoint, into transactions.

mod apply;
mod command;
mod huge;
mod omitted;
mod rewrite;
mod transaction;
mod translate;

pub(crate) use apply::{Apply, Known};
pub(crate) use omitted::Omitted;
pub(crate) use translate::Reach;
