//! The dump files of `crates/rdb/fixtures`, and whether a server holds what the one that wrote them said it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine;
use redis::{Connection, FromRedisValue, Value};
use serde_json::Value as Json;

use crate::server::Server;

/// What servers before 7.0 could not tell exactly.
const ABOUT_MS: u64 = 2000;

/// A dump file and what is in it.
#[derive(Debug)]
pub struct Fixture {
    /// The dump.
    pub path: PathBuf,
    name: String,
    json: Json,
}

impl Fixture {
    /// One by its name, such as `redis-7.0.15`.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/rdb/fixtures").join(format!("{name}.rdb"));
        let text = std::fs::read(path.with_extension("json")).expect("what the server said");
        Self { path, name: name.to_owned(), json: serde_json::from_slice(&text).expect("JSON") }
    }

    /// Whether it holds function libraries.
    ///
    /// # Panics
    /// When the fixture has another form.
    #[must_use]
    pub fn has_functions(&self) -> bool {
        !self.json["functions"].as_array().expect("names").is_empty()
    }

    /// Keys in all databases.
    ///
    /// # Panics
    /// When the fixture has another form.
    #[must_use]
    pub fn keys(&self) -> u64 {
        let all = self.json["dbs"].as_object().expect("databases").values();
        all.map(|items| items.as_array().expect("keys").len() as u64).sum()
    }

    /// The server holds every key by type, value and expiry, every group and function library, and nothing else.
    ///
    /// # Panics
    /// When it does not.
    pub fn is_held_by(&self, server: &Server) {
        self.is_held_but(server, |_| false);
    }

    /// The same for a server without modules, to which keys of modules were not copied.
    ///
    /// # Panics
    /// When it does not hold the others.
    pub fn is_held_but_for_modules_by(&self, server: &Server) {
        self.is_held_but(server, |item| item["value"].is_null());
    }

    fn is_held_but(&self, server: &Server, left_out: impl Fn(&Json) -> bool) {
        for db in 0..16 {
            let mut connection = server.connect_db(db);
            let none = Vec::new();
            let items = self.json["dbs"][db.to_string()].as_array().unwrap_or(&none);
            let items: Vec<&Json> = items.iter().filter(|item| !left_out(item)).collect();
            let keys: BTreeSet<Vec<u8>> = items.iter().map(|item| bytes(&item["key"])).collect();
            let held: BTreeSet<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).expect("KEYS");
            let missing: Vec<_> = keys.symmetric_difference(&held).map(|key| key.escape_ascii().to_string()).collect();
            assert_eq!(missing, [""; 0], "{} db {db}", self.name);
            let absolute = redis::cmd("PEXPIRETIME").arg("").query::<i64>(&mut connection).is_ok();
            items.iter().for_each(|item| self.check(&mut connection, db, item, absolute));
        }
        if server.has_functions() {
            let libraries: Vec<BTreeMap<String, Value>> = server.run(&["FUNCTION", "LIST"]);
            let mut names: Vec<String> = libraries.iter().map(|library| text(&library["library_name"])).collect();
            names.sort();
            assert_eq!(Json::from(names), self.json["functions"], "{}", self.name);
        }
    }

    /// `absolute` is a server that tells expiries in absolute times.
    fn check(&self, connection: &mut Connection, db: u32, item: &Json, absolute: bool) {
        let key = bytes(&item["key"]);
        let shown = format!("{} db {db} {}", self.name, key.escape_ascii());
        let at = if absolute { ask(connection, "PEXPIRETIME", &key, &[]) } else { reckoned(connection, &key) };
        match &item["pttl_at_ms"] {
            Json::Null => assert_eq!(at, -1, "{shown}"),
            Json::Number(want) if absolute => assert_eq!(Some(at), want.as_i64(), "{shown}"),
            Json::Number(want) => assert!(at.abs_diff(want.as_i64().expect("a time")) <= ABOUT_MS, "{shown}"),
            about => {
                let about = about.as_str().and_then(|text| text.strip_prefix("approx:")).expect("a time");
                assert!(at.abs_diff(about.parse().expect("a number")) <= ABOUT_MS, "{shown}");
            }
        }
        let kind: String = ask(connection, "TYPE", &key, &[]);
        assert_eq!(kind, item["type"].as_str().unwrap_or_default(), "{shown}");
        let want = &item["value"];
        match kind.as_str() {
            "string" => assert!(ask::<Vec<u8>>(connection, "GET", &key, &[]) == bytes(want), "{shown}"),
            "list" => assert!(ask::<Vec<Vec<u8>>>(connection, "LRANGE", &key, &["0", "-1"]) == list(want), "{shown}"),
            "set" => {
                let held: BTreeSet<Vec<u8>> = ask(connection, "SMEMBERS", &key, &[]);
                assert!(held == list(want).into_iter().collect(), "{shown}");
            }
            "hash" => {
                let held: BTreeMap<Vec<u8>, Vec<u8>> = ask(connection, "HGETALL", &key, &[]);
                assert!(held == pairs(want).collect(), "{shown}");
            }
            "zset" => {
                let held: Vec<(Vec<u8>, f64)> = ask(connection, "ZRANGE", &key, &["0", "-1", "WITHSCORES"]);
                let score = |text: Vec<u8>| String::from_utf8_lossy(&text).parse::<f64>().expect("a score");
                let want: Vec<_> = pairs(want).map(|(member, text)| (member, score(text))).collect();
                assert!(held == want, "{shown}");
            }
            "stream" => check_stream(connection, &key, want, &shown),
            _ => assert_eq!(want, &Json::Null, "{shown}"),
        }
    }
}

