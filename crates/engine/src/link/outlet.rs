//! The destination's side of a link: takes the checkpoint over, and applies what the spool holds behind it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::oneshot;

use super::retries::Retries;
use super::{Announced, LinkContext, LinkEnd, SessionEnd, failed_before};
use crate::checkpoint::{self, Checkpoint, Progress};
use crate::destination;
use crate::dialect::dialect;
use crate::expiry::Expiry;
use crate::meters::Side;
use crate::spool::{End, SpoolOut, Supply};
use crate::stream::{Apply, Known, Omitted, Reach};
use crate::writer::{Seat, Writer};
use crate::{Action, ErrorKind, Failure, sentinel, snapshot};

/// How long a stop waits for what was received to be applied. The rest is asked for again on resume.
const DRAIN: Duration = Duration::from_secs(10);

/// So often a destination breaks off at the same place before its limits are looked at.
const SUSPICIOUS: u32 = 3;

/// Applies until the link is stopped or one of its sides cannot go on.
pub(super) async fn run(
    ctx: &LinkContext,
    spool: SpoolOut,
    announced: Option<oneshot::Receiver<Announced>>,
    joins: bool,
) -> LinkEnd {
    let mut outlet = Outlet {
        ctx,
        spool,
        retries: Retries::of(Side::Destination),
        supply: Supply::Left,
        // Once in a run: a command that fails later was not meant.
        skip_failed: ctx.spec.options.skip_failed && !ctx.meters.skip_used.swap(true, Relaxed),
        was_open: false,
        went_on: false,
        rewind: None,
        omitted: Omitted::default(),
        broke_off: (0, 0),
    };
    let drained = async {
        ctx.stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        end = outlet.work(announced, joins) => end,
        () = drained => LinkEnd::Stopped,
    }
}

/// A session with the destination that may begin.
struct Opened {
    writer: Writer,
    /// What the checkpoint says.
    mark: Option<Progress>,
    known: Known,
}

struct Outlet<'a> {
    ctx: &'a LinkContext,
    spool: SpoolOut,
    retries: Retries,
    /// Where what follows the checkpoint may come from.
    supply: Supply,
    skip_failed: bool,
    /// A session was open before.
    was_open: bool,
    /// A checkpoint was gone on from before.
    went_on: bool,
    /// Where to go back to, once the destination can be written to.
    rewind: Option<Checkpoint>,
    /// What of the stream was not copied, as the user agreed.
    omitted: Omitted,
    /// Where the destination broke off last, and how often in a row.
    broke_off: (u64, u32),
}

