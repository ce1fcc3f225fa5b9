use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tributary_engine::{Endpoint, EngineEvent, ReplicaHandle, ReplicaStatus, Severity, StartMode, Status, start};

use crate::args::{Flush, SyncArgs};
use crate::render::{Report, line};
use crate::{identity, passwords, signals};

/// Stopped by an error that needs a person.
pub const NEEDS_A_PERSON: u8 = 3;
/// How often the status is printed.
const PERIOD: Duration = Duration::from_secs(1);

/// `tributary sync`.
///
/// # Errors
/// What is wrong with the command line.
pub async fn sync(args: SyncArgs) -> Result<ExitCode, String> {
    let parse = |what: &str, url: &str| Endpoint::parse(url).map_err(|e| format!("{what}: {e}"));
    let ask = args.ask_passwords;
    let mut sources = Vec::new();
    for url in &args.source {
        let mut source = parse("--source", url)?;
        passwords::complete(&mut source, "TRIBUTARY_SOURCE_PASSWORD", args.source_password_file.as_deref(), ask)?;
        sources.push(source);
    }
    let mut destination = parse("--destination", &args.destination)?;
    let file = args.destination_password_file.as_deref();
    passwords::complete(&mut destination, "TRIBUTARY_DESTINATION_PASSWORD", file, ask)?;
    let spec = identity::spec(sources, destination, args.state.as_deref())?;
    spec.validate().map_err(|e| e.sentence)?;
    let mode = match args.flush {
        None => StartMode::Resume,
        Some(Flush::Needed) => StartMode::MayFlush,
        Some(Flush::Always) => StartMode::Restart,
    };
    watch(start(spec, mode), args.json).await
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
    let code = loop {
        tokio::select! {
            stopped = &mut stop => {
                stopped.map_err(|e| format!("cannot receive signals: {e}"))?;
                break ExitCode::SUCCESS;
            }
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
