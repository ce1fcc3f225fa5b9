use std::time::SystemTime;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// For the record.
    Info,
    /// Something the user may want to look at.
    Warning,
    /// Something that stopped a sync.
    Error,
}

/// A line of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// When it happened.
    pub at: SystemTime,
    /// The source it is about; `None` is the replica as a whole.
    pub source: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// What happened, in one sentence.
    pub message: String,
    /// What the user can do, where there is something.
    pub hint: Option<String>,
}
