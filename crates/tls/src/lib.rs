//! TLS 1.2 and 1.3 for every link: options, verification that explains itself, certificate chains.
//!
//! - [`TlsOptions`] says what is trusted and who we are; [`ClientTls`] makes one connection with them,
//! - [`ServerTls`] is the listening side, for a relay,
//! - [`TlsError`] says in words what was wrong, and what to do,
//! - [`CertificateInfo`] is what a certificate says of itself, for a person to look at,
//! - [`Secret`] is a password or a passphrase.
//!
//! The protocol is rustls', with ring; nothing of it is done here.

mod certificate;
mod check;
mod client;
mod error;
mod identity;
mod options;
mod pem;
mod secret;
mod server;
mod stream;
mod verifier;

pub use certificate::CertificateInfo;
pub use check::{TlsMistake, TlsPart};
pub use client::{ClientTls, read_certificates};
pub use error::TlsError;
pub use options::{ClientIdentity, TlsOptions, TlsVersion, Trust};
pub use secret::Secret;
pub use server::ServerTls;
pub use stream::TlsStream;
pub use tokio_rustls::TlsAcceptor;
