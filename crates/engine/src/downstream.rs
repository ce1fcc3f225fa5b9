use std::sync::{Arc, Mutex, PoisonError};

/// A database that a replica's destination feeds through other replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fed {
    /// Identity of the running server process, the same under all its names.
    pub run_id: String,
    /// The one database that is meant; `None` is all of them.
    pub db: Option<u32>,
    /// The replicas that the data goes through, in words.
    pub way: String,
}

/// What a destination feeds through other replicas, as far as whoever starts the replicas knows; none of it may be a source.
/// It is looked at before a load and at every connection to a source, and may be changed while the replica runs.
#[derive(Debug, Clone, Default)]
pub struct Downstream(Arc<Mutex<Vec<Fed>>>);

impl Downstream {
    /// Says what is fed now.
    pub fn set(&self, fed: Vec<Fed>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fed;
    }

    /// The way on which data reaches a database of a server.
    pub(crate) fn way_to(&self, run_id: &str, db: Option<u32>) -> Option<String> {
        let fed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let meets = |other: Option<u32>| db.is_none() || other.is_none() || db == other;
        let found = fed.iter().find(|fed| !run_id.is_empty() && fed.run_id == run_id && meets(fed.db));
        found.map(|fed| fed.way.clone())
    }
}

/// What is known of others is no part of a definition.
impl PartialEq for Downstream {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Downstream {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_found_by_its_run_id_where_the_databases_meet() {
        let fed = |db| vec![Fed { run_id: "x".into(), db, way: "“r1”".into() }];
        let downstream = Downstream::default();
        downstream.set(fed(Some(2)));
        assert_eq!(downstream.way_to("x", None).as_deref(), Some("“r1”"));
        assert_eq!(downstream.way_to("x", Some(2)).as_deref(), Some("“r1”"));
        assert_eq!((downstream.way_to("x", Some(1)), downstream.way_to("y", None)), (None, None));
        downstream.set(vec![Fed { run_id: String::new(), db: None, way: String::new() }]);
        assert_eq!(downstream.way_to("", None), None, "servers that do not say who they are");
    }
}
