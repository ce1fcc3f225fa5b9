//! Where everything is that Tributary keeps.

use std::path::PathBuf;

/// Names another folder, for services, tests and portable installations.
const VARIABLE: &str = "TRIBUTARY_DATA_DIR";
/// The window's identifier, by which the desktop names its folder.
const IDENTIFIER: &str = "dev.tributary.desktop";

/// The folder that the environment names, or else the one that the window has on this desktop; none without a home.
#[must_use]
pub fn data_folder() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(dirs::data_dir()?.join(IDENTIFIER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_named_as_the_windows_is() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tauri.conf.json")).unwrap();
        let window: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(window["identifier"], IDENTIFIER);
    }
}
