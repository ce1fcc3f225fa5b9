//! Compare: whether a destination holds what its sources hold, while they are written to.
//!
//! Start reading at `run.rs`. `plan.rs` says which databases belong together and counts them; `scan.rs` goes through the
//! keys, first of the sources and then of the destination; `page.rs` compares a page of them. What differs there is only
//! suspected: `recheck.rs` looks at it again until it is equal or has not settled in time. `repair.rs` writes what the
//! source holds, between two commands of the stream. Nothing is written but by a repair.

mod applied;
mod content;
mod deep;
mod handle;
mod heads;
mod ledger;
mod looks;
mod pace;
mod page;
mod plan;
mod progress;
mod recheck;
mod repair;
mod reply;
mod report;
mod rewrite;
mod run;
mod samples;
mod scan;
mod side;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use handle::{CompareHandle, Repair};
pub use progress::{CompareProgress, CompareStage, KindCounts, SideCount, Skipped};
pub use report::{Difference, DifferenceKind, RepairOutcome};

use crate::{ReplicaSpec, ReplicaStatus};

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompareMode {
    /// Type, length and expiry; of what is long (a string above 1 KiB, a collection of more than 64 elements) a few
    /// elements, of all else everything.
    #[default]
    Fast,
    /// Every element, the expiry of fields, the groups of streams.
    Full,
}

/// How a comparison is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompareOptions {
    /// How values are compared.
    pub mode: CompareMode,
    /// Keys per second that may be looked at, over all passes and repeated looks; `None` is no limit.
    pub keys_per_second: Option<u32>,
    /// How long a difference has to last before it is reported; it is looked at again and again until then.
    pub settle: Duration,
    /// Differences that are kept in the list; all are counted.
    pub list_limit: usize,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self { mode: CompareMode::Fast, keys_per_second: None, settle: Duration::from_secs(10), list_limit: 10_000 }
    }
}

/// Starts to compare a replica's destination with its sources. Must be called within a tokio runtime.
///
/// Every source of the definition is compared, stopped or not. `applied` is the status of the replica where it runs in
/// this process: a difference is then only looked at, and a repair only made, when the destination has applied all that
/// the source had executed. Where it is not known, the checkpoints at the destination say the same a little later.
#[must_use]
pub fn compare(
    spec: ReplicaSpec,
    options: CompareOptions,
    applied: Option<watch::Receiver<Arc<ReplicaStatus>>>,
) -> CompareHandle {
    handle::start(spec, options, applied)
}
