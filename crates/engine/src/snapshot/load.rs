use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use tributary_resp::psync::Framing;

use super::loader::Loader;
use super::origin::Origin;
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
    let warn = |message: &str| ctx.event_warning(message);
    let spools = ctx.spec.options.spool.as_ref();
    let scratch = super::scratch(spools.map(|spools| &*spools.folder));
    let origin = origin(ctx, &scratch, &warn);
    let mut loader = Loader::new(&origin, dialect, unix_ms(SystemTime::now()));
    loop {
        let piece = tokio::select! {
            piece = spool.next() => piece?,
            failure = writer.failed() => return Err(failure.into()),
        };
        let ended = loader.take(&piece.bytes, writer).await?;
        let decoded = loader.offset();
        ctx.meters.omitted.store(loader.left_out().omitted, Relaxed);
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
            loader.send(writer).await?;
        }
    }
    loader.send(writer).await?;
    writer.settled().await?;
    let decoded = loader.offset();
    let rest = Bytes::from(loader.take_rest());
    let rest = trailer(ctx, spool, &framing, decoded, rest).await?;
    Ok(Loaded { stream_db: loader.stream_db, rest })
}

/// What the loader must know of a link.
fn origin<'a>(ctx: &'a LinkContext, scratch: &'a Path, warn: &'a (dyn Fn(&str) + Send + Sync)) -> Origin<'a> {
    let name = ctx.source.endpoint.authority();
    Origin {
        dump: format!("The snapshot of {name}"),
        name,
        destination: ctx.spec.destination.authority(),
        only: ctx.source.endpoint.db,
        lands: ctx.spec.destination.db,
        replica: Some(&ctx.spec.id),
        expired_before: None,
        unsupported: ctx.spec.options.unsupported,
        scratch,
        warn,
    }
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
