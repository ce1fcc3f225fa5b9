//! The control connection: everything that is asked of a server beside replication.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, ProtocolVersion, RedisConnectionInfo, RedisError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use crate::clients::{OwnClient, OwnClients};
use crate::dial::{self, Dialled, dial};
use crate::refusal::{refused, without_secret};
use crate::{Endpoint, ErrorKind, Failure, Secret};

/// How long an ordinary question may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);
/// Emptying a large database blocks the server for as long as it takes.
const PATIENT_TIMEOUT: Duration = Duration::from_secs(3600);

/// The other end of a connection, as messages are to name it.
struct Peer {
    /// `host:port`.
    name: String,
    /// What no message may hold.
    password: Option<Secret>,
}

/// An authenticated connection for questions and short commands. Its driver ends with it.
pub(crate) struct Control {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
    peer: Peer,
    /// The version of TLS that was agreed on; `None` for an open link.
    tls: Option<&'static str>,
    /// Kept for as long as the connection lasts.
    known: Option<OwnClient>,
}

impl Control {
    /// Connects and authenticates.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, Failure> {
        let peer = Peer { name: endpoint.authority(), password: endpoint.password.clone() };
        let Dialled { mut reader, mut writer, tls } = dial(endpoint).await?;
        if endpoint.tls.is_some() {
            first_word(&mut reader, &mut writer, &peer.name).await?;
        }
        // AUTH is sent below and not by the library, so that the server's own words are seen.
        let info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
        let stream = tokio::io::join(reader, writer);
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(|e| failure(&peer, "connecting", &e))?;
        let driver = tokio::spawn(driver);
        let mut control = Self { connection, driver, peer, tls, known: None };
        if let Some(auth) = auth_args(endpoint) {
            control.query::<String>(&auth).await?;
        }
        // Asks for something that an unauthenticated or protected server refuses.
        match redis::cmd("PING").query_async::<String>(&mut control.connection).await {
            // A server that cannot save refuses PING as it refuses writes, and answers questions all the same.
            Err(error) if error.code() != Some("MISCONF") => Err(failure(&control.peer, "PING", &error)),
            _ => Ok(control),
        }
    }

    /// Makes a connection that lasts known as ours, where the server tells its number.
    pub(crate) async fn belongs_to(&mut self, own: &Arc<OwnClients>) {
        self.known = self.query(&["CLIENT", "ID"]).await.ok().map(|id| own.add(id));
    }

    /// The version of TLS that was agreed on, as `TLS 1.3`; `None` for an open link.
    pub(crate) fn tls(&self) -> Option<&'static str> {
        self.tls
    }

    /// `host:port` of the server.
    pub(crate) fn name(&self) -> &str {
        &self.peer.name
    }

    /// Sends one command and converts its answer.
    pub(crate) async fn query<T: FromRedisValue>(&mut self, args: &[&str]) -> Result<T, Failure> {
        let (Some((command, rest)), peer) = (args.split_first(), &self.peer) else {
            return Err(Failure::new(ErrorKind::Internal, &self.peer.name, "An empty command was to be sent."));
        };
        let mut cmd = redis::cmd(command);
        for arg in rest {
            cmd.arg(arg);
        }
        cmd.query_async(&mut self.connection).await.map_err(|e| failure(peer, command, &e))
    }

    /// Runs commands as one transaction; false when a key that is watched has changed.
    pub(crate) async fn transaction(&mut self, commands: &[Vec<&str>]) -> Result<bool, Failure> {
        let mut pipe = redis::pipe();
        pipe.atomic();
        for command in commands {
            if let Some((name, args)) = command.split_first() {
                pipe.cmd(name);
                for arg in args {
                    pipe.arg(arg);
                }
                pipe.ignore();
            }
        }
        let peer = &self.peer;
        let done: Option<()> = pipe.query_async(&mut self.connection).await.map_err(|e| failure(peer, "EXEC", &e))?;
        Ok(done.is_some())
    }

    /// The same, for a transaction that may take very long. A server that hangs is still found out by the questions
    /// before it.
    pub(crate) async fn long_transaction(&mut self, commands: &[Vec<&str>]) -> Result<bool, Failure> {
        self.connection.set_response_timeout(PATIENT_TIMEOUT);
        let done = self.transaction(commands).await;
        self.connection.set_response_timeout(RESPONSE_TIMEOUT);
        done
    }

    /// The answers to a command of one key, for each of the keys.
    pub(crate) async fn each<T: FromRedisValue>(&mut self, command: &str, keys: &[Vec<u8>]) -> Result<Vec<T>, Failure> {
        // A page of SCAN may be empty, and a pipeline may not.
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for key in keys {
            pipe.cmd(command).arg(key);
        }
        let peer = &self.peer;
        pipe.query_async(&mut self.connection).await.map_err(|e| failure(peer, command, &e))
    }

    /// Sends commands at once and gives their replies in order; a refusal is a reply like any other.
    pub(crate) async fn replies(&mut self, pipe: &redis::Pipeline) -> Result<Vec<redis::Value>, Failure> {
        if pipe.is_empty() {
            return Ok(Vec::new());
        }
        let sent = self.connection.send_packed_commands(pipe, 0, pipe.len()).await;
        sent.map_err(|e| failure(&self.peer, "several commands", &e))
    }

    /// The failure that a refusal among [`Self::replies`] stands for.
    pub(crate) fn refusal(&self, command: &str, error: &redis::ServerError) -> Failure {
        let line = format!("{} {}", error.code(), error.details().unwrap_or_default());
        refused(&self.peer.name, self.peer.password.as_ref(), command, &line).of_destination()
    }

    /// Sets expiries: keys and Unix times in ms.
    pub(crate) async fn expire_at(&mut self, times: &[(&[u8], i64)]) -> Result<(), Failure> {
        if times.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for (key, at) in times {
            pipe.cmd("PEXPIREAT").arg(*key).arg(*at).ignore();
        }
        let peer = &self.peer;
        pipe.query_async(&mut self.connection).await.map_err(|e| failure(peer, "PEXPIREAT", &e))
    }

    /// INFO, all default sections or one.
    pub(crate) async fn info(&mut self, section: Option<&str>) -> Result<Info, Failure> {
        let text: String = match section {
            Some(section) => self.query(&["INFO", section]).await?,
            None => self.query(&["INFO"]).await?,
        };
        Ok(Info::parse(&text))
    }

    /// A setting of the server; `None` when it does not say (CONFIG is often forbidden).
    pub(crate) async fn config(&mut self, setting: &str) -> Option<String> {
        let pairs: HashMap<String, String> = self.query(&["CONFIG", "GET", setting]).await.ok()?;
        pairs.get(setting).cloned()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The arguments of AUTH, when the endpoint has credentials.
pub(crate) fn auth_args(endpoint: &Endpoint) -> Option<Vec<&str>> {
    let password = endpoint.password.as_ref()?.expose();
    Some(match endpoint.username.as_deref() {
        Some(user) => vec!["AUTH", user, password],
        None => vec!["AUTH", password],
    })
}

/// Has the server say something. In TLS 1.3 it refuses a client's certificate only after the handshake, and of that the library
/// would tell no more than that the connection was closed.
async fn first_word(reader: &mut dial::Reader, writer: &mut dial::Writer, name: &str) -> Result<(), Failure> {
    const LONGEST: usize = 4096;
    let mut answer = Vec::new();
    let talk = async {
        writer.write_all(b"*1\r\n$4\r\nPING\r\n").await?;
        while !answer.ends_with(b"\n") && answer.len() < LONGEST {
            if reader.read_buf(&mut answer).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
        }
        Ok(())
    };
    match tokio::time::timeout(RESPONSE_TIMEOUT, talk).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(Failure::closed(name)),
        Ok(Err(error)) => Err(Failure::io(name, &error)),
        Err(_) => Err(Failure::new(ErrorKind::TimedOut, name, format!("{name} did not answer PING in time."))),
    }
}

