//! The event log.

use rusqlite::{Row, params};

use super::{Store, StoreError, from_sql, to_sql};
use crate::dto::{EventView, Severity};

/// Events kept for one replica; older ones are dropped.
const KEPT: u32 = 10_000;

/// An event that has no ID yet.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The replica it belongs to.
    pub replica_id: String,
    /// The source it belongs to, with its name.
    pub source: Option<(String, String)>,
    /// Unix milliseconds.
    pub at: u64,
    /// How grave it is.
    pub severity: Severity,
    /// What happened.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
}

impl Store {
    /// Keeps an event and gives it its ID.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_event(&self, event: NewEvent) -> Result<EventView, StoreError> {
        let connection = self.connection();
        let NewEvent { replica_id, source, at, severity, message, hint } = event;
        let (source_id, source_name) = source.unzip();
        connection.execute(
            "INSERT INTO events (replica_id, source_id, source_name, at, severity, message, hint)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![replica_id, source_id, source_name, to_sql(at), severity_word(severity), message, hint],
        )?;
        let id = connection.last_insert_rowid();
        connection.execute(
            "DELETE FROM events WHERE replica_id = ?1 AND id <=
             (SELECT id FROM events WHERE replica_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            params![replica_id, KEPT],
        )?;
        Ok(EventView { id, replica_id, source_id, source_name, at, severity, message, hint })
    }

    /// The last `limit` events of a replica, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn events(&self, replica: &str, limit: u32) -> Result<Vec<EventView>, StoreError> {
        let sql = "SELECT id, replica_id, source_id, source_name, at, severity, message, hint FROM
                   (SELECT * FROM events WHERE replica_id = ?1 ORDER BY id DESC LIMIT ?2) ORDER BY id";
        self.read_events(sql, params![replica, limit])
    }

    /// The events of a replica from `from` on that deserve a mark on a chart, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn events_since(&self, replica: &str, from: u64) -> Result<Vec<EventView>, StoreError> {
        let sql = "SELECT id, replica_id, source_id, source_name, at, severity, message, hint FROM events
                   WHERE replica_id = ?1 AND at >= ?2 ORDER BY id";
        self.read_events(sql, params![replica, to_sql(from)])
    }

    fn read_events(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<EventView>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            events.push(read(row)?);
        }
        Ok(events)
    }
}

fn read(row: &Row<'_>) -> Result<EventView, StoreError> {
    let severity: String = row.get(5)?;
    Ok(EventView {
        id: row.get(0)?,
        replica_id: row.get(1)?,
        source_id: row.get(2)?,
        source_name: row.get(3)?,
        at: from_sql(row.get(4)?),
        severity: parse_severity(&severity)?,
        message: row.get(6)?,
        hint: row.get(7)?,
    })
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn parse_severity(word: &str) -> Result<Severity, StoreError> {
    match word {
        "info" => Ok(Severity::Info),
        "warning" => Ok(Severity::Warning),
        "error" => Ok(Severity::Error),
        other => Err(StoreError::Unknown { what: "severity", value: other.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64) -> NewEvent {
        NewEvent {
            replica_id: "r".into(),
            source: Some(("s".into(), "eu-west".into())),
            at,
            severity: Severity::Warning,
            message: format!("event {at}"),
            hint: Some("Look.".into()),
        }
    }

    #[test]
    fn the_last_events_come_back_oldest_first_with_rising_ids() {
        let store = Store::in_memory();
        let added: Vec<_> = (1..=5).map(|at| store.add_event(event(at)).unwrap()).collect();
        assert_eq!(store.events("r", 3).unwrap(), added[2..]);
        assert_eq!(store.events_since("r", 5).unwrap(), added[4..]);
        assert!(store.events("another", 3).unwrap().is_empty());
    }

    #[test]
    fn the_log_of_a_replica_is_bounded() {
        let store = Store::in_memory();
        store.connection().execute_batch("BEGIN").unwrap();
        for at in 0..u64::from(KEPT) + 10 {
            store.add_event(event(at)).unwrap();
        }
        let events = store.events("r", u32::MAX).unwrap();
        assert_eq!(events.len(), KEPT as usize);
        assert_eq!(events[0].at, 10);
    }
}
