//! Whether the destination of a replica holds what its sources hold. How it is doing is in the live figures.

use std::path::{Path, PathBuf};

use tauri::{AppHandle, Manager, State};
use tributary_console::dto::{DifferenceKind, DifferencePage, ExportFormat, ExportedFile, VerifyOptions};

use super::{Answer, console};
use crate::app::App;

#[tauri::command]
pub(crate) async fn start_verify(app: State<'_, App>, id: String, options: VerifyOptions) -> Answer<u64> {
    Ok(console(&app)?.start_verify(&id, options).await?)
}

#[tauri::command]
pub(crate) async fn stop_verify(app: State<'_, App>, id: String) -> Answer<()> {
    Ok(console(&app)?.stop_verify(&id)?)
}

#[tauri::command]
pub(crate) async fn differences(
    app: State<'_, App>,
    id: String,
    kind: Option<DifferenceKind>,
    offset: u64,
    limit: u64,
) -> Answer<DifferencePage> {
    Ok(console(&app)?.differences(&id, kind, offset, limit)?)
}

#[tauri::command]
pub(crate) async fn export_path(
    handle: AppHandle,
    app: State<'_, App>,
    id: String,
    format: ExportFormat,
) -> Answer<String> {
    let path = console(&app)?.export_path(&id, format, &exports(&handle)).await?;
    Ok(path.display().to_string())
}

#[tauri::command]
pub(crate) async fn export_differences(
    app: State<'_, App>,
    id: String,
    format: ExportFormat,
    path: String,
) -> Answer<ExportedFile> {
    Ok(console(&app)?.export_differences(&id, format, Path::new(&path)).await?)
}

#[tauri::command]
pub(crate) async fn repair_differences(
    app: State<'_, App>,
    id: String,
    run: u64,
    chosen: Option<Vec<u32>>,
) -> Answer<()> {
    Ok(console(&app)?.repair_differences(&id, run, chosen).await?)
}

/// Where the user's files go: not every desktop says where downloads do.
fn exports(handle: &AppHandle) -> PathBuf {
    let folders = [handle.path().download_dir(), handle.path().document_dir(), handle.path().home_dir()];
    folders.into_iter().flatten().find(|folder| folder.is_dir()).unwrap_or_default()
}
