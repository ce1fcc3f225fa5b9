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
    /// Keys there are to compare, once they are counted.
    pub keys_total: Option<u64>,
    /// Keys that were looked at.
    pub keys_done: u64,
    /// Of those, the ones found equal.
    pub equal: u64,
    /// Keys that could not be told to differ, because they kept changing.
    pub skipped: u64,
    /// Differences that were looked at again and stayed.
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
    /// What the repair has done so far; `null` where none was asked for.
    pub repair: Option<RepairLive>,
    /// Why it ended early.
    pub failure: Option<FailureView>,
}

/// What a comparison is doing.
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
    /// Written or deleted, so that the destination holds what the source does.
    pub repaired: u64,
    /// Equal by themselves meanwhile, and left alone.
    pub settled: u64,
    /// Could not be repaired; the list says why.
    pub failed: u64,
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
    /// More about it.
    pub message: Option<String>,
}

/// How a repair went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RepairOutcome {
    /// The destination holds what the source does.
    Repaired,
    /// It was equal by itself meanwhile.
    Settled,
    /// It could not be done.
    Failed,
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
