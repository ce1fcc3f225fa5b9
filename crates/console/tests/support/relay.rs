//! A relay in this process, ended when dropped.

use tokio_util::sync::{CancellationToken, DropGuard};
use tributary_engine::{ClientIdentity, TlsVersion};
use tributary_relay::{Limits, RelaySpec, ServerTls, Upstream};
use tributary_tests::certificates::Signed;

use super::Server;

/// A relay on 127.0.0.1.
pub struct Relay {
    port: u16,
    _running: DropGuard,
}

impl Relay {
    /// A relay before a server, which shows this certificate.
    pub async fn before(server: &Server, shows: Option<Signed>) -> Self {
        let identity =
            |signed: Signed| ClientIdentity { certificate: signed.certificate, key: signed.key, passphrase: None };
        let tls = shows.map(|signed| ServerTls {
            identity: identity(signed),
            client_authorities: None,
            oldest: TlsVersion::Tls12,
        });
        let upstream = Upstream::parse(&format!("127.0.0.1:{}", server.port)).unwrap();
        let spec = RelaySpec { listen: "127.0.0.1:0".into(), upstream, tls, limits: Limits::default() };
        let relay = tributary_relay::Relay::bind(vec![spec]).await.unwrap();
        let (port, stop) = (relay.addresses()[0].port(), CancellationToken::new());
        tokio::spawn(relay.run(stop.clone()));
        Self { port, _running: stop.drop_guard() }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}
