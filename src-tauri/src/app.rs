//! What every command works on.

use std::path::PathBuf;
use std::sync::Arc;

use tauri::{AppHandle, Manager};
use tributary_console::credentials::SystemKeyring;
use tributary_console::dto::ApiError;
use tributary_console::{Console, ConsoleError};

/// Another folder for everything Tributary keeps, for tests and portable installations.
const DATA_DIR: &str = "TRIBUTARY_DATA_DIR";

/// The console, or why it could not be opened: the window opens all the same and says so.
pub(crate) struct App {
    console: Result<Arc<Console>, ApiError>,
}

impl App {
    pub fn open(app: &AppHandle) -> tauri::Result<Self> {
        let folder = match std::env::var_os(DATA_DIR) {
            Some(folder) => PathBuf::from(folder),
            None => app.path().app_data_dir()?,
        };
        crate::log::start(&folder);
        let opened = tauri::async_runtime::block_on(Console::open(&folder, Box::new(SystemKeyring)));
        if let Err(error) = &opened {
            tracing::error!(%error, folder = %folder.display(), "the console could not be opened");
        }
        Ok(Self { console: opened.map_err(ConsoleError::into) })
    }

    pub fn console(&self) -> Result<&Arc<Console>, ApiError> {
        self.console.as_ref().map_err(Clone::clone)
    }
}
