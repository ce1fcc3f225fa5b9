//! The snapshot: decodes the dump that a source sends and restores its objects at the destination.
//!
//! [`framing`] knows where the dump ends in the bytes, [`restore`] writes whole objects, [`large`] those that are too
//! large to be collected, [`delivered`] remembers what a stream's consumers have not acknowledged. [`plain`] makes commands
//! of a whole value.

mod delivered;
mod framing;
mod large;
mod load;
mod plain;
mod restore;

pub(crate) use framing::Framing;
pub(crate) use load::load;
pub(crate) use plain::{Command, plain_commands};

use crate::checkpoint;
use crate::link::{LinkContext, SessionEnd};
use crate::{ErrorKind, Failure};

/// Whether a key of a source is the checkpoint of some replica, which is not copied.
///
/// # Errors
/// `cycle` when it is our own: what we wrote came back.
pub(crate) fn is_foreign_mark(ctx: &LinkContext, key: &[u8]) -> Result<bool, SessionEnd> {
    if !checkpoint::is_ours(key) {
        return Ok(false);
    }
    if key.starts_with(checkpoint::replica_prefix(&ctx.spec.id).as_bytes()) {
        let name = ctx.source.endpoint.authority();
        let message = format!("{name} sends back what Tributary wrote to {}.", ctx.spec.destination.authority());
        return Err(Failure::new(ErrorKind::Cycle, &name, message).into());
    }
    Ok(true)
}
