//! Tributary's window.

// No console window beside it on Windows.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

fn main() -> ExitCode {
    match tributary_desktop::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Tributary could not open its window: {error}");
            ExitCode::FAILURE
        }
    }
}
