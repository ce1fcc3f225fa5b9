//! What a check says.

use crate::{Endpoint, Finding};

/// Whether what was found stands in the way of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

impl CheckVerdict {
    /// The name used in JSON and in the terminal.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fails => "fails",
            Self::Unknown => "unknown",
        }
    }
}

/// One line of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    /// Address of the endpoint that it is about.
    pub endpoint: String,
    /// ID of the source that it is about; `None` is the destination.
    pub source: Option<String>,
    /// What was looked at.
    pub what: &'static str,
    /// What was found.
    pub found: String,
    /// What that means for a sync.
    pub verdict: CheckVerdict,
    /// What the user can do, where there is something.
    pub todo: Option<String>,
}

/// A finding before it is known whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub what: &'static str,
    pub found: String,
    pub verdict: CheckVerdict,
    pub todo: Option<String>,
}

impl From<Found> for Finding {
    fn from(found: Found) -> Self {
        let Found { what, found, verdict, todo } = found;
        Self { what, found, verdict, todo }
    }
}

impl Found {
    pub(super) fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, found: found.into(), verdict: CheckVerdict::Ok, todo: None }
    }

    pub(super) fn warning(what: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { what, found: found.into(), verdict: CheckVerdict::Warning, todo: Some(todo.into()) }
    }

    pub(super) fn fails(what: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { what, found: found.into(), verdict: CheckVerdict::Fails, todo: Some(todo.into()) }
    }

    pub(super) fn unknown(what: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { what, found: found.into(), verdict: CheckVerdict::Unknown, todo: Some(todo.into()) }
    }

    /// The line about this endpoint.
    pub(super) fn about(self, endpoint: &Endpoint, source: Option<&str>) -> CheckLine {
        CheckLine {
            endpoint: endpoint.address(),
            source: source.map(str::to_owned),
            what: self.what,
            found: self.found,
            verdict: self.verdict,
            todo: self.todo,
        }
    }
}
