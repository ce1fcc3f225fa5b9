//! The app itself: its first picture, its settings, its end.

use tauri::ipc::Channel;
use tauri::{AppHandle, State, WebviewWindow};
use tributary_console::dto::{CloseDecision, LiveBatch, OnClose, Settings, StartupState};

use super::{Answer, console};
use crate::app::App;
use crate::close;
use crate::push::Subscriptions;

#[tauri::command]
pub(crate) async fn startup(app: State<'_, App>) -> Answer<StartupState> {
    Ok(console(&app)?.startup().await?)
}

#[tauri::command]
pub(crate) async fn subscribe(
    app: State<'_, App>,
    subscriptions: State<'_, Subscriptions>,
    window: WebviewWindow,
    channel: Channel<LiveBatch>,
) -> Answer<()> {
    subscriptions.begin(window.label(), &console(&app)?, channel);
    Ok(())
}

#[tauri::command]
pub(crate) async fn get_settings(app: State<'_, App>) -> Answer<Settings> {
    Ok(console(&app)?.settings().await?)
}

#[tauri::command]
pub(crate) async fn save_settings(app: State<'_, App>, settings: Settings) -> Answer<()> {
    Ok(console(&app)?.save_settings(settings).await?)
}

#[tauri::command]
pub(crate) async fn close_decision(
    handle: AppHandle,
    app: State<'_, App>,
    decision: CloseDecision,
    remember: bool,
) -> Answer<()> {
    let on_close = match decision {
        CloseDecision::Tray => Some(OnClose::Tray),
        CloseDecision::Stop => Some(OnClose::Stop),
        CloseDecision::Cancel => None,
    };
    if let (true, Some(on_close)) = (remember, on_close) {
        let console = console(&app)?;
        let settings = Settings { on_close, ..console.settings().await? };
        console.save_settings(settings).await?;
    }
    close::decided(&handle, decision).await;
    Ok(())
}
