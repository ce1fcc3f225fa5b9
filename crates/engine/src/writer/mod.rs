//! The writing connection to the destination: batches go out without waiting, every reply is checked.
//!
//! [`Writer`] belongs to the task that applies; a task of its own reads the replies ([`replies`]). A batch stays in the
//! flight queue, with its bytes, until its last reply is in, so that a failed command can be named.

mod flight;
mod outline;
mod replies;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tributary_resp::write;

pub(crate) use flight::{Batch, Flight};

use crate::control::auth_args;
use crate::failure::classify_reply;
use crate::meters::Meters;
use crate::{Endpoint, ErrorKind, Failure, dial};

/// Bytes that may be on their way to the destination without an answer.
const WINDOW: usize = 4 << 20;
/// Batches on their way above which a batch that is not full waits for company. Two keep the destination busy.
const EAGER_BATCHES: usize = 2;

/// How long the destination may owe a reply. What it executes meanwhile is in the checkpoint, so nothing is done twice.
const PATIENCE: Duration = Duration::from_secs(60);

/// The connection that all writes of one link go through.
pub(crate) struct Writer {
    out: dial::Writer,
    flight: Arc<Flight>,
    replies: JoinHandle<()>,
    name: String,
}

impl Writer {
    /// Connects and authenticates; `meters` learn of every batch that was executed.
    pub(crate) async fn open(endpoint: &Endpoint, meters: Arc<Meters>) -> Result<Self, Failure> {
        let name = endpoint.authority();
        let (mut reader, mut out) = dial::dial(endpoint).await?;
        if let Some(auth) = auth_args(endpoint) {
            let mut bytes = Vec::new();
            write::command(&mut bytes, &auth.iter().map(|arg| arg.as_bytes()).collect::<Vec<_>>());
            out.write_all(&bytes).await.map_err(|e| Failure::io(&name, &e))?;
            let line = status_line(&mut reader, &name).await?;
            if let Some(error) = line.strip_prefix('-') {
                return Err(Failure::new(classify_reply(error), &name, format!("{name} answered AUTH with: {error}")));
            }
        }
        let flight = Arc::new(Flight::new(meters));
        let replies = tokio::spawn(replies::read(reader, flight.clone(), name.clone(), PATIENCE));
        Ok(Self { out, flight, replies, name })
    }

    /// An empty buffer for a batch, recycled where possible.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.flight.buffer()
    }

    /// Sends a batch once there is room for it.
    pub(crate) async fn submit(&mut self, batch: Batch) -> Result<(), Failure> {
        self.flight.wait_until(|bytes, _| bytes < WINDOW).await?;
        // A piece of one large command has no reply of its own to wait for.
        let bytes = if batch.replies == 0 { batch.bytes } else { self.flight.launch(batch) };
        if let Err(error) = self.out.write_all(&bytes).await {
            // The destination may have said why before it closed the connection.
            return Err(self.flight.failure().unwrap_or_else(|| Failure::io(&self.name, &error)));
        }
        Ok(())
    }

    /// Records that the stream moved to `offset` without anything to write: true once all before it is answered.
    pub(crate) fn pass(&self, offset: u64) {
        self.flight.pass(offset);
    }

    /// Whether a batch that is not full should leave now.
    pub(crate) fn is_eager(&self) -> bool {
        self.flight.len() < EAGER_BATCHES
    }

    /// Waits until [`Writer::is_eager`] may have changed.
    pub(crate) async fn eager(&self) -> Result<(), Failure> {
        self.flight.wait_until(|_, batches| batches < EAGER_BATCHES).await
    }

    /// Waits until every batch is answered.
    pub(crate) async fn settled(&self) -> Result<(), Failure> {
        self.flight.wait_until(|_, batches| batches == 0).await
    }

    /// Whether a command failed within a transaction whose other commands were executed.
    pub(crate) fn executed_in_part(&self) -> bool {
        self.flight.executed_in_part()
    }

    /// Waits for a failure, for ever if there is none.
    pub(crate) async fn failed(&self) -> Failure {
        loop {
            if let Err(failure) = self.flight.wait_until(|_, _| false).await {
                return failure;
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.replies.abort();
    }
}

/// Reads one short line, without its CRLF, byte by byte: nothing behind it may be taken.
async fn status_line(reader: &mut dial::Reader, name: &str) -> Result<String, Failure> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let byte = reader.read_u8().await.map_err(|_| Failure::closed(name))?;
        line.push(byte);
        if line.len() > 4096 {
            return Err(Failure::new(ErrorKind::NotRedis, name, format!("{name} answered AUTH with an endless line.")));
        }
    }
    line.truncate(line.len() - 2);
    Ok(String::from_utf8_lossy(&line).into_owned())
}
