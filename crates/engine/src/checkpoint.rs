//! The record that Tributary keeps in the destination: how far each source's stream has been applied, and by whom.
//!
//! One key for each source, `tributary:checkpoint:<replica>:<source>`, in db 0 or in the one mapped database. It is
//! written as the last command of the transaction whose writes it covers, so both survive or neither does. Its value:
//!
//! - `2 loading <owner> <client>` while the destination, which was emptied, holds no whole copy,
//! - `2 joining <owner> <client>` while a source that was added is loaded beside the others,
//! - `2 at <replid> <offset> <db> <checked> <owner> <client>` from then on,
//! - `2 failed <replid> <offset> <db> <checked> <owner> <client> <what happened>` after a transaction in which a command
//!   failed (EXEC does not roll back); only an explicit skip or a restart goes on.
//!
//! `2` is the version of the format. `checked` is the offset up to which the destination's replies had been read when
//! this was written. Owner and client name the session that writes; see `writer/fence.rs`. The client ends with `/held`
//! where expiries were carried later than they are, by this session or an earlier one; see `expiry.rs`.

use tributary_resp::psync::is_replication_id;

use crate::ReplicaSpec;

/// What every checkpoint key starts with.
const PREFIX: &str = "tributary:checkpoint:";
/// What the key starts with that records the destination's import mode while a replica changes it.
const IMPORT_MODE: &str = "tributary:import-mode:";
/// What the key starts with that says, while a replication is finished, that its expiries are to be set.
const HELD_BACK: &str = "tributary:held-back:";
const VERSION: &str = "2";
/// What a client ends with where expiries are held back.
const HELD: &str = "/held";

/// A place in a source's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Replication ID of the history that the offset counts in: 40 hexadecimal digits.
    pub replid: String,
    /// Offset of the last byte applied.
    pub offset: u64,
    /// The database that the source's stream had selected there.
    pub db: u32,
    /// Offset up to which the replies had been read when this was written.
    pub checked: u64,
}

/// The session that writes to the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// The run of a replica: host, process and a random part, without blanks.
    pub owner: String,
    /// Its connection: start of the server's run ID, and the client ID there, 0 where it has left; none where the server
    /// does not say.
    pub client: Option<(String, u64)>,
    /// Whether there may be held expiries at the destination.
    pub held_back: bool,
}

/// How far a source is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The destination was flushed for this replica, and is not loaded yet.
    Loading,
    /// A source was added, and is not loaded yet: the others' data is whole.
    Joining,
    /// The stream was applied up to here.
    At(Checkpoint),
    /// It was, but for a command that failed: what happened.
    Failed(Checkpoint, String),
}

/// What a checkpoint key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub progress: Progress,
    pub session: Session,
}

impl Session {
    /// Its connection to a server, by the server's run ID or its beginning. After a restart numbers mean other clients.
    pub(crate) fn client_at(&self, run: &str) -> Option<u64> {
        let (there, id) = self.client.as_ref()?;
        (run.starts_with(there.as_str()) && *id != 0).then_some(*id)
    }

    fn encode(&self) -> String {
        let held = if self.held_back { HELD } else { "" };
        match &self.client {
            Some((run, id)) => format!("{} {run}/{id}{held}", self.owner),
            None => format!("{} -{held}", self.owner),
        }
    }

    fn decode(owner: &str, client: &str) -> Option<Self> {
        let (client, held_back) = client.strip_suffix(HELD).map_or((client, false), |client| (client, true));
        let client = match client {
            "-" => None,
            client => client.split_once('/').and_then(|(run, id)| Some((run.to_owned(), id.parse().ok()?))),
        };
        (!owner.is_empty()).then(|| Self { owner: owner.to_owned(), client, held_back })
    }
}

impl Checkpoint {
    /// The value of the key for this place, written by this session.
    pub(crate) fn encode(&self, word: &str, session: &Session) -> String {
        let Self { replid, offset, db, checked } = self;
        format!("{VERSION} {word} {replid} {offset} {db} {checked} {}", session.encode())
    }

    fn decode<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let replid = words.next().filter(|id| is_replication_id(id))?.to_owned();
        let offset = words.next()?.parse().ok()?;
        Some(Self { replid, offset, db: words.next()?.parse().ok()?, checked: words.next()?.parse().ok()? })
    }
}

