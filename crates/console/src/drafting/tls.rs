//! TLS and compression of a form's endpoint: what can be said without a file, and what only the files say.

use tributary_engine::{Secret, TlsError, TlsMistake, TlsPart, read_certificates};

use crate::definition::StoredEndpoint;
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

/// Reads the files that an endpoint names, as a connection would. `passphrase` is asked for where there is one; when that
/// cannot be had for now, the key is not opened.
pub(super) fn check_files(
    endpoint: &StoredEndpoint,
    field: &str,
    passphrase: impl FnOnce() -> Result<Option<Secret>, ConsoleError>,
) -> Result<(), ConsoleError> {
    let Some(tls) = &endpoint.tls else { return Ok(()) };
    let options = match passphrase() {
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
