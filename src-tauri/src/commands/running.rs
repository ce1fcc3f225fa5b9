//! Replicas as they run.

use tauri::State;
use tributary_console::dto::{EventView, ReplicaDefinition, Series, SeriesRange};

use super::{Answer, console};
use crate::app::App;

#[tauri::command]
pub(crate) async fn start_replica(app: State<'_, App>, id: String, confirm_name: Option<String>) -> Answer<()> {
    Ok(console(&app)?.start(&id, confirm_name.as_deref()).await?)
}

#[tauri::command]
pub(crate) async fn stop_replica(app: State<'_, App>, id: String) -> Answer<()> {
    Ok(console(&app)?.stop(&id).await?)
}

#[tauri::command]
pub(crate) async fn restart_replica(app: State<'_, App>, id: String, confirm_name: Option<String>) -> Answer<()> {
    Ok(console(&app)?.restart(&id, confirm_name.as_deref()).await?)
}

#[tauri::command]
pub(crate) async fn pause_replica(app: State<'_, App>, id: String) -> Answer<()> {
    Ok(console(&app)?.pause(&id).await?)
}

#[tauri::command]
pub(crate) async fn resume_replica(app: State<'_, App>, id: String) -> Answer<()> {
    Ok(console(&app)?.resume(&id).await?)
}

#[tauri::command]
pub(crate) async fn stop_source(app: State<'_, App>, id: String, source_id: String) -> Answer<()> {
    Ok(console(&app)?.stop_source(&id, &source_id).await?)
}

#[tauri::command]
pub(crate) async fn start_source(app: State<'_, App>, id: String, source_id: String) -> Answer<()> {
    Ok(console(&app)?.start_source(&id, &source_id).await?)
}

#[tauri::command]
pub(crate) async fn skip_failed(app: State<'_, App>, id: String) -> Answer<()> {
    Ok(console(&app)?.skip_failed(&id).await?)
}

#[tauri::command]
pub(crate) async fn resume_all(app: State<'_, App>, accept: bool) -> Answer<()> {
    Ok(console(&app)?.resume_all(accept).await?)
}

#[tauri::command]
pub(crate) async fn events(app: State<'_, App>, id: String, limit: u32) -> Answer<Vec<EventView>> {
    Ok(console(&app)?.events(id, limit).await?)
}

#[tauri::command]
pub(crate) async fn history(
    app: State<'_, App>,
    id: String,
    source_id: Option<String>,
    range: SeriesRange,
) -> Answer<Series> {
    Ok(console(&app)?.history(id, source_id, range).await?)
}

#[tauri::command]
pub(crate) async fn start_demo(app: State<'_, App>) -> Answer<ReplicaDefinition> {
    Ok(console(&app)?.start_demo().await?)
}

#[tauri::command]
pub(crate) async fn stop_demo(app: State<'_, App>) -> Answer<()> {
    Ok(console(&app)?.stop_demo().await?)
}
