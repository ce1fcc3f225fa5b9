//! Closing the window, showing it again, and quitting.

use std::time::Duration;

use tauri::{AppHandle, Emitter, Manager, WebviewWindow};
use tributary_console::dto::{CloseDecision, CloseRequest, OnClose};

use crate::app::App;
use crate::tray::Tray;

const WINDOW: &str = "main";
const CLOSE_REQUESTED: &str = "close-requested";
/// A destination that does not answer must not keep the app open for ever: the checkpoint makes a cut safe.
const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

/// The user closed the window.
pub(crate) fn requested(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let console = app.state::<App>().console().cloned();
        let (running, loading) = console.map_or((0, false), |c| (c.running(), c.is_loading_file()));
        if running == 0 && !loading {
            return quit(&app).await;
        }
        match on_close(&app).await {
            OnClose::Ask => ask(&app, CloseRequest { running, loading }),
            OnClose::Tray => hide(&app),
            OnClose::Stop => quit(&app).await,
        }
    });
}

/// The user answered.
pub(crate) async fn decided(app: &AppHandle, decision: CloseDecision) {
    match decision {
        CloseDecision::Cancel => {}
        CloseDecision::Tray => hide(app),
        CloseDecision::Stop => quit(app).await,
    }
}

/// Stops all replicas and ends the app.
pub(crate) async fn quit(app: &AppHandle) {
    if let Some(window) = window(app) {
        tell(window.hide());
    }
    if let Ok(console) = app.state::<App>().console()
        && tokio::time::timeout(DRAIN_DEADLINE, console.shut_down()).await.is_err()
    {
        tracing::warn!("a replica took too long to drain; it goes on from its checkpoint at the next start");
    }
    app.exit(0);
}

/// Brings the window back.
pub(crate) fn show(app: &AppHandle) {
    if let Some(window) = window(app) {
        tell(window.show());
        tell(window.unminimize());
        tell(window.set_focus());
    }
}

/// Quits on SIGTERM and SIGINT as the menu does.
pub(crate) fn on_signals(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        match signalled().await {
            Ok(()) => quit(&app).await,
            Err(error) => tracing::warn!(%error, "signals are not heard"),
        }
    });
}

#[cfg(unix)]
async fn signalled() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

#[cfg(not(unix))]
async fn signalled() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

async fn on_close(app: &AppHandle) -> OnClose {
    match app.state::<App>().console() {
        Ok(console) => console.settings().await.map_or(OnClose::Ask, |settings| settings.on_close),
        Err(_) => OnClose::Stop,
    }
}

fn ask(app: &AppHandle, request: CloseRequest) {
    // It may have been closed from the task bar while minimized.
    show(app);
    tell(app.emit_to(WINDOW, CLOSE_REQUESTED, request));
}

/// Without a tray icon the window is minimized: hidden, there would be no way back to it.
fn hide(app: &AppHandle) {
    let Some(window) = window(app) else { return };
    tell(if app.state::<Tray>().is_there() { window.hide() } else { window.minimize() });
}

fn window(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(WINDOW)
}

fn tell(done: tauri::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(%error, "the window did not follow");
    }
}
