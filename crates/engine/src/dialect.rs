//! What the writing side must know of the destination.

use crate::control::{Control, Info};
use crate::destination::{Keepsake, keepsake, select_home};
use crate::expiry::{self, Expiry};
use crate::{ErrorKind, Failure, ReplicaSpec};

/// What the writing side must know of the destination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    /// The Redis version, by its first two numbers; for Valkey the one that it says it is compatible with.
    pub version: (u32, u32),
    /// Valkey's own version.
    pub valkey: Option<(u32, u32)>,
    /// RESTORE knows ABSTTL, IDLETIME and FREQ (5.0 and later).
    pub absolute_restore: bool,
    /// SET knows PXAT (6.2 and later).
    pub set_pxat: bool,
    /// Function libraries exist (7.0 and later).
    pub functions: bool,
    /// Fields of a hash can expire (Redis 7.4, Valkey 9.0 and later).
    pub field_expiry: bool,
    /// Number of databases.
    pub databases: u32,
    /// How expiries are carried.
    pub expiry: Expiry,
}

impl Dialect {
    /// What a server understands, by the server section of its INFO.
    pub(crate) fn of(info: &Info, databases: u32, expiry: Expiry) -> Self {
        // Valkey calls itself Redis 7.2 here, which says rightly what it understands.
        let version = info.get("redis_version").map_or((0, 0), numbers);
        let valkey = info.get("valkey_version").map(numbers);
        Self {
            version,
            valkey,
            absolute_restore: version >= (5, 0),
            set_pxat: version >= (6, 2),
            functions: version >= (7, 0),
            field_expiry: valkey.map_or(version >= (7, 4), |valkey| valkey >= (9, 0)),
            databases,
            expiry,
        }
    }

    /// The time to write for an expiry in Unix ms.
    pub(crate) fn carried(self, at_ms: u64) -> u64 {
        self.expiry.carried(at_ms.cast_signed()).cast_unsigned()
    }
}

/// Asks the destination what it understands, and has it hold expiries back where it can.
pub(crate) async fn dialect(spec: &ReplicaSpec) -> Result<(Dialect, Keepsake), Failure> {
    let mut control = Control::open(&spec.destination).await?;
    select_home(&mut control, &spec.destination).await?;
    let expiry = expiry::hold(&mut control, spec).await?;
    let kept = keepsake(&mut control, &spec.id).await?;
    let info = control.info(Some("server")).await?;
    let databases = databases(&mut control).await?;
    Ok((Dialect::of(&info, databases, expiry), kept))
}

/// The first two numbers of a version.
pub(crate) fn numbers(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The number of databases, by CONFIG or, where that is forbidden, by trying.
pub(crate) async fn databases(control: &mut Control) -> Result<u32, Failure> {
    if let Some(number) = control.config("databases").await.and_then(|n| n.parse().ok()) {
        return Ok(number);
    }
    // `low` is known to exist, `high` is not.
    let (mut low, mut high) = (0u32, 1u32 << 20);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match control.query::<String>(&["SELECT", &middle.to_string()]).await {
            Ok(_) => low = middle,
            Err(failure) if failure.kind == ErrorKind::DbOutOfRange => high = middle,
            Err(failure) => return Err(failure),
        }
    }
    Ok(low + 1)
}
