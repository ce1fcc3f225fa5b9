//! The replicas of the file: started, and started again where that needs no person.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;
use tributary_console::declaration::Flush;
use tributary_console::{Console, ConsoleError, DeclaredRun, ReplicaState};
use tributary_engine::{ErrorKind, Failure, Phase, SourceStatus, Status};

use super::journal::Changes;

/// Why a replica stands still until a person has done something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The word by which it is told apart.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// What can be done.
    pub hint: String,
}

/// A replica of the console, and what this run wants of it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// How it stands.
    pub state: ReplicaState,
    /// Whether the file names it.
    pub wanted: bool,
    /// Why it was not started.
    pub refused: Option<Trouble>,
}

impl Standing {
    /// What stopped it, or one of its sources, and needs a person.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        if self.refused.is_some() {
            return self.refused.clone();
        }
        let status = self.state.status.as_ref()?;
        let whole = status.failure.as_ref().filter(|_| status.status == Status::Stopped);
        whole.or_else(|| status.sources.iter().find_map(stopped_by)).map(Trouble::from)
    }

    /// Status and phase while the engine does not work on it: on its way, or not to be started.
    #[must_use]
    pub fn at_rest(&self) -> (Status, Phase) {
        if self.wanted && self.refused.is_none() {
            (Status::Syncing, Phase::Connecting)
        } else {
            (Status::Stopped, Phase::Stopped)
        }
    }

    /// Whether every source that is followed is in step.
    #[must_use]
    pub fn in_step(&self) -> bool {
        let followed = |source: &&SourceStatus| source.status != Status::Stopped || source.failure.is_some();
        let status = self.state.status.as_ref();
        let synced = |source: &SourceStatus| source.status == Status::Synced && source.phase != Phase::Retrying;
        status.is_some_and(|status| status.sources.iter().filter(followed).all(synced))
    }
}

/// The failure that stopped a source; none when the user did.
pub fn stopped_by(source: &SourceStatus) -> Option<&Failure> {
    source.failure.as_ref().filter(|_| source.status == Status::Stopped)
}

impl From<&Failure> for Trouble {
    fn from(failure: &Failure) -> Self {
        let (message, hint) = (failure.message.clone(), failure.hint.clone());
        Self { kind: failure.kind.code().to_owned(), message, hint }
    }
}

impl From<&ConsoleError> for Trouble {
    fn from(error: &ConsoleError) -> Self {
        let hint = match error {
            ConsoleError::ConfirmationNeeded(_) => {
                "Empty it yourself, or write flush = \"when_needed\" in the file, then restart.".to_owned()
            }
            other => other.hint().unwrap_or_default(),
        };
        let message = match error {
            ConsoleError::ConfirmationNeeded(address) => {
                format!("{address} holds data that is not this replica's: starting would delete it.")
            }
            other => other.to_string(),
        };
        Self { kind: error.code().to_owned(), message, hint }
    }
}

/// The replicas of the file.
pub struct Fleet {
    console: Arc<Console>,
    wanted: Vec<DeclaredRun>,
    // A std mutex: held for a map lookup, never across an await.
    refused: Mutex<HashMap<String, Trouble>>,
}

impl Fleet {
    /// Nothing is started yet. A replica whose sources are all stopped is none that is wanted.
    pub fn new(console: Arc<Console>, declared: Vec<DeclaredRun>) -> Self {
        let (resting, wanted): (Vec<_>, Vec<_>) = declared.into_iter().partition(|replica| replica.stopped);
        for replica in resting {
            tracing::info!(replica = replica.name, "not started: the file says that all of its sources are stopped");
        }
        Self { console, wanted, refused: Mutex::default() }
    }

    /// How every replica of the console stands.
    pub fn standings(&self) -> Vec<Standing> {
        let refused = self.refused().clone();
        let standing = |state: ReplicaState| Standing {
            wanted: self.wanted.iter().any(|wanted| wanted.id == state.id),
            refused: refused.get(&state.id).cloned(),
            state,
        };
        self.console.states().into_iter().map(standing).collect()
    }

    /// Starts a replica as the file says. What it refuses is remembered.
    async fn start(&self, wanted: &DeclaredRun) {
        let done = match self.console.start(&wanted.id, None).await {
            Err(ConsoleError::ConfirmationNeeded(destination)) if wanted.flush == Flush::WhenNeeded => {
                let replica = &wanted.name;
                tracing::warn!(replica, destination, "the destination is emptied, as flush = \"when_needed\" allows");
                self.console.start(&wanted.id, Some(&wanted.name)).await
            }
            done => done,
        };
        match done {
            Ok(()) => {
                self.refused().remove(&wanted.id);
            }
            Err(error) => {
                let trouble = Trouble::from(&error);
                let Trouble { kind, message, hint } = &trouble;
                tracing::error!(replica = wanted.name, kind, hint, "not started: {message}");
                self.refused().insert(wanted.id.clone(), trouble);
            }
        }
    }

    /// Those that stopped only because their destination was not there to be looked at when they were started.
    fn unconfirmed(&self) -> Vec<DeclaredRun> {
        let not_empty = |state: &ReplicaState| {
            let failure = state.status.as_ref().and_then(|status| status.failure.as_ref());
            failure.is_some_and(|failure| failure.kind == ErrorKind::DestinationNotEmpty)
        };
        let states = self.console.states();
        let stopped: Vec<&str> =
            states.iter().filter(|state| not_empty(state)).map(|state| state.id.as_str()).collect();
        let may = |wanted: &&DeclaredRun| wanted.flush == Flush::WhenNeeded && stopped.contains(&wanted.id.as_str());
        self.wanted.iter().filter(may).cloned().collect()
    }

    fn refused(&self) -> MutexGuard<'_, HashMap<String, Trouble>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts all replicas side by side, then logs how they stand whenever that changes. It ends with the console, or when it is
/// cut off.
pub async fn keep_running(fleet: Arc<Fleet>) {
    let mut live = fleet.console.live();
    let mut starting = JoinSet::new();
    let start = |wanted: DeclaredRun, fleet: Arc<Fleet>| async move { fleet.start(&wanted).await };
    for wanted in fleet.wanted.clone() {
        starting.spawn(start(wanted, Arc::clone(&fleet)));
    }
    let mut changes = Changes::default();
    while live.changed().await.is_ok() {
        changes.log(&fleet.console.states());
        while starting.try_join_next().is_some() {}
        if starting.is_empty() {
            for wanted in fleet.unconfirmed() {
                starting.spawn(start(wanted, Arc::clone(&fleet)));
            }
        }
    }
}
