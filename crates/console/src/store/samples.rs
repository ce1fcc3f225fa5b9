//! History: a sample a second for an hour, thinned to one a minute for a day. A thinned sample holds the *largest* lag
//! of its minute, so that a spike does not vanish, and the mean of the rates.

use rusqlite::params;

use super::{Store, StoreError, from_sql, to_sql};
use crate::dto::{Series, SeriesMark, SeriesRange, Severity};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What a sample is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// The replica as a whole.
    Replica,
    /// One source, by its ID.
    Source(&'a str),
}

impl Scope<'_> {
    fn column(&self) -> &str {
        match self {
            Self::Replica => "",
            Self::Source(id) => id,
        }
    }
}

/// The figures of one second. What was not known is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The replica.
    pub replica_id: String,
    /// The source; none for the replica as a whole.
    pub source_id: Option<String>,
    /// Lag in milliseconds.
    pub lag_ms: Option<f64>,
    /// Commands applied a second.
    pub writes_per_sec: Option<f64>,
    /// Bytes received a second, decompressed.
    pub bytes_per_sec: Option<f64>,
    /// The same on the wire.
    pub wire_bytes_per_sec: Option<f64>,
}

/// How a range is drawn: its length, the step of its points, and the step of the rows it is read from.
struct Plan {
    length: u64,
    step: u64,
    rows: u64,
}

impl Plan {
    fn of(range: SeriesRange) -> Self {
        match range {
            SeriesRange::FiveMinutes => Self { length: 5 * MINUTE, step: SECOND, rows: SECOND },
            SeriesRange::Hour => Self { length: HOUR, step: 10 * SECOND, rows: SECOND },
            SeriesRange::Day => Self { length: DAY, step: MINUTE, rows: MINUTE },
        }
    }
}

impl Store {
    /// Keeps the samples of the second that `at` is in, and once a minute thins what is old.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_samples(&self, at: u64, samples: &[Sample]) -> Result<(), StoreError> {
        let second = at / SECOND * SECOND;
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        {
            let mut statement = transaction.prepare_cached(
                "INSERT OR REPLACE INTO samples
                     (replica_id, source_id, step, at, lag_ms, writes_per_sec, bytes_per_sec, wire_bytes_per_sec)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for s in samples {
                let source = s.source_id.as_deref().unwrap_or_default();
                let (step, at) = (to_sql(SECOND), to_sql(second));
                let rates = (s.writes_per_sec, s.bytes_per_sec, s.wire_bytes_per_sec);
                statement.execute(params![s.replica_id, source, step, at, s.lag_ms, rates.0, rates.1, rates.2])?;
            }
        }
        if second.is_multiple_of(MINUTE) {
            thin(&transaction, second)?;
        }
        Ok(transaction.commit()?)
    }

    /// The history of a replica, or of one of its sources, up to `now`. A gap longer than a step is a point without
    /// figures, so that a chart breaks its line there.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn series(&self, replica: &str, scope: Scope<'_>, range: SeriesRange, now: u64) -> Result<Series, StoreError> {
        let Plan { length, step, rows } = Plan::of(range);
        let from = now.saturating_sub(length) / step * step;
        let mut series = Series { from, to: now, step_ms: step, ..empty() };
        self.fill(&mut series, replica, scope, rows)?;
        // The minutes not thinned yet come from the seconds.
        if rows != SECOND {
            let newest = series.times.last().map_or(from, |last| last + step);
            let mut rest = Series { from: newest, to: now, step_ms: step, ..empty() };
            self.fill(&mut rest, replica, scope, SECOND)?;
            let first_gap = series.times.last().zip(rest.times.first()).is_some_and(|(a, b)| b - a > step);
            if first_gap {
                push_gap(&mut series, newest);
            }
            series.times.append(&mut rest.times);
            series.lag_ms.append(&mut rest.lag_ms);
            series.writes_per_sec.append(&mut rest.writes_per_sec);
            series.bytes_per_sec.append(&mut rest.bytes_per_sec);
            series.wire_bytes_per_sec.append(&mut rest.wire_bytes_per_sec);
        }
        let marks = self.events_since(replica, from)?.into_iter();
        let marked = marks.filter(|event| match scope {
            Scope::Replica => true,
            Scope::Source(id) => event.source_id.as_deref().is_none_or(|source| source == id),
        });
        series.marks = marked.map(|e| SeriesMark { at: e.at, label: e.message, severity: e.severity }).collect();
        // A chart with a mark for every line of the log is unreadable: the grave ones stay.
        if series.marks.len() > 100 {
            series.marks.retain(|mark| mark.severity != Severity::Info);
        }
        Ok(series)
    }

    fn fill(&self, series: &mut Series, replica: &str, scope: Scope<'_>, rows: u64) -> Result<(), StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT at / ?4 * ?4 AS bucket, max(lag_ms), avg(writes_per_sec), avg(bytes_per_sec), avg(wire_bytes_per_sec)
             FROM samples
             WHERE replica_id = ?1 AND source_id = ?2 AND step = ?3 AND at BETWEEN ?5 AND ?6
             GROUP BY bucket ORDER BY bucket",
        )?;
        let (step, from, to) = (to_sql(series.step_ms), to_sql(series.from), to_sql(series.to));
        let mut found = statement.query(params![replica, scope.column(), to_sql(rows), step, from, to])?;
        while let Some(row) = found.next()? {
            let at = from_sql(row.get(0)?);
            // One missing second is a late tick; two are a gap.
            if let Some(&last) = series.times.last()
                && at > last + 2 * series.step_ms
            {
                push_gap(series, last + series.step_ms);
            }
            series.times.push(at);
            series.lag_ms.push(row.get(1)?);
            series.writes_per_sec.push(row.get(2)?);
            series.bytes_per_sec.push(row.get(3)?);
            series.wire_bytes_per_sec.push(row.get(4)?);
        }
        Ok(())
    }
}