impl Outlet<'_> {
    async fn work(&mut self, announced: Option<oneshot::Receiver<Announced>>, joins: bool) -> LinkEnd {
        let mut end = match announced {
            Some(announced) => match self.load(announced, joins).await {
                Ok(end) => end,
                // A source that joins stops alone.
                Err(SessionEnd::Failed(failure) | SessionEnd::SourceFailed(failure))
                    if joins && failure.action() == Action::Stop =>
                {
                    return LinkEnd::Failed(failure);
                }
                Err(SessionEnd::Failed(failure) | SessionEnd::SourceFailed(failure)) => {
                    return LinkEnd::LoadFailed(failure);
                }
                Err(SessionEnd::Stopped) => return LinkEnd::Stopped,
                Err(SessionEnd::NeedsFull(reason) | SessionEnd::SpoolDamaged(reason)) => {
                    return LinkEnd::NeedsFull(reason);
                }
                Err(SessionEnd::Replan) => return LinkEnd::Replan,
                Err(SessionEnd::Rewound(place)) => SessionEnd::Rewound(place),
            },
            None => self.resume().await,
        };
        loop {
            let failure = match end {
                SessionEnd::Stopped => return LinkEnd::Stopped,
                SessionEnd::NeedsFull(reason) => return LinkEnd::NeedsFull(reason),
                SessionEnd::Replan => return LinkEnd::Replan,
                SessionEnd::SourceFailed(failure) => return LinkEnd::Failed(failure),
                SessionEnd::Failed(failure) => Some(failure),
                SessionEnd::Rewound(place) => {
                    self.rewind = Some(place);
                    None
                }
                SessionEnd::SpoolDamaged(what) => {
                    self.ctx.event_warning(&format!("The spool on disk is damaged ({what}); asking the source again."));
                    self.supply = Supply::Source;
                    None
                }
            };
            if let Some(failure) = failure {
                // The destination is gone from the start: what an earlier run left is gone on with all the same.
                if self.supply == Supply::Left && !self.was_open && self.spool.begin_with_what_is_left().await {
                    self.supply = Supply::Held;
                }
                let failure = self.explained(failure).await;
                let Some(wait) = self.retries.after(self.ctx, &failure) else { return LinkEnd::Failed(failure) };
                if let Some(end) = self.pause(wait).await {
                    return end;
                }
            }
            end = self.resume().await;
        }
    }

    /// A destination that breaks off at the same place again and again has a reason.
    async fn explained(&mut self, failure: Failure) -> Failure {
        let meters = &self.ctx.meters;
        let applied = meters.applied.load(Relaxed);
        let (place, times) = self.broke_off;
        self.broke_off = if place == applied { (place, times + 1) } else { (applied, 1) };
        if failure.kind != ErrorKind::Disconnected || self.broke_off.1 < SUSPICIOUS {
            return failure;
        }
        let waiting = meters.received().saturating_sub(applied);
        destination::query_buffer_exceeded(&self.ctx.spec.destination, waiting).await.unwrap_or(failure)
    }

    /// Waits before the next attempt, unless the source's side has ended for good meanwhile.
    async fn pause(&self, wait: Duration) -> Option<LinkEnd> {
        let end = tokio::select! {
            () = tokio::time::sleep(wait) => return None,
            end = self.spool.over() => end,
        };
        match end {
            End::Stopping => Some(LinkEnd::Stopped),
            End::NeedsFull(reason) => Some(LinkEnd::NeedsFull(reason)),
            End::Broken(failure) => Some(LinkEnd::Failed(failure)),
            End::Damaged(_) | End::Rewound(_) => None,
        }
    }

    async fn open(&mut self, begin: Option<Progress>) -> Result<Opened, SessionEnd> {
        let opening = async {
            let spec = &self.ctx.spec;
            let (dialect, kept, commands) = dialect(spec).await?;
            let predecessors = match self.ctx.predecessors.get() {
                Some(known) => known.clone(),
                None => {
                    let owners = destination::owners(spec).await?;
                    self.ctx.predecessors.get_or_init(|| owners).clone()
                }
            };
            let seat = Seat {
                key: checkpoint::key(&spec.id, &self.ctx.source.id),
                home: checkpoint::home_db(spec),
                owner: self.ctx.owner.clone(),
                predecessors,
                held_back: dialect.expiry == Expiry::HeldBack,
                begin,
            };
            let import = dialect.expiry == Expiry::ImportMode;
            let (mut writer, mark) = Writer::open(&spec.destination, &seat, import, self.ctx.meters.clone()).await?;
            writer.belongs_to(&self.ctx.own);
            let reach = Reach::new(dialect, commands, spec.options.unsupported);
            let known = Known { dialect, kept, reach, omitted: Omitted::default() };
            Ok::<_, Failure>(Opened { writer, mark: mark.map(|mark| mark.progress), known })
        };
        let opened: Opened = tokio::select! {
            opened = opening => opened?,
            () = self.ctx.stop.cancelled() => return Err(SessionEnd::Stopped),
        };
        if std::mem::replace(&mut self.was_open, true) {
            self.ctx.destination_back.notify_one();
        }
        self.ctx.meters.update(|state| state.expiry = Some(opened.known.dialect.expiry));
        Ok(opened)
    }

    /// Loads the snapshot that is announced, then follows the stream behind it.
    async fn load(&mut self, announced: oneshot::Receiver<Announced>, joins: bool) -> Result<SessionEnd, SessionEnd> {
        let Announced { framing, mut place } = tokio::select! {
            Ok(announced) = announced => announced,
            end = self.spool.over() => return Err(end.into()),
        };
        let Opened { mut writer, mark, mut known } = self.open(joins.then_some(Progress::Joining)).await?;
        let is_ours = match &mark {
            Some(Progress::Loading) => true,
            Some(Progress::Joining) => joins,
            _ => false,
        };
        if !is_ours {
            let name = self.ctx.spec.destination.authority();
            return Err(SessionEnd::NeedsFull(format!("{name} lost the marker of the load")));
        }
        let loaded = match snapshot::load(self.ctx, &mut self.spool, &mut writer, framing, known.dialect).await {
            // A batch of a load is small but for its last object, so there is no need to wait for a second time.
            Err(SessionEnd::Failed(failure)) if failure.kind == ErrorKind::Disconnected => {
                let unanswered = writer.largest_unanswered();
                let exceeded = destination::query_buffer_exceeded(&self.ctx.spec.destination, unanswered).await;
                return Err(exceeded.unwrap_or(failure).into());
            }
            loaded => loaded?,
        };
        place.db = loaded.stream_db;
        known.omitted = std::mem::take(&mut self.omitted);
        let mut apply = Apply::new(self.ctx, place.clone(), known, writer.session());
        apply.checkpoint(&mut writer).await?;
        self.spool.streams_from(&place, loaded.rest.len() as u64);
        self.supply = Supply::Held;
        self.retries.works(self.ctx);
        if self.ctx.source.stopped {
            writer.settled().await?;
            self.ctx.event_info("The snapshot is in; the source stays stopped.");
            self.ctx.meters.streaming(place.offset);
            return Ok(SessionEnd::Stopped);
        }
        self.ctx.event_info("The snapshot is in; following the stream.");
        self.ctx.meters.streaming(place.offset);
        let end = self.apply(&mut apply, &mut writer, loaded.rest).await;
        self.omitted = apply.into_omitted();
        self.record_failed(&writer, &end).await;
        Ok(end)
    }

    /// One more session, from where the destination says it stands.
    async fn resume(&mut self) -> SessionEnd {
        match self.follow().await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn follow(&mut self) -> Result<SessionEnd, SessionEnd> {
        let Opened { mut writer, mark, mut known } = self.open(None).await?;
        let mut place = self.place(mark)?;
        if let Some(back_to) = self.rewind.clone() {
            place = self.rewound(place, back_to)?;
        }
        self.spool.begin(&place, self.supply).await;
        self.supply = Supply::Held;
        self.retries.works(self.ctx);
        self.ctx.meters.streaming(place.offset);
        known.omitted = std::mem::take(&mut self.omitted);
        let mut apply = Apply::new(self.ctx, place, known, writer.session());
        if self.rewind.take().is_some() {
            apply.checkpoint(&mut writer).await?;
        }
        let end = self.apply(&mut apply, &mut writer, bytes::Bytes::new()).await;
        self.omitted = apply.into_omitted();
        self.record_failed(&writer, &end).await;
        Ok(end)
    }

    /// Applies until something ends that, or until Sentinels have put another server in the destination's place.
    async fn apply(&mut self, apply: &mut Apply<'_>, writer: &mut Writer, rest: bytes::Bytes) -> SessionEnd {
        tokio::select! {
            end = apply.run(&mut self.spool, writer, rest) => end,
            moved = sentinel::moved(&self.ctx.spec.destination) => SessionEnd::Failed(moved),
        }
    }

    /// The place to go on at when the source's history took another way behind `back_to`: nothing that was taken from
    /// there on may have changed data.
    fn rewound(&mut self, place: Checkpoint, back_to: Checkpoint) -> Result<Checkpoint, SessionEnd> {
        let name = self.ctx.source.endpoint.authority();
        let offset = back_to.offset;
        if !self.ctx.meters.unchanged_behind(offset) {
            let reason = format!("{name} lost what it had sent behind offset {offset} (a failover)");
            return Err(SessionEnd::NeedsFull(reason));
        }
        self.supply = Supply::Source;
        self.ctx.event_info(&format!(
            "The source's history took another way behind offset {offset}, where nothing was written; going on from there."
        ));
        // The promoted server begins with a SELECT (Redis' replication.c, `replicationUnsetMaster`).
        Ok(if place.offset > offset { Checkpoint { db: place.db, ..back_to } } else { place })
    }

    /// Where to go on, by what the destination holds.
    fn place(&mut self, mark: Option<Progress>) -> Result<Checkpoint, SessionEnd> {
        // Nobody has looked yet at what the destination holds, or the source still waits to be loaded beside the others:
        // neither is a reason to delete anything.
        let known = self.ctx.planned || self.went_on;
        match mark {
            Some(Progress::Joining) => return Err(SessionEnd::Replan),
            None | Some(Progress::Loading) if !known => return Err(SessionEnd::Replan),
            _ => self.went_on = true,
        }
        let name = self.ctx.spec.destination.authority();
        let place = match mark {
            None | Some(Progress::Loading | Progress::Joining) => {
                return Err(SessionEnd::NeedsFull(format!("{name} lost the checkpoint, and with it the data")));
            }
            Some(Progress::Failed(place, what)) if std::mem::take(&mut self.skip_failed) => {
                self.ctx.event_warning(&format!("Skipped, as the user wants: {what}"));
                place
            }
            Some(Progress::Failed(_, what)) => return Err(failed_before(&self.ctx.spec, &what).into()),
            Some(Progress::At(place)) => place,
        };
        self.skip_failed = false;
        // This run may have seen them itself.
        let seen = place.checked.max(self.ctx.meters.applied.load(Relaxed));
        if seen < place.offset {
            self.ctx.event_warning(&format!(
                "{name} holds the stream up to offset {}; its answers behind {} were never seen. A command among them \
                 that failed would not have been noticed.",
                place.offset, place.checked
            ));
        }
        Ok(place)
    }

    /// A transaction that was executed in part has moved the checkpoint past the failed command: replaces it, so that
    /// the sync does not silently go on from there.
    async fn record_failed(&self, writer: &Writer, end: &SessionEnd) {
        let SessionEnd::Failed(failure) = end else { return };
        if !writer.executed_in_part() {
            return;
        }
        let recorded =
            destination::record_failed(&self.ctx.spec, &self.ctx.source.id, &self.ctx.owner, &failure.message).await;
        if let Err(error) = recorded {
            tracing::error!(%error, "the failed command could not be recorded at the destination");
        }
    }
}
