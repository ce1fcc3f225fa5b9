//! How far the destination has applied a source's stream: by the status of the replica where it runs in this process, and
//! by the checkpoints at the destination, whoever writes them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Pipeline;
use tokio::sync::watch;
use tokio::time::Instant;

use super::reply::bytes;
use super::side::Side;
use crate::checkpoint::{self, Mark, Progress};
use crate::control::Info;
use crate::{Failure, Phase, ReplicaSpec, ReplicaStatus};

/// How often it is looked whether a place is reached.
const LOOK: Duration = Duration::from_millis(2);
const LOOK_LATER: Duration = Duration::from_millis(50);
/// Checkpoints of other replicas that are looked at.
const MARKS: usize = 256;

/// A place in a source's history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Replication IDs that the offset counts in: the present one, and the one before a failover.
    replids: Vec<String>,
    pub offset: u64,
}

impl Place {
    /// Reads it from INFO replication.
    pub(super) fn of(info: &Info) -> Self {
        let replids = ["master_replid", "master_replid2"].into_iter().filter_map(|name| info.get(name));
        Self { replids: replids.map(str::to_owned).collect(), offset: info.number("master_repl_offset").unwrap_or(0) }
    }
}

/// What is known of the replicas that write to the destination from a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Followers {
    /// Offsets up to which they have applied the source's present history.
    pub applied: Vec<u64>,
    /// Expiries are held back by one of them.
    pub held_back: bool,
    /// One of them is still loading.
    pub loading: bool,
}

/// Whether a place is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    Yes,
    NotYet,
    /// No replica follows this source into the destination.
    NobodyFollows,
    /// The source is being loaded.
    Loading,
}

/// Where to look for how far the destination is.
#[derive(Debug)]
pub(super) struct Applied {
    spec: Arc<ReplicaSpec>,
    status: Option<watch::Receiver<Arc<ReplicaStatus>>>,
    /// Checkpoints that were seen, of whichever replica: database and key.
    seen: Mutex<HashSet<(u32, Vec<u8>)>>,
}

impl Applied {
    pub(super) fn new(spec: Arc<ReplicaSpec>, status: Option<watch::Receiver<Arc<ReplicaStatus>>>) -> Self {
        let home = checkpoint::home_db(&spec);
        let own = spec.sources.iter().map(|source| (home, checkpoint::key(&spec.id, &source.id).into_bytes()));
        Self { seen: Mutex::new(own.collect()), spec, status }
    }

    /// Remembers checkpoints.
    pub(super) fn saw(&self, marks: impl Iterator<Item = (u32, Vec<u8>)>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for mark in marks {
            if seen.len() < MARKS {
                seen.insert(mark);
            }
        }
    }

    /// Looks for sessions of replicas that run: they bear the names of their checkpoints.
    pub(super) async fn look_for_sessions(&self, destination: &mut Side) -> Result<(), Failure> {
        let mut pipe = Pipeline::new();
        pipe.cmd("CLIENT").arg("LIST");
        // A user who may not list clients leaves those checkpoints that are known by name.
        let Ok(replies) = destination.ask(0, &pipe).await else { return Ok(()) };
        let text = replies.first().and_then(bytes).map(String::from_utf8_lossy).unwrap_or_default();
        let word = |line: &str, name: &str| line.split(' ').find_map(|word| word.strip_prefix(name)).map(str::to_owned);
        let sessions = text.lines().filter_map(|line| Some((word(line, "db=")?, word(line, "name=")?)));
        let sessions = sessions.filter(|(_, name)| checkpoint::is_checkpoint(name.as_bytes()));
        // Its last command is in the checkpoint's database, unless it is in the middle of a batch.
        self.saw(
            sessions
                .flat_map(|(db, name)| [(db.parse().unwrap_or(0), name.clone()), (0, name)])
                .map(|(db, name)| (db, name.into_bytes())),
        );
        Ok(())
    }

    /// Who follows a source, and how far, by the checkpoints.
    pub(super) async fn followers(&self, destination: &mut Side, place: &Place) -> Result<Followers, Failure> {
        let mut marks: Vec<(u32, Vec<u8>)> =
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        marks.sort_unstable();
        let mut followers = Followers::default();
        for of_db in marks.chunk_by(|a, b| a.0 == b.0) {
            let mut pipe = Pipeline::new();
            for (_, key) in of_db {
                pipe.cmd("GET").arg(key);
            }
            let db = of_db.first().map_or(0, |(db, _)| *db);
            let replies = destination.ask(db, &pipe).await?;
            let own = |key: &[u8]| key.starts_with(checkpoint::replica_prefix(&self.spec.id).as_bytes());
            for ((_, key), reply) in of_db.iter().zip(&replies) {
                let text = bytes(reply).map(String::from_utf8_lossy).unwrap_or_default();
                match Mark::decode(&text) {
                    Some(Mark { progress: Progress::At(at) | Progress::Failed(at, _), session })
                        if place.replids.contains(&at.replid) =>
                    {
                        followers.applied.push(at.offset);
                        followers.held_back |= session.held_back;
                    }
                    Some(Mark { progress: Progress::Loading | Progress::Joining, .. }) if own(key) => {
                        followers.loading = true;
                    }
                    _ => {}
                }
            }
        }
        Ok(followers)
    }

    /// Whether everything up to a place of a source is applied.
    pub(super) async fn reached(
        &self,
        destination: &mut Side,
        source: usize,
        place: &Place,
    ) -> Result<Reached, Failure> {
        let followers = self.followers(destination, place).await?;
        // The status knows of PINGs at once, which a checkpoint follows up to 10 s later; it counts for this replica's own
        // checkpoint, and so for all where there is no other.
        let applied = self.status.as_ref().and_then(|status| {
            let (status, id) = (status.borrow(), &self.spec.sources.get(source)?.id);
            let source = status.sources.iter().find(|source| source.id == *id)?;
            matches!(source.phase, Phase::Synced | Phase::CatchingUp).then_some(source.applied)
        });
        Ok(match (applied, followers.applied.as_slice()) {
            _ if followers.loading => Reached::Loading,
            (Some(applied), [] | [_]) if applied >= place.offset => Reached::Yes,
            (_, []) => Reached::NobodyFollows,
            (_, all) if all.iter().all(|applied| *applied >= place.offset) => Reached::Yes,
            _ => Reached::NotYet,
        })
    }

    /// Waits until it is, for at most so long.
    pub(super) async fn wait(
        &self,
        destination: &mut Side,
        source: usize,
        place: &Place,
        most: Duration,
    ) -> Result<Reached, Failure> {
        let started = Instant::now();
        loop {
            let reached = self.reached(destination, source, place).await?;
            if reached != Reached::NotYet || started.elapsed() >= most {
                return Ok(reached);
            }
            let pause = if started.elapsed() < LOOK_LATER { LOOK } else { LOOK_LATER };
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_in_the_present_history_and_the_one_before() {
        let info = Info::parse("master_replid:aa\r\nmaster_replid2:bb\r\nmaster_repl_offset:42\r\n");
        let place = Place::of(&info);
        assert_eq!((place.replids, place.offset), (vec!["aa".to_owned(), "bb".to_owned()], 42));
    }
}
