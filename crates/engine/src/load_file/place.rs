//! What stands at the destination of a load, when that is a reason to refuse it, and emptying it.

use std::collections::BTreeSet;

use super::{Existing, FileLoad};
use crate::control::Control;
use crate::dialect::numbers;
use crate::examine::facts;
use crate::{Endpoint, ErrorKind, Examination, Failure, checkpoint, destination};

/// Keys that SCAN looks at in one go.
const SCAN_COUNT: &str = "10000";

/// What stands at the destination of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSurvey {
    /// Facts about the server.
    pub server: Examination,
    /// Keys of each database that is written to, where there are any.
    pub keys_by_db: Vec<(u32, u64)>,
    /// Their sum.
    pub keys: u64,
    /// Function libraries that a flush would delete.
    pub functions: u64,
    /// IDs of the replicas whose destination this is: nothing else may write to it.
    pub replicas: Vec<String>,
}

/// Looks at the destination of a load of all databases, or of the one that `db` says. Its keys are scanned for the marks of
/// replicas.
///
/// # Errors
/// What keeps the destination from being used at all: it cannot be reached, is a read-only replica, or part of a cluster.
pub async fn survey_for_file(destination: &Endpoint, db: Option<u32>) -> Result<FileSurvey, Failure> {
    let mut control = Control::open(destination).await?;
    let survey = look(&mut control, db).await?;
    Ok(FileSurvey { replicas: replicas(&mut control, &survey.server, db).await?, ..survey })
}

/// Without the scan.
async fn look(control: &mut Control, db: Option<u32>) -> Result<FileSurvey, Failure> {
    let server = facts(control).await?;
    destination::refuse_read_only(control, &server).await?;
    if control.info(Some("cluster")).await?.number("cluster_enabled") == Some(1) {
        let name = control.name();
        let failure = Failure::new(
            ErrorKind::ValueRefused,
            name,
            format!("{name} is a node of a cluster, which is not supported yet."),
        );
        return Err(Failure { hint: "Choose a single server.".into(), ..failure });
    }
    let mut keys_by_db = server.keys_by_db.clone();
    keys_by_db.retain(|(number, keys)| *keys > 0 && db.is_none_or(|wanted| wanted == *number));
    let functions = if db.is_none() { destination::functions(control).await } else { 0 };
    let keys = keys_by_db.iter().map(|(_, keys)| keys).sum();
    Ok(FileSurvey { server, keys_by_db, keys, functions, replicas: Vec::new() })
}

/// The replicas that keep marks where they would be if what is written to were theirs. A mark in database 0 may be of a
/// replica of all databases, so it counts for every other.
async fn replicas(control: &mut Control, server: &Examination, db: Option<u32>) -> Result<Vec<String>, Failure> {
    let mut found = BTreeSet::new();
    let held = server.keys_by_db.iter().filter(|(_, keys)| *keys > 0).map(|(number, _)| *number);
    for number in held.filter(|number| db.is_none_or(|db| db == *number || *number == 0)) {
        control.query::<String>(&["SELECT", &number.to_string()]).await?;
        let mut cursor = "0".to_owned();
        loop {
            let question = ["SCAN", &cursor, "MATCH", "tributary:*", "COUNT", SCAN_COUNT];
            let (next, keys): (String, Vec<Vec<u8>>) = control.query(&question).await?;
            let names = keys.iter().filter_map(|key| std::str::from_utf8(key).ok());
            found.extend(names.filter_map(checkpoint::replica_of).map(str::to_owned));
            if next == "0" {
                break;
            }
            cursor = next;
        }
    }
    Ok(found.into_iter().collect())
}

/// What a load may do at its destination.
pub(super) struct Place {
    pub control: Control,
    pub survey: FileSurvey,
}

/// Looks at the destination, and refuses what nobody has agreed to.
pub(super) async fn open(spec: &FileLoad) -> Result<Place, Failure> {
    let mut control = Control::open(&spec.destination).await?;
    let mut survey = look(&mut control, spec.lands()).await?;
    if spec.existing == Existing::Refuse && survey.keys > 0 {
        return Err(not_empty(spec, survey.keys));
    }
    survey.replicas = replicas(&mut control, &survey.server, spec.lands()).await?;
    if let Some(replica) = survey.replicas.first() {
        return Err(in_use(spec, replica));
    }
    Ok(Place { control, survey })
}

fn not_empty(spec: &FileLoad, keys: u64) -> Failure {
    let (name, noun) = (target(spec), if keys == 1 { "key" } else { "keys" });
    let message = format!("{name} holds {keys} {noun}, and nobody has said what is to become of them.");
    let hint = "Choose an empty destination, delete what it holds first (in the terminal: --flush), or load beside it, \
                replacing keys of the same name (--replace).";
    let failure = Failure::new(ErrorKind::DestinationNotEmpty, &spec.destination.authority(), message);
    Failure { hint: hint.into(), ..failure }
}

fn in_use(spec: &FileLoad, replica: &str) -> Failure {
    let name = target(spec);
    let message = format!("{name} is the destination of the replica “{replica}”: nothing else may write to it.");
    Failure::new(ErrorKind::DestinationInUse, &spec.destination.authority(), message)
}

/// The destination as messages call it: with the one database that is written to.
pub(super) fn target(spec: &FileLoad) -> String {
    Endpoint { db: spec.lands(), ..spec.destination.clone() }.address()
}

/// Deletes what stands at the destination.
pub(super) async fn flush(place: &mut Place, db: Option<u32>) -> Result<(), Failure> {
    let mut commands = Vec::new();
    match db {
        Some(db) => {
            place.control.query::<String>(&["SELECT", &db.to_string()]).await?;
            commands.push(vec!["FLUSHDB"]);
        }
        None => {
            commands.push(vec!["FLUSHALL"]);
            if numbers(&place.survey.server.version) >= (7, 0) {
                commands.push(vec!["FUNCTION", "FLUSH"]);
            }
        }
    }
    // Nothing is watched, so it is always executed.
    place.control.long_transaction(&commands).await.map(drop)
}
