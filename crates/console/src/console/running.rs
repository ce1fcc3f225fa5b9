//! Start, stop, restart, and what ran when the app was closed.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tributary_engine as engine;
use tributary_engine::{EngineEvent, ReplicaSpec, StartMode};

use super::kinship::Admission;
use super::{Console, blocking, lock};
use crate::definition::Definition;
use crate::drafting::Drafted;
use crate::dto::{EventView, Intent, Severity};
use crate::error::ConsoleError;
use crate::run::Run;
use crate::store::{NewEvent, Store};
use crate::time::{now_ms, unix_ms};
use crate::{drafting, view};

/// How long closing waits for what changes a replica meanwhile: longer than a stop drains.
const CLOSING: Duration = Duration::from_secs(15);

impl Console {
    /// Starts a replica: from its checkpoint where there is one, else from the beginning. A destination that holds
    /// other data is emptied only when `confirm` is the replica's name.
    ///
    /// # Errors
    /// When it runs, a password cannot be read, or the confirmation is missing.
    pub async fn start(self: &Arc<Self>, id: &str, confirm: Option<&str>) -> Result<(), ConsoleError> {
        let _changing = self.changing(id).await;
        let definition = self.definition(id)?;
        if lock(&self.runs).get(id).is_some_and(Run::is_healthy) {
            return Err(ConsoleError::AlreadyRunning(format!("“{}” is already running.", definition.name)));
        }
        self.start_stopped_sources(&definition).await?;
        let spec = self.spec(self.definition(id)?).await?;
        let mode = if confirm == Some(spec.name.as_str()) { StartMode::MayFlush } else { gentle_mode(&spec).await? };
        self.launch(spec, mode).await
    }

    /// A replica whose sources the user has all stopped, one by one, starts with all of them.
    async fn start_stopped_sources(&self, definition: &Definition) -> Result<(), ConsoleError> {
        if definition.sources.iter().all(|source| source.stopped) {
            for source in &definition.sources {
                self.choose(&definition.id, &source.id, false).await?;
            }
        }
        Ok(())
    }

    /// Empties the destination and loads everything again. A destination that holds keys needs the replica's name.
    ///
    /// # Errors
    /// When a password cannot be read, or the confirmation is missing.
    pub async fn restart(self: &Arc<Self>, id: &str, confirm: Option<&str>) -> Result<(), ConsoleError> {
        let _changing = self.changing(id).await;
        let spec = self.spec(self.definition(id)?).await?;
        if confirm != Some(spec.name.as_str()) {
            let survey = engine::survey(&spec).await?;
            if survey.keys > 0 || survey.functions > 0 {
                return Err(ConsoleError::ConfirmationNeeded(spec.destination.address()));
            }
        }
        self.launch(spec, StartMode::Restart).await
    }

    /// Stops a replica: what was received is applied, the links are closed, the checkpoint stays.
    ///
    /// # Errors
    /// When it is gone, or the intent cannot be kept.
    pub async fn stop(&self, id: &str) -> Result<(), ConsoleError> {
        let _changing = self.changing(id).await;
        self.definition(id)?;
        let ran = self.halt(id).await;
        self.intend(id, Intent::Stopped).await?;
        if ran {
            self.note(id, "Stopped by the user.").await?;
        }
        Ok(())
    }

    /// Pauses a replica: links stay open and fill the spool, nothing is applied.
    ///
    /// # Errors
    /// When it does not run, or the intent cannot be kept.
    pub async fn pause(&self, id: &str) -> Result<(), ConsoleError> {
        let _changing = self.changing(id).await;
        let name = self.definition(id)?.name;
        if !lock(&self.runs).get(id).is_some_and(|run| run.pause(true)) {
            return Err(ConsoleError::NotRunning(format!("“{name}” does not run, so there is nothing to pause.")));
        }
        self.intend(id, Intent::Paused).await?;
        self.note(id, "Paused by the user: what the sources send is kept, nothing is applied.").await
    }

    /// Goes on applying after a pause.
    ///
    /// # Errors
    /// When it does not run, or the intent cannot be kept.
    pub async fn resume(&self, id: &str) -> Result<(), ConsoleError> {
        let _changing = self.changing(id).await;
        let name = self.definition(id)?.name;
        if !lock(&self.runs).get(id).is_some_and(|run| run.pause(false)) {
            return Err(ConsoleError::NotRunning(format!("“{name}” does not run: start it.")));
        }
        self.intend(id, Intent::Running).await?;
        self.note(id, "Goes on after the pause.").await
    }

