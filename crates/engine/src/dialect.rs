//! What the writing side must know of the destination.

use std::collections::HashSet;

use tributary_rdb::Loads;

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
    /// What RESTORE loads.
    pub loads: Loads,
    /// Longest argument and string in bytes (proto-max-bulk-len), where it is known.
    pub longest_string: Option<u64>,
    /// Largest command in bytes (client-query-buffer-limit), where it is known.
    pub largest_command: Option<u64>,
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
    /// What a server understands, by the server section of its INFO; its limits are not in there.
    pub(crate) fn of(info: &Info, databases: u32, expiry: Expiry) -> Self {
        // Valkey calls itself Redis 7.2 here, which says rightly what it understands.
        let version = info.get("redis_version").map_or((0, 0), numbers);
        let valkey = info.get("valkey_version").map(numbers);
        Self {
            version,
            valkey,
            loads: loads(version, valkey),
            longest_string: None,
            largest_command: None,
            absolute_restore: version >= (5, 0),
            set_pxat: version >= (6, 2),
            functions: version >= (7, 0),
            field_expiry: valkey.map_or(version >= (7, 4), |valkey| valkey >= (9, 0)),
            databases,
            expiry,
        }
    }

    /// Whether an argument of so many bytes may be sent, as far as the limits are known.
    pub(crate) fn takes(self, bytes: u64) -> bool {
        let within = |limit: Option<u64>, margin: u64| limit.is_none_or(|limit| bytes.saturating_add(margin) <= limit);
        within(self.longest_string, 0) && within(self.largest_command, COMMAND_MARGIN)
    }

    /// What messages call the server.
    pub(crate) fn server(self) -> String {
        match (self.valkey, self.version) {
            (Some((major, minor)), _) => format!("Valkey {major}.{minor}"),
            (None, (major, minor)) => format!("Redis {major}.{minor}"),
        }
    }

    /// The time to write for an expiry in Unix ms.
    pub(crate) fn carried(self, at_ms: u64) -> u64 {
        self.expiry.carried(at_ms.cast_signed()).cast_unsigned()
    }
}

/// Asks the destination what it understands, and has it hold expiries back where it can. Gives its commands too, where it
/// tells them.
pub(crate) async fn dialect(spec: &ReplicaSpec) -> Result<(Dialect, Keepsake, Option<HashSet<Vec<u8>>>), Failure> {
    let mut control = Control::open(&spec.destination).await?;
    select_home(&mut control, &spec.destination).await?;
    let expiry = expiry::hold(&mut control, spec).await?;
    let kept = keepsake(&mut control, &spec.id).await?;
    let dialect = understood(&mut control, expiry).await?;
    let commands = commands(&mut control, dialect.version).await;
    Ok((dialect, kept, commands))
}

/// Asks a destination what it understands.
pub(crate) async fn understood(control: &mut Control, expiry: Expiry) -> Result<Dialect, Failure> {
    let info = control.info(Some("server")).await?;
    let limit = async |control: &mut Control, name: &str| control.config(name).await.and_then(|n| n.parse().ok());
    let (longest_string, largest_command) =
        (limit(control, "proto-max-bulk-len").await, limit(control, "client-query-buffer-limit").await);
    let databases = databases(control).await?;
    Ok(Dialect { longest_string, largest_command, ..Dialect::of(&info, databases, expiry) })
}

/// The names of a server's commands, in capitals; `None` where it does not tell them.
async fn commands(control: &mut Control, version: (u32, u32)) -> Option<HashSet<Vec<u8>>> {
    let names: Vec<Vec<u8>> = if version >= (7, 0) {
        control.query(&["COMMAND", "LIST"]).await.ok()?
    } else {
        let commands: Vec<Vec<redis::Value>> = control.query(&["COMMAND"]).await.ok()?;
        commands.into_iter().filter_map(|about| redis::from_redis_value(about.into_iter().next()?).ok()).collect()
    };
    // A server that names none has COMMAND under another meaning.
    let names: HashSet<Vec<u8>> = names.into_iter().map(|name| name.to_ascii_uppercase()).collect();
    names.contains(&b"SET"[..]).then_some(names)
}

/// What a command has beside its longest argument, at most, but for a key of unusual length.
const COMMAND_MARGIN: u64 = 64 * 1024;

/// The RDB version of a release (rdb.h, `RDB_VERSION`).
fn loads(version: (u32, u32), valkey: Option<(u32, u32)>) -> Loads {
    let version = match (valkey, version) {
        (Some((9.., _)), _) => 80,
        (Some(_), _) => 11,
        (None, (8.., _) | (7, 4..)) => 12,
        (None, (7, 2..)) => 11,
        (None, (7, _)) => 10,
        (None, (5 | 6, _)) => 9,
        (None, (4, _)) => 8,
        (None, (3, 2..)) => 7,
        (None, _) => 6,
    };
    Loads { version }
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
