use std::io;

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use crate::certificate::told;
use crate::{CertificateInfo, TlsOptions, Trust};

/// Why there is no encrypted link, as the end of a sentence. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read: its path and why.
    #[error("the file {0} cannot be read: {1}")]
    Unreadable(String, String),
    /// A file without a certificate.
    #[error("the file {0} holds no certificate in PEM form")]
    NoCertificate(String),
    /// A pasted text without a certificate.
    #[error("the pasted text is no certificate in PEM form")]
    BadPaste,
    /// A file without a key.
    #[error("the file {0} holds no private key that is understood")]
    NoKey(String),
    /// A key that is encrypted in the way of old OpenSSL.
    #[error("the key in {0} is encrypted in a form that is not understood")]
    OldKeyForm(String),
    /// An encrypted key, and no passphrase.
    #[error("the key in {0} is encrypted, and no passphrase is given")]
    PassphraseNeeded(String),
    /// An encrypted key that the passphrase does not open.
    #[error("the passphrase does not open the key in {0}")]
    PassphraseWrong(String),
    /// A certificate and the key of another.
    #[error("the key in {key} is not the one of the certificate in {certificate}")]
    KeyMismatch {
        /// The file of the certificate.
        certificate: String,
        /// The file of the key.
        key: String,
    },
    /// A machine that trusts nobody.
    #[error("this machine has no trusted certificate authorities")]
    NoAuthorities,
    /// A host that no certificate can name.
    #[error("“{0}” is no name that a certificate can hold")]
    BadName(String),
    /// The certificate's time is over.
    #[error("its certificate expired on {0}")]
    Expired(String),
    /// The certificate's time has not come.
    #[error("its certificate is not valid before {0}")]
    NotYetValid(String),
    /// The certificate is for others.
    #[error("its certificate is not for {expected}, but for {}", if found.is_empty() { "no name at all".to_owned() } else { found.join(", ") })]
    WrongName {
        /// The name that was looked for.
        expected: String,
        /// The names that the certificate is for.
        found: Vec<String>,
    },
    /// Nobody who is trusted has issued the certificate.
    #[error("its certificate was issued by “{issuer}”, which is not among {trusted}")]
    UnknownIssuer {
        /// The issuer's distinguished name.
        issuer: String,
        /// What is trusted.
        trusted: String,
    },
    /// The server wants to know who we are.
    #[error("it wants a client certificate, and none is given")]
    ClientCertificateRequired,
    /// The server does not believe who we are: its alert.
    #[error("it refuses our client certificate: {0}")]
    ClientCertificateRefused(String),
    /// No version of the protocol that both speak.
    #[error("it speaks no TLS of version {0} or later")]
    NoCommonVersion(&'static str),
    /// Not TLS at all.
    #[error("it does not speak TLS")]
    NotTls,
    /// The connection broke.
    #[error("the connection was closed during the TLS handshake ({0})")]
    Interrupted(String),
    /// Anything else that TLS reports.
    #[error("{0}")]
    Other(String),
}

