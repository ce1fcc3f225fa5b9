//! Shows the certificates of a server to a person, whether they are believed or not.

use tributary_tls::CertificateInfo;

use crate::{Endpoint, ErrorKind, Failure, dial};

/// What a server showed in its TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The version that was agreed on, as `TLS 1.3`; `None` when there was no agreement.
    pub version: Option<&'static str>,
    /// The chain, the server's own certificate first.
    pub chain: Vec<CertificateInfo>,
    /// Why the handshake failed, if it did.
    pub failure: Option<Failure>,
}

/// Makes a TLS handshake with a server, asks nothing of it and closes the connection.
///
/// # Errors
/// When the server cannot be reached, the endpoint's TLS options cannot be used, or it has none.
pub async fn certificates(endpoint: &Endpoint) -> Result<Shown, Failure> {
    let name = endpoint.authority();
    let Some(options) = &endpoint.tls else {
        return Err(Failure::new(ErrorKind::Tls, &name, format!("Links to {name} are not encrypted.")));
    };
    let tls = dial::prepare(options, &name).await?;
    let (host, tcp) = dial::reach(endpoint, &name).await?;
    let (version, failure) = match dial::handshake(&tls, &host, tcp, &name).await {
        Ok(stream) => (Some(stream.version()), None),
        Err(failure) => (None, Some(failure)),
    };
    Ok(Shown { version, chain: tls.chain(), failure })
}
