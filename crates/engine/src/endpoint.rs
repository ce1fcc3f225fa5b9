use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Host, Url};

use crate::endpoint_options::{self, UrlOptions};
use crate::{Secret, TlsOptions};

/// The port of a Redis server when a URL names none.
pub const DEFAULT_PORT: u16 = 6379;

/// The port of a Sentinel when a URL names none.
pub const DEFAULT_SENTINEL_PORT: u16 = 26379;

/// What would end the name of a Sentinel's master, or be read as something else.
const IN_A_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'/').add(b'?').add(b'<').add(b'>');

/// One Redis server and how to enter it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address, without brackets. With [`Self::sentinel`]: the Sentinels, `host[:port]` with commas between.
    pub host: String,
    /// TCP port; of every Sentinel that names none of its own.
    pub port: u16,
    /// The name under which Sentinels know the server: they are asked where it is at every connection.
    pub sentinel: Option<String>,
    /// How links are encrypted; `None` is not at all.
    pub tls: Option<TlsOptions>,
    /// Whether a relay stands there that is asked to compress the replication link. Of sources only.
    pub compression: bool,
    /// ACL user; `None` is the default user.
    pub username: Option<String>,
    /// Password, if the server wants one.
    pub password: Option<Secret>,
    /// The one database that is meant; `None` is all of them.
    pub db: Option<u32>,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL at all.
    #[error("not a URL: write redis://host:port or rediss://host:port")]
    NotUrl,
    /// A URL of something else than Redis.
    #[error("the URL must start with redis:// or rediss://, not {0}://")]
    Scheme(String),
    /// No host in the URL.
    #[error("the URL names no host")]
    NoHost,
    /// Sentinels without the name of what they watch.
    #[error("a Sentinel URL names the master: redis+sentinel://host:26379/mymaster")]
    NoSentinelName,
    /// The path is no database number.
    #[error("the database must be a number, as in redis://host:6379/3")]
    Database,
    /// Parameters that would have been ignored.
    #[error("the URL has a part that is not understood: {0}")]
    Extra(String),
    /// A parameter with a value that it does not take.
    #[error("?{name}= takes {want}")]
    Parameter {
        /// The parameter.
        name: String,
        /// What it takes.
        want: &'static str,
    },
    /// A parameter of TLS where there is none.
    #[error("?{0}= is about TLS: write rediss:// for an encrypted link")]
    NeedsTls(String),
    /// A certificate without its key, or a key without its certificate.
    #[error("a client certificate needs both ?cert=FILE and &key=FILE")]
    HalfIdentity,
}

impl Endpoint {
    /// Reads `redis://[user[:password]@]host[:port][/db]`, or the same with `rediss://` for TLS; for Sentinels
    /// `redis+sentinel://[user[:password]@]host[:port][,host[:port]…]/name[/db]`, or `rediss+sentinel://`.
    ///
    /// Parameters may follow: `compress=gzip`; with TLS `ca=FILE`, `cert=FILE` and `key=FILE`, `sni=NAME`, `tls-min=1.3`,
    /// `insecure=true`.
    ///
    /// # Errors
    /// When the text is not such a URL. The error never holds the password.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if let Some((plain, sentinels)) = split_sentinels(text.trim()) {
            return Self::parse_sentinels(&plain, &sentinels);
        }
        let url = Url::parse(text.trim()).map_err(|_| EndpointError::NotUrl)?;
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            other => return Err(EndpointError::Scheme(other.to_owned())),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => decode(name),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(EndpointError::NoHost),
        };
        let db = match url.path().trim_start_matches('/') {
            "" => None,
            number => Some(number.parse().map_err(|_| EndpointError::Database)?),
        };
        if url.fragment().is_some() {
            return Err(EndpointError::Extra("#".to_owned()));
        }
        let UrlOptions { tls, compression } = endpoint_options::read(&url, tls)?;
        Ok(Self {
            host,
            port: url.port().unwrap_or(DEFAULT_PORT),
            sentinel: None,
            tls,
            compression,
            username: Some(decode(url.username())).filter(|name| !name.is_empty()),
            password: url.password().map(|password| Secret::new(decode(password))),
            db,
        })
    }

    /// `plain` is the URL with the first Sentinel alone and `/name[/db]` as its path.
    fn parse_sentinels(plain: &str, sentinels: &str) -> Result<Self, EndpointError> {
        let mut url = Url::parse(plain).map_err(|_| EndpointError::NotUrl)?;
        let path = url.path().trim_start_matches('/').to_owned();
        let (name, db) = path.split_once('/').unwrap_or((&path, ""));
        if name.is_empty() {
            return Err(EndpointError::NoSentinelName);
        }
        url.set_path(db);
        let endpoint = Self::parse(url.as_str())?;
        let (host, port) = (sentinels.to_owned(), DEFAULT_SENTINEL_PORT);
        Ok(Self { host, port, sentinel: Some(decode(name)), ..endpoint })
    }

    /// The Sentinels to ask.
    pub(crate) fn sentinels(&self) -> Vec<(String, u16)> {
        let node = |text: &str| {
            let text = text.trim();
            let with_port = text.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
            let (host, port) = match with_port.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
                Some((host, port)) => (host, port),
                None => (text, self.port),
            };
            (host.trim_matches(['[', ']']).to_owned(), port)
        };
        self.host.split(',').filter(|text| !text.trim().is_empty()).map(node).collect()
    }

    /// `host:port`, followed by `/db` when one database is meant: how messages name the endpoint.
    #[must_use]
    pub fn address(&self) -> String {
        match self.db {
            Some(db) => format!("{}/{db}", self.authority()),
            None => self.authority(),
        }
    }

    /// `host:port`, with brackets around an IPv6 address; `name@sentinels` for a server that Sentinels know.
    #[must_use]
    pub fn authority(&self) -> String {
        if let Some(name) = &self.sentinel {
            format!("{name}@{}", self.host)
        } else if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The endpoint as a URL without its password.
    #[must_use]
    pub fn url_redacted(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        let user = self.username.as_deref().map(|u| format!("{}@", utf8_percent_encode(u, NON_ALPHANUMERIC)));
        if let Some(name) = &self.sentinel {
            let db = self.db.map_or_else(String::new, |db| format!("/{db}"));
            let name = utf8_percent_encode(name, IN_A_PATH);
            return format!("{scheme}+sentinel://{}{}/{name}{db}", user.unwrap_or_default(), self.host);
        }
        format!("{scheme}://{}{}", user.unwrap_or_default(), self.address())
    }

    /// The endpoint as [`Self::parse`] reads it, with its parameters; without secrets, and without a certificate that was
    /// pasted, which has no place in a URL.
    #[must_use]
    pub fn url(&self) -> String {
        let mut endpoint = self.clone();
        if self.sentinel.is_some() && self.port != DEFAULT_SENTINEL_PORT {
            let node = |(host, port): (String, u16)| {
                if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
            };
            endpoint.host = self.sentinels().into_iter().map(node).collect::<Vec<_>>().join(",");
        }
        format!("{}{}", endpoint.url_redacted(), endpoint_options::write(self))
    }

    /// Whether both name the same database, judged by their names alone.
    #[must_use]
    pub fn same_database(&self, other: &Self) -> bool {
        let overlap = match (self.db, other.db) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        overlap
            && self.sentinel == other.sentinel
            && self.port == other.port
            && canonical(&self.host) == canonical(&other.host)
    }
}

