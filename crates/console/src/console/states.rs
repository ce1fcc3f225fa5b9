//! How every replica stands at this moment, as the engine tells it: for machines that watch, which reckon themselves.

use std::sync::Arc;

use tributary_engine::ReplicaStatus;

use super::{Console, lock};
use crate::dto::Intent;

/// One replica.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaState {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `host:port[/db]` of its destination.
    pub destination: String,
    /// What the user wants of it.
    pub intent: Intent,
    /// The names of its sources.
    pub sources: Vec<String>,
    /// How it runs; none when it was not started, or the user has stopped it.
    pub status: Option<Arc<ReplicaStatus>>,
}

impl Console {
    /// How every replica stands now, in the order they were created.
    #[must_use]
    pub fn states(&self) -> Vec<ReplicaState> {
        let definitions = lock(&self.definitions).clone();
        let runs = lock(&self.runs);
        let state = |definition: crate::definition::Definition| ReplicaState {
            status: runs
                .get(&definition.id)
                .and_then(crate::run::Run::status)
                .map(|status| Arc::clone(&status.borrow())),
            destination: definition.destination.address(),
            sources: definition.sources.into_iter().map(|source| source.name).collect(),
            intent: definition.intent,
            id: definition.id,
            name: definition.name,
        };
        definitions.into_iter().map(state).collect()
    }
}
