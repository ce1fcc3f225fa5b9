//! Whether every replica of the file does what it should.

use serde::Serialize;
use tributary_engine::SourceStatus;
use tributary_metrics::Health;

use super::fleet::{Standing, Trouble, stopped_by};

/// What `/health?synced` adds: not only that nothing has stopped, but that all is in step.
const SYNCED: &str = "synced";

#[derive(Debug, Serialize)]
struct Report {
    /// `ok`, `syncing` (nothing has failed; of `?synced` alone) or `failing`.
    status: &'static str,
    /// Those that an error has stopped.
    failing: Vec<String>,
    /// Those that are not in step.
    not_synced: Vec<String>,
    replicas: Vec<Replica>,
}

#[derive(Debug, Serialize)]
struct Replica {
    id: String,
    name: String,
    destination: String,
    status: &'static str,
    phase: &'static str,
    error: Option<Error>,
    sources: Vec<Source>,
}

#[derive(Debug, Serialize)]
struct Source {
    id: String,
    name: String,
    endpoint: String,
    status: &'static str,
    phase: &'static str,
    error: Option<Error>,
}

#[derive(Debug, Serialize)]
struct Error {
    kind: String,
    message: String,
    hint: String,
}

impl From<Trouble> for Error {
    fn from(Trouble { kind, message, hint }: Trouble) -> Self {
        Self { kind, message, hint }
    }
}

/// The answer of `/health`: 503 when an error has stopped a replica of the file, or one of its sources. With `?synced` also as
/// long as not every source is in step.
pub fn health(standings: &[Standing], query: Option<&str>) -> Health {
    let asks_synced = query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some(SYNCED)));
    let wanted: Vec<&Standing> = standings.iter().filter(|standing| standing.wanted).collect();
    let names = |those: &dyn Fn(&Standing) -> bool| -> Vec<String> {
        wanted.iter().filter(|standing| those(standing)).map(|standing| standing.state.name.clone()).collect()
    };
    let failing = names(&|standing| standing.trouble().is_some());
    let not_synced = names(&|standing| standing.trouble().is_some() || !standing.in_step());
    let (well, status) = match (failing.is_empty(), asks_synced && !not_synced.is_empty()) {
        (false, _) => (false, "failing"),
        (true, true) => (false, "syncing"),
        (true, false) => (true, "ok"),
    };
    let report = Report { status, failing, not_synced, replicas: wanted.into_iter().map(replica).collect() };
    // Texts and numbers alone: always JSON.
    Health { well, json: serde_json::to_string(&report).unwrap_or_default() }
}

fn replica(standing: &Standing) -> Replica {
    let state = &standing.state;
    let (status, phase) = state.status.as_ref().map_or(standing.at_rest(), |now| (now.status, now.phase));
    let sources = state.status.iter().flat_map(|status| &status.sources).map(source).collect();
    let error = standing.trouble().or_else(|| Some(state.status.as_ref()?.failure.as_ref()?.into()));
    Replica {
        id: state.id.clone(),
        name: state.name.clone(),
        destination: state.destination.clone(),
        status: status.code(),
        phase: phase.code(),
        error: error.map(Error::from),
        sources,
    }
}

fn source(source: &SourceStatus) -> Source {
    let failure = stopped_by(source).or(source.failure.as_ref());
    Source {
        id: source.id.clone(),
        name: source.name.clone(),
        endpoint: source.endpoint.clone(),
        status: source.status.code(),
        phase: source.phase.code(),
        error: failure.map(|failure| Trouble::from(failure).into()),
    }
}
