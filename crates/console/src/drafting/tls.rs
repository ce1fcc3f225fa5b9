//! TLS and compression of a form's endpoint: what can be said without a file, and what only the files say.

use tributary_engine::{Secret, TlsError, TlsMistake, TlsPart, read_certificates};

use crate::credentials::CredentialError;
use crate::definition::{Credential, StoredEndpoint};
use crate::dto::{EndpointDraft, EndpointRole, IdentityDraft, TlsDraft, TrustChoice};
use crate::error::ConsoleError;
use crate::tls::{StoredIdentity, StoredTls};

/// A whole chain has a few KB. Larger ones are bundles of authorities, which stay files.
const LONGEST_PASTE: usize = 64 << 10;

/// TLS of a form without the passphrase; no file is read.
pub(super) fn stored(draft: &TlsDraft, field: &str) -> Result<StoredTls, ConsoleError> {
    let trust = match &draft.trust {
        TrustChoice::System => TrustChoice::System,
        TrustChoice::File { path } => {
            let missing = "Choose the file of the authority's certificate.";
            TrustChoice::File { path: whole_path(path, &format!("{field}.tls.path"), missing)? }
        }
        TrustChoice::Certificate { pem } => {
            check_pem(pem).map_err(|message| ConsoleError::invalid(format!("{field}.tls.pem"), message))?;
            TrustChoice::Certificate { pem: pem.clone() }
        }
    };
    let server_name = draft.server_name.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    let identity = draft.identity.as_ref().map(|identity| stored_identity(identity, field)).transpose()?;
    Ok(StoredTls { trust, server_name, identity, oldest: draft.oldest, insecure: draft.insecure })
}

fn stored_identity(draft: &IdentityDraft, field: &str) -> Result<StoredIdentity, ConsoleError> {
    let place = |part: &str| format!("{field}.tls.identity.{part}");
    let certificate =
        whole_path(&draft.certificate, &place("certificate"), "Choose the certificate that belongs to the key.")?;
    let key = whole_path(&draft.key, &place("key"), "Choose the key that belongs to the certificate.")?;
    Ok(StoredIdentity { certificate, key, passphrase: None })
}

/// A path means the same wherever Tributary is started from.
fn whole_path(path: &str, field: &str, missing: &str) -> Result<String, ConsoleError> {
    let path = path.trim();
    if path.is_empty() {
        return Err(ConsoleError::invalid(field, missing));
    }
    if !std::path::Path::new(path).is_absolute() {
        return Err(ConsoleError::invalid(field, "Enter the whole path, from / on; ~ is not understood here."));
    }
    Ok(path.to_owned())
}

/// Whether a pasted text may be kept: a certificate, and nothing secret.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub(crate) fn check_pem(pem: &str) -> Result<(), String> {
    if pem.len() > LONGEST_PASTE {
        return Err("This is longer than a certificate and its chain: choose a file instead.".to_owned());
    }
    if pem.contains("PRIVATE KEY") {
        return Err("The text holds a private key: paste only the certificate.".to_owned());
    }
    match read_certificates(pem) {
        Ok(found) if !found.is_empty() => Ok(()),
        Ok(_) => Err(sentence(&TlsError::BadPaste)),
        Err(error) => Err(sentence(&error)),
    }
}

/// Whether an endpoint of this role may be compressed.
pub(super) fn check_compression(draft: &EndpointDraft, role: EndpointRole, field: &str) -> Result<(), ConsoleError> {
    if draft.compression && role == EndpointRole::Destination {
        let message = "Compression is for sources: the relay stands beside the server that is copied from.";
        return Err(ConsoleError::invalid(format!("{field}.compression"), message));
    }
    Ok(())
}

/// Reads the files that an endpoint names, as a connection would. When a kept `passphrase` cannot be had for now, its key is
/// not opened.
pub(super) fn check_files(
    endpoint: &StoredEndpoint,
    field: &str,
    passphrase: impl FnOnce(&Credential) -> Result<Secret, CredentialError>,
) -> Result<(), ConsoleError> {
    let Some(tls) = &endpoint.tls else { return Ok(()) };
    let options = match tls.passphrase().map(passphrase).transpose() {
        Ok(passphrase) => tls.options(passphrase),
        Err(_) => StoredTls { identity: None, ..tls.clone() }.options(None),
    };
    options.check().map_err(|mistake| refusal(&mistake, tls, field))
}

fn refusal(mistake: &TlsMistake, tls: &StoredTls, field: &str) -> ConsoleError {
    let part = match mistake.part {
        TlsPart::Trust if matches!(tls.trust, TrustChoice::Certificate { .. }) => "pem",
        TlsPart::Trust => "path",
        TlsPart::ServerName => "serverName",
        TlsPart::Certificate => "identity.certificate",
        TlsPart::Key => "identity.key",
        TlsPart::Passphrase => "identity.passphrase",
    };
    let message = match mistake.error {
        TlsError::PassphraseNeeded(_) => "The key is encrypted: enter its passphrase.".to_owned(),
        TlsError::PassphraseWrong(_) => "The passphrase does not open the key.".to_owned(),
        ref error => format!("{} {}", sentence(error), error.hint()),
    };
    ConsoleError::invalid(format!("{field}.tls.{part}"), message)
}

