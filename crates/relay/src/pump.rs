//! One direction of a connection, as it is.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// Bytes that are passed on at once: first, while a connection is mostly idle, and at most, while it transfers.
const SMALL: usize = 2 * 1024;
const LARGE: usize = 64 * 1024;
/// How long a client that is about to be closed may go on sending. Closing a socket that holds unread bytes would take back
/// from the client what it has not received yet.
const LINGER: Duration = Duration::from_secs(2);

/// Which side a direction broke at.
#[derive(Debug)]
pub(crate) enum Broken {
    Reading(io::Error),
    Writing(io::Error),
}

impl Broken {
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Reading(error) | Self::Writing(error) => error.to_string(),
        }
    }
}

/// What ends the reading of a direction beside its sender.
pub(crate) struct Until<'a> {
    /// The relay ends; `None` where that does not matter.
    pub stop: Option<&'a CancellationToken>,
    /// The other direction has ended: this one may not be still for longer than `patience`.
    pub half: &'a CancellationToken,
    pub patience: Duration,
}

impl Until<'_> {
    /// The relay ends.
    pub(crate) async fn stopped(&self) {
        match self.stop {
            Some(stop) => stop.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// The same, at once.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_some_and(CancellationToken::is_cancelled)
    }

    /// Nothing has moved for too long in what is half a connection. To be asked anew whenever something has moved.
    pub(crate) async fn still(&self) -> io::Error {
        self.half.cancelled().await;
        tokio::time::sleep(self.patience).await;
        io::Error::new(io::ErrorKind::TimedOut, "the other side had ended, and nothing more came")
    }
}

/// Passes on what `from` sends, after `first`, until it ends or has to; then ends that direction of `to`.
pub(crate) async fn pump<R, W>(
    from: &mut R,
    to: &mut W,
    first: &[u8],
    until: &Until<'_>,
    passed: &AtomicU64,
) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let done = copy(from, to, first, until, passed).await;
    until.half.cancel();
    // However it ended: no more will come.
    let ended = to.shutdown().await;
    done.and_then(|()| ended.map_err(Broken::Writing))
}

async fn copy<R, W>(from: &mut R, to: &mut W, first: &[u8], until: &Until<'_>, passed: &AtomicU64) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    write(to, first, passed).await.map_err(Broken::Writing)?;
    let mut buffer = vec![0; SMALL];
    loop {
        let read = tokio::select! {
            biased;
            () = until.stopped() => return Ok(()),
            read = from.read(&mut buffer) => read,
            error = until.still() => Err(error),
        };
        let read = read.map_err(Broken::Reading)?;
        if read == 0 {
            return Ok(());
        }
        write(to, buffer.get(..read).unwrap_or_default(), passed).await.map_err(Broken::Writing)?;
        if read == buffer.len() && read < LARGE {
            buffer.resize(read * 2, 0);
        } else if read < buffer.len() / 8 && buffer.len() > SMALL {
            buffer.truncate(buffer.len() / 2);
            buffer.shrink_to_fit();
        }
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8], passed: &AtomicU64) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    to.write_all(bytes).await?;
    // TLS holds back what it has encrypted until it is told not to.
    to.flush().await?;
    passed.fetch_add(bytes.len() as u64, Relaxed);
    Ok(())
}

/// Reads what a client still sends, for nobody, until it has seen that its connection ended; not for long.
pub(crate) async fn linger(client: &mut (impl AsyncRead + Unpin)) {
    let gone = async {
        let mut nobody = [0; 512];
        while client.read(&mut nobody).await.is_ok_and(|read| read > 0) {}
    };
    let _ = tokio::time::timeout(LINGER, gone).await;
}
