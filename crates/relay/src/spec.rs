use std::time::Duration;

use tributary_tls::{ServerTls, TlsOptions};

/// One listener and the one server behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySpec {
    /// `address:port` to listen on.
    pub listen: String,
    /// The server.
    pub upstream: Upstream,
    /// How clients are spoken to; `None` is without TLS.
    pub tls: Option<ServerTls>,
    /// What clients may use up.
    pub limits: Limits,
}

/// The server that a relay stands beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How it is spoken to; `None` is without TLS.
    pub tls: Option<TlsOptions>,
    /// How often it is looked for, so that its health is known while there are no clients.
    pub look: Duration,
}

/// Often enough for a probe, and nothing beside what a server does otherwise.
const LOOK: Duration = Duration::from_secs(10);

impl Upstream {
    /// Reads `host:port`; an IPv6 address stands in brackets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?,
            None if host.contains(':') => return None,
            None => host,
        };
        let port = port.parse().ok().filter(|&port| port > 0)?;
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port, tls: None, look: LOOK })
    }

    /// `host:port`, as messages name it.
    #[must_use]
    pub fn name(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What clients may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time of this listener; further ones are closed at once.
    pub connections: usize,
    /// How long TLS, and then a request that has begun, may take.
    pub handshake: Duration,
    /// How long what was read may take to be delivered when the relay ends.
    pub drain: Duration,
    /// How long nothing may move in a connection that one side has ended.
    pub half_closed: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let (handshake, drain) = (Duration::from_secs(10), Duration::from_secs(10));
        Self { connections: 10_000, handshake, drain, half_closed: Duration::from_secs(60) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_host_and_a_port() {
        let parsed = |text: &str| Upstream::parse(text).map(|upstream| (upstream.name(), upstream.port));
        assert_eq!(parsed("redis.example:6379"), Some(("redis.example:6379".to_owned(), 6379)));
        assert_eq!(parsed("[::1]:7000"), Some(("[::1]:7000".to_owned(), 7000)));
        for bad in ["redis", ":1", "h:0", "h:x", "::1:7000", "[::1:5", ""] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
