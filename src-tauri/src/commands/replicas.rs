//! Replicas as they are defined.

use tauri::State;
use tauri::ipc::Channel;
use tributary_console::Console;
use tributary_console::dto::{
    CertificateView, CertificatesReport, CheckLine, ConnectionReport, EndpointDraft, EndpointRole, ReplicaCheckLine,
    ReplicaDefinition, ReplicaDraft, Review,
};

use super::{Answer, console};
use crate::app::App;

#[tauri::command]
pub(crate) async fn parse_url(url: String) -> Answer<EndpointDraft> {
    Ok(Console::parse_url(&url)?)
}

#[tauri::command]
pub(crate) async fn test_connection(
    app: State<'_, App>,
    endpoint: EndpointDraft,
    role: EndpointRole,
    replica_id: Option<String>,
    source_id: Option<String>,
    channel: Channel<CheckLine>,
) -> Answer<ConnectionReport> {
    let tell = move |line| {
        if let Err(error) = channel.send(line) {
            tracing::debug!(%error, "nobody waits for this test any more");
        }
    };
    Ok(console(&app)?.test_connection(endpoint, role, replica_id, source_id, tell).await?)
}

#[tauri::command]
pub(crate) async fn certificates(
    app: State<'_, App>,
    endpoint: EndpointDraft,
    role: EndpointRole,
    replica_id: Option<String>,
    source_id: Option<String>,
) -> Answer<CertificatesReport> {
    Ok(console(&app)?.certificates(endpoint, role, replica_id, source_id).await?)
}

#[tauri::command]
pub(crate) async fn read_certificates(pem: String) -> Answer<Vec<CertificateView>> {
    Ok(Console::read_certificates(&pem)?)
}

#[tauri::command]
pub(crate) async fn review_draft(
    app: State<'_, App>,
    draft: ReplicaDraft,
    replica_id: Option<String>,
) -> Answer<Review> {
    Ok(console(&app)?.review_draft(draft, replica_id).await?)
}

#[tauri::command]
pub(crate) async fn review(app: State<'_, App>, id: String) -> Answer<Review> {
    Ok(console(&app)?.review(&id).await?)
}

#[tauri::command]
pub(crate) async fn check_replica(app: State<'_, App>, id: String, channel: Channel<ReplicaCheckLine>) -> Answer<()> {
    let tell = move |line| {
        if let Err(error) = channel.send(line) {
            tracing::debug!(%error, "nobody waits for this check any more");
        }
    };
    Ok(console(&app)?.preflight(&id, tell).await?)
}

#[tauri::command]
pub(crate) async fn check_draft(
    app: State<'_, App>,
    draft: ReplicaDraft,
    replica_id: Option<String>,
    channel: Channel<ReplicaCheckLine>,
) -> Answer<()> {
    let tell = move |line| {
        if let Err(error) = channel.send(line) {
            tracing::debug!(%error, "nobody waits for this check any more");
        }
    };
    Ok(console(&app)?.preflight_draft(draft, replica_id, tell).await?)
}

#[tauri::command]
pub(crate) async fn create_replica(app: State<'_, App>, draft: ReplicaDraft) -> Answer<ReplicaDefinition> {
    Ok(console(&app)?.create(draft).await?)
}

#[tauri::command]
pub(crate) async fn update_replica(app: State<'_, App>, id: String, draft: ReplicaDraft) -> Answer<ReplicaDefinition> {
    Ok(console(&app)?.update(&id, draft).await?)
}

#[tauri::command]
pub(crate) async fn delete_replica(app: State<'_, App>, id: String) -> Answer<Option<String>> {
    Ok(console(&app)?.delete(&id).await?)
}
