//! The preflight: everything that can be known about a replica's servers before anything is deleted or started.
//!
//! Start reading at [`check`]. `facts` asks a server (with `trial` for permissions); the other modules judge what it
//! said, and ask nothing. What a server does not tell is `Unknown`, never a guess.

mod compression;
mod connection;
mod durability;
mod facts;
mod figures;
mod line;
mod memory;
mod permission;
mod place;
mod release;
mod traffic;
mod trial;

use tokio::task::JoinSet;

use self::facts::Facts;
use self::line::Found;
use crate::kinship::{self, Identity};
use crate::{Endpoint, Failure, Finding, ReplicaSpec, SourceSpec, Survey, TlsOptions, checkpoint, survey};

pub use self::compression::check_compression;
pub use self::line::{CheckLine, CheckVerdict};

/// Looks at every source and the destination, and tells each line as it is found: the sources in their order, then the
/// destination. All are asked at once; it takes about two seconds, or as long as the slowest server.
pub async fn check(spec: &ReplicaSpec, mut tell: impl FnMut(CheckLine)) {
    let mut asked = JoinSet::new();
    for (index, source) in spec.sources.iter().enumerate() {
        let endpoint = source.endpoint.clone();
        asked.spawn(async move { (index, facts::of_source(&endpoint).await) });
    }
    let key = checkpoint::key(&spec.id, "check");
    let (destination, surveyed) = tokio::join!(facts::of_destination(&spec.destination, &key), survey(spec));
    let mut answers: Vec<Option<Result<Facts, Failure>>> = spec.sources.iter().map(|_| None).collect();
    let mut told = 0;
    while let Some(joined) = asked.join_next().await {
        if let Ok((index, answer)) = joined
            && let Some(place) = answers.get_mut(index)
        {
            *place = Some(answer);
        }
        while let (Some(source), Some(Some(answer))) = (spec.sources.get(told), answers.get(told)) {
            for found in of_source(spec, source, answer, &destination) {
                tell(found.about(&source.endpoint, Some(&source.id)));
            }
            told += 1;
        }
    }
    for found in of_destination(spec, &destination, &surveyed, &answers) {
        tell(found.about(&spec.destination, None));
    }
}

/// What is to know of an encrypted link, for a test of the connection alone.
pub(crate) fn encryption(options: &TlsOptions, version: Option<&'static str>) -> Finding {
    connection::encryption(options, version).into()
}

fn of_source(
    spec: &ReplicaSpec,
    source: &SourceSpec,
    answer: &Result<Facts, Failure>,
    destination: &Result<Facts, Failure>,
) -> Vec<Found> {
    let mut lines = connection::judge(&source.endpoint, answer.as_ref().map(|facts| facts.tls));
    let Ok(facts) = answer else { return lines };
    lines.extend(facts.compression.clone());
    lines.extend(compression::twice(facts));
    lines.push(release(facts, release::source));
    lines.push(place::source_role(&facts.info));
    lines.push(place::cluster(facts));
    lines.extend(permission::judge(&facts.user, &facts.permissions));
    lines.push(traffic::backlog(&facts.info, facts.rate));
    let data = memory::data(&facts.info, None);
    lines.push(traffic::output_buffer(facts.setting("client-output-buffer-limit"), facts.rate, data));
    lines.push(durability::acknowledgements(facts));
    if let Ok(there) = destination {
        lines.extend(of_pair(spec, source, facts, there));
    }
    lines
}

/// How a source and the destination fit together.
fn of_pair(spec: &ReplicaSpec, source: &SourceSpec, here: &Facts, there: &Facts) -> Vec<Found> {
    let mut lines = Vec::new();
    if let (Some(from), Some(to)) = (&here.release, &there.release) {
        lines.push(release::pair(from, to));
    }
    lines.push(place::databases((&source.endpoint, here), (&spec.destination, there)));
    lines.push(place::modules(here, there));
    lines.push(place::clock(here.clock, there.clock));
    lines.push(kin(&spec.destination, there, &source.endpoint, here));
    lines
}

/// Whether source and destination are one server, or replicate one another already.
fn kin(destination: &Endpoint, there: &Facts, source: &Endpoint, here: &Facts) -> Found {
    const WHAT: &str = "Identity";
    let of = |facts: &Facts| {
        let text = |field| facts.info.get(field).unwrap_or_default().to_owned();
        Identity { run_id: text("run_id"), replid: text("master_replid"), earlier: text("master_replid2") }
    };
    let (here, there) = (of(here), of(there));
    if here.run_id.is_empty() || there.run_id.is_empty() {
        return Found::unknown(WHAT, "the servers do not say who they are", "Let the user run INFO.");
    }
    match kinship::judge(destination, &there, source, &here) {
        Ok(()) => Found::ok(WHAT, "not the destination, and not its replica or primary"),
        Err(failure) => Found::fails(WHAT, &failure.message, failure.hint),
    }
}

fn of_destination(
    spec: &ReplicaSpec,
    answer: &Result<Facts, Failure>,
    surveyed: &Result<Survey, Failure>,
    sources: &[Option<Result<Facts, Failure>>],
) -> Vec<Found> {
    let mut lines = connection::judge(&spec.destination, answer.as_ref().map(|facts| facts.tls));
    let Ok(facts) = answer else { return lines };
    lines.push(release(facts, release::destination));
    lines.push(place::destination_role(&facts.info));
    lines.push(place::cluster(facts));
    lines.extend(permission::judge(&facts.user, &facts.permissions));
    lines.push(contents(surveyed));
    let data = spec.sources.iter().zip(sources).map(|(source, answer)| {
        let facts = answer.as_ref()?.as_ref().ok()?;
        memory::data(&facts.info, source.endpoint.db)
    });
    lines.push(memory::judge(&facts.info, spec.destination.db, &data.collect::<Vec<_>>()));
    lines.push(memory::eviction(&facts.info));
    lines.push(memory::expiry(facts));
    lines.push(durability::durability(facts));
    lines.extend(durability::own_replicas(facts));
    lines.push(durability::other_writers(facts));
    lines
}

fn release(facts: &Facts, judge: fn(&release::Release) -> Found) -> Found {
    match &facts.release {
        Some(release) => judge(release),
        None => Found::unknown("Version", "the server does not say", "Let the user run INFO."),
    }
}

/// What a load would delete.
fn contents(surveyed: &Result<Survey, Failure>) -> Found {
    const WHAT: &str = "Contents";
    match surveyed {
        Err(failure) => Found::unknown(WHAT, &failure.message, failure.hint.as_str()),
        Ok(survey) if survey.resumable => Found::ok(WHAT, "holds this replica's checkpoint: a sync goes on from there"),
        Ok(survey) if survey.keys == 0 && survey.functions == 0 => Found::ok(WHAT, "empty"),
        Ok(survey) => {
            let (keys, libraries) = (figures::count(survey.keys, "key"), survey.functions);
            let libraries = if libraries == 0 { String::new() } else { format!(", {libraries} function libraries") };
            let todo = "A load deletes them, after you have confirmed it (in the terminal: --flush).";
            Found::warning(WHAT, format!("holds {keys}{libraries}"), todo)
        }
    }
}
