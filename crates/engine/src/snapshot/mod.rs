//! The snapshot: decodes the dump that a source sends, or a file holds, and restores its objects at the destination.
//!
//! [`load`] drives a [`loader`] for a link, `load_file` for a file; [`origin`] is what it knows of either. [`restore`] writes
//! whole objects, [`fitting`] those that the destination does not take as they are, [`oversize`] those that are too large
//! to be collected ([`large`] in parts, [`module`] at once), [`delivered`] remembers what a stream's consumers have not
//! acknowledged. [`plain`] makes commands of a whole value.

mod delivered;
mod fitting;
mod large;
mod load;
mod loader;
mod module;
mod origin;
mod oversize;
mod plain;
mod restore;

pub(crate) use load::load;
pub(crate) use loader::{LeftOut, Loader};
pub(crate) use module::scratch;
pub(crate) use origin::Origin;
pub(crate) use plain::{Command, plain_commands};

use crate::link::{LinkContext, SessionEnd};

/// Whether a key of a source is the checkpoint of some replica, which is not copied.
///
/// # Errors
/// `cycle` when it is our own: what we wrote came back.
pub(crate) fn is_foreign_mark(ctx: &LinkContext, key: &[u8]) -> Result<bool, SessionEnd> {
    let (name, destination) = (&ctx.source.endpoint, &ctx.spec.destination);
    // The names are wanted for a mark only, and nearly no key is one.
    if !crate::checkpoint::is_ours(key) {
        return Ok(false);
    }
    Ok(origin::is_mark(key, Some(&ctx.spec.id), &name.authority(), &destination.authority())?)
}
