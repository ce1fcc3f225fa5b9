use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Why a command was refused. Every command of the window rejects with this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ApiError {
    /// A word the window may act on: an engine error kind, or one of the console's own.
    pub code: String,
    /// What happened, in a sentence.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// The form field it belongs to, such as `sources[0].host`.
    pub field: Option<String>,
}
