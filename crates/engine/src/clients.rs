//! The clients of a server as CLIENT LIST tells of them, and which of them are ours.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Failure;
use crate::control::Control;

/// One line of CLIENT LIST. What an older server does not tell is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub id: u64,
    pub addr: String,
    /// As CLIENT SETNAME gave it; empty without.
    pub name: String,
    pub user: Option<String>,
    pub flags: String,
    /// The database that it has selected.
    pub db: u32,
    /// Seconds since it connected, and since it last sent something.
    pub age: u64,
    pub idle: u64,
    /// Its last command, in lower case: `set`, `client|list`.
    pub command: String,
    /// Commands so far (Redis 8.0, Valkey 8.0 and later).
    pub commands: Option<u64>,
}

impl Client {
    /// Reads `id=3 addr=… cmd=set user=default …`; values hold no spaces, and unknown fields are passed over.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut client = Self::default();
        let mut known = false;
        for (field, value) in line.split_whitespace().filter_map(|word| word.split_once('=')) {
            match field {
                "id" => (client.id, known) = (value.parse().ok()?, true),
                "addr" => value.clone_into(&mut client.addr),
                "name" => value.clone_into(&mut client.name),
                "user" => client.user = Some(value.to_owned()),
                "flags" => value.clone_into(&mut client.flags),
                "db" => client.db = value.parse().unwrap_or(0),
                "age" => client.age = value.parse().unwrap_or(0),
                "idle" => client.idle = value.parse().unwrap_or(0),
                "cmd" => client.command = value.to_ascii_lowercase(),
                "tot-cmds" => client.commands = value.parse().ok(),
                _ => {}
            }
        }
        known.then_some(client)
    }

    /// Whether it is a replica of this server (S, O is MONITOR), or its primary (M): no client that logs in to write.
    pub(crate) fn is_replication(&self) -> bool {
        self.flags.contains(['S', 'O', 'M'])
    }
}

/// Our own ID on this connection and all clients.
pub(crate) async fn list(control: &mut Control) -> Result<(u64, Vec<Client>), Failure> {
    let me = control.query(&["CLIENT", "ID"]).await?;
    let text: String = control.query(&["CLIENT", "LIST"]).await?;
    Ok((me, text.lines().filter_map(Client::parse).collect()))
}

/// The connections to the destination that are Tributary's, by CLIENT ID. Whoever opens one that lasts adds it.
#[derive(Debug, Default)]
pub struct OwnClients(Mutex<HashSet<u64>>);

impl OwnClients {
    /// Adds a connection; it is ours until the guard goes.
    #[must_use]
    pub fn add(self: &Arc<Self>, id: u64) -> OwnClient {
        self.ids().insert(id);
        OwnClient { all: Arc::clone(self), id }
    }

    pub(crate) fn contains(&self, client: &Client) -> bool {
        self.ids().contains(&client.id)
    }

    // A set of numbers is whole after a panic elsewhere, too.
    fn ids(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is ours for as long as this lives.
#[derive(Debug)]
pub struct OwnClient {
    all: Arc<OwnClients>,
    id: u64,
}

impl Drop for OwnClient {
    fn drop(&mut self) {
        self.all.ids().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_every_version_are_read() {
        let old = "id=33 addr=127.0.0.1:41110 laddr=127.0.0.1:17100 fd=8 name= age=9 idle=2 flags=N db=3 sub=0 multi=-1 \
                   qbuf=26 omem=0 events=r cmd=SET user=default redir=-1";
        let client = Client::parse(old).unwrap();
        assert_eq!((client.id, client.db, client.age, client.idle), (33, 3, 9, 2));
        assert_eq!((client.addr.as_str(), client.user.as_deref()), ("127.0.0.1:41110", Some("default")));
        assert_eq!((client.command.as_str(), client.commands), ("set", None));
        let new = Client::parse("id=4 addr=[::1]:5 flags=S cmd=client|list tot-net-in=26 tot-cmds=17").unwrap();
        assert_eq!((new.commands, new.is_replication()), (Some(17), true));
        for bad in ["", "addr=1", "id=x addr=1", "nonsense"] {
            assert_eq!(Client::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_connection_is_ours_until_its_guard_goes() {
        let own = Arc::new(OwnClients::default());
        let client = Client { id: 7, ..Client::default() };
        let guard = own.add(7);
        assert!(own.contains(&client));
        drop(guard);
        assert!(!own.contains(&client));
    }
}
