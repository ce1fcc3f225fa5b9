//! Creating, editing, deleting, and what is looked at before.

use std::sync::Arc;

use tributary_engine::{Endpoint, StartMode};

use super::{Console, blocking, lock};
use crate::credentials::Vault;
use crate::definition::{Credential, Definition, StoredSource};
use crate::drafting::{self, Drafted, Form, PASSPHRASE, PASSWORD};
use crate::dto::{
    CheckLine, ConnectionReport, EndpointDraft, EndpointRole, ReplicaCheckLine, ReplicaDefinition, ReplicaDraft, Review,
};
use crate::error::ConsoleError;
use crate::preflight::{self, Plan};
use crate::{chain, demo};

impl Console {
    /// Tests an endpoint of a form, telling every finding as it is found.
    ///
    /// # Errors
    /// When the form is wrong or the kept password cannot be read. A server that does not answer is a report.
    pub async fn test_connection(
        &self,
        draft: EndpointDraft,
        role: EndpointRole,
        replica: Option<String>,
        source: Option<String>,
        tell: impl Fn(CheckLine) + Send + Sync,
    ) -> Result<ConnectionReport, ConsoleError> {
        let endpoint = self.formed(draft, role, replica, source).await?;
        Ok(preflight::test_connection(&endpoint, role, tell).await)
    }

    /// The endpoint of a form with its secrets: new ones, or those that are kept for this replica and source.
    pub(super) async fn formed(
        &self,
        draft: EndpointDraft,
        role: EndpointRole,
        replica: Option<String>,
        source: Option<String>,
    ) -> Result<Endpoint, ConsoleError> {
        let known = replica.map(|id| self.definition(&id)).transpose()?;
        let (field, kept) = match (role, source) {
            (EndpointRole::Destination, _) => ("destination", known.map(|definition| definition.destination)),
            (EndpointRole::Source, None) => ("source", None),
            (EndpointRole::Source, Some(id)) => {
                let sources = known.map(|definition| definition.sources).unwrap_or_default();
                ("source", sources.into_iter().find(|source| source.id == id).map(|source| source.endpoint))
            }
        };
        let vault = Arc::clone(&self.vault);
        blocking(move || Form { draft: &draft, role, field, kept: kept.as_ref() }.endpoint(&vault)).await
    }

    /// Checks a form, and says what starting it would do.
    ///
    /// # Errors
    /// When a field is wrong or the replica cannot live beside the others.
    pub async fn review_draft(&self, draft: ReplicaDraft, replica: Option<String>) -> Result<Review, ConsoleError> {
        let drafted = self.check(&draft, replica.as_deref()).await?;
        let vault = Arc::clone(&self.vault);
        let spec =
            blocking(move || drafted.definition.spec(|endpoint, field| drafted.secrets(&vault, endpoint, field)));
        Ok(preflight::review(&spec.await?, Plan::Start).await)
    }

    /// Checks the servers of a form's replica, telling every line as it is found. Nothing is changed at any server.
    ///
    /// # Errors
    /// When a field is wrong or a password cannot be read. A server that does not answer is a line.
    pub async fn preflight_draft(
        &self,
        draft: ReplicaDraft,
        replica: Option<String>,
        tell: impl Fn(ReplicaCheckLine) + Send + Sync,
    ) -> Result<(), ConsoleError> {
        let drafted = self.check(&draft, replica.as_deref()).await?;
        let vault = Arc::clone(&self.vault);
        let spec =
            blocking(move || drafted.definition.spec(|endpoint, field| drafted.secrets(&vault, endpoint, field)));
        preflight::check(&spec.await?, tell).await;
        Ok(())
    }

    /// Checks the servers of a kept replica, telling every line as it is found.
    ///
    /// # Errors
    /// When it is gone or a password cannot be read.
    pub async fn preflight(&self, id: &str, tell: impl Fn(ReplicaCheckLine) + Send + Sync) -> Result<(), ConsoleError> {
        let spec = self.spec(self.definition(id)?).await?;
        preflight::check(&spec, tell).await;
        Ok(())
    }

    /// Says what restarting a replica would do.
    ///
    /// # Errors
    /// When it is gone or a password cannot be read.
    pub async fn review(&self, id: &str) -> Result<Review, ConsoleError> {
        let spec = self.spec(self.definition(id)?).await?;
        Ok(preflight::review(&spec, Plan::Restart).await)
    }

