//! A desktop notification when a sync stops by itself.

use std::sync::Arc;

use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;
use tokio::sync::broadcast::error::RecvError;
use tributary_console::{Alert, Console};

use crate::app::App;

pub(crate) fn listen(app: &AppHandle) {
    let Ok(console) = app.state::<App>().console().cloned() else { return };
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let mut alerts = console.alerts();
        loop {
            match alerts.recv().await {
                Ok(alert) => tell(&app, &console, &alert).await,
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "notifications were left out"),
                Err(RecvError::Closed) => return,
            }
        }
    });
}

async fn tell(app: &AppHandle, console: &Arc<Console>, alert: &Alert) {
    if !console.settings().await.is_ok_and(|settings| settings.notifications) {
        return;
    }
    let title = format!("{}: sync of {} stopped", alert.replica, alert.source);
    let body = format!("{}\n{}", alert.message, alert.hint);
    if let Err(error) = app.notification().builder().title(title).body(body).show() {
        tracing::warn!(%error, "a notification could not be shown");
    }
}
