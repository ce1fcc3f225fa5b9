//! Handshakes of a client and a server in one process: what is believed, and what the refusals say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tributary_tests::certificates::{Authority, Signed, date_time_ymd, encrypted};
use tributary_tls::{ClientIdentity, ClientTls, Secret, ServerTls, TlsError, TlsOptions, TlsVersion, Trust};

fn identity(signed: Signed) -> ClientIdentity {
    ClientIdentity { certificate: signed.certificate, key: signed.key, passphrase: None }
}

fn serves(signed: Signed) -> ServerTls {
    ServerTls { identity: identity(signed), client_authorities: None, oldest: TlsVersion::Tls12 }
}

fn trusts(authority: &Authority) -> TlsOptions {
    TlsOptions { trust: Trust::File(authority.path()), ..TlsOptions::default() }
}

/// A client connects to `db.example` and is greeted: the version, or the first error.
async fn greeted(server: &ServerTls, options: &TlsOptions) -> Result<&'static str, TlsError> {
    let client = ClientTls::new(options)?;
    let acceptor = server.acceptor().unwrap();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let serving = tokio::spawn(async move {
        if let Ok(mut stream) = acceptor.accept(theirs).await {
            stream.write_all(b"+PONG").await.unwrap();
            // Until the client is gone.
            let _ = stream.read(&mut [0]).await;
        }
    });
    let done = async {
        let mut stream = client.connect("db.example", ours).await?;
        let mut greeting = [0; 5];
        let read = stream.read_exact(&mut greeting).await;
        read.map_err(|error| TlsError::within(&error).expect("an error of TLS").clone())?;
        assert_eq!(&greeting, b"+PONG");
        Ok(stream.version())
    }
    .await;
    serving.await.unwrap();
    done
}

#[tokio::test]
async fn a_certificate_of_the_trusted_authority_is_believed_in_both_versions() {
    let authority = Authority::new("Ours");
    let server = serves(authority.signs("db.example"));
    assert_eq!(greeted(&server, &trusts(&authority)).await, Ok("TLS 1.3"));
    let only_12 = rustls_12(&server);
    assert_eq!(only_12.await, Ok("TLS 1.2"));
}

/// A client of ours at a server that speaks TLS 1.2 only; once as it is, and then with 1.3 demanded.
async fn rustls_12(server: &ServerTls) -> Result<&'static str, TlsError> {
    use std::sync::Arc;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{ServerConfig, version};
    let certificate = CertificateDer::from_pem_file(&server.identity.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&server.identity.key).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let folder = server.identity.certificate.parent().unwrap();
    let options = TlsOptions { trust: Trust::File(folder.join("ca.pem")), ..TlsOptions::default() };
    let newer = TlsOptions { oldest: TlsVersion::Tls13, ..options.clone() };
    let connect = async |options: &TlsOptions| {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let acceptor = acceptor.clone();
        let serving = tokio::spawn(async move { acceptor.accept(theirs).await.is_ok() });
        let client = ClientTls::new(options).unwrap();
        let done = client.connect("db.example", ours).await.map(|stream| stream.version());
        serving.await.unwrap();
        done
    };
    assert_eq!(connect(&newer).await, Err(TlsError::NoCommonVersion("1.3")));
    connect(&options).await
}

