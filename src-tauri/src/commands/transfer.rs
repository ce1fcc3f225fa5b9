//! Definitions carried to another console, as a file without secrets.

use std::path::PathBuf;

use tauri::{AppHandle, State, WebviewWindow};
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;
use tributary_console::dto::ImportReport;

use super::{Answer, console};
use crate::app::App;

/// What the dialog proposes.
const NAME: &str = "replicas.toml";

/// Asks for a name by the desktop's own dialog and writes the file. The page learns where it is; nothing when the user chose
/// none.
#[tauri::command]
pub(crate) async fn export_definitions(
    handle: AppHandle,
    window: WebviewWindow,
    app: State<'_, App>,
) -> Answer<Option<String>> {
    let (tell, chosen) = oneshot::channel();
    handle.dialog().file().set_parent(&window).set_file_name(NAME).save_file(move |file| {
        // A page that is gone wants no answer.
        let _ = tell.send(file);
    });
    let file = chosen.await.ok().flatten();
    let Some(path) = file.and_then(|file| file.into_path().ok()) else { return Ok(None) };
    console(&app)?.export_definitions(&path).await?;
    Ok(Some(path.display().to_string()))
}

#[tauri::command]
pub(crate) async fn import_definitions(app: State<'_, App>, path: PathBuf, replace: bool) -> Answer<ImportReport> {
    Ok(console(&app)?.import_definitions(&path, replace).await?)
}
