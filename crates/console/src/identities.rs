//! Which server answers at an address: by the run ID that it gives itself, the same under all its names.

use std::collections::HashMap;

use crate::definition::StoredEndpoint;

/// What is known of it, by address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identities(HashMap<String, String>);

impl Identities {
    /// Learns who answers at an address. A server that does not say is not known.
    pub fn learn(&mut self, authority: String, run_id: String) {
        if run_id.is_empty() {
            self.0.remove(&authority);
        } else {
            self.0.insert(authority, run_id);
        }
    }

    /// Whether the server at an address is known.
    pub fn knows(&self, authority: &str) -> bool {
        self.0.contains_key(authority)
    }

    /// The server at an endpoint.
    pub fn of(&self, endpoint: &StoredEndpoint) -> Option<&str> {
        self.0.get(&endpoint.bare().authority()).map(String::as_str)
    }

    /// Whether two endpoints are one database, or overlap, under these names or others.
    pub fn same(&self, a: &StoredEndpoint, b: &StoredEndpoint) -> bool {
        let meet = a.db.is_none() || b.db.is_none() || a.db == b.db;
        let one_server = self.of(a).is_some_and(|id| self.of(b) == Some(id));
        (meet && one_server) || a.bare().same_database(&b.bare())
    }
}
