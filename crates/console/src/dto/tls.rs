use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::PasswordDraft;

/// How an endpoint is entered by TLS, as the form holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TlsDraft {
    /// Whose certificates are believed.
    pub trust: TrustChoice,
    /// The name that the certificate has to be for; none for the host.
    pub server_name: Option<String>,
    /// Who we are, for servers that want to know (mutual TLS).
    pub identity: Option<IdentityDraft>,
    /// The oldest version that is spoken.
    pub oldest: TlsOldest,
    /// Believe any certificate.
    pub insecure: bool,
}

/// The same as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TlsView {
    /// Whose certificates are believed.
    pub trust: TrustChoice,
    /// The name that the certificate has to be for; none for the host.
    pub server_name: Option<String>,
    /// Who we are, for servers that want to know (mutual TLS).
    pub identity: Option<IdentityView>,
    /// The oldest version that is spoken.
    pub oldest: TlsOldest,
    /// Believe any certificate.
    pub insecure: bool,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum TrustChoice {
    /// Those of the authorities that this machine trusts.
    #[default]
    System,
    /// Those of the authorities in a file.
    File {
        /// Its path.
        path: String,
    },
    /// Just this one: the server's own, or its authority's.
    Certificate {
        /// The certificate, as PEM.
        pem: String,
    },
}

/// A certificate of ours and its key, as the form holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IdentityDraft {
    /// Path of the certificate.
    pub certificate: String,
    /// Path of its key.
    pub key: String,
    /// What to do about the passphrase of the key.
    pub passphrase: PasswordDraft,
}

/// The same as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IdentityView {
    /// Path of the certificate.
    pub certificate: String,
    /// Path of its key.
    pub key: String,
    /// Whether a passphrase belongs to the key.
    pub has_passphrase: bool,
}

/// The oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
pub enum TlsOldest {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    /// Whom it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The host names and addresses that it is valid for.
    pub names: Vec<String>,
    /// Not valid before.
    pub not_before: u64,
    /// Not valid after.
    pub not_after: u64,
    /// SHA-256 of it, as pairs of hexadecimal digits with colons between.
    pub fingerprint: String,
    /// Whether it may sign others.
    pub authority: bool,
    /// The certificate itself, as PEM.
    pub pem: String,
}

/// What a server showed in its TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CertificatesReport {
    /// The version that was agreed on, as `TLS 1.3`; none when there was no agreement.
    pub version: Option<String>,
    /// The certificates, the server's own first; also when they were not believed.
    pub chain: Vec<CertificateView>,
    /// Why there is no link, if there is none.
    pub failure: Option<CertificatesFailure>,
}

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CertificatesFailure {
    /// What happened.
    pub message: String,
    /// What the user can do.
    pub hint: String,
}
