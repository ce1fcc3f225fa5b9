//! Declares the app's own commands, so that only windows whose capability names them may call them.

const COMMANDS: &[&str] = &[
    "certificates",
    "choose_file",
    "close_decision",
    "create_replica",
    "delete_replica",
    "dismiss_file_load",
    "events",
    "get_settings",
    "history",
    "inspect_file",
    "parse_url",
    "read_certificates",
    "restart_replica",
    "pause_replica",
    "resume_replica",
    "stop_source",
    "start_source",
    "skip_failed",
    "resume_all",
    "check_draft",
    "check_replica",
    "review",
    "review_draft",
    "review_file_load",
    "save_settings",
    "start_demo",
    "start_file_load",
    "start_replica",
    "startup",
    "stop_demo",
    "stop_file_load",
    "stop_replica",
    "subscribe",
    "test_connection",
    "update_replica",
    "start_verify",
    "stop_verify",
    "differences",
    "export_path",
    "export_differences",
    "repair_differences",
    "export_definitions",
    "import_definitions",
];

fn main() {
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    let attributes = tauri_build::Attributes::new()
        .app_manifest(tauri_build::AppManifest::new().commands(COMMANDS))
        .capabilities_path_pattern("./src-tauri/capabilities/**/*");
    if let Err(error) = tauri_build::try_build(attributes) {
        println!("cargo:error={error:#}");
        std::process::exit(1);
    }
}
