//! The shell around the console: one window, a tray icon, notifications. It wires and decides nothing itself; what can
//! be asked for is in `tributary-console`, how a window asks is in [`commands`].

mod alerts;
mod app;
mod close;
mod commands;
mod log;
mod push;
mod tray;

use tauri::{Manager, RunEvent, WindowEvent};

use app::App;

/// Opens the window and runs until the app quits.
///
/// # Errors
/// When there is no display or the web view does not start.
pub fn run() -> tauri::Result<()> {
    let app = tauri::Builder::default()
        // First: a second start must end before it touches anything.
        .plugin(tauri_plugin_single_instance::init(|app, _, _| close::show(app)))
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_window_state::Builder::default().with_state_flags(remembered()).build())
        .invoke_handler(commands::handler())
        .setup(|app| {
            app.manage(App::open(app.handle())?);
            app.manage(push::Subscriptions::default());
            app.manage(tray::Tray::install(app.handle()));
            alerts::listen(app.handle());
            close::on_signals(app.handle());
            Ok(())
        })
        .on_window_event(|window, event| {
            if let WindowEvent::CloseRequested { api, .. } = event {
                api.prevent_close();
                close::requested(window.app_handle());
            }
        })
        .build(tauri::generate_context!())?;
    app.run(|_, event| {
        if let RunEvent::ExitRequested { code: None, api, .. } = event {
            // The last window is gone, not the app: `close` decides when that ends.
            api.prevent_exit();
        }
    });
    Ok(())
}

/// Place and size, but not whether it is visible: a window hidden in the tray opens when the app does.
fn remembered() -> tauri_plugin_window_state::StateFlags {
    use tauri_plugin_window_state::StateFlags;
    StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED | StateFlags::FULLSCREEN
}
