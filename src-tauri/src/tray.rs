//! The tray icon: show the window, or stop all and quit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tauri::AppHandle;
use tauri::menu::{Menu, MenuItem};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};

use crate::close;

const SHOW: &str = "show";
const QUIT: &str = "quit";

/// The tray icon, where the desktop has a place for one.
pub(crate) struct Tray(Option<TrayIcon>);

impl Tray {
    pub fn install(app: &AppHandle) -> Self {
        // On Linux a missing libayatana-appindicator3 is a panic in the library that loads it, not an error.
        match catch_unwind(AssertUnwindSafe(|| build(app))) {
            Ok(Ok(icon)) => Self(Some(icon)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "there is no tray icon");
                Self(None)
            }
            Err(_) => {
                tracing::warn!("there is no tray icon: install libayatana-appindicator3-1 to have one");
                Self(None)
            }
        }
    }

    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }
}

fn build(app: &AppHandle) -> tauri::Result<TrayIcon> {
    let show = MenuItem::with_id(app, SHOW, "Show Tributary", true, None::<&str>)?;
    let quit = MenuItem::with_id(app, QUIT, "Stop all and quit", true, None::<&str>)?;
    let menu = Menu::with_items(app, &[&show, &quit])?;
    let mut builder = TrayIconBuilder::with_id("tributary").tooltip("Tributary").menu(&menu);
    if let Some(icon) = app.default_window_icon() {
        builder = builder.icon(icon.clone());
    }
    builder
        .show_menu_on_left_click(false)
        .on_menu_event(|app, event| match event.id.as_ref() {
            SHOW => close::show(app),
            QUIT => {
                let app = app.clone();
                tauri::async_runtime::spawn(async move { close::quit(&app).await });
            }
            other => tracing::warn!(item = other, "the tray menu has an item that nobody knows"),
        })
        .on_tray_icon_event(|icon, event| {
            if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } = event {
                close::show(icon.app_handle());
            }
        })
        .build(app)
}
