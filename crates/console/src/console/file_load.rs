//! A dump file that is loaded once. There is one load at a time; how it ended stays until it is put away.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::watch;
use tributary_engine::{self as engine, DumpFile, Endpoint, Existing, FileLoad, FileLoadHandle, FileLoadStatus};

use super::{Console, blocking, lock};
use crate::drafting::Form;
use crate::dto::{
    EndpointRole, ExistingKeys, FailureView, FileFacts, FileLoadDraft, FileLoadLive, FileLoadPhase, FileLoadReview,
};
use crate::error::ConsoleError;
use crate::time::{ms, unix_ms};
use crate::{preflight, view};

/// The load that runs, or the last one.
pub(super) struct Loading {
    path: String,
    destination: String,
    status: watch::Receiver<Arc<FileLoadStatus>>,
    /// Taken by whoever waits for its end.
    handle: Option<FileLoadHandle>,
}

impl Loading {
    fn is_running(&self) -> bool {
        !self.status.borrow().phase.is_end()
    }
}

impl Console {
    /// What a dump file says of itself.
    ///
    /// # Errors
    /// When it cannot be read, or is no dump.
    pub async fn inspect_file(path: &str) -> Result<FileFacts, ConsoleError> {
        let header = engine::inspect_file(&place(path)?).await.map_err(ConsoleError::File)?;
        Ok(FileFacts {
            path: path.trim().to_owned(),
            product: header.product.name().to_owned(),
            server_version: header.server_version,
            rdb_version: header.rdb_version,
            created: header.created.map(unix_ms),
            size: header.size,
            used_memory: header.used_memory,
            begins_aof: header.begins_aof,
        })
    }

    /// Says what a load would do. Nothing is changed.
    ///
    /// # Errors
    /// When a field is wrong, the file is no dump, or the destination cannot be used.
    pub async fn review_file_load(&self, draft: FileLoadDraft) -> Result<FileLoadReview, ConsoleError> {
        let file = Self::inspect_file(&draft.path).await?;
        let spec = self.file_load(draft).await?;
        let survey = engine::survey_for_file(&spec.destination, spec.lands()).await?;
        let refusal = survey.replicas.first().map(|id| {
            let failure = engine::Failure::new(
                engine::ErrorKind::DestinationInUse,
                &spec.destination.authority(),
                format!("{} is the destination of the replica “{}”.", target(&spec), self.name_of(id)),
            );
            view::failure(&failure)
        });
        Ok(FileLoadReview {
            file,
            destination: target(&spec),
            server: preflight::facts(&survey.server),
            keys: survey.keys,
            databases: preflight::databases(&survey.keys_by_db),
            functions: survey.functions,
            deletes_everything: spec.lands().is_none(),
            refusal,
        })
    }

    /// Starts a load. Keys are deleted for it only when `confirm` is the destination's address.
    ///
    /// # Errors
    /// When a field is wrong, another load runs, or the confirmation is missing.
    pub async fn start_file_load(&self, draft: FileLoadDraft, confirm: Option<&str>) -> Result<(), ConsoleError> {
        let path = draft.path.trim().to_owned();
        let spec = self.file_load(draft).await?;
        let destination = target(&spec);
        if spec.existing == Existing::Flush && confirm != Some(destination.as_str()) {
            let survey = engine::survey_for_file(&spec.destination, spec.lands()).await?;
            if survey.keys > 0 || survey.functions > 0 {
                return Err(ConsoleError::FlushUnconfirmed(destination));
            }
        }
        let mut slot = lock(&self.file_load);
        if slot.as_ref().is_some_and(Loading::is_running) {
            let message = "A file is being loaded. Wait for its end, or stop it.";
            return Err(ConsoleError::AlreadyRunning(message.into()));
        }
        if self.closing.load(Relaxed) {
            return Err(ConsoleError::NotRunning("The app is being closed.".into()));
        }
        let handle = engine::load_file(spec);
        *slot = Some(Loading { path, destination, status: handle.status(), handle: Some(handle) });
        drop(slot);
        self.tell_file_load();
        Ok(())
    }

    /// Stops the load that runs, and waits for its end. It is no error when there is none.
    pub async fn stop_file_load(&self) {
        let handle = lock(&self.file_load).as_mut().and_then(|loading| loading.handle.take());
        if let Some(handle) = handle {
            handle.stop().await;
        }
        self.tell_file_load();
    }

    /// Puts away how the last load ended.
    pub fn dismiss_file_load(&self) {
        lock(&self.file_load).take_if(|loading| !loading.is_running());
        self.tell_file_load();
    }

    /// Whether a file is being loaded.
    #[must_use]
    pub fn is_loading_file(&self) -> bool {
        lock(&self.file_load).as_ref().is_some_and(Loading::is_running)
    }

