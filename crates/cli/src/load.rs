//! `tributary load`: a dump file, loaded once.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tributary_engine::{
    DumpFile, Endpoint, Existing, Failure, FileHeader, FileLoad, FileLoadHandle, FileLoadStatus, FilePhase, load_file,
};

use crate::args::LoadArgs;
use crate::endpoints::Entry;
use crate::render::{bytes, duration};
use crate::run::NEEDS_A_PERSON;
use crate::signals;

/// How often the status is printed.
const PERIOD: Duration = Duration::from_secs(1);

/// `tributary load`.
///
/// # Errors
/// What is wrong with the command line.
pub async fn load(args: LoadArgs) -> Result<ExitCode, String> {
    let spec = spec(&args)?;
    let to = Endpoint { db: spec.db.map(|db| spec.destination.db.unwrap_or(db)), ..spec.destination.clone() }.address();
    let mut screen = Screen { json: args.json, tty: std::io::stderr().is_terminal(), header: false };
    let status = watch(load_file(spec), &mut screen).await?;
    screen.end(&status, &to);
    Ok(if status.phase == FilePhase::Done { ExitCode::SUCCESS } else { ExitCode::from(NEEDS_A_PERSON) })
}

fn spec(args: &LoadArgs) -> Result<FileLoad, String> {
    let ask = args.ask_passwords;
    if ask && args.file == Path::new("-") {
        return Err("--ask-passwords and a dump on standard input do not go together".to_owned());
    }
    let entry = Entry { password_file: args.destination_password_file.as_deref(), ask, tls: &args.tls };
    let destination = entry.destination(&args.destination)?;
    let spec = FileLoad {
        file: if args.file == Path::new("-") { DumpFile::Stdin } else { DumpFile::Path(args.file.clone()) },
        db: args.db,
        destination,
        existing: match (args.flush, args.replace) {
            (true, _) => Existing::Flush,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        },
        dump_only: args.dump_only,
        unsupported: args.unsupported.choices(),
    };
    spec.validate().map_err(|error| format!("{} Use --db N.", error.sentence))?;
    Ok(spec)
}

/// Shows a load until it ends, or the user stops it.
async fn watch(handle: FileLoadHandle, screen: &mut Screen) -> Result<FileLoadStatus, String> {
    let mut status = handle.status();
    let mut tick = tokio::time::interval(PERIOD);
    let mut stop = std::pin::pin!(signals::stop_requested());
    let mut stopping = false;
    loop {
        tokio::select! {
            stopped = &mut stop, if !stopping => {
                stopped.map_err(|e| format!("cannot receive signals: {e}"))?;
                stopping = true;
                handle.request_stop();
            }
            _ = tick.tick() => {
                let now = status.borrow_and_update().clone();
                screen.status(&now);
            }
            changed = status.changed() => if changed.is_err() {
                break;
            },
        }
    }
    Ok(handle.ended().await.as_ref().clone())
}

/// stdout for JSON, stderr for people.
struct Screen {
    json: bool,
    tty: bool,
    /// Whether it was told what the file is.
    header: bool,
}

impl Screen {
    fn status(&mut self, status: &FileLoadStatus) {
        if let (false, false, Some(header)) = (self.json, self.header, &status.header) {
            self.header = true;
            self.wipe();
            eprintln!("{}", described(header));
        }
        if self.json {
            if let Ok(text) = serde_json::to_string(&Report::new(status)) {
                // A reader that is gone is no reason to stop loading.
                let _ = writeln!(std::io::stdout(), "{text}");
            }
        } else if self.tty && !status.phase.is_end() {
            eprint!("\r\x1b[2K{}", line(status));
        }
    }

    fn end(&mut self, status: &FileLoadStatus, to: &str) {
        self.status(status);
        self.wipe();
        for warning in &status.warnings {
            eprintln!("{warning}");
        }
        match &status.failure {
            Some(Failure { message, hint, .. }) => eprintln!("tributary: {message}\n  {hint}"),
            None => eprintln!("{}", result(status, to)),
        }
    }

