//! The parameters of an endpoint's URL: `?ca=/etc/redis/ca.pem&sni=db.example&compress=gzip`.

use std::path::PathBuf;

use tributary_tls::{ClientIdentity, TlsOptions, TlsVersion, Trust};
use url::Url;

use crate::EndpointError;

/// What the parameters say.
#[derive(Debug, Default)]
pub(crate) struct UrlOptions {
    pub tls: Option<TlsOptions>,
    pub compression: bool,
}

/// Reads the parameters of a URL that means TLS or not.
pub(crate) fn read(url: &Url, tls: bool) -> Result<UrlOptions, EndpointError> {
    let mut options = TlsOptions::default();
    let (mut compression, mut of_tls) = (false, None);
    let (mut certificate, mut key) = (None, None);
    for (name, value) in url.query_pairs() {
        let bad = |want| EndpointError::Parameter { name: name.to_string(), want };
        match (name.as_ref(), value.as_ref()) {
            ("compress", "gzip") => compression = true,
            ("compress", "none") => compression = false,
            ("compress", _) => return Err(bad("gzip or none")),
            ("ca" | "cert" | "key" | "sni", "") => return Err(bad("a value")),
            ("ca", path) => options.trust = Trust::File(PathBuf::from(path)),
            ("cert", path) => certificate = Some(PathBuf::from(path)),
            ("key", path) => key = Some(PathBuf::from(path)),
            ("sni", name) => options.server_name = Some(name.to_owned()),
            ("tls-min", version) => options.oldest = TlsVersion::parse(version).ok_or_else(|| bad("1.2 or 1.3"))?,
            ("insecure", "true") => options.insecure = true,
            ("insecure", _) => return Err(bad("true")),
            _ => return Err(EndpointError::Extra(format!("?{name}"))),
        }
        if name != "compress" {
            of_tls = Some(name.into_owned());
        }
    }
    options.identity = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(ClientIdentity { certificate, key, passphrase: None }),
        _ => return Err(EndpointError::HalfIdentity),
    };
    match of_tls {
        Some(name) if !tls => Err(EndpointError::NeedsTls(name)),
        _ => Ok(UrlOptions { tls: tls.then_some(options), compression }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endpoint;

    #[test]
    fn every_parameter_has_its_place() {
        let text = "rediss://h?ca=/c%20a.pem&cert=/c.pem&key=/k.pem&sni=db&tls-min=1.3&compress=gzip";
        let endpoint = Endpoint::parse(text).unwrap();
        let tls = endpoint.tls.unwrap();
        assert_eq!(tls.trust, Trust::File("/c a.pem".into()));
        assert_eq!((tls.server_name.as_deref(), tls.oldest, tls.insecure), (Some("db"), TlsVersion::Tls13, false));
        assert_eq!(tls.identity.unwrap().key, PathBuf::from("/k.pem"));
        assert!(endpoint.compression);
        assert!(Endpoint::parse("rediss://h?insecure=true").unwrap().tls.unwrap().insecure);
        let sentinels = Endpoint::parse("rediss+sentinel://a,b/m/2?sni=db").unwrap();
        assert_eq!(sentinels.tls.unwrap().server_name.as_deref(), Some("db"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let refused = |text: &str| Endpoint::parse(text).unwrap_err().to_string();
        assert!(refused("redis://h?ca=/c.pem").contains("rediss://"));
        assert!(refused("rediss://h?cert=/c.pem").contains("key"));
        assert!(refused("rediss://h?tls-min=1.1").contains("1.2 or 1.3"));
        assert!(refused("rediss://h?insecure=yes").contains("true"));
        assert!(refused("redis://h?compress=lz4").contains("gzip or none"));
        assert!(refused("rediss://h?sni=").contains("sni"));
        assert!(refused("redis://h?caa=1").contains("?caa"));
    }
}
