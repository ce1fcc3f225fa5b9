//! Options that are looked at before they are used.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;

use tributary_tests::certificates::{Authority, Signed, encrypted};
use tributary_tls::{ClientIdentity, Secret, TlsError, TlsOptions, TlsPart, Trust};

/// Believes this authority, so that it does not matter what the machine believes.
fn trusting(authority: &Authority) -> TlsOptions {
    TlsOptions { trust: Trust::File(authority.path()), ..TlsOptions::default() }
}

fn part(options: &TlsOptions) -> TlsPart {
    options.check().unwrap_err().part
}

#[test]
fn what_is_wrong_is_found_where_it_is() {
    let authority = Authority::new("Ours");
    let text = authority.path().with_file_name("text");
    std::fs::write(&text, "no certificate").unwrap();
    for path in [text, authority.path().with_file_name("missing")] {
        assert_eq!(part(&TlsOptions { trust: Trust::File(path.clone()), ..TlsOptions::default() }), TlsPart::Trust);
        let identity = Some(ClientIdentity { certificate: path.clone(), key: path, passphrase: None });
        assert_eq!(part(&TlsOptions { identity, ..trusting(&authority) }), TlsPart::Certificate);
    }
    let trust = Trust::Certificate("text".into());
    assert_eq!(part(&TlsOptions { trust, ..TlsOptions::default() }), TlsPart::Trust);
    let server_name = Some("a b".to_owned());
    assert_eq!(part(&TlsOptions { server_name, ..trusting(&authority) }), TlsPart::ServerName);
    assert_eq!(trusting(&authority).check(), Ok(()));
}

#[test]
fn a_key_is_opened_and_compared_with_its_certificate() {
    let authority = Authority::new("Ours");
    let Signed { certificate, key } = authority.signs("client");
    let with = |key: PathBuf, passphrase: Option<&str>| {
        let passphrase = passphrase.map(|text| Secret::new(text.into()));
        let identity = ClientIdentity { certificate: certificate.clone(), key, passphrase };
        TlsOptions { identity: Some(identity), ..trusting(&authority) }
    };
    assert_eq!(with(key.clone(), None).check(), Ok(()));
    let other = with(authority.signs("other").key, None).check().unwrap_err();
    assert!(matches!((other.part, other.error), (TlsPart::Key, TlsError::KeyMismatch { .. })));
    assert_eq!(part(&with(certificate.clone(), None)), TlsPart::Key);
    let sealed = encrypted(&key, "open sesame");
    assert_eq!(part(&with(sealed.clone(), None)), TlsPart::Passphrase);
    assert_eq!(part(&with(sealed.clone(), Some("hunter2"))), TlsPart::Passphrase);
    assert_eq!(with(sealed, Some("open sesame")).check(), Ok(()));
}
