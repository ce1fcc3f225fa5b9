use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::TlsError;
use crate::identity::Identity;

/// An encrypted connection. What TLS itself reports comes as an [`io::Error`] with a [`TlsError`] inside.
#[derive(Debug)]
pub struct TlsStream<S> {
    inner: tokio_rustls::client::TlsStream<S>,
    /// Until the server has said something: it may be about to refuse us for our certificate, which in TLS 1.3 it does after
    /// the handshake.
    unheard: Option<Arc<Identity>>,
}

impl<S> TlsStream<S> {
    pub(crate) fn new(inner: tokio_rustls::client::TlsStream<S>, identity: Arc<Identity>) -> Self {
        Self { inner, unheard: Some(identity) }
    }

    /// The version that was agreed on: `TLS 1.3`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        match self.inner.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS",
        }
    }

    fn explain(&self, error: io::Error) -> io::Error {
        if let Some(told) = TlsError::of_stream(&error) {
            return io::Error::new(io::ErrorKind::InvalidData, told);
        }
        self.refused().unwrap_or(error)
    }

    /// A connection that ends before the server said anything, after it got no certificate where it wanted one.
    fn refused(&self) -> Option<io::Error> {
        let wanting = self.unheard.as_ref().is_some_and(|identity| identity.wanting());
        wanting.then(|| io::Error::new(io::ErrorKind::InvalidData, TlsError::ClientCertificateRequired))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, wanted) = (buf.filled().len(), buf.remaining());
        let done = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        if let Err(error) = done {
            return Poll::Ready(Err(self.explain(error)));
        }
        if buf.filled().len() > before {
            self.unheard = None;
        } else if wanted > 0
            && let Some(error) = self.refused()
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = ready!(Pin::new(&mut self.inner).poll_write(cx, buf));
        Poll::Ready(done.map_err(|error| self.explain(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = ready!(Pin::new(&mut self.inner).poll_flush(cx));
        Poll::Ready(done.map_err(|error| self.explain(error)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
