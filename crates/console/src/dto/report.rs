use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{FailureView, ServerFacts, Severity};

/// One finding of a connection test, as it is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CheckLine {
    /// What was looked at.
    pub what: String,
    /// What was found.
    pub found: String,
    /// How it looks.
    pub verdict: Verdict,
    /// What the user can do.
    pub hint: Option<String>,
}

/// How a finding looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth a look.
    Warning,
    /// Stands in the way.
    Problem,
    /// Not known yet.
    Running,
}

/// What an endpoint is tested for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EndpointRole {
    /// To copy from.
    Source,
    /// To write to.
    Destination,
}

/// What a server is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ServerRole {
    /// A primary.
    Master,
    /// A replica.
    Replica,
}

/// The sum of a connection test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionReport {
    /// Whether it answered as a Redis server.
    pub reachable: bool,
    /// What it says of itself.
    pub facts: Option<ServerFacts>,
    /// Its role.
    pub role: Option<ServerRole>,
    /// Whether this user may replicate from it.
    pub may_psync: Option<bool>,
    /// Keys in each database.
    pub keys_by_db: Vec<DatabaseKeys>,
    /// Why it did not work.
    pub failure: Option<FailureView>,
}

/// The keys of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseKeys {
    /// The database number.
    pub db: u32,
    /// Its keys.
    pub keys: u64,
}

/// What starting would do, before it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// `host:port[/db]`.
    pub destination: String,
    /// What must be typed: the replica's name.
    pub confirm_name: String,
    /// Keys that would be deleted.
    pub keys: u64,
    /// Memory they use, bytes.
    pub used_memory: u64,
    /// Where they are.
    pub databases: Vec<DatabaseKeys>,
    /// Whether every database is emptied, not just one.
    pub deletes_everything: bool,
    /// Function libraries that would be deleted.
    pub functions: u64,
    /// Whether the name has to be typed.
    pub needs_typing: bool,
    /// Whether the destination holds this replica's checkpoint.
    pub resumable: bool,
    /// Sources that would be loaded beside what is there, without deleting anything; their names.
    pub joins: Vec<String>,
    /// All of it in a sentence.
    pub sentence: String,
    /// The sources.
    pub sources: Vec<ReviewedSource>,
    /// What else to know.
    pub warnings: Vec<String>,
    /// Why it cannot be started at all.
    pub refusal: Option<String>,
}

/// A source under review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReviewedSource {
    /// Its name.
    pub name: String,
    /// Its URL without the password.
    pub url: String,
    /// Its keys.
    pub keys: Option<u64>,
    /// Why it could not be read.
    pub failure: Option<FailureView>,
}

/// How far back a chart looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub enum SeriesRange {
    /// Five minutes, a point a second.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// An hour, a point every ten seconds.
    #[serde(rename = "1h")]
    Hour,
    /// A day, a point a minute.
    #[serde(rename = "24h")]
    Day,
}

/// The history of a replica or of one source. `null` where nothing was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// The first moment.
    pub from: u64,
    /// The last moment.
    pub to: u64,
    /// Milliseconds between two points.
    pub step_ms: u64,
    /// The moments.
    pub times: Vec<u64>,
    /// The largest lag in each step.
    pub lag_ms: Vec<Option<f64>>,
    /// The mean rate of commands in each step.
    pub writes_per_sec: Vec<Option<f64>>,
    /// The mean rate of bytes in each step, decompressed.
    pub bytes_per_sec: Vec<Option<f64>>,
    /// The same on the wire.
    pub wire_bytes_per_sec: Vec<Option<f64>>,
    /// What happened meanwhile.
    pub marks: Vec<SeriesMark>,
}

/// An event on a chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SeriesMark {
    /// When.
    pub at: u64,
    /// What.
    pub label: String,
    /// How grave.
    pub severity: Severity,
}
