//! The course of a load: look at the file and the destination, empty it if that was agreed to, restore.

use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use tributary_rdb::{Decoder, Event, Limits};

use super::board::Board;
use super::pieces::Pieces;
use super::place::{self, Place};
use super::{Existing, FileHeader, FileLoad, FilePhase, header};
use crate::dialect::understood;
use crate::expiry::Expiry;
use crate::meters::unix_ms;
use crate::probe::{Skew, measure_clock};
use crate::snapshot::{self, Loader, Origin};
use crate::writer::Writer;
use crate::{Action, ErrorKind, Failure, destination};

/// How long a stop waits for the destination to answer what was sent.
const DRAIN: Duration = Duration::from_secs(10);
/// Every connection of a load bears this name.
const CLIENT: &str = "tributary:load";

/// How a load ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Stopped,
}

/// Loads, and leaves on the board how that ended.
pub(super) async fn run(spec: &FileLoad, board: &Board, stop: &CancellationToken) {
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    let ended = tokio::select! {
        ended = work(spec, board, stop) => ended,
        () = overdue => Ok(End::Stopped),
    };
    match ended {
        Ok(End::Done) => board.enter(FilePhase::Done),
        Ok(End::Stopped) => board.enter(FilePhase::Stopped),
        Err(failure) => board.failed(once(spec, board, failure)),
    }
}

async fn work(spec: &FileLoad, board: &Board, stop: &CancellationToken) -> Result<End, Failure> {
    spec.validate()
        .map_err(|error| Failure::new(ErrorKind::DbOutOfRange, &spec.destination.authority(), error.sentence))?;
    let mut pieces = Pieces::open(&spec.file).await?;
    let ended = tokio::select! {
        // Until something is sent a stop takes effect at once.
        ended = prepare(spec, board, &mut pieces) => Some(ended),
        () = stop.cancelled() => None,
    };
    let ended = match ended {
        None => Ok(End::Stopped),
        Some(Ok(mut place)) => load(spec, board, stop, &mut pieces, &mut place).await,
        Some(Err(failure)) => Err(failure),
    };
    close(pieces, ended).await
}

async fn close<T>(pieces: Pieces, ended: T) -> T {
    pieces.close().await;
    ended
}

/// All that may be refused before anything is changed.
async fn prepare(spec: &FileLoad, board: &Board, pieces: &mut Pieces) -> Result<Place, Failure> {
    let header = header::read(pieces, &spec.file.to_string()).await?;
    board.found(header.clone());
    if header.begins_aof && !spec.dump_only {
        return Err(begins_aof(spec, &header));
    }
    let place = place::open(spec).await?;
    let deletes = spec.existing == Existing::Flush && place.survey.keys + place.survey.functions > 0;
    // What cannot be read again is taken as it comes.
    if deletes && pieces.size.is_some() {
        board.enter(FilePhase::Verifying);
        verify(spec, board).await?;
    }
    Ok(place)
}

/// Reads a file to its end: nothing is deleted for one that is damaged.
async fn verify(spec: &FileLoad, board: &Board) -> Result<(), Failure> {
    let mut pieces = Pieces::open(&spec.file).await?;
    let name = spec.file.to_string();
    let checked = async {
        let mut decoder = Decoder::new(Limits::default());
        loop {
            let Some(piece) = pieces.next().await? else {
                return Err(header::cut_off(&name, pieces.read, decoder.offset()));
            };
            decoder.feed(&piece);
            while let Some(event) = decoder.next_event().map_err(|error| header::damaged(&name, &error, None))? {
                if matches!(event, Event::End) {
                    let size = pieces.size.unwrap_or(0);
                    return Behind::bytes(size.saturating_sub(decoder.offset())).judge(spec);
                }
            }
            board.read(decoder.offset());
            // A file in the cache never waits, and others have work to do.
            tokio::task::yield_now().await;
        }
    };
    let checked = checked.await;
    close(pieces, checked).await
}

/// What restores a file.
struct Work<'a> {
    spec: &'a FileLoad,
    board: &'a Board,
    stop: &'a CancellationToken,
    pieces: &'a mut Pieces,
    writer: Writer,
}

/// Empties the destination if that is to be, and restores.
async fn load(
    spec: &FileLoad,
    board: &Board,
    stop: &CancellationToken,
    pieces: &mut Pieces,
    place: &mut Place,
) -> Result<End, Failure> {
    let dialect = understood(&mut place.control, Expiry::Exact).await?;
    let skew = Skew::default();
    measure_clock(&mut place.control, &skew).await?;
    // By the destination's clock a key would be gone at once.
    let now_ms = unix_ms(SystemTime::now()).saturating_add_signed(skew.ms());
    let writer = Writer::open_unseated(&spec.destination, CLIENT, board.meters.clone()).await?;
    if spec.existing == Existing::Flush {
        board.enter(FilePhase::Emptying);
        board.touch();
        place::flush(place, spec.lands()).await?;
    }
    board.enter(FilePhase::Loading);
    let warn = |message: &str| board.warn(message);
    let name = spec.file.to_string();
    let scratch = snapshot::scratch(None);
    let origin = Origin {
        dump: name.clone(),
        name,
        destination: spec.destination.authority(),
        only: spec.db,
        lands: spec.lands(),
        replica: None,
        expired_before: Some(now_ms),
        unsupported: spec.unsupported,
        scratch: &scratch,
        warn: &warn,
    };
    let mut loader = Loader::new(&origin, dialect, now_ms);
    let mut work = Work { spec, board, stop, pieces, writer };
    match work.restore(&mut loader).await {
        Ok(End::Done) => Ok(End::Done),
        ended => work.break_off(&mut loader, ended).await,
    }
}