impl Mark {
    /// The mark as it is stored.
    pub(crate) fn encode(&self) -> String {
        match &self.progress {
            Progress::Loading => format!("{VERSION} loading {}", self.session.encode()),
            Progress::Joining => format!("{VERSION} joining {}", self.session.encode()),
            Progress::At(place) => place.encode("at", &self.session),
            Progress::Failed(place, what) => format!("{} {what}", place.encode("failed", &self.session)),
        }
    }

    /// Reads a stored mark; `None` when it is no mark of this version.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let mut words = text.splitn(9, ' ');
        if words.next()? != VERSION {
            return None;
        }
        let progress = match words.next()? {
            "loading" => Progress::Loading,
            "joining" => Progress::Joining,
            "at" => Progress::At(Checkpoint::decode(&mut words)?),
            "failed" => Progress::Failed(Checkpoint::decode(&mut words)?, String::new()),
            _ => return None,
        };
        let session = Session::decode(words.next()?, words.next()?)?;
        let progress = match (progress, words.next()) {
            (Progress::Failed(place, _), Some(what)) => Progress::Failed(place, what.to_owned()),
            (Progress::Failed(..), None) | (_, Some(_)) => return None,
            (progress, None) => progress,
        };
        Some(Self { progress, session })
    }
}

/// Whether a key is Tributary's own, of whichever replica: such keys of a source are not copied.
pub(crate) fn is_ours(key: &[u8]) -> bool {
    [PREFIX, IMPORT_MODE, HELD_BACK].iter().any(|prefix| key.starts_with(prefix.as_bytes()))
}

/// The replica that a key of Tributary's belongs to.
pub(crate) fn replica_of(key: &str) -> Option<&str> {
    let rest = [PREFIX, IMPORT_MODE, HELD_BACK].iter().find_map(|prefix| key.strip_prefix(prefix))?;
    rest.split(':').next().filter(|replica| !replica.is_empty())
}

/// Whether a key is named as the checkpoint of a source, of whichever replica.
pub(crate) fn is_checkpoint(key: &[u8]) -> bool {
    key.starts_with(PREFIX.as_bytes())
}

/// The key that holds the destination's import mode as it was found; a flush must not lose it.
pub(crate) fn import_mode_key(replica: &str) -> String {
    format!("{IMPORT_MODE}{replica}")
}

/// The key that says, while a replication is finished, that its expiries are to be set.
pub(crate) fn held_back_key(replica: &str) -> String {
    format!("{HELD_BACK}{replica}")
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
    fn a_key_names_its_replica() {
        for name in [key("a-1", "s"), import_mode_key("a-1"), held_back_key("a-1")] {
            assert_eq!(replica_of(&name), Some("a-1"), "{name}");
        }
        assert_eq!(replica_of("tributary:checkpoint:"), None);
        assert_eq!(replica_of("a-1"), None);
    }

    #[test]
    fn a_mark_reads_back_as_it_was_written() {
        let replid = "0123456789abcdef0123456789abcdef01234567".to_owned();
        let place = Checkpoint { replid, offset: 42, db: 5, checked: 40 };
        let what = "h:1 refused LPUSH “a b”: WRONGTYPE".to_owned();
        for progress in
            [Progress::Loading, Progress::Joining, Progress::At(place.clone()), Progress::Failed(place, what)]
        {
            for client in [None, Some(("abcdef01".to_owned(), 7))] {
                let session = Session { owner: "host/1/ff".into(), held_back: client.is_some(), client };
                let mark = Mark { progress: progress.clone(), session };
                assert_eq!(Mark::decode(&mark.encode()), Some(mark));
            }
        }
        for bad in ["", "1 loading", "2 at abc 5 0", "2 at", "2 loading", "2 loading x", "2 loading x - y"] {
            assert_eq!(Mark::decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_mark_that_someone_has_changed_is_none_or_is_read_as_it_would_be_written() {
        let replid = "0123456789abcdef0123456789abcdef01234567";
        let marks = [
            "2 loading host/1/ff abcdef01/7/held".to_owned(),
            format!("2 at {replid} 42 5 40 host/1/ff -"),
            format!("2 failed {replid} 42 5 40 host/1/ff abcdef01/7 h:1 refused LPUSH “a b”: WRONGTYPE"),
        ];
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..20_000 {
            let mut bytes = marks[round % marks.len()].clone().into_bytes();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                match random.u8(..3) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes[at] = random.u8(..),
                    _ => bytes.insert(at, b" /-+9"[random.usize(..5)]),
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            if let Some(mark) = Mark::decode(&text) {
                assert_eq!(Mark::decode(&mark.encode()), Some(mark), "{text}");
            }
        }
    }
}
