//! `/metrics` and `/health` of a process that runs for long.
//!
//! [`Page`] writes the text that Prometheus reads; [`Server`] serves it. What is served is up to whoever runs it.

mod page;
mod server;

pub use page::{Kind, Page};
pub use server::{Ask, Health, Pages, Server, Serving};
