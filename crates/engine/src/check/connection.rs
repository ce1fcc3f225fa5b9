//! Reachability, TLS and authentication: what the first connection says.

use std::net::IpAddr;

use super::line::Found;
use crate::{Endpoint, ErrorKind, Failure, TlsOptions};

const REACH: &str = "Reachable";
const TLS: &str = "TLS";
const LOGIN: &str = "Authentication";

/// The lines of a connection that came about with this version of TLS, or of the failure to make one.
pub(super) fn judge(endpoint: &Endpoint, came: Result<Option<&'static str>, &Failure>) -> Vec<Found> {
    let reached = || Found::ok(REACH, format!("{} accepts connections", endpoint.authority()));
    let failure = match came {
        Ok(version) => return vec![reached(), tls(endpoint, version), login(endpoint)],
        Err(failure) => failure,
    };
    let fails = |what| Found::fails(what, &failure.message, todo(failure));
    match failure.kind {
        ErrorKind::Tls => vec![reached(), fails(TLS)],
        ErrorKind::WrongPassword | ErrorKind::NoPermission | ErrorKind::ProtectedMode => {
            vec![reached(), tls(endpoint, None), fails(LOGIN)]
        }
        ErrorKind::Loading => {
            let waiting = "Wait until it has loaded its data, then check again.";
            vec![reached(), tls(endpoint, None), Found::unknown("Server", &failure.message, waiting)]
        }
        _ => vec![fails(REACH)],
    }
}

/// The kind's hint, unless that is about what a running sync does next.
fn todo(failure: &Failure) -> &str {
    match failure.kind {
        ErrorKind::Unreachable => "Check host and port, and that the server runs and accepts connections from here.",
        ErrorKind::Dns => "Check the spelling of the host name and the name server of this machine.",
        ErrorKind::TimedOut => "Check the network and whether the server is overloaded.",
        ErrorKind::Disconnected => "Check what listens there, and whether it expects TLS: it closed the connection.",
        ErrorKind::MaxClients => "Raise maxclients at the server or close idle clients.",
        _ => &failure.hint,
    }
}

/// What is to know of an encrypted link. The version is unknown where the connection failed after its handshake.
pub(super) fn encryption(options: &TlsOptions, version: Option<&'static str>) -> Found {
    let with = version.map_or_else(String::new, |version| format!(" with {version}"));
    if options.insecure {
        return Found::warning(
            TLS,
            format!("encrypted{with}, and the certificate is not verified: the link may end at anybody"),
            "Trust the server's certificate or its authority instead of skipping verification.",
        );
    }
    Found::ok(TLS, format!("encrypted{with}, and the certificate is trusted"))
}

fn tls(endpoint: &Endpoint, version: Option<&'static str>) -> Found {
    if let Some(options) = &endpoint.tls {
        return encryption(options, version);
    }
    if is_this_machine(&endpoint.host) {
        return Found::ok(TLS, "not encrypted, and does not leave this machine");
    }
    Found::warning(
        TLS,
        "not encrypted: who can read the network reads the data and the password",
        "Use rediss:// where the server offers TLS, or a network that you trust.",
    )
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn login(endpoint: &Endpoint) -> Found {
    let user = endpoint.username.as_deref().unwrap_or("default");
    match endpoint.password {
        Some(_) => Found::ok(LOGIN, format!("the password of user {user} is accepted")),
        None => Found::ok(LOGIN, "no password is needed"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::CheckVerdict::{self, Fails, Ok, Warning};
    use super::*;

    fn verdicts(url: &str, failure: Option<ErrorKind>) -> Vec<(&'static str, CheckVerdict)> {
        let failure = failure.map(|kind| Failure::new(kind, "h:1", "why"));
        let lines = judge(&Endpoint::parse(url).unwrap(), failure.as_ref().map_or(Result::Ok(Some("TLS 1.3")), Err));
        lines.into_iter().map(|line| (line.what, line.verdict)).collect()
    }

    #[test]
    fn a_failed_connection_says_how_far_it_came() {
        assert_eq!(verdicts("rediss://h:1", None), [(REACH, Ok), (TLS, Ok), (LOGIN, Ok)]);
        assert_eq!(verdicts("redis://h:1", None), [(REACH, Ok), (TLS, Warning), (LOGIN, Ok)]);
        assert_eq!(verdicts("redis://127.0.0.1:1", None), [(REACH, Ok), (TLS, Ok), (LOGIN, Ok)]);
        assert_eq!(verdicts("redis://h:1", Some(ErrorKind::Dns)), [(REACH, Fails)]);
        assert_eq!(verdicts("redis://h:1", Some(ErrorKind::NotRedis)), [(REACH, Fails)]);
        assert_eq!(verdicts("rediss://h:1", Some(ErrorKind::Tls)), [(REACH, Ok), (TLS, Fails)]);
        assert_eq!(verdicts("rediss://h:1?insecure=true", None), [(REACH, Ok), (TLS, Warning), (LOGIN, Ok)]);
        let wrong = verdicts("rediss://h:1", Some(ErrorKind::WrongPassword));
        assert_eq!(wrong, [(REACH, Ok), (TLS, Ok), (LOGIN, Fails)]);
    }

    #[test]
    fn the_version_is_named_and_skipped_verification_is_a_warning() {
        let line = encryption(&TlsOptions::default(), Some("TLS 1.3"));
        assert_eq!((line.verdict, line.found.as_str()), (Ok, "encrypted with TLS 1.3, and the certificate is trusted"));
        let line = encryption(&TlsOptions { insecure: true, ..TlsOptions::default() }, Some("TLS 1.2"));
        assert_eq!(line.verdict, Warning);
        assert!(line.found.contains("TLS 1.2") && line.found.contains("not verified"), "{}", line.found);
    }
}
