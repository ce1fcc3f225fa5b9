//! The destination as a whole: what it holds, whose it is, and emptying it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::checkpoint::{self, Mark, Progress};
use crate::clients::{self, OwnClients};
use crate::control::Control;
use crate::dialect::numbers;
use crate::examine::facts;
use crate::owner::Owner;
use crate::writer::{may_end, run_id, taken_over};
use crate::{Endpoint, ErrorKind, Examination, Failure, ReplicaSpec, SourceSpec};

/// How often a flush whose checkpoints change meanwhile is tried again.
const ATTEMPTS: usize = 20;

/// What stands at a destination, before anything is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Facts about the server.
    pub server: Examination,
    /// Keys that are in the way: all databases, or the one that is meant. Tributary's own do not count.
    pub keys: u64,
    /// The same for each database that has any.
    pub keys_by_db: Vec<(u32, u64)>,
    /// Function libraries that a flush would delete.
    pub functions: u64,
    /// Whether a start needs no confirmation: it can go on from there, or holds a load of this replica that was
    /// broken off. A source that was added since is a reason to ask.
    pub ours: bool,
    /// Whether this replica can go on from there without loading anything.
    pub resumable: bool,
    /// Sources without a checkpoint there.
    pub new_sources: Vec<String>,
    /// Whether the new sources can be loaded beside the others, without deleting anything.
    pub joinable: bool,
}

/// Looks at a replica's destination. Nothing is scanned, for it may hold any number of keys.
///
/// # Errors
/// What keeps the destination from being used at all.
pub async fn survey(spec: &ReplicaSpec) -> Result<Survey, Failure> {
    let mut control = Control::open(&spec.destination).await?;
    let marks = own_marks(&mut control, spec).await?;
    look(&mut control, spec, &marks).await
}

async fn look(control: &mut Control, spec: &ReplicaSpec, marks: &HashMap<String, Mark>) -> Result<Survey, Failure> {
    let endpoint = &spec.destination;
    let server = facts(control).await?;
    let home = endpoint.db.unwrap_or(0);
    let (import_mode, held_back) = (checkpoint::import_mode_key(&spec.id), checkpoint::held_back_key(&spec.id));
    let own: u64 = control.query(&["EXISTS", &import_mode, &held_back]).await?;
    let mut keys_by_db = server.keys_by_db.clone();
    keys_by_db.retain(|(db, _)| endpoint.db.is_none_or(|wanted| wanted == *db));
    for (db, keys) in &mut keys_by_db {
        if *db == home {
            *keys = keys.saturating_sub(marks.len() as u64 + own);
        }
    }
    keys_by_db.retain(|(_, keys)| *keys > 0);
    let functions = match endpoint.db {
        Some(_) => 0,
        None => functions(control).await,
    };
    let at = |source: &SourceSpec| {
        let mark = marks.get(&checkpoint::key(&spec.id, &source.id));
        // Behind a command that failed, a start says so again, and deletes nothing.
        mark.is_some_and(|mark| matches!(mark.progress, Progress::At(_) | Progress::Failed(..)))
    };
    let resumable = spec.sources.iter().all(at);
    let loading = marks.values().any(|mark| mark.progress == Progress::Loading);
    Ok(Survey {
        keys: keys_by_db.iter().map(|(_, keys)| keys).sum(),
        keys_by_db,
        functions,
        ours: resumable || loading,
        resumable,
        new_sources: spec.sources.iter().filter(|source| !at(source)).map(|source| source.id.clone()).collect(),
        joinable: !loading && spec.sources.iter().any(at),
        server,
    })
}

/// Function libraries at the server; none where functions do not exist or may not be listed.
pub(crate) async fn functions(control: &mut Control) -> u64 {
    let libraries: Result<Vec<redis::Value>, _> = control.query(&["FUNCTION", "LIST"]).await;
    libraries.map_or(0, |list| list.len() as u64)
}

/// The marks of this replica by the key that holds them.
async fn marks(control: &mut Control, endpoint: &Endpoint, replica: &str) -> Result<HashMap<String, Mark>, Failure> {
    let pattern = format!("{}*", escape_glob(&checkpoint::replica_prefix(replica)));
    select_home(control, endpoint).await?;
    let mut found = HashMap::new();
    let mut cursor = "0".to_owned();
    loop {
        let (next, keys): (String, Vec<String>) =
            control.query(&["SCAN", &cursor, "MATCH", &pattern, "COUNT", "10000"]).await?;
        for key in keys {
            let value: Option<String> = control.query(&["GET", &key]).await?;
            if let Some(mark) = value.as_deref().and_then(Mark::decode) {
                found.insert(key, mark);
            }
        }
        if next == "0" {
            return Ok(found);
        }
        cursor = next;
    }
}

