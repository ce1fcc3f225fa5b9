//! Expiry follows the source: a key at the destination must not disappear before the source says so.
//!
//! The destination is a primary and would delete a key at its time even when the command that gave it more time is
//! still on its way. Valkey 8.1 and later have `import-mode` for this: keys then wait for the source's DEL. Elsewhere
//! every expiry is carried [`HELD_BACK_MS`] later than it is; the source's own DEL arrives first. The exact times are
//! set when replication ends for good (`finish.rs`).

use crate::checkpoint;
use crate::control::Control;
use crate::{ErrorKind, Failure, ReplicaSpec};

/// How much later an expiry is carried: 100 years of 365.25 days. So much that a held time is told from a real one at sight.
pub(crate) const HELD_BACK_MS: i64 = 3_155_760_000_000;
/// An expiry further ahead than this is a held one: it stands 100 years behind a time that may have passed some months ago.
pub(crate) const FAR_AHEAD_MS: i64 = HELD_BACK_MS / 100 * 99;

/// What the user wants done with expiries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExpiryPolicy {
    /// Keys wait for the source's own deletion, and never disappear earlier than on the source.
    #[default]
    FollowSource,
    /// Keys carry the source's times; after an outage a key may be gone although the source has prolonged it.
    Exact,
}

/// How expiries are carried to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// As they are, and the destination acts on them.
    Exact,
    /// As they are; the destination is in import mode and does not act on them.
    ImportMode,
    /// Later by 100 years.
    HeldBack,
}

impl Expiry {
    /// The time to write for an absolute expiry in Unix ms.
    pub(crate) fn carried(self, at_ms: i64) -> i64 {
        match self {
            Self::HeldBack => at_ms.saturating_add(HELD_BACK_MS),
            Self::Exact | Self::ImportMode => at_ms,
        }
    }
}

/// Finds out how expiries are to be carried, and switches import mode on where it is the way. Its earlier setting is
/// recorded at the destination first. The connection has selected the database of the checkpoints.
pub(crate) async fn hold(control: &mut Control, spec: &ReplicaSpec) -> Result<Expiry, Failure> {
    if spec.options.expiry == ExpiryPolicy::Exact {
        return Ok(Expiry::Exact);
    }
    match control.config("import-mode").await.as_deref() {
        None => return Ok(Expiry::HeldBack),
        Some("yes") => return Ok(Expiry::ImportMode),
        Some(_) => {}
    }
    let record = checkpoint::import_mode_key(&spec.id);
    control.query::<Option<String>>(&["SET", &record, "no", "NX"]).await?;
    match control.query::<String>(&["CONFIG", "SET", "import-mode", "yes"]).await {
        Ok(_) => Ok(Expiry::ImportMode),
        Err(failure) if matches!(failure.kind, ErrorKind::NoPermission | ErrorKind::UnknownCommand) => {
            control.query::<u64>(&["DEL", &record]).await?;
            Ok(Expiry::HeldBack)
        }
        Err(failure) => Err(failure),
    }
}

/// Puts import mode back as it was found.
pub(crate) async fn release(control: &mut Control, spec: &ReplicaSpec) -> Result<(), Failure> {
    let record = checkpoint::import_mode_key(&spec.id);
    if control.query::<u64>(&["EXISTS", &record]).await? > 0 {
        // There is only one other setting, so nothing that stands in the key is believed.
        control.query::<String>(&["CONFIG", "SET", "import-mode", "no"]).await?;
        control.query::<u64>(&["DEL", &record]).await?;
    }
    Ok(())
}
