//! What the user chose.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::dto::Settings;

impl Store {
    /// What the user chose, or the defaults.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else.
    pub fn settings(&self) -> Result<Settings, StoreError> {
        let value: Option<String> = self
            .connection()
            .query_row("SELECT value FROM settings WHERE name = 'window'", [], |row| row.get(0))
            .optional()?;
        match value {
            None => Ok(Settings::default()),
            Some(text) => {
                serde_json::from_str(&text).map_err(|_| StoreError::Unknown { what: "settings", value: text })
            }
        }
    }

    /// Keeps what the user chose.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_settings(&self, settings: &Settings) -> Result<(), StoreError> {
        let text = serde_json::to_string(settings).map_err(std::io::Error::from)?;
        self.connection()
            .execute("INSERT OR REPLACE INTO settings (name, value) VALUES ('window', ?1)", params![text])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dto::{OnClose, Theme};

    #[test]
    fn settings_start_with_defaults_and_are_kept() {
        let store = Store::in_memory();
        assert_eq!(store.settings().unwrap(), Settings::default());
        let chosen = Settings { theme: Theme::Dark, on_close: OnClose::Tray, notifications: false };
        store.save_settings(&chosen).unwrap();
        assert_eq!(store.settings().unwrap(), chosen);
    }
}