/// The replicas that have left a key of theirs, sorted.
pub(crate) async fn replicas_at(endpoint: &Endpoint) -> Result<Vec<String>, Failure> {
    let mut control = Control::open(endpoint).await?;
    select_home(&mut control, endpoint).await?;
    let (mut found, mut cursor) = (BTreeSet::new(), "0".to_owned());
    loop {
        let (next, keys): (String, Vec<Vec<u8>>) =
            control.query(&["SCAN", &cursor, "MATCH", "tributary:*", "COUNT", "10000"]).await?;
        let names = keys.iter().filter_map(|key| std::str::from_utf8(key).ok());
        found.extend(names.filter_map(checkpoint::replica_of).map(str::to_owned));
        if next == "0" {
            return Ok(found.into_iter().collect());
        }
        cursor = next;
    }
}

/// The histories that feed a server through Tributary now: its sessions bear the names of their checkpoints. Nothing is
/// scanned, for the server may hold any number of keys.
pub(crate) async fn feeders(endpoint: &Endpoint) -> Result<Vec<String>, Failure> {
    let mut control = Control::open(endpoint).await?;
    let (_, clients) = clients::list(&mut control).await?;
    let mut histories = Vec::new();
    for client in clients.iter().filter(|client| checkpoint::is_ours(client.name.as_bytes())) {
        // Its last command is in the checkpoint's database, unless it is in the middle of a batch.
        for db in [client.db, 0] {
            control.query::<String>(&["SELECT", &db.to_string()]).await?;
            let value: Option<String> = control.query(&["GET", &client.name]).await?;
            histories.extend(value.as_deref().and_then(Mark::decode).and_then(|mark| match mark.progress {
                Progress::At(place) | Progress::Failed(place, _) => Some(place.replid),
                Progress::Loading | Progress::Joining => None,
            }));
        }
    }
    Ok(histories)
}

pub(crate) async fn select_home(control: &mut Control, endpoint: &Endpoint) -> Result<(), Failure> {
    match endpoint.db {
        Some(db) => control.query::<String>(&["SELECT", &db.to_string()]).await.map(drop),
        None => Ok(()),
    }
}

fn escape_glob(text: &str) -> String {
    text.chars().flat_map(|c| ("*?[]\\".contains(c)).then_some('\\').into_iter().chain([c])).collect()
}

/// What was found when a replica's run begins.
pub(crate) struct Opening {
    pub survey: Survey,
    /// The mark of each source, in the order of the definition.
    pub marks: Vec<Option<Mark>>,
}

/// Surveys the destination at the start of a run, and refuses one that cannot be written to.
pub(crate) async fn open(spec: &ReplicaSpec) -> Result<Opening, Failure> {
    let destination = &spec.destination;
    let mut control = Control::open(destination).await?;
    let found = own_marks(&mut control, spec).await?;
    let survey = look(&mut control, spec, &found).await?;
    refuse_read_only(&mut control, &survey.server).await?;
    let marks = spec.sources.iter().map(|source| found.get(&checkpoint::key(&spec.id, &source.id)).cloned()).collect();
    Ok(Opening { survey, marks })
}

/// Refuses a server that takes writes from its primary alone.
pub(crate) async fn refuse_read_only(control: &mut Control, server: &Examination) -> Result<(), Failure> {
    if !server.is_replica || control.config("replica-read-only").await.as_deref() == Some("no") {
        return Ok(());
    }
    let (name, master) = (control.name(), server.replica_of.clone().unwrap_or_default());
    Err(Failure::new(ErrorKind::ReadOnly, name, format!("{name} is a read-only replica of {master}.")))
}

/// The marks of a replica's own sources: known keys, so no scan is needed.
async fn own_marks(control: &mut Control, spec: &ReplicaSpec) -> Result<HashMap<String, Mark>, Failure> {
    let keys = spec.sources.iter().map(|source| checkpoint::key(&spec.id, &source.id));
    marks_at(control, &spec.destination, keys).await
}

