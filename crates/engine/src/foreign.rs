//! Notices writes of others at the destination, by looking at its clients.
//!
//! CLIENT LIST tells only each client's last command, so this counts *looks* at which a client had just written. A client
//! that connects, writes and leaves between two looks, or reads right after it wrote, is not seen: the count is a sign
//! that others write, not how much.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clients::{self, Client, OwnClients};
use crate::control::Control;
use crate::{Endpoint, Failure};

/// How often the clients are looked at.
const PERIOD: Duration = Duration::from_secs(2);
/// How long to wait after a failure; the links themselves report what is wrong with the destination.
const PAUSE: Duration = Duration::from_secs(10);
/// Commands that may hide writes: what a transaction or a script ran is not told.
const MAY_WRITE: [&str; 4] = ["exec", "eval", "evalsha", "fcall"];
/// Commands that reach every database, whichever the client has selected.
const REACH_ALL: [&str; 2] = ["flushall", "swapdb"];

/// Writes of others, since the watch began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignWrites {
    /// How often a client was seen that had just written.
    pub seen: u64,
    /// The last of them.
    pub last: Option<ForeignWrite>,
}

/// A client that wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignWrite {
    /// Where it came from.
    pub addr: String,
    /// The user it had logged in as; `None` before Redis 6.0.
    pub user: Option<String>,
    /// Its command, in upper case.
    pub command: String,
    /// Whether the command always writes; EXEC and scripts only may.
    pub certain: bool,
}

impl ForeignWrite {
    /// A sentence for the event log, said at the first one.
    #[must_use]
    pub fn sentence(&self) -> String {
        let user = self.user.as_ref().map_or_else(String::new, |user| format!(" (user {user})"));
        let did =
            if self.certain { "wrote to the destination with" } else { "may have written to the destination with" };
        format!("Another client, {}{user}, {did} {}: the data is no longer only the sources'.", self.addr, self.command)
    }
}

