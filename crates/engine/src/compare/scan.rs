//! Goes through the keys: of every source, compared with the destination; then of the destination, which some source
//! should have.

use std::collections::HashSet;
use std::sync::Arc;

use redis::Pipeline;
use tokio::sync::mpsc;

use super::applied::Applied;
use super::ledger::Ledger;
use super::looks::Suspect;
use super::page::{Pair, Verdict};
use super::plan::{Plan, Unit};

use super::reply::{bytes, int, page};
use super::side::Side;
use super::{CompareStage, SideCount};
use crate::checkpoint::{is_checkpoint, is_ours};
use crate::{ErrorKind, Failure, ReplicaSpec};

/// Keys that are asked for at once.
const PAGE: usize = 1000;

/// The connections of the two passes.
pub(super) struct Passes {
    ledger: Arc<Ledger>,
    applied: Arc<Applied>,
    plan: Arc<Plan>,
    sources: Vec<Side>,
    destination: Side,
    /// The next page of keys is fetched while one is compared.
    scanners: Vec<Side>,
    suspects: mpsc::Sender<Suspect>,
}

impl Passes {
    pub(super) fn new(
        spec: &ReplicaSpec,
        (ledger, applied, plan): (&Arc<Ledger>, &Arc<Applied>, &Arc<Plan>),
        (sources, destination): (Vec<Side>, Side),
        suspects: mpsc::Sender<Suspect>,
    ) -> Self {
        let side = |endpoint: &crate::Endpoint| Side::new(endpoint.clone(), ledger.clone());
        let scanners = spec.sources.iter().map(|source| side(&source.endpoint)).collect();
        let (ledger, applied, plan) = (ledger.clone(), applied.clone(), plan.clone());
        Self { ledger, applied, plan, sources, destination, scanners, suspects }
    }

