use tributary_resp::{Scan, Scanner};

/// Most characters of a key that are shown.
const SHOWN: usize = 80;

/// What the scripts of `stream/translate` begin with.
const SCRIPT: &[u8] = b"-- ";

/// Names the command at `index` among the commands in `bytes`: its name and its key.
///
/// The bytes may begin or end within a command that was too large to be collected.
pub(super) fn describe(bytes: &[u8], index: u64) -> Option<String> {
    let mut scanner = Scanner::default();
    let mut at = 0;
    for i in 0..=index {
        let rest = bytes.get(at..)?;
        match scanner.scan(rest).ok()? {
            _ if i == index => return name(rest, &scanner),
            Scan::Complete(len) => at += len,
            Scan::Incomplete => return None,
        }
    }
    None
}

fn name(command: &[u8], scanner: &Scanner) -> Option<String> {
    let mut args = scanner.args().iter().filter_map(|range| command.get(range.clone()));
    let name = String::from_utf8_lossy(args.next()?).to_uppercase();
    let first = args.next();
    if let Some(script) = first.and_then(|script| script.strip_prefix(SCRIPT)) {
        // What it stands for is the first word; its key follows the number of keys.
        let end = script.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(script.len());
        let name = String::from_utf8_lossy(script.get(..end).unwrap_or_default());
        let key = args.nth(1).map(|key| format!(" {}", printable(key))).unwrap_or_default();
        return Some(format!("{name}{key} (as a script)"));
    }
    Some(match first {
        Some(key) => format!("{name} {}", printable(key)),
        None => name,
    })
}

/// A key as text: what is not printable is escaped, and what is long is cut.
pub(crate) fn printable(key: &[u8]) -> String {
    let text = key.escape_ascii().to_string();
    if text.len() > SHOWN {
        format!("“{}…”", text.get(..SHOWN).unwrap_or_default())
    } else {
        format!("“{text}”")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failing_command_is_named_with_its_key() {
        let bytes = b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nset\r\n$2\r\nk\xff\r\n$1\r\nv\r\n*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$999\r\nabc";
        assert_eq!(describe(bytes, 0).as_deref(), Some("MULTI"));
        assert_eq!(describe(bytes, 1).as_deref(), Some("SET “k\\xff”"));
        assert_eq!(describe(bytes, 2).as_deref(), Some("SET “x”"), "a command that is cut off still has a name");
        assert_eq!(describe(bytes, 3), None);
        assert_eq!(describe(b"not a command", 0), None);
        let script = b"*5\r\n$4\r\nEVAL\r\n$13\r\n-- LMOVE. The\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\nb\r\n";
        assert_eq!(describe(script, 0).as_deref(), Some("LMOVE “a” (as a script)"));
    }
}
