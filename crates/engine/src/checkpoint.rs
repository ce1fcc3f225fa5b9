//! The record that Tributary keeps in the destination: how far each source's stream has been applied.
//!
//! One key for each source, `tributary:checkpoint:<replica>:<source>`, in db 0 or in the one mapped database. Its value
//! is `1 loading` while the destination holds no whole copy, and `1 at <replid> <offset> <db>` from then on. It is written
//! as the last command of the transaction whose writes it covers, so both survive or neither does. After a transaction
//! in which a command failed (EXEC does not roll back) it is `1 failed <what happened>`, and only a restart goes on.

use crate::ReplicaSpec;

/// What every key of ours starts with; keys of a source that start so are not copied.
pub(crate) const PREFIX: &str = "tributary:checkpoint:";
const VERSION: &str = "1";

/// A place in a source's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Replication ID of the history that the offset counts in: 40 hexadecimal digits.
    pub replid: String,
    /// Offset of the last byte applied.
    pub offset: u64,
    /// The database that the source's stream had selected there.
    pub db: u32,
}

/// What a checkpoint key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The destination was flushed for this replica and is not loaded yet.
    Loading,
    /// The stream was applied up to here.
    At(Checkpoint),
    /// A command failed within an executed transaction: what happened.
    Failed(String),
}

impl Mark {
    /// The mark as it is stored.
    pub(crate) fn encode(&self) -> String {
        match self {
            Self::Loading => format!("{VERSION} loading"),
            Self::Failed(what) => format!("{VERSION} failed {what}"),
            Self::At(place) => format!("{VERSION} at {} {} {}", place.replid, place.offset, place.db),
        }
    }

    /// Reads a stored mark; `None` when it is no mark of this version.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        if let Some(what) = text.strip_prefix("1 failed ") {
            return Some(Self::Failed(what.to_owned()));
        }
        let mut words = text.split(' ');
        if words.next()? != VERSION {
            return None;
        }
        let mark = match words.next()? {
            "loading" => Self::Loading,
            "at" => {
                let replid = words.next().filter(|id| is_replication_id(id))?.to_owned();
                let offset = words.next()?.parse().ok()?;
                Self::At(Checkpoint { replid, offset, db: words.next()?.parse().ok()? })
            }
            _ => return None,
        };
        words.next().is_none().then_some(mark)
    }
}

/// Whether a text is a replication ID: 40 hexadecimal digits (Redis' replication.c).
pub(crate) fn is_replication_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The key of one source's checkpoint.
pub(crate) fn key(replica: &str, source: &str) -> String {
    format!("{PREFIX}{replica}:{source}")
}

/// What the keys of all of a replica's sources start with.
pub(crate) fn replica_prefix(replica: &str) -> String {
    format!("{PREFIX}{replica}:")
}

/// The database of the destination that holds the checkpoints.
pub(crate) fn home_db(spec: &ReplicaSpec) -> u32 {
    spec.destination.db.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_as_it_was_written() {
        let place = Checkpoint { replid: "0123456789abcdef0123456789abcdef01234567".into(), offset: 42, db: 5 };
        for mark in [Mark::Loading, Mark::At(place), Mark::Failed("h:1 refused LPUSH".into())] {
            assert_eq!(Mark::decode(&mark.encode()), Some(mark));
        }
        for bad in ["", "2 loading", "1 at abc 5 0", "1 at", "1 loading x"] {
            assert_eq!(Mark::decode(bad), None, "{bad}");
        }
    }
}
