//! The demo as a replica of the console: listed, started and stopped like any other, and never kept.

use std::sync::Arc;

use tributary_engine::StartMode;

use super::Console;
use crate::definition::{Definition, StoredEndpoint, StoredSource};
use crate::demo::{Demo, ID};
use crate::dto::{Intent, ReplicaDefinition, ReplicaOptions};
use crate::error::ConsoleError;
use crate::time::now_ms;

impl Console {
    /// Starts the demo's servers, its traffic and the replica between them.
    ///
    /// # Errors
    /// When there is no `redis-server`, or it does not start.
    pub async fn start_demo(self: &Arc<Self>) -> Result<ReplicaDefinition, ConsoleError> {
        let _changing = self.changing(ID).await;
        let mut slot = self.demo.lock().await;
        if slot.is_some() {
            return Err(ConsoleError::AlreadyRunning("The demo is already running.".into()));
        }
        // What an earlier demo left in the history is not this one's.
        self.stored(|store| store.delete_replica(ID)).await?;
        let demo = Demo::start().await?;
        let spec = demo.spec();
        let source = |source: &tributary_engine::SourceSpec| StoredSource {
            id: source.id.clone(),
            name: source.name.clone(),
            endpoint: StoredEndpoint::from(&source.endpoint),
            stopped: false,
        };
        let definition = Definition {
            id: spec.id.clone(),
            name: spec.name.clone(),
            intent: Intent::Running,
            created_at: now_ms(),
            options: ReplicaOptions::default(),
            destination: StoredEndpoint::from(&spec.destination),
            sources: spec.sources.iter().map(source).collect(),
        };
        let view = definition.view();
        self.remember(definition);
        *slot = Some(demo);
        drop(slot);
        self.launch(spec, StartMode::Resume).await?;
        Ok(view)
    }

    /// Stops all that the demo started, and forgets it.
    ///
    /// # Errors
    /// When its history cannot be forgotten.
    pub async fn stop_demo(&self) -> Result<(), ConsoleError> {
        let _changing = self.changing(ID).await;
        self.end_verify(ID).await;
        self.halt(ID).await;
        if let Some(demo) = self.demo.lock().await.take() {
            demo.stop().await;
        }
        self.forget(ID);
        self.stored(|store| store.delete_replica(ID)).await
    }
}
