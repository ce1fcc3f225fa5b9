//! Differences as a file, and keys as text.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::dto::{DifferenceKind, DifferenceView, ExportFormat, RepairOutcome};

/// Names that are tried in one folder.
const NAMES: u32 = 1_000;

/// A key as text: what is not printable, or not UTF-8, is escaped, and so is the backslash, so that the bytes can be told
/// from it.
pub(crate) fn readable(key: &[u8]) -> String {
    let mut text = String::with_capacity(key.len());
    for chunk in key.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\'' | '"' => text.push(letter),
                _ if letter.is_control() && letter.is_ascii() => byte(&mut text, letter as u8),
                _ => text.extend(letter.escape_debug()),
            }
        }
        chunk.invalid().iter().for_each(|unknown| byte(&mut text, *unknown));
    }
    text
}

fn byte(text: &mut String, byte: u8) {
    match byte {
        b'\n' => text.push_str("\\n"),
        b'\r' => text.push_str("\\r"),
        b'\t' => text.push_str("\\t"),
        _ => text.push_str(&format!("\\x{byte:02x}")),
    }
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

/// Names of keys are nobody else's business: only the user may read the file.
fn new_file(path: &Path) -> io::Result<File> {
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
    file.write_all(b"source,db,key,kind,source_says,destination_says,repair,why\r\n")?;
    for difference in differences {
        let (repair, why) = outcome(difference);
        let fields = [
            difference.source.as_deref().unwrap_or_default(),
            &difference.db.to_string(),
            &difference.key,
            word(difference.kind),
            &difference.source_says,
            &difference.destination_says,
            repair.unwrap_or_default(),
            why.unwrap_or_default(),
        ];
        let line: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        write!(file, "{}\r\n", line.join(","))?;
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
        let (repair, why) = outcome(difference);
        let line = json!({
            "source": difference.source,
            "db": difference.db,
            "key": difference.key,
            "kind": word(difference.kind),
            "source_says": difference.source_says,
            "destination_says": difference.destination_says,
            "repair": repair,
            "why": why,
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
            (b"say \"hi\" it's", "say \"hi\" it's"),
            (b"a\\x00", "a\\\\x00"),
            (b"a\x00\n\t", "a\\x00\\n\\t"),
            (b"\xff\xfe", "\\xff\\xfe"),
            ("größe €".as_bytes(), "größe €"),
            ("left\u{202e}right".as_bytes(), "left\\u{202e}right"),
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
        assert_eq!(lines[1], "\"eu, west\",3,\"a,b\",value,list of 2,list of 3,,");
        assert_eq!(lines[2], "\"eu, west\",3,b,value,list of 2,list of 3,not_repaired,\"It says \"\"no\"\".\"");
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
        assert_eq!((&first["key"], &first["kind"], &first["repair"]), (&json!("a\nb"), &json!("value"), &json!(null)));
        assert_eq!(text.lines().count(), 2);
    }
}