    fn wipe(&self) {
        if self.tty && !self.json {
            eprint!("\r\x1b[2K");
        }
    }
}

/// Who wrote the file, and when.
fn described(header: &FileHeader) -> String {
    let mut text = format!("{} ", header.product.name());
    match &header.server_version {
        Some(version) => text.push_str(version),
        None => text.push_str("of an unknown version"),
    }
    text.push_str(&format!(", RDB {}", header.rdb_version));
    if let Some(ago) = header.created.and_then(|at| SystemTime::now().duration_since(at).ok()) {
        text.push_str(&format!(", written {} ago", long(ago)));
    }
    if let Some(size) = header.size {
        text.push_str(&format!(", {}", bytes(size)));
    }
    text
}

/// A time that may be years.
fn long(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// One line for a terminal.
fn line(status: &FileLoadStatus) -> String {
    let percent = status.progress.map_or(String::new(), |percent| format!("{percent:.1} %   "));
    let speed = status.bytes_per_s.map_or(String::new(), |speed| format!("   {}/s", bytes(speed as u64)));
    let left = status.time_left.map_or(String::new(), |left| format!("   {} left", duration(left)));
    let done = bytes(status.bytes_done);
    match status.phase {
        FilePhase::Verifying => format!("Reading the file before anything is deleted   {percent}{done}{speed}{left}"),
        FilePhase::Emptying => "Deleting what the destination holds".to_owned(),
        FilePhase::Loading => format!("Loading   {percent}{} keys   {done}{speed}{left}", status.keys),
        _ => "Looking at the file and the destination".to_owned(),
    }
}

/// What a load that did not fail leaves.
fn result(status: &FileLoadStatus, to: &str) -> String {
    let keys = status.keys;
    let mut text = match (status.phase, status.incomplete) {
        (FilePhase::Done, _) => format!("{keys} keys are in {to}"),
        (_, false) => return format!("Stopped before anything was changed at {to}."),
        (_, true) => format!("Stopped: {to} is incomplete, {keys} keys are in"),
    };
    for (count, what) in [
        (status.functions, "function libraries"),
        (status.expired, "keys left out because their time was over"),
        (status.checkpoints, "checkpoints of replicas left out"),
        (status.omitted, "left out or changed, as chosen"),
    ] {
        if count > 0 {
            text.push_str(&format!("; {count} {what}"));
        }
    }
    text.push('.');
    text
}

/// The object that is printed once a second with --json.
#[derive(Debug, Serialize)]
struct Report<'a> {
    phase: &'static str,
    /// Percent of the phase.
    progress: Option<f64>,
    bytes_done: u64,
    bytes_total: Option<u64>,
    bytes_per_s: Option<u64>,
    time_left_s: Option<f64>,
    keys: u64,
    functions: u64,
    expired: u64,
    checkpoints: u64,
    /// Keys left out, or kept without something, as the user agreed.
    omitted: u64,
    incomplete: bool,
    warnings: &'a [String],
    error: Option<Error<'a>>,
}

#[derive(Debug, Serialize)]
struct Error<'a> {
    kind: &'static str,
    message: &'a str,
    hint: &'a str,
}

impl<'a> Report<'a> {
    fn new(status: &'a FileLoadStatus) -> Self {
        Self {
            phase: status.phase.code(),
            progress: status.progress.map(|percent| (percent * 10.0).round() / 10.0),
            bytes_done: status.bytes_done,
            bytes_total: status.bytes_total,
            bytes_per_s: status.bytes_per_s.map(|speed| speed as u64),
            time_left_s: status.time_left.map(|left| (left.as_secs_f64() * 10.0).round() / 10.0),
            keys: status.keys,
            functions: status.functions,
            expired: status.expired,
            checkpoints: status.checkpoints,
            omitted: status.omitted,
            incomplete: status.incomplete,
            warnings: &status.warnings,
            error: status.failure.as_ref().map(|failure| Error {
                kind: failure.kind.code(),
                message: &failure.message,
                hint: &failure.hint,
            }),
        }
    }
}
