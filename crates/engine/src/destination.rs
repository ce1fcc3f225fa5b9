//! The destination as a whole: what it holds, whose it is, and emptying it.

use std::collections::HashMap;

use crate::checkpoint::{self, Mark};
use crate::control::Control;
use crate::examine::facts;
use crate::{Endpoint, ErrorKind, Examination, Failure, ReplicaSpec, SourceSpec};

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
}

/// Looks at a replica's destination.
///
/// # Errors
/// What keeps the destination from being used at all.
pub async fn survey(spec: &ReplicaSpec) -> Result<Survey, Failure> {
    let mut control = Control::open(&spec.destination).await?;
    let marks = marks(&mut control, &spec.destination, &spec.id).await?;
    look(&mut control, spec, &marks).await
}

async fn look(control: &mut Control, spec: &ReplicaSpec, marks: &HashMap<String, Mark>) -> Result<Survey, Failure> {
    let endpoint = &spec.destination;
    let server = facts(control).await?;
    let home = endpoint.db.unwrap_or(0);
    let mut keys_by_db = server.keys_by_db.clone();
    keys_by_db.retain(|(db, _)| endpoint.db.is_none_or(|wanted| wanted == *db));
    for (db, keys) in &mut keys_by_db {
        if *db == home {
            *keys = keys.saturating_sub(marks.len() as u64);
        }
    }
    keys_by_db.retain(|(_, keys)| *keys > 0);
    let functions = match endpoint.db {
        Some(_) => 0,
        None => functions(control).await,
    };
    let all_at = |source: &SourceSpec| matches!(marks.get(&checkpoint::key(&spec.id, &source.id)), Some(Mark::At(_)));
    let resumable = spec.sources.iter().all(all_at);
    Ok(Survey {
        keys: keys_by_db.iter().map(|(_, keys)| keys).sum(),
        keys_by_db,
        functions,
        ours: resumable || marks.values().any(|mark| *mark == Mark::Loading),
        resumable,
        server,
    })
}

/// Function libraries at the server; none where functions do not exist or may not be listed.
async fn functions(control: &mut Control) -> u64 {
    let libraries: Result<Vec<redis::Value>, _> = control.query(&["FUNCTION", "LIST"]).await;
    libraries.map_or(0, |list| list.len() as u64)
}

/// The marks of this replica by the key that holds them.
async fn marks(control: &mut Control, endpoint: &Endpoint, replica: &str) -> Result<HashMap<String, Mark>, Failure> {
    select_home(control, endpoint).await?;
    let pattern = format!("{}*", escape_glob(&checkpoint::replica_prefix(replica)));
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

async fn select_home(control: &mut Control, endpoint: &Endpoint) -> Result<(), Failure> {
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
    if survey.server.is_replica && control.config("replica-read-only").await.as_deref() != Some("no") {
        let master = survey.server.replica_of.clone().unwrap_or_default();
        let name = destination.authority();
        return Err(Failure::new(ErrorKind::ReadOnly, &name, format!("{name} is a read-only replica of {master}.")));
    }
    let marks = spec.sources.iter().map(|source| found.get(&checkpoint::key(&spec.id, &source.id)).cloned()).collect();
    Ok(Opening { survey, marks })
}

/// The marks of a replica's own sources: known keys, so no scan is needed.
async fn own_marks(control: &mut Control, spec: &ReplicaSpec) -> Result<HashMap<String, Mark>, Failure> {
    select_home(control, &spec.destination).await?;
    let mut found = HashMap::new();
    for source in &spec.sources {
        let key = checkpoint::key(&spec.id, &source.id);
        let value: Option<String> = control.query(&["GET", &key]).await?;
        if let Some(mark) = value.as_deref().and_then(Mark::decode) {
            found.insert(key, mark);
        }
    }
    Ok(found)
}

/// One source's mark as it stands now.
pub(crate) async fn mark(spec: &ReplicaSpec, source: &str) -> Result<Option<Mark>, Failure> {
    let mut control = Control::open(&spec.destination).await?;
    select_home(&mut control, &spec.destination).await?;
    let value: Option<String> = control.query(&["GET", &checkpoint::key(&spec.id, source)]).await?;
    Ok(value.as_deref().and_then(Mark::decode))
}

/// Replaces one source's mark outside of its stream.
pub(crate) async fn set_mark(spec: &ReplicaSpec, source: &str, mark: &Mark) -> Result<(), Failure> {
    let mut control = Control::open(&spec.destination).await?;
    select_home(&mut control, &spec.destination).await?;
    control.query::<String>(&["SET", &checkpoint::key(&spec.id, source), &mark.encode()]).await.map(drop)
}

/// Empties the destination and leaves the loading marker, in one transaction: there is no moment at which the data is
/// gone and nothing tells whose work that was.
pub(crate) async fn flush(spec: &ReplicaSpec) -> Result<(), Failure> {
    let mut control = Control::open_patient(&spec.destination).await?;
    select_home(&mut control, &spec.destination).await?;
    let has_functions = spec.destination.db.is_none() && numbers(&facts(&mut control).await?.version) >= (7, 0);
    let loading = Mark::Loading.encode();
    let keys: Vec<String> = spec.sources.iter().map(|source| checkpoint::key(&spec.id, &source.id)).collect();
    let mut commands = vec![vec![if spec.destination.db.is_some() { "FLUSHDB" } else { "FLUSHALL" }]];
    if has_functions {
        commands.push(vec!["FUNCTION", "FLUSH"]);
    }
    commands.extend(keys.iter().map(|key| vec!["SET", key, &loading]));
    control.transaction(&commands).await
}

/// What the writing side must know of the destination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    /// RESTORE knows ABSTTL, IDLETIME and FREQ (5.0 and later).
    pub absolute_restore: bool,
    /// SET knows PXAT (6.2 and later).
    pub set_pxat: bool,
    /// Function libraries exist (7.0 and later).
    pub functions: bool,
    /// Fields of a hash can expire (Redis 7.4, Valkey 9.0 and later).
    pub field_expiry: bool,
    /// Number of databases.
    pub databases: u32,
}

/// Asks the destination what it understands.
pub(crate) async fn dialect(destination: &Endpoint) -> Result<Dialect, Failure> {
    let mut control = Control::open(destination).await?;
    // Valkey calls itself Redis 7.2 here, which says rightly what it understands.
    let info = control.info(Some("server")).await?;
    let version = info.get("redis_version").map_or((0, 0), numbers);
    let valkey = info.get("valkey_version").map(numbers);
    Ok(Dialect {
        absolute_restore: version >= (5, 0),
        set_pxat: version >= (6, 2),
        functions: version >= (7, 0),
        field_expiry: valkey.map_or(version >= (7, 4), |valkey| valkey >= (9, 0)),
        databases: databases(&mut control).await?,
    })
}

/// The first two numbers of a version.
pub(crate) fn numbers(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The number of databases, by CONFIG or, where that is forbidden, by trying.
pub(crate) async fn databases(control: &mut Control) -> Result<u32, Failure> {
    if let Some(number) = control.config("databases").await.and_then(|n| n.parse().ok()) {
        return Ok(number);
    }
    // `low` is known to exist, `high` is not.
    let (mut low, mut high) = (0u32, 1u32 << 20);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match control.query::<String>(&["SELECT", &middle.to_string()]).await {
            Ok(_) => low = middle,
            Err(failure) if failure.kind == ErrorKind::DbOutOfRange => high = middle,
            Err(failure) => return Err(failure),
        }
    }
    Ok(low + 1)
}
