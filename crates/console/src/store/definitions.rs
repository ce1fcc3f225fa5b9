//! Replicas and their endpoints.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, StoreError, from_sql, to_sql};
use crate::definition::{Credential, Definition, Place, StoredEndpoint, StoredSource};
use crate::dto::Intent;

const DESTINATION: i64 = 0;

impl Store {
    /// Every replica, in the order they were created.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn definitions(&self) -> Result<Vec<Definition>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT id FROM replicas ORDER BY created_at, id")?;
        let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        ids.iter().filter_map(|id| read(&connection, id).transpose()).collect()
    }

    /// Adds a replica, or puts it in the place of the one with its ID.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_definition(&self, definition: &Definition) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        transaction.execute(
            "INSERT INTO replicas (id, name, intent, created_at, options) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET name = ?2, intent = ?3, options = ?5",
            params![
                definition.id,
                definition.name,
                intent_word(definition.intent),
                to_sql(definition.created_at),
                serde_json::to_string(&definition.options)?,
            ],
        )?;
        transaction.execute("DELETE FROM endpoints WHERE replica_id = ?1", [&definition.id])?;
        insert_endpoint(
            &transaction,
            &definition.id,
            DESTINATION,
            ("destination", ""),
            &definition.destination,
            false,
        )?;
        for (source, position) in definition.sources.iter().zip(DESTINATION + 1..) {
            let names = (source.id.as_str(), source.name.as_str());
            insert_endpoint(&transaction, &definition.id, position, names, &source.endpoint, source.stopped)?;
        }
        Ok(transaction.commit()?)
    }

    /// Keeps what the user wants of a replica.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_intent(&self, id: &str, intent: Intent) -> Result<(), StoreError> {
        self.connection().execute("UPDATE replicas SET intent = ?2 WHERE id = ?1", params![id, intent_word(intent)])?;
        Ok(())
    }

    /// Keeps whether the user has stopped a source.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_stopped(&self, replica: &str, source: &str, stopped: bool) -> Result<(), StoreError> {
        let change = "UPDATE endpoints SET stopped = ?3 WHERE replica_id = ?1 AND id = ?2";
        self.connection().execute(change, params![replica, source, stopped])?;
        Ok(())
    }

    /// Forgets a replica with its events and samples.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn delete_replica(&self, id: &str) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        transaction.execute("DELETE FROM replicas WHERE id = ?1", [id])?;
        transaction.execute("DELETE FROM events WHERE replica_id = ?1", [id])?;
        transaction.execute("DELETE FROM samples WHERE replica_id = ?1", [id])?;
        Ok(transaction.commit()?)
    }
}

fn read(connection: &Connection, id: &str) -> Result<Option<Definition>, StoreError> {
    let head = connection
        .query_row("SELECT name, intent, created_at, options FROM replicas WHERE id = ?1", [id], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, String>(3)?))
        })
        .optional()?;
    let Some((name, intent, created_at, options)) = head else { return Ok(None) };
    let mut statement = connection.prepare(
        "SELECT id, name, host, port, tls_options, username, db, credential, credential_place, stopped, sentinel,
                compression
         FROM endpoints WHERE replica_id = ?1 ORDER BY position",
    )?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let destination = read_endpoint(row)?;
    let mut sources = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, name, stopped) = (row.get(0)?, row.get(1)?, row.get(9)?);
        sources.push(StoredSource { id, name, endpoint: read_endpoint(row)?, stopped });
    }
    let (intent, created_at) = (parse_intent(&intent)?, from_sql(created_at));
    let options = serde_json::from_str(&options)?;
    Ok(Some(Definition { id: id.to_owned(), name, intent, created_at, options, destination, sources }))
}

fn read_endpoint(row: &Row<'_>) -> Result<StoredEndpoint, StoreError> {
    let reference: Option<String> = row.get(7)?;
    let place: Option<String> = row.get(8)?;
    let credential = match (reference, place.as_deref()) {
        (Some(reference), Some("keyring")) => Some(Credential { reference, place: Place::Keyring }),
        (Some(reference), Some("memory")) => Some(Credential { reference, place: Place::Memory }),
        (None, None) => None,
        (_, place) => {
            return Err(StoreError::Unknown { what: "credential place", value: place.unwrap_or_default().to_owned() });
        }
    };
    let tls: Option<String> = row.get(4)?;
    Ok(StoredEndpoint {
        host: row.get(2)?,
        port: row.get(3)?,
        sentinel: row.get(10)?,
        tls: tls.as_deref().map(serde_json::from_str).transpose()?,
        compression: row.get(11)?,
        username: row.get(5)?,
        db: row.get(6)?,
        credential,
    })
}

