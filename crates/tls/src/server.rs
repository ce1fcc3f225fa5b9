use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::identity::certified;
use crate::{ClientIdentity, TlsError, TlsVersion, pem};

/// How a listener speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Its certificate and key.
    pub identity: ClientIdentity,
    /// PEM file with the authorities of clients; with it, a client has to show a certificate of theirs.
    pub client_authorities: Option<PathBuf>,
    /// The oldest version that is spoken.
    pub oldest: TlsVersion,
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or does not hold what it should.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(default_provider());
        let key = certified(&self.identity, &provider)?;
        let clients: Arc<dyn ClientCertVerifier> = match &self.client_authorities {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(pem::certificates(path)?);
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|_| TlsError::NoCertificate(path.display().to_string()))?
            }
        };
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.oldest.and_later())
            .map_err(|error| TlsError::Other(error.to_string()))?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
