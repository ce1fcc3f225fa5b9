//! What crosses from the console to a window, and back. Every type here is generated to TypeScript
//! (`ui/src/lib/api/generated`); `tests/bindings.rs` fails when the two drift apart.
//!
//! Times are unix milliseconds. Unknown is `null`, never 0.

mod check;
mod definition;
mod draft;
mod error;
mod file_load;
mod live;
mod report;
mod settings;
mod tls;
mod transfer;
mod verify;

pub use check::{CheckVerdict, ReplicaCheckLine};
pub use definition::{EndpointView, ExpiryChoice, ReplicaDefinition, ReplicaOptions, SourceDefinition};
pub use draft::{EndpointDraft, PasswordDraft, ReplicaDraft, SourceDraft};
pub use error::ApiError;
pub use file_load::{ExistingKeys, FileFacts, FileLoadDraft, FileLoadLive, FileLoadPhase, FileLoadReview};
pub use live::{
    EventView, ExpiryHandling, FailureAction, FailureView, LiveBatch, LockDownLive, Phase, ReplicaLive, Retry,
    ServerFacts, Severity, SourceLive, Status,
};
pub use report::{
    CheckLine, ConnectionReport, DatabaseKeys, EndpointRole, Review, ReviewedSource, Series, SeriesMark, SeriesRange,
    ServerRole, Verdict,
};
pub use settings::{CloseDecision, CloseRequest, Intent, KeyringState, OnClose, Settings, StartupState, Theme};
pub use tls::{
    CertificateView, CertificatesFailure, CertificatesReport, IdentityDraft, IdentityView, TlsDraft, TlsOldest,
    TlsView, TrustChoice,
};
pub use transfer::ImportReport;
pub use verify::{
    DifferenceKind, DifferencePage, DifferenceView, ExportFormat, ExportedFile, KindCounts, RepairLive, RepairOutcome,
    RepairView, SkippedKeys, VerifyLive, VerifyMode, VerifyOptions, VerifySide, VerifyStage,
};

/// Writes the TypeScript of every type a window can see into `dir`.
///
/// # Errors
/// When `dir` cannot be written.
pub fn export_bindings(dir: &std::path::Path) -> Result<(), ts_rs::ExportError> {
    use ts_rs::TS;
    let config = ts_rs::Config::new().with_large_int("number").with_out_dir(dir);
    ApiError::export_all(&config)?;
    ReplicaDraft::export_all(&config)?;
    ReplicaDefinition::export_all(&config)?;
    LiveBatch::export_all(&config)?;
    CheckLine::export_all(&config)?;
    ReplicaCheckLine::export_all(&config)?;
    EndpointRole::export_all(&config)?;
    ConnectionReport::export_all(&config)?;
    Review::export_all(&config)?;
    FileLoadDraft::export_all(&config)?;
    FileLoadReview::export_all(&config)?;
    Series::export_all(&config)?;
    SeriesRange::export_all(&config)?;
    DifferencePage::export_all(&config)?;
    ExportFormat::export_all(&config)?;
    ExportedFile::export_all(&config)?;
    ImportReport::export_all(&config)?;
    CertificatesReport::export_all(&config)?;
    CloseDecision::export_all(&config)?;
    CloseRequest::export_all(&config)?;
    StartupState::export_all(&config)
}
