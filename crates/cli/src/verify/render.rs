//! A comparison for a terminal or as JSON.

use serde::Serialize;
use tributary_engine::{CompareProgress, CompareStage, Difference, RepairOutcome, SideCount};

/// A key as text. What is no text, quotes and backslashes are written as `\xNN`, `\"` and `\\`.
pub fn key(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() || c == '\\' || c == '"') => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

/// A difference as JSON.
#[derive(Debug, Serialize)]
pub struct Row {
    kind: &'static str,
    db: u32,
    key: String,
    source: Option<String>,
    source_says: String,
    destination_says: String,
    repaired: Option<&'static str>,
    why_not: Option<String>,
}

impl Row {
    /// The row of a difference.
    pub fn new(difference: &Difference) -> Self {
        let why_not = match &difference.repaired {
            Some(RepairOutcome::NotRepaired(why)) => Some(why.clone()),
            _ => None,
        };
        Self {
            kind: difference.kind.code(),
            db: difference.db,
            key: key(&difference.key),
            source: difference.source.clone(),
            source_says: difference.source_says.clone(),
            destination_says: difference.destination_says.clone(),
            repaired: difference.repaired.as_ref().map(RepairOutcome::code),
            why_not,
        }
    }

    /// The cells of a table, under [`COLUMNS`].
    pub fn cells(&self) -> [String; 8] {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        [
            self.kind.to_owned(),
            self.db.to_string(),
            self.key.clone(),
            text(&self.source),
            self.source_says.clone(),
            self.destination_says.clone(),
            self.repaired.unwrap_or_default().to_owned(),
            text(&self.why_not),
        ]
    }
}

/// The names of [`Row::cells`].
pub const COLUMNS: [&str; 8] =
    ["kind", "db", "key", "source", "source_says", "destination_says", "repaired", "why_not"];

#[derive(Debug, Serialize)]
struct Json<'a> {
    stage: &'static str,
    keys_total: u64,
    keys_done: u64,
    equal: u64,
    differences: u64,
    by_kind: Kinds,
    settling: u64,
    skipped: Vec<Skipped<'a>>,
    elapsed_ms: u64,
    left_ms: Option<u64>,
    sources: Vec<Side<'a>>,
    destination: Side<'a>,
    repairs: u64,
    repaired: u64,
    not_repaired: u64,
    error: Option<Error<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<Vec<Row>>,
}

#[derive(Debug, Serialize)]
struct Kinds {
    missing: u64,
    extra: u64,
    r#type: u64,
    value: u64,
    expiry: u64,
}

#[derive(Debug, Serialize)]
struct Skipped<'a> {
    why: &'a str,
    keys: u64,
    example: String,
}

#[derive(Debug, Serialize)]
struct Side<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    endpoint: &'a str,
    keys: u64,
    done: u64,
}

#[derive(Debug, Serialize)]
struct Error<'a> {
    kind: &'static str,
    message: &'a str,
    hint: &'a str,
}

fn side(side: &SideCount) -> Side<'_> {
    Side { id: side.source.as_deref(), endpoint: &side.endpoint, keys: side.keys, done: side.done }
}

/// The progress as one line of JSON, the last with the differences.
pub fn json(progress: &CompareProgress, differences: Option<&[Difference]>) -> String {
    let kinds = &progress.by_kind;
    let skipped = progress.skipped.iter();
    let json = Json {
        stage: progress.stage.code(),
        keys_total: progress.keys_total,
        keys_done: progress.keys_done,
        equal: progress.equal,
        differences: progress.differences,
        by_kind: Kinds {
            missing: kinds.missing,
            extra: kinds.extra,
            r#type: kinds.type_differs,
            value: kinds.value,
            expiry: kinds.expiry,
        },
        settling: progress.settling,
        skipped: skipped.map(|s| Skipped { why: &s.why, keys: s.keys, example: key(&s.example) }).collect(),
        elapsed_ms: progress.elapsed_ms,
        left_ms: progress.left_ms,
        sources: progress.sources.iter().map(side).collect(),
        destination: side(&progress.destination),
        repairs: progress.repairs,
        repaired: progress.repaired,
        not_repaired: progress.not_repaired,
        error: progress.failure.as_ref().map(|f| Error { kind: f.kind.code(), message: &f.message, hint: &f.hint }),
        list: differences.map(|list| list.iter().map(Row::new).collect()),
    };
    serde_json::to_string(&json).unwrap_or_default()
}

