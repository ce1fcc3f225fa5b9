//! The log of a headless run: the events of the console, and every change of state.

use std::collections::HashMap;
use std::sync::Weak;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tributary_console::dto::{EventView, Severity};
use tributary_console::{Console, ReplicaState};
use tributary_engine::{Phase, SourceStatus, Status};

/// Logs events until the console is gone.
pub async fn events(mut events: Receiver<EventView>, console: Weak<Console>) {
    let mut names = HashMap::new();
    loop {
        match events.recv().await {
            Ok(event) => log(&event, &name_of(&event, &console, &mut names)),
            // They are in the database all the same.
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events came faster than they could be logged"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// The name of a replica, also of one that is stopped meanwhile.
fn name_of(event: &EventView, console: &Weak<Console>, names: &mut HashMap<String, String>) -> String {
    if let Some(console) = console.upgrade() {
        names.extend(console.states().into_iter().map(|state| (state.id, state.name)));
    }
    names.get(&event.replica_id).unwrap_or(&event.replica_id).clone()
}

fn log(event: &EventView, replica: &str) {
    let EventView { source_name: source, hint, message, .. } = event;
    // An absent value is left out.
    match event.severity {
        Severity::Info => tracing::info!(replica, source, hint, "{message}"),
        Severity::Warning => tracing::warn!(replica, source, hint, "{message}"),
        Severity::Error => tracing::error!(replica, source, hint, "{message}"),
    }
}

/// The state of each source when it was last logged.
#[derive(Debug, Default)]
pub struct Changes(HashMap<(String, String), (Status, Phase)>);

impl Changes {
    /// Logs what has changed since the last call.
    pub fn log(&mut self, states: &[ReplicaState]) {
        for state in states {
            let Some(status) = &state.status else { continue };
            for source in &status.sources {
                let now = (source.status, source.phase);
                let before = self.0.insert((state.id.clone(), source.id.clone()), now);
                if before != Some(now) {
                    changed(&state.name, source);
                }
            }
        }
    }
}

fn changed(replica: &str, source: &SourceStatus) {
    let (name, endpoint) = (&source.name, &source.endpoint);
    let (status, phase) = (source.status.code(), source.phase.code());
    let kind = source.failure.as_ref().map(|failure| failure.kind.code());
    match source.phase {
        Phase::Retrying => tracing::warn!(replica, source = name, endpoint, status, phase, kind, "state"),
        Phase::Stopped if kind.is_some() => {
            tracing::error!(replica, source = name, endpoint, status, phase, kind, "state");
        }
        _ => tracing::info!(replica, source = name, endpoint, status, phase, "state"),
    }
}
