//! Moves bytes from the source's socket into the spool.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::handshake::SourceReader;
use crate::meters::{Meters, unix_ms};
use crate::spool::{End, Piece, SpoolIn};
use crate::{ErrorKind, Failure};

/// Bytes asked for at once.
const READ: usize = 256 * 1024;
/// A source pings its replicas every 10 s (repl-ping-replica-period) and gives them up after 60 (repl-timeout).
const SILENCE: Duration = Duration::from_secs(60);

/// Reads until the link breaks or `stop` is called; the spool then knows why.
pub(super) async fn pump(
    mut source: SourceReader,
    spool: SpoolIn,
    meters: Arc<Meters>,
    stop: CancellationToken,
    name: String,
) {
    let end = tokio::select! {
        () = stop.cancelled() => End::Stopping,
        failure = run(&mut source, &spool, &meters, &name) => End::Broken(failure),
    };
    spool.end(end);
}

async fn run(source: &mut SourceReader, spool: &SpoolIn, meters: &Meters, name: &str) -> Failure {
    loop {
        if !source.buffer.is_empty() {
            let bytes = source.buffer.split().freeze();
            meters.wire_bytes.fetch_add(bytes.len() as u64, Relaxed);
            meters.session_bytes.fetch_add(bytes.len() as u64, Relaxed);
            spool.push(Piece { bytes, arrived_ms: unix_ms(SystemTime::now()), arrived: Instant::now() });
        }
        spool.room().await;
        if source.buffer.capacity() < READ / 8 {
            source.buffer.reserve(READ);
        }
        match tokio::time::timeout(SILENCE, source.reader.read_buf(&mut source.buffer)).await {
            Err(_) => {
                let message = format!("{name} sent nothing for {} s.", SILENCE.as_secs());
                return Failure::new(ErrorKind::TimedOut, name, message);
            }
            Ok(Ok(0)) => return Failure::closed(name),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Failure::io(name, &error),
        }
    }
}