    /// Keeps a new replica. It does not start it.
    ///
    /// # Errors
    /// When a field is wrong, or it cannot be kept.
    pub async fn create(&self, draft: ReplicaDraft) -> Result<ReplicaDefinition, ConsoleError> {
        let _keeping = self.keeping.lock().await;
        let drafted = self.check(&draft, None).await?;
        self.keep(drafted, None).await
    }

    /// Changes a replica. While it runs, names and options may change and sources come and go: what was there goes on from
    /// its checkpoint, a new source is loaded beside it, and what came from a removed one stays.
    ///
    /// # Errors
    /// When a field is wrong, it runs, or it cannot be kept.
    pub async fn update(self: &Arc<Self>, id: &str, draft: ReplicaDraft) -> Result<ReplicaDefinition, ConsoleError> {
        let _changing = self.changing(id).await;
        let drafted = self.check(&draft, Some(id)).await?;
        let previous = self.definition(id)?;
        let runs = self.is_running(id);
        if runs && !keeps_endpoints(&previous, &drafted) {
            let message = format!("“{}” is running: stop it, then change its endpoints.", previous.name);
            return Err(ConsoleError::AlreadyRunning(message));
        }
        let engine_changes =
            previous.options != drafted.definition.options || sources_of(&previous) != sources_of(&drafted.definition);
        let removed: Vec<String> = missing(&previous, &drafted.definition);
        let before = self.spec(previous.clone()).await;
        // All that may be refused comes first: then it runs on as it was.
        let (drafted, next) = if runs && engine_changes {
            let (drafted, spec) = self.drafted_spec(drafted).await?;
            let admission = self.admit(&drafted.definition, &spec).await?;
            (drafted, Some((spec, admission)))
        } else {
            (drafted, None)
        };
        let kept = {
            let _keeping = self.keeping.lock().await;
            // Another may have taken the name or the destination meanwhile.
            self.compare(&draft, Some(id))?;
            self.keep(drafted, Some(previous.clone())).await?
        };
        self.end_outdated_verify(&previous).await?;
        if let Some((spec, admission)) = next {
            self.begin(spec, StartMode::Join, Some(admission)).await?;
        }
        if !removed.is_empty()
            && let Ok(before) = before
            && let Err(failure) = tributary_engine::forget_sources(&before, &removed).await
        {
            self.note(id, &format!("The checkpoint of a removed source stays at the destination: {failure}")).await?;
        }
        Ok(kept)
    }

    /// Stops a replica for good and forgets it, with its passwords and its history. The data at the destination stays, with
    /// its exact expiries; checkpoints are removed there and settings put back. Gives what could not be done there.
    ///
    /// # Errors
    /// When it is gone or cannot be forgotten.
    pub async fn delete(&self, id: &str) -> Result<Option<String>, ConsoleError> {
        if id == demo::ID {
            return self.stop_demo().await.map(|()| None);
        }
        let _changing = self.changing(id).await;
        let definition = self.definition(id)?;
        self.end_verify(id).await;
        self.halt(id).await;
        let left = self.finish(&definition).await;
        self.forget_secrets(&definition, None).await?;
        let gone = id.to_owned();
        self.stored(move |store| store.delete_replica(&gone)).await?;
        self.forget(id);
        Ok(left)
    }

    /// Makes the destination a database of its own; says what could not be done.
    async fn finish(&self, definition: &Definition) -> Option<String> {
        let name = definition.destination.address();
        // One that never ran has left nothing there.
        let failure = match self.spec(definition.clone()).await {
            Ok(spec) => tributary_engine::finish(&spec, |_| {}).await.err()?.to_string(),
            Err(error) => error.to_string(),
        };
        Some(format!(
            "{name} was not cleaned up: {failure} Its expiries may still be held back and its checkpoints are still there; \
             `tributary finish --replica-id {}` does it later.",
            definition.id
        ))
    }

    /// Checks a form, with the files that it names.
    async fn check(&self, draft: &ReplicaDraft, replica: Option<&str>) -> Result<Drafted, ConsoleError> {
        let drafted = self.compare(draft, replica)?;
        let vault = Arc::clone(&self.vault);
        blocking(move || drafted.check_files(&vault).map(|()| drafted)).await
    }

