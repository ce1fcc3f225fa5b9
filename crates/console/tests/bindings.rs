//! The TypeScript in `ui/src/lib/api/generated` says what the Rust types say.
//! `TRIBUTARY_WRITE_BINDINGS=1 cargo test -p tributary-console --test bindings` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test helper that fails is a test that fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const REMEDY: &str = "run: TRIBUTARY_WRITE_BINDINGS=1 cargo test -p tributary-console --test bindings";

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/lib/api/generated")
}

fn read(dir: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| (name(&file), std::fs::read_to_string(&file).unwrap())).collect()
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn the_typescript_types_are_those_of_the_console() {
    let fresh = tempfile::tempdir().unwrap();
    tributary_console::dto::export_bindings(fresh.path()).unwrap();
    if std::env::var_os("TRIBUTARY_WRITE_BINDINGS").is_some() {
        std::fs::create_dir_all(committed()).unwrap();
        for stale in read(&committed()).keys() {
            std::fs::remove_file(committed().join(stale)).unwrap();
        }
        for (file, text) in read(fresh.path()) {
            std::fs::write(committed().join(file), text).unwrap();
        }
    }
    let (fresh, committed) = (read(fresh.path()), read(&committed()));
    for (file, text) in &fresh {
        assert_eq!(committed.get(file), Some(text), "{file} has drifted; {REMEDY}");
    }
    let stale: Vec<_> = committed.keys().filter(|file| !fresh.contains_key(*file)).collect();
    assert!(stale.is_empty(), "no type stands behind {stale:?}; {REMEDY}");
}
