//! RESTORE of a value that another version has dumped.

use std::borrow::Cow;

use tributary_rdb::{Rewritten, Value, ValueKind, dump};

use super::{Loss, Obstacle, Reach, Told, words};

/// Behind the value: the RDB version in 2 bytes, and a checksum in 8 (Redis' cluster.c, `createDumpPayload`).
const FOOTER: usize = 10;
/// The first RDB version of Valkey's own.
const VALKEY_OWN: u16 = 80;
/// The type of vector sets (Redis' modules/vector-sets/vset.c).
const VECTOR_SET: &str = "vectorset";
/// The largest value that is written in another encoding.
const WHOLE: usize = 16 << 20;

/// `RESTORE key ttl payload …`: the payload in an encoding that the destination knows, with the version that it knows.
pub(super) fn restore<'a>(to: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [name, key, ttl, payload, options @ ..] = args else { return Told::AsItIs };
    let Some((kind, version, raw)) = parts(payload) else { return Told::AsItIs };
    let value = Value { db: 0, key: Cow::Borrowed(key), expire_at_ms: None, idle_s: None, freq: None, kind, raw };
    if !to.has(b"VADD") && value.module().is_some_and(|module| module == VECTOR_SET) {
        return match to.unsupported.skip_module_keys {
            // What it replaced is gone at the source.
            true => Told::Less(Loss::Module, vec![words(&[b"DEL", key])]),
            false => Told::Never(Obstacle::Module),
        };
    }
    if version <= to.loads.version && to.loads.knows(kind) {
        return Told::AsItIs;
    }
    let mut written = Vec::new();
    if to.loads.knows(kind) {
        dump::write_payload(&mut written, kind, raw);
    } else {
        let drop_expiry = to.unsupported.drop_field_expiry;
        match value.rewritten(to.loads, WHOLE, false) {
            Ok(Rewritten::As(kind, raw)) => dump::write_payload(&mut written, kind, &raw),
            Ok(Rewritten::FieldExpiry) if drop_expiry => match value.rewritten(to.loads, WHOLE, true) {
                Ok(Rewritten::As(kind, raw)) => {
                    dump::write_payload(&mut written, kind, &raw);
                    return Told::Less(Loss::FieldExpiry, vec![command(name, key, ttl, written, options)]);
                }
                _ => return Told::Never(Obstacle::Value),
            },
            Ok(Rewritten::FieldExpiry) => return Told::Never(Obstacle::FieldExpiry),
            _ => return Told::Never(Obstacle::Value),
        }
    }
    Told::Instead(vec![command(name, key, ttl, written, options)])
}

fn command<'a>(
    name: &'a [u8],
    key: &'a [u8],
    ttl: &'a [u8],
    payload: Vec<u8>,
    options: &[&'a [u8]],
) -> super::Words<'a> {
    let mut command = words(&[name, key, ttl]);
    command.push(Cow::Owned(payload));
    command.extend(words(options));
    command
}

/// The encoding, the RDB version, and the value's bytes.
fn parts(payload: &[u8]) -> Option<(ValueKind, u16, &[u8])> {
    let (byte, rest) = payload.split_first()?;
    let (raw, footer) = rest.split_at_checked(rest.len().checked_sub(FOOTER)?)?;
    let version = u16::from_le_bytes(footer.get(..2)?.try_into().ok()?);
    Some((ValueKind::new(*byte, version >= VALKEY_OWN), version, raw))
}
