//! The end of a replication for good: the destination becomes a database of its own.

use crate::control::Control;
use crate::expiry::{self, FAR_AHEAD_MS, HELD_BACK_MS};
use crate::lockdown::{self, Released};
use crate::meters::unix_ms;
use crate::probe::{Skew, measure_clock};
use crate::{ErrorKind, Failure, ReplicaSpec, Severity, checkpoint, destination, spool};

/// Keys that are asked for at once.
const SCAN_COUNT: &str = "1000";

/// What a finished replication leaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finished {
    /// Keys whose exact expiry was set.
    pub expiries: u64,
    /// Users of the destination that may write again.
    pub users: Vec<String>,
}

/// What became of users that were read-only, in a sentence.
pub(crate) fn describe_released(released: &Released) -> (Severity, String) {
    let mut text = format!("Users that may write again: {}.", released.restored.join(", "));
    if released.changed.is_empty() {
        return (Severity::Info, text);
    }
    for (user, before) in &released.changed {
        text = format!("{text} “{user}” was changed by somebody else and is left alone; it had: {before}.");
    }
    (Severity::Warning, text)
}

/// Ends a replication that is stopped, for good: sets the exact expiries, puts the destination's settings back, removes
/// the checkpoints and the spool. Can be repeated after a failure. `tell` learns of the keys looked at so far.
///
/// # Errors
/// What keeps the destination from being reached or changed.
pub async fn finish(spec: &ReplicaSpec, tell: impl Fn(u64)) -> Result<Finished, Failure> {
    let held_back = destination::note_held_back(spec).await?;
    // Then at once: no session of ours writes from here on.
    destination::remove_marks(spec, None).await?;
    let mut control = Control::open(&spec.destination).await?;
    let mut finished = Finished::default();
    // Elsewhere a far expiry is the source's own.
    let databases = if held_back { databases(&mut control, spec).await? } else { Vec::new() };
    for db in databases {
        control.query::<String>(&["SELECT", &db.to_string()]).await?;
        finished.expiries += exact_expiries(&mut control, &tell).await?;
    }
    let home = checkpoint::home_db(spec);
    control.query::<String>(&["SELECT", &home.to_string()]).await?;
    control.query::<u64>(&["DEL", &checkpoint::held_back_key(&spec.id)]).await?;
    expiry::release(&mut control, spec).await?;
    let released = lockdown::release(spec).await?;
    finished.users = released.restored;
    if let Some(place) = &spec.options.spool
        && let Err(error) = spool::remove_files(place, &spec.id, None)
    {
        tracing::warn!(%error, "the spool's files stay");
    }
    Ok(finished)
}

/// The IDs of the replicas that the destination holds marks of, sorted.
///
/// # Errors
/// What keeps the destination from being reached.
pub async fn replicas_at(spec: &ReplicaSpec) -> Result<Vec<String>, Failure> {
    destination::replicas_at(&spec.destination).await
}

/// Forgets the sources that are named: what came from them stays, and nothing of them will be gone on with.
///
/// # Errors
/// What keeps the destination from being reached.
pub async fn forget_sources(spec: &ReplicaSpec, sources: &[String]) -> Result<(), Failure> {
    destination::remove_marks(spec, Some(sources)).await?;
    if let Some(place) = &spec.options.spool {
        for source in sources {
            if let Err(error) = spool::remove_files(place, &spec.id, Some(source)) {
                tracing::warn!(%error, "the spool's files stay");
            }
        }
    }
    Ok(())
}

/// The databases that hold something and belong to the replica.
async fn databases(control: &mut Control, spec: &ReplicaSpec) -> Result<Vec<u32>, Failure> {
    let found = control.info(Some("keyspace")).await?.keys_by_db();
    let wanted = |db: &u32| spec.destination.db.is_none_or(|only| only == *db);
    Ok(found.into_iter().map(|(db, _)| db).filter(wanted).collect())
}

async fn exact_expiries(control: &mut Control, tell: &impl Fn(u64)) -> Result<u64, Failure> {
    let skew = Skew::default();
    measure_clock(control, &skew).await?;
    let now = unix_ms(std::time::SystemTime::now()).cast_signed() + skew.ms();
    let (mut cursor, mut seen, mut set) = ("0".to_owned(), 0, 0);
    loop {
        let (next, keys): (String, Vec<Vec<u8>>) = control.query(&["SCAN", &cursor, "COUNT", SCAN_COUNT]).await?;
        seen += keys.len() as u64;
        set += set_exact(control, &keys, now).await?;
        tell(seen);
        if next == "0" {
            return Ok(set);
        }
        cursor = next;
    }
}

/// Sets the exact expiry of those keys that carry a held one. What is past is deleted by the server at once.
async fn set_exact(control: &mut Control, keys: &[Vec<u8>], now: i64) -> Result<u64, Failure> {
    let carried: Vec<i64> = match control.each("PEXPIRETIME", keys).await {
        Ok(times) => times,
        // Servers before 7.0 only tell the time that is left.
        Err(failure) if failure.kind == ErrorKind::UnknownCommand => {
            let left: Vec<i64> = control.each("PTTL", keys).await?;
            left.into_iter().map(|left| if left < 0 { left } else { now + left }).collect()
        }
        Err(failure) => return Err(failure),
    };
    let held = keys.iter().zip(carried).filter(|(_, at)| *at > now + FAR_AHEAD_MS);
    let exact: Vec<(&[u8], i64)> = held.map(|(key, at)| (key.as_slice(), at - HELD_BACK_MS)).collect();
    control.expire_at(&exact).await?;
    Ok(exact.len() as u64)
}
