//! Tributary against Redis' own replication: full sync, sustained stream, and how soon a write is visible.
//!
//! One run starts one source and two destinations. The first is attached with `REPLICAOF`, the second by
//! `tributary sync`, never both at once, so that each has the machine to itself. All rounds do both, in alternating
//! order, and the table shows medians. Read [`run`] first, then `full_sync`, `stream` and `latency`. `decode` measures the
//! decoder of dumps alone.

mod args;
mod decode;
mod fill;
mod full_sync;
mod latency;
mod links;
mod pacer;
mod process;
mod replica;
mod report;
mod server;
mod stream;
mod wait;

use std::process::ExitCode;
use std::time::Instant;

use args::{Args, Request};
use decode::{Dump, Set};
use links::{Link, Way};
use replica::{Bench, Kind};
use report::{Metric, Report};
use server::Server;

/// What a measurement gives; an error says what happened, where, and what can be done.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(Request::Run(args)) => args,
        Ok(Request::Help) => {
            println!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("tributary-bench: {message}\n\n{}", args::HELP);
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tributary-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<String> {
    let started = Instant::now();
    let mut report = Report::new(args.scale);
    decoding(&mut report, args)?;
    let version = match &args.tributary {
        None => Server::start()?.version()?,
        Some(binary) => replication(Bench::start(binary.clone())?, &mut report, args)?,
    };
    eprintln!("took {:.0} s\n", started.elapsed().as_secs_f64());
    Ok(report.table(&version, args.rounds))
}

/// Everything that takes servers; gives their version.
fn replication(mut bench: Bench, report: &mut Report, args: &Args) -> Result<String> {
    eprintln!("filling the source with {} keys", args.scale.keys());
    fill::fill(&mut bench.source, args.scale)?;
    for (round, kind) in schedule(args.rounds) {
        full_sync(&mut bench, report, round, kind)?;
    }
    for (round, kind) in schedule(args.rounds) {
        streams(&mut bench, report, round, kind, args.scale.commands)?;
    }
    for (round, kind) in schedule(args.rounds) {
        latency(&mut bench, report, round, kind, args.scale.probes)?;
    }
    for link in [Link::Distant, Link::Fast] {
        for way in links::WAYS {
            over(&bench, report, link, way, args.scale.commands)?;
        }
    }
    bench.source.version()
}

/// Both kinds once in each round. The order alternates, so that a machine that slows down favours neither.
fn schedule(rounds: usize) -> impl Iterator<Item = (usize, Kind)> {
    (1..=rounds).flat_map(|round| {
        let order = if round % 2 == 1 { [Kind::Native, Kind::Tributary] } else { [Kind::Tributary, Kind::Native] };
        order.map(|kind| (round, kind))
    })
}

// Progress goes to stderr: stdout is the table alone.

fn decoding(report: &mut Report, args: &Args) -> Result<()> {
    for set in [Set::Strings, Set::Collections] {
        eprintln!("saving a dump of {set:?}");
        let dump = Dump::of(set, args.scale)?;
        for round in 1..=args.rounds {
            for (_, depth) in decode::ALL.into_iter().filter(|(of, _)| *of == set) {
                let speed = dump.measure(depth)?;
                report.add(Kind::Tributary, Metric::Decode(set, depth), speed);
                eprintln!("round {round}: decoding {set:?}, {depth:?}: {speed:.2} GB/s");
            }
        }
    }
    Ok(())
}

fn full_sync(bench: &mut Bench, report: &mut Report, round: usize, kind: Kind) -> Result<()> {
    let sample = full_sync::measure(bench, kind)?;
    report.add(kind, Metric::FullSync, sample.seconds);
    if let Some(used) = sample.engine {
        report.add(kind, Metric::SyncCpu, used.cpu_seconds * 1e6 / sample.keys as f64);
        report.peak(used.peak_mib);
    }
    eprintln!("round {round}: full sync, {kind}: {:.2} s", sample.seconds);
    Ok(())
}

fn streams(bench: &mut Bench, report: &mut Report, round: usize, kind: Kind, count: u64) -> Result<()> {
    for command in stream::COMMANDS {
        let sample = stream::measure(bench, kind, command, count)?;
        report.add(kind, Metric::Stream(command), sample.per_second);
        if let Some(used) = sample.engine {
            report.add(kind, Metric::StreamCpu(command), used.cpu_seconds * 1e6 / count as f64);
            report.peak(used.peak_mib);
        }
        eprintln!("round {round}: {command}, {kind}: {:.0} commands/s", sample.per_second);
    }
    Ok(())
}

fn over(bench: &Bench, report: &mut Report, link: Link, way: Way, commands: u64) -> Result<()> {
    // Both take some seconds: the slow one with less.
    let documents = if link == Link::Distant { commands / 20 } else { commands / 5 };
    let sample = links::measure(bench, link, way, documents)?;
    eprintln!("{link:?} link, {way:?}: full sync {:.2} s, stream {:.2} s", sample.full_sync, sample.stream);
    report.link(link, way, documents, sample);
    Ok(())
}

fn latency(bench: &mut Bench, report: &mut Report, round: usize, kind: Kind, probes: usize) -> Result<()> {
    let sample = latency::measure(bench, kind, probes)?;
    report.add(kind, Metric::IdleP50, sample.idle.p50);
    report.add(kind, Metric::IdleP99, sample.idle.p99);
    report.add(kind, Metric::LoadedP50, sample.loaded.p50);
    report.add(kind, Metric::LoadedP99, sample.loaded.p99);
    report.add(kind, Metric::Load, sample.load_per_second);
    if let Some(used) = sample.engine {
        report.peak(used.peak_mib);
    }
    let (idle, loaded, load) = (sample.idle.p50, sample.loaded.p50, sample.load_per_second);
    eprintln!("round {round}: visible, {kind}: p50 {idle:.2} ms idle, {loaded:.2} ms at {load:.0} SET/s");
    Ok(())
}
