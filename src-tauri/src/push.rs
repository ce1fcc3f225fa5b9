//! The live figures: one batch at a time through one channel for each window.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use tokio::sync::broadcast::error::TryRecvError;
use tributary_console::Console;
use tributary_console::dto::LiveBatch;

/// The push of each window, by its label.
#[derive(Default)]
pub(crate) struct Subscriptions(Mutex<HashMap<String, JoinHandle<()>>>);

impl Subscriptions {
    /// Pushes to `channel` from now on. A page that was loaded again takes the place of the one before.
    pub fn begin(&self, window: &str, console: &Arc<Console>, channel: Channel<LiveBatch>) {
        let push = tauri::async_runtime::spawn(push(Arc::clone(console), channel));
        let mut pushes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = pushes.insert(window.to_owned(), push) {
            before.abort();
        }
    }
}

async fn push(console: Arc<Console>, channel: Channel<LiveBatch>) {
    let (mut live, file_load, mut events) = (console.live(), console.live_file_load(), console.new_events());
    // Held no longer: a window must not keep the console alive.
    drop(console);
    live.mark_changed();
    while live.changed().await.is_ok() {
        let replicas = live.borrow_and_update().as_ref().clone();
        let file_load = file_load.borrow().clone();
        let mut batch = LiveBatch { at: now_ms(), replicas, file_load, events: Vec::new() };
        loop {
            match events.try_recv() {
                Ok(event) => batch.events.push(event),
                // What was missed is in the log, where the window reads it when it opens the replica's page.
                Err(TryRecvError::Lagged(missed)) => tracing::debug!(missed, "a window fell behind the events"),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if let Err(error) = channel.send(batch) {
            tracing::debug!(%error, "a window is gone");
            return;
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
