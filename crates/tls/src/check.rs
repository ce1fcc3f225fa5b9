//! Looks at options before they are used, and says which part of them is wrong.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;

use crate::verifier::Verifier;
use crate::{ClientIdentity, TlsError, TlsOptions, identity, pem};

/// A part of [`TlsOptions`], as a form has fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsPart {
    /// Whose certificates are believed.
    Trust,
    /// The name that the certificate has to be for.
    ServerName,
    /// The file of our certificate.
    Certificate,
    /// The file of its key.
    Key,
    /// What the key is opened with.
    Passphrase,
}

/// What is wrong with options, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct TlsMistake {
    /// Where.
    pub part: TlsPart,
    /// What.
    pub error: TlsError,
}

impl TlsOptions {
    /// Reads all that the options name, without connecting to anything. Opening an encrypted key takes its time.
    ///
    /// # Errors
    /// The first part that cannot be used.
    pub fn check(&self) -> Result<(), TlsMistake> {
        let at = |part| move |error| TlsMistake { part, error };
        if let Some(name) = &self.server_name {
            check_name(name).map_err(at(TlsPart::ServerName))?;
        }
        Verifier::new(self, &Arc::new(default_provider())).map_err(at(TlsPart::Trust))?;
        self.identity.as_ref().map_or(Ok(()), check_identity)
    }
}

fn check_name(name: &str) -> Result<(), TlsError> {
    ServerName::try_from(name).map(drop).map_err(|_| TlsError::BadName(name.to_owned()))
}

fn check_identity(ours: &ClientIdentity) -> Result<(), TlsMistake> {
    let at = |part| move |error| TlsMistake { part, error };
    pem::certificates(&ours.certificate).map_err(at(TlsPart::Certificate))?;
    identity::certified(ours, &default_provider()).map(drop).map_err(|error| {
        let part = match error {
            TlsError::PassphraseNeeded(_) | TlsError::PassphraseWrong(_) => TlsPart::Passphrase,
            _ => TlsPart::Key,
        };
        at(part)(error)
    })
}
