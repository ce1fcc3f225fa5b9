//! What a connection test finds out about a server.

use crate::check::{self, CheckVerdict};
use crate::control::{Control, Info};
use crate::{Endpoint, Failure};

/// Redis or one of its relatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

impl Product {
    /// The product's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
        }
    }
}

/// The facts about a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Product.
    pub product: Product,
    /// Its version, such as `7.0.15`.
    pub version: String,
    /// Whether it is a replica of another server.
    pub is_replica: bool,
    /// Whether the user may send PSYNC, where the server says (Redis 7.0 and later).
    pub may_psync: Option<bool>,
    /// Keys of each database that has any.
    pub keys_by_db: Vec<(u32, u64)>,
    /// Memory in use, in bytes.
    pub used_memory: u64,
    /// `maxmemory` in bytes; `None` is no limit.
    pub max_memory: Option<u64>,
    /// Identity of the running server process, the same under all its names.
    pub run_id: String,
    /// The server that it replicates, as `host:port`.
    pub replica_of: Option<String>,
}

impl Examination {
    /// Keys in all databases, or in the one that is meant.
    #[must_use]
    pub fn keys(&self, db: Option<u32>) -> u64 {
        self.keys_by_db.iter().filter(|(n, _)| db.is_none_or(|db| db == *n)).map(|(_, keys)| keys).sum()
    }
}

/// One finding of a connection test, as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// What was found.
    pub found: String,
    /// Whether it stands in the way of a sync.
    pub verdict: CheckVerdict,
    /// What the user can do, where there is something.
    pub todo: Option<String>,
}

/// Connects, authenticates and asks, telling each finding as it is found.
///
/// # Errors
/// What keeps the server from being used at all.
pub async fn examine(endpoint: &Endpoint, mut tell: impl FnMut(Finding)) -> Result<Examination, Failure> {
    let mut control = Control::open(endpoint).await?;
    let fine = |what, found| Finding { what, found, verdict: CheckVerdict::Ok, todo: None };
    tell(fine("Connection", format!("{} accepts the connection and the credentials", control.name())));
    if let Some(options) = &endpoint.tls {
        tell(check::encryption(options, control.tls()));
    }
    let mut facts = facts(&mut control).await?;
    tell(fine("Server", format!("{} {}", facts.product.name(), facts.version)));
    let role = match &facts.replica_of {
        Some(master) => format!("replica of {master}"),
        None => "primary".to_owned(),
    };
    tell(fine("Role", role));
    let databases = facts.keys_by_db.len();
    tell(fine(
        "Keys",
        format!("{} in {databases} {}", facts.keys(None), if databases == 1 { "database" } else { "databases" }),
    ));
    facts.may_psync = may_psync(&mut control, endpoint, &facts.version).await;
    Ok(facts)
}

/// The facts that INFO holds.
pub(crate) async fn facts(control: &mut Control) -> Result<Examination, Failure> {
    let info = control.info(None).await?;
    let product = if info.get("server_name") == Some("valkey") || info.get("valkey_version").is_some() {
        Product::Valkey
    } else {
        Product::Redis
    };
    let version = info.get("valkey_version").or_else(|| info.get("redis_version")).unwrap_or("?").to_owned();
    Ok(Examination {
        product,
        version,
        is_replica: info.get("role") == Some("slave"),
        may_psync: None,
        keys_by_db: info.keys_by_db(),
        used_memory: info.number("used_memory").unwrap_or(0),
        max_memory: info.number("maxmemory").filter(|limit| *limit > 0),
        run_id: info.get("run_id").unwrap_or_default().to_owned(),
        replica_of: replica_of(&info),
    })
}

fn replica_of(info: &Info) -> Option<String> {
    Some(format!("{}:{}", info.get("master_host")?, info.get("master_port")?))
}

/// Asks for a dry run of PSYNC, so that nothing is started. Before ACLs existed everyone was allowed to.
async fn may_psync(control: &mut Control, endpoint: &Endpoint, version: &str) -> Option<bool> {
    let major: u32 = version.split('.').next()?.parse().ok()?;
    if major < 6 {
        return Some(true);
    }
    let user = endpoint.username.as_deref().unwrap_or("default");
    let answer: String = control.query(&["ACL", "DRYRUN", user, "PSYNC", "?", "-1"]).await.ok()?;
    Some(answer == "OK")
}
