//! How an endpoint is entered by TLS, as it is kept. The passphrase of a key is in the keyring, like a password.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tributary_engine::{CertificateInfo, ClientIdentity, Secret, TlsOptions, TlsVersion, Trust};

use crate::definition::Credential;
use crate::dto::{CertificateView, IdentityView, TlsOldest, TlsView, TrustChoice};
use crate::time::unix_ms;

/// TLS of one endpoint, as it is kept. The default trusts what this machine trusts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoredTls {
    /// Whose certificates are believed.
    pub trust: TrustChoice,
    /// The name that the certificate has to be for; none for the host.
    pub server_name: Option<String>,
    /// Who we are, for servers that want to know.
    pub identity: Option<StoredIdentity>,
    /// The oldest version that is spoken.
    pub oldest: TlsOldest,
    /// Believe any certificate.
    pub insecure: bool,
}

/// A certificate of ours and its key, as they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredIdentity {
    /// Path of the certificate.
    pub certificate: String,
    /// Path of its key.
    pub key: String,
    /// Where the key's passphrase is; none when it has none.
    pub passphrase: Option<Credential>,
}

impl StoredTls {
    /// The engine's options, with the `passphrase` of the key.
    #[must_use]
    pub fn options(&self, passphrase: Option<Secret>) -> TlsOptions {
        TlsOptions {
            trust: match &self.trust {
                TrustChoice::System => Trust::System,
                TrustChoice::File { path } => Trust::File(PathBuf::from(path)),
                TrustChoice::Certificate { pem } => Trust::Certificate(pem.clone()),
            },
            server_name: self.server_name.clone(),
            identity: self.identity.as_ref().map(|identity| ClientIdentity {
                certificate: PathBuf::from(&identity.certificate),
                key: PathBuf::from(&identity.key),
                passphrase,
            }),
            oldest: match self.oldest {
                TlsOldest::Tls12 => TlsVersion::Tls12,
                TlsOldest::Tls13 => TlsVersion::Tls13,
            },
            insecure: self.insecure,
        }
    }

    /// As a window may see it.
    #[must_use]
    pub fn view(&self) -> TlsView {
        TlsView {
            trust: self.trust.clone(),
            server_name: self.server_name.clone(),
            identity: self.identity.as_ref().map(|identity| IdentityView {
                certificate: identity.certificate.clone(),
                key: identity.key.clone(),
                has_passphrase: identity.passphrase.is_some(),
            }),
            oldest: self.oldest,
            insecure: self.insecure,
        }
    }

    /// Where the passphrase of the key is.
    #[must_use]
    pub fn passphrase(&self) -> Option<&Credential> {
        self.identity.as_ref()?.passphrase.as_ref()
    }
}

/// Without the passphrase, which is not where options are kept.
impl From<&TlsOptions> for StoredTls {
    fn from(options: &TlsOptions) -> Self {
        Self {
            trust: match &options.trust {
                Trust::System => TrustChoice::System,
                Trust::File(path) => TrustChoice::File { path: path.display().to_string() },
                Trust::Certificate(pem) => TrustChoice::Certificate { pem: pem.clone() },
            },
            server_name: options.server_name.clone(),
            identity: options.identity.as_ref().map(|identity| StoredIdentity {
                certificate: identity.certificate.display().to_string(),
                key: identity.key.display().to_string(),
                passphrase: None,
            }),
            oldest: match options.oldest {
                TlsVersion::Tls12 => TlsOldest::Tls12,
                TlsVersion::Tls13 => TlsOldest::Tls13,
            },
            insecure: options.insecure,
        }
    }
}

/// A certificate as a window shows it.
pub(crate) fn certificate(info: CertificateInfo) -> CertificateView {
    CertificateView {
        subject: info.subject,
        issuer: info.issuer,
        names: info.names,
        not_before: unix_ms(info.not_before),
        not_after: unix_ms(info.not_after),
        fingerprint: info.fingerprint,
        authority: info.authority,
        pem: info.pem,
    }
}
