//! `tributary`: the replication engine in a terminal, for servers, scripts and the benchmark.
//!
//! Exit codes: 0 stopped by the user, 1 differences (`verify`), 2 wrong usage, 3 stopped by an error that needs a person.

mod args;
mod check;
mod demo;
mod endpoints;
mod headless;
mod identity;
mod load;
mod passwords;
mod relay;
mod render;
mod run;
mod signals;
mod transfer;
mod verify;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command, LogFormat};

/// The command line could not be understood, or named something impossible.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(&cli.command);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return usage(&format!("The runtime could not be started: {error}.")),
    };
    let done = match cli.command {
        Command::Sync(args) => runtime.block_on(run::sync(args)),
        Command::Finish(args) => runtime.block_on(run::finish(args)),
        Command::Check(args) => runtime.block_on(check::check(args)),
        Command::Load(args) => runtime.block_on(load::load(args)),
        Command::Verify(args) => runtime.block_on(verify::verify(args)),
        Command::Run(args) => runtime.block_on(headless::run(args)),
        Command::Export(args) => transfer::export(args),
        Command::Import(args) => runtime.block_on(transfer::import(args)),
        Command::Relay(args) => runtime.block_on(relay::relay(args)),
        Command::Demo(args) => runtime.block_on(demo::demo(args)),
    };
    done.unwrap_or_else(|message| usage(&message))
}

/// Logs go to stderr, so that stdout stays the JSON. But for `run`, whose log is what people read, they are off unless
/// `TRIBUTARY_LOG` asks for them.
fn log(command: &Command) {
    let (format, level) = match command {
        // The engine tells its events in its own log as well.
        Command::Run(args) => (args.log_format, "info,tributary_engine::handle=off"),
        Command::Relay(args) => (args.log_format, "info"),
        _ => (LogFormat::Text, "off"),
    };
    let filter = EnvFilter::try_from_env("TRIBUTARY_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
}

fn usage(message: &str) -> ExitCode {
    eprintln!("tributary: {message}");
    ExitCode::from(USAGE)
}
