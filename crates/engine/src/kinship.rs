//! Finds out, before anything is deleted, whether a source and the destination are one server or feed each other
//! by native replication: emptying the destination would then empty the source.

use crate::control::{Control, Info};
use crate::{Endpoint, ErrorKind, Failure, ReplicaSpec, SourceSpec};

/// What tells servers and histories apart.
pub(crate) struct Identity {
    /// Of the running process, the same under all its names.
    pub run_id: String,
    /// Of the replication history, shared by a primary and its replicas.
    pub replid: String,
    /// The history that it followed before.
    pub earlier: String,
}

/// Refuses a load that would destroy its own source.
///
/// # Errors
/// `same_database` or `cycle`, or what keeps a source from being asked.
pub(crate) async fn check(spec: &ReplicaSpec) -> Result<(), Failure> {
    let destination = identity(&spec.destination).await?;
    for source in &spec.sources {
        let found = identity(&source.endpoint).await?;
        check_downstream(spec, source, &found)?;
        judge(&spec.destination, &destination, &source.endpoint, &found)?;
        check_feeders(spec, &destination, source).await?;
    }
    Ok(())
}

/// A source that is fed from the destination through other replicas.
fn check_downstream(spec: &ReplicaSpec, source: &SourceSpec, found: &Identity) -> Result<(), Failure> {
    let Some(way) = spec.options.downstream.way_to(&found.run_id, source.endpoint.db) else { return Ok(()) };
    let name = source.endpoint.authority();
    let destination = spec.destination.address();
    let message = format!("{name} is fed by {destination} through {way}: its data would come back to it.");
    Err(Failure::new(ErrorKind::Cycle, &name, message))
}

async fn check_feeders(spec: &ReplicaSpec, destination: &Identity, source: &SourceSpec) -> Result<(), Failure> {
    // A source that does not let itself be searched is not suspected.
    let feeders = crate::destination::feeders(&source.endpoint).await.unwrap_or_default();
    if feeders.iter().any(|replid| destination.has_history(replid)) {
        return Err(fed_by_destination(&source.endpoint, &spec.destination));
    }
    Ok(())
}

/// A source that is itself fed, by Tributary, from the destination.
pub(crate) fn fed_by_destination(source: &Endpoint, destination: &Endpoint) -> Failure {
    let name = source.authority();
    let message = format!(
        "{name} is itself fed by {}: another replica goes the other way. If it is no longer wanted, finish or delete it.",
        destination.authority()
    );
    Failure::new(ErrorKind::Cycle, &name, message)
}

impl Identity {
    fn has_history(&self, replid: &str) -> bool {
        !replid.is_empty() && (self.replid == replid || self.earlier == replid)
    }
}

/// The same for one source, which may have changed its role since; what feeds it is searched for when it `loads`.
///
/// # Errors
/// `same_database` or `cycle`, or what keeps one of the two from being asked.
pub(crate) async fn check_source(spec: &ReplicaSpec, source: &SourceSpec, loads: bool) -> Result<(), Failure> {
    let found = identity(&source.endpoint).await?;
    // The destination may be gone at this moment; this needs no answer of it.
    check_downstream(spec, source, &found)?;
    let destination = identity(&spec.destination).await?;
    judge(&spec.destination, &destination, &source.endpoint, &found)?;
    if loads { check_feeders(spec, &destination, source).await } else { Ok(()) }
}

/// Whether a failure is about kinship, and not about asking for it.
pub(crate) fn is_kinship(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::SameDatabase | ErrorKind::Cycle)
}

async fn identity(endpoint: &Endpoint) -> Result<Identity, Failure> {
    let mut control = Control::open(endpoint).await?;
    let text = |info: &Info, field: &str| info.get(field).unwrap_or_default().to_owned();
    let server = control.info(Some("server")).await?;
    let replication = control.info(Some("replication")).await?;
    Ok(Identity {
        run_id: text(&server, "run_id"),
        replid: text(&replication, "master_replid"),
        earlier: text(&replication, "master_replid2"),
    })
}

pub(crate) fn judge(
    destination: &Endpoint,
    there: &Identity,
    source: &Endpoint,
    here: &Identity,
) -> Result<(), Failure> {
    let name = source.authority();
    let known = |id: &str| !id.is_empty();
    if known(&here.run_id) && here.run_id == there.run_id {
        // One database may be copied into another of the same server.
        let apart = matches!((source.db, destination.db), (Some(a), Some(b)) if a != b);
        if apart {
            return Ok(());
        }
        let message = format!("{name} and {} are the same server.", destination.authority());
        return Err(Failure::new(ErrorKind::SameDatabase, &name, message));
    }
    if known(&here.replid) && here.replid == there.replid {
        let message = format!("{name} and {} already replicate one another (REPLICAOF).", destination.authority());
        return Err(Failure::new(ErrorKind::Cycle, &name, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_under_two_names_and_a_native_replica_are_refused() {
        let at = |url: &str| Endpoint::parse(url).unwrap();
        let id = |run_id: &str, replid: &str| Identity {
            run_id: run_id.into(),
            replid: replid.into(),
            earlier: String::new(),
        };
        let kind = |a: &str, ia: &Identity, b: &str, ib: &Identity| {
            judge(&at(a), ia, &at(b), ib).map_err(|failure| failure.kind)
        };
        let (one, two) = (id("a", "x"), id("b", "y"));
        assert_eq!(kind("redis://h:1", &one, "redis://g:1", &two), Ok(()));
        assert_eq!(kind("redis://h:1", &one, "redis://g:1", &one), Err(ErrorKind::SameDatabase));
        assert_eq!(kind("redis://h:1/2", &one, "redis://g:1/1", &one), Ok(()));
        assert_eq!(kind("redis://h:1/1", &one, "redis://g:1/1", &one), Err(ErrorKind::SameDatabase));
        assert_eq!(kind("redis://h:1", &one, "redis://g:1", &id("b", "x")), Err(ErrorKind::Cycle));
        assert_eq!(kind("redis://h:1", &id("", ""), "redis://g:1", &id("", "")), Ok(()));
    }
}
