//! The parameters of an endpoint's URL: `?ca=/etc/redis/ca.pem&sni=db.example&compress=gzip`.

use std::path::PathBuf;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tributary_tls::{ClientIdentity, TlsOptions, TlsVersion, Trust};
use url::Url;

use crate::{Endpoint, EndpointError};

/// What would end a value, or be read as something else. Paths stay readable.
const IN_A_VALUE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'<').add(b'>');

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

/// What [`read`] would read of an endpoint, with its `?`. Secrets and a certificate that was pasted have no place in a URL.
pub(crate) fn write(endpoint: &Endpoint) -> String {
    let mut values: Vec<(&str, String)> = Vec::new();
    if let Some(tls) = &endpoint.tls {
        if let Trust::File(path) = &tls.trust {
            values.push(("ca", path.display().to_string()));
        }
        if let Some(identity) = &tls.identity {
            values.push(("cert", identity.certificate.display().to_string()));
            values.push(("key", identity.key.display().to_string()));
        }
        values.extend(tls.server_name.clone().map(|name| ("sni", name)));
        if tls.oldest != TlsVersion::default() {
            values.push(("tls-min", tls.oldest.number().to_owned()));
        }
        if tls.insecure {
            values.push(("insecure", "true".to_owned()));
        }
    }
    if endpoint.compression {
        values.push(("compress", "gzip".to_owned()));
    }
    let written: Vec<String> =
        values.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, IN_A_VALUE))).collect();
    if written.is_empty() { String::new() } else { format!("?{}", written.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_url_that_was_written_is_read_as_the_same_endpoint() {
        for text in [
            "redis://h",
            "redis://ann@h:7000/3?compress=gzip",
            "rediss://[::1]:1?ca=/c%20a&b%2B%25#.pem&cert=/c.pem&key=/k.pem&sni=db&tls-min=1.3&insecure=true",
            "rediss+sentinel://ann@a,b:27000/my%2Fmaster/2?sni=db",
        ] {
            let endpoint = Endpoint::parse(&text.replace("&b%2B", "%26b%2B").replace("#", "%23")).unwrap();
            assert_eq!(Endpoint::parse(&endpoint.url()).unwrap(), endpoint, "{}", endpoint.url());
        }
        let endpoint = Endpoint::parse("rediss://ann:secret@h/1?ca=/etc/redis/ca.pem&tls-min=1.2").unwrap();
        assert_eq!(endpoint.url(), "rediss://ann@h:6379/1?ca=/etc/redis/ca.pem");
    }

    #[test]
    fn the_port_of_all_sentinels_is_written_at_each() {
        let mut endpoint = Endpoint::parse("redis+sentinel://a,b:5,[::1]/m").unwrap();
        endpoint.port = 7;
        assert_eq!(endpoint.url(), "redis+sentinel://a:7,b:5,[::1]:7/m");
        assert_eq!(Endpoint::parse(&endpoint.url()).unwrap().sentinels(), endpoint.sentinels());
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
