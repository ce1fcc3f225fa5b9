//! The source's side of a link: connects, asks for the stream, and fills the spool, whatever the destination does.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tributary_resp::psync::{Framing, Grant};

use super::foresight::{self, Outlook};
use super::handshake::{Answer, SourceReader, ask, compress, introduce};
use super::retries::Retries;
use super::{Announced, Gate, LinkContext, acks, pump};
use crate::checkpoint::Checkpoint;
use crate::control::Control;
use crate::dial::{self, Dialled, dial};
use crate::failure::classify_reply;
use crate::meters::Side;
use crate::spool::{End, SpoolIn};
use crate::{Action, ErrorKind, Failure, Phase, sentinel};

/// How long a source may be silent before its snapshot; it sends a newline about every second.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);
/// A source that cuts a full link off so many times in a row will do it again.
const CUTS: u32 = 3;
/// How often the spool is tidied while nothing comes.
const TIDY: Duration = Duration::from_millis(500);

/// A snapshot that is to be asked for.
pub(super) struct Load {
    /// What to wait for before it may be applied; none when it comes beside what the destination holds.
    pub gate: Option<Gate>,
    /// Where to say that it comes.
    pub announce: oneshot::Sender<Announced>,
}

/// Fills the spool until the user stops the link or the source cannot go on; the spool then knows why.
pub(super) async fn run(ctx: LinkContext, spool: SpoolIn, load: Option<Load>) {
    let stop = ctx.stop.clone();
    let mut intake = Intake { ctx, spool, retries: Retries::of(Side::Source), cuts: 0 };
    let end = tokio::select! {
        end = intake.fill(load) => end,
        () = stop.cancelled() => End::Stopping,
    };
    intake.spool.end(end);
    // The files are of use until all is applied.
    loop {
        tokio::time::sleep(TIDY).await;
        intake.spool.tidy().await;
    }
}

/// In the place of a replication ID: the history of a source that has none. No source calls its own so.
const NO_HISTORY: &str = "0000000000000000000000000000000000000000";

/// Why a connection to the source ended.
enum Cut {
    /// The destination wants the stream from another place.
    Outdated,
    /// Nothing else will come of this source.
    Over(End),
    /// It failed.
    Failed(Failure),
}

impl From<Failure> for Cut {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

struct Intake {
    ctx: LinkContext,
    spool: SpoolIn,
    retries: Retries,
    /// Times in a row that the source closed the connection while the spool was full.
    cuts: u32,
}

impl Intake {
    async fn fill(&mut self, load: Option<Load>) -> End {
        if let Some(load) = load {
            if let Err(end) = self.load(load).await {
                return end;
            }
        } else {
            self.spool.next_beginning().await;
        }
        loop {
            match self.follow().await {
                Cut::Outdated => {
                    self.spool.next_beginning().await;
                }
                Cut::Over(end) => return end,
                Cut::Failed(failure) => {
                    if let Err(end) = self.wait(&failure).await {
                        return end;
                    }
                }
            }
        }
    }

    /// Waits before the next attempt; gives the failure back when there is to be none.
    async fn wait(&mut self, failure: &Failure) -> Result<(), End> {
        let Some(wait) = self.retries.after(&self.ctx, failure) else { return Err(End::Broken(failure.clone())) };
        let until = tokio::time::Instant::now() + wait;
        while tokio::time::Instant::now() < until {
            tokio::time::sleep_until(until.min(tokio::time::Instant::now() + TIDY)).await;
            self.spool.tidy().await;
        }
        Ok(())
    }

    /// Brings a snapshot and what follows it. Returns when the connection broke after the snapshot.
    async fn load(&mut self, load: Load) -> Result<(), End> {
        let (reader, announced, mut acks) = loop {
            match self.announced().await {
                Ok(found) => break found,
                // With a gate, all sources try again together.
                Err(failure) if load.gate.is_some() => return Err(End::Broken(failure)),
                Err(failure) => self.wait(&failure).await?,
            }
        };
        let ended = {
            // A source drops a replica that takes nothing for a while, so it is listened to at the gate as well. One that
            // breaks off there has cost nobody anything yet.
            let mut pumping = std::pin::pin!(pump::pump(reader, &self.spool, &self.ctx));
            if let Some(gate) = load.gate {
                tokio::select! {
                    () = gate.pass() => {}
                    (failure, _) = &mut pumping => return Err(End::Broken(failure)),
                    // Where the spool is full nobody reads; that the source has gone shows when it is written to.
                    Some(_) = acks.join_next() => {
                        return Err(End::Broken(Failure::closed(&self.ctx.source.endpoint.authority())));
                    }
                }
            }
            self.retries.works(&self.ctx);
            if load.announce.send(announced).is_err() {
                return Err(End::Stopping);
            }
            let moved = async {
                self.spool.stream_begun().await;
                sentinel::moved(&self.ctx.source.endpoint).await
            };
            tokio::select! {
                ended = &mut pumping => Some(ended),
                moved = moved => Some((moved, false)),
                // The stream behind the snapshot is of no use to a destination that lost what it had of it.
                () = self.spool.outdated() => None,
            }
        };
        drop(acks);
        let Some((failure, was_full)) = ended else {
            self.spool.next_beginning().await;
            return Ok(());
        };
        // The snapshot may be here as a whole; if it is not, the decoder finds the end of what there is.
        self.spool.broken(failure.clone());
        self.spool.stream_begun().await;
        let failure = self.judge(failure, was_full);
        self.wait(&failure).await
    }

