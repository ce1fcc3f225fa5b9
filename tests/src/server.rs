//! A real server with its own folder and port, ended and removed on drop.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, FromRedisValue};
use tempfile::TempDir;

use crate::{DEADLINE, eventually};

/// The servers that the tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Redis 6.2, the last that streams relative expiries.
    Redis62,
    /// Redis 7.0, from the system's packages.
    Redis70,
    /// Redis 8.2.
    Redis82,
    /// Valkey 8.1.
    Valkey81,
    /// Valkey 9.1.
    Valkey91,
}

impl Version {
    fn program(self) -> PathBuf {
        let name = match self {
            Self::Redis70 => return PathBuf::from("redis-server"),
            Self::Redis62 => "redis-6.2",
            Self::Redis82 => "redis-8.2",
            Self::Valkey81 => "valkey-8.1",
            Self::Valkey91 => "valkey-9.1",
        };
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.cache/servers").join(name).join("server");
        assert!(path.is_file(), "{} is not there: run scripts/servers.sh", path.display());
        path
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    version: Version,
    config: Vec<String>,
    child: Child,
    folder: TempDir,
    port: u16,
    password: Option<String>,
}

impl Server {
    /// Starts a server without a password that keeps nothing on disk.
    #[must_use]
    pub fn start(version: Version) -> Self {
        Self::with(version, &[])
    }

    /// Starts a server with further lines of configuration.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn with(version: Version, config: &[&str]) -> Self {
        let started = Instant::now();
        loop {
            let port = free_port();
            let folder = tempfile::tempdir().expect("a folder for a server");
            let config: Vec<String> = config.iter().map(|&line| line.to_owned()).collect();
            let password = config.iter().find_map(|l| l.strip_prefix("requirepass ")).map(str::to_owned);
            let child = spawn(version, port, &folder, &config);
            let mut server = Self { version, config, child, folder, port, password };
            // The port may have been taken between the look and the start; then the server ends at once.
            if server.comes_up() {
                return server;
            }
            assert!(started.elapsed() < DEADLINE, "{version:?} does not start");
        }
    }

    fn comes_up(&mut self) -> bool {
        eventually("the server answers", || {
            if self.child.try_wait().expect("the server's state").is_some() {
                return Some(false);
            }
            self.try_connect().ok().map(|_| true)
        })
    }

