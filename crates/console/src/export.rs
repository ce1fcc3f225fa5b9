//! Differences as a file, and keys as text.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::dto::{DifferenceKind, DifferenceView, ExportFormat, RepairOutcome};

/// Names that are tried in one folder.
const NAMES: u32 = 1_000;

/// A key as text, as `tributary verify` writes it: where it is no plain text, or holds a quote or a backslash, `\xNN`, `\"`
/// and `\\` stand for its bytes, so that no two keys look alike.
pub(crate) fn readable(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.chars().any(needs_escape) => text.to_owned(),
        _ => key.escape_ascii().to_string(),
    }
}

/// Also what is not seen, or turns the direction of what follows.
fn needs_escape(letter: char) -> bool {
    let hidden =
        matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    letter.is_control() || hidden || letter == '\\' || letter == '"'
}

/// Writes the list to a new file. One that is there already is never written over.
pub(crate) fn write(differences: &[DifferenceView], format: ExportFormat, path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(new_file(path)?);
    match format {
        ExportFormat::Csv => write_csv(&mut file, differences)?,
        ExportFormat::JsonLines => write_json_lines(&mut file, differences)?,
    }
    file.flush()?;
    file.get_ref().sync_all()
}

/// A file that is not there yet. Names of keys and of servers are nobody else's business: only the user may read it.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A file that is not there yet, named after the replica.
pub(crate) fn free_path(folder: &Path, replica: &str, format: ExportFormat) -> PathBuf {
    let safe = |letter: char| if letter.is_alphanumeric() || "-_".contains(letter) { letter } else { '-' };
    let stem: String = replica.chars().map(safe).collect();
    let extension = match format {
        ExportFormat::Csv => "csv",
        ExportFormat::JsonLines => "jsonl",
    };
    let first = folder.join(format!("{stem}-differences.{extension}"));
    let others = (2..NAMES).map(|n| folder.join(format!("{stem}-differences-{n}.{extension}")));
    std::iter::once(first.clone()).chain(others).find(|path| !path.exists()).unwrap_or(first)
}

fn write_csv(file: &mut impl Write, differences: &[DifferenceView]) -> io::Result<()> {
    file.write_all(b"kind,db,key,source,source_says,destination_says,repaired,why_not\n")?;
    for difference in differences {
        let (repaired, why_not) = outcome(difference);
        let fields = [
            word(difference.kind),
            &difference.db.to_string(),
            &difference.key,
            difference.source.as_deref().unwrap_or_default(),
            &difference.source_says,
            &difference.destination_says,
            repaired.unwrap_or_default(),
            why_not.unwrap_or_default(),
        ];
        let line: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        writeln!(file, "{}", line.join(","))?;
    }
    Ok(())
}

/// As RFC 4180 has it.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

fn write_json_lines(file: &mut impl Write, differences: &[DifferenceView]) -> io::Result<()> {
    for difference in differences {
        let (repaired, why_not) = outcome(difference);
        let line = json!({
            "kind": word(difference.kind),
            "db": difference.db,
            "key": difference.key,
            "source": difference.source,
            "source_says": difference.source_says,
            "destination_says": difference.destination_says,
            "repaired": repaired,
            "why_not": why_not,
        });
        writeln!(file, "{line}")?;
    }
    Ok(())
}

fn outcome(difference: &DifferenceView) -> (Option<&'static str>, Option<&str>) {
    let Some(repair) = &difference.repair else { return (None, None) };
    let word = match repair.outcome {
        RepairOutcome::Repaired => "repaired",
        RepairOutcome::Equal => "equal",
        RepairOutcome::NotRepaired => "not_repaired",
    };
    (Some(word), repair.why.as_deref())
}

fn word(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Missing => "missing",
        DifferenceKind::Extra => "extra",
        DifferenceKind::Type => "type",
        DifferenceKind::Value => "value",
        DifferenceKind::Expiry => "expiry",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dto::RepairView;

    fn difference(key: &str) -> DifferenceView {
        DifferenceView {
            id: 0,
            source: Some("eu, west".into()),
            db: 3,
            key: key.into(),
            kind: DifferenceKind::Value,
            source_says: "list of 2".into(),
            destination_says: "list of 3".into(),
            repair: None,
        }
    }

    #[test]
    fn a_key_can_be_told_from_its_text() {
        for (key, text) in [
            (&b"user:1"[..], "user:1"),
            (b"say \"hi\"", "say \\\"hi\\\""),
            (b"a\\x00", "a\\\\x00"),
            (b"a\x00\n\t", "a\\x00\\n\\t"),
            (b"\xff\xfe", "\\xff\\xfe"),
            ("größe €".as_bytes(), "größe €"),
            ("l\u{202e}r".as_bytes(), "l\\xe2\\x80\\xaer"),
            (b"", ""),
        ] {
            assert_eq!(readable(key), text);
        }
    }

    #[test]
    fn a_file_is_written_once_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = free_path(folder.path(), "carts/eu", ExportFormat::Csv);
        assert_eq!(path.file_name().unwrap(), "carts-eu-differences.csv");
        let mut repaired = difference("b");
        repaired.repair = Some(RepairView { outcome: RepairOutcome::NotRepaired, why: Some("It says \"no\".".into()) });
        write(&[difference("a,b"), repaired], ExportFormat::Csv, &path).unwrap();
        let lines = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines[1], "value,3,\"a,b\",\"eu, west\",list of 2,list of 3,,");
        assert_eq!(lines[2], "value,3,b,\"eu, west\",list of 2,list of 3,not_repaired,\"It says \"\"no\"\".\"");
        assert_eq!(write(&[], ExportFormat::Csv, &path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let next = free_path(folder.path(), "carts/eu", ExportFormat::Csv);
        assert_eq!(next.file_name().unwrap(), "carts-eu-differences-2.csv");
    }

    #[test]
    fn every_line_of_json_is_an_object() {
        let folder = tempfile::tempdir().unwrap();
        let path = free_path(folder.path(), "carts", ExportFormat::JsonLines);
        write(&[difference("a\nb"), difference("c")], ExportFormat::JsonLines, &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(
            (&first["key"], &first["kind"], &first["repaired"]),
            (&json!("a\nb"), &json!("value"), &json!(null))
        );
        assert_eq!(text.lines().count(), 2);
    }
}