    /// Asks for a snapshot, and waits until it is about to come.
    async fn announced(&self) -> Result<(SourceReader, Announced, JoinSet<()>), Failure> {
        let (mut reader, writer, answer) = self.connect(None).await?;
        let name = self.ctx.source.endpoint.authority();
        // Nothing of the snapshot is applied, and an old offset would tell the source that it was.
        self.ctx.meters.applied.store(0, Relaxed);
        let (replid, offset, acks) = match answer {
            Answer::Granted(Grant::Full { replid, offset }) => (replid, offset, self.acknowledge(writer)),
            Answer::Granted(Grant::Continue { .. }) => {
                let message = format!("{name} offered to continue a stream that was never begun.");
                return Err(Failure::new(ErrorKind::Protocol, &name, message));
            }
            Answer::Old => {
                self.ctx.event_warning(&format!(
                    "{name} knows no PSYNC, as before Redis 2.8: whenever its link breaks, all sources are loaded again."
                ));
                (NO_HISTORY.to_owned(), 0, hold_open(writer))
            }
        };
        self.ctx.meters.enter(Phase::WaitingForSnapshot);
        let line = match reader.line(SNAPSHOT_TIMEOUT).await {
            Ok(line) => line,
            Err(failure) => return Err(self.explained(failure).await),
        };
        if let Some(error) = line.strip_prefix('-') {
            let kind = classify_reply(error);
            return Err(Failure::new(kind, &name, format!("{name} gives no snapshot: {error}")));
        }
        let framing = Framing::parse(&line).ok_or_else(|| {
            Failure::new(ErrorKind::Protocol, &name, format!("{name} announced its snapshot in an unknown form."))
        })?;
        let place = Checkpoint { replid, offset, db: 0, checked: offset };
        Ok((reader, Announced { framing, place }, acks))
    }

    /// A source whose disk cannot take the snapshot closes the connection without a word (Redis' replication.c,
    /// `updateSlavesWaitingBgsave`), and would do so every time. A sync without a disk says nothing about saves.
    async fn explained(&self, failure: Failure) -> Failure {
        let asked = async {
            let mut control = Control::open(&self.ctx.source.endpoint).await.ok()?;
            let saves = control.info(Some("persistence")).await.ok()?;
            let failed = saves.get("rdb_last_bgsave_status") == Some("err");
            let saving = saves.get("rdb_bgsave_in_progress") != Some("0");
            (failed && !saving && control.config("repl-diskless-sync").await.as_deref() != Some("yes")).then_some(())
        };
        if failure.kind != ErrorKind::Disconnected || asked.await.is_none() {
            return failure;
        }
        let name = self.ctx.source.endpoint.authority();
        let message = format!("{name} gives no snapshot: its background save failed (rdb_last_bgsave_status:err).");
        Failure::new(ErrorKind::SourceSnapshotFailed, &name, message)
    }

    /// Goes on behind what the spool holds, until the connection ends.
    async fn follow(&mut self) -> Cut {
        let place = match self.reachable_place().await {
            Ok(place) => place,
            Err(cut) => return cut,
        };
        let connected = tokio::select! {
            connected = self.connect(Some(&place)) => connected,
            () = self.spool.outdated() => return Cut::Outdated,
        };
        let (reader, writer, answer) = match connected {
            Ok(connected) => connected,
            Err(failure) => return Cut::Failed(failure),
        };
        let grant = match answer {
            Answer::Granted(grant) => grant,
            Answer::Old => {
                let name = self.ctx.source.endpoint.authority();
                let reason = format!("{name} knows no PSYNC, so that nothing can be gone on with after a break");
                return Cut::Over(End::NeedsFull(reason));
            }
        };
        match grant {
            Grant::Full { .. } => return Cut::Over(End::NeedsFull(self.lost(place.offset))),
            Grant::Continue { replid: Some(replid) } => self.spool.rename(&replid),
            Grant::Continue { replid: None } => {}
        }
        let _acks = self.acknowledge(writer);
        self.retries.works(&self.ctx);
        self.ctx.meters.receiving_again();
        self.ctx.event_info(&format!("Connected; going on behind offset {}.", place.offset));
        let (failure, was_full) = tokio::select! {
            ended = pump::pump(reader, &self.spool, &self.ctx) => ended,
            () = self.spool.outdated() => return Cut::Outdated,
            moved = sentinel::moved(&self.ctx.source.endpoint) => (moved, false),
        };
        Cut::Failed(self.judge(failure, was_full))
    }

