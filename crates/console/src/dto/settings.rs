use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::ReplicaDefinition;

/// What the user wants of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Set by Start and Restart. Survives closing the app.
    Running,
    /// Set by Pause. Survives closing the app.
    Paused,
    /// Set by Stop.
    Stopped,
}

/// What the user chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Colours.
    pub theme: Theme,
    /// What closing the window means while a replica runs.
    pub on_close: OnClose,
    /// Whether a desktop notification tells that a sync stopped.
    pub notifications: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { theme: Theme::System, on_close: OnClose::Ask, notifications: true }
    }
}

/// Colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the desktop has it.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// What closing the window means while a replica runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum OnClose {
    /// Ask.
    Ask,
    /// Keep running in the tray.
    Tray,
    /// Stop and quit.
    Stop,
}

/// The answer to the question that closing asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CloseDecision {
    /// Keep running in the tray.
    Tray,
    /// Stop and quit.
    Stop,
    /// Leave the window open.
    Cancel,
}

/// The window was asked to close while replicas run (event `close-requested`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CloseRequest {
    /// How many replicas run.
    pub running: u32,
    /// Whether a dump file is being loaded.
    pub loading: bool,
}

/// What a window needs to draw its first picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StartupState {
    /// What the user chose.
    pub settings: Settings,
    /// Every replica.
    pub definitions: Vec<ReplicaDefinition>,
    /// Those that ran when the app was closed.
    pub resumable: Vec<String>,
    /// Whether passwords can be kept.
    pub keyring: KeyringState,
    /// Whether the demo can run here.
    pub demo_available: bool,
    /// Why not.
    pub demo_problem: Option<String>,
    /// Tributary's version.
    pub version: String,
}

/// Whether passwords can be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct KeyringState {
    /// The keyring can be used.
    pub ok: bool,
    /// Why not.
    pub message: Option<String>,
    /// What to install or do.
    pub hint: Option<String>,
}
