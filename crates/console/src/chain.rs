//! What definitions say about each other: a destination with two writers, and data that would come back to where it
//! came from. Servers are told apart by their addresses, and by their run IDs where those are known.

use tributary_engine::Fed;

use crate::definition::{Definition, StoredEndpoint};
use crate::error::ConsoleError;
use crate::identities::Identities;

/// Refuses `candidate` when it cannot live beside `others`.
///
/// # Errors
/// `same_database` or `cycle`, with the field and the way the data would take.
pub(crate) fn check(candidate: &Definition, others: &[Definition], known: &Identities) -> Result<(), ConsoleError> {
    check_writer(candidate, others, known)?;
    check_return(candidate, others, known)
}

/// Refuses `candidate` when one of `others` writes to its destination.
///
/// # Errors
/// `same_database`.
pub(crate) fn check_writer(
    candidate: &Definition,
    others: &[Definition],
    known: &Identities,
) -> Result<(), ConsoleError> {
    let mut beside = others.iter().filter(|other| other.id != candidate.id);
    if let Some(other) = beside.find(|other| known.same(&other.destination, &candidate.destination)) {
        return Err(ConsoleError::Refused {
            code: "same_database",
            field: "destination.host".into(),
            message: format!("{} is already the destination of “{}”.", candidate.destination.address(), other.name),
            hint: "Add the sources to that replica, or choose another destination or database.",
        });
    }
    Ok(())
}

/// Refuses `candidate` when `others` bring its data back to where it came from.
///
/// # Errors
/// `cycle`.
pub(crate) fn check_return(
    candidate: &Definition,
    others: &[Definition],
    known: &Identities,
) -> Result<(), ConsoleError> {
    for (reached, way) in downstream(candidate, others, known) {
        refuse_return(candidate, reached, &way, known)?;
    }
    Ok(())
}

/// Every database that the destination of `candidate` feeds through `others`, and the way its data takes.
fn downstream<'a>(
    candidate: &'a Definition,
    others: &'a [Definition],
    known: &Identities,
) -> Vec<(&'a StoredEndpoint, String)> {
    let mut reached: Vec<(&StoredEndpoint, Vec<&str>)> = vec![(&candidate.destination, Vec::new())];
    let mut next = 0;
    while let Some((from, via)) = reached.get(next).cloned() {
        next += 1;
        let fresh = |other: &&Definition| other.id != candidate.id && !via.contains(&other.name.as_str());
        for other in others.iter().filter(fresh) {
            if other.sources.iter().any(|source| known.same(&source.endpoint, from)) {
                let mut way = via.clone();
                way.push(&other.name);
                reached.push((&other.destination, way));
            }
        }
    }
    let told = |way: Vec<&str>| way.iter().map(|name| format!("“{name}”")).collect::<Vec<_>>().join(" and ");
    reached.into_iter().skip(1).map(|(endpoint, way)| (endpoint, told(way))).collect()
}

/// The same for the engine, which compares the servers that it meets with it: those that are known.
pub(crate) fn fed(candidate: &Definition, others: &[Definition], known: &Identities) -> Vec<Fed> {
    let fed = |(endpoint, way): (&StoredEndpoint, String)| {
        Some(Fed { run_id: known.of(endpoint)?.to_owned(), db: endpoint.db, way })
    };
    downstream(candidate, others, known).into_iter().filter_map(fed).collect()
}

fn refuse_return(
    candidate: &Definition,
    reached: &StoredEndpoint,
    way: &str,
    known: &Identities,
) -> Result<(), ConsoleError> {
    let Some(index) = candidate.sources.iter().position(|source| known.same(&source.endpoint, reached)) else {
        return Ok(());
    };
    Err(ConsoleError::Refused {
        code: "cycle",
        field: format!("sources[{index}].host"),
        message: format!(
            "{} is already fed by {} through {way}: its data would come back to it.",
            reached.address(),
            candidate.destination.address(),
        ),
        hint: tributary_engine::ErrorKind::Cycle.hint(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::StoredSource;
    use crate::dto::{ApiError, Intent};
    use tributary_engine::Endpoint;

    fn replica(id: &str, sources: &[&str], destination: &str) -> Definition {
        let at = |address: &str| StoredEndpoint::from(&Endpoint::parse(&format!("redis://{address}")).unwrap());
        let source = |address: &&str| StoredSource {
            id: (*address).into(),
            name: (*address).into(),
            endpoint: at(address),
            stopped: false,
        };
        Definition {
            id: id.into(),
            name: format!("name of {id}"),
            intent: Intent::Stopped,
            created_at: 0,
            options: crate::dto::ReplicaOptions::default(),
            destination: at(destination),
            sources: sources.iter().map(source).collect(),
        }
    }

    fn refusal(candidate: &Definition, others: &[Definition]) -> ApiError {
        check(candidate, others, &Identities::default()).unwrap_err().into()
    }

    #[test]
    fn two_replicas_that_feed_each_other_are_refused() {
        let error = refusal(&replica("r2", &["x", "b"], "a"), &[replica("r1", &["a"], "b")]);
        assert_eq!((error.code.as_str(), error.field.as_deref()), ("cycle", Some("sources[1].host")));
        assert!(error.message.contains("“name of r1”"), "{}", error.message);
    }

    #[test]
    fn a_long_way_round_is_refused_too() {
        let others = [replica("r1", &["a"], "b"), replica("r2", &["b/1"], "c"), replica("r3", &["c"], "d")];
        assert_eq!(refusal(&replica("r4", &["d"], "a"), &others).code, "cycle");
        check(&replica("r4", &["d"], "e"), &others, &Identities::default()).unwrap();
    }

    #[test]
    fn a_destination_has_one_writer() {
        let others = [replica("r1", &["a"], "localhost:7000")];
        let error = refusal(&replica("r2", &["c"], "127.0.0.1:7000/2"), &others);
        assert_eq!((error.code.as_str(), error.field.as_deref()), ("same_database", Some("destination.host")));
        check(&replica("r2", &["c"], "127.0.0.1:7001"), &others, &Identities::default()).unwrap();
    }

    #[test]
    fn a_replica_does_not_stand_in_its_own_way() {
        let known = replica("r1", &["a"], "b");
        check(&known, std::slice::from_ref(&known), &Identities::default()).unwrap();
    }

    #[test]
    fn a_server_is_known_again_under_another_name() {
        let others = [replica("r1", &["a"], "b"), replica("r2", &["other-b"], "c")];
        let candidate = replica("r3", &["x", "other-c"], "other-a");
        check(&candidate, &others, &Identities::default()).unwrap();
        let mut known = Identities::default();
        for name in ["a", "b", "c"] {
            for address in [format!("{name}:6379"), format!("other-{name}:6379")] {
                known.learn(address, name.into());
            }
        }
        let error: ApiError = check(&candidate, &others, &known).unwrap_err().into();
        assert_eq!((error.code.as_str(), error.field.as_deref()), ("cycle", Some("sources[1].host")));
        assert!(error.message.contains("“name of r1” and “name of r2”"), "{}", error.message);
        let fed: Vec<_> = fed(&candidate, &others, &known).into_iter().map(|fed| fed.run_id).collect();
        assert_eq!(fed, ["b", "c"]);
        let twin: ApiError = check(&replica("r4", &["x"], "other-b"), &others, &known).unwrap_err().into();
        assert_eq!(twin.code, "same_database");
        check(&replica("r4", &["x"], "other-b/1"), &[replica("r1", &["a"], "b/2")], &known).unwrap();
    }
}
