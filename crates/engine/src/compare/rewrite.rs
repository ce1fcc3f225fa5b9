//! The commands that give the destination what a source holds.

use redis::{Pipeline, Value};
use tributary_rdb::{Logical, ValueKind, dump};

use super::applied::Place;
use super::plan::Unit;
use super::reply::{bytes, int, items};
use super::side::Side;
use crate::control::Info;
use crate::dialect::Dialect;
use crate::expiry::Expiry;
use crate::snapshot::{Command, plain_commands};
use crate::{ErrorKind, Failure};

/// RDB version and checksum behind the value in a payload of DUMP, in bytes.
const FOOTER: usize = 10;
/// What two readings of one expiry may be apart.
const COMPUTED_MS: u64 = 5;
/// The RDB versions that are Valkey's own.
const VALKEY_RDB: u16 = 80;

/// A value as a source holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// As DUMP gives it.
    payload: Vec<u8>,
    /// Unix ms.
    expires: Option<i64>,
}

impl Held {
    /// Whether two readings of a key are alike. An expiry that is computed from what is left may be a little off.
    pub(super) fn same(a: Option<&Self>, b: Option<&Self>) -> bool {
        match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                let expires = match (a.expires, b.expires) {
                    (Some(a), Some(b)) => a.abs_diff(b) <= COMPUTED_MS,
                    (a, b) => a.is_some() == b.is_some(),
                };
                expires && a.payload == b.payload
            }
            _ => false,
        }
    }
}

/// What a source holds of some keys, all at one place in its history: nothing of the source lies between the values and the
/// place, for they are read in one transaction.
pub(super) async fn read(source: &mut Side, unit: Unit, keys: &[&[u8]]) -> Result<(Place, Vec<Option<Held>>), Failure> {
    source.ready().await?;
    let exact = source.facts().is_7();
    let mut pipe = Pipeline::new();
    pipe.cmd("MULTI").cmd("TIME").cmd("INFO").arg("replication");
    for key in keys {
        pipe.cmd("DUMP").arg(*key).cmd(if exact { "PEXPIRETIME" } else { "PTTL" }).arg(*key);
    }
    pipe.cmd("EXEC");
    let replies = source.ask(unit.source_db, &pipe).await?;
    let Some([time, info, values @ ..]) = replies.last().and_then(items) else {
        let name = source.name();
        let message = format!("{name} did not answer a transaction: {:?}.", replies.last());
        return Err(Failure::new(ErrorKind::CommandFailed, &name, message));
    };
    let now = match items(time) {
        Some([seconds, micros]) => int(seconds).unwrap_or(0) * 1000 + int(micros).unwrap_or(0) / 1000,
        _ => source.facts().now_ms(),
    };
    let base = if exact { 0 } else { now };
    let held = |pair: &[Value]| {
        let (value, expiry) = pair.split_first()?;
        let expires = expiry.first().and_then(int).filter(|ms| *ms >= 0).map(|ms| ms.saturating_add(base));
        Some(Held { payload: bytes(value)?.to_vec(), expires })
    };
    let text = bytes(info).map(String::from_utf8_lossy).unwrap_or_default();
    Ok((Place::of(&Info::parse(&text)), values.chunks(2).map(held).collect()))
}

/// What is sent for a key: DEL where there is nothing, RESTORE, or `plain` commands where the destination refuses that.
///
/// # Errors
/// Why it cannot be said in commands, in words.
pub(super) fn commands(
    key: &[u8],
    held: Option<&Held>,
    dialect: Dialect,
    plain: bool,
    now_ms: i64,
) -> Result<Vec<Command>, String> {
    let Some(held) = held else { return Ok(vec![vec![b"DEL".to_vec(), key.to_vec()]]) };
    let (kind, raw) = split(&held.payload).ok_or("the source gave no payload")?;
    if plain {
        return plain_commands(key, kind, raw, held.expires.map(i64::cast_unsigned), dialect);
    }
    let mut payload = Vec::new();
    match kind.logical() {
        // What only the servers understand is passed on as it is.
        None | Some(Logical::Module) => payload.extend_from_slice(&held.payload),
        // With the lowest version that knows the encoding, so that an older destination takes it.
        Some(_) => dump::write_payload(&mut payload, kind, raw),
    }
    let carried = held.expires.map(|at| dialect.expiry.carried(at));
    let ttl = match carried {
        None => 0,
        Some(at) if dialect.absolute_restore => at,
        // 0 would mean that the key never expires.
        Some(at) => at.saturating_sub(now_ms).max(1),
    };
    let mut restore =
        vec![b"RESTORE".to_vec(), key.to_vec(), ttl.to_string().into_bytes(), payload, b"REPLACE".to_vec()];
    if carried.is_some() && dialect.absolute_restore {
        restore.push(b"ABSTTL".to_vec());
    }
    Ok(vec![restore])
}

/// How expiries are carried to a destination, by a replica that follows a source there, or by hand.
pub(super) fn carrying(held_back: bool) -> Expiry {
    if held_back { Expiry::HeldBack } else { Expiry::Exact }
}

/// Whether the destination did not take a payload as such, and commands may do.
pub(super) fn is_refused_payload(error: &redis::ServerError) -> bool {
    let text = error.details().unwrap_or_default().to_ascii_lowercase();
    text.contains("payload version or checksum") || text.contains("bad data format")
}

/// Encoding and bytes of a payload.
fn split(payload: &[u8]) -> Option<(ValueKind, &[u8])> {
    let (body, footer) = payload.split_at_checked(payload.len().checked_sub(FOOTER)?)?;
    let version = u16::from_le_bytes([*footer.first()?, *footer.get(1)?]);
    let (kind, raw) = body.split_first()?;
    Some((ValueKind::new(*kind, version >= VALKEY_RDB), raw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Info;

    #[test]
    fn a_value_is_restored_with_its_expiry_carried_as_the_replica_does() {
        let mut payload = Vec::new();
        dump::write_payload(&mut payload, ValueKind::new(0, false), b"\x01a");
        let held = Held { payload: payload.clone(), expires: Some(5000) };
        let dialect = |absolute_restore, held_back| Dialect {
            absolute_restore,
            ..Dialect::of(&Info::parse("redis_version:6.2.0"), 16, carrying(held_back))
        };
        let words = |dialect, held: Option<&Held>| {
            let commands = commands(b"k", held, dialect, false, 1000).unwrap();
            commands.concat().into_iter().filter(|arg| *arg != payload).map(|arg| String::from_utf8(arg).unwrap())
        };
        let joined = |dialect, held: Option<&Held>| words(dialect, held).collect::<Vec<_>>().join(" ");
        assert_eq!(joined(dialect(true, false), Some(&held)), "RESTORE k 5000 REPLACE ABSTTL");
        assert_eq!(joined(dialect(true, true), Some(&held)), "RESTORE k 3155760005000 REPLACE ABSTTL");
        assert_eq!(joined(dialect(false, false), Some(&held)), "RESTORE k 4000 REPLACE");
        assert_eq!(joined(dialect(true, false), Some(&Held { expires: None, ..held.clone() })), "RESTORE k 0 REPLACE");
        assert_eq!(joined(dialect(true, false), None), "DEL k");
        let broken = Held { payload: b"short".to_vec(), expires: None };
        assert!(commands(b"k", Some(&broken), dialect(true, false), false, 0).is_err());
    }
}
