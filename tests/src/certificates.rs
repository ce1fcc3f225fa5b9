//! Certificates for the tests: authorities, and those whom they sign for, as files.

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, CertifiedIssuer, DnType, IsCa, KeyPair};
pub use rcgen::{CertificateParams, date_time_ymd};
use tempfile::TempDir;

/// An authority, with a folder for the files of those whom it signs for.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority with this name.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let folder = tempfile::tempdir().expect("a folder for certificates");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("the authority's certificate");
        Self { issuer, folder }
    }

    /// The file with its own certificate.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for a host name or an address.
    #[must_use]
    pub fn signs(&self, name: &str) -> Signed {
        self.signs_as(name, |_| {})
    }

    /// The same, with something unusual about it.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn signs_as(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut params = params(name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        self.files(name, &certificate.pem(), &key)
    }

    /// A certificate that its owner has signed, as `openssl req -x509` makes them.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn self_signed(&self, name: &str) -> Signed {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        self.files(&format!("own-{name}"), &certificate.pem(), &key)
    }

    fn files(&self, name: &str, certificate: &str, key: &KeyPair) -> Signed {
        let path = |kind: &str| self.folder.path().join(format!("{name}.{kind}"));
        std::fs::write(path("pem"), certificate).expect("the certificate's file");
        std::fs::write(path("key"), key.serialize_pem()).expect("the key's file");
        Signed { certificate: path("pem"), key: path("key") }
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Encrypts a key with a passphrase, as administrators do: the file beside it.
///
/// # Panics
/// When openssl is not there.
#[must_use]
pub fn encrypted(key: &Path, passphrase: &str) -> PathBuf {
    let encrypted = key.with_extension("encrypted");
    let status = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", &format!("pass:{passphrase}"), "-in"])
        .arg(key)
        .arg("-out")
        .arg(&encrypted)
        .status();
    assert!(status.expect("openssl is there").success(), "openssl pkcs8");
    encrypted
}
