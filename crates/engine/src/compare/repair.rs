//! Gives the destination what a source holds, between two commands of the stream.
//!
//! The key is put under WATCH at the destination. Then the source tells value and offset in one transaction. Then the
//! destination must have applied everything up to that offset, and the value is written in a transaction, which WATCH
//! refuses when the stream has touched the key since. When it is not refused, no command of the stream for this key lies
//! between the offset of the value and the place where it is written: nothing is lost and nothing is executed twice,
//! whatever the source is doing. Otherwise all of it is done again, with fewer keys at a time.

use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, Value};

use super::applied::{Applied, Reached};
use super::handle::Repair;
use super::ledger::Ledger;
use super::looks::{Looks, Proof, Seen, Suspect};
use super::plan::{Plan, Unit};
use super::reply::count;
use super::rewrite::{self, Held};
use super::side::Side;
use super::{Difference, RepairOutcome};
use crate::{Action, Failure, ReplicaSpec};

/// Keys that are written at once, and what their values may take up, in bytes.
const BATCH: usize = 128;
const BATCH_BYTES: u64 = 8 << 20;
/// How often a key by itself is tried that is written to all the while.
const ATTEMPTS: u32 = 200;
/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait until the replica has applied what the source had executed. Where only PINGs move the offset, the
/// checkpoint follows within 10 s.
const FOLLOW: Duration = Duration::from_secs(30);
/// The same, once that was in vain.
const FOLLOW_NO_MORE: Duration = Duration::from_secs(1);

/// The connections of one order.
pub(super) struct Repairs {
    spec: Arc<ReplicaSpec>,
    ledger: Arc<Ledger>,
    applied: Arc<Applied>,
    follow: Duration,
}

/// A difference that is to be repaired.
#[derive(Debug, Clone)]
struct Task {
    /// Its place in the list.
    place: usize,
    difference: Difference,
    attempts: u32,
    /// The destination has refused its payload.
    plain: bool,
}

/// What came of an attempt.
#[derive(Debug, Clone)]
enum Tried {
    Done(RepairOutcome),
    /// The key was written to meanwhile.
    Again,
    /// The payload was refused.
    Refused,
}

impl Repairs {
    pub(super) fn new(spec: &Arc<ReplicaSpec>, ledger: &Arc<Ledger>, applied: &Arc<Applied>) -> Self {
        Self { spec: spec.clone(), ledger: ledger.clone(), applied: applied.clone(), follow: FOLLOW }
    }

    /// Carries out an order; what came of it stands in the list.
    pub(super) async fn make(&mut self, order: Repair) {
        let places = match &order {
            Repair::All => self.ledger.wrong(None),
            Repair::Keys(keys) => self.ledger.wrong(Some(keys)),
        };
        self.ledger.asked(&places);
        let mut looks = match self.connect().await {
            Ok(looks) => looks,
            Err(failure) => {
                let outcome = RepairOutcome::NotRepaired(failure.message);
                places.iter().for_each(|place| self.ledger.repaired(*place, outcome.clone()));
                return;
            }
        };
        for some in places.chunks(BATCH) {
            let task = |place: &usize| {
                let difference = self.ledger.difference(*place)?;
                Some(Task { place: *place, difference, attempts: 0, plain: false })
            };
            let mut tasks: Vec<Task> = some.iter().filter_map(task).collect();
            tasks.sort_by_key(|task| task.difference.db);
            for of_db in tasks.chunk_by(|a, b| a.difference.db == b.difference.db) {
                self.database(&mut looks, of_db).await;
            }
        }
    }

    async fn connect(&self) -> Result<Looks, Failure> {
        let side = |endpoint: &crate::Endpoint| Side::new(endpoint.clone(), self.ledger.clone());
        let mut sources: Vec<Side> = self.spec.sources.iter().map(|source| side(&source.endpoint)).collect();
        let mut destination = side(&self.spec.destination);
        for side in sources.iter_mut().chain([&mut destination]) {
            side.ready().await?;
        }
        self.applied.look_for_sessions(&mut destination).await?;
        let databases = sources.iter().map(|source| source.facts().dialect.databases).collect();
        let plan = Arc::new(Plan::of(&self.spec, databases));
        Ok(Looks { ledger: self.ledger.clone(), applied: self.applied.clone(), plan, sources, destination })
    }

