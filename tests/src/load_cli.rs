//! `tributary load`, as a script would use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::Value;

use crate::cli::{program, state_home};
use crate::{DEADLINE, POLL, server};

/// A running `tributary load --json`, killed on drop.
#[derive(Debug)]
pub struct Load {
    child: Child,
    input: Option<ChildStdin>,
    reports: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<String>>,
    peak_mib: u64,
}

/// How a load ended.
#[derive(Debug)]
pub struct Loaded {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// The last report.
    pub last: Value,
    /// Standard error.
    pub errors: String,
    /// The most memory it has held, in MiB, looked at many times a second.
    pub peak_mib: u64,
}

impl Load {
    /// Loads a file to its end.
    #[must_use]
    pub fn whole(file: &Path, destination: &str, extra: &[&str]) -> Loaded {
        Self::start(&file.display().to_string(), destination, extra).ended()
    }

    /// Starts it; `-` takes what [`Self::feed`] gives.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(file: &str, destination: &str, extra: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(["load", file, "--destination", destination, "--json"])
            .args(extra)
            .env("XDG_STATE_HOME", state_home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start tributary");
        let input = child.stdin.take();
        let reports = Arc::new(Mutex::new(Vec::new()));
        let (stdout, lines) = (BufReader::new(child.stdout.take().expect("standard output")), Arc::clone(&reports));
        let mut stderr = child.stderr.take().expect("standard error");
        let readers = vec![
            std::thread::spawn(move || {
                stdout.lines().map_while(Result::ok).for_each(|line| lines.lock().expect("reports").push(line));
                String::new()
            }),
            std::thread::spawn(move || {
                let mut text = String::new();
                stderr.read_to_string(&mut text).expect("its text");
                text
            }),
        ];
        Self { child, input, reports, readers, peak_mib: 0 }
    }

    /// Gives it bytes on standard input.
    ///
    /// # Panics
    /// When it takes none.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.as_mut().expect("its standard input").write_all(bytes).expect("it reads");
    }

    /// Standard input ends.
    pub fn end_of_input(&mut self) {
        self.input = None;
    }

    fn report(&self) -> Option<Value> {
        let reports = self.reports.lock().expect("reports");
        reports.last().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON: {e}: {line}")))
    }

    /// Waits until a report meets `condition`, and gives it.
    ///
    /// # Panics
    /// When none does, or the process ends before.
    pub fn until(&mut self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let ended = self.child.try_wait().expect("the process's state");
            let report = self.report();
            if let Some(report) = report.as_ref().filter(|report| condition(report)) {
                return report.clone();
            }
            assert!(ended.is_none() && started.elapsed() < DEADLINE, "{what}: {ended:?} {report:?}");
            std::thread::sleep(POLL);
        }
    }

    /// Interrupts it as Ctrl+C does and waits for its end.
    #[must_use]
    pub fn interrupt(self) -> Loaded {
        server::signal(self.child.id(), "INT");
        self.ended()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn ended(mut self) -> Loaded {
        let started = Instant::now();
        let status = loop {
            self.look_at_memory();
            if let Some(status) = self.child.try_wait().expect("the process's state") {
                break status;
            }
            assert!(started.elapsed() < DEADLINE, "it does not end: {:?}", self.report());
            std::thread::sleep(POLL);
        };
        let errors: String = self.readers.drain(..).map(|reader| reader.join().expect("a reader")).collect();
        let last = self.report().unwrap_or_else(|| panic!("no report: {errors}"));
        Loaded { code: status.code(), last, errors, peak_mib: self.peak_mib }
    }

    fn look_at_memory(&mut self) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { return };
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number of kB");
        self.peak_mib = kib.div_ceil(1024);
    }
}

impl Loaded {
    /// All of it is in.
    ///
    /// # Panics
    /// When it is not.
    pub fn done(&self) -> &Value {
        assert_eq!((self.code, &self.last["phase"]), (Some(0), &Value::from("done")), "{self:?}");
        &self.last
    }

    /// It failed with this kind, a sentence and a hint, which standard error repeats. Gives the sentence.
    ///
    /// # Panics
    /// When any of that is not so.
    #[must_use]
    pub fn failed_with(&self, kind: &str) -> String {
        assert_eq!((self.code, &self.last["phase"]), (Some(3), &Value::from("failed")), "{self:?}");
        let error = &self.last["error"];
        assert_eq!(error["kind"], kind, "{self:?}");
        for part in ["message", "hint"] {
            let text = error[part].as_str().unwrap_or_default();
            assert!(text.len() > 10 && self.errors.contains(text), "{part}: {self:?}");
        }
        error["message"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
