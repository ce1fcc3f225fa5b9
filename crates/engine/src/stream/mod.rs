//! The stream: commands that follow the snapshot, passed through as raw bytes.
//!
//! [`Apply`] finds the commands, [`command`] knows which of them mean something to a replica, [`rewrite`] makes relative
//! expiries absolute, [`transaction`] groups what is written, with the checkpoint, into transactions.

mod apply;
mod command;
mod huge;
mod rewrite;
mod transaction;

pub(crate) use apply::Apply;
