//! One `redis-server` that ends with this process.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::process::{Child, ChildStdin, Command};
use tributary_engine::{Endpoint, Secret};

use super::DemoError;

const PROGRAMS: &[&str] = &["redis-server", "valkey-server"];
const HOST: &str = "127.0.0.1";
/// Another process may take the free port between the look and the start.
const ATTEMPTS: u32 = 3;
const START_DEADLINE: Duration = Duration::from_secs(15);
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Runs the server and waits for the end of its own standard input, which is the end of the process that holds the
/// other side, however it ended. A parent that is killed can do nothing itself; a pipe that closes always works.
const KEEPER: &str = r#"
"$1" "$2/redis.conf" >"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -TERM "$server" 2>/dev/null
wait "$server"
rm -rf "$2"
"#;

/// The server program of this machine.
///
/// # Errors
/// When there is none in PATH.
pub fn find_server() -> Result<PathBuf, DemoError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = PROGRAMS.iter().flat_map(|program| folders.iter().map(move |folder| folder.join(program)));
    candidates.into_iter().find(|file| file.is_file()).ok_or(DemoError::NoServer)
}

/// A running server. Dropping it ends it.
pub(super) struct Server {
    keeper: Child,
    /// Closing it ends the server.
    leash: ChildStdin,
    folder: TempDir,
    port: u16,
    password: Secret,
}

impl Server {
    pub async fn start(program: &Path) -> Result<Self, DemoError> {
        let mut attempt = 1;
        loop {
            match Self::try_start(program).await {
                Ok(server) => return Ok(server),
                Err(reason) if attempt == ATTEMPTS => {
                    return Err(DemoError::Start { program: program.display().to_string(), reason });
                }
                Err(reason) => tracing::debug!(attempt, reason, "the demo's server did not start"),
            }
            attempt += 1;
        }
    }

    async fn try_start(program: &Path) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("tributary-demo-").tempdir().map_err(|e| e.to_string())?;
        let port = free_port().map_err(|e| e.to_string())?;
        let password = Secret::new(uuid::Uuid::new_v4().simple().to_string());
        write_config(folder.path(), port, &password).map_err(|e| e.to_string())?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "tributary-demo"])
            .arg(program)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl+C in the terminal is for Tributary; it ends its servers itself, when the links are closed.
            .process_group(0)
            .spawn()
            .map_err(|e| e.to_string())?;
        let leash = keeper.stdin.take().ok_or("its standard input is not there")?;
        let server = Self { keeper, leash, folder, port, password };
        match tokio::time::timeout(START_DEADLINE, server.answers()).await {
            Ok(()) => Ok(server),
            Err(_) => Err(server.last_words()),
        }
    }

    /// Waits until it answers with its own password: another server on that port would not take it.
    async fn answers(&self) {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            if let Ok(mut connection) = self.connect().await
                && redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
            {
                return;
            }
        }
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().last().unwrap_or("it did not answer in time").trim().to_owned()
    }

    pub async fn connect(&self) -> Result<MultiplexedConnection, redis::RedisError> {
        let url = format!("redis://:{}@{HOST}:{}/", self.password.expose(), self.port);
        // The library's own half a second would end the traffic on a machine that is busy for a moment.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_DEADLINE));
        redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            sentinel: None,
            host: HOST.to_owned(),
            port: self.port,
            tls: None,
            compression: false,
            username: None,
            password: Some(self.password.clone()),
            db: None,
        }
    }

    pub async fn stop(self) {
        let Self { mut keeper, leash, folder, .. } = self;
        drop(leash);
        match tokio::time::timeout(STOP_DEADLINE, keeper.wait()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the demo's server could not be awaited"),
            Err(_) => tracing::warn!("the demo's server takes long to end"),
        }
        drop(folder);
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// In a file of its own, and not in the arguments, which every user of the machine can read.
fn write_config(folder: &Path, port: u16, password: &Secret) -> std::io::Result<()> {
    use std::io::Write;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join("redis.conf"))?;
    writeln!(file, "bind {HOST}\nport {port}\ndir \"{}\"\nsave \"\"\nappendonly no", folder.display())?;
    writeln!(file, "repl-diskless-sync yes\nrepl-diskless-sync-delay 0\nrequirepass {}", password.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn gone(port: u16) {
        let refused = async {
            while tokio::net::TcpStream::connect((HOST, port)).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
    }

    #[tokio::test]
    async fn a_server_ends_when_it_is_stopped_and_leaves_no_folder() {
        let server = Server::start(&find_server().unwrap()).await.unwrap();
        let (port, folder) = (server.port, server.folder.path().to_owned());
        server.stop().await;
        gone(port).await;
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_server_ends_when_it_is_dropped() {
        let server = Server::start(&find_server().unwrap()).await.unwrap();
        let port = server.port;
        drop(server);
        gone(port).await;
    }
}
