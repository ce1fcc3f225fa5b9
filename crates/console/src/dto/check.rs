use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One line of a replica's check, as it is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaCheckLine {
    /// `host:port[/db]` of the server that it is about.
    pub endpoint: String,
    /// ID of the source that it is about; `null` is the destination.
    pub source: Option<String>,
    /// What was looked at.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What that means for a sync.
    pub verdict: CheckVerdict,
    /// What the user can do.
    pub hint: Option<String>,
}

/// Whether what was found stands in the way of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// As it should be.
    Ok,
    /// A sync works; there is something to know.
    Warning,
    /// A sync does not start, or stops sooner or later.
    Fails,
    /// The server does not say.
    Unknown,
}
