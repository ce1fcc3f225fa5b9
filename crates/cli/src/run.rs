use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tributary_engine::{
    EngineEvent, ExpiryPolicy, ReplicaHandle, ReplicaSpec, ReplicaStatus, Severity, SpoolSpec, StartMode, Status, start,
};

use crate::args::{ExpiryArg, FinishArgs, Flush, ReplicaArgs, SyncArgs};
use crate::render::{Report, line};
use crate::signals;

/// Stopped by an error that needs a person.
pub const NEEDS_A_PERSON: u8 = 3;
/// How often the status is printed.
const PERIOD: Duration = Duration::from_secs(1);

/// `tributary sync`.
///
/// # Errors
/// What is wrong with the command line.
pub async fn sync(args: SyncArgs) -> Result<ExitCode, String> {
    let mut spec = replica(&args.replica)?;
    spec.options.spool = spec.options.spool.map(|spool| SpoolSpec { quota: args.spool_quota, ..spool });
    spec.options.spool.take_if(|spool| spool.quota == 0);
    spec.options.ask_before_resync = args.ask_before_resync;
    spec.options.lock_down = args.lock_down;
    spec.options.skip_failed = args.skip_failed;
    spec.options.unsupported = args.unsupported.choices();
    spec.options.expiry = match args.expiry {
        ExpiryArg::Guard => ExpiryPolicy::FollowSource,
        ExpiryArg::Exact => ExpiryPolicy::Exact,
    };
    let mode = match args.flush {
        None if args.add_sources => StartMode::Join,
        None => StartMode::Resume,
        Some(Flush::Needed) => StartMode::MayFlush,
        Some(Flush::Always) => StartMode::Restart,
    };
    watch(start(spec, mode), args.json).await
}

/// `tributary finish`.
///
/// # Errors
/// What is wrong with the command line.
pub async fn finish(args: FinishArgs) -> Result<ExitCode, String> {
    let mut spec = replica(&args.replica)?;
    if let Some(id) = args.replica_id {
        spec.id = id;
    }
    match tributary_engine::replicas_at(&spec).await {
        Ok(found) if !found.is_empty() && !found.contains(&spec.id) => {
            let (name, found) = (spec.destination.address(), found.join(", "));
            eprintln!(
                "tributary: {name} holds nothing of this replica, but of: {found}.\n  \
                 Say which of them is to end: --replica-id ID, or the --state that it ran with."
            );
            return Ok(ExitCode::from(NEEDS_A_PERSON));
        }
        // What else keeps the destination from being reached is told below.
        _ => {}
    }
    match tributary_engine::finish(&spec, |_| {}).await {
        Ok(done) => {
            let name = spec.destination.address();
            eprintln!("{name} is a database of its own now; {} exact expiries were set.", done.expiries);
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            eprintln!("tributary: {}\n  {}", failure.message, failure.hint);
            Ok(ExitCode::from(NEEDS_A_PERSON))
        }
    }
}

/// The replica that the arguments stand for.
///
/// # Errors
/// What is wrong with the command line.
pub fn replica(args: &ReplicaArgs) -> Result<ReplicaSpec, String> {
    let mut spec = args.servers.spec()?;
    spec.options.spool = spool_folder(args).map(|folder| SpoolSpec { folder, quota: 0 });
    Ok(spec)
}

/// Where the spool goes; nowhere when there is neither an argument nor a home.
fn spool_folder(args: &ReplicaArgs) -> Option<PathBuf> {
    let given = args.spool_dir.clone().or_else(|| Some(args.servers.state.as_ref()?.join("spool")));
    let state = || std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    given.or_else(|| Some(state().or_else(home)?.join("tributary/spool")))
}

/// Shows a replica's status until the user or an error stops it.
///
/// # Errors
/// When signals cannot be received.
pub async fn watch(handle: ReplicaHandle, json: bool) -> Result<ExitCode, String> {
    let mut status = handle.status();
    let mut events = handle.events();
    let mut screen = Screen { json, tty: std::io::stderr().is_terminal() };
    let mut tick = tokio::time::interval(PERIOD);
    let mut stop = std::pin::pin!(signals::stop_requested());
    let mut pauses = signals::Pauses::new().map_err(|e| format!("cannot receive signals: {e}"))?;
    let code = loop {
        tokio::select! {
            stopped = &mut stop => {
                stopped.map_err(|e| format!("cannot receive signals: {e}"))?;
                break ExitCode::SUCCESS;
            }
            pause = pauses.next() => if pause { handle.pause(None) } else { handle.resume(None) },
            _ = tick.tick() => screen.status(&status.borrow_and_update().clone()),
            event = events.recv() => match event {
                Ok(event) => screen.event(&event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break ExitCode::from(NEEDS_A_PERSON),
            },
            changed = status.changed() => {
                // The publisher is gone once nothing is left to run.
                if changed.is_err() || all_stopped(&status.borrow()) {
                    break ExitCode::from(NEEDS_A_PERSON);
                }
            }
        }
    };
    handle.stop().await;
    while let Ok(event) = events.try_recv() {
        screen.event(&event);
    }
    screen.status(&status.borrow().clone());
    screen.end();
    Ok(code)
}

fn all_stopped(status: &ReplicaStatus) -> bool {
    status.sources.iter().all(|source| source.status == Status::Stopped)
}

/// stdout for JSON, stderr for people.
struct Screen {
    json: bool,
    tty: bool,
}

impl Screen {
    fn status(&mut self, status: &Arc<ReplicaStatus>) {
        if self.json {
            if let Ok(text) = serde_json::to_string(&Report::new(status)) {
                // A reader that is gone is no reason to stop replicating.
                let _ = writeln!(std::io::stdout(), "{text}");
            }
        } else if self.tty {
            eprint!("\r\x1b[2K{}", line(status));
        }
    }

    fn event(&mut self, event: &EngineEvent) {
        if self.tty && !self.json {
            eprint!("\r\x1b[2K");
        }
        let source = event.source.as_deref().map_or(String::new(), |id| format!("{id}: "));
        eprintln!("{source}{}", event.message);
        if let (Some(hint), true) = (&event.hint, event.severity != Severity::Info) {
            eprintln!("  {hint}");
        }
    }

    fn end(&self) {
        if self.tty && !self.json {
            eprintln!();
        }
    }
}