/// The expiry in Unix ms, by what is left of it; -1 for none.
fn reckoned(connection: &mut Connection, key: &[u8]) -> i64 {
    let left: i64 = ask(connection, "PTTL", key, &[]);
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query(connection).expect("TIME");
    if left < 0 { left } else { left + seconds * 1000 + micros / 1000 }
}

fn check_stream(connection: &mut Connection, key: &[u8], want: &Json, shown: &str) {
    type Entries = Vec<(String, Vec<Vec<u8>>)>;
    let held: Entries = ask(connection, "XRANGE", key, &["-", "+"]);
    let entries = want["entries"].as_array().expect("entries").iter();
    let entries: Entries =
        entries.map(|entry| (entry[0].as_str().expect("an ID").to_owned(), list(&entry[1]))).collect();
    assert!(held == entries, "{shown}");
    let held: Vec<BTreeMap<String, Value>> =
        redis::cmd("XINFO").arg("GROUPS").arg(key).query(connection).expect("XINFO");
    let groups = want["groups"].as_array().expect("groups");
    assert_eq!(held.len(), groups.len(), "{shown}");
    for (held, want) in held.iter().zip(groups) {
        for field in ["name", "last-delivered-id"] {
            assert_eq!(text(&held[field]).into_bytes(), bytes(&want[field]), "{shown} {field}");
        }
        for field in ["consumers", "pending"] {
            assert_eq!(u64::from_redis_value_ref(&held[field]).ok(), want[field].as_u64(), "{shown} {field}");
        }
    }
}

fn ask<T: FromRedisValue>(connection: &mut Connection, command: &str, key: &[u8], rest: &[&str]) -> T {
    redis::cmd(command).arg(key).arg(rest).query(connection).unwrap_or_else(|e| panic!("{command}: {e}"))
}

fn text(value: &Value) -> String {
    String::from_redis_value_ref(value).expect("a text")
}

fn bytes(json: &Json) -> Vec<u8> {
    match json {
        Json::String(text) => text.clone().into_bytes(),
        other => base64::engine::general_purpose::STANDARD.decode(other["b64"].as_str().expect("b64")).expect("base64"),
    }
}

fn list(json: &Json) -> Vec<Vec<u8>> {
    json.as_array().expect("a list").iter().map(bytes).collect()
}

fn pairs(json: &Json) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    json.as_array().expect("pairs").iter().map(|pair| (bytes(&pair[0]), bytes(&pair[1])))
}
