//! Who we say we are, and whether we were asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

use crate::{ClientIdentity, TlsError, pem};

/// Answers a server that wants our certificate, and remembers that it did.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Identity {
    pub(crate) fn new(identity: Option<&ClientIdentity>, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let key = identity.map(|identity| certified(identity, provider)).transpose()?.map(Arc::new);
        Ok(Self { key, asked: AtomicBool::new(false) })
    }

    /// The server wanted a certificate, and got none.
    pub(crate) fn wanting(&self) -> bool {
        self.key.is_none() && self.asked.load(Ordering::Relaxed)
    }
}

pub(crate) fn certified(identity: &ClientIdentity, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = pem::certificates(&identity.certificate)?;
    let key = pem::key(&identity.key, identity.passphrase.as_ref())?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::KeyMismatch {
            certificate: identity.certificate.display().to_string(),
            key: identity.key.display().to_string(),
        },
        _ => TlsError::NoKey(identity.key.display().to_string()),
    })
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}