impl Work<'_> {
    /// Takes the file to its end, unless the user stops it before.
    async fn restore(&mut self, loader: &mut Loader<'_>) -> Result<End, Failure> {
        let writer = &mut self.writer;
        loop {
            let piece = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(End::Stopped),
                failure = writer.failed() => return Err(failure),
                piece = self.pieces.next() => piece?,
            };
            let Some(piece) = piece else {
                return Err(header::cut_off(&self.spec.file.to_string(), self.pieces.read, loader.offset()));
            };
            self.board.touch();
            let ended = loader.take(&piece, writer).await?;
            self.board.read(loader.offset());
            self.board.counted(loader.left_out(), loader.functions);
            if ended {
                break;
            }
            if writer.is_eager() {
                loader.send(writer).await?;
            }
        }
        loader.send(writer).await?;
        writer.settled().await?;
        self.look_behind(loader).await?;
        Ok(End::Done)
    }

    /// All of the dump is in: what should not be passed over in silence.
    async fn look_behind(&mut self, loader: &mut Loader<'_>) -> Result<(), Failure> {
        let file = &self.spec.file;
        if let (Some(db), false) = (self.spec.db, loader.met) {
            self.board.warn(&format!("{file} holds nothing in database {db}."));
        }
        let behind = match self.pieces.size {
            Some(size) => Behind::bytes(size.saturating_sub(loader.offset())),
            None => {
                let more = !loader.take_rest().is_empty() || self.pieces.next().await?.is_some();
                if more { Behind::Something } else { Behind::Nothing }
            }
        };
        behind.judge(self.spec)?;
        if behind != Behind::Nothing {
            self.board.warn(&format!("What follows the dump in {file} is not loaded."));
        }
        Ok(())
    }

    /// What is at hand still goes, so that the count is right; a key that is not whole does not stay.
    async fn break_off(&mut self, loader: &mut Loader<'_>, ended: Result<End, Failure>) -> Result<End, Failure> {
        let writer = &mut self.writer;
        let settled = async {
            loader.abandon(writer).await?;
            writer.settled().await
        };
        let failure = match (ended, settled.await) {
            (ended, Ok(())) => return ended,
            (Err(failure), Err(_)) | (Ok(_), Err(failure)) => failure,
        };
        if failure.kind != ErrorKind::Disconnected {
            return Err(failure);
        }
        let unanswered = self.writer.largest_unanswered();
        Err(destination::query_buffer_exceeded(&self.spec.destination, unanswered).await.unwrap_or(failure))
    }
}

/// What stands behind a dump's end: commands of an append only file, or whatever else, which would be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    Bytes(u64),
    /// In what has no length.
    Something,
}

impl Behind {
    fn bytes(count: u64) -> Self {
        if count == 0 { Self::Nothing } else { Self::Bytes(count) }
    }

    /// Refused, unless the user knows of it.
    fn judge(self, spec: &FileLoad) -> Result<(), Failure> {
        let name = spec.file.to_string();
        let more = match self {
            _ if spec.dump_only => return Ok(()),
            Self::Nothing => return Ok(()),
            Self::Bytes(count) => format!("{count} bytes more"),
            Self::Something => "more".to_owned(),
        };
        let message = format!(
            "{name} holds {more} behind the dump in it: commands of an append only file, or what is none of it."
        );
        Err(Failure::new(ErrorKind::FileGoesOn, &name, message))
    }
}

fn begins_aof(spec: &FileLoad, header: &FileHeader) -> Failure {
    let name = spec.file.to_string();
    let since = if header.rdb_version >= 10 { "in other files beside it" } else { "behind it in the same file" };
    let message = format!("{name} is the beginning of an append only file: writes that came later stand {since}.");
    Failure::new(ErrorKind::FileGoesOn, &name, message)
}

/// A load is tried once: what the destination holds then belongs to the message, and no hint promises another attempt.
fn once(spec: &FileLoad, board: &Board, mut failure: Failure) -> Failure {
    if let Some(hint) = hint(&failure) {
        hint.clone_into(&mut failure.hint);
    }
    if !board.is_touched() {
        return failure;
    }
    let message = if failure.message.ends_with('.') { failure.message } else { format!("{}.", failure.message) };
    failure.message = if failure.kind == ErrorKind::FileGoesOn {
        format!("{message} The dump itself is loaded.")
    } else {
        let (keys, to) = (board.keys(), place::target(spec));
        let again =
            "Then load again, deleting what is there first (in the terminal: --flush) or going over it (--replace).";
        failure.hint = format!("{} {again}", failure.hint);
        format!("{message} {to} is incomplete: {keys} keys of the file are in.")
    };
    failure
}

/// What a kind's own hint says of a replica is not so of a file.
fn hint(failure: &Failure) -> Option<&'static str> {
    if failure.hint != failure.kind.hint() {
        return None;
    }
    match failure.kind {
        _ if failure.action() == Action::Retry => {
            Some("Check that the server runs and accepts connections from this machine, then load again.")
        }
        ErrorKind::CorruptSnapshot => Some(header::DAMAGED),
        ErrorKind::UnknownValue => Some("Delete that key at the server that wrote the file, and save it again."),
        ErrorKind::ValueRefused => {
            Some("The destination is older than the server that wrote the file, or lacks a module: choose a newer one.")
        }
        ErrorKind::DestinationOom => Some("Raise maxmemory at the destination or make room there, then load again."),
        ErrorKind::DbOutOfRange => Some(
            "Raise `databases` in the destination's configuration and restart that server, or load single databases (--db).",
        ),
        _ => None,
    }
}