impl TlsError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(..) => "Check the path, and that this user may read the file.",
            Self::NoCertificate(_) | Self::BadPaste => {
                "Give a certificate in PEM form: it begins with -----BEGIN CERTIFICATE-----."
            }
            Self::NoKey(_) => "Give a private key in PEM form: PKCS#8, PKCS#1 or SEC 1.",
            Self::OldKeyForm(_) => "Convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.key -out new.key.",
            Self::PassphraseNeeded(_) | Self::PassphraseWrong(_) => "Give the passphrase of the client key.",
            Self::KeyMismatch { .. } => "Choose the certificate and the key that were made together.",
            Self::NoAuthorities => "Install the package ca-certificates, or choose a CA file for this endpoint.",
            Self::BadName(_) => "Set the server name (SNI) of this endpoint to the name in its certificate.",
            Self::Expired(_) => "Renew the server's certificate. If it is valid there, set this machine's clock.",
            Self::NotYetValid(_) => {
                "Set the clocks of this machine and of the server, or look at the certificate's dates."
            }
            Self::WrongName { .. } => {
                "Connect by a name that the certificate is for, or set the server name (SNI) of this endpoint to it."
            }
            Self::UnknownIssuer { .. } => {
                "Choose the CA file of the server's authority, or look at the certificate and trust it by itself."
            }
            Self::ClientCertificateRequired => {
                "Choose a client certificate and its key for this endpoint (mutual TLS)."
            }
            Self::ClientCertificateRefused(_) => {
                "Choose a client certificate that is valid and issued by the authority that the server trusts (tls-ca-cert-file)."
            }
            Self::NoCommonVersion(_) => {
                "Lower the minimum TLS version of this endpoint, or enable the version at the server."
            }
            Self::NotTls => "Check the port: Redis serves TLS at tls-port. Or turn TLS off for this endpoint.",
            Self::Interrupted(_) => "Check that the port speaks TLS. Tributary keeps trying.",
            Self::Other(_) => "Check the certificate and the TLS settings of the server.",
        }
    }

    /// Whether another attempt may mend it.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Interrupted(_))
    }

    /// Reads what a handshake ended with.
    pub(crate) fn of_handshake(error: &io::Error, options: &TlsOptions, chain: &[CertificateDer<'_>]) -> Self {
        let Some(tls) = inner(error) else { return Self::Interrupted(error.to_string()) };
        match tls {
            rustls::Error::InvalidCertificate(problem) => of_certificate(problem, options, chain),
            rustls::Error::InvalidMessage(_) if chain.is_empty() => Self::NotTls,
            rustls::Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig)
            | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
                Self::NoCommonVersion(options.oldest.number())
            }
            rustls::Error::AlertReceived(alert) => of_alert(*alert),
            other => Self::Other(other.to_string()),
        }
    }

    /// Reads what a connection ended with after its handshake; `None` for what is not about TLS.
    pub(crate) fn of_stream(error: &io::Error) -> Option<Self> {
        Some(match inner(error)? {
            rustls::Error::AlertReceived(alert) => of_alert(*alert),
            other => Self::Other(other.to_string()),
        })
    }

    /// The TLS error that an error of a [`TlsStream`](crate::TlsStream) carries.
    #[must_use]
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

fn inner(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn of_certificate(problem: &CertificateError, options: &TlsOptions, chain: &[CertificateDer<'_>]) -> TlsError {
    let shown = chain.first().and_then(CertificateInfo::read);
    let at = |time: &rustls::pki_types::UnixTime| told(time.as_secs().try_into().unwrap_or(i64::MAX));
    match problem {
        CertificateError::ExpiredContext { not_after, .. } => TlsError::Expired(at(not_after)),
        CertificateError::NotValidYetContext { not_before, .. } => TlsError::NotYetValid(at(not_before)),
        CertificateError::NotValidForNameContext { expected, .. } => TlsError::WrongName {
            expected: expected.to_str().into_owned(),
            found: shown.map(|shown| shown.names).unwrap_or_default(),
        },
        // One that people sign themselves is no end of a chain for webpki unless it is trusted by itself.
        CertificateError::UnknownIssuer | CertificateError::Other(_) | CertificateError::BadSignature => {
            let last = chain.last().and_then(CertificateInfo::read).or(shown);
            let trusted = match &options.trust {
                Trust::System => "the authorities that this machine trusts".to_owned(),
                Trust::File(path) => format!("those in {}", path.display()),
                Trust::Certificate(_) => "what was pasted".to_owned(),
            };
            TlsError::UnknownIssuer { issuer: last.map(|last| last.issuer).unwrap_or_default(), trusted }
        }
        other => TlsError::Other(format!("its certificate is not valid: {other}")),
    }
}

fn of_alert(alert: AlertDescription) -> TlsError {
    let told = |text: &str| TlsError::ClientCertificateRefused(text.to_owned());
    match alert {
        AlertDescription::CertificateRequired => TlsError::ClientCertificateRequired,
        AlertDescription::CertificateExpired => told("it has expired"),
        AlertDescription::UnknownCA => told("its issuer is not trusted there"),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => told(&format!("{alert:?}")),
        other => TlsError::Other(format!("it ended the connection with the alert {other:?}")),
    }
}
