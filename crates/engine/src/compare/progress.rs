//! How far a comparison is.

use crate::Failure;
use crate::compare::DifferenceKind;

/// What a comparison is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CompareStage {
    /// Set at the start: connects and asks for the numbers of keys. Leads to `Comparing`.
    #[default]
    Counting,
    /// The keys of the sources, against the destination. Leads to `Extra`.
    Comparing,
    /// The keys of the destination, which some source should have. Leads to `Settling`.
    Extra,
    /// Waits for the last differences to settle. Leads to `Done`.
    Settling,
    /// Everything was compared, and repairs that were asked for are being made. Leads to `Done`.
    Repairing,
    /// Everything was compared. Leads to `Repairing` when that is asked for.
    Done,
    /// Ended by the user before everything was compared; what was found stays, and can be repaired.
    Stopped,
    /// Ended by a failure; what was found stays.
    Failed,
}

impl CompareStage {
    /// The word used in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Counting => "counting",
            Self::Comparing => "comparing",
            Self::Extra => "extra",
            Self::Settling => "settling",
            Self::Repairing => "repairing",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing goes on any more, unless a repair is asked for.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Stopped | Self::Failed)
    }
}

/// How many differences there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindCounts {
    /// Keys that the destination lacks.
    pub missing: u64,
    /// Keys that no source has.
    pub extra: u64,
    /// Keys of another type.
    pub type_differs: u64,
    /// Keys of other content.
    pub value: u64,
    /// Keys with another expiry.
    pub expiry: u64,
}

impl KindCounts {
    pub(super) fn add(&mut self, kind: DifferenceKind) {
        *match kind {
            DifferenceKind::Missing => &mut self.missing,
            DifferenceKind::Extra => &mut self.extra,
            DifferenceKind::Type => &mut self.type_differs,
            DifferenceKind::Value => &mut self.value,
            DifferenceKind::Expiry => &mut self.expiry,
        } += 1;
    }
}

/// The keys of one server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SideCount {
    /// The source's ID; `None` for the destination.
    pub source: Option<String>,
    /// `host:port[/db]`.
    pub endpoint: String,
    /// Keys in the databases that are compared, when it was begun; Tributary's own are among them.
    pub keys: u64,
    /// Keys of this server that were gone through; a server may give a key twice, and get new ones meanwhile.
    pub done: u64,
}

/// Keys that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Why, such as `type ReJSON-RL: source and destination are different products`.
    pub why: String,
    /// How many.
    pub keys: u64,
    /// The first of them.
    pub example: Vec<u8>,
}

/// A comparison at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompareProgress {
    /// What it is doing.
    pub stage: CompareStage,
    /// Keys to go through: those of the sources, and then those of the destination.
    pub keys_total: u64,
    /// Keys gone through, of both passes. Never above `keys_total`.
    pub keys_done: u64,
    /// Keys of sources that were found equal.
    pub equal: u64,
    /// Differences that were reported.
    pub differences: u64,
    /// The same by kind.
    pub by_kind: KindCounts,
    /// Keys that differed when they were last looked at, and are looked at again before they are reported.
    pub settling: u64,
    /// Keys that could not be judged, by reason. They count neither as equal nor as different.
    pub skipped: Vec<Skipped>,
    /// Milliseconds since it was begun.
    pub elapsed_ms: u64,
    /// Milliseconds that are left, from the pace so far; `None` while that is unknown.
    pub left_ms: Option<u64>,
    /// One for each source, in the order of the definition.
    pub sources: Vec<SideCount>,
    /// The destination.
    pub destination: SideCount,
    /// Repairs that were asked for.
    pub repairs: u64,
    /// Repairs that were made, or had nothing left to do.
    pub repaired: u64,
    /// Repairs that could not be made.
    pub not_repaired: u64,
    /// Why it `Failed`, or, while it goes on, what keeps it from going on for now.
    pub failure: Option<Failure>,
}
