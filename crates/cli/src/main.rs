//! `tributary`: the replication engine in a terminal, for servers, scripts and the benchmark.
//!
//! Exit codes: 0 stopped by the user, 1 differences (`verify`), 2 wrong usage, 3 stopped by an error that needs a person.

mod args;
mod check;
mod demo;
mod endpoints;
mod identity;
mod load;
mod passwords;
mod relay;
mod render;
mod run;
mod signals;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};

/// The command line could not be understood, or named something impossible.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Logs go to stderr, so that stdout stays the JSON. Commands that somebody watches tell events by themselves, and log only
    // what TRIBUTARY_LOG asks for.
    let usual = if matches!(cli.command, Command::Relay(_)) { "info" } else { "off" };
    let filter = EnvFilter::try_from_env("TRIBUTARY_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
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
        Command::Relay(args) => runtime.block_on(relay::relay(args)),
        Command::Demo(args) => runtime.block_on(demo::demo(args)),
    };
    done.unwrap_or_else(|message| usage(&message))
}

fn usage(message: &str) -> ExitCode {
    eprintln!("tributary: {message}");
    ExitCode::from(USAGE)
}