    /// Repairs keys of one database of the destination.
    async fn database(&mut self, looks: &mut Looks, tasks: &[Task]) {
        let db = tasks.first().map_or(0, |task| task.difference.db);
        let Some(wrong) = self.still_wrong(looks, db, tasks).await else { return };
        let mut left = self.parts(looks, db, wrong).await;
        while let Some(batch) = left.pop() {
            let tried = match attempt(looks, db, &batch, &mut self.follow).await {
                Ok(tried) => tried,
                Err(failure) if failure.action() == Action::Retry => batch.iter().map(|_| Tried::Again).collect(),
                Err(failure) => {
                    let outcome = RepairOutcome::NotRepaired(failure.message);
                    batch.iter().map(|_| Tried::Done(outcome.clone())).collect()
                }
            };
            let alone = batch.len() == 1;
            let mut again = Vec::new();
            for (mut task, tried) in batch.into_iter().zip(tried) {
                task.attempts += u32::from(alone);
                match tried {
                    Tried::Done(RepairOutcome::Repaired) if task.plain => {
                        self.ledger.repaired(task.place, said_in_commands(looks, &task).await);
                    }
                    Tried::Done(outcome) => self.ledger.repaired(task.place, outcome),
                    Tried::Again if task.attempts >= ATTEMPTS => {
                        let why = "It is written to all the while: try again when less is written to it.";
                        self.ledger.repaired(task.place, RepairOutcome::NotRepaired(why.to_owned()));
                    }
                    Tried::Again => again.push(task),
                    Tried::Refused => left.push(vec![Task { plain: true, ..task }]),
                }
            }
            if alone && !again.is_empty() {
                tokio::time::sleep(PAUSE.mul_f64(fastrand::f64())).await;
            }
            let half = again.len().div_ceil(2);
            let rest = again.split_off(half);
            left.extend([rest, again].into_iter().filter(|part| !part.is_empty()));
        }
    }

    /// Looks once more: what is equal by now needs no repair. `None` when a server is gone, which every outcome then says.
    async fn still_wrong(&self, looks: &mut Looks, db: u32, tasks: &[Task]) -> Option<Vec<Task>> {
        let keys: Vec<Vec<u8>> = tasks.iter().map(|task| task.difference.key.clone()).collect();
        let any = Suspect { owner: None, db, key: Vec::new() };
        match looks.look(&any, &keys, Proof::Watch).await {
            Ok(looked) => {
                let mut wrong = Vec::new();
                for (task, seen) in tasks.iter().zip(looked.seen) {
                    match seen {
                        Seen::Equal | Seen::Gone => self.ledger.repaired(task.place, RepairOutcome::Equal),
                        _ => wrong.push(task.clone()),
                    }
                }
                Some(wrong)
            }
            Err(failure) => {
                let outcome = RepairOutcome::NotRepaired(failure.message);
                tasks.iter().for_each(|task| self.ledger.repaired(task.place, outcome.clone()));
                None
            }
        }
    }

    /// Parts that can be held at once: a large value by itself.
    async fn parts(&self, looks: &mut Looks, db: u32, tasks: Vec<Task>) -> Vec<Vec<Task>> {
        let mut pipe = Pipeline::new();
        for task in &tasks {
            pipe.cmd("MEMORY").arg("USAGE").arg(&task.difference.key);
        }
        let mut bytes = vec![0; tasks.len()];
        for unit in looks.plan.owners(db) {
            let Some(source) = looks.sources.get_mut(unit.source) else { continue };
            // A server that does not say leaves the batch as it is; it is asked for the values all the same.
            let sizes = source.ask(unit.source_db, &pipe).await.unwrap_or_default();
            for (bytes, size) in bytes.iter_mut().zip(&sizes) {
                *bytes += count(size).unwrap_or(0);
            }
        }
        if bytes.iter().sum::<u64>() <= BATCH_BYTES {
            return Some(tasks).filter(|tasks| !tasks.is_empty()).into_iter().collect();
        }
        tasks.into_iter().map(|task| vec![task]).collect()
    }
}

/// What came of writing a value as commands, which cannot say all: an entry that is pending in a stream's group and was
/// deleted from the stream cannot be made pending.
async fn said_in_commands(looks: &mut Looks, task: &Task) -> RepairOutcome {
    let key = std::slice::from_ref(&task.difference.key);
    let any = Suspect { owner: None, db: task.difference.db, key: Vec::new() };
    let seen = looks.look(&any, key, Proof::Watch).await.ok().and_then(|looked| looked.seen.into_iter().next());
    match seen {
        Some(Seen::Differs(sighting)) => RepairOutcome::NotRepaired(format!(
            "{} does not load its payload, and commands cannot say all of it: it is now a {}.",
            looks.destination.name(),
            sighting.finding.destination_says
        )),
        _ => RepairOutcome::Repaired,
    }
}

/// One attempt at keys of one database.
async fn attempt(looks: &mut Looks, db: u32, tasks: &[Task], follow: &mut Duration) -> Result<Vec<Tried>, Failure> {
    let keys: Vec<&[u8]> = tasks.iter().map(|task| task.difference.key.as_slice()).collect();
    let mut pipe = Pipeline::new();
    pipe.cmd("WATCH").arg(&keys);
    looks.destination.ask_once(db, &pipe).await?;
    let connection = looks.destination.connections();
    let (values, held_back) = match values(looks, db, tasks, &keys, follow).await? {
        Ok(values) => values,
        Err(why) => {
            looks.destination.ask_once(db, redis::pipe().cmd("UNWATCH")).await?;
            return Ok(tasks.iter().map(|_| Tried::Done(RepairOutcome::NotRepaired(why.clone()))).collect());
        }
    };
    if looks.destination.connections() != connection {
        return Ok(tasks.iter().map(|_| Tried::Again).collect());
    }
    write(&mut looks.destination, db, tasks, &values, held_back).await
}

