//! One process works with a folder at a time: two consoles would run the same replicas and overwrite each other's intents.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::StoreError;

const FILE: &str = "tributary.lock";
/// A console that is ending lets go within this time.
const PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// Waits for the lock of a folder; it is held as long as the file is open, and ends with the process however that ends.
pub(super) fn hold(folder: &Path) -> Result<File, StoreError> {
    let started = Instant::now();
    loop {
        match take(folder)? {
            Some(file) => return Ok(file),
            None if started.elapsed() < PATIENCE => std::thread::sleep(POLL),
            None => return Err(in_use(folder)),
        }
    }
}

/// Takes the lock of a folder when it is free.
pub(super) fn take(folder: &Path) -> Result<Option<File>, StoreError> {
    let path = folder.join(FILE);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    // Whom to look for, for the message that another process gives.
    file.set_len(0)?;
    write!(file, "{}", std::process::id())?;
    Ok(Some(file))
}

fn in_use(folder: &Path) -> StoreError {
    let by = std::fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    let known = !by.is_empty() && by.bytes().all(|byte| byte.is_ascii_digit());
    let by = if known { format!(" (process {by})") } else { String::new() };
    StoreError::InUse { folder: folder.display().to_string(), by }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_consoles_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let held = hold(folder.path()).unwrap();
        let refused = hold(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        drop(held);
        hold(folder.path()).unwrap();
    }
}
