//! The console: what a user defines, starts and watches, without a window around it.
//!
//! Start reading at [`Console`]. Definitions, history and settings are in SQLite ([`store`]), passwords in the keyring
//! of the operating system ([`credentials`]); what a window sees is in [`dto`].

mod chain;
mod console;
pub mod credentials;
mod definition;
pub mod demo;
mod drafting;
pub mod dto;
mod error;
mod export;
mod identities;
mod meter;
mod preflight;
mod run;
mod store;
mod time;
mod verification;
mod view;

pub use console::{Alert, Console};
pub use error::ConsoleError;
