//! Why a use case was refused, and how a window hears of it.

use tributary_engine::{EndpointError, Failure, SpecError};

use crate::credentials::CredentialError;
use crate::declaration::DeclarationError;
use crate::demo::DemoError;
use crate::dto::ApiError;
use crate::store::StoreError;

/// Why a use case was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// A field of a form is wrong.
    #[error("{message}")]
    Invalid {
        /// The field, such as `sources[0].host`.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// Two definitions do not go together.
    #[error("{message}")]
    Refused {
        /// The engine's word for it: `cycle`, `same_database`.
        code: &'static str,
        /// The field.
        field: String,
        /// What is wrong.
        message: String,
        /// What the user can do.
        hint: &'static str,
    },
    /// No replica has this ID.
    #[error("This replica does not exist any more.")]
    NotFound,
    /// A password could not be kept or read.
    #[error("{error}.")]
    Credential {
        /// The field of the endpoint it belongs to.
        field: Option<String>,
        /// Why.
        error: CredentialError,
    },
    /// Starting would delete data that nobody has agreed to delete.
    #[error("{0} is not empty: starting deletes what it holds. Type the name of the replica to confirm.")]
    ConfirmationNeeded(String),
    /// Loading a file would delete data that nobody has agreed to delete.
    #[error("{0} is not empty: type its address to confirm that what it holds is deleted.")]
    FlushUnconfirmed(String),
    /// A dump file.
    #[error("{}", .0.message)]
    File(Failure),
    /// A file of definitions.
    #[error("{0}")]
    Declaration(#[from] DeclarationError),
    /// Definitions that would be taken in are there.
    #[error("There already: {0}.")]
    AlreadyThere(String),
    /// It runs.
    #[error("{0}")]
    AlreadyRunning(String),
    /// It does not run.
    #[error("{0}")]
    NotRunning(String),
    /// The console's own file.
    #[error("Tributary's own data could not be read or written: {0}.")]
    Store(#[from] StoreError),
    /// A server.
    #[error("{}", .0.message)]
    Engine(#[from] Failure),
    /// The demo.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A task of the console ended early.
    #[error("A part of Tributary stopped unexpectedly: {0}.")]
    Internal(String),
}

impl ConsoleError {
    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
    }

    /// The word by which it is told apart.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::Refused { code, .. } => code,
            Self::NotFound => "not_found",
            Self::Credential { error: CredentialError::Locked(_), .. } => "keyring_locked",
            Self::Credential { error: CredentialError::Unavailable(_), .. } => "keyring_unavailable",
            Self::Credential { .. } => "invalid",
            Self::ConfirmationNeeded(_) | Self::FlushUnconfirmed(_) => "confirmation_needed",
            Self::Declaration(_) => "invalid",
            Self::AlreadyThere(_) => "already_there",
            Self::File(failure) => failure.kind.code(),
            Self::AlreadyRunning(_) => "already_running",
            Self::NotRunning(_) => "not_running",
            Self::Store(_) => "storage",
            Self::Engine(failure) => failure.kind.code(),
            Self::Demo(_) => "demo_unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// What the user can do, where the message does not say it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => Some((*hint).to_owned()),
            Self::Credential { error, .. } => Some(error.hint().to_owned()),
            Self::Store(StoreError::InUse { .. }) => {
                Some("Close the other one, or give this one a data folder of its own.".into())
            }
            Self::AlreadyThere(_) => Some("Give them other names, or say that they are to be replaced.".into()),
            Self::Store(StoreError::TooNew { .. }) => Some("Install the latest version of Tributary.".into()),
            Self::Store(_) => Some("Check that the data folder exists, is writable and has free space.".into()),
            Self::Engine(failure) | Self::File(failure) => Some(failure.hint.clone()),
            Self::Demo(error) => Some(error.hint().to_owned()),
            Self::Internal(_) => Some("Please report it with what you did before.".into()),
            Self::Invalid { .. }
            | Self::Declaration(_)
            | Self::NotFound
            | Self::ConfirmationNeeded(_)
            | Self::FlushUnconfirmed(_)
            | Self::AlreadyRunning(_)
            | Self::NotRunning(_) => None,
        }
    }

    fn field(&self) -> Option<String> {
        match self {
            Self::Invalid { field, .. } | Self::Refused { field, .. } => Some(field.clone()),
            Self::Credential { field, .. } => field.clone(),
            Self::File(_) | Self::Declaration(_) => Some("path".into()),
            _ => None,
        }
    }
}

impl From<ConsoleError> for ApiError {
    fn from(error: ConsoleError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string(), hint: error.hint(), field: error.field() }
    }
}

impl From<SpecError> for ConsoleError {
    fn from(error: SpecError) -> Self {
        Self::Invalid { field: error.field, message: error.sentence }
    }
}

impl From<EndpointError> for ConsoleError {
    fn from(error: EndpointError) -> Self {
        Self::invalid("url", format!("{error}."))
    }
}
