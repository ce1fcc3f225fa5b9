//! Fencing: one session at a time writes for a source, and nothing of an earlier one lands behind it.
//!
//! A checkpoint names the connection that writes it. Whoever goes on first ends that connection (CLIENT KILL ID), so that a
//! batch still on its way is never executed, and then puts its own name into the checkpoint, provided that it has not changed
//! since it was read (WATCH).

use std::sync::Arc;

use super::talk::{Answer, Talk};
use crate::checkpoint::{Mark, Progress, Session};
use crate::owner::{Owner, describe};
use crate::{ErrorKind, Failure};

/// How often a checkpoint that changes under our hands is read again.
const ATTEMPTS: usize = 20;

/// Which checkpoint a session writes, and as whose.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    /// Key of the checkpoint.
    pub key: String,
    /// Its database.
    pub home: u32,
    pub owner: Owner,
    /// Runs whose sessions may be ended: those that were found when this run first reached the destination. Any other has
    /// begun later, and has taken the replica over.
    pub predecessors: Arc<[String]>,
    /// Whether this session carries expiries later than they are.
    pub held_back: bool,
    /// What to begin with where there is no checkpoint: a source that is added.
    pub begin: Option<Progress>,
}

/// Takes a seat. Gives what stands there, now in our name; `None` when there is nothing.
pub(super) async fn take(talk: &mut Talk, seat: &Seat) -> Result<Option<Mark>, Failure> {
    let run = run_of(talk).await?;
    let id = client_id(talk, &seat.owner).await?;
    if let Err(failure) = talk.ask(&["CLIENT", "SETNAME", &seat.key]).await {
        // A name only helps others to see who feeds this server: see `destination::feeders`.
        tracing::debug!(%failure, "the connection stays without a name");
    }
    if seat.home != 0 {
        talk.ask(&["SELECT", &seat.home.to_string()]).await?;
    }
    for _ in 0..ATTEMPTS {
        talk.ask(&["WATCH", &seat.key]).await?;
        let found = match talk.ask(&["GET", &seat.key]).await? {
            Answer::Text(text) => text.as_deref().and_then(Mark::decode),
            _ => None,
        };
        if let Some(mark) = &found {
            end_predecessor(talk, seat, mark, &run, id).await?;
        }
        let held_back = seat.held_back || found.as_ref().is_some_and(|mark| mark.session.held_back);
        let Some(progress) = found.map(|mark| mark.progress).or_else(|| seat.begin.clone()) else {
            talk.ask(&["UNWATCH"]).await?;
            return Ok(None);
        };
        let mark = Mark { progress, session: Session { held_back, ..seat.owner.session(Some((run.clone(), id))) } };
        talk.ask(&["MULTI"]).await?;
        talk.ask(&["SET", &seat.key, &mark.encode()]).await?;
        if let Answer::List(Some(_)) = talk.ask(&["EXEC"]).await? {
            return Ok(Some(mark));
        }
    }
    let message = format!("The checkpoint at {} changes all the time: something else writes it.", talk.name);
    Err(Failure::new(ErrorKind::TakenOver, &talk.name, message))
}

async fn end_predecessor(talk: &mut Talk, seat: &Seat, mark: &Mark, run: &str, id: u64) -> Result<(), Failure> {
    if !may_end(&seat.owner, &seat.predecessors, mark, run) {
        return Err(taken_over(&talk.name, &mark.session.owner));
    }
    match mark.session.client_at(run) {
        Some(client) if client != id => kill(talk, client).await,
        _ => Ok(()),
    }
}

/// Whether a session of ours or of a predecessor wrote this, or one of before the server's start: nobody is connected any
/// more who was then, and what the server has loaded may be older than this run. `run` is the server's run ID, or its
/// beginning.
pub(crate) fn may_end(owner: &Owner, predecessors: &[String], mark: &Mark, run: &str) -> bool {
    let other_start = |(there, _): &(String, u64)| !run.is_empty() && !run.starts_with(there.as_str());
    let of_before = mark.session.client.as_ref().is_some_and(other_start);
    of_before || owner.is_of(&mark.session) || predecessors.contains(&mark.session.owner)
}

async fn kill(talk: &mut Talk, client: u64) -> Result<(), Failure> {
    talk.ask(&["CLIENT", "KILL", "ID", &client.to_string()]).await.map(drop)
}

/// Another run writes for this replica.
pub(crate) fn taken_over(name: &str, owner: &str) -> Failure {
    let message = format!("The replica was taken over by {}.", describe(owner));
    Failure::new(ErrorKind::TakenOver, name, message)
}

/// The first part of the server's run ID.
async fn run_of(talk: &mut Talk) -> Result<String, Failure> {
    let Answer::Text(Some(info)) = talk.ask(&["INFO", "server"]).await? else { return Ok(String::new()) };
    Ok(info.lines().find_map(run_id).unwrap_or_default())
}

/// A line of INFO that holds the run ID: its first eight digits, enough to tell a restart.
pub(crate) fn run_id(line: &str) -> Option<String> {
    line.strip_prefix("run_id:").map(|id| id.chars().take(8).collect())
}

/// The number of our connection; servers before 5.0 only tell it in CLIENT LIST.
async fn client_id(talk: &mut Talk, owner: &Owner) -> Result<u64, Failure> {
    match talk.ask(&["CLIENT", "ID"]).await {
        Ok(Answer::Line(id)) => Ok(id.parse().unwrap_or(0)),
        Err(failure) if matches!(failure.kind, ErrorKind::CommandFailed | ErrorKind::UnknownCommand) => {
            let name = format!("{}/{:08x}", owner.session(None).owner, fastrand::u32(..));
            talk.ask(&["CLIENT", "SETNAME", &name]).await?;
            let Answer::Text(Some(list)) = talk.ask(&["CLIENT", "LIST"]).await? else { return Ok(0) };
            let line = list.lines().find(|line| line.contains(&format!(" name={name} ")));
            let id = line.and_then(|line| line.strip_prefix("id=")?.split(' ').next()?.parse().ok());
            Ok(id.unwrap_or(0))
        }
        Err(failure) => Err(failure),
        Ok(_) => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(owner: &str, client: Option<(&str, u64)>) -> Mark {
        let client = client.map(|(run, id)| (run.to_owned(), id));
        Mark { progress: Progress::Loading, session: Session { owner: owner.into(), client, held_back: false } }
    }

    #[test]
    fn a_mark_of_before_the_servers_start_is_taken_over_whoever_wrote_it() {
        let (owner, predecessors) = (Owner::new(), ["before".to_owned()]);
        let may = |mark| may_end(&owner, &predecessors, &mark, "abcdef0123456789");
        assert!(may(mark("before", Some(("abcdef01", 7)))));
        assert!(may(mark("older", Some(("99999999", 7)))));
        assert!(!may(mark("another", Some(("abcdef01", 7)))));
        // Whoever emptied the destination has no connection any more, and is another run all the same.
        assert!(!may(mark("another", Some(("abcdef01", 0)))));
        assert!(may(mark("older", Some(("99999999", 0)))));
        assert!(!may(mark("another", None)));
    }

    #[test]
    fn only_a_connection_to_the_server_as_it_runs_is_ended() {
        let ends = |client| mark("before", client).session.client_at("abcdef0123456789");
        assert_eq!(ends(Some(("abcdef01", 7))), Some(7));
        assert_eq!(ends(Some(("99999999", 7))), None);
        assert_eq!(ends(Some(("abcdef01", 0))), None);
        assert_eq!(ends(None), None);
    }
}
