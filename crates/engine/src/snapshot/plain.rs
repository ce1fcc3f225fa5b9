//! A whole value as plain commands, for a destination that does not take its payload.

use std::borrow::Cow;

use tributary_rdb::{Large as LargeStart, Value, ValueKind};
use tributary_resp::{Scan, Scanner};

use super::large::{Large, Unwritable};
use super::restore::Restorer;
use crate::Unsupported;
use crate::dialect::Dialect;

/// A command by its arguments.
pub(crate) type Command = Vec<Vec<u8>>;

/// The commands that delete what stands under a key and write a value of the given encoding. The expiry is the source's;
/// it is carried as the dialect says.
///
/// # Errors
/// What cannot be decoded, or cannot be said in commands that the destination knows.
pub(crate) fn plain_commands(
    key: &[u8],
    kind: ValueKind,
    raw: &[u8],
    expire_at_ms: Option<u64>,
    dialect: Dialect,
) -> Result<Vec<Command>, String> {
    let (name, idle_s, freq) = (Cow::Borrowed(key), None, None);
    let value = Value { db: 0, key: name.clone(), expire_at_ms, idle_s, freq, kind, raw };
    let parts = value.content().map_err(|error| error.to_string())?;
    let start = LargeStart { db: 0, key: name, expire_at_ms, idle_s, freq, kind, string_len: None, module: None };
    let mut out = Restorer::new(dialect, 0);
    let mut large = Large::begin(&mut out, &start, dialect, Unsupported::default());
    for part in &parts {
        large.part(&mut out, part).map_err(|what| sentence(&what))?;
    }
    large.end(&mut out);
    Ok(commands(&out.out))
}

fn sentence(what: &Unwritable) -> String {
    match what {
        Unwritable::FieldExpiry => "it has fields that expire, which the destination does not know".to_owned(),
        Unwritable::Module => "it is a module's, which only RESTORE can write".to_owned(),
        Unwritable::Long(len) => format!("it has an element of {len} bytes, which is above the destination's limit"),
        Unwritable::Undelivered { id, .. } => {
            format!("a consumer has the entry {id}, of which its group does not know")
        }
        Unwritable::Pending { count, .. } => format!("it has a group with more than {count} entries not acknowledged"),
    }
}

/// Takes apart what was written as commands.
fn commands(mut bytes: &[u8]) -> Vec<Command> {
    let (mut scanner, mut commands) = (Scanner::default(), Vec::new());
    while let (Ok(Scan::Complete(length)), false) = (scanner.scan(bytes), bytes.is_empty()) {
        let args = scanner.args().iter().map(|arg| bytes.get(arg.clone()).unwrap_or_default().to_vec());
        commands.push(args.collect());
        bytes = bytes.get(length..).unwrap_or_default();
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Info;
    use crate::expiry::Expiry;

    #[test]
    fn a_value_becomes_commands_with_its_expiry_last() {
        let dialect = Dialect::of(&Info::parse("redis_version:6.2.0"), 16, Expiry::Exact);
        // A list in the oldest encoding: two elements.
        let raw = b"\x02\x01a\x03b c";
        let commands = plain_commands(b"k", ValueKind::new(1, false), raw, Some(5), dialect).unwrap();
        let words: Vec<String> =
            commands.iter().map(|command| String::from_utf8(command.join(&b'|')).unwrap()).collect();
        assert_eq!(words, ["DEL|k", "RPUSH|k|a|b c", "PEXPIREAT|k|5"]);
        assert!(plain_commands(b"k", ValueKind::new(1, false), b"\x02\x01", None, dialect).is_err());
    }
}
