//! What was found to differ.

/// In what a key differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// A source has the key, the destination does not.
    Missing,
    /// The destination has the key, and no source does.
    Extra,
    /// It is of another type.
    Type,
    /// Type alike, content not.
    Value,
    /// Type and content alike, the expiry not.
    Expiry,
}

impl DifferenceKind {
    /// The word used in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Type => "type",
            Self::Value => "value",
            Self::Expiry => "expiry",
        }
    }
}

/// What came of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairOutcome {
    /// The destination was given what the source held at that moment.
    Repaired,
    /// There was nothing left to repair: the two were equal by then.
    Equal,
    /// Nothing was changed: why, in a sentence.
    NotRepaired(String),
}

impl RepairOutcome {
    /// Whether the key is right now.
    #[must_use]
    pub fn is_right(&self) -> bool {
        !matches!(self, Self::NotRepaired(_))
    }

    /// The word used in JSON.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Repaired => "repaired",
            Self::Equal => "equal",
            Self::NotRepaired(_) => "not_repaired",
        }
    }
}

/// A key that is not the same at both ends. It holds no content of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The source's ID; `None` for a key of no source.
    pub source: Option<String>,
    /// Number of the destination's database.
    pub db: u32,
    /// The key.
    pub key: Vec<u8>,
    /// In what it differs.
    pub kind: DifferenceKind,
    /// The source's side in short, such as `list of 12` or `expires 2026-11-23 08:23:26.118 UTC`.
    pub source_says: String,
    /// The destination's side.
    pub destination_says: String,
    /// What came of its repair, once one was asked for and made.
    pub repaired: Option<RepairOutcome>,
}
