//! The use cases: what a window, or any other face, can ask for.
//!
//! Read `running.rs` for what Start and Stop mean, `pulse.rs` for how a window hears of it.

mod certificates;
mod declared;
mod demo;
mod file_load;
mod kinship;
mod pulse;
mod replicas;
mod running;
mod sources;
mod states;
mod transfer;
mod verify;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedMutexGuard, broadcast, watch};

use crate::credentials::{Keyring, Vault};
use crate::definition::Definition;
use crate::demo::{Demo, find_server};
use crate::dto::{
    EndpointDraft, EventView, FileLoadLive, Intent, KeyringState, ReplicaLive, Series, SeriesRange, Settings,
    StartupState,
};
use crate::error::ConsoleError;
use crate::identities::Identities;
use crate::run::Run;
use crate::store::{Scope, Store};
use crate::verification::Verification;
use crate::{drafting, time};

pub use declared::{Declared, DeclaredRun};
pub use states::ReplicaState;

/// Events a slow listener may fall behind before it misses some; they stay in the log.
const EVENTS_AHEAD: usize = 1_024;

/// A sync stopped and needs the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The replica's name.
    pub replica: String,
    /// The source's name.
    pub source: String,
    /// What happened.
    pub message: String,
    /// What the user can do.
    pub hint: String,
}

/// The console. It must be opened inside a tokio runtime, and runs replicas there.
pub struct Console {
    /// Where the spools go.
    spool: PathBuf,
    store: Arc<Store>,
    vault: Arc<Vault>,
    // Std mutexes: held for a map lookup, never across an await.
    definitions: Mutex<Vec<Definition>>,
    runs: Mutex<HashMap<String, Run>>,
    /// The last comparison of each replica, with what it found.
    verifications: Mutex<HashMap<String, Verification>>,
    /// The number of the next comparison.
    verified: AtomicU64,
    identities: Mutex<Identities>,
    /// Held across a start, a stop or an edit, so that two of them never meet in one replica; others are not held up.
    changing: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Held while a definition is compared with the others and kept.
    keeping: tokio::sync::Mutex<()>,
    /// Held while a replica that is to start is compared with those that run.
    admitting: tokio::sync::Mutex<()>,
    /// Admitted and on their way to run: for others they do already.
    admitted: Mutex<HashSet<String>>,
    /// The app is being closed: nothing starts any more.
    closing: AtomicBool,
    demo: tokio::sync::Mutex<Option<Demo>>,
    /// Ran when the app was closed, and nobody has said yet whether to go on.
    offered: Mutex<Vec<String>>,
    live: watch::Sender<Arc<Vec<ReplicaLive>>>,
    /// The load of a dump file that runs, or the last one.
    file_load: Mutex<Option<file_load::Loading>>,
    live_file_load: watch::Sender<Option<FileLoadLive>>,
    events: broadcast::Sender<EventView>,
    alerts: broadcast::Sender<Alert>,
}

impl Console {
    /// Opens the console on the data in `folder`, with passwords in `keyring`.
    ///
    /// # Errors
    /// When the data cannot be opened.
    pub async fn open(folder: &Path, keyring: Box<dyn Keyring>) -> Result<Arc<Self>, ConsoleError> {
        let folder = folder.to_owned();
        let spool = folder.join("spool");
        let (store, definitions) = blocking(move || {
            let store = Store::open(&folder)?;
            let definitions = store.definitions()?;
            Ok::<_, ConsoleError>((store, definitions))
        })
        .await?;
        let ran = definitions.iter().filter(|d| d.intent != Intent::Stopped).map(|d| d.id.clone()).collect();
        let console = Arc::new(Self {
            spool,
            store: Arc::new(store),
            vault: Arc::new(Vault::new(keyring)),
            definitions: Mutex::new(definitions),
            runs: Mutex::default(),
            verifications: Mutex::default(),
            verified: AtomicU64::new(1),
            identities: Mutex::default(),
            changing: Mutex::default(),
            keeping: tokio::sync::Mutex::default(),
            admitting: tokio::sync::Mutex::default(),
            admitted: Mutex::default(),
            closing: AtomicBool::new(false),
            demo: tokio::sync::Mutex::default(),
            offered: Mutex::new(ran),
            live: watch::Sender::new(Arc::default()),
            file_load: Mutex::default(),
            live_file_load: watch::Sender::new(None),
            events: broadcast::Sender::new(EVENTS_AHEAD),
            alerts: broadcast::Sender::new(EVENTS_AHEAD),
        });
        tokio::spawn(pulse::beat(Arc::downgrade(&console)));
        Ok(console)
    }

