//! Which databases belong together, and how many keys they hold.

use std::sync::Arc;

use super::SideCount;
use super::ledger::Ledger;
use super::reply::bytes;
use super::side::Side;
use crate::control::Info;
use crate::{Failure, ReplicaSpec};

/// A database of a source, and where its keys are at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// Place of the source in the definition.
    pub source: usize,
    pub source_db: u32,
    pub destination_db: u32,
}

/// What is to be gone through.
#[derive(Debug)]
pub(super) struct Plan {
    spec: Arc<ReplicaSpec>,
    /// Databases of each source that exist.
    databases: Vec<u32>,
    /// The first pass: databases of sources that hold something.
    pub units: Vec<Unit>,
    /// The second: databases of the destination that hold something.
    pub destination: Vec<u32>,
}

impl Plan {
    /// Which databases belong together, without what they hold.
    pub(super) fn of(spec: &Arc<ReplicaSpec>, databases: Vec<u32>) -> Self {
        Self { spec: spec.clone(), databases, units: Vec::new(), destination: Vec::new() }
    }

    /// Asks all servers for their numbers of keys.
    pub(super) async fn make(
        spec: &Arc<ReplicaSpec>,
        sources: &mut [Side],
        destination: &mut Side,
        ledger: &Ledger,
    ) -> Result<Self, Failure> {
        let mut plan = Self::of(spec, Vec::new());
        let mut counts = Vec::new();
        for (source, side) in spec.sources.iter().zip(sources.iter_mut()) {
            let dbs = keyspace(side).await?;
            plan.databases.push(side.facts().dialect.databases);
            let mut keys = 0;
            for (db, held) in dbs.into_iter().filter(|(db, _)| source.endpoint.db.is_none_or(|only| only == *db)) {
                keys += held;
                let destination_db = target(source.endpoint.db, spec.destination.db, db);
                plan.units.push(Unit { source: counts.len(), source_db: db, destination_db });
            }
            let endpoint = source.endpoint.address();
            counts.push(SideCount { source: Some(source.id.clone()), endpoint, keys, done: 0 });
        }
        let mut keys = 0;
        for (db, held) in keyspace(destination).await? {
            if !plan.owners(db).is_empty() {
                keys += held;
                plan.destination.push(db);
            }
        }
        let there = SideCount { source: None, endpoint: spec.destination.address(), keys, done: 0 };
        ledger.update(|progress| (progress.sources, progress.destination) = (counts, there));
        Ok(plan)
    }

    /// The databases of sources whose keys belong into a database of the destination.
    pub(super) fn owners(&self, db: u32) -> Vec<Unit> {
        let sources = self.spec.sources.iter().zip(&self.databases).enumerate();
        sources
            .filter_map(|(at, (source, databases))| {
                let source_db = source.endpoint.db.unwrap_or(db);
                let fits = target(source.endpoint.db, self.spec.destination.db, source_db) == db;
                (fits && source_db < *databases).then_some(Unit { source: at, source_db, destination_db: db })
            })
            .collect()
    }

    /// A source's identity.
    pub(super) fn source_id(&self, source: usize) -> Option<String> {
        self.spec.sources.get(source).map(|source| source.id.clone())
    }
}

/// Where a source's database is at the destination; `only` are the single databases that the URLs name.
fn target(only: Option<u32>, destination: Option<u32>, db: u32) -> u32 {
    if only.is_some() { destination.unwrap_or(db) } else { db }
}

async fn keyspace(side: &mut Side) -> Result<Vec<(u32, u64)>, Failure> {
    let reply = side.ask_one(0, &["INFO", "keyspace"]).await?;
    let text = bytes(&reply).map(String::from_utf8_lossy).unwrap_or_default();
    Ok(Info::parse(&text).keys_by_db())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Endpoint, ReplicaOptions, SourceSpec};

    fn owners(destination: &str, sources: &[&str], db: u32) -> Vec<(usize, u32)> {
        let source = |(at, url): (usize, &&str)| SourceSpec {
            id: at.to_string(),
            name: at.to_string(),
            endpoint: Endpoint::parse(url).unwrap(),
            stopped: false,
        };
        let spec = ReplicaSpec {
            id: "r".into(),
            name: "r".into(),
            destination: Endpoint::parse(destination).unwrap(),
            sources: sources.iter().enumerate().map(source).collect(),
            options: ReplicaOptions::default(),
        };
        let databases = vec![16; sources.len()];
        let plan = Plan::of(&Arc::new(spec), databases);
        plan.owners(db).into_iter().map(|unit| (unit.source, unit.source_db)).collect()
    }

    #[test]
    fn a_database_of_the_destination_has_the_owners_that_are_copied_into_it() {
        let all = ["redis://a", "redis://b/2"];
        assert_eq!(owners("redis://z", &all, 2), [(0, 2), (1, 2)]);
        assert_eq!(owners("redis://z", &all, 3), [(0, 3)]);
        assert_eq!(owners("redis://z", &all, 16), []);
        assert_eq!(owners("redis://z/7", &["redis://a/1", "redis://b/2"], 7), [(0, 1), (1, 2)]);
        assert_eq!(owners("redis://z/7", &["redis://a/1"], 1), []);
    }
}
