//! The app's own log: `tributary.log` in the data folder. Nothing in it holds a secret: passwords are of a type that
//! prints as `<redacted>`.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

/// What to log, as in `TRIBUTARY_LOG=debug`.
const FILTER: &str = "TRIBUTARY_LOG";
/// A log beyond this size becomes `tributary.log.1` at the next start.
const LARGEST: u64 = 4 << 20;

/// Starts the log; without one the app runs all the same.
pub(crate) fn start(folder: &Path) {
    let file = match open(folder) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("Tributary runs without a log: {} cannot be written: {error}", folder.display());
            return;
        }
    };
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file));
    match log.try_init() {
        Ok(()) => tracing::info!(version = env!("CARGO_PKG_VERSION"), "Tributary starts"),
        Err(error) => eprintln!("Tributary runs without a log: {error}"),
    }
}

fn open(folder: &Path) -> io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("tributary.log");
    if path.metadata().is_ok_and(|file| file.len() > LARGEST) {
        std::fs::rename(&path, folder.join("tributary.log.1"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}
