//! A redis-server of our own, with its own folder and port, ended and removed on drop.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Connection, FromRedisValue};
use tempfile::TempDir;

use crate::Result;
use crate::wait::until;

/// The same for all servers. Without the delay of 5 s that a source waits for further replicas, and without the limit
/// at which it drops a slow one, a full sync is limited by work alone.
const CONFIG: [&str; 8] = [
    "--save",
    "",
    "--repl-diskless-sync-delay",
    "0",
    "--client-output-buffer-limit",
    "replica 0 0 0",
    "--repl-backlog-size",
    "64mb",
];

/// How often a port may be lost to another program before that is an error.
const STARTS: usize = 5;

/// A running server and a connection to it.
pub struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
    connection: Option<Connection>,
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1 and waits until it answers.
    pub fn start() -> Result<Self> {
        let mut last = String::new();
        for _ in 0..STARTS {
            let mut server = Self::spawn()?;
            if server.comes_up()? {
                return Ok(server);
            }
            last = server.log();
        }
        Err(format!("redis-server ended at once, {STARTS} times; the last one said: {last}").into())
    }

    fn spawn() -> Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"])
            .arg(folder.path())
            .args(CONFIG)
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .spawn()
            .map_err(|e| format!("redis-server cannot be started: {e}; is the package redis-server installed?"))?;
        Ok(Self { child, port, folder, connection: None })
    }

    /// Whether it answers; it may end instead, when another program took the port after we looked.
    fn comes_up(&mut self) -> Result<bool> {
        let mut alive = true;
        until("an answer from redis-server", Duration::from_millis(10), || {
            alive = self.child.try_wait()?.is_none();
            self.connection = self.connect().ok();
            Ok(!alive || self.connection.is_some())
        })?;
        Ok(alive)
    }

    fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        text.lines().last().unwrap_or("nothing").to_owned()
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that it saves to.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Another connection.
    pub fn connect(&self) -> Result<Connection> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5)).map_err(|e| self.error(&e))?;
        redis::cmd("PING").query::<String>(&mut connection).map_err(|e| self.error(&e))?;
        Ok(connection)
    }

    /// The server's own connection, for everything that needs none of its own.
    pub fn connection(&mut self) -> Result<&mut Connection> {
        self.connection.as_mut().ok_or_else(|| "the server has not been started".into())
    }

    /// The reply to one command.
    pub fn run<T: FromRedisValue>(&mut self, words: &[&str]) -> Result<T> {
        let (name, arguments) = words.split_first().ok_or("an empty command")?;
        let reply = redis::cmd(name).arg(arguments).query(self.connection()?);
        Ok(reply.map_err(|e| self.error(&e))?)
    }

    /// One section of INFO.
    pub fn info(&mut self, section: &str) -> Result<HashMap<String, String>> {
        let text: String = self.run(&["INFO", section])?;
        Ok(text.lines().filter_map(|line| line.split_once(':')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    /// One number of INFO.
    pub fn info_number(&mut self, section: &str, field: &str) -> Result<u64> {
        let value = self.info(section)?.remove(field);
        let number = value.as_deref().and_then(|value| value.parse().ok());
        number.ok_or_else(|| format!("INFO {section} of {} has no number {field}: {value:?}", self.url()).into())
    }

    /// Its version.
    pub fn version(&mut self) -> Result<String> {
        Ok(self.info("server")?.remove("redis_version").unwrap_or_default())
    }

    /// Deletes all keys now, and not in the background of the next measurement.
    pub fn clear(&mut self) -> Result<()> {
        self.run(&["FLUSHALL", "SYNC"])
    }

    fn error(&self, error: &redis::RedisError) -> String {
        format!("redis-server on 127.0.0.1:{} answered: {error}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; there is nobody left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
