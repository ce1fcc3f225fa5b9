use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What came of taking in definitions from a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Names of replicas that are new.
    pub added: Vec<String>,
    /// Names of replicas that were there and were changed.
    pub replaced: Vec<String>,
    /// Passwords that are not at hand, a sentence each.
    pub missing: Vec<String>,
}
