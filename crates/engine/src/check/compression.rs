//! Whether a source that is to be compressed is reached through a relay.

use super::line::Found;
use crate::link::find_relay;
use crate::{Endpoint, ErrorKind, Finding};

const WHAT: &str = "Compression";

/// Asks the relay of a source, on a connection of its own; `None` where compression is off.
pub(super) async fn ask(endpoint: &Endpoint) -> Option<Found> {
    if !endpoint.compression {
        return None;
    }
    Some(match find_relay(endpoint).await {
        Ok(level) => Found::ok(WHAT, format!("a relay answers, and compresses with gzip at level {level}")),
        Err(failure) if failure.kind == ErrorKind::NotRelay => Found::fails(WHAT, &failure.message, failure.hint),
        Err(failure) => Found::unknown(WHAT, &failure.message, failure.hint),
    })
}

/// Asks whether a relay is there that compresses, on a connection of its own; `None` where compression is off.
pub async fn check_compression(endpoint: &Endpoint) -> Option<Finding> {
    ask(endpoint).await.map(Finding::from)
}
