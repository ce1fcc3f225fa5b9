//! One connection to a source, from the first byte to the last. Only connects things together.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::task::JoinSet;

use super::handshake::{Grant, SourceReader, handshake};
use super::{Gate, LinkContext, acks, pump};
use crate::checkpoint::{Checkpoint, Mark};
use crate::destination::{self, dialect};
use crate::dial::dial;
use crate::failure::classify_reply;
use crate::probe::{self, Skew};
use crate::snapshot::{self, Framing};
use crate::spool::{End, spool};
use crate::stream::Apply;
use crate::writer::Writer;
use crate::{ErrorKind, Failure, Phase};

/// Bytes of the source's stream that are held while the destination is busy.
const SPOOL: usize = 16 << 20;
/// How long a source may be silent before its snapshot; it sends a newline about every second.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a stop waits for what was received to be applied. The rest is asked for again on resume.
const DRAIN: Duration = Duration::from_secs(10);

/// Where a session begins.
#[derive(Debug, Clone)]
pub(crate) enum Start {
    /// With a snapshot.
    Load,
    /// Behind this place.
    Resume(Checkpoint),
}

/// Why a session ended.
#[derive(Debug)]
pub(crate) enum SessionEnd {
    /// The user stopped it; what was received is applied.
    Stopped,
    /// Only a new snapshot can go on; the reason.
    NeedsFull(String),
    /// It failed.
    Failed(Failure),
}

impl From<Failure> for SessionEnd {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<End> for SessionEnd {
    fn from(end: End) -> Self {
        match end {
            End::Stopping => Self::Stopped,
            End::Broken(failure) => Self::Failed(failure),
        }
    }
}

/// Runs one session to its end.
pub(crate) async fn session(ctx: &LinkContext, start: &Start, gate: Option<Gate>) -> SessionEnd {
    // The tasks of the session end with it, however it ends.
    let mut tasks = JoinSet::new();
    let work = async {
        match attempt(ctx, start, gate, &mut tasks).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    };
    let abandoned = async {
        ctx.stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    let end = tokio::select! {
        end = work => end,
        () = abandoned => SessionEnd::Stopped,
    };
    tasks.shutdown().await;
    end
}

async fn attempt(
    ctx: &LinkContext,
    start: &Start,
    gate: Option<Gate>,
    tasks: &mut JoinSet<()>,
) -> Result<std::convert::Infallible, SessionEnd> {
    let endpoint = &ctx.source.endpoint;
    let name = endpoint.authority();
    let before_stream = async {
        ctx.meters.update(|state| {
            state.phase = Phase::Connecting;
            state.streaming_since = None;
        });
        let (reader, mut writer) = dial(endpoint).await?;
        ctx.meters.connected();
        ctx.meters.enter(Phase::Handshaking);
        let mut reader = SourceReader::new(reader, &name);
        let from = match start {
            Start::Load => None,
            Start::Resume(place) => Some(place),
        };
        let grant = handshake(endpoint, &mut reader, &mut writer, from).await?;
        Ok::<_, Failure>((reader, writer, grant))
    };
    let (mut reader, ack_writer, grant) = tokio::select! {
        ready = before_stream => ready?,
        () = ctx.stop.cancelled() => return Err(SessionEnd::Stopped),
    };

    let mut place = granted(ctx, start, grant)?;
    if gate.is_some() {
        // Nothing of the snapshot is applied, and an old offset would tell the source that it was.
        ctx.meters.applied.store(0, Relaxed);
    }
    let skew = Arc::new(Skew::default());
    tasks.spawn(acks::acknowledge(ack_writer, ctx.meters.clone()));
    tasks.spawn(probe::watch(endpoint.clone(), ctx.meters.clone(), skew.clone()));

    let framing = match gate {
        None => None,
        Some(gate) => {
            let ready = async {
                let framing = announce_snapshot(ctx, &mut reader, &name).await?;
                gate.pass().await;
                Ok::<_, Failure>(framing)
            };
            Some(tokio::select! {
                framing = ready => framing?,
                () = ctx.stop.cancelled() => return Err(SessionEnd::Stopped),
            })
        }
    };

    let (spool_in, mut spool_out) = spool(SPOOL);
    tasks.spawn(pump::pump(reader, spool_in, ctx.meters.clone(), ctx.stop.clone(), name));
    let dialect = dialect(&ctx.spec.destination).await?;
    let mut writer = Writer::open(&ctx.spec.destination, ctx.meters.clone()).await?;
    let mut rest = bytes::Bytes::new();
    if let Some(framing) = framing {
        let loaded = snapshot::load(ctx, &mut spool_out, &mut writer, framing, dialect).await?;
        place.db = loaded.stream_db;
        rest = loaded.rest;
        destination::set_mark(&ctx.spec, &ctx.source.id, &Mark::At(place.clone())).await?;
        ctx.event_info("The snapshot is in; following the stream.");
    }
    ctx.meters.streaming(place.offset, spool_out.taken - rest.len() as u64);
    let mut apply = Apply::new(ctx, place, dialect, skew);
    let end = apply.run(&mut spool_out, &mut writer, rest).await;
    record_failed_transaction(ctx, &writer, &end).await;
    Err(end)
}

/// Holds the grant against what was asked for; gives the place at which the stream goes on.
fn granted(ctx: &LinkContext, start: &Start, grant: Grant) -> Result<Checkpoint, SessionEnd> {
    let name = ctx.source.endpoint.authority();
    match (start, grant) {
        (Start::Load, Grant::Full { replid, offset }) => Ok(Checkpoint { replid, offset, db: 0 }),
        (Start::Resume(place), Grant::Continue { replid }) => {
            ctx.event_info(&format!("Connected; going on behind offset {}.", place.offset));
            let replid = replid.unwrap_or_else(|| place.replid.clone());
            Ok(Checkpoint { replid, ..place.clone() })
        }
        (Start::Resume(place), Grant::Full { .. }) => Err(SessionEnd::NeedsFull(format!(
            "{name} no longer holds its stream from offset {} on (repl-backlog-size), or lost its history",
            place.offset + 1
        ))),
        (Start::Load, Grant::Continue { .. }) => {
            let message = format!("{name} offered to continue a stream that was never begun.");
            Err(Failure::new(ErrorKind::Protocol, &name, message).into())
        }
    }
}

/// Waits for the line that tells how the snapshot is framed.
async fn announce_snapshot(ctx: &LinkContext, reader: &mut SourceReader, name: &str) -> Result<Framing, Failure> {
    ctx.meters.enter(Phase::WaitingForSnapshot);
    let line = reader.line(SNAPSHOT_TIMEOUT).await?;
    if let Some(error) = line.strip_prefix('-') {
        let kind = classify_reply(error);
        return Err(Failure::new(kind, name, format!("{name} gives no snapshot: {error}")));
    }
    Framing::parse(&line).ok_or_else(|| {
        Failure::new(ErrorKind::Protocol, name, format!("{name} announced its snapshot in an unknown form."))
    })
}

/// A transaction that was executed in part has moved the checkpoint past the failed command: replaces it, so that
/// the sync does not silently go on from there.
async fn record_failed_transaction(ctx: &LinkContext, writer: &Writer, end: &SessionEnd) {
    let SessionEnd::Failed(failure) = end else { return };
    if !writer.executed_in_part() {
        return;
    }
    let mark = Mark::Failed(failure.message.clone());
    if let Err(error) = destination::set_mark(&ctx.spec, &ctx.source.id, &mark).await {
        tracing::error!(%error, "the failed command could not be recorded at the destination");
    }
}
