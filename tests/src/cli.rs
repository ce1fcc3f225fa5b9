//! The `tributary` binary, as a script would use it.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{self, Server};
use crate::{DEADLINE, eventually};

/// Where the binary is: beside the tests, where `cargo build` puts it, or where `TRIBUTARY_BIN` says.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("TRIBUTARY_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("the test's own path");
    let path = test.ancestors().nth(2).expect("the target folder").join("tributary");
    assert!(path.is_file(), "{} is not there: run cargo build -p tributary-cli", path.display());
    path
}

/// Where a run keeps what it is given no folder for: beside the binary, never in the home of whoever runs the tests.
pub(crate) fn state_home() -> PathBuf {
    program().with_file_name("tributary-tests-state").join(std::process::id().to_string())
}

/// USER_HZ, the unit of the times in /proc; 100 on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running `tributary sync --json`, killed on drop.
#[derive(Debug)]
pub struct Sync {
    child: Child,
    reports: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// How a run ended and all that it printed.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub reports: Vec<String>,
    /// Standard error.
    pub errors: String,
}

impl Sync {
    /// Starts it from one server to another.
    #[must_use]
    pub fn between(source: &Server, destination: &Server, extra: &[&str]) -> Self {
        Self::start(&source.url(), &destination.url(), extra, &[])
    }

    /// Starts it with URLs, further arguments and environment variables.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(source: &str, destination: &str, extra: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::from_all(&[source.to_owned()], destination, extra, environment)
    }

    /// Starts it from several sources.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn from_all(sources: &[String], destination: &str, extra: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program())
            .args(["sync", "--destination", destination, "--json"])
            .args(sources.iter().flat_map(|source| ["--source", source]))
            .args(extra)
            .env("XDG_STATE_HOME", state_home())
            .envs(environment.iter().copied())
            .env("TRIBUTARY_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start tributary");
        let reports = Arc::new(Mutex::new(Vec::new()));
        let errors = Arc::new(Mutex::new(String::new()));
        let stdout = BufReader::new(child.stdout.take().expect("standard output"));
        let lines = Arc::clone(&reports);
        let mut readers = vec![std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).for_each(|line| lines.lock().expect("reports").push(line));
        })];
        let mut stderr = BufReader::new(child.stderr.take().expect("standard error"));
        let text = Arc::clone(&errors);
        readers.push(std::thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|length| length > 0) {
                text.lock().expect("errors").push_str(&line);
                line.clear();
            }
        }));
        Self { child, reports, errors, readers }
    }

    /// The newest report.
    fn report(&self) -> Option<Value> {
        let reports = self.reports.lock().expect("reports");
        reports.last().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON: {e}: {line}")))
    }

    /// Waits until a report's first source meets `condition`, and gives that source.
    ///
    /// # Panics
    /// When it does not, or the process ends before.
    pub fn until(&mut self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.until_report(what, |report| condition(&report["sources"][0]))["sources"][0].clone()
    }

    /// Waits until a report meets `condition`, and gives it.
    ///
    /// # Panics
    /// When it does not, or the process ends before.
    pub fn until_report(&mut self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let ended = self.child.try_wait().expect("the process's state");
            let report = self.report();
            if let Some(report) = report.as_ref().filter(|report| condition(report)) {
                return report.clone();
            }
            let state = || format!("{report:?}\n{}", self.errors.lock().expect("errors"));
            assert!(ended.is_none(), "{what}: ended with {ended:?}: {}", state());
            assert!(started.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}: {}", state());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The lines of the event log so far.
    ///
    /// # Panics
    /// When a reader has panicked.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        events(&self.errors.lock().expect("errors"))
    }

    /// Nothing has ended it.
    ///
    /// # Panics
    /// When it has ended.
    pub fn still_runs(&mut self) {
        let ended = self.child.try_wait().expect("the process's state");
        assert!(ended.is_none(), "{ended:?}: {:?}\n{}", self.report(), self.errors.lock().expect("errors"));
    }

    /// Waits until every source is Synced.
    pub fn until_all_synced(&mut self) -> Value {
        self.until_report("all synced", |report| {
            report["sources"].as_array().is_some_and(|all| all.iter().all(|source| source["phase"] == "synced"))
        })
    }

    /// Waits until the source is Synced.
    pub fn until_synced(&mut self) -> Value {
        self.until("synced", |source| source["phase"] == "synced")
    }

    /// Waits until everything that the source has executed so far is applied.
    pub fn until_in_step(&mut self, source: &Server) -> Value {
        let offset = source.count("master_repl_offset");
        self.until("in step", |report| {
            report["phase"] == "synced" && report["applied"].as_u64().is_some_and(|applied| applied >= offset)
        })
    }

    /// Waits until the source is retrying for a reason of this kind, which the event log tells too. Gives the error.
    pub fn until_retrying(&mut self, kind: &str) -> Value {
        let source = self.until(kind, |source| source["phase"] == "retrying" && source["error"]["kind"] == kind);
        let hint = source["error"]["hint"].as_str().unwrap_or_default();
        assert!(hint.len() > 10, "{source}");
        // Repeated attempts may fail at different commands; the event tells the first, with the same hint.
        eventually("an event with the hint", || self.events().iter().any(|line| line.contains(hint)).then_some(()));
        source["error"].clone()
    }

    /// Waits until the source shows an error of this kind.
    pub fn until_error(&mut self, kind: &str) -> Value {
        self.until(kind, |source| source["error"]["kind"] == kind)
    }

    /// The most memory it has held, in MiB (VmHWM).
    #[must_use]
    pub fn peak_mib(&self) -> u64 {
        self.memory_mib("VmHWM:")
    }

    /// The memory it holds now, in MiB (VmRSS).
    #[must_use]
    pub fn rss_mib(&self) -> u64 {
        self.memory_mib("VmRSS:")
    }

    fn memory_mib(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the process's status");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number of kB");
        kib.div_ceil(1024)
    }

    /// The processor time it has used, in seconds.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the process's times");
        // The name in parentheses may hold spaces; utime and stime are the 12th and 13th fields after it.
        let after = stat.rsplit_once(')').expect("a name").1;
        let ticks = after.split_whitespace().skip(11).take(2).map(|n| n.parse::<u32>().expect("ticks")).sum::<u32>();
        f64::from(ticks) / TICKS_PER_SECOND
    }

    /// Its command line, as others see it in /proc.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    pub fn command_line(&self) -> String {
        let bytes = std::fs::read(format!("/proc/{}/cmdline", self.child.id())).expect("the command line");
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }

    /// Sends a signal by name, such as INT.
    pub fn signal(&self, name: &str) {
        server::signal(self.child.id(), name);
    }

    /// Kills it at once, as a crash would, and waits for its end.
    #[must_use]
    pub fn kill(self) -> Ended {
        self.signal("KILL");
        self.ended()
    }

    /// Interrupts it as Ctrl+C does and waits for its end.
    #[must_use]
    pub fn interrupt(self) -> Ended {
        self.signal("INT");
        self.ended()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn ended(mut self) -> Ended {
        let status = eventually("tributary ends", || self.child.try_wait().expect("the process's state"));
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader");
        }
        Ended {
            code: status.code(),
            reports: self.reports.lock().expect("reports").clone(),
            errors: self.errors.lock().expect("errors").clone(),
        }
    }
}