    /// How the load is doing, or how the last one ended; changes four times a second.
    #[must_use]
    pub fn live_file_load(&self) -> watch::Receiver<Option<FileLoadLive>> {
        self.live_file_load.subscribe()
    }

    /// Tells windows how it is doing.
    pub(super) fn tell_file_load(&self) {
        let live = lock(&self.file_load).as_ref().map(|loading| {
            let status = loading.status.borrow().clone();
            let live = live(loading, &status);
            FileLoadLive { failure: live.failure.map(|failure| self.with_names(failure)), ..live }
        });
        self.live_file_load.send_if_modified(|told| {
            let changed = *told != live;
            *told = live;
            changed
        });
    }

    /// The engine knows replicas by their IDs.
    fn with_names(&self, failure: FailureView) -> FailureView {
        let names: HashMap<String, String> =
            lock(&self.definitions).iter().map(|known| (format!("“{}”", known.id), known.name.clone())).collect();
        let mut message = failure.message;
        for (id, name) in names {
            message = message.replace(&id, &format!("“{name}”"));
        }
        FailureView { message, ..failure }
    }

    fn name_of(&self, id: &str) -> String {
        let definitions = lock(&self.definitions);
        definitions.iter().find(|known| known.id == id).map_or_else(|| id.to_owned(), |known| known.name.clone())
    }

    /// A form as the engine takes it. The password is for this load alone, and is kept nowhere.
    async fn file_load(&self, draft: FileLoadDraft) -> Result<FileLoad, ConsoleError> {
        let path = place(&draft.path)?;
        let vault = Arc::clone(&self.vault);
        let form = draft.destination;
        let destination = blocking(move || {
            let (role, field) = (EndpointRole::Destination, "destination");
            Form { draft: &form, role, field, kept: None }.endpoint(&vault)
        })
        .await?;
        let existing = match draft.existing {
            ExistingKeys::Refuse => Existing::Refuse,
            ExistingKeys::Replace => Existing::Replace,
            ExistingKeys::Flush => Existing::Flush,
        };
        let unsupported = engine::Unsupported {
            drop_field_expiry: draft.drop_field_expiry,
            skip_module_keys: draft.skip_module_keys,
            skip_functions: draft.skip_functions,
        };
        let file = DumpFile::Path(path);
        let spec = FileLoad { file, db: draft.db, destination, existing, dump_only: draft.dump_only, unsupported };
        spec.validate()?;
        Ok(spec)
    }
}

/// What is written to, as `host:port[/db]`.
fn target(spec: &FileLoad) -> String {
    Endpoint { db: spec.lands(), ..spec.destination.clone() }.address()
}

/// A typed path; `~/` is the home folder, as in a shell.
fn place(path: &str) -> Result<PathBuf, ConsoleError> {
    let path = path.trim();
    if path.is_empty() {
        return Err(ConsoleError::invalid("path", "Choose a file, or enter its path."));
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let place = match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    };
    if place.is_relative() {
        return Err(ConsoleError::invalid("path", "Enter the whole path, from / on."));
    }
    Ok(place)
}

fn live(loading: &Loading, status: &FileLoadStatus) -> FileLoadLive {
    FileLoadLive {
        path: loading.path.clone(),
        destination: loading.destination.clone(),
        phase: phase(status.phase),
        progress: status.progress,
        bytes_done: status.bytes_done,
        bytes_total: status.bytes_total,
        bytes_per_sec: status.bytes_per_s,
        time_left_ms: status.time_left.map(ms),
        keys: status.keys,
        functions: status.functions,
        expired: status.expired,
        checkpoints: status.checkpoints,
        omitted: status.omitted,
        incomplete: status.incomplete,
        warnings: status.warnings.clone(),
        failure: status.failure.as_ref().map(view::failure),
    }
}

fn phase(phase: engine::FilePhase) -> FileLoadPhase {
    match phase {
        engine::FilePhase::Checking => FileLoadPhase::Checking,
        engine::FilePhase::Verifying => FileLoadPhase::Verifying,
        engine::FilePhase::Emptying => FileLoadPhase::Emptying,
        engine::FilePhase::Loading => FileLoadPhase::Loading,
        engine::FilePhase::Done => FileLoadPhase::Done,
        engine::FilePhase::Stopped => FileLoadPhase::Stopped,
        engine::FilePhase::Failed => FileLoadPhase::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_path_is_whole_or_begins_at_home() {
        assert_eq!(place(" /var/lib/redis/dump.rdb ").unwrap(), PathBuf::from("/var/lib/redis/dump.rdb"));
        assert!(place("~/dump.rdb").unwrap().is_absolute());
        for bad in ["", "  ", "dump.rdb", "./dump.rdb"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
