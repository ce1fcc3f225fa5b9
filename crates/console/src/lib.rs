//! The console: what a user defines, starts and watches, without a window around it.
//!
//! Start reading at [`Console`]. Definitions, history and settings are in SQLite ([`store`]), passwords in the keyring
//! of the operating system ([`credentials`]); what a window sees is in [`dto`]. Definitions as a file are in
//! [`declaration`].

mod chain;
mod console;
pub mod credentials;
pub mod declaration;
mod definition;
pub mod demo;
mod drafting;
pub mod dto;
mod error;
mod export;
mod folder;
mod identities;
mod meter;
mod preflight;
mod run;
mod store;
mod time;
mod tls;
mod verification;
mod view;

pub use console::{Alert, Console, Declared, DeclaredRun, ReplicaState};
pub use error::ConsoleError;
pub use folder::data_folder;
