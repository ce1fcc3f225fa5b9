//! What the window may ask for. Each command is one line of wiring to the console; each rejects with `ApiError`.

mod app;
mod file_load;
mod replicas;
mod running;
mod transfer;
mod verify;

use std::sync::Arc;

use tauri::State;
use tauri::ipc::Invoke;
use tributary_console::Console;
use tributary_console::dto::ApiError;

use crate::app::App;

type Answer<T> = Result<T, ApiError>;

/// All commands. A new one is declared in `build.rs` and in the capability as well.
pub(crate) fn handler() -> impl Fn(Invoke) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        app::close_decision,
        app::get_settings,
        app::save_settings,
        app::startup,
        app::subscribe,
        file_load::choose_file,
        file_load::dismiss_file_load,
        file_load::inspect_file,
        file_load::review_file_load,
        file_load::start_file_load,
        file_load::stop_file_load,
        replicas::certificates,
        replicas::create_replica,
        replicas::delete_replica,
        replicas::parse_url,
        replicas::read_certificates,
        replicas::review,
        replicas::review_draft,
        replicas::test_connection,
        replicas::update_replica,
        running::events,
        running::history,
        running::restart_replica,
        running::pause_replica,
        running::resume_replica,
        running::stop_source,
        running::start_source,
        running::skip_failed,
        running::resume_all,
        replicas::check_draft,
        replicas::check_replica,
        running::start_demo,
        running::start_replica,
        running::stop_demo,
        running::stop_replica,
        transfer::export_definitions,
        transfer::import_definitions,
        verify::start_verify,
        verify::stop_verify,
        verify::differences,
        verify::export_path,
        verify::export_differences,
        verify::repair_differences,
    ]
}

/// The console, held on to for the length of a command.
fn console(app: &State<'_, App>) -> Answer<Arc<Console>> {
    app.console().cloned()
}
