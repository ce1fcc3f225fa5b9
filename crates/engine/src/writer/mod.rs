//! The writing connection to the destination: batches go out without waiting, every reply is checked.
//!
//! [`Writer`] belongs to the task that applies; a task of its own reads the replies ([`replies`]). A batch stays in the
//! flight queue, with its bytes, until its last reply is in, so that a failed command can be named.

mod fence;
mod flight;
mod outline;
mod replies;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use fence::{Seat, may_end, run_id, taken_over};
pub(crate) use flight::{Batch, Flight, Verdict};
pub(crate) use outline::printable;

use crate::checkpoint::{Mark, Session};
use crate::clients::{OwnClient, OwnClients};
use crate::meters::Meters;
use crate::owner::Owner;
use crate::{Endpoint, ErrorKind, Failure, dial};
use talk::Talk;

/// Bytes that may be on their way to the destination without an answer.
const WINDOW: usize = 4 << 20;
/// Batches of a load on their way above which one that is not full waits for company. Two keep the destination busy.
const EAGER_BATCHES: usize = 2;

/// How long a connection may take until it may write.
const OPENING: Duration = Duration::from_secs(30);
/// How long the destination may owe a reply. What it executes meanwhile is in the checkpoint, so nothing is done twice.
const PATIENCE: Duration = Duration::from_secs(60);

/// The connection that all writes of one link go through.
pub(crate) struct Writer {
    out: dial::Writer,
    session: Session,
    /// Says that the connection is ours, for as long as it lasts.
    known: Option<OwnClient>,
    flight: Arc<Flight>,
    replies: JoinHandle<()>,
    name: String,
}

impl Writer {
    /// Connects, authenticates and takes its seat; `meters` learn of every batch that was executed. Gives what the
    /// destination holds for the seat; `None` when it holds nothing.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        seat: &Seat,
        import: bool,
        meters: Arc<Meters>,
    ) -> Result<(Self, Option<Mark>), Failure> {
        let opening = async {
            let mut talk = Talk::open(endpoint).await?;
            let mark = fence::take(&mut talk, seat).await?;
            if import {
                talk.ask(&["CLIENT", "IMPORT-SOURCE", "ON"]).await?;
            }
            Ok::<_, Failure>((talk, mark))
        };
        let (talk, mark) = in_time(endpoint, opening).await?;
        let session = mark.as_ref().map_or_else(|| seat.owner.session(None), |mark| mark.session.clone());
        Ok((Self::on(talk, session, meters), mark))
    }

    /// Connects and authenticates without a seat: for a load that nothing goes on from.
    pub(crate) async fn open_unseated(endpoint: &Endpoint, client: &str, meters: Arc<Meters>) -> Result<Self, Failure> {
        let opening = async {
            let mut talk = Talk::open(endpoint).await?;
            if let Err(failure) = talk.ask(&["CLIENT", "SETNAME", client]).await {
                tracing::debug!(%failure, "the connection stays without a name");
            }
            Ok::<_, Failure>(talk)
        };
        let talk = in_time(endpoint, opening).await?;
        Ok(Self::on(talk, Owner::new().session(None), meters))
    }

    fn on(talk: Talk, session: Session, meters: Arc<Meters>) -> Self {
        let (name, flight) = (talk.name, Arc::new(Flight::new(meters)));
        let replies = tokio::spawn(replies::read(talk.reader, flight.clone(), name.clone(), PATIENCE));
        Self { out: talk.writer, session, known: None, flight, replies, name }
    }

    /// Counts the connection among ours.
    pub(crate) fn belongs_to(&mut self, own: &Arc<OwnClients>) {
        self.known = self.session.client.as_ref().map(|(_, id)| own.add(*id));
    }

    /// What the checkpoint says of who writes it.
    pub(crate) fn session(&self) -> Session {
        self.session.clone()
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

    /// Sends one command that may be refused, and waits for the answer.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn ask(&mut self, command: Vec<u8>) -> Result<Verdict, Failure> {
        let (verdict, answer) = oneshot::channel();
        let batch = Batch { bytes: Arc::new(command), replies: 1, verdict: Some(verdict), ..Batch::default() };
        self.submit(batch).await?;
        tokio::select! {
            Ok(verdict) = answer => Ok(verdict),
            failure = self.failed() => Err(failure),
        }
    }

    /// Records that the stream moved to `offset` without anything to write: true once all before it is answered.
    pub(crate) fn pass(&self, offset: u64) {
        self.flight.pass(offset);
    }

    /// Whether a batch of a load that is not full should leave now.
    pub(crate) fn is_eager(&self) -> bool {
        self.flight.len() < EAGER_BATCHES
    }

    /// Whether a transaction may be closed now: the one before it is executed, and known to be. A destination that
    /// refuses a transaction would otherwise execute the next one all the same, and move the checkpoint past what it
    /// refused.
    pub(crate) fn is_clear(&self) -> bool {
        self.flight.is_clear()
    }

    /// Waits until [`Writer::is_clear`].
    pub(crate) async fn clear(&self) -> Result<(), Failure> {
        self.flight.clear().await
    }

    /// Waits until every batch is answered.
    pub(crate) async fn settled(&self) -> Result<(), Failure> {
        self.flight.wait_until(|_, batches| batches == 0).await
    }

    /// Whether a command failed within a transaction whose other commands were executed.
    pub(crate) fn executed_in_part(&self) -> bool {
        self.flight.executed_in_part()
    }

    /// Bytes of the largest batch that is not answered.
    pub(crate) fn largest_unanswered(&self) -> u64 {
        self.flight.largest() as u64
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

/// The result of an opening, unless it takes too long.
async fn in_time<T>(endpoint: &Endpoint, opening: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(OPENING, opening).await.unwrap_or_else(|_| {
        let name = endpoint.authority();
        let message = format!("{name} did not answer for {} s.", OPENING.as_secs());
        Err(Failure::new(ErrorKind::TimedOut, &name, message))
    })
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.replies.abort();
    }
}
