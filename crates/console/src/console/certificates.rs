//! Certificates shown to a person: those that a server has, and those in a pasted text.

use tributary_engine as engine;
use tributary_engine::Failure;

use super::Console;
use crate::drafting::tls::check_pem;
use crate::dto::{CertificateView, CertificatesFailure, CertificatesReport, EndpointDraft, EndpointRole};
use crate::error::ConsoleError;
use crate::tls::certificate;

impl Console {
    /// What the server of a form's endpoint shows in its TLS handshake, believed or not. Nothing else is said to it.
    ///
    /// # Errors
    /// When the form is wrong or a kept secret cannot be read. What the server does is in the report.
    pub async fn certificates(
        &self,
        draft: EndpointDraft,
        role: EndpointRole,
        replica: Option<String>,
        source: Option<String>,
    ) -> Result<CertificatesReport, ConsoleError> {
        let endpoint = self.formed(draft, role, replica, source).await?;
        let told = |failure: Failure| CertificatesFailure { message: failure.message, hint: failure.hint };
        Ok(match engine::certificates(&endpoint).await {
            Ok(shown) => CertificatesReport {
                version: shown.version.map(str::to_owned),
                chain: shown.chain.into_iter().map(certificate).collect(),
                failure: shown.failure.map(told),
            },
            Err(failure) => CertificatesReport { version: None, chain: Vec::new(), failure: Some(told(failure)) },
        })
    }

    /// What a pasted PEM text holds.
    ///
    /// # Errors
    /// When it is no certificate, or more than that.
    pub fn read_certificates(pem: &str) -> Result<Vec<CertificateView>, ConsoleError> {
        let refused = |message: String| ConsoleError::invalid("certificate", message);
        check_pem(pem).map_err(refused)?;
        let found = engine::read_certificates(pem).map_err(|error| refused(error.to_string()))?;
        Ok(found.into_iter().map(certificate).collect())
    }
}
