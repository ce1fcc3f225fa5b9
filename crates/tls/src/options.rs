use std::path::PathBuf;

use crate::Secret;

/// How one endpoint is entered by TLS. The default trusts what this machine trusts, from TLS 1.2 up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// Whose certificates are believed.
    pub trust: Trust,
    /// The name that the certificate has to be for, and that is sent as SNI; `None` is the host that is connected to.
    pub server_name: Option<String>,
    /// Who we are, for servers that want to know (mutual TLS).
    pub identity: Option<ClientIdentity>,
    /// The oldest version that is spoken.
    pub oldest: TlsVersion,
    /// Believe any certificate. The link is encrypted then, and may end at anybody.
    pub insecure: bool,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// The authorities that this machine trusts.
    #[default]
    System,
    /// The authorities in a PEM file, and no others. A server's own certificate in it is believed for its names.
    File(PathBuf),
    /// Just this certificate, as PEM: the server's own, whatever name it has, or the authority that issued it.
    Certificate(String),
}

/// A certificate of ours and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// PEM file with our certificate, followed by those that lead to its authority.
    pub certificate: PathBuf,
    /// PEM file with its key: PKCS#8 (also encrypted), PKCS#1 or SEC 1.
    pub key: PathBuf,
    /// What an encrypted key is opened with.
    pub passphrase: Option<Secret>,
}

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl TlsVersion {
    /// `1.2` or `1.3`, as options write it.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }

    /// Reads what [`Self::number`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Tls12, Self::Tls13].into_iter().find(|version| version.number() == text)
    }

    /// This version and later ones.
    pub(crate) fn and_later(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        const ONLY_13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
        match self {
            Self::Tls12 => rustls::ALL_VERSIONS,
            Self::Tls13 => ONLY_13,
        }
    }
}
