//! RESP, the Redis serialization protocol, as bytes in and frames out.
//!
//! Nothing here knows a socket or a clock. Six parts, each in its file:
//!
//! - [`Scanner`] finds the boundaries of commands in a replication stream without copying them,
//! - [`Passthrough`] follows the rest of a command that is too large to be collected,
//! - [`ReplyScanner`] reads the replies of a server and points out the errors among them,
//! - [`psync`] reads the lines before a snapshot and a stream,
//! - [`relay`] asks a relay for compression and reads what it tells,
//! - [`write`] appends commands to a buffer.
//!
//! Format: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

mod error;
mod number;
mod passthrough;
pub mod psync;
pub mod relay;
mod reply;
mod scanner;
pub mod write;

pub use error::RespError;
pub use number::parse_int;
pub use passthrough::{Passthrough, Progress};
pub use reply::{Reply, ReplyScanner};
pub use scanner::{Scan, Scanner};
