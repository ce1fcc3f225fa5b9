//! Verifies a server's certificate, and keeps it for a person to look at.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{TlsError, TlsOptions, Trust, pem};

#[derive(Debug)]
pub(crate) struct Verifier {
    /// By the authorities that are trusted; `None` believes anybody.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are believed when a server shows them as its own: an authority's rules do not fit those that people
    /// sign themselves.
    own: Vec<CertificateDer<'static>>,
    /// They are believed under any name.
    any_name: bool,
    provider: Arc<CryptoProvider>,
    /// What the server showed.
    chain: Mutex<Vec<CertificateDer<'static>>>,
}

impl Verifier {
    pub(crate) fn new(options: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let own = match &options.trust {
            Trust::System => Vec::new(),
            Trust::File(path) => pem::certificates(path)?,
            Trust::Certificate(text) => pem::parse(text.as_bytes()).ok_or(TlsError::BadPaste)?,
        };
        // A machine without authorities needs none either where anybody is believed.
        let authorities = match (options.insecure, own.is_empty()) {
            (true, _) => None,
            (false, true) => Some(by(system()?, provider)?),
            (false, false) => Some(by(store(&own)?, provider)?),
        };
        Ok(Self {
            authorities,
            own,
            any_name: matches!(options.trust, Trust::Certificate(_)),
            provider: provider.clone(),
            chain: Mutex::default(),
        })
    }

    /// What the server showed, its own certificate first.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn by(roots: Arc<RootCertStore>, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
    verifier.map_err(|error| TlsError::Other(error.to_string()))
}

/// The authorities that this machine trusts; read once, they do not change while we run.
fn system() -> Result<Arc<RootCertStore>, TlsError> {
    static STORE: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if store.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(store.clone()) }
}

fn store(certificates: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 { Err(TlsError::BadPaste) } else { Ok(Arc::new(roots)) }
}

/// Whether a certificate that is believed for itself is valid by its dates.
fn in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let moment =
        |seconds: i64| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds.max(0).unsigned_abs()));
    let validity = parsed.validity();
    let (not_before, not_after) = (moment(validity.not_before.timestamp()), moment(validity.not_after.timestamp()));
    if now > not_after {
        Err(CertificateError::ExpiredContext { time: now, not_after }.into())
    } else if now < not_before {
        Err(CertificateError::NotValidYetContext { time: now, not_before }.into())
    } else {
        Ok(())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = std::iter::once(end_entity).chain(intermediates).map(|one| one.clone().into_owned());
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = shown.collect();
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        if self.own.iter().any(|own| own.as_ref() == end_entity.as_ref()) {
            if !self.any_name {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            in_time(end_entity, now)?;
            return Ok(ServerCertVerified::assertion());
        }
        authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