#[tokio::test]
async fn each_reason_not_to_believe_a_certificate_is_told_apart() {
    let (ours, other) = (Authority::new("Ours"), Authority::new("Somebody else"));
    let refused = async |server: &ServerTls, options: &TlsOptions| greeted(server, options).await.unwrap_err();
    let expired = serves(ours.signs_as("db.example", |params| params.not_after = date_time_ymd(2020, 2, 29)));
    let error = refused(&expired, &trusts(&ours)).await;
    assert_eq!(error, TlsError::Expired("2020-02-29 00:00 UTC".to_owned()));
    let early = serves(ours.signs_as("db.example", |params| params.not_before = date_time_ymd(2999, 1, 1)));
    assert_eq!(refused(&early, &trusts(&ours)).await, TlsError::NotYetValid("2999-01-01 00:00 UTC".to_owned()));
    let elsewhere = serves(ours.signs("cache.example"));
    let found = vec!["cache.example".to_owned()];
    let error = refused(&elsewhere, &trusts(&ours)).await;
    assert_eq!(error, TlsError::WrongName { expected: "db.example".to_owned(), found });
    let stranger = serves(other.signs("db.example"));
    let error = refused(&stranger, &trusts(&ours)).await.to_string();
    assert!(error.contains("Somebody else") && error.contains("ca.pem"), "{error}");
    // The name can be said to be another, and any certificate be believed: by choice.
    let named = TlsOptions { server_name: Some("cache.example".to_owned()), ..trusts(&ours) };
    assert_eq!(greeted(&elsewhere, &named).await, Ok("TLS 1.3"));
    let careless = TlsOptions { insecure: true, ..trusts(&ours) };
    assert_eq!(greeted(&stranger, &careless).await, Ok("TLS 1.3"));
}

#[tokio::test]
async fn the_chain_can_be_looked_at_whether_it_is_believed_or_not() {
    let (ours, other) = (Authority::new("Ours"), Authority::new("Somebody else"));
    let server = serves(other.signs("db.example"));
    let (acceptor, client) = (server.acceptor().unwrap(), ClientTls::new(&trusts(&ours)).unwrap());
    let (here, there) = tokio::io::duplex(64 * 1024);
    let serving = tokio::spawn(async move { acceptor.accept(there).await.is_ok() });
    assert!(client.connect("db.example", here).await.is_err());
    assert!(!serving.await.unwrap());
    let chain = client.chain();
    assert_eq!(chain.len(), 1);
    assert_eq!((chain[0].names.as_slice(), chain[0].authority), (&["db.example".to_owned()][..], false));
    assert!(chain[0].issuer.contains("Somebody else") && chain[0].subject.contains("db.example"), "{chain:?}");
    assert_eq!(chain[0].fingerprint.len(), 32 * 3 - 1);
    // What is looked at can be trusted by itself, under any name, and nothing else is then.
    let pasted = TlsOptions { trust: Trust::Certificate(chain[0].pem.clone()), ..TlsOptions::default() };
    assert_eq!(greeted(&server, &pasted).await, Ok("TLS 1.3"));
    let elsewhere = TlsOptions { server_name: Some("elsewhere.example".to_owned()), ..pasted.clone() };
    assert_eq!(greeted(&server, &elsewhere).await, Ok("TLS 1.3"));
    let error = greeted(&serves(other.signs("db.example")), &pasted).await.unwrap_err();
    assert!(matches!(error, TlsError::UnknownIssuer { .. }), "{error}");
}

#[tokio::test]
async fn a_pasted_certificate_that_has_expired_is_not_believed() {
    let authority = Authority::new("Ours");
    let signed = authority.signs_as("db.example", |params| params.not_after = date_time_ymd(2020, 2, 29));
    let text = std::fs::read_to_string(&signed.certificate).unwrap();
    let pasted = TlsOptions { trust: Trust::Certificate(text), ..TlsOptions::default() };
    let error = greeted(&serves(signed), &pasted).await.unwrap_err();
    assert_eq!(error, TlsError::Expired("2020-02-29 00:00 UTC".to_owned()));
}

