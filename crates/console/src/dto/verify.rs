use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::FailureView;

/// What a comparison of the destination with its sources is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VerifyOptions {
    /// How exactly values are compared.
    pub mode: VerifyMode,
    /// The most keys compared in a second; `null` is no limit.
    pub keys_per_second: Option<u32>,
}

/// How exactly values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum VerifyMode {
    /// Type, length and sampled elements.
    Fast,
    /// Every value as a whole.
    Full,
}

/// How a comparison is doing, or how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VerifyLive {
    /// Rises with every comparison since the app was opened.
    pub run: u64,
    /// What it was asked for.
    pub options: VerifyOptions,
    /// What it is doing.
    pub stage: VerifyStage,
    /// When it began.
    pub started_at: u64,
    /// When it ended, or was stopped; repairs aside.
    pub ended_at: Option<u64>,
    /// Whether the replica followed its sources when it began: if not, what was written since shows as differences.
    pub followed: bool,
    /// Keys to go through: those of the sources, then those of the destination. `null` until they are counted.
    pub keys_total: Option<u64>,
    /// Keys gone through, of both.
    pub keys_done: u64,
    /// Keys of each source, and of the destination at the end, when it began.
    pub sides: Vec<VerifySide>,
    /// Keys of sources that were found equal.
    pub equal: u64,
    /// Keys that differed when they were last looked at, and are looked at again before they are reported.
    pub settling: u64,
    /// Keys that could not be judged, by reason. They count neither as equal nor as different.
    pub skipped: Vec<SkippedKeys>,
    /// Differences that were reported.
    pub differences: u64,
    /// Of each kind.
    pub by_kind: KindCounts,
    /// How many of them are in the list, which is bounded.
    pub listed: u64,
    /// How long it has run.
    pub elapsed_ms: f64,
    /// How long it will go on at the present rate; unknown before that is known.
    pub left_ms: Option<f64>,
    /// Keys compared a second.
    pub keys_per_sec: Option<f64>,
    /// What was repaired so far; `null` where nobody asked for it.
    pub repair: Option<RepairLive>,
    /// Why it failed, or, while it goes on, what holds it up for now.
    pub failure: Option<FailureView>,
}

/// The keys of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VerifySide {
    /// The name of the source; `null` for the destination.
    pub source: Option<String>,
    /// `host:port[/db]`.
    pub endpoint: String,
    /// Its keys, in the databases that are compared.
    pub keys: u64,
}

/// Keys that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SkippedKeys {
    /// Why.
    pub why: String,
    /// How many.
    pub keys: u64,
    /// The first of them, with `\xNN` for what is not text.
    pub example: String,
}

/// What a comparison is doing. A repair leads from one of the last three to `Repairing` and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum VerifyStage {
    /// Counts the keys of both sides.
    Counting,
    /// Compares the sources' keys.
    Comparing,
    /// Looks for keys at the destination that no source has.
    Extra,
    /// Looks at differences again.
    Settling,
    /// Writes to the destination what the sources hold.
    Repairing,
    /// Ended.
    Done,
    /// Ended by the user.
    Stopped,
    /// Ended by a failure.
    Failed,
}

/// Differences of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct KindCounts {
    /// At the source and not at the destination.
    pub missing: u64,
    /// At the destination and at no source.
    pub extra: u64,
    /// Of another type.
    #[serde(rename = "type")]
    pub types: u64,
    /// Of the same type, with another value.
    pub value: u64,
    /// Of the same value, with another expiry.
    pub expiry: u64,
}

impl KindCounts {
    /// One more of this kind.
    pub(crate) fn add(&mut self, kind: DifferenceKind) {
        *match kind {
            DifferenceKind::Missing => &mut self.missing,
            DifferenceKind::Extra => &mut self.extra,
            DifferenceKind::Type => &mut self.types,
            DifferenceKind::Value => &mut self.value,
            DifferenceKind::Expiry => &mut self.expiry,
        } += 1;
    }
}

/// In what a key differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// At the source and not at the destination.
    Missing,
    /// At the destination and at no source.
    Extra,
    /// Of another type.
    Type,
    /// Of the same type, with another value.
    Value,
    /// Of the same value, with another expiry.
    Expiry,
}

/// What a repair has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RepairLive {
    /// Repairs that were asked for.
    pub asked: u64,
    /// Made, or nothing was left to do.
    pub repaired: u64,
    /// Could not be made; the list says why.
    pub not_repaired: u64,
}

/// A part of the list of differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DifferencePage {
    /// The comparison they are of.
    pub run: u64,
    /// How many there are of what was asked for.
    pub total: u64,
    /// Which of those is the first here.
    pub offset: u64,
    /// What of the whole list is not repaired yet, of each kind: what a repair of all would be of.
    pub open: KindCounts,
    /// The differences.
    pub differences: Vec<DifferenceView>,
}

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceView {
    /// Its place in the list, by which it can be chosen for a repair.
    pub id: u32,
    /// The name of the source it is compared with; `null` where no source has it.
    pub source: Option<String>,
    /// The database at the destination.
    pub db: u32,
    /// The key, with `\xNN` for what is not text.
    pub key: String,
    /// In what it differs.
    pub kind: DifferenceKind,
    /// What the source holds.
    pub source_says: String,
    /// What the destination holds.
    pub destination_says: String,
    /// What came of its repair.
    pub repair: Option<RepairView>,
}

/// What came of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RepairView {
    /// How it went.
    pub outcome: RepairOutcome,
    /// Why nothing was changed.
    pub why: Option<String>,
}

/// How a repair went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RepairOutcome {
    /// The destination was given what the source holds.
    Repaired,
    /// There was nothing left to do: the two were equal by then.
    Equal,
    /// Nothing was changed.
    NotRepaired,
}

/// How differences are written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// A table for a spreadsheet.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportedFile {
    /// Where it is.
    pub path: String,
    /// How many differences it holds.
    pub differences: u64,
}