async fn marks_at(
    control: &mut Control,
    endpoint: &Endpoint,
    keys: impl Iterator<Item = String>,
) -> Result<HashMap<String, Mark>, Failure> {
    select_home(control, endpoint).await?;
    let mut found = HashMap::new();
    for key in keys {
        let value: Option<String> = control.query(&["GET", &key]).await?;
        if let Some(mark) = value.as_deref().and_then(Mark::decode) {
            found.insert(key, mark);
        }
    }
    Ok(found)
}

/// Leaves a source that was stopped in the middle of a load of all as one that joins, so that its start loads it alone.
pub(crate) async fn set_aside(spec: &ReplicaSpec, source: &str, owner: &Owner) -> Result<(), Failure> {
    let mut control = Control::open(&spec.destination).await?;
    select_home(&mut control, &spec.destination).await?;
    let key = checkpoint::key(&spec.id, source);
    for _ in 0..ATTEMPTS {
        control.query::<String>(&["WATCH", &key]).await?;
        let value: Option<String> = control.query(&["GET", &key]).await?;
        let ours = |mark: &Mark| owner.is_of(&mark.session) && mark.progress == Progress::Loading;
        let Some(mark) = value.as_deref().and_then(Mark::decode).filter(ours) else { return Ok(()) };
        end_session(&mut control, &mark).await?;
        let joins = Mark { progress: Progress::Joining, session: mark.session };
        if control.transaction(&[vec!["SET", &key, &joins.encode()]]).await? {
            return Ok(());
        }
    }
    Err(Failure::new(ErrorKind::TakenOver, control.name(), "The checkpoint changes all the time."))
}

/// The runs that the checkpoints at the destination name.
pub(crate) async fn owners(spec: &ReplicaSpec) -> Result<Arc<[String]>, Failure> {
    let mut control = Control::open(&spec.destination).await?;
    let marks = own_marks(&mut control, spec).await?;
    Ok(marks.into_values().map(|mark| mark.session.owner).collect())
}

/// Records that a command failed within an executed transaction, so that the sync does not silently go on behind it.
/// Another session's checkpoint is left alone.
pub(crate) async fn record_failed(spec: &ReplicaSpec, source: &str, owner: &Owner, what: &str) -> Result<(), Failure> {
    let mut control = Control::open(&spec.destination).await?;
    select_home(&mut control, &spec.destination).await?;
    let key = checkpoint::key(&spec.id, source);
    for _ in 0..ATTEMPTS {
        control.query::<String>(&["WATCH", &key]).await?;
        let value: Option<String> = control.query(&["GET", &key]).await?;
        let Some(mark) = value.as_deref().and_then(Mark::decode).filter(|mark| owner.is_of(&mark.session)) else {
            return Ok(());
        };
        end_session(&mut control, &mark).await?;
        let Progress::At(place) = mark.progress else { return Ok(()) };
        let failed = Mark { progress: Progress::Failed(place, what.to_owned()), session: mark.session };
        if control.transaction(&[vec!["SET", &key, &failed.encode()]]).await? {
            return Ok(());
        }
    }
    Err(Failure::new(ErrorKind::TakenOver, control.name(), "The checkpoint changes all the time."))
}

/// Ends the connection that a mark names, unless the server has been restarted since.
async fn end_session(control: &mut Control, mark: &Mark) -> Result<(), Failure> {
    let server = control.info(Some("server")).await?;
    if let Some(client) = server.get("run_id").and_then(|run| mark.session.client_at(run)) {
        control.query::<u64>(&["CLIENT", "KILL", "ID", &client.to_string()]).await?;
    }
    Ok(())
}