/// The end of a sentence as a whole one.
fn sentence(error: &TlsError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

#[cfg(test)]
mod tests {
    use tributary_tests::certificates::{Authority, date_time_ymd, encrypted};

    use super::*;
    use crate::definition::Place;
    use crate::dto::{ApiError, PasswordDraft, TlsOldest};

    fn draft(trust: TrustChoice, identity: Option<IdentityDraft>) -> TlsDraft {
        TlsDraft { trust, server_name: Some(" ".into()), identity, oldest: TlsOldest::Tls12, insecure: false }
    }

    fn identity(certificate: &str, key: &str) -> IdentityDraft {
        IdentityDraft { certificate: certificate.into(), key: key.into(), passphrase: PasswordDraft::None }
    }

    /// The field, and what is said beside it, of a form that is opened with this passphrase.
    fn refusal(draft: &TlsDraft, passphrase: Option<&str>) -> (String, String) {
        let checked = stored(draft, "destination").and_then(|tls| {
            let endpoint = tributary_engine::Endpoint::parse("redis://h").unwrap();
            let mut endpoint = StoredEndpoint { tls: Some(tls), ..StoredEndpoint::from(&endpoint) };
            if let Some(identity) = endpoint.tls.as_mut().and_then(|tls| tls.identity.as_mut()) {
                identity.passphrase =
                    passphrase.map(|_| Credential { reference: "r/destination/key".into(), place: Place::Keyring });
            }
            check_files(&endpoint, "destination", |_| Ok(Secret::new(passphrase.unwrap().into())))
        });
        let error: ApiError = checked.unwrap_err().into();
        assert_eq!(error.code, "invalid");
        (error.field.unwrap(), error.message)
    }

    #[test]
    fn every_mistake_is_told_beside_its_field() {
        let authority = Authority::new("Ours");
        let ours = authority.signs("client");
        let [certificate, key] = [&ours.certificate, &ours.key].map(|path| path.display().to_string());
        let other = authority.signs("other").key.display().to_string();
        let file = |path: &str| TrustChoice::File { path: path.into() };
        let paste = |pem: &str| TrustChoice::Certificate { pem: pem.into() };
        let trusted = || file(&authority.path().display().to_string());
        for (draft, field, message) in [
            (draft(file(" "), None), "path", "Choose the file"),
            (draft(file("~/ca.pem"), None), "path", "whole path"),
            (draft(file("/nowhere/ca.pem"), None), "path", "cannot be read"),
            (draft(file(&key), None), "path", "holds no certificate"),
            (draft(paste("hello"), None), "pem", "no certificate"),
            (draft(paste(&std::fs::read_to_string(&key).unwrap()), None), "pem", "private key"),
            (draft(paste(&"x".repeat(LONGEST_PASTE + 1)), None), "pem", "choose a file"),
            (draft(trusted(), Some(identity("", &key))), "identity.certificate", "belongs to the key"),
            (draft(trusted(), Some(identity(&certificate, ""))), "identity.key", "belongs to the certificate"),
            (draft(trusted(), Some(identity(&key, &key))), "identity.certificate", "holds no certificate"),
            (draft(trusted(), Some(identity(&certificate, &certificate))), "identity.key", "no private key"),
            (draft(trusted(), Some(identity(&certificate, &other))), "identity.key", "not the one"),
            (TlsDraft { server_name: Some("a b".into()), ..draft(trusted(), None) }, "serverName", "a b"),
        ] {
            let (at, said) = refusal(&draft, None);
            assert_eq!(at, format!("destination.tls.{field}"), "{said}");
            assert!(said.contains(message), "{said}");
        }
    }

    #[test]
    fn an_encrypted_key_wants_its_own_passphrase() {
        let authority = Authority::new("Ours");
        let ours = authority.signs("client");
        let sealed = encrypted(&ours.key, "open sesame").display().to_string();
        let trust = TrustChoice::File { path: authority.path().display().to_string() };
        let draft = draft(trust, Some(identity(&ours.certificate.display().to_string(), &sealed)));
        let field = "destination.tls.identity.passphrase".to_owned();
        assert_eq!(refusal(&draft, None), (field.clone(), "The key is encrypted: enter its passphrase.".into()));
        assert_eq!(refusal(&draft, Some("hunter2")), (field, "The passphrase does not open the key.".into()));
    }

    #[test]
    fn a_pasted_certificate_that_has_expired_is_kept() {
        let authority = Authority::new("Ours");
        let old = authority.signs_as("db", |params| params.not_after = date_time_ymd(2001, 1, 1));
        let pem = std::fs::read_to_string(old.certificate).unwrap();
        assert_eq!(check_pem(&pem), Ok(()));
        let endpoint = tributary_engine::Endpoint::parse("redis://h").unwrap();
        let tls = stored(&draft(TrustChoice::Certificate { pem }, None), "destination").unwrap();
        let endpoint = StoredEndpoint { tls: Some(tls), ..StoredEndpoint::from(&endpoint) };
        check_files(&endpoint, "destination", |_| Err(CredentialError::Missing(String::new()))).unwrap();
    }

    #[test]
    fn blanks_are_no_server_name() {
        assert_eq!(stored(&draft(TrustChoice::System, None), "source").unwrap().server_name, None);
    }
}
