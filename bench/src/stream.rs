//! The sustained rate: `redis-benchmark` at full speed until the destination has applied the last write.

use std::process::{Command, Stdio};
use std::time::Instant;

use tributary_tests::eventually;
use tributary_tests::server::Server;

/// What is streamed.
pub const COMMANDS: [&str; 3] = ["SET", "INCR", "LPUSH"];
/// The streams have a database of their own, to be emptied after each round.
pub const DB: u32 = 1;

const SENTINEL: &str = "bench:sentinel";

/// Commands a stream: `BENCH_REQUESTS`, or half a million.
pub fn requests() -> u64 {
    std::env::var("BENCH_REQUESTS").map_or(500_000, |text| text.parse().expect("BENCH_REQUESTS is a whole number"))
}

/// Commands a second, from the first until all are applied at the destination.
pub fn rate(command: &str, source: &Server, destination: &Server) -> f64 {
    source.run_in::<()>(DB, &["DEL", SENTINEL]);
    let mut there = destination.connect_db(DB);
    let mut get = move || redis::cmd("GET").arg(SENTINEL).query::<Option<String>>(&mut there).expect("GET");
    eventually("the old sentinel is gone", || get().is_none().then_some(()));
    let (port, count, db) = (source.port().to_string(), requests().to_string(), DB.to_string());
    let started = Instant::now();
    let status = Command::new("redis-benchmark")
        .args(["-p", &port, "-n", &count, "-P", "16", "-r", "100000", "--dbnum", &db, "-t", command, "-q"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("redis-benchmark (package redis-tools)").success(), "redis-benchmark {command}");
    source.run_in::<()>(DB, &["SET", SENTINEL, command]);
    eventually("the last write is applied", || get().filter(|value| value == command));
    requests() as f64 / started.elapsed().as_secs_f64()
}
