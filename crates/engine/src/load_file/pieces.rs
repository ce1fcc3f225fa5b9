//! Reads a file in pieces, on a thread of its own: files block, and so does standard input, for as long as it likes.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::DumpFile;
use crate::{ErrorKind, Failure};

/// Bytes of a piece.
const PIECE: usize = 256 * 1024;
/// Pieces that may wait: together a MiB.
const AHEAD: usize = 4;
/// How long a thread that waits for input takes to notice that nobody wants it any more.
const NOTICE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The pieces of a file, in their order. [`Pieces::close`] waits for the thread.
pub(super) struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    thread: JoinHandle<()>,
    /// What was looked at and is to come again.
    again: Option<Bytes>,
    /// What messages call the file.
    name: String,
    /// Bytes that came.
    pub read: u64,
    /// Bytes of the file, where it has a length.
    pub size: Option<u64>,
}

impl Pieces {
    /// Opens a file.
    ///
    /// # Errors
    /// `file_unreadable`.
    pub(super) async fn open(file: &DumpFile) -> Result<Self, Failure> {
        let name = file.to_string();
        let (send, pieces) = mpsc::channel(AHEAD);
        let file = file.clone();
        let opened = tokio::task::spawn_blocking(move || open(&file)).await;
        let (file, size) = match opened {
            Ok(opened) => opened.map_err(|error| unreadable(&name, &error))?,
            Err(error) => return Err(Failure::new(ErrorKind::Internal, &name, error.to_string())),
        };
        let thread = tokio::task::spawn_blocking(move || read(file, &send));
        Ok(Self { pieces, thread, again: None, name, read: 0, size })
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// `file_unreadable`.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(piece) = self.again.take() {
            return Ok(Some(piece));
        }
        let piece = self.pieces.recv().await.transpose().map_err(|error| unreadable(&self.name, &error))?;
        self.read += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    }

    /// Has what was taken come again.
    pub(super) fn put_back(&mut self, piece: Bytes) {
        self.again = Some(piece);
    }

    /// Ends the reading.
    pub(super) async fn close(self) {
        drop(self.pieces);
        // A panic of the thread has ended it just as well.
        let _ = self.thread.await;
    }
}

fn open(file: &DumpFile) -> io::Result<(File, Option<u64>)> {
    let file = match file {
        // Nobody else reads it, so nothing of it waits in a buffer.
        DumpFile::Stdin => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        DumpFile::Path(path) => File::open(path)?,
    };
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    // A pipe has no length.
    Ok((file, about.is_file().then_some(about.len())))
}

/// Reads until the end, an error, or until nobody listens.
fn read(mut file: File, send: &mpsc::Sender<io::Result<Bytes>>) {
    while !send.is_closed() {
        match poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(&NOTICE)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return drop(send.blocking_send(Err(error.into()))),
        }
        let mut piece = vec![0; PIECE];
        let told = match file.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                piece.truncate(length);
                send.blocking_send(Ok(piece.into()))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return drop(send.blocking_send(Err(error))),
        };
        if told.is_err() {
            return;
        }
    }
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("There is no file {name}."),
        io::ErrorKind::PermissionDenied => format!("{name} may not be read by this user."),
        io::ErrorKind::IsADirectory => format!("{name} is a folder, not a file."),
        _ => format!("{name} cannot be read: {error}."),
    };
    Failure::new(ErrorKind::FileUnreadable, name, message)
}
