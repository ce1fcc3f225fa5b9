//! Asks one server everything that a check looks at. What it does not tell stays empty.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use super::compression;
use super::line::Found;
use super::permission::{self, Answer, Need};
use super::release::Release;
use super::traffic::{self, Rate};
use super::trial;
use crate::control::{Control, Info};
use crate::dialect::databases;
use crate::{Endpoint, Failure, Product, lockdown};

/// How long a source's writes are measured.
const SAMPLE: Duration = Duration::from_secs(2);
/// What CONFIG is asked for.
const SETTINGS: [&str; 6] =
    ["client-output-buffer-limit", "appendfsync", "save", "min-replicas-to-write", "cluster-enabled", "rdbcompression"];

/// What a server said.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The version of TLS that was agreed on; `None` for an open link.
    pub tls: Option<&'static str>,
    /// Empty where INFO is forbidden.
    pub info: Info,
    pub release: Option<Release>,
    pub user: String,
    pub permissions: Vec<(Need, Answer)>,
    pub settings: HashMap<&'static str, String>,
    /// Names of the modules; `None` where they may not be listed.
    pub modules: Option<Vec<String>>,
    /// Its clock less ours, and how far that can be off.
    pub clock: Option<Clock>,
    pub databases: Option<u32>,
    /// Of the destination: our user and the other enabled ones; `None` where they may not be listed.
    pub accounts: Option<(String, Vec<String>)>,
    /// Of a source that is to be compressed: whether a relay is there.
    pub compression: Option<Found>,
    /// Of a source: how fast it is written to.
    pub rate: Option<Rate>,
}

/// A clock compared with ours, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub ahead: i64,
    pub uncertain: i64,
}

impl Facts {
    /// Whether the destination can be told that its data comes from elsewhere (Valkey 8.1 and later).
    pub(super) fn imports(&self) -> bool {
        self.release.as_ref().is_some_and(|release| release.product == Product::Valkey && release.own >= (8, 1))
    }

    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }
}

/// Asks a source; takes about two seconds, to see how fast it is written to.
pub(super) async fn of_source(endpoint: &Endpoint) -> Result<Facts, Failure> {
    let mut control = Control::open(endpoint).await?;
    let mut facts = common(&mut control, endpoint).await;
    let first = Instant::now();
    let before = control.info(None).await.unwrap_or_default();
    let redis = facts.release.as_ref().map_or((7, 0), |release| release.redis);
    facts.permissions = trial::ask(endpoint, &facts.user, redis, permission::of_source()).await;
    facts.compression = compression::ask(endpoint).await;
    tokio::time::sleep_until((first + SAMPLE).into()).await;
    let seconds = first.elapsed().as_secs_f64();
    if let Ok(after) = control.info(None).await {
        facts.rate = traffic::rate(&before, &after, seconds);
        facts.info = after;
    }
    Ok(facts)
}

/// Asks the destination; `key` is one that the replica writes.
pub(super) async fn of_destination(endpoint: &Endpoint, key: &str) -> Result<Facts, Failure> {
    let mut control = Control::open(endpoint).await?;
    let mut facts = common(&mut control, endpoint).await;
    let redis = facts.release.as_ref().map_or((7, 0), |release| release.redis);
    facts.accounts = lockdown::accounts(&mut control).await;
    let needs = permission::of_destination(key, endpoint.db.is_none(), redis, facts.imports());
    facts.permissions = trial::ask(endpoint, &facts.user, redis, needs).await;
    Ok(facts)
}

async fn common(control: &mut Control, endpoint: &Endpoint) -> Facts {
    let info = control.info(None).await.unwrap_or_default();
    let named = endpoint.username.clone().unwrap_or_else(|| "default".to_owned());
    let mut facts = Facts {
        tls: control.tls(),
        release: Release::of(&info),
        info,
        user: control.query::<String>(&["ACL", "WHOAMI"]).await.unwrap_or(named),
        clock: clock(control).await,
        modules: modules(control).await,
        databases: databases(control).await.ok(),
        ..Facts::default()
    };
    for setting in SETTINGS {
        if let Some(value) = control.config(setting).await {
            facts.settings.insert(setting, value);
        }
    }
    facts
}

/// Compares clocks at the middle of a round trip.
async fn clock(control: &mut Control) -> Option<Clock> {
    let sent = SystemTime::now();
    let (seconds, micros): (i64, i64) = control.query(&["TIME"]).await.ok()?;
    let half = sent.elapsed().unwrap_or_default() / 2;
    let ours = (sent + half).duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let ahead = seconds.checked_mul(1000)? + micros / 1000 - i64::try_from(ours.as_millis()).ok()?;
    Some(Clock { ahead, uncertain: i64::try_from(half.as_millis()).ok()? + 1 })
}

/// Names of the modules; each entry is a flat list of fields and values.
async fn modules(control: &mut Control) -> Option<Vec<String>> {
    let entries: Vec<Vec<redis::Value>> = control.query(&["MODULE", "LIST"]).await.ok()?;
    let text = |value: &redis::Value| redis::from_redis_value_ref::<String>(value).ok();
    let name = |entry: &Vec<redis::Value>| {
        let pair = entry.chunks(2).find(|pair| pair.first().and_then(text).as_deref() == Some("name"))?;
        pair.get(1).and_then(text)
    };
    Some(entries.iter().filter_map(name).collect())
}