    /// Goes on behind a command that failed, which only the user may decide.
    ///
    /// # Errors
    /// When it still runs, a password cannot be read, or the intent cannot be kept.
    pub async fn skip_failed(self: &Arc<Self>, id: &str) -> Result<(), ConsoleError> {
        let _changing = self.changing(id).await;
        let mut spec = self.spec(self.definition(id)?).await?;
        spec.options.skip_failed = true;
        self.launch(spec, StartMode::Resume).await
    }

    /// Answers whether what ran when the app was closed goes on.
    ///
    /// # Errors
    /// The first replica that could not be started, when all were tried.
    pub async fn resume_all(self: &Arc<Self>, accept: bool) -> Result<(), ConsoleError> {
        let offered = std::mem::take(&mut *lock(&self.offered));
        let mut first = Ok(());
        for id in offered {
            let done = if accept { self.start(&id, None).await } else { self.intend(&id, Intent::Stopped).await };
            // It may have been started by hand while the question stood.
            if !matches!(done, Err(ConsoleError::AlreadyRunning(_))) {
                first = first.and(done);
            }
        }
        first
    }

    /// How many replicas would be interrupted by quitting; [`Console::is_loading_file`] says whether a load would, too.
    #[must_use]
    pub fn running(&self) -> u32 {
        u32::try_from(lock(&self.runs).values().filter(|run| run.is_working()).count()).unwrap_or(u32::MAX)
    }

    /// Stops everything and keeps the intents, so that the next run can offer to go on.
    pub async fn shut_down(self: &Arc<Self>) {
        self.closing.store(true, Relaxed);
        self.stop_file_load().await;
        let ids: Vec<String> = lock(&self.runs).keys().cloned().collect();
        let close = |id: String| {
            let console = Arc::clone(self);
            async move {
                // What ends already is waited for, but not for ever: a replica that is deleted may take its time.
                let _changing = tokio::time::timeout(CLOSING, console.changing(&id)).await;
                console.halt(&id).await;
            }
        };
        // Side by side: a destination that is slow to drain holds up no other.
        ids.into_iter().map(close).collect::<JoinSet<()>>().join_all().await;
        self.end_verifications().await;
        if let Some(demo) = self.demo.lock().await.take() {
            demo.stop().await;
        }
    }

    pub(super) fn is_running(&self, id: &str) -> bool {
        lock(&self.runs).get(id).is_some_and(Run::is_working)
    }

    pub(super) async fn launch(self: &Arc<Self>, spec: ReplicaSpec, mode: StartMode) -> Result<(), ConsoleError> {
        let admission = match spec.id.as_str() {
            crate::demo::ID => None,
            id => Some(self.admit(&self.definition(id)?, &spec).await?),
        };
        self.begin(spec, mode, admission).await
    }

    /// Starts what was admitted, in the place of what runs of it. All that may fail comes before that is ended.
    pub(super) async fn begin(
        self: &Arc<Self>,
        spec: ReplicaSpec,
        mode: StartMode,
        mut admission: Option<Admission>,
    ) -> Result<(), ConsoleError> {
        let id = spec.id.clone();
        if let Some(admission) = &mut admission {
            spec.options.downstream.set(std::mem::take(&mut admission.fed));
        }
        self.intend(&id, if spec.options.paused { Intent::Paused } else { Intent::Running }).await?;
        lock(&self.offered).retain(|offered| *offered != id);
        let note = match mode {
            StartMode::Restart => "Restarted by the user: the destination is emptied and loaded again.",
            _ if spec.options.skip_failed => "Started by the user, behind the command that failed.",
            _ => "Started by the user.",
        };
        self.note(&id, note).await?;
        self.halt(&id).await;
        let names = spec.sources.iter().map(|source| (source.id.clone(), source.name.clone())).collect();
        let record = Recorder { store: Arc::clone(&self.store), tell: self.events.clone(), replica: id.clone(), names };
        let mut runs = lock(&self.runs);
        if self.closing.load(Relaxed) {
            return Err(ConsoleError::NotRunning("The app is being closed.".into()));
        }
        runs.insert(id, Run::start(spec, mode, |events| record.run(events)));
        Ok(())
    }

    /// Ends the engine's work on a replica and waits for it; says whether there was any.
    pub(super) async fn halt(&self, id: &str) -> bool {
        let ending = lock(&self.runs).get_mut(id).and_then(Run::end);
        match ending {
            Some(ending) => {
                ending.finish().await;
                true
            }
            None => false,
        }
    }

