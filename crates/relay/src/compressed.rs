//! A connection whose client gets what the server sends as gzip.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tributary_resp::relay::GRANTED;

use crate::compressor::{Compressor, Input};
use crate::connection::{Ending, Parts, Route};
use crate::pump::{Broken, Until, linger, pump};

/// Bytes that are read from the server at once.
const READ: usize = 64 * 1024;
/// Pieces that wait for the compressor, and compressed ones that wait for the client: with both, and what deflate needs
/// itself, a compressed link takes up to about 1.5 MiB.
const QUEUE: usize = 8;

/// Serves such a client until the server, the client or the relay ends: why.
pub(crate) async fn compressed(
    parts: Parts,
    level: u32,
    route: &Route,
    ending: &Ending<'_>,
    sent: &AtomicU64,
) -> String {
    let Parts { client, upstream, forward } = parts;
    let (mut client_in, mut client_out) = tokio::io::split(client);
    let (mut upstream_in, mut upstream_out) = tokio::io::split(upstream);
    let (input, inputs) = mpsc::channel(QUEUE);
    let (output, mut outputs) = mpsc::channel(QUEUE);
    let compressor = Compressor::new(level, output, route.metrics.clone());
    let thread = match std::thread::Builder::new().name("gzip".to_owned()).spawn(move || compressor.run(inputs)) {
        Ok(thread) => thread,
        Err(error) => return format!("no thread for compression: {error}"),
    };
    let until = Until { stop: Some(ending.stop), ..ending.until() };
    // Reading ends first: then the compressor does, and then there is nothing more to write.
    let answering =
        async { tokio::try_join!(feed(&mut upstream_in, input, &until, sent), deliver(&mut outputs, &mut client_out)) };
    let (reason, whole) = tokio::select! {
        reason = ask(&mut client_in, &mut upstream_out, &forward, &until) => (reason, false),
        done = answering => match done {
            Ok((None, ())) => ("ended".to_owned(), true),
            Ok((Some(error), ())) => (error.to_string(), true),
            Err(error) => (error.to_string(), false),
        },
        () = ending.overdue() => ("it did not take in time what was left for it".to_owned(), false),
    };
    // With it the compressor has nothing to wait for any more.
    drop(outputs);
    join(thread).await;
    if whole {
        linger(&mut client_in).await;
    }
    reason
}

async fn join(thread: JoinHandle<()>) {
    let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
    if !matches!(joined, Ok(true)) {
        tracing::error!("a compressor ended in a panic");
    }
}

/// Passes on what the client sends: returns when the client has gone, and why.
async fn ask(
    client: &mut (impl AsyncRead + Unpin),
    upstream: &mut (impl AsyncWrite + Unpin),
    forward: &[u8],
    until: &Until<'_>,
) -> String {
    match pump(client, upstream, forward, until, &AtomicU64::new(0)).await {
        Err(Broken::Reading(error)) => error.to_string(),
        // The server learns of an end, and ends its side, which is what ends the connection. One that takes nothing more
        // may still have sent something.
        Ok(()) | Err(Broken::Writing(_)) => std::future::pending().await,
    }
}

/// Writes the answer to the request and all that is compressed, then ends that direction.
async fn deliver(outputs: &mut mpsc::Receiver<Bytes>, client: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    client.write_all(GRANTED).await?;
    client.flush().await?;
    while let Some(piece) = outputs.recv().await {
        client.write_all(&piece).await?;
        client.flush().await?;
    }
    client.shutdown().await
}

/// Gives the compressor what the server sends. Returns when the server or the relay ends, or the server breaks off: by what.
/// Then what it had sent is made decodable, and the last member is left unfinished.
async fn feed(
    upstream: &mut (impl AsyncRead + Unpin),
    compressor: mpsc::Sender<Input>,
    until: &Until<'_>,
    sent: &AtomicU64,
) -> io::Result<Option<io::Error>> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let mut buffer = BytesMut::with_capacity(READ);
    loop {
        let read = match at_once(upstream, &mut buffer).await {
            Some(read) => read,
            None => {
                compressor.send(Input::Pause).await.map_err(gone)?;
                tokio::select! {
                    read = upstream.read_buf(&mut buffer) => read,
                    () = until.stopped() => Ok(0),
                    error = until.still() => Err(error),
                }
            }
        };
        match read {
            Ok(0) => {}
            Ok(read) => {
                sent.fetch_add(read as u64, Relaxed);
                compressor.send(Input::Data(buffer.split().freeze())).await.map_err(gone)?;
                if !until.is_stopped() {
                    continue;
                }
            }
            Err(error) => {
                compressor.send(Input::Pause).await.map_err(gone)?;
                return Ok(Some(error));
            }
        }
        compressor.send(Input::End).await.map_err(gone)?;
        return Ok(None);
    }
}

/// What can be read without waiting. There is room in the buffer then, for a read that has to wait too.
async fn at_once(upstream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Option<io::Result<usize>> {
    if buffer.capacity() < READ / 4 {
        buffer.reserve(READ);
    }
    tokio::select! {
        biased;
        read = upstream.read_buf(buffer) => Some(read),
        () = std::future::ready(()) => None,
    }
}
