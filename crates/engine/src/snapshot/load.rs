use std::time::{Instant, SystemTime};

use bytes::Bytes;
use tributary_rdb::{Decoder, Event, Limits, RdbError};
use tributary_resp::psync::Framing;

use super::is_foreign_mark;
use super::large::Large;
use super::restore::Restorer;
use crate::dialect::Dialect;
use crate::link::{LinkContext, SessionEnd};
use crate::meters::{LoadProgress, unix_ms};
use crate::spool::SpoolOut;
use crate::writer::Writer;
use crate::{ErrorKind, Failure, Phase};

/// What follows a snapshot.
pub(crate) struct Loaded {
    /// The database that the stream has selected at its start.
    pub stream_db: u32,
    /// Bytes of the stream that came with the snapshot's end.
    pub rest: Bytes,
}

/// Restores the snapshot that comes out of the spool. All of it is answered when this returns.
pub(crate) async fn load(
    ctx: &LinkContext,
    spool: &mut SpoolOut,
    writer: &mut Writer,
    framing: Framing,
    dialect: Dialect,
) -> Result<Loaded, SessionEnd> {
    ctx.meters.update(|state| {
        state.stage = Phase::Loading;
        state.load = Some(LoadProgress {
            started: Instant::now(),
            bytes_done: 0,
            bytes_total: framing.length(),
            keys_total: None,
            shown: 0.0,
        });
    });
    let mut loader = Loader {
        ctx,
        decoder: Decoder::new(Limits::default()),
        restorer: Restorer::new(dialect, unix_ms(SystemTime::now())),
        large: None,
        dialect,
        stream_db: 0,
    };
    loop {
        let piece = tokio::select! {
            piece = spool.next() => piece?,
            failure = writer.failed() => return Err(failure.into()),
        };
        loader.decoder.feed(&piece.bytes);
        let ended = loader.drain(writer).await?;
        let decoded = loader.decoder.offset();
        ctx.meters.update(|state| {
            if let Some(load) = &mut state.load {
                load.bytes_done = decoded;
            }
        });
        if ended {
            break;
        }
        // The input pauses: what is at hand is restored meanwhile.
        if writer.is_eager() {
            loader.restorer.send(writer).await?;
        }
    }
    loader.restorer.send(writer).await?;
    writer.settled().await?;
    let decoded = loader.decoder.offset();
    let rest = Bytes::from(loader.decoder.take_rest());
    let rest = trailer(ctx, spool, &framing, decoded, rest).await?;
    Ok(Loaded { stream_db: loader.stream_db, rest })
}

struct Loader<'a> {
    ctx: &'a LinkContext,
    decoder: Decoder,
    restorer: Restorer,
    large: Option<Large>,
    dialect: Dialect,
    stream_db: u32,
}

impl Loader<'_> {
    /// Restores all that the decoder has whole; true at the dump's end.
    async fn drain(&mut self, writer: &mut Writer) -> Result<bool, SessionEnd> {
        let ctx = self.ctx;
        while let Some(event) = self.decoder.next_event().map_err(|e| damaged(ctx, &e))? {
            match event {
                Event::Aux { name, value } if *name == *b"repl-stream-db" => {
                    self.stream_db = std::str::from_utf8(&value).ok().and_then(|db| db.parse().ok()).unwrap_or(0);
                }
                Event::Header { .. } | Event::Aux { .. } => {}
                Event::ModuleAux { module } => {
                    ctx.event_warning(&format!(
                        "{} holds data of the module type {module} outside of keys; it is not copied.",
                        ctx.source.endpoint.authority()
                    ));
                }
                Event::SelectDb(db) => check_db(ctx, self.dialect, db)?,
                Event::ResizeDb { .. } => {}
                Event::Function(code) => {
                    // Libraries belong to the whole server, not to the one database that is copied.
                    if ctx.source.endpoint.db.is_none() {
                        if !self.dialect.functions {
                            return Err(no_functions(ctx).into());
                        }
                        self.restorer.function(&code);
                    }
                }
                Event::Value(value) => {
                    if let Some(db) = target(ctx, value.db)
                        && !is_foreign_mark(ctx, &value.key)?
                    {
                        self.restorer.select(db);
                        self.restorer.value(&value);
                    }
                }
                Event::LargeStart(start) => {
                    self.large = match target(ctx, start.db) {
                        None => None,
                        Some(db) => {
                            self.restorer.select(db);
                            Some(Large::begin(&mut self.restorer, &start, self.dialect))
                        }
                    };
                }
                Event::LargePart(part) => {
                    if let Some(large) = &mut self.large {
                        large.part(&mut self.restorer, &part).map_err(|what| unexpressible(ctx, &what))?;
                    }
                }
                Event::LargeEnd => {
                    if let Some(large) = self.large.take() {
                        large.end(&mut self.restorer);
                    }
                }
                Event::End => return Ok(true),
            }
            self.restorer.send_full(writer).await?;
        }
        Ok(false)
    }
}

/// The destination's database for one of the source's; `None` when it is left out.
fn target(ctx: &LinkContext, db: u32) -> Option<u32> {
    match ctx.source.endpoint.db {
        None => Some(db),
        Some(only) => (only == db).then(|| ctx.spec.destination.db.unwrap_or(db)),
    }
}

fn check_db(ctx: &LinkContext, dialect: Dialect, db: u32) -> Result<(), Failure> {
    match target(ctx, db) {
        Some(target) if target >= dialect.databases => {
            let name = ctx.spec.destination.authority();
            let message = format!(
                "{} has data in database {db}, but {name} has only {} databases.",
                ctx.source.endpoint.authority(),
                dialect.databases
            );
            Err(Failure::new(ErrorKind::DbOutOfRange, &name, message))
        }
        _ => Ok(()),
    }
}

fn damaged(ctx: &LinkContext, error: &RdbError) -> Failure {
    let name = ctx.source.endpoint.authority();
    let kind = if error.is_unknown() { ErrorKind::UnknownValue } else { ErrorKind::CorruptSnapshot };
    Failure::new(kind, &name, format!("The snapshot of {name} cannot be read: {error}."))
}

fn no_functions(ctx: &LinkContext) -> Failure {
    let name = ctx.spec.destination.authority();
    let source = ctx.source.endpoint.authority();
    let message = format!("{source} has function libraries, which {name}, older than 7.0, does not know.");
    Failure::new(ErrorKind::ValueRefused, &name, message)
}

fn unexpressible(ctx: &LinkContext, what: &str) -> Failure {
    let name = ctx.source.endpoint.authority();
    Failure::new(ErrorKind::UnknownValue, &name, format!("The snapshot of {name} holds {what}."))
}

/// Reads the mark behind a dump of unknown length; gives the bytes of the stream behind it.
async fn trailer(
    ctx: &LinkContext,
    spool: &mut SpoolOut,
    framing: &Framing,
    decoded: u64,
    rest: Bytes,
) -> Result<Bytes, SessionEnd> {
    let name = ctx.source.endpoint.authority();
    let wrong = || {
        let message = format!("The snapshot of {name} ended elsewhere than announced, after {decoded} bytes.");
        Failure::new(ErrorKind::CorruptSnapshot, &name, message)
    };
    let mark = framing.trailer(decoded).ok_or_else(wrong)?;
    let mut bytes = bytes::BytesMut::from(&rest[..]);
    while bytes.len() < mark.len() {
        bytes.extend_from_slice(&spool.next().await?.bytes);
    }
    if bytes.split_to(mark.len()) != mark {
        return Err(wrong().into());
    }
    Ok(bytes.freeze())
}