    /// Both passes. What differs is handed on; the end of the suspects says that there are no more.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        self.ledger.enter(CompareStage::Comparing);
        for unit in self.plan.units.clone() {
            self.database(unit).await?;
        }
        self.ledger.enter(CompareStage::Extra);
        for db in self.plan.destination.clone() {
            self.extra(db).await?;
        }
        self.ledger.enter(CompareStage::Settling);
        Ok(())
    }

    /// Every key of a database of a source.
    async fn database(&mut self, unit: Unit) -> Result<(), Failure> {
        let (Some(source), Some(scanner)) = (self.sources.get_mut(unit.source), self.scanners.get_mut(unit.source))
        else {
            return Ok(());
        };
        let ledger = self.ledger.clone();
        let mut scan = Scan::new(scanner, unit.source_db, ledger.pace.page(PAGE));
        let mut next = scan.next().await?;
        let mut counted = (0, 0);
        while let Some(batch) = next {
            if batch.anew {
                ledger.update(|progress| uncount(progress, unit.source, counted));
                counted = (0, 0);
            }
            ledger.pace.take(batch.keys.len()).await;
            let (source_db, destination_db, mode) = (unit.source_db, unit.destination_db, ledger.options.mode);
            let mut pair =
                Pair { source: &mut *source, destination: &mut self.destination, source_db, destination_db, mode };
            let keys: Vec<Vec<u8>> = batch.keys.iter().filter(|key| !is_ours(key)).cloned().collect();
            let (verdicts, following) = tokio::try_join!(pair.compare(&keys), scan.next())?;
            next = following;
            let equal = verdicts.iter().filter(|verdict| **verdict == Verdict::Equal).count() as u64;
            counted = (counted.0 + batch.given, counted.1 + equal);
            ledger.update(|progress| {
                progress.equal += equal;
                done(progress.sources.get_mut(unit.source), batch.given);
            });
            for (key, verdict) in keys.into_iter().zip(verdicts) {
                match verdict {
                    Verdict::Equal | Verdict::Gone => {}
                    Verdict::Unjudged(why) => ledger.skip(&why, &key),
                    Verdict::Differs(_) | Verdict::Unread => {
                        let suspect = Suspect { owner: Some(unit), db: destination_db, key };
                        hand_on(&self.suspects, suspect).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Every key of a database of the destination.
    async fn extra(&mut self, db: u32) -> Result<(), Failure> {
        let owners = self.plan.owners(db);
        let ledger = self.ledger.clone();
        let mut scan = Scan::new(&mut self.destination, db, ledger.pace.page(PAGE));
        let mut counted = 0;
        while let Some(batch) = scan.next().await? {
            if batch.anew {
                ledger.update(|progress| uncount_side(&mut progress.destination, counted));
                counted = 0;
            }
            ledger.pace.take(batch.keys.len()).await;
            self.applied.saw(batch.keys.iter().filter(|key| is_checkpoint(key)).map(|key| (db, key.clone())));
            let mut keys: Vec<Vec<u8>> = batch.keys.into_iter().filter(|key| !is_ours(key)).collect();
            for owner in &owners {
                if let Some(side) = self.sources.get_mut(owner.source) {
                    keys = absent(side, owner.source_db, keys).await?;
                }
            }
            counted += batch.given;
            ledger.update(|progress| done(Some(&mut progress.destination), batch.given));
            for key in keys {
                hand_on(&self.suspects, Suspect { owner: None, db, key }).await?;
            }
        }
        Ok(())
    }
}

/// Those of the keys that a database does not have.
async fn absent(side: &mut Side, db: u32, keys: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Failure> {
    if keys.is_empty() {
        return Ok(keys);
    }
    let mut pipe = Pipeline::new();
    pipe.cmd("EXISTS").arg(&keys);
    let there = side.ask(db, &pipe).await?.first().and_then(int);
    if there.and_then(|number| usize::try_from(number).ok()) == Some(keys.len()) {
        return Ok(Vec::new());
    }
    let mut pipe = Pipeline::new();
    for key in &keys {
        pipe.cmd("EXISTS").arg(key);
    }
    let replies = side.ask(db, &pipe).await?;
    Ok(keys.into_iter().zip(replies).filter(|(_, reply)| int(reply) != Some(1)).map(|(key, _)| key).collect())
}

async fn hand_on(suspects: &mpsc::Sender<Suspect>, suspect: Suspect) -> Result<(), Failure> {
    let gone = |_| Failure::new(ErrorKind::Internal, "", "Nobody looks at differences any more.");
    suspects.send(suspect).await.map_err(gone)
}

fn done(side: Option<&mut SideCount>, keys: u64) {
    if let Some(side) = side {
        side.done += keys;
    }
}

/// A scan that begins again counts again.
fn uncount(progress: &mut super::CompareProgress, source: usize, (done, equal): (u64, u64)) {
    if let Some(side) = progress.sources.get_mut(source) {
        uncount_side(side, done);
    }
    progress.equal = progress.equal.saturating_sub(equal);
}

fn uncount_side(side: &mut SideCount, keys: u64) {
    side.done = side.done.saturating_sub(keys);
}

/// Keys as a scan gives them.
struct Batch {
    /// Without those that were given twice in this page.
    keys: Vec<Vec<u8>>,
    given: u64,
    /// The scan has begun again: another process answers, to which the old cursor means nothing.
    anew: bool,
}

/// SCAN over a database.
struct Scan<'a> {
    side: &'a mut Side,
    db: u32,
    count: usize,
    cursor: Option<Vec<u8>>,
    run_id: Option<String>,
}

impl<'a> Scan<'a> {
    fn new(side: &'a mut Side, db: u32, count: usize) -> Self {
        Self { side, db, count, cursor: Some(b"0".to_vec()), run_id: None }
    }

    /// The next keys; `None` at the end.
    async fn next(&mut self) -> Result<Option<Batch>, Failure> {
        let mut anew = false;
        while let Some(cursor) = self.cursor.clone() {
            let mut pipe = Pipeline::new();
            pipe.cmd("SCAN").arg(&cursor).arg("COUNT").arg(self.count);
            let reply = self.side.ask(self.db, &pipe).await?.pop().unwrap_or_default();
            let run_id = &self.side.facts().run_id;
            if self.run_id.as_ref().is_some_and(|before| before != run_id) {
                (self.run_id, self.cursor, anew) = (Some(run_id.clone()), Some(b"0".to_vec()), true);
                continue;
            }
            self.run_id.get_or_insert_with(|| run_id.clone());
            let name = self.side.name();
            let Some((next, keys)) = page(&reply) else {
                return Err(Failure::new(ErrorKind::Protocol, &name, format!("{name} answered SCAN with no page.")));
            };
            self.cursor = (next != b"0").then(|| next.to_vec());
            let given = keys.len() as u64;
            let mut seen = HashSet::with_capacity(keys.len());
            let keys: Vec<Vec<u8>> =
                keys.iter().filter_map(bytes).filter(|key| seen.insert(*key)).map(<[u8]>::to_vec).collect();
            if !keys.is_empty() || anew {
                return Ok(Some(Batch { keys, given, anew }));
            }
        }
        Ok(None)
    }
}