    /// Checks the fields of a form, and whether it can live beside the other replicas.
    fn compare(&self, draft: &ReplicaDraft, replica: Option<&str>) -> Result<Drafted, ConsoleError> {
        if replica == Some(demo::ID) {
            return Err(ConsoleError::invalid("name", "The demo cannot be edited: create a replica of your own."));
        }
        let previous = replica.map(|id| self.definition(id)).transpose()?;
        let others: Vec<Definition> =
            lock(&self.definitions).iter().filter(|d| Some(d.id.as_str()) != replica).cloned().collect();
        let names: Vec<String> = others.iter().map(|other| other.name.clone()).collect();
        let drafted = drafting::check(draft, previous.as_ref(), &names)?;
        chain::check(&drafted.definition, &others, &lock(&self.identities))?;
        Ok(drafted)
    }

    async fn keep(&self, drafted: Drafted, previous: Option<Definition>) -> Result<ReplicaDefinition, ConsoleError> {
        let (store, vault) = (Arc::clone(&self.store), Arc::clone(&self.vault));
        let definition = blocking(move || {
            let Drafted { definition, secrets } = drafted;
            keep_secrets(&vault, &definition, secrets)?;
            store.save_definition(&definition)?;
            Ok(definition)
        })
        .await?;
        // Only now: had the definition not been kept, the old one would still need them.
        if let Some(previous) = previous {
            self.forget_secrets(&previous, Some(&definition)).await?;
        }
        let view = definition.view();
        self.remember(definition);
        Ok(view)
    }

    /// Forgets the secrets of a definition that is deleted or has become `now`, but for those that another one names: a
    /// file may name one account of the keyring for several endpoints.
    pub(super) async fn forget_secrets(&self, old: &Definition, now: Option<&Definition>) -> Result<(), ConsoleError> {
        let unused: Vec<Credential> = {
            let definitions = lock(&self.definitions);
            let others = definitions.iter().filter(|other| other.id != old.id);
            let named: Vec<&Credential> = others.chain(now).flat_map(Definition::credentials).collect();
            old.credentials().filter(|credential| !named.contains(credential)).cloned().collect()
        };
        let vault = Arc::clone(&self.vault);
        blocking(move || {
            unused.iter().for_each(|credential| forget_secret(&vault, credential));
            Ok(())
        })
        .await
    }
}

fn keep_secrets(
    vault: &Vault,
    definition: &Definition,
    secrets: Vec<(Credential, tributary_engine::Secret)>,
) -> Result<(), ConsoleError> {
    for (credential, secret) in secrets {
        vault
            .set(&credential, secret)
            .map_err(|error| ConsoleError::Credential { field: field_of(definition, &credential), error })?;
    }
    Ok(())
}

fn field_of(definition: &Definition, credential: &Credential) -> Option<String> {
    let (endpoint, field) =
        definition.endpoints().find(|(endpoint, _)| endpoint.credentials().any(|known| known == credential))?;
    let of = if endpoint.credential.as_ref() == Some(credential) { PASSWORD } else { PASSPHRASE };
    Some(format!("{field}.{of}"))
}

/// A keyring that is locked or gone must not keep a replica from being edited or deleted.
fn forget_secret(vault: &Vault, old: &Credential) {
    if let Err(error) = vault.delete(old) {
        tracing::warn!(account = old.reference, %error, "a password stays in the keyring");
    }
}

/// Whether the destination and the sources that stay are reached as before.
fn keeps_endpoints(before: &Definition, drafted: &Drafted) -> bool {
    let after = &drafted.definition;
    let known = |id: &str| before.sources.iter().find(|source| source.id == id);
    let same = |source: &StoredSource| known(&source.id).is_none_or(|known| known.endpoint == source.endpoint);
    let of_new_source = |credential: &Credential| {
        let mut new = after.sources.iter().filter(|source| known(&source.id).is_none());
        new.any(|source| source.endpoint.credentials().any(|known| known == credential))
    };
    before.destination == after.destination
        && after.sources.iter().all(same)
        && drafted.secrets.iter().all(|(credential, _)| of_new_source(credential))
}

fn sources_of(definition: &Definition) -> Vec<&str> {
    definition.sources.iter().map(|source| source.id.as_str()).collect()
}

/// The sources that are gone after a change.
fn missing(before: &Definition, after: &Definition) -> Vec<String> {
    let gone = |id: &&str| !sources_of(after).contains(id);
    sources_of(before).into_iter().filter(gone).map(str::to_owned).collect()
}
