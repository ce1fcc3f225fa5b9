//! A real server with a password, ended when dropped.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Value;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

pub struct Server {
    child: Child,
    pub port: u16,
    pub password: &'static str,
    _folder: TempDir,
}

impl Server {
    pub async fn start(password: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child =
            Command::new("redis-server").arg("-").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        // Through standard input: a password in the arguments would be found by the search for it.
        let mut config = child.stdin.take().unwrap();
        let dir = folder.path().display();
        writeln!(config, "bind 127.0.0.1\nport {port}\nsave \"\"\ndir {dir}\nrequirepass {password}").unwrap();
        writeln!(config, "repl-diskless-sync-delay 0").unwrap();
        drop(config);
        let server = Self { child, port, password, _folder: folder };
        let started = Instant::now();
        while server.connect().await.is_err() {
            assert!(started.elapsed() < DEADLINE, "redis-server does not answer");
            tokio::time::sleep(POLL).await;
        }
        server
    }

    pub async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let url = format!("redis://:{}@127.0.0.1:{}/", self.password, self.port);
        redis::Client::open(url)?.get_multiplexed_async_connection().await
    }

    pub async fn run(&self, command: &[&str]) -> Value {
        let (name, arguments) = command.split_first().unwrap();
        redis::cmd(name).arg(arguments).query_async(&mut self.connect().await.unwrap()).await.unwrap()
    }

    /// Waits until `key` holds `want`.
    pub async fn holds(&self, key: &str, want: &str) {
        self.comes_to(key, Value::BulkString(want.into())).await;
    }

    /// Waits until `key` is gone.
    pub async fn lacks(&self, key: &str) {
        self.comes_to(key, Value::Nil).await;
    }

    async fn comes_to(&self, key: &str, want: Value) {
        let started = Instant::now();
        while self.run(&["GET", key]).await != want {
            assert!(started.elapsed() < DEADLINE, "{key} never became {want:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
