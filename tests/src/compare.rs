//! Whether two servers hold the same: every key of every database by type, value and absolute expiry, and the functions.
//!
//! Keys that start with `tributary:` are Tributary's own and are left out.

use std::collections::BTreeSet;

use redis::{Connection, Value};

use crate::server::Server;

const OWN: &[u8] = b"tributary:";
/// What Tributary adds to expiries at a destination that could expire keys before their source does: 100 years.
const GUARD_MS: i64 = 3_155_760_000_000;
const BATCH: usize = 200;
/// More differences than this are counted, not listed.
const LISTED: usize = 20;

/// The differences that were found.
#[derive(Debug, Default)]
pub struct Differences {
    list: Vec<String>,
    total: usize,
    /// The keys that were compared.
    pub keys: usize,
}

impl Differences {
    fn add(&mut self, text: String) {
        self.total += 1;
        if self.list.len() < LISTED {
            self.list.push(text);
        }
    }

    /// Nothing but equality will do, and there must have been keys to compare.
    ///
    /// # Panics
    /// When anything differs.
    pub fn none(&self) {
        assert!(self.keys > 0, "nothing was compared");
        let shown = self.list.join("\n  ");
        assert_eq!(self.total, 0, "{} of {} keys differ:\n  {shown}", self.total, self.keys);
    }
}

/// Compares two servers at rest. Absolute expiries may differ by `tolerance_ms`.
///
/// # Panics
/// When a server does not answer.
#[must_use]
pub fn servers(source: &Server, destination: &Server, tolerance_ms: i64) -> Differences {
    let mut differences = Differences::default();
    for db in 0..16 {
        databases((source, db), (destination, db), tolerance_ms, &mut differences);
    }
    differences
}

/// Compares one database with another.
///
/// # Panics
/// When a server does not answer.
#[must_use]
pub fn database(source: (&Server, u32), destination: (&Server, u32), tolerance_ms: i64) -> Differences {
    let mut differences = Differences::default();
    databases(source, destination, tolerance_ms, &mut differences);
    differences
}

fn databases(source: (&Server, u32), destination: (&Server, u32), tolerance_ms: i64, found: &mut Differences) {
    let db = source.1;
    let (mut left, mut right) = (source.0.connect_db(source.1), destination.0.connect_db(destination.1));
    let (here, there) = (keys(&mut left), keys(&mut right));
    here.difference(&there).for_each(|key| found.add(format!("db {db} {}: only at the source", text(key))));
    there.difference(&here).for_each(|key| found.add(format!("db {db} {}: only at the destination", text(key))));
    let both: Vec<&Vec<u8>> = here.intersection(&there).collect();
    found.keys += here.len();
    for batch in both.chunks(BATCH) {
        let like = source.0.version() == destination.0.version();
        let (ours, theirs) = (objects(&mut left, batch, like), objects(&mut right, batch, like));
        for ((key, a), b) in batch.iter().zip(ours).zip(theirs) {
            let apart = match (a.expiry_ms, b.expiry_ms) {
                // As it is, or held back.
                (Some(a), Some(b)) => [a, a + GUARD_MS].iter().all(|at| (at - b).abs() > tolerance_ms),
                (a, b) => a.is_some() != b.is_some(),
            };
            if apart {
                found.add(format!("db {db} {}: expiry {:?} and {:?}", text(key), a.expiry_ms, b.expiry_ms));
            }
            if a.kind != b.kind || a.content != b.content {
                let (a, b) = (format!("{} {:?}", a.kind, a.content), format!("{} {:?}", b.kind, b.content));
                found.add(format!("db {db} {}: {:.300} and {:.300}", text(key), a, b));
            }
        }
    }
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

fn keys(connection: &mut Connection) -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::new();
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        let (next, page): (u64, Vec<Vec<u8>>) =
            scan.arg(cursor).arg(&["COUNT", "5000"]).query(connection).expect("SCAN");
        keys.extend(page.into_iter().filter(|key| !key.starts_with(OWN)));
        cursor = next;
        if cursor == 0 {
            return keys;
        }
    }
}

#[derive(Debug)]
struct Object {
    kind: String,
    content: Vec<Value>,
    expiry_ms: Option<i64>,
}

/// `like` is a comparison of servers that tell the same of a stream.
fn objects(connection: &mut Connection, keys: &[&Vec<u8>], like: bool) -> Vec<Object> {
    let mut pipe = redis::pipe();
    keys.iter().for_each(|key| {
        pipe.cmd("TYPE").arg(*key);
    });
    let kinds: Vec<String> = pipe.query(connection).expect("TYPE");
    let expiries = expiries(connection, keys);
    let mut pipe = redis::pipe();
    keys.iter().zip(&kinds).for_each(|(key, kind)| read(&mut pipe, key, kind));
    let mut values: std::vec::IntoIter<Value> = pipe.query::<Vec<Value>>(connection).expect("the values").into_iter();
    let objects: Vec<Object> = kinds
        .into_iter()
        .zip(expiries)
        .map(|(kind, expiry_ms)| {
            let mut content: Vec<Value> = values.by_ref().take(replies(&kind)).collect();
            arrange(&kind, &mut content);
            if kind == "stream" && !like {
                leave_common(&mut content);
            }
            Object { kind, content, expiry_ms }
        })
        .collect();
    objects
        .into_iter()
        .zip(keys)
        .map(|(mut object, key)| {
            if object.kind == "stream" {
                pending(connection, key, &mut object.content);
            }
            object
        })
        .collect()
}

