//! Whether a source that is to be compressed is reached through a relay, and how much there is to gain.

use super::facts::Facts;
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

/// That the source compresses what gzip is to compress: string by string, and into a form that gzip makes little of.
/// See `rdbcompression` in redis.conf.
pub(super) fn twice(facts: &Facts) -> Option<Found> {
    let both = facts.compression.is_some() && facts.setting("rdbcompression") == Some("yes");
    both.then(|| {
        Found::warning(
            "Snapshots",
            "the source compresses the strings in its snapshots (rdbcompression yes), which leaves little to gzip",
            "CONFIG SET rdbcompression no: full syncs over this link get faster, the source's own dump files larger",
        )
    })
}

/// Asks whether a relay is there that compresses, on a connection of its own; `None` where compression is off.
pub async fn check_compression(endpoint: &Endpoint) -> Option<Finding> {
    ask(endpoint).await.map(Finding::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_that_are_compressed_twice_are_told_where_the_link_is_compressed() {
        let facts = |compression: Option<Found>, setting: &str| Facts {
            compression,
            settings: [("rdbcompression", setting.to_owned())].into(),
            ..Facts::default()
        };
        let relay = || Some(Found::ok(WHAT, "a relay answers"));
        let found = twice(&facts(relay(), "yes")).unwrap();
        assert!(found.todo.unwrap().contains("rdbcompression no"));
        assert!(twice(&facts(relay(), "no")).is_none());
        assert!(twice(&facts(None, "yes")).is_none());
        assert!(twice(&Facts { compression: relay(), ..Facts::default() }).is_none());
    }
}