#[tokio::test]
async fn a_certificate_that_a_server_signed_itself_is_believed_from_a_file_for_its_names_only() {
    let authority = Authority::new("unused");
    let server = serves(authority.self_signed("db.example"));
    let options = TlsOptions { trust: Trust::File(server.identity.certificate.clone()), ..TlsOptions::default() };
    assert_eq!(greeted(&server, &options).await, Ok("TLS 1.3"));
    let elsewhere = TlsOptions { server_name: Some("elsewhere.example".to_owned()), ..options };
    let error = greeted(&server, &elsewhere).await.unwrap_err();
    assert!(matches!(error, TlsError::WrongName { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_ours_or_is_said_to_want_one() {
    let (ours, other) = (Authority::new("Ours"), Authority::new("Somebody else"));
    let server = ServerTls { client_authorities: Some(ours.path()), ..serves(ours.signs("db.example")) };
    let us = identity(ours.signs("console"));
    let known = TlsOptions { identity: Some(us), ..trusts(&ours) };
    assert_eq!(greeted(&server, &known).await, Ok("TLS 1.3"));
    assert_eq!(greeted(&server, &trusts(&ours)).await, Err(TlsError::ClientCertificateRequired));
    let strange = TlsOptions { identity: Some(identity(other.signs("console"))), ..trusts(&ours) };
    let error = greeted(&server, &strange).await.unwrap_err();
    assert!(matches!(error, TlsError::ClientCertificateRefused(_)), "{error:?}");
}

#[tokio::test]
async fn an_encrypted_key_opens_with_its_passphrase_only() {
    let authority = Authority::new("Ours");
    let server = ServerTls { client_authorities: Some(authority.path()), ..serves(authority.signs("db.example")) };
    let mut us = identity(authority.signs("console"));
    us.key = encrypted(&us.key, "open sesame");
    let with = |passphrase: Option<&str>| {
        let passphrase = passphrase.map(|text| Secret::new(text.to_owned()));
        TlsOptions { identity: Some(ClientIdentity { passphrase, ..us.clone() }), ..trusts(&authority) }
    };
    assert_eq!(greeted(&server, &with(Some("open sesame"))).await, Ok("TLS 1.3"));
    let refused = async |options: TlsOptions| greeted(&server, &options).await.unwrap_err();
    assert!(matches!(refused(with(Some("wrong"))).await, TlsError::PassphraseWrong(_)));
    assert!(matches!(refused(with(None)).await, TlsError::PassphraseNeeded(_)));
    assert_eq!(with(None).wants_passphrase(), Ok(true));
}

#[tokio::test]
async fn files_that_are_not_what_they_should_be_are_named() {
    let authority = Authority::new("Ours");
    let (a, b) = (identity(authority.signs("a")), authority.signs("b"));
    let with = |options: TlsOptions| ClientTls::new(&options).unwrap_err().to_string();
    let missing = TlsOptions { trust: Trust::File("/nowhere/ca.pem".into()), ..TlsOptions::default() };
    assert!(with(missing).contains("/nowhere/ca.pem"));
    let key_as_ca = TlsOptions { trust: Trust::File(a.key.clone()), ..TlsOptions::default() };
    assert!(with(key_as_ca).contains("a.key"));
    let mixed = ClientIdentity { key: b.key, ..a.clone() };
    let said = with(TlsOptions { identity: Some(mixed), ..trusts(&authority) });
    assert!(said.contains("a.pem") && said.contains("b.key"), "{said}");
    let swapped = ClientIdentity { key: a.certificate.clone(), ..a };
    assert!(with(TlsOptions { identity: Some(swapped), ..trusts(&authority) }).contains("no private key"));
    let pasted = TlsOptions { trust: Trust::Certificate("hello".to_owned()), ..TlsOptions::default() };
    assert!(with(pasted).contains("pasted"));
}

#[tokio::test]
async fn a_port_without_tls_and_one_that_closes_are_told_apart() {
    let (authority, mut said) = (Authority::new("Ours"), Vec::new());
    for answer in [&b"-ERR Protocol error\r\n"[..], b""] {
        let (here, mut there) = tokio::io::duplex(64 * 1024);
        let serving = tokio::spawn(async move {
            let _ = there.read(&mut [0; 1024]).await;
            there.write_all(answer).await.unwrap();
        });
        let client = ClientTls::new(&trusts(&authority)).unwrap();
        said.push(client.connect("db.example", here).await.unwrap_err());
        serving.await.unwrap();
    }
    assert_eq!(said[0], TlsError::NotTls);
    assert!(said[1].is_passing(), "{said:?}");
}