/// The names of the machine itself are one name.
fn canonical(host: &str) -> String {
    match host.to_ascii_lowercase().trim_end_matches('.') {
        "localhost" | "127.0.0.1" | "::1" | "0.0.0.0" => "localhost".to_owned(),
        other => other.to_owned(),
    }
}

/// The URL of Sentinels as a URL with one host, and the list of them.
fn split_sentinels(text: &str) -> Option<(String, String)> {
    let (scheme, rest) = text.split_once("+sentinel://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
    let first = hosts.split(',').next().unwrap_or_default();
    let user = user.map_or_else(String::new, |user| format!("{user}@"));
    Some((format!("{scheme}://{user}{first}/{path}"), hosts.to_owned()))
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_fills_every_field() {
        let endpoint = Endpoint::parse("rediss://ann:p%40ss%2Fword@[::1]:7000/3").unwrap();
        assert_eq!(
            (endpoint.host.as_str(), endpoint.port, endpoint.tls.clone()),
            ("::1", 7000, Some(TlsOptions::default()))
        );
        assert_eq!(endpoint.username.as_deref(), Some("ann"));
        assert_eq!(endpoint.password.as_ref().map(Secret::expose), Some("p@ss/word"));
        assert_eq!(endpoint.db, Some(3));
        assert_eq!(endpoint.url_redacted(), "rediss://ann@[::1]:7000/3");
        let plain = Endpoint::parse("redis://cache.example").unwrap();
        assert_eq!((plain.port, plain.db, plain.username, plain.password), (6379, None, None, None));
        assert_eq!(Endpoint::parse("redis://:secret@h").unwrap().username, None);
    }

    #[test]
    fn sentinels_are_a_list_with_the_name_of_what_they_watch() {
        let endpoint = Endpoint::parse("redis+sentinel://ann:p%40s@s1,s2:27000,[::1]:5/mymaster/2").unwrap();
        assert_eq!((endpoint.sentinel.as_deref(), endpoint.db, &endpoint.tls), (Some("mymaster"), Some(2), &None));
        assert_eq!(endpoint.password.as_ref().map(Secret::expose), Some("p@s"));
        let nodes = [("s1".to_owned(), 26379), ("s2".to_owned(), 27000), ("::1".to_owned(), 5)];
        assert_eq!(endpoint.sentinels(), nodes);
        assert_eq!(endpoint.address(), "mymaster@s1,s2:27000,[::1]:5/2");
        assert_eq!(endpoint.url_redacted(), "redis+sentinel://ann@s1,s2:27000,[::1]:5/mymaster/2");
        assert!(Endpoint::parse("rediss+sentinel://s1/m").unwrap().tls.is_some());
        assert_eq!(Endpoint::parse("redis+sentinel://s1"), Err(EndpointError::NoSentinelName));
    }

    #[test]
    fn what_is_no_redis_url_is_refused_without_showing_the_password() {
        for (text, want) in [
            ("10.0.0.1:6379", EndpointError::NotUrl),
            ("http://u:secret@h", EndpointError::Scheme("http".into())),
            ("redis://h/abc", EndpointError::Database),
            ("redis://h?caa=x", EndpointError::Extra("?caa".into())),
            ("redis://", EndpointError::NoHost),
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(!error.to_string().contains("secret"));
            assert_eq!(error, want, "{text}");
        }
    }

    #[test]
    fn the_same_database_is_known_by_its_other_name() {
        let at = |text: &str| Endpoint::parse(text).unwrap();
        assert!(at("redis://localhost:7000").same_database(&at("redis://127.0.0.1:7000/4")));
        assert!(!at("redis://localhost:7000/3").same_database(&at("redis://127.0.0.1:7000/4")));
        assert!(!at("redis://localhost:7001").same_database(&at("redis://127.0.0.1:7000")));
    }
}