    /// Where to go on, after a look at what the source still holds.
    async fn reachable_place(&self) -> Result<Checkpoint, Cut> {
        let (replid, offset) = self.spool.end_of_stream();
        let offset = match foresight::look(&self.ctx, Some((&replid, offset))).await? {
            Outlook::Continues => offset,
            Outlook::ContinuesBehind(earlier) if self.spool.cut_back(earlier).await => {
                let message =
                    format!("The source's history took another way behind offset {earlier}; going on from there.");
                self.ctx.event_warning(&message);
                earlier
            }
            // PINGs and a Sentinel's messages went on at a server that is master no more: they can be forgotten.
            Outlook::ContinuesBehind(earlier) if self.ctx.meters.unchanged_behind(earlier) => {
                let replid = replid.to_string();
                self.spool.rewind(Checkpoint { replid, offset: earlier, db: 0, checked: earlier });
                return Err(Cut::Outdated);
            }
            Outlook::ContinuesBehind(_) | Outlook::Lost => return Err(Cut::Over(End::NeedsFull(self.lost(offset)))),
        };
        Ok(Checkpoint { replid: replid.to_string(), offset, db: 0, checked: offset })
    }

    fn lost(&self, offset: u64) -> String {
        let name = self.ctx.source.endpoint.authority();
        format!(
            "{name} no longer holds its stream from offset {} on (repl-backlog-size), or lost its history",
            offset + 1
        )
    }

    async fn connect(&self, place: Option<&Checkpoint>) -> Result<(SourceReader, dial::Writer, Answer), Failure> {
        let endpoint = &self.ctx.source.endpoint;
        self.enter(Phase::Connecting);
        if place.is_none() {
            foresight::look(&self.ctx, None).await?;
        }
        let Dialled { reader, mut writer, .. } = dial(endpoint).await?;
        self.enter(Phase::Handshaking);
        let mut reader = SourceReader::new(reader, &endpoint.authority());
        if endpoint.compression {
            reader = compress(reader, &mut writer, &self.ctx.meters).await?;
        }
        introduce(endpoint, &mut reader, &mut writer).await?;
        if place.is_none() {
            self.enter(Phase::WaitingForSnapshot);
        }
        let answer = ask(endpoint, &mut reader, &mut writer, place).await?;
        Ok((reader, writer, answer))
    }

    /// Shows how the first connection comes about; later ones are told by the trouble that they mend.
    fn enter(&self, stage: Phase) {
        self.ctx.meters.update(|state| {
            if state.streaming_since.is_none() {
                state.stage = stage;
            }
        });
    }

    fn acknowledge(&self, writer: dial::Writer) -> JoinSet<()> {
        let mut acks = JoinSet::new();
        acks.spawn(acks::acknowledge(writer, self.ctx.meters.clone()));
        acks
    }

    /// A source that closes the link again and again while the spool is full needs the user.
    fn judge(&mut self, failure: Failure, was_full: bool) -> Failure {
        if !was_full || failure.action() == Action::Stop {
            self.cuts = 0;
            return failure;
        }
        self.cuts += 1;
        if self.cuts < CUTS {
            return failure;
        }
        let name = self.ctx.source.endpoint.authority();
        let why = self.spool.why_full().unwrap_or_else(|| "the destination does not keep up".to_owned());
        let message = format!(
            "{name} cut the link off {CUTS} times in a row while the spool was full ({why}): its \
             client-output-buffer-limit replica overflows."
        );
        Failure::new(ErrorKind::SpoolFull, &name, message)
    }
}

/// Keeps the side of the connection open on which an old source is told nothing: to it, an acknowledgement is an error.
fn hold_open(writer: dial::Writer) -> JoinSet<()> {
    let mut held = JoinSet::new();
    held.spawn(async move {
        std::future::pending::<()>().await;
        drop(writer);
    });
    held
}