    /// What a window needs to draw its first picture.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub async fn startup(&self) -> Result<StartupState, ConsoleError> {
        let (store, vault) = (Arc::clone(&self.store), Arc::clone(&self.vault));
        let (settings, keyring) = blocking(move || Ok::<_, ConsoleError>((store.settings()?, vault.probe()))).await?;
        let keyring = match keyring {
            Ok(()) => KeyringState { ok: true, message: None, hint: None },
            Err(error) => {
                KeyringState { ok: false, message: Some(format!("{error}.")), hint: Some(error.hint().to_owned()) }
            }
        };
        let demo = find_server();
        Ok(StartupState {
            settings,
            definitions: lock(&self.definitions).iter().map(Definition::view).collect(),
            resumable: lock(&self.offered).clone(),
            keyring,
            demo_available: demo.is_ok(),
            demo_problem: demo.err().map(|error| format!("{error} {}", error.hint())),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// A pasted URL as the fields of a form.
    ///
    /// # Errors
    /// When it is not a Redis URL.
    pub fn parse_url(url: &str) -> Result<EndpointDraft, ConsoleError> {
        drafting::parse_url(url)
    }

    /// What the user chose.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn settings(&self) -> Result<Settings, ConsoleError> {
        self.stored(|store| store.settings()).await
    }

    /// Keeps what the user chose.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn save_settings(&self, settings: Settings) -> Result<(), ConsoleError> {
        self.stored(move |store| store.save_settings(&settings)).await
    }

    /// The last events of a replica, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn events(&self, id: String, limit: u32) -> Result<Vec<EventView>, ConsoleError> {
        self.stored(move |store| store.events(&id, limit)).await
    }

    /// The history of a replica or of one of its sources.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn history(
        &self,
        id: String,
        source: Option<String>,
        range: SeriesRange,
    ) -> Result<Series, ConsoleError> {
        self.stored(move |store| {
            let scope = source.as_deref().map_or(Scope::Replica, Scope::Source);
            store.series(&id, scope, range, time::now_ms())
        })
        .await
    }

    /// How every replica is doing; changes four times a second.
    #[must_use]
    pub fn live(&self) -> watch::Receiver<Arc<Vec<ReplicaLive>>> {
        self.live.subscribe()
    }

    /// Every event from now on.
    #[must_use]
    pub fn new_events(&self) -> broadcast::Receiver<EventView> {
        self.events.subscribe()
    }

    /// Every sync that stops by itself from now on.
    #[must_use]
    pub fn alerts(&self) -> broadcast::Receiver<Alert> {
        self.alerts.subscribe()
    }

    /// Waits until nothing else changes this replica, and keeps it so.
    async fn changing(&self, id: &str) -> OwnedMutexGuard<()> {
        let of_replica = lock(&self.changing).entry(id.to_owned()).or_default().clone();
        of_replica.lock_owned().await
    }

    fn definition(&self, id: &str) -> Result<Definition, ConsoleError> {
        lock(&self.definitions).iter().find(|d| d.id == id).cloned().ok_or(ConsoleError::NotFound)
    }

    /// Puts a definition in the place of the one with its ID, or at the end.
    fn remember(&self, definition: Definition) {
        let mut definitions = lock(&self.definitions);
        match definitions.iter_mut().find(|known| known.id == definition.id) {
            Some(known) => *known = definition,
            None => definitions.push(definition),
        }
    }

    fn forget(&self, id: &str) {
        lock(&self.definitions).retain(|known| known.id != id);
        lock(&self.offered).retain(|offered| offered != id);
        lock(&self.runs).remove(id);
    }

    async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, crate::store::StoreError> + Send + 'static,
    ) -> Result<T, ConsoleError> {
        let store = Arc::clone(&self.store);
        blocking(move || work(&store).map_err(ConsoleError::from)).await
    }
}

/// SQLite and the keyring block: they run where that harms nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConsoleError> + Send + 'static,
) -> Result<T, ConsoleError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ConsoleError::Internal(error.to_string()))?
}

/// A panic elsewhere leaves these maps whole: they change in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
