//! A running `tributary relay`, killed on drop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::cli::program;
use crate::eventually;
use crate::server::{Server, free_port};

/// A relay on 127.0.0.1, with its metrics.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    port: u16,
    metrics: u16,
    arguments: Vec<String>,
}

impl Relay {
    /// A relay beside a server, with further arguments.
    #[must_use]
    pub fn beside(server: &Server, extra: &[&str]) -> Self {
        Self::before(server.port(), extra)
    }

    /// A relay before a port of 127.0.0.1.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn before(upstream: u16, extra: &[&str]) -> Self {
        let (port, metrics) = (free_port(), free_port());
        let mut arguments = vec!["relay".to_owned(), "--listen".to_owned(), format!("127.0.0.1:{port}")];
        arguments.extend(["--upstream".to_owned(), format!("127.0.0.1:{upstream}")]);
        arguments.extend(["--metrics".to_owned(), format!("127.0.0.1:{metrics}")]);
        arguments.extend(extra.iter().map(|&text| text.to_owned()));
        Self { child: start(&arguments), port, metrics, arguments }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL with parameters.
    #[must_use]
    pub fn url(&self, parameters: &str) -> String {
        format!("redis://127.0.0.1:{}{parameters}", self.port)
    }

    /// What it answers to a scraper.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).expect("the metrics' port");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: relay\r\n\r\n").expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the relay");
        self.child.wait().expect("the relay's end");
    }

    /// Starts it again on the same port, after [`Self::kill`].
    pub fn start_again(&mut self) {
        self.child = start(&self.arguments);
    }
}

/// Starts it, and waits until it listens, for its metrics too.
fn start(arguments: &[String]) -> Child {
    let mut child = Command::new(program())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the relay");
    let mut lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    assert!(first.starts_with("Listening"), "the relay says {first:?}");
    // This is the last that it does before it serves.
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("Metrics at")), "no metrics");
    // It must never wait for somebody to read its log.
    std::thread::spawn(move || lines.for_each(drop));
    eventually("the relay runs", || child.try_wait().expect("its state").is_none().then_some(()));
    child
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
