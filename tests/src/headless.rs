//! `tributary run`, as a service manager and a scraper would see it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{program, state_home};
use crate::{eventually, server};

/// A folder with a file of replicas and the data of the console that runs it.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// A place with a file of this content, which is told where the data is and to serve metrics anywhere.
    ///
    /// # Panics
    /// When there is no room for it.
    #[must_use]
    pub fn with(replicas: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        place.write(replicas);
        place
    }

    /// Changes the replicas of the file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, replicas: &str) {
        let head = format!("data = '{}'\nmetrics = \"127.0.0.1:0\"\n", self.data().display());
        std::fs::write(self.config(), format!("{head}{replicas}")).expect("the file");
    }

    /// The file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// The folder of the console's data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A further file in this place.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the file");
        path
    }

    /// What is in all files of the data folder, one after the other.
    ///
    /// # Panics
    /// When one cannot be read.
    #[must_use]
    pub fn everything_kept(&self) -> Vec<u8> {
        let mut all = Vec::new();
        collect(&self.data(), &mut all);
        all
    }

    /// Runs the file.
    #[must_use]
    pub fn run(&self, environment: &[(&str, &str)]) -> Headless {
        Headless::start(&self.config(), environment)
    }
}

fn collect(folder: &Path, all: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, all);
        } else {
            // SQLite removes its own between the look and the reading.
            all.extend(std::fs::read(&path).unwrap_or_default());
        }
    }
}

/// A running `tributary run`, killed on drop.
#[derive(Debug)]
pub struct Headless {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    address: Option<SocketAddr>,
}

impl Headless {
    fn start(config: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program())
            .args(["run", "--log-format", "json"])
            .arg(config)
            .env("XDG_STATE_HOME", state_home())
            .env("TRIBUTARY_LOG", "debug")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start tributary");
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, mut stderr) = (Arc::clone(&log), BufReader::new(child.stderr.take().expect("standard error")));
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|length| length > 0) {
                lines.lock().expect("the log").push_str(&line);
                line.clear();
            }
        });
        Self { child, log, reader: Some(reader), address: None }
    }

    /// All that it has logged.
    ///
    /// # Panics
    /// When the reader has panicked.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Its process ID.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves metrics, once it says so.
    ///
    /// # Panics
    /// When it does not, or has ended.
    pub fn address(&mut self) -> SocketAddr {
        if let Some(address) = self.address {
            return address;
        }
        let address = eventually("it serves metrics", || {
            let ended = self.child.try_wait().expect("its state");
            let log = self.log();
            assert!(ended.is_none(), "{ended:?}: {log}");
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find_map(|line| line["address"].as_str()?.parse().ok())
        });
        self.address = Some(address);
        address
    }

    /// The status and the body of a page.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn get(&mut self, page: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).expect("a connection");
        write!(stream, "GET {page} HTTP/1.1\r\nHost: test\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, body.to_owned())
    }

    /// The status and the report of `/health` with this behind it.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn health(&mut self, query: &str) -> (u16, Value) {
        let (status, body) = self.get(&format!("/health{query}"));
        (status, serde_json::from_str(&body).expect("JSON"))
    }

    /// Waits until the report of `/health` meets `condition`, and gives it.
    pub fn until_health(&mut self, what: &str, condition: impl Fn(u16, &Value) -> bool) -> Value {
        let mut last = Value::Null;
        let met = eventually_or(what, || {
            let (status, report) = self.health("");
            last.clone_from(&report);
            condition(status, &report).then_some(report)
        });
        met.unwrap_or_else(|| panic!("{what}: {last}\n{}", self.log()))
    }

    /// Waits until every source of every replica is in step.
    pub fn until_synced(&mut self) {
        self.until_health("all synced", |_, report| report["not_synced"].as_array().is_some_and(Vec::is_empty));
        assert_eq!(self.health("?synced").0, 200);
    }

    /// The number of a metric with exactly these labels, as they are written.
    pub fn metric(&mut self, name: &str, labels: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{{{labels}}} ")).map(str::to_owned));
        line.and_then(|value| value.parse().ok())
    }

    /// Its command line, as others see it in /proc.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    pub fn command_line(&self) -> String {
        let bytes = std::fs::read(format!("/proc/{}/cmdline", self.id())).expect("the command line");
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }

    /// Sends a signal by name and waits for its end: the exit code, and all that it logged.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn end(mut self, signal: &str) -> (Option<i32>, String) {
        server::signal(self.id(), signal);
        self.wait()
    }

    /// Waits for its end: the exit code, and all that it logged.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn ended(mut self) -> (Option<i32>, String) {
        self.wait()
    }

    fn wait(&mut self) -> (Option<i32>, String) {
        let status = eventually("tributary ends", || self.child.try_wait().expect("its state"));
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader");
        }
        (status.code(), self.log())
    }
}

/// As [`eventually`], without a panic of its own.
fn eventually_or<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let started = std::time::Instant::now();
    eventually(what, || match condition() {
        Some(value) => Some(Some(value)),
        None => (started.elapsed() > crate::DEADLINE / 2).then_some(None),
    })
}

impl Drop for Headless {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs `tributary` with arguments and an environment to its end: the exit code, standard output and standard error.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn command(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let done = Command::new(program())
        .args(arguments)
        .env("XDG_STATE_HOME", state_home())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("start tributary");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (done.status.code(), text(done.stdout), text(done.stderr))
}
