//! A file made the console's own, for a run without a window.

use std::sync::Arc;

use super::{Console, blocking, lock};
use crate::credentials::{Secret, Vault};
use crate::declaration::{self, Declarations, Flush, Planned};
use crate::definition::{Credential, Definition, EndpointSecrets, StoredEndpoint};
use crate::drafting;
use crate::dto::Intent;
use crate::error::ConsoleError;

/// What a file means for a console that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The replicas of the file, in its order.
    pub replicas: Vec<DeclaredRun>,
    /// Names of replicas that are kept and not in the file: they are stopped.
    pub left: Vec<String>,
}

/// A replica of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredRun {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When a start may empty its destination.
    pub flush: Flush,
    /// Whether every source of it is stopped: there is nothing to start.
    pub stopped: bool,
}

impl Console {
    /// Makes the replicas of a file this console's, before anything runs: known ones are changed as the window's edit
    /// would, others are added. Secrets from the environment and from files are held in memory. What is kept and not in
    /// the file is stopped and stays.
    ///
    /// # Errors
    /// What is wrong with the file, with its line; nothing is changed then. Or that the data cannot be written.
    pub async fn declare(self: &Arc<Self>, file: &Declarations) -> Result<Declared, ConsoleError> {
        let _keeping = self.keeping.lock().await;
        let known = lock(&self.definitions).clone();
        let planned = declaration::plan(file, &known)?;
        let secrets = secrets(file, &planned)?;
        let vault = Arc::clone(&self.vault);
        blocking(move || hold(&vault, secrets)).await?;
        let mut replicas = Vec::with_capacity(planned.len());
        for next in planned {
            replicas.push(DeclaredRun {
                id: next.definition.id.clone(),
                name: next.definition.name.clone(),
                flush: next.flush,
                stopped: next.definition.sources.iter().all(|source| source.stopped),
            });
            self.settle(next).await?;
        }
        let mut left = Vec::new();
        for other in known.iter().filter(|kept| replicas.iter().all(|declared| declared.id != kept.id)) {
            if other.intent != Intent::Stopped {
                self.intend(&other.id, Intent::Stopped).await?;
                self.note(&other.id, "Left stopped: the file of this run does not name it.").await?;
            }
            left.push(other.name.clone());
        }
        lock(&self.offered).clear();
        Ok(Declared { replicas, left })
    }

    /// Keeps one replica of the file. The checkpoints of sources that it no longer names are removed, where the
    /// destination can be reached.
    async fn settle(&self, next: Planned) -> Result<(), ConsoleError> {
        let Planned { definition, previous, .. } = next;
        if previous.as_ref() == Some(&definition) {
            return Ok(());
        }
        let kept = definition.clone();
        self.stored(move |store| store.save_definition(&kept)).await?;
        self.remember(definition.clone());
        let Some(previous) = previous else { return Ok(()) };
        self.note(&definition.id, "Changed as the file of this run says.").await?;
        let stays = |id: &String| definition.sources.iter().any(|source| source.id == *id);
        let removed: Vec<String> =
            previous.sources.iter().map(|source| source.id.clone()).filter(|id| !stays(id)).collect();
        // With the secrets of today: those of an earlier run are gone.
        let before = Definition { destination: definition.destination.clone(), ..previous.clone() };
        let same_place = before.destination.address() == previous.destination.address();
        if !removed.is_empty()
            && same_place
            && let Err(error) = self.forget_removed(&before, &removed).await
        {
            self.note(&definition.id, &format!("The checkpoint of a removed source stays at the destination: {error}"))
                .await?;
        }
        Ok(())
    }

    /// Removes the checkpoints of sources that are gone.
    async fn forget_removed(&self, before: &Definition, removed: &[String]) -> Result<(), ConsoleError> {
        let vault = Arc::clone(&self.vault);
        let (before, destination) = (before.clone(), before.destination.clone());
        let spec = blocking(move || {
            // Only the destination is spoken to.
            let secrets = |endpoint: &StoredEndpoint, field: &str| {
                if *endpoint == destination {
                    drafting::kept_secrets(&vault, endpoint, field)
                } else {
                    Ok(EndpointSecrets::default())
                }
            };
            before.spec(secrets)
        })
        .await?;
        Ok(tributary_engine::forget_sources(&spec, removed).await?)
    }
}

/// What the environment and the files hold, each with the name it is kept under.
fn secrets(file: &Declarations, planned: &[Planned]) -> Result<Vec<(Credential, Secret)>, ConsoleError> {
    let mut found = Vec::new();
    for needed in planned.iter().flat_map(|next| &next.secrets) {
        let read = needed.place.read();
        let read = read.map_err(|missing| file.wrong(needed.line, format!("{}: {missing}", needed.owner)))?;
        found.extend(read.map(|secret| (needed.place.credential(), secret)));
    }
    Ok(found)
}

fn hold(vault: &Vault, secrets: Vec<(Credential, Secret)>) -> Result<(), ConsoleError> {
    for (credential, secret) in secrets {
        vault.set(&credential, secret).map_err(|error| ConsoleError::Credential { field: None, error })?;
    }
    Ok(())
}