fn empty() -> Series {
    Series {
        from: 0,
        to: 0,
        step_ms: 0,
        times: Vec::new(),
        lag_ms: Vec::new(),
        writes_per_sec: Vec::new(),
        bytes_per_sec: Vec::new(),
        wire_bytes_per_sec: Vec::new(),
        marks: Vec::new(),
    }
}

fn push_gap(series: &mut Series, at: u64) {
    series.times.push(at);
    series.lag_ms.push(None);
    series.writes_per_sec.push(None);
    series.bytes_per_sec.push(None);
    series.wire_bytes_per_sec.push(None);
}

/// Sums up every whole minute that has only seconds so far, and drops what is past its age.
fn thin(connection: &rusqlite::Connection, now: u64) -> Result<(), StoreError> {
    let minute = now / MINUTE * MINUTE;
    connection.execute(
        "INSERT OR REPLACE INTO samples
             (replica_id, source_id, step, at, lag_ms, writes_per_sec, bytes_per_sec, wire_bytes_per_sec)
         SELECT replica_id, source_id, ?1, at / ?1 * ?1 AS bucket, max(lag_ms), avg(writes_per_sec), avg(bytes_per_sec),
                avg(wire_bytes_per_sec)
         FROM samples WHERE step = ?2 AND at >= ?3 AND at < ?4 GROUP BY replica_id, source_id, bucket",
        params![to_sql(MINUTE), to_sql(SECOND), to_sql(minute.saturating_sub(HOUR)), to_sql(minute)],
    )?;
    connection.execute(
        "DELETE FROM samples WHERE (step = ?1 AND at < ?2) OR (step = ?3 AND at < ?4)",
        params![
            to_sql(SECOND),
            to_sql(now.saturating_sub(HOUR + MINUTE)),
            to_sql(MINUTE),
            to_sql(now.saturating_sub(DAY))
        ],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_040_000; // a whole minute

    fn sample(lag: f64, source: Option<&str>) -> Sample {
        Sample {
            replica_id: "r".into(),
            source_id: source.map(str::to_owned),
            lag_ms: Some(lag),
            writes_per_sec: Some(10.0),
            bytes_per_sec: None,
            wire_bytes_per_sec: Some(lag * 2.0),
        }
    }

    #[test]
    fn a_minute_is_thinned_to_its_largest_lag_and_its_mean_rate() {
        let store = Store::in_memory();
        for second in 0..=120u64 {
            let lag = if second == 30 { 900.0 } else { 5.0 };
            store.add_samples(START + second * SECOND, &[sample(lag, None)]).unwrap();
        }
        let series = store.series("r", Scope::Replica, SeriesRange::Day, START + 120 * SECOND).unwrap();
        assert_eq!(series.times, [START, START + MINUTE, START + 2 * MINUTE]);
        assert_eq!(series.lag_ms, [Some(900.0), Some(5.0), Some(5.0)]);
        assert_eq!(series.writes_per_sec, [Some(10.0); 3]);
        assert_eq!(series.bytes_per_sec, [None; 3]);
        // 59 times 10 and once 1800, a minute.
        assert_eq!(series.wire_bytes_per_sec, [Some((59.0 * 10.0 + 1_800.0) / 60.0), Some(10.0), Some(10.0)]);
    }

    #[test]
    fn seconds_older_than_an_hour_are_dropped_and_their_minutes_kept() {
        let store = Store::in_memory();
        store.add_samples(START, &[sample(1.0, None)]).unwrap();
        store.add_samples(START + MINUTE, &[sample(1.0, None)]).unwrap();
        let later = START + 2 * HOUR;
        store.add_samples(later, &[sample(2.0, None)]).unwrap();
        let rows: u32 = store
            .connection()
            .query_row("SELECT count(*) FROM samples WHERE step = 1000", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 1);
        let day = store.series("r", Scope::Replica, SeriesRange::Day, later).unwrap();
        assert_eq!(day.lag_ms.first(), Some(&Some(1.0)));
        assert_eq!(day.lag_ms.last(), Some(&Some(2.0)));
    }

    #[test]
    fn a_time_without_samples_is_a_gap_and_not_a_line() {
        let store = Store::in_memory();
        for second in [0, 1, 10, 11] {
            store.add_samples(START + second * SECOND, &[sample(3.0, None)]).unwrap();
        }
        let series = store.series("r", Scope::Replica, SeriesRange::FiveMinutes, START + 12 * SECOND).unwrap();
        assert_eq!(series.lag_ms, [Some(3.0), Some(3.0), None, Some(3.0), Some(3.0)]);
    }

    #[test]
    fn a_source_has_its_own_history() {
        let store = Store::in_memory();
        store.add_samples(START, &[sample(1.0, None), sample(7.0, Some("s"))]).unwrap();
        let range = SeriesRange::FiveMinutes;
        assert_eq!(store.series("r", Scope::Source("s"), range, START).unwrap().lag_ms, [Some(7.0)]);
        assert_eq!(store.series("r", Scope::Replica, range, START).unwrap().lag_ms, [Some(1.0)]);
    }
}