/// One line for a terminal.
pub fn line(progress: &CompareProgress) -> String {
    let word = match progress.stage {
        CompareStage::Counting => return "Counting".to_owned(),
        CompareStage::Repairing => {
            let made = progress.repaired + progress.not_repaired;
            return format!("Repairing  {made} of {} differences", progress.repairs);
        }
        CompareStage::Extra => "Looking for extra keys",
        CompareStage::Settling => "Settling",
        _ => "Comparing",
    };
    let percent = 100.0 * progress.keys_done as f64 / progress.keys_total.max(1) as f64;
    let left = progress.left_ms.map_or(String::new(), |left| format!("   {} left", time(left)));
    let settling = match progress.settling {
        0 => String::new(),
        number => format!(", {number} looked at again"),
    };
    let waits = progress.failure.as_ref().map_or(String::new(), |failure| format!("   {}", failure.message));
    format!("{word}  {percent:.1} %   {} different{settling}{left}{waits}", progress.differences)
}

/// A difference for a person.
pub fn row(difference: &Difference) -> String {
    let row = Row::new(difference);
    let mut text = format!(
        "{:<7}  db {:<2}  {}\n         source: {}   destination: {}",
        row.kind, row.db, row.key, row.source_says, row.destination_says
    );
    match &difference.repaired {
        Some(RepairOutcome::Repaired) => text.push_str("\n         repaired"),
        Some(RepairOutcome::Equal) => text.push_str("\n         equal by the time of the repair"),
        Some(RepairOutcome::NotRepaired(why)) => text.push_str(&format!("\n         not repaired: {why}")),
        None => {}
    }
    text
}

/// What came of it, in a few sentences.
pub fn summary(end: &CompareProgress, listed: usize) -> String {
    let kinds = &end.by_kind;
    let mut text = match end.stage {
        CompareStage::Done => "Compared".to_owned(),
        CompareStage::Failed => "Broken off by an error. Compared".to_owned(),
        _ => "Stopped before the end. Compared".to_owned(),
    };
    let (done, seconds) = (end.sources.iter().map(|side| side.done).sum::<u64>(), end.elapsed_ms as f64 / 1e3);
    text.push_str(&format!(" {done} keys of the sources in {seconds:.1} s: {} equal", end.equal));
    text.push_str(&match end.differences {
        0 => ", no difference.".to_owned(),
        number => format!(
            ", {number} different ({} missing, {} extra, {} type, {} value, {} expiry).",
            kinds.missing, kinds.extra, kinds.type_differs, kinds.value, kinds.expiry
        ),
    });
    if (listed as u64) < end.differences {
        text.push_str(&format!(" The first {listed} are listed; --list shows more."));
    }
    if end.repairs > 0 {
        text.push_str(&format!(" {} of {} repaired.", end.repaired, end.repairs));
    }
    for skipped in &end.skipped {
        let (keys, example) = (skipped.keys, key(&skipped.example));
        text.push_str(&format!("\nNot judged: {keys} (such as {example}): {}.", skipped.why));
    }
    text
}

/// Minutes and seconds.
fn time(ms: u64) -> String {
    match ms.div_ceil(1000) {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds @ 100..6000 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_so_that_no_two_look_alike() {
        assert_eq!(key("käse:1".as_bytes()), "käse:1");
        assert_eq!(key(b"a\nb"), "a\\nb");
        assert_eq!(key(b"a\\nb"), "a\\\\nb");
        assert_eq!(key(b"\xff"), "\\xff");
    }

    #[test]
    fn the_time_that_is_left_is_told_in_two_units_at_most() {
        assert_eq!([time(400), time(100_000), time(7_260_000)], ["1 s", "1 min 40 s", "2 h 1 min"]);
    }
}
