//! The schema, one step a version. `user_version` says which steps a file has taken.

use rusqlite::Connection;

use super::StoreError;

const STEPS: &[&str] = &[
    "
    CREATE TABLE replicas (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        intent TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE endpoints (
        replica_id TEXT NOT NULL REFERENCES replicas(id) ON DELETE CASCADE,
        position INTEGER NOT NULL, -- 0 is the destination, 1.. are the sources
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        host TEXT NOT NULL,
        port INTEGER NOT NULL,
        tls INTEGER NOT NULL,
        username TEXT,
        db INTEGER,
        credential TEXT, -- the account in the keyring, never the secret
        credential_place TEXT,
        PRIMARY KEY (replica_id, position)
    ) STRICT;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        replica_id TEXT NOT NULL,
        source_id TEXT,
        source_name TEXT,
        at INTEGER NOT NULL,
        severity TEXT NOT NULL,
        message TEXT NOT NULL,
        hint TEXT
    ) STRICT;
    CREATE INDEX events_by_replica ON events (replica_id, id);
    CREATE TABLE samples (
        replica_id TEXT NOT NULL,
        source_id TEXT NOT NULL, -- '' is the replica as a whole
        step INTEGER NOT NULL,   -- milliseconds one row stands for
        at INTEGER NOT NULL,
        lag_ms REAL,
        writes_per_sec REAL,
        bytes_per_sec REAL,
        PRIMARY KEY (replica_id, source_id, step, at)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE settings (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
",
    "
    ALTER TABLE replicas ADD COLUMN options TEXT NOT NULL DEFAULT '{}'; -- JSON of dto::ReplicaOptions
    ALTER TABLE endpoints ADD COLUMN stopped INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE endpoints ADD COLUMN sentinel TEXT; -- name of the master that the Sentinels in host watch
",
    // The flag of TLS becomes its options: JSON of tls::StoredTls, null for an open link. It never holds a secret.
    r#"
    ALTER TABLE endpoints ADD COLUMN tls_options TEXT;
    UPDATE endpoints SET tls_options =
        '{"trust":{"kind":"system"},"server_name":null,"identity":null,"oldest":"1.2","insecure":false}' WHERE tls <> 0;
    ALTER TABLE endpoints DROP COLUMN tls;
    ALTER TABLE endpoints ADD COLUMN compression INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE samples ADD COLUMN wire_bytes_per_sec REAL;
"#,
];

/// Takes the steps the file has not taken yet, each in its own transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (step, version) in STEPS.iter().zip(1u32..).skip(found as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Refuses a file that has not taken exactly the steps that are known.
pub(super) fn expect_current(connection: &Connection) -> Result<(), StoreError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::TooNew { found, known }),
        std::cmp::Ordering::Less => {
            let message =
                format!("an earlier version of Tributary works with it (schema {found}, this one knows {known})");
            Err(StoreError::Unreadable(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Scope, Store};
    use super::*;
    use crate::definition::{Credential, Place};
    use crate::dto::SeriesRange;
    use crate::tls::StoredTls;

    #[test]
    fn a_file_of_a_later_version_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&mut connection).unwrap_err();
        assert!(error.to_string().contains("schema 99"), "{error}");
        let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 0);
    }

    #[test]
    fn a_file_from_before_tls_had_options_keeps_its_replicas() {
        let connection = Connection::open_in_memory().unwrap();
        for step in &STEPS[..2] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 2).unwrap();
        connection
            .execute_batch(
                "INSERT INTO replicas (id, name, intent, created_at) VALUES ('r', 'sessions', 'running', 7);
                 INSERT INTO endpoints (replica_id, position, id, name, host, port, tls, credential, credential_place)
                 VALUES ('r', 0, 'destination', '', 'd', 1, 0, 'r/destination', 'keyring'),
                        ('r', 1, 's', 'one', 'h', 2, 1, NULL, NULL);
                 INSERT INTO samples (replica_id, source_id, step, at, bytes_per_sec) VALUES ('r', '', 1000, 5000, 9.0);",
            )
            .unwrap();
        let store = Store::prepare(connection, None).unwrap();
        let [kept] = store.definitions().unwrap().try_into().unwrap();
        let credential = Credential { reference: "r/destination".into(), place: Place::Keyring };
        assert_eq!((&kept.destination.tls, kept.destination.credential), (&None, Some(credential)));
        assert_eq!(kept.sources[0].endpoint.tls, Some(StoredTls::default()));
        assert_eq!((kept.sources[0].endpoint.compression, kept.sources[0].name.as_str()), (false, "one"));
        let series = store.series("r", Scope::Replica, SeriesRange::FiveMinutes, 5_000).unwrap();
        assert_eq!((series.bytes_per_sec, series.wire_bytes_per_sec), (vec![Some(9.0)], vec![None]));
    }

    #[test]
    fn opening_an_up_to_date_file_again_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
    }
}
