use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::identity::Identity;
use crate::verifier::Verifier;
use crate::{CertificateInfo, TlsError, TlsOptions, TlsStream, pem};

/// Makes one encrypted connection.
///
/// Files are read for each, so that a renewed certificate is used from the next connection on.
#[derive(Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
    identity: Arc<Identity>,
    options: TlsOptions,
}

impl ClientTls {
    /// Reads what the options name.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should, or a passphrase is wrong.
    pub fn new(options: &TlsOptions) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let verifier = Arc::new(Verifier::new(options, &provider)?);
        let identity = Arc::new(Identity::new(options.identity.as_ref(), &provider)?);
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(options.oldest.and_later())
            .map_err(|error| TlsError::Other(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_client_cert_resolver(identity.clone());
        Ok(Self { config: Arc::new(config), verifier, identity, options: options.clone() })
    }

    /// Does the handshake over `io`, which is connected to `host`.
    ///
    /// # Errors
    /// What the handshake failed for. [`TlsError::Interrupted`] is the one that another attempt may mend.
    pub async fn connect<S>(&self, host: &str, io: S) -> Result<TlsStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.options.server_name.as_deref().unwrap_or(host);
        let server = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::BadName(name.to_owned()))?;
        match TlsConnector::from(self.config.clone()).connect(server, io).await {
            Ok(stream) => Ok(TlsStream::new(stream, self.identity.clone())),
            Err(_) if self.identity.wanting() => Err(TlsError::ClientCertificateRequired),
            Err(error) => Err(TlsError::of_handshake(&error, &self.options, &self.verifier.chain())),
        }
    }

    /// The certificates that the server showed, its own first; also when they were not believed.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateInfo> {
        self.verifier.chain().iter().filter_map(CertificateInfo::read).collect()
    }
}

impl TlsOptions {
    /// Whether the key of our certificate wants a passphrase.
    ///
    /// # Errors
    /// When the key's file cannot be read.
    pub fn wants_passphrase(&self) -> Result<bool, TlsError> {
        self.identity.as_ref().map_or(Ok(false), |identity| pem::is_encrypted(&identity.key))
    }
}

/// What a PEM text holds, for a person who pasted it.
///
/// # Errors
/// When there is no certificate in it.
pub fn read_certificates(text: &str) -> Result<Vec<CertificateInfo>, TlsError> {
    let all: Vec<CertificateDer<'_>> = pem::parse(text.as_bytes()).ok_or(TlsError::BadPaste)?;
    Ok(all.iter().filter_map(CertificateInfo::read).collect())
}
