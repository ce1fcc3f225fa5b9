//! What definitions say about each other: a destination with two writers, and data that would come back to where it
//! came from.

use crate::definition::{Definition, StoredEndpoint};
use crate::error::ConsoleError;

/// Refuses `candidate` when it cannot live beside `others`.
///
/// # Errors
/// `same_database` or `cycle`, with the field and the way the data would take.
pub(crate) fn check(candidate: &Definition, others: &[Definition]) -> Result<(), ConsoleError> {
    let others: Vec<&Definition> = others.iter().filter(|other| other.id != candidate.id).collect();
    if let Some(other) = others.iter().find(|other| same(&other.destination, &candidate.destination)) {
        return Err(ConsoleError::Refused {
            code: "same_database",
            field: "destination.host".into(),
            message: format!("{} is already the destination of “{}”.", candidate.destination.address(), other.name),
            hint: "Add the sources to that replica, or choose another destination or database.",
        });
    }
    // Follow the data downstream from the new destination; `via` is the way it took.
    let mut reached: Vec<(&StoredEndpoint, Vec<&str>)> = vec![(&candidate.destination, Vec::new())];
    let mut next = 0;
    while let Some((from, via)) = reached.get(next).cloned() {
        next += 1;
        for other in others.iter().filter(|other| !via.contains(&other.name.as_str())) {
            if other.sources.iter().any(|source| same(&source.endpoint, from)) {
                let mut way = via.clone();
                way.push(&other.name);
                refuse_return(candidate, &other.destination, &way)?;
                reached.push((&other.destination, way));
            }
        }
    }
    Ok(())
}

fn refuse_return(candidate: &Definition, reached: &StoredEndpoint, way: &[&str]) -> Result<(), ConsoleError> {
    let Some(index) = candidate.sources.iter().position(|source| same(&source.endpoint, reached)) else {
        return Ok(());
    };
    let names: Vec<String> = way.iter().map(|name| format!("“{name}”")).collect();
    Err(ConsoleError::Refused {
        code: "cycle",
        field: format!("sources[{index}].host"),
        message: format!(
            "{} is already fed by {} through {}: its data would come back to it.",
            reached.address(),
            candidate.destination.address(),
            names.join(" and "),
        ),
        hint: tributary_engine::ErrorKind::Cycle.hint(),
    })
}

fn same(a: &StoredEndpoint, b: &StoredEndpoint) -> bool {
    a.with_password(None).same_database(&b.with_password(None))
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
        check(candidate, others).unwrap_err().into()
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
        check(&replica("r4", &["d"], "e"), &others).unwrap();
    }

    #[test]
    fn a_destination_has_one_writer() {
        let others = [replica("r1", &["a"], "localhost:7000")];
        let error = refusal(&replica("r2", &["c"], "127.0.0.1:7000/2"), &others);
        assert_eq!((error.code.as_str(), error.field.as_deref()), ("same_database", Some("destination.host")));
        check(&replica("r2", &["c"], "127.0.0.1:7001"), &others).unwrap();
    }

    #[test]
    fn a_replica_does_not_stand_in_its_own_way() {
        let known = replica("r1", &["a"], "b");
        check(&known, std::slice::from_ref(&known)).unwrap();
    }
}