    /// Which server it is.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL, without the password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn try_connect(&self) -> redis::RedisResult<Connection> {
        let login = self.password.as_ref().map_or(String::new(), |password| format!(":{password}@"));
        let client = redis::Client::open(format!("redis://{login}127.0.0.1:{}/", self.port))?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
        redis::cmd("PING").query::<String>(&mut connection)?;
        Ok(connection)
    }

    /// A new connection to database 0.
    ///
    /// # Panics
    /// When the server does not take it.
    #[must_use]
    pub fn connect(&self) -> Connection {
        self.try_connect().expect("a connection to the server")
    }

    /// A new connection to a database.
    ///
    /// # Panics
    /// When the server does not take it.
    #[must_use]
    pub fn connect_db(&self, db: u32) -> Connection {
        let mut connection = self.connect();
        redis::cmd("SELECT").arg(db).query::<()>(&mut connection).expect("SELECT");
        connection
    }

    /// The reply to one command in database 0.
    ///
    /// # Panics
    /// When the reply is an error or of another type.
    pub fn run<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.run_in(0, command)
    }

    /// The reply to one command in a database.
    ///
    /// # Panics
    /// When the reply is an error or of another type.
    pub fn run_in<T: FromRedisValue>(&self, db: u32, command: &[&str]) -> T {
        let (name, arguments) = command.split_first().expect("a command");
        redis::cmd(name).arg(arguments).query(&mut self.connect_db(db)).unwrap_or_else(|e| panic!("{command:?}: {e}"))
    }

    /// The reply to one command in database 0, or the error.
    ///
    /// # Errors
    /// What the server answers, or why it cannot be asked.
    ///
    /// # Panics
    /// When the command is empty.
    pub fn try_run<T: FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let (name, arguments) = command.split_first().expect("a command");
        redis::cmd(name).arg(arguments).query(&mut self.try_connect()?)
    }

    /// Changes a setting while it runs.
    pub fn set(&self, setting: &str, value: &str) {
        self.run::<()>(&["CONFIG", "SET", setting, value]);
    }

    /// Whether it knows function libraries.
    #[must_use]
    pub fn has_functions(&self) -> bool {
        self.version != Version::Redis62
    }

    /// Writes a dump file of what it holds now, once the one being written for a replica or in the background has ended.
    ///
    /// # Panics
    /// When it cannot.
    pub fn save(&self) -> PathBuf {
        eventually("SAVE", || match self.try_run::<()>(&["SAVE"]) {
            Err(error) if error.to_string().contains("in progress") => None,
            Err(error) => panic!("SAVE: {error}"),
            Ok(()) => Some(()),
        });
        self.folder.path().join("dump.rdb")
    }

    /// Its working folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One field of INFO.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn info(&self, field: &str) -> String {
        let text: String = self.run(&["INFO", "all"]);
        let prefix = format!("{field}:");
        let value = text.lines().find_map(|line| line.strip_prefix(&prefix));
        value.unwrap_or_else(|| panic!("INFO has no {field}")).trim().to_owned()
    }

    /// A number of INFO.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn count(&self, field: &str) -> u64 {
        self.info(field).parse().expect("a number in INFO")
    }

    /// How often it has executed a command.
    #[must_use]
    pub fn commands(&self, name: &str) -> u64 {
        let text: String = self.run(&["INFO", "commandstats"]);
        let prefix = format!("cmdstat_{name}:calls=");
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or("0,");
        line.split(',').next().unwrap_or_default().parse().expect("a number of calls")
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the server");
        self.child.wait().expect("the server's end");
    }

    /// Stops it where it is, as a machine does that hangs: its connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        signal(self.child.id(), "STOP");
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&self) {
        signal(self.child.id(), "CONT");
    }

    /// Starts it again with further lines of configuration, and does not wait until it answers.
    pub fn start_again_with(&mut self, config: &[&str]) {
        self.config.extend(config.iter().map(|&line| line.to_owned()));
        self.child = spawn(self.version, self.port, &self.folder, &self.config);
    }

    /// Changes the lines of configuration that the next start is with.
    pub fn reconfigure(&mut self, config: &[&str]) {
        self.config = config.iter().map(|&line| line.to_owned()).collect();
    }

    /// Starts it again on the same port and folder, after [`Self::kill`].
    ///
    /// # Panics
    /// When it does not answer.
    pub fn start_again(&mut self) {
        self.start_again_with(&[]);
        assert!(self.comes_up(), "the server does not start again");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends a signal by name, such as INT.
///
/// # Panics
/// When it cannot be sent.
pub(crate) fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(status.expect("kill").success(), "kill -{name}");
}

/// A port of 127.0.0.1 on which nothing listens.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn spawn(version: Version, port: u16, folder: &TempDir, config: &[String]) -> Child {
    let program = version.program();
    // The configuration goes through standard input: a password in the arguments would defeat the search for it.
    let mut child = Command::new(&program)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {}: {e}", program.display()));
    let mut stdin = child.stdin.take().expect("its standard input");
    let dir = folder.path().display();
    let base = format!("bind 127.0.0.1\nport {port}\nsave \"\"\ndir {dir}\nrepl-diskless-sync-delay 0\n");
    stdin.write_all(base.as_bytes()).expect("its configuration");
    stdin.write_all(config.join("\n").as_bytes()).expect("its configuration");
    stdin.write_all(b"\n").expect("its configuration");
    child
}
