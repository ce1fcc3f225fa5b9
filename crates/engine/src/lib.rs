//! Tributary's replication engine: keeps one destination in step with 1 to 32 sources.
//!
//! Start reading at [`start`] (`supervisor.rs` and `round.rs`: attempts, retries, full resyncs), then `link/` (one source:
//! `intake.rs` fills the `spool/`, `outlet.rs` applies it), `snapshot/` (the load) and `stream/` (the commands that
//! follow). Everything that is written to the destination goes through `writer/`, which checks every reply and fences
//! off earlier sessions.

mod certificates;
mod check;
mod checkpoint;
mod clients;
mod compare;
mod control;
mod destination;
mod dial;
mod dialect;
mod downstream;
mod durability;
mod endpoint;
mod endpoint_options;
mod event;
mod examine;
mod expiry;
mod failure;
mod finish;
mod foreign;
mod gunzip;
mod handle;
mod kinship;
mod lag;
mod link;
mod load_file;
mod lockdown;
mod meters;
mod omissions;
mod owner;
mod probe;
mod refusal;
mod report;
mod round;
mod sentinel;
mod snapshot;
mod spec;
mod spool;
mod status;
mod stream;
mod supervisor;
mod writer;

pub use certificates::{Shown, certificates};
pub use check::{CheckLine, CheckVerdict, check, check_compression};
pub use clients::{OwnClient, OwnClients};
pub use compare::{
    CompareHandle, CompareMode, CompareOptions, CompareProgress, CompareStage, Difference, DifferenceKind, KindCounts,
    Repair, RepairOutcome, SideCount, Skipped, compare,
};
pub use destination::{Survey, survey};
pub use downstream::{Downstream, Fed};
pub use endpoint::{DEFAULT_PORT, DEFAULT_SENTINEL_PORT, Endpoint, EndpointError};
pub use event::{EngineEvent, Severity};
pub use examine::{Examination, Finding, Product, examine};
pub use expiry::{Expiry, ExpiryPolicy};
pub use failure::{Action, ErrorKind, Failure};
pub use finish::{Finished, finish, forget_sources, replicas_at};
pub use foreign::{ForeignWrite, ForeignWrites, watch_foreign};
pub use handle::{ReplicaHandle, StartMode, start};
pub use load_file::{
    DumpFile, Existing, FileHeader, FileLoad, FileLoadHandle, FileLoadStatus, FilePhase, FileSurvey, inspect_file,
    load_file, survey_for_file,
};
pub use lockdown::{LockDown, LockDownError, Released, lock_down, release};
pub use spec::{MAX_SOURCES, ReplicaOptions, ReplicaSpec, SourceSpec, SpecError, Unsupported};
pub use spool::SpoolSpec;
pub use status::{Compression, LockDownState, Phase, ReplicaStatus, Retry, SourceStatus, Status};
pub use tributary_tls::{
    CertificateInfo, ClientIdentity, Secret, TlsError, TlsMistake, TlsOptions, TlsPart, TlsVersion, Trust,
    read_certificates,
};