fn insert_endpoint(
    connection: &Connection,
    replica: &str,
    position: i64,
    (id, name): (&str, &str),
    endpoint: &StoredEndpoint,
    stopped: bool,
) -> Result<(), StoreError> {
    let place = endpoint.credential.as_ref().map(|credential| match credential.place {
        Place::Keyring => "keyring",
        Place::Memory => "memory",
    });
    connection.execute(
        "INSERT INTO endpoints (replica_id, position, id, name, host, port, tls_options, username, db, credential,
                                credential_place, stopped, sentinel, compression)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            replica,
            position,
            id,
            name,
            endpoint.host,
            endpoint.port,
            endpoint.tls.as_ref().map(serde_json::to_string).transpose()?,
            endpoint.username,
            endpoint.db,
            endpoint.credential.as_ref().map(|credential| &credential.reference),
            place,
            stopped,
            endpoint.sentinel,
            endpoint.compression,
        ],
    )?;
    Ok(())
}

fn intent_word(intent: Intent) -> &'static str {
    match intent {
        Intent::Running => "running",
        Intent::Paused => "paused",
        Intent::Stopped => "stopped",
    }
}

fn parse_intent(word: &str) -> Result<Intent, StoreError> {
    match word {
        "running" => Ok(Intent::Running),
        "paused" => Ok(Intent::Paused),
        "stopped" => Ok(Intent::Stopped),
        other => Err(StoreError::Unknown { what: "intent", value: other.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dto::{ReplicaOptions, TlsOldest, TrustChoice};
    use crate::tls::{StoredIdentity, StoredTls};

    fn endpoint(port: u16, credential: Option<Credential>) -> StoredEndpoint {
        StoredEndpoint {
            host: "db".into(),
            port,
            sentinel: Some("m".into()),
            tls: (port > 1).then(tls),
            compression: port == 2,
            username: Some("u".into()),
            db: Some(3),
            credential,
        }
    }

    fn tls() -> StoredTls {
        StoredTls {
            trust: TrustChoice::Certificate { pem: "a\nb".into() },
            server_name: Some("db".into()),
            identity: Some(StoredIdentity {
                certificate: "/c".into(),
                key: "/k".into(),
                passphrase: Some(Credential { reference: "r/s/key".into(), place: Place::Keyring }),
            }),
            oldest: TlsOldest::Tls13,
            insecure: true,
        }
    }

    fn definition() -> Definition {
        let keyring = Credential { reference: "r/destination".into(), place: Place::Keyring };
        let memory = Credential { reference: "r/s1".into(), place: Place::Memory };
        let source =
            |id: &str, endpoint| StoredSource { id: id.into(), name: id.to_uppercase(), endpoint, stopped: id == "s2" };
        Definition {
            id: "r".into(),
            name: "sessions".into(),
            intent: Intent::Stopped,
            created_at: 1_700_000_000_000,
            options: ReplicaOptions { spool_quota_mb: 7, ask_before_resync: true, ..ReplicaOptions::default() },
            destination: endpoint(1, Some(keyring)),
            sources: vec![source("s1", endpoint(2, Some(memory))), source("s2", endpoint(3, None))],
        }
    }

    #[test]
    fn a_definition_comes_back_as_it_was_saved() {
        let store = Store::in_memory();
        store.save_definition(&definition()).unwrap();
        assert_eq!(store.definitions().unwrap(), [definition()]);
    }

    #[test]
    fn saving_again_replaces_the_sources_and_keeps_the_place() {
        let store = Store::in_memory();
        let mut changed = definition();
        store.save_definition(&changed).unwrap();
        changed.sources.remove(0);
        changed.name = "renamed".into();
        store.save_definition(&changed).unwrap();
        assert_eq!(store.definitions().unwrap(), [changed]);
    }

    #[test]
    fn an_intent_outlives_the_process_and_a_deleted_replica_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.save_definition(&definition()).unwrap();
        store.save_intent("r", Intent::Running).unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.definitions().unwrap()[0].intent, Intent::Running);
        store.delete_replica("r").unwrap();
        assert_eq!(store.definitions().unwrap(), []);
    }
}
