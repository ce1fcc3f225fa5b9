//! `tributary run`: the console for servers. It runs the replicas of a file, logs what happens, and serves metrics and
//! health.
//!
//! `fleet.rs` starts the replicas and knows which of them should run; `journal.rs` logs; `metrics.rs` and `health.rs` tell.

mod fleet;
mod health;
mod journal;
mod metrics;
mod source_metrics;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tributary_console::credentials::SystemKeyring;
use tributary_console::declaration::Declarations;
use tributary_console::{Console, ConsoleError, Declared};
use tributary_metrics::{Pages, Server, Serving};

use crate::args::RunArgs;
use crate::run::NEEDS_A_PERSON;
use crate::{signals, transfer};
use fleet::Fleet;

/// A destination that does not answer must not keep the process for ever: the checkpoint makes a cut safe.
const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

/// `tributary run`.
///
/// # Errors
/// What is wrong with the command line or the file.
pub async fn run(args: RunArgs) -> Result<ExitCode, String> {
    let file = Declarations::read(&args.config).map_err(|error| error.to_string())?;
    if file.replicas.is_empty() {
        return Err(format!("{}: it names no replica: add a [[replica]]", file.file));
    }
    let folder = transfer::folder(&args.data, file.data.as_deref())?;
    let server = match bind(args.metrics.or(file.metrics)).await {
        Ok(server) => server,
        Err(message) => return Ok(cannot(&message)),
    };
    let console = match Console::open(&folder, Box::new(SystemKeyring)).await {
        Ok(console) => console,
        Err(error) => return Ok(transfer::refused(&error)),
    };
    let journal = tokio::spawn(journal::events(console.new_events(), Arc::downgrade(&console)));
    let declared = match console.declare(&file).await {
        Ok(declared) => declared,
        Err(ConsoleError::Declaration(error)) => return Err(error.to_string()),
        Err(error) => return Ok(transfer::refused(&error)),
    };
    announce(&file, &declared, &folder.display().to_string());
    serve_until_stopped(console, declared, server, journal).await
}

/// Runs everything until a signal; every task that was started here has ended when this returns.
async fn serve_until_stopped(
    console: Arc<Console>,
    declared: Declared,
    server: Option<Server>,
    journal: JoinHandle<()>,
) -> Result<ExitCode, String> {
    let fleet = Arc::new(Fleet::new(Arc::clone(&console), declared.replicas));
    let serving = server.map(|server| serve(server, &fleet));
    let mut watching = tokio::spawn(fleet::keep_running(Arc::clone(&fleet)));
    let stopped = tokio::select! {
        stopped = signals::stop_requested() => stopped.map_err(|error| format!("cannot receive signals: {error}")),
        ended = &mut watching => Err(format!("the watch over the replicas ended: {ended:?}")),
    };
    tracing::info!("stopping: what was received is applied, then the links are closed");
    watching.abort();
    // It was told to end; that it was cut off is what was asked for.
    let _ = watching.await;
    if let Some(serving) = serving {
        serving.stop().await;
    }
    if tokio::time::timeout(DRAIN_DEADLINE, console.shut_down()).await.is_err() {
        tracing::warn!("a replica took too long to drain; it goes on from its checkpoint at the next start");
    }
    drop((fleet, console));
    // The last events are told once nobody can tell more.
    if let Err(error) = journal.await {
        tracing::warn!(%error, "the log of events ended early");
    }
    stopped.map(|()| {
        tracing::info!("stopped");
        ExitCode::SUCCESS
    })
}

async fn bind(address: Option<SocketAddr>) -> Result<Option<Server>, String> {
    let Some(address) = address else { return Ok(None) };
    let bound = Server::bind(address).await;
    bound.map(Some).map_err(|error| format!("Metrics cannot be served at {address}: {error}. Choose another address."))
}

fn serve(server: Server, fleet: &Arc<Fleet>) -> Serving {
    match server.address() {
        Ok(address) => tracing::info!(%address, "metrics and health are served"),
        Err(error) => tracing::warn!(%error, "metrics and health are served at an address that is not known"),
    }
    let (of_metrics, of_health) = (Arc::clone(fleet), Arc::clone(fleet));
    server.serve(Pages {
        metrics: Box::new(move || metrics::page(&of_metrics.standings())),
        health: Box::new(move |query| health::health(&of_health.standings(), query)),
    })
}

fn announce(file: &Declarations, declared: &Declared, folder: &str) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        file = file.file,
        data = folder,
        replicas = declared.replicas.len(),
        "Tributary starts"
    );
    for name in &declared.left {
        tracing::warn!(replica = name, "not in the file: it is kept and left stopped");
    }
}

fn cannot(message: &str) -> ExitCode {
    eprintln!("tributary: {message}");
    ExitCode::from(NEEDS_A_PERSON)
}
