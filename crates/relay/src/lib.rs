//! A relay: it sits beside a Redis server and passes its connections on, and compresses those whose client asks for it.
//!
//! A client that does not ask sees the server as if the relay were not there. One whose first command is
//! `REPLCONF tributary-gzip 6` (see [`tributary_resp::relay`]) is answered `+OK`, and what the server sends comes to it as gzip
//! from then on. The relay knows no password: clients log in at the server, through it. It reaches the one server that it was
//! started for and no other.
//!
//! - [`Relay`] listens and owns every task; [`RelaySpec`] says where, and for whom,
//! - `connection` follows one client to what it asks for, `plain` and `compressed` from there to its end,
//! - `compressor` is the thread of a compressed one, `upstream` connects to the server,
//! - [`Metrics`] counts, for Prometheus.

mod clock;
mod compressed;
mod compressor;
mod connection;
mod health;
mod member;
mod metrics;
mod plain;
mod pump;
mod relay;
mod spec;
mod upstream;

pub use health::Health;
pub use metrics::Metrics;
pub use relay::{Relay, RelayError};
pub use spec::{Limits, RelaySpec, Upstream};
pub use tributary_tls::ServerTls;
