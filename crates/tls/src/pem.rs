//! Certificates and keys in PEM form (RFC 7468).

use std::path::Path;

use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{Secret, TlsError};

/// A certificate or a key file is not larger, in bytes; a bundle of all public authorities is about 250 KiB.
const LARGEST: u64 = 4 << 20;

/// The certificates in a file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    parse(&read(path)?).ok_or_else(|| TlsError::NoCertificate(path.display().to_string()))
}

/// The certificates in a text; `None` when there are none or one is damaged.
pub(crate) fn parse(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().ok()?;
    Some(all).filter(|all| !all.is_empty())
}

/// The key in a file, decrypted if need be.
pub(crate) fn key(path: &Path, passphrase: Option<&Secret>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    let name = || path.display().to_string();
    // `openssl rsa -aes256 -traditional` writes keys that only OpenSSL reads.
    if text.windows(b"Proc-Type: 4,ENCRYPTED".len()).any(|part| part == b"Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::OldKeyForm(name()));
    }
    if let Ok(key) = PrivateKeyDer::from_pem_slice(&text) {
        return Ok(key);
    }
    let encrypted = encrypted(&text).ok_or_else(|| TlsError::NoKey(name()))?;
    let passphrase = passphrase.ok_or_else(|| TlsError::PassphraseNeeded(name()))?;
    let info = EncryptedPrivateKeyInfoRef::try_from(encrypted.as_slice()).map_err(|_| TlsError::OldKeyForm(name()))?;
    let plain = info.decrypt(passphrase.expose()).map_err(|_| TlsError::PassphraseWrong(name()))?;
    Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into())
}

/// Whether a key file wants a passphrase.
pub(crate) fn is_encrypted(path: &Path) -> Result<bool, TlsError> {
    Ok(encrypted(&read(path)?).is_some())
}

/// The encrypted PKCS#8 key in a text.
fn encrypted(text: &[u8]) -> Option<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    // The reader of rustls knows no such section, but reads any that has a name it knows.
    let text = std::str::from_utf8(text).ok()?;
    let from = text.find(BEGIN)?;
    let plain = text.get(from..)?.replace("ENCRYPTED PRIVATE KEY", "PRIVATE KEY");
    let (kind, der) = <(SectionKind, Vec<u8>)>::from_pem_slice(plain.as_bytes()).ok()?;
    (kind == SectionKind::PrivateKey).then_some(der)
}

/// A certificate as PEM.
pub(crate) fn write(der: &CertificateDer<'_>) -> String {
    use pkcs8::der::pem::{LineEnding, encode_string};
    // It fails for labels that are no labels, and for texts beyond what memory can hold.
    encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error: std::io::Error| TlsError::Unreadable(path.display().to_string(), error.to_string());
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > LARGEST {
        return Err(TlsError::Unreadable(path.display().to_string(), format!("it has {length} bytes")));
    }
    std::fs::read(path).map_err(failed)
}