/// Empties the destination and leaves the loading markers, in one transaction: there is no moment at which the data is
/// gone and nothing tells whose work that was. Sessions of ours and of predecessors that still write are ended first.
///
/// Sources that do not load are left as ones that join: they were stopped.
pub(crate) async fn flush(
    spec: &ReplicaSpec,
    loads: &[bool],
    owner: &Owner,
    predecessors: &[String],
    own: &Arc<OwnClients>,
) -> Result<(), Failure> {
    let mut control = Control::open(&spec.destination).await?;
    control.belongs_to(own).await;
    select_home(&mut control, &spec.destination).await?;
    let has_functions = spec.destination.db.is_none() && numbers(&facts(&mut control).await?.version) >= (7, 0);
    let keys: Vec<String> = spec.sources.iter().map(|source| checkpoint::key(&spec.id, &source.id)).collect();
    for _ in 0..ATTEMPTS {
        let watch: Vec<&str> = std::iter::once("WATCH").chain(keys.iter().map(String::as_str)).collect();
        control.query::<String>(&watch).await?;
        let run = control.info(Some("server")).await?.get("run_id").unwrap_or_default().to_owned();
        for mark in own_marks(&mut control, spec).await?.values() {
            if !may_end(owner, predecessors, mark, &run) {
                return Err(taken_over(control.name(), &mark.session.owner));
            }
            end_session(&mut control, mark).await?;
        }
        // The connection that empties it writes nothing else: there is none to end.
        let client = run_id(&format!("run_id:{run}")).map(|run| (run, 0));
        let mark = |loads: &bool| {
            let progress = if *loads { Progress::Loading } else { Progress::Joining };
            Mark { progress, session: owner.session(client.clone()) }.encode()
        };
        let marks: Vec<String> = loads.iter().map(mark).collect();
        let kept = keepsake(&mut control, &spec.id).await?;
        let mut commands = vec![vec![if spec.destination.db.is_some() { "FLUSHDB" } else { "FLUSHALL" }]];
        if has_functions {
            commands.push(vec!["FUNCTION", "FLUSH"]);
        }
        commands.extend(kept.iter().map(|(key, value)| vec!["SET", key, value]));
        commands.extend(keys.iter().zip(&marks).map(|(key, mark)| vec!["SET", key, mark]));
        if control.long_transaction(&commands).await? {
            return Ok(());
        }
    }
    let message = format!("The checkpoints at {} change all the time: something else writes them.", control.name());
    Err(Failure::new(ErrorKind::TakenOver, control.name(), message))
}

/// What is recorded of the destination's settings: key and value, which a flush must not lose.
pub(crate) type Keepsake = Option<(String, String)>;

pub(crate) async fn keepsake(control: &mut Control, replica: &str) -> Result<Keepsake, Failure> {
    let key = checkpoint::import_mode_key(replica);
    let value: Option<String> = control.query(&["GET", &key]).await?;
    Ok(value.map(|value| (key, value)))
}

/// Whether expiries may be held back at the destination, by what the checkpoints say or said before an attempt to finish
/// that was broken off. Keeps it for the next attempt: the checkpoints go first.
pub(crate) async fn note_held_back(spec: &ReplicaSpec) -> Result<bool, Failure> {
    let mut control = Control::open(&spec.destination).await?;
    let marks = marks(&mut control, &spec.destination, &spec.id).await?;
    let record = checkpoint::held_back_key(&spec.id);
    if marks.values().any(|mark| mark.session.held_back) {
        control.query::<String>(&["SET", &record, "1"]).await?;
        return Ok(true);
    }
    Ok(control.query::<u64>(&["EXISTS", &record]).await? > 0)
}

/// Removes a replica's checkpoints, or those of the sources that are named. Sessions that still write are ended first.
pub(crate) async fn remove_marks(spec: &ReplicaSpec, sources: Option<&[String]>) -> Result<(), Failure> {
    let mut control = Control::open(&spec.destination).await?;
    let found = match sources {
        // Also of sources that were removed while the destination was away: nobody knows their names any more.
        None => marks(&mut control, &spec.destination, &spec.id).await?,
        Some(ids) => {
            let keys = ids.iter().map(|id| checkpoint::key(&spec.id, id));
            marks_at(&mut control, &spec.destination, keys).await?
        }
    };
    for (key, mark) in &found {
        end_session(&mut control, mark).await?;
        control.query::<u64>(&["DEL", key]).await?;
    }
    Ok(())
}

/// A server closes a connection without a word when a command is larger than its query buffer may be. Whether that
/// is why it was closed, when `bytes` were to be sent at once.
pub(crate) async fn query_buffer_exceeded(destination: &Endpoint, bytes: u64) -> Option<Failure> {
    let mut control = Control::open(destination).await.ok()?;
    let limit: u64 = control.config("client-query-buffer-limit").await?.parse().ok()?;
    (bytes > limit).then(|| {
        let name = control.name();
        let message = format!(
            "{name} closed the connection without a word: a command or a transaction is larger than its \
             client-query-buffer-limit of {limit} bytes."
        );
        Failure::new(ErrorKind::ServerLimit, name, message)
    })
}
