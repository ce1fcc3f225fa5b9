//! One direction of a connection, as it is.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// Bytes that are passed on at once.
const PIECE: usize = 16 * 1024;

/// Passes on what `from` sends until it ends or the relay does, then ends that direction of `to`: how many bytes.
pub(crate) async fn pump<R, W>(from: &mut R, to: &mut W, stop: &CancellationToken) -> io::Result<u64>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut buffer, mut passed) = (BytesMut::new(), 0);
    loop {
        buffer.clear();
        buffer.reserve(PIECE);
        let read = tokio::select! {
            biased;
            () = stop.cancelled() => 0,
            read = from.read_buf(&mut buffer) => read?,
        };
        if read == 0 {
            to.shutdown().await?;
            return Ok(passed);
        }
        to.write_all(&buffer).await?;
        // TLS holds back what it has encrypted until it is told not to.
        to.flush().await?;
        passed += read as u64;
    }
}
