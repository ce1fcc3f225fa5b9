//! Finds out, before anything is deleted, whether a source and the destination are one server or feed each other
//! by native replication: emptying the destination would then empty the source.

use crate::control::{Control, Info};
use crate::{Endpoint, ErrorKind, Failure, ReplicaSpec};

/// What tells servers and histories apart.
pub(crate) struct Identity {
    /// Of the running process, the same under all its names.
    pub run_id: String,
    /// Of the replication history, shared by a primary and its replicas.
    pub replid: String,
}

/// Refuses a load that would destroy its own source.
///
/// # Errors
/// `same_database` or `cycle`, or what keeps a source from being asked.
pub(crate) async fn check(spec: &ReplicaSpec) -> Result<(), Failure> {
    let destination = identity(&spec.destination).await?;
    for source in &spec.sources {
        let found = identity(&source.endpoint).await?;
        judge(&spec.destination, &destination, &source.endpoint, &found)?;
    }
    Ok(())
}

async fn identity(endpoint: &Endpoint) -> Result<Identity, Failure> {
    let mut control = Control::open(endpoint).await?;
    let text = |info: &Info, field: &str| info.get(field).unwrap_or_default().to_owned();
    let server = control.info(Some("server")).await?;
    let replication = control.info(Some("replication")).await?;
    Ok(Identity { run_id: text(&server, "run_id"), replid: text(&replication, "master_replid") })
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
        let id = |run_id: &str, replid: &str| Identity { run_id: run_id.into(), replid: replid.into() };
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
