//! Real Sentinels that watch one master, ended and removed on drop.

use std::process::{Child, Command, Stdio};

use redis::FromRedisValue;
use tempfile::TempDir;

use crate::eventually;
use crate::server::{Server, free_port};

/// The name under which they watch it.
pub const MASTER: &str = "mymaster";

/// One Sentinel.
#[derive(Debug)]
pub struct Sentinel {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    /// Starts a Sentinel that watches `master` and may promote a replica alone.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn of(master: &Server) -> Self {
        Self::at(free_port(), master)
    }

    /// The same on a port that is known before.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn at(port: u16, master: &Server) -> Self {
        Self::with(port, master.port(), "")
    }

    /// The same with further lines of configuration, for a master on another port than its first.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn with(port: u16, master: u16, further: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for a Sentinel");
        // It rewrites its configuration, so it must have a file.
        let path = folder.path().join("sentinel.conf");
        let lines = [
            format!("bind 127.0.0.1\nport {port}\ndir {}", folder.path().display()),
            format!("sentinel monitor {MASTER} 127.0.0.1 {master} 1"),
            format!("sentinel down-after-milliseconds {MASTER} 1000"),
            format!("sentinel failover-timeout {MASTER} 10000"),
            further.to_owned(),
        ];
        std::fs::write(&path, lines.join("\n") + "\n").expect("its configuration");
        let child = Command::new("redis-server")
            .arg(&path)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("start a Sentinel");
        let sentinel = Self { child, port, _folder: folder };
        eventually("the Sentinel answers", || sentinel.ask::<String>(&["PING"]).ok());
        sentinel
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn ask<T: FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.port))?;
        let (name, arguments) = command.split_first().expect("a command");
        redis::cmd(name).arg(arguments).query(&mut client.get_connection()?)
    }

    /// The port of the master as it knows it.
    #[must_use]
    pub fn master(&self) -> u16 {
        let (_, port): (String, String) =
            self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]).expect("the master's address");
        port.parse().expect("a port")
    }

    /// Has it promote a replica: waits until it has one that is fit, and until it is the master.
    pub fn fail_over(&self, to: &Server) {
        eventually("a replica that can be promoted", || self.ask::<String>(&["SENTINEL", "FAILOVER", MASTER]).ok());
        self.until_master(to);
    }

    /// Waits until this server is the master, by what it says and by what the Sentinel does.
    pub fn until_master(&self, server: &Server) {
        eventually("the promotion", || {
            (self.master() == server.port() && server.info("role") == "master").then_some(())
        });
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The URL of what these Sentinels watch; a number is the port of one that may not be there.
#[must_use]
pub fn url(ports: &[u16], name: &str) -> String {
    let nodes: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("redis+sentinel://{}/{name}", nodes.join(","))
}
