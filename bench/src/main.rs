//! Full sync, sustained stream and the delay of a single write: ours against native `REPLICAOF`, in one run on the same
//! kind of servers, in alternating rounds. Prints a table of medians and their ratios.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

mod data;
mod delay;
mod link;
mod stream;

use std::time::Instant;

use link::Kind;
use tributary_tests::server::{Server, Version};

const ROUNDS: usize = 3;

/// What one round of one kind measured.
#[derive(Debug)]
struct Round {
    full_sync: f64,
    /// Applied commands a second, in the order of [`stream::COMMANDS`].
    rates: Vec<f64>,
    idle: delay::Delay,
    busy: delay::Delay,
    engine: Option<link::Engine>,
}

fn main() {
    let started = Instant::now();
    let source = Server::start(Version::Redis70);
    let keys = data::fill(&source);
    println!("source: Redis {}, {keys} keys; {} requests a stream", source.info("redis_version"), stream::requests());
    let (mut native, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        native.push(measure(Kind::Native, &source, keys));
        ours.push(measure(Kind::Tributary, &source, keys));
        eprintln!("round {round} of {ROUNDS}: {:.0} s", started.elapsed().as_secs_f64());
    }
    print(&native, &ours);
    println!("took {:.0} s", started.elapsed().as_secs_f64());
}

fn measure(kind: Kind, source: &Server, keys: u64) -> Round {
    let destination = Server::start(Version::Redis70);
    let (link, full_sync) = link::Link::full_sync(kind, source, &destination, keys);
    let loaded = link.cpu_seconds();
    let idle = delay::measure(source, &destination, None);
    let busy = delay::measure(source, &destination, Some(delay::PACE));
    let before = link.cpu_seconds();
    let rates = stream::COMMANDS.iter().map(|command| stream::rate(command, source, &destination)).collect();
    let engine = link.engine(loaded, before, keys);
    link.end(&destination);
    source.run_in::<()>(stream::DB, &["FLUSHDB"]);
    Round { full_sync, rates, idle, busy, engine }
}

/// The middle one of the rounds' values.
fn median(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().expect("a round")
}

fn print(native: &[Round], ours: &[Round]) {
    println!("\n{:<42}{:>12}{:>12}{:>9}", "median of the rounds", "native", "tributary", "ratio");
    let row = |name: &str, unit: &str, value: &dyn Fn(&Round) -> f64, digits: usize| {
        let (a, b) = (median(native, value), median(ours, value));
        println!("{:<42}{a:>12.digits$}{b:>12.digits$}{:>9.2}", format!("{name}, {unit}"), b / a);
    };
    row("full sync", "s", &|round| round.full_sync, 2);
    for (place, command) in stream::COMMANDS.iter().enumerate() {
        let rate = |round: &Round| round.rates.get(place).copied().expect("a rate");
        row(&format!("stream, {command}"), "commands/s", &rate, 0);
    }
    row("write visible, idle, p50", "ms", &|round| round.idle.p50, 3);
    row("write visible, idle, p99", "ms", &|round| round.idle.p99, 3);
    let busy = format!("write visible at {} SET/s", delay::PACE);
    row(&format!("{busy}, p50"), "ms", &|round| round.busy.p50, 3);
    row(&format!("{busy}, p99"), "ms", &|round| round.busy.p99, 3);
    let engine = |value: fn(&link::Engine) -> f64| median(ours, |round| round.engine.as_ref().map_or(f64::NAN, value));
    println!("\nengine CPU per million restored keys: {:.2} s", engine(|e| e.load_seconds_per_million));
    println!("engine CPU per streamed command:      {:.2} µs", engine(|e| e.stream_micros));
    println!("engine peak RSS:                      {:.0} MiB", engine(|e| e.peak_mib));
}