    /// The engine's view of a definition, with its passwords.
    pub(super) async fn spec(&self, definition: Definition) -> Result<ReplicaSpec, ConsoleError> {
        if definition.id == crate::demo::ID {
            let demo = self.demo.lock().await;
            return demo.as_ref().map(crate::demo::Demo::spec).ok_or(ConsoleError::NotFound);
        }
        let vault = Arc::clone(&self.vault);
        let quota = u64::from(definition.options.spool_quota_mb) << 20;
        let spec = blocking(move || definition.spec(|endpoint, field| drafting::kept_secrets(&vault, endpoint, field)))
            .await?;
        Ok(self.with_spool(spec, quota))
    }

    /// With a place for its spools, which may take so many bytes.
    fn with_spool(&self, mut spec: ReplicaSpec, quota: u64) -> ReplicaSpec {
        spec.options.spool = (quota > 0).then(|| engine::SpoolSpec { folder: self.spool.clone(), quota });
        spec
    }

    /// The same for a definition that is not kept yet.
    pub(super) async fn drafted_spec(&self, drafted: Drafted) -> Result<(Drafted, ReplicaSpec), ConsoleError> {
        let vault = Arc::clone(&self.vault);
        let quota = u64::from(drafted.definition.options.spool_quota_mb) << 20;
        let (drafted, spec) = blocking(move || {
            let spec = drafted.definition.spec(|endpoint, field| drafted.secrets(&vault, endpoint, field))?;
            Ok((drafted, spec))
        })
        .await?;
        Ok((drafted, self.with_spool(spec, quota)))
    }

    pub(super) async fn intend(&self, id: &str, intent: Intent) -> Result<(), ConsoleError> {
        let kept = id.to_owned();
        self.stored(move |store| store.save_intent(&kept, intent)).await?;
        if let Some(definition) = lock(&self.definitions).iter_mut().find(|definition| definition.id == id) {
            definition.intent = intent;
        }
        Ok(())
    }

    pub(super) async fn note(&self, id: &str, message: &str) -> Result<(), ConsoleError> {
        let event = NewEvent {
            replica_id: id.to_owned(),
            source: None,
            at: now_ms(),
            severity: Severity::Info,
            message: message.to_owned(),
            hint: None,
        };
        let event = self.stored(move |store| store.add_event(event)).await?;
        tell(&self.events, event);
        Ok(())
    }
}

/// Nobody listening is fine: the event is in the log.
pub(super) fn tell(events: &broadcast::Sender<EventView>, event: EventView) {
    if events.send(event).is_err() {
        tracing::trace!("no window listens");
    }
}

/// How to start without deleting what nobody confirmed; new sources join the others. Refused when the destination holds
/// data that is not this replica's. A destination that does not answer is no reason: the engine asks again itself, and
/// deletes nothing unasked.
async fn gentle_mode(spec: &ReplicaSpec) -> Result<StartMode, ConsoleError> {
    match engine::survey(spec).await {
        Ok(survey) if survey.joinable => Ok(StartMode::Join),
        Ok(survey) if !survey.ours && (survey.keys > 0 || survey.functions > 0) => {
            Err(ConsoleError::ConfirmationNeeded(spec.destination.address()))
        }
        Ok(_) | Err(_) => Ok(StartMode::Resume),
    }
}

/// Keeps the engine's events until the last one.
struct Recorder {
    store: Arc<Store>,
    tell: broadcast::Sender<EventView>,
    replica: String,
    names: std::collections::HashMap<String, String>,
}

impl Recorder {
    async fn run(self, mut events: broadcast::Receiver<EngineEvent>) {
        loop {
            match events.recv().await {
                Ok(event) => self.keep(event).await,
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, replica = self.replica, "events came faster than they could be kept");
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    async fn keep(&self, event: EngineEvent) {
        let named = |id: String| (id.clone(), self.names.get(&id).cloned().unwrap_or(id));
        let event = NewEvent {
            replica_id: self.replica.clone(),
            source: event.source.map(named),
            at: unix_ms(event.at),
            severity: view::severity(event.severity),
            message: event.message,
            hint: event.hint,
        };
        let store = Arc::clone(&self.store);
        match blocking(move || Ok(store.add_event(event)?)).await {
            Ok(event) => tell(&self.tell, event),
            Err(error) => tracing::error!(%error, "an event could not be kept"),
        }
    }
}
