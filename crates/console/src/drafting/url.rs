//! A pasted URL as the fields of a form.

use tributary_engine::Endpoint;

use crate::dto::{EndpointDraft, IdentityDraft, PasswordDraft, TlsDraft};
use crate::error::ConsoleError;
use crate::tls::StoredTls;

/// A pasted URL as the fields of a form.
pub(crate) fn parse_url(url: &str) -> Result<EndpointDraft, ConsoleError> {
    let endpoint = Endpoint::parse(url)?;
    let tls = endpoint.tls.as_ref().map(StoredTls::from);
    let password = match endpoint.password {
        Some(secret) => PasswordDraft::Set { value: secret.expose().to_owned(), this_run_only: false },
        None => PasswordDraft::None,
    };
    Ok(EndpointDraft {
        host: endpoint.host,
        port: endpoint.port,
        sentinel: endpoint.sentinel,
        tls: tls.map(draft_of),
        compression: endpoint.compression,
        username: endpoint.username,
        db: endpoint.db,
        password,
    })
}

/// TLS of a URL as the fields of a form; a passphrase does not stand in a URL.
fn draft_of(tls: StoredTls) -> TlsDraft {
    TlsDraft {
        trust: tls.trust,
        server_name: tls.server_name,
        identity: tls.identity.map(|identity| IdentityDraft {
            certificate: identity.certificate,
            key: identity.key,
            passphrase: PasswordDraft::None,
        }),
        oldest: tls.oldest,
        insecure: tls.insecure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dto::{ApiError, TlsOldest, TrustChoice};

    #[test]
    fn a_pasted_url_fills_every_field() {
        let draft = parse_url("rediss://ann:s3cret@db.example:7000/4").unwrap();
        assert_eq!(
            (draft.host.as_str(), draft.port, draft.tls.is_some(), draft.db),
            ("db.example", 7000, true, Some(4))
        );
        assert_eq!(draft.password, PasswordDraft::Set { value: "s3cret".into(), this_run_only: false });
        let error: ApiError = parse_url("http://x").err().unwrap().into();
        assert_eq!((error.code.as_str(), error.field.as_deref()), ("invalid", Some("url")));
        let url = "rediss://h?ca=/ca.pem&cert=/c.pem&key=/k.pem&sni=db&tls-min=1.3&insecure=true&compress=gzip";
        let draft = parse_url(url).unwrap();
        let identity =
            IdentityDraft { certificate: "/c.pem".into(), key: "/k.pem".into(), passphrase: PasswordDraft::None };
        let tls = TlsDraft {
            trust: TrustChoice::File { path: "/ca.pem".into() },
            server_name: Some("db".into()),
            identity: Some(identity),
            oldest: TlsOldest::Tls13,
            insecure: true,
        };
        assert_eq!((draft.compression, draft.tls), (true, Some(tls)));
    }
}