/// What the sources hold of the keys, once the destination has applied all up to there; or why it cannot be waited for.
async fn values(
    looks: &mut Looks,
    db: u32,
    tasks: &[Task],
    keys: &[&[u8]],
    follow: &mut Duration,
) -> Result<Result<(Vec<Option<Held>>, bool), String>, Failure> {
    let mut values: Vec<Option<Held>> = vec![None; tasks.len()];
    let mut held_back = false;
    for unit in looks.plan.owners(db) {
        let Some(source) = looks.sources.get_mut(unit.source) else { continue };
        let (place, held) = rewrite::read(source, unit, keys).await?;
        for ((value, held), task) in values.iter_mut().zip(held).zip(tasks) {
            let is_its_own = is_its_own(&looks.plan, task, unit);
            if held.is_some() && (value.is_none() || is_its_own) {
                *value = held;
            }
        }
        let name = looks.sources.get(unit.source).map(Side::name).unwrap_or_default();
        match looks.applied.wait(&mut looks.destination, unit.source, &place, *follow).await? {
            Reached::Yes | Reached::NobodyFollows => {}
            Reached::NotYet => {
                // The rest of the order does not wait as long again for the same replica.
                let seconds = std::mem::replace(follow, FOLLOW_NO_MORE).as_secs();
                return Ok(Err(format!(
                    "The replica did not apply what {name} had executed within {seconds} s: start it, or wait until it is in step, and repair then."
                )));
            }
            Reached::Loading => return Ok(Err(format!("{name} is still being loaded: repair when that is done."))),
        }
        held_back |= looks.applied.followers(&mut looks.destination, &place).await?.held_back;
    }
    Ok(Ok((values, held_back)))
}

/// Whether a difference was found at this source.
fn is_its_own(plan: &Plan, task: &Task, unit: Unit) -> bool {
    task.difference.source.is_some() && plan.source_id(unit.source) == task.difference.source
}

/// Writes, unless one of the keys was written to since it is under WATCH.
async fn write(
    destination: &mut Side,
    db: u32,
    tasks: &[Task],
    values: &[Option<Held>],
    held_back: bool,
) -> Result<Vec<Tried>, Failure> {
    let mut dialect = destination.facts().dialect;
    dialect.expiry = rewrite::carrying(held_back);
    let now = destination.facts().now_ms();
    let mut pipe = Pipeline::new();
    pipe.cmd("MULTI");
    let mut counts = Vec::new();
    for (task, held) in tasks.iter().zip(values) {
        let commands = rewrite::commands(&task.difference.key, held.as_ref(), dialect, task.plain, now);
        counts.push(commands.as_ref().map(Vec::len).map_err(Clone::clone));
        for command in commands.unwrap_or_default() {
            if let Some((name, args)) = command.split_first() {
                pipe.cmd(&String::from_utf8_lossy(name)).arg(args);
            }
        }
    }
    // What a connection did last is what others see of it: this one is no foreign client that writes.
    pipe.cmd("EXEC").cmd("PING");
    let replies = destination.ask_once(db, &pipe).await?;
    let mut results = match replies.iter().nth_back(1) {
        Some(Value::Nil) => return Ok(tasks.iter().map(|_| Tried::Again).collect()),
        Some(Value::Array(results)) => results.iter(),
        _ => {
            // What was refused when it was queued says more than that nothing was executed.
            let error = replies.iter().find_map(|reply| match reply {
                Value::ServerError(error) => Some(error.to_string()),
                _ => None,
            });
            let why = format!("{} refused it: {}.", destination.name(), error.unwrap_or_default());
            return Ok(tasks.iter().map(|_| Tried::Done(RepairOutcome::NotRepaired(why.clone()))).collect());
        }
    };
    let name = destination.name();
    let judge = |(task, count): (&Task, Result<usize, String>)| match count {
        Err(why) => Tried::Done(RepairOutcome::NotRepaired(format!("It cannot be written as commands: {why}."))),
        Ok(count) => outcome(&name, task, &results.by_ref().take(count).collect::<Vec<_>>()),
    };
    Ok(tasks.iter().zip(counts).map(judge).collect())
}

/// What the replies to a key's commands mean.
fn outcome(name: &str, task: &Task, results: &[&Value]) -> Tried {
    let error = results.iter().find_map(|result| match result {
        Value::ServerError(error) => Some(error),
        _ => None,
    });
    match error {
        None => Tried::Done(RepairOutcome::Repaired),
        Some(error) if !task.plain && rewrite::is_refused_payload(error) => Tried::Refused,
        Some(error) => {
            // Commands that were executed before the one that was refused stay: EXEC does not roll back.
            let partly = if task.plain { " The key may hold only a part of its value now." } else { "" };
            Tried::Done(RepairOutcome::NotRepaired(format!("{name} refused it: {error}.{partly}")))
        }
    }
}
