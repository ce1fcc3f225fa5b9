//! A server as a comparison sees it: one connection that comes back, and what the server knows.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use redis::{Pipeline, Value};

use super::ledger::Ledger;
use crate::control::{Control, Info};
use crate::dialect::{Dialect, databases};
use crate::expiry::Expiry;
use crate::failure::classify_reply;
use crate::meters::unix_ms;
use crate::{Action, Endpoint, ErrorKind, Failure};

/// How long a server may be away before a comparison gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first and the longest pause before another attempt.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// What a server knows and is.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Redis or Valkey.
    pub product: &'static str,
    /// What it understands. How expiries are carried to it is another matter: they are said to be exact.
    pub dialect: Dialect,
    /// Identity of the running process: cursors of a scan mean nothing to another.
    pub run_id: String,
    /// Its clock less ours, in ms.
    skew_ms: i64,
}

impl Facts {
    /// Of a server that was not asked yet: it knows nothing.
    fn unknown() -> Self {
        let dialect = Dialect::of(&Info::parse(""), 0, Expiry::Exact);
        Self { product: "Redis", dialect, run_id: String::new(), skew_ms: 0 }
    }

    /// PEXPIRETIME exists, and streams count what was added (7.0 and later).
    pub(super) fn is_7(&self) -> bool {
        self.dialect.version >= (7, 0)
    }

    /// SMISMEMBER exists.
    pub(super) fn smismember(&self) -> bool {
        self.dialect.version >= (6, 2)
    }

    /// The server's Unix time in ms.
    pub(super) fn now_ms(&self) -> i64 {
        unix_ms(SystemTime::now()).cast_signed() + self.skew_ms
    }
}

/// One server.
pub(super) struct Side {
    endpoint: Endpoint,
    control: Option<Control>,
    /// The database that is selected, where that is known.
    selected: Option<u32>,
    facts: Facts,
    /// How often it was connected to: what one connection knows, such as WATCH, another does not.
    connections: u64,
    ledger: Arc<Ledger>,
}

impl Side {
    pub(super) fn new(endpoint: Endpoint, ledger: Arc<Ledger>) -> Self {
        Self { endpoint, control: None, selected: None, facts: Facts::unknown(), connections: 0, ledger }
    }

    /// `host:port`.
    pub(super) fn name(&self) -> String {
        self.endpoint.authority()
    }

    /// What was found out when it was last connected to.
    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// How often it was connected to.
    pub(super) fn connections(&self) -> u64 {
        self.connections
    }

    /// Connects, should it not be.
    pub(super) async fn connected(&mut self) -> Result<(), Failure> {
        if self.control.is_some() {
            return Ok(());
        }
        let mut control = Control::open(&self.endpoint).await?;
        self.facts = facts(&mut control).await?;
        self.selected = None;
        self.connections += 1;
        self.control = Some(control);
        Ok(())
    }

    /// Connects, and tries again for as long as the server may come back.
    pub(super) async fn ready(&mut self) -> Result<(), Failure> {
        if self.control.is_none() {
            self.ask(self.selected.unwrap_or(0), &redis::pipe()).await?;
        }
        Ok(())
    }

    /// Sends commands to a database, and tries again for as long as the server may come back: they must only read.
    pub(super) async fn ask(&mut self, db: u32, pipe: &Pipeline) -> Result<Vec<Value>, Failure> {
        let (started, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            match self.ask_once(db, pipe).await {
                Ok(replies) => {
                    if started.elapsed() > PAUSES.0 {
                        self.ledger.goes_on();
                    }
                    return Ok(replies);
                }
                Err(failure) if failure.action() == Action::Retry && started.elapsed() < PATIENCE => {
                    self.ledger.held_up(&failure);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The same, once: what hangs on this very connection, such as WATCH.
    pub(super) async fn ask_once(&mut self, db: u32, pipe: &Pipeline) -> Result<Vec<Value>, Failure> {
        let asked = self.try_ask(db, pipe).await;
        if asked.as_ref().is_err_and(|failure| failure.action() == Action::Retry) {
            self.control = None;
        }
        asked
    }

    async fn try_ask(&mut self, db: u32, pipe: &Pipeline) -> Result<Vec<Value>, Failure> {
        self.connected().await?;
        let Some(control) = &mut self.control else { return Err(Failure::closed(&self.endpoint.authority())) };
        if self.selected != Some(db) {
            control.query::<String>(&["SELECT", &db.to_string()]).await?;
            self.selected = Some(db);
        }
        let replies = control.replies(pipe).await?;
        let commands = pipe.cmd_iter();
        for (reply, command) in replies.iter().zip(commands) {
            if let Value::ServerError(error) = reply
                && is_about_the_server(error)
            {
                let name = command.args_iter().next().map(|arg| match arg {
                    redis::Arg::Simple(name) => String::from_utf8_lossy(name).into_owned(),
                    _ => String::new(),
                });
                return Err(control.refusal(&name.unwrap_or_default(), error));
            }
        }
        Ok(replies)
    }

    /// One command, and its reply.
    pub(super) async fn ask_one(&mut self, db: u32, args: &[&str]) -> Result<Value, Failure> {
        let mut pipe = redis::pipe();
        if let Some((name, rest)) = args.split_first() {
            pipe.cmd(name).arg(rest);
        }
        Ok(self.ask(db, &pipe).await?.pop().unwrap_or_default())
    }
}

/// Whether a refusal is about the server or the user, and not about the key that was asked for.
fn is_about_the_server(error: &redis::ServerError) -> bool {
    let kind = classify_reply(&format!("{} {}", error.code(), error.details().unwrap_or_default()));
    kind.action() == Action::Retry || matches!(kind, ErrorKind::NoPermission | ErrorKind::WrongPassword)
}

async fn facts(control: &mut Control) -> Result<Facts, Failure> {
    let info = control.info(Some("server")).await?;
    let sent = SystemTime::now();
    let (seconds, micros): (i64, i64) = control.query(&["TIME"]).await?;
    let middle = unix_ms(sent + sent.elapsed().unwrap_or_default() / 2).cast_signed();
    let dialect = Dialect::of(&info, databases(control).await?, Expiry::Exact);
    Ok(Facts {
        product: if dialect.valkey.is_some() { "Valkey" } else { "Redis" },
        dialect,
        run_id: info.get("run_id").unwrap_or_default().to_owned(),
        skew_ms: seconds * 1000 + micros / 1000 - middle,
    })
}