/// Absolute expiries in ms. Servers before 7.0 tell only what is left; the clock is read around it.
fn expiries(connection: &mut Connection, keys: &[&Vec<u8>]) -> Vec<Option<i64>> {
    let absolute = redis::cmd("PEXPIRETIME").arg("").query::<i64>(connection).is_ok();
    let mut pipe = redis::pipe();
    let before = clock(connection);
    keys.iter().for_each(|key| {
        pipe.cmd(if absolute { "PEXPIRETIME" } else { "PTTL" }).arg(*key);
    });
    let values: Vec<i64> = pipe.query(connection).expect("the expiries");
    let offset = if absolute { 0 } else { i64::midpoint(before, clock(connection)) };
    values.into_iter().map(|value| (value >= 0).then_some(value + offset)).collect()
}

fn clock(connection: &mut Connection) -> i64 {
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query(connection).expect("TIME");
    seconds * 1000 + micros / 1000
}

/// How many replies [`read`] asks for.
fn replies(kind: &str) -> usize {
    if kind == "stream" { 3 } else { 1 }
}

fn read(pipe: &mut redis::Pipeline, key: &[u8], kind: &str) {
    match kind {
        "string" => pipe.cmd("GET").arg(key),
        "list" => pipe.cmd("LRANGE").arg(key).arg(0).arg(-1),
        "set" => pipe.cmd("SMEMBERS").arg(key),
        "zset" => pipe.cmd("ZRANGE").arg(key).arg(&["0", "-1", "WITHSCORES"]),
        "hash" => pipe.cmd("HGETALL").arg(key),
        "stream" => {
            pipe.cmd("XRANGE").arg(key).arg(&["-", "+"]);
            pipe.cmd("XINFO").arg("STREAM").arg(key);
            pipe.cmd("XINFO").arg("GROUPS").arg(key)
        }
        other => panic!("a value of type {other} cannot be compared"),
    };
}

/// Puts what has no order in order, and leaves out how a server happens to store a stream.
fn arrange(kind: &str, content: &mut [Value]) {
    let order = |value: &Value| format!("{value:?}");
    for value in content.iter_mut() {
        match (kind, value) {
            ("set", Value::Array(members)) => members.sort_by_cached_key(order),
            // Servers write one double with different digits.
            ("zset", Value::Array(flat)) => flat.iter_mut().skip(1).step_by(2).for_each(|score| {
                let Value::BulkString(digits) = &*score else { return };
                let number: f64 = text(digits).parse().expect("a score");
                *score = Value::Double(number);
            }),
            ("hash", Value::Array(flat)) => {
                let mut pairs: Vec<Value> = flat.chunks(2).map(|pair| Value::Array(pair.to_vec())).collect();
                pairs.sort_by_cached_key(order);
                *flat = pairs;
            }
            ("stream", Value::Array(fields)) => {
                let stored = ["radix-tree-keys", "radix-tree-nodes"];
                let drop: Vec<usize> = (0..fields.len())
                    .filter(|&i| matches!(fields.get(i), Some(Value::BulkString(n)) if stored.contains(&&*text(n))))
                    .collect();
                drop.iter().rev().for_each(|&at| {
                    fields.drain(at..at + 2);
                });
            }
            _ => {}
        }
    }
}

/// Leaves what every server tells of a stream and its groups.
fn leave_common(content: &mut [Value]) {
    const STREAM: [&str; 5] = ["length", "last-generated-id", "groups", "first-entry", "last-entry"];
    const GROUP: [&str; 4] = ["name", "consumers", "pending", "last-delivered-id"];
    let retain = |fields: &mut Vec<Value>, wanted: &[&str]| {
        let kept = fields.chunks(2).filter(|pair| match pair.first() {
            Some(Value::BulkString(name)) => wanted.contains(&&*text(name)),
            _ => false,
        });
        *fields = kept.flatten().cloned().collect();
    };
    if let Some(Value::Array(fields)) = content.get_mut(1) {
        retain(fields, &STREAM);
    }
    if let Some(Value::Array(groups)) = content.get_mut(2) {
        for group in groups {
            if let Value::Array(fields) = group {
                retain(fields, &GROUP);
            }
        }
    }
}

/// Adds a stream's consumers and what each has pending: ID, consumer and delivery count.
fn pending(connection: &mut Connection, key: &[u8], content: &mut Vec<Value>) {
    let Some(Value::Array(groups)) = content.get(2).cloned() else { return };
    for group in groups {
        let Value::Array(fields) = group else { continue };
        let Some(Value::BulkString(name)) = fields.get(1) else { continue };
        let mut command = redis::cmd("XPENDING");
        command.arg(key).arg(name).arg(&["-", "+", "10000"]);
        let entries: Vec<(String, String, u64, u64)> = command.query(connection).expect("XPENDING");
        content.extend(
            entries.iter().map(|(id, consumer, _, count)| Value::SimpleString(format!("{id} {consumer} {count}"))),
        );
    }
}

/// The function libraries of a server, in order.
///
/// # Panics
/// When the server has no functions (before 7.0) or does not answer.
#[must_use]
pub fn functions(server: &Server) -> Vec<String> {
    let dump: Vec<Value> = server.run(&["FUNCTION", "LIST", "WITHCODE"]);
    let mut libraries: Vec<String> = dump.iter().map(|library| format!("{library:?}")).collect();
    libraries.sort();
    libraries
}