impl Ended {
    /// The last report's first source.
    ///
    /// # Panics
    /// When there was none.
    #[must_use]
    pub fn last(&self) -> Value {
        let line = self.reports.last().unwrap_or_else(|| panic!("no report: {}", self.errors));
        serde_json::from_str::<Value>(line).expect("JSON")["sources"][0].clone()
    }

    /// A stop that needs a person: exit code 3; the last report names the kind, a sentence and a hint; the event log
    /// says it too. Gives the error.
    ///
    /// # Panics
    /// When any of that is not so.
    pub fn stopped_with(&self, kind: &str) -> Value {
        assert_eq!(self.code, Some(3), "{}", self.output());
        let last = self.last();
        assert_eq!(last["error"]["kind"], kind, "{}", self.output());
        assert_eq!(last["status"], "stopped");
        told(&last["error"], &self.events());
        last["error"].clone()
    }

    /// The lines of the event log.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        events(&self.errors)
    }

    /// Everything it printed.
    #[must_use]
    pub fn output(&self) -> String {
        format!("{}\n{}", self.reports.join("\n"), self.errors)
    }
}

/// An error has a sentence and a hint, and the event log tells both.
fn told(error: &Value, events: &[String]) {
    for part in ["message", "hint"] {
        let text = error[part].as_str().unwrap_or_default();
        assert!(text.len() > 10, "{part} of {error}");
        assert!(events.iter().any(|line| line.contains(text)), "no event says {text:?}: {events:#?}");
    }
}

/// Standard error without the lines of the debug log, which begin with their time.
fn events(errors: &str) -> Vec<String> {
    let is_log = |line: &str| line.get(..11).is_some_and(|time| time.starts_with("20") && time.ends_with('T'));
    errors.lines().filter(|line| !is_log(line)).map(str::to_owned).collect()
}

impl Drop for Sync {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs `tributary` with arguments to its end: the exit code and what it printed.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(program())
        .args(arguments)
        .env("XDG_STATE_HOME", state_home())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start tributary");
    let mut text = String::new();
    child.stderr.take().expect("standard error").read_to_string(&mut text).expect("its text");
    (child.wait().expect("its end").code(), text)
}
