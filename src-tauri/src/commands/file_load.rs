//! A dump file that is loaded once.

use tauri::{AppHandle, State, WebviewWindow};
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;
use tributary_console::Console;
use tributary_console::dto::{FileFacts, FileLoadDraft, FileLoadReview};

use super::{Answer, console};
use crate::app::App;

/// The desktop's own dialog, for one existing file. The page learns the path that was chosen and nothing else.
#[tauri::command]
pub(crate) async fn choose_file(handle: AppHandle, window: WebviewWindow) -> Answer<Option<String>> {
    let (tell, chosen) = oneshot::channel();
    handle.dialog().file().set_parent(&window).pick_file(move |file| {
        // A page that is gone wants no answer.
        let _ = tell.send(file);
    });
    let file = chosen.await.ok().flatten();
    Ok(file.and_then(|file| file.into_path().ok()).map(|path| path.display().to_string()))
}

#[tauri::command]
pub(crate) async fn inspect_file(path: String) -> Answer<FileFacts> {
    Ok(Console::inspect_file(&path).await?)
}

#[tauri::command]
pub(crate) async fn review_file_load(app: State<'_, App>, draft: FileLoadDraft) -> Answer<FileLoadReview> {
    Ok(console(&app)?.review_file_load(draft).await?)
}

#[tauri::command]
pub(crate) async fn start_file_load(app: State<'_, App>, draft: FileLoadDraft, confirm: Option<String>) -> Answer<()> {
    Ok(console(&app)?.start_file_load(draft, confirm.as_deref()).await?)
}

#[tauri::command]
pub(crate) async fn stop_file_load(app: State<'_, App>) -> Answer<()> {
    console(&app)?.stop_file_load().await;
    Ok(())
}

#[tauri::command]
pub(crate) async fn dismiss_file_load(app: State<'_, App>) -> Answer<()> {
    console(&app)?.dismiss_file_load();
    Ok(())
}