fn failure(Peer { name, password }: &Peer, command: &str, error: &RedisError) -> Failure {
    match error.kind() {
        redis::ErrorKind::Parse => {
            Failure::new(ErrorKind::NotRedis, name, format!("{name} answered something that is not Redis' protocol."))
        }
        redis::ErrorKind::Io if error.is_timeout() => {
            Failure::new(ErrorKind::TimedOut, name, format!("{name} did not answer {command} in time."))
        }
        redis::ErrorKind::Io => Failure::closed(name),
        _ => match error.code() {
            Some(code) => {
                let line = format!("{code} {}", error.detail().unwrap_or_default());
                // Only a destination is written to on such a connection.
                refused(name, password.as_ref(), command, &line).of_destination()
            }
            None => {
                // Not even of an answer that is no error: it may repeat what was sent.
                let detail = if command == "AUTH" { "" } else { error.detail().unwrap_or_default() };
                let form = without_secret(detail, password.as_ref());
                let message = format!("{name} answered {command} in an unexpected form: {form}");
                Failure::new(ErrorKind::Protocol, name, message)
            }
        },
    }
}

/// The fields of an INFO answer.
#[derive(Debug, Default)]
pub(crate) struct Info(HashMap<String, String>);

impl Info {
    pub(crate) fn parse(text: &str) -> Self {
        let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(text.lines().filter_map(field).collect())
    }

    /// A field as text.
    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// What messages call the server.
    pub(crate) fn product(&self) -> Option<String> {
        let valkey = self.get("valkey_version").map(|version| format!("Valkey {version}"));
        valkey.or_else(|| Some(format!("Redis {}", self.get("redis_version")?)))
    }

    /// A field as a number.
    pub(crate) fn number(&self, field: &str) -> Option<u64> {
        self.get(field)?.parse().ok()
    }

    /// The keyspace section: database number and its keys, in order.
    pub(crate) fn keys_by_db(&self) -> Vec<(u32, u64)> {
        let mut dbs: Vec<_> = self
            .0
            .iter()
            .filter_map(|(name, value)| {
                let db = name.strip_prefix("db")?.parse().ok()?;
                let keys = value.split(',').next()?.strip_prefix("keys=")?.parse().ok()?;
                Some((db, keys))
            })
            .collect();
        dbs.sort_unstable();
        dbs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_gives_fields_and_the_keys_of_each_database() {
        let info = Info::parse(
            "# Server\r\nredis_version:7.0.15\r\n# Keyspace\r\ndb10:keys=2,expires=0\r\ndb0:keys=31,expires=1,avg_ttl=0\r\n",
        );
        assert_eq!(info.get("redis_version"), Some("7.0.15"));
        assert_eq!(info.keys_by_db(), [(0, 31), (10, 2)]);
    }
}