/// Looks every two seconds until nobody listens any more; a destination that does not answer, or does not let its clients
/// be listed, is asked again later. Runs beside the links of a replica, one for each destination.
pub async fn watch_foreign(destination: Endpoint, own: Arc<OwnClients>, tell: watch::Sender<ForeignWrites>) {
    let mut observer = Observer::new(destination.db);
    while !tell.is_closed() {
        let watching = observe(&destination, &own, &tell, &mut observer);
        tokio::select! {
            result = watching => if let Err(failure) = result {
                tracing::debug!(destination = %destination.address(), %failure, "foreign writes");
            },
            () = tell.closed() => return,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn observe(
    destination: &Endpoint,
    own: &Arc<OwnClients>,
    tell: &watch::Sender<ForeignWrites>,
    observer: &mut Observer,
) -> Result<(), Failure> {
    let mut control = Control::open(destination).await?;
    control.belongs_to(own).await;
    observer.writes = writes(&mut control).await?;
    // A server that restarted counts its clients anew.
    observer.seen.clear();
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (me, list) = clients::list(&mut control).await?;
        let others: Vec<Client> = list.into_iter().filter(|c| c.id != me && !own.contains(c)).collect();
        let found = observer.look(&others);
        if let Some(last) = found.last() {
            tell.send_modify(|writes| {
                writes.seen += found.len() as u64;
                writes.last = Some(last.clone());
            });
        }
    }
}

/// Names of the commands that write, as CLIENT LIST gives them.
async fn writes(control: &mut Control) -> Result<HashSet<String>, Failure> {
    if let Ok(names) = control.query::<HashSet<String>>(&["ACL", "CAT", "write"]).await {
        return Ok(names);
    }
    // Before 6.0, or where ACL CAT is forbidden: the flags of every command.
    let commands: Vec<redis::Value> = control.query(&["COMMAND"]).await?;
    let name_if_writes = |command: &redis::Value| {
        let redis::Value::Array(parts) = command else { return None };
        let flags = parts.get(2).map(redis::from_redis_value_ref::<Vec<String>>);
        let flags = flags.and_then(Result::ok)?;
        let name = redis::from_redis_value_ref::<String>(parts.first()?).ok()?;
        flags.iter().any(|flag| flag == "write").then(|| name.to_ascii_lowercase())
    };
    Ok(commands.iter().filter_map(name_if_writes).collect())
}

/// What was seen of each client.
struct Observer {
    /// The one database that matters; `None` is all.
    db: Option<u32>,
    writes: HashSet<String>,
    seen: HashMap<u64, Moment>,
}

/// What moves when a client sends a command: its count, where the server tells it, and the second it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    commands: Option<u64>,
    /// Seconds from its connection to its last command.
    at: u64,
}

impl Observer {
    fn new(db: Option<u32>) -> Self {
        Self { db, writes: HashSet::new(), seen: HashMap::new() }
    }

    /// The writes since the last look, of clients that are not ours.
    fn look(&mut self, clients: &[Client]) -> Vec<ForeignWrite> {
        let mut found = Vec::new();
        let mut now = HashMap::with_capacity(clients.len());
        for client in clients {
            let moment = Moment { commands: client.commands, at: client.age.saturating_sub(client.idle) };
            now.insert(client.id, moment);
            if self.moved(client, moment) && self.matters(client) {
                found.extend(self.write(client));
            }
        }
        self.seen = now;
        found
    }

    /// A client that is new counts when it sent its last command within the period.
    fn moved(&self, client: &Client, moment: Moment) -> bool {
        match self.seen.get(&client.id) {
            None => client.idle <= PERIOD.as_secs(),
            Some(before) if moment.commands.is_some() => moment.commands != before.commands,
            // Both times are whole seconds, so their difference can move by one without a command.
            Some(before) => moment.at > before.at + 1 || client.idle < PERIOD.as_secs(),
        }
    }

    fn matters(&self, client: &Client) -> bool {
        self.db.is_none_or(|db| db == client.db) || REACH_ALL.contains(&client.command.as_str())
    }

    fn write(&self, client: &Client) -> Option<ForeignWrite> {
        let command = client.command.as_str();
        // 6.x gives a container without its subcommand; ACL CAT names both forms.
        let certain = self.writes.contains(command);
        (certain || MAY_WRITE.contains(&command)).then(|| ForeignWrite {
            addr: client.addr.clone(),
            user: client.user.clone(),
            command: command.replace('|', " ").to_ascii_uppercase(),
            certain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: u64, command: &str, age: u64, idle: u64, commands: Option<u64>) -> Client {
        let (addr, user) = (format!("10.0.0.{id}:5"), Some("app".to_owned()));
        Client { id, addr, user, command: command.into(), age, idle, commands, ..Client::default() }
    }

    fn observer(db: Option<u32>) -> Observer {
        let writes = ["set", "flushall", "xgroup|create"].map(str::to_owned).into();
        Observer { writes, ..Observer::new(db) }
    }

    #[test]
    fn a_client_counts_once_for_each_look_at_which_it_had_just_written() {
        let mut observer = observer(None);
        let at = |commands| [client(1, "set", 100, 50, Some(commands))];
        assert_eq!(observer.look(&at(7)), []);
        assert_eq!(observer.look(&at(7)), []);
        let found = observer.look(&at(8));
        assert_eq!((found.len(), found[0].command.as_str(), found[0].certain), (1, "SET", true));
        assert_eq!(observer.look(&at(8)), []);
    }

    #[test]
    fn without_a_count_the_time_of_the_last_command_tells() {
        let mut observer = observer(None);
        assert_eq!(observer.look(&[client(1, "set", 100, 50, None)]).len(), 0);
        assert_eq!(observer.look(&[client(1, "set", 102, 52, None)]).len(), 0);
        assert_eq!(observer.look(&[client(1, "set", 104, 0, None)]).len(), 1);
        assert_eq!(observer.look(&[client(1, "set", 106, 2, None)]).len(), 0);
        assert_eq!(observer.look(&[client(2, "set", 1, 0, None)]).len(), 1, "a new client");
    }

    #[test]
    fn readers_other_databases_and_what_only_may_write_are_told_apart() {
        let mut observer = observer(Some(3));
        let in_db = |mut client: Client, db| {
            client.db = db;
            client
        };
        let clients = [
            in_db(client(1, "get", 1, 0, None), 3),
            in_db(client(2, "set", 1, 0, None), 0),
            in_db(client(3, "flushall", 1, 0, None), 0),
            in_db(client(4, "exec", 1, 0, None), 3),
            in_db(client(5, "xgroup|create", 1, 0, None), 3),
        ];
        let found: Vec<_> = observer.look(&clients).into_iter().map(|write| (write.command, write.certain)).collect();
        let want = [("FLUSHALL", true), ("EXEC", false), ("XGROUP CREATE", true)];
        assert_eq!(found, want.map(|(command, certain)| (command.to_owned(), certain)));
    }

    #[test]
    fn the_first_write_is_told_in_a_sentence() {
        let found = observer(None).look(&[client(1, "set", 1, 0, None)]);
        let want = "Another client, 10.0.0.1:5 (user app), wrote to the destination with SET: \
                    the data is no longer only the sources'.";
        assert_eq!(found[0].sentence(), want);
    }
}
