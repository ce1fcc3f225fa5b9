//! Values between servers of different versions: in another encoding, in parts, left out by choice, or refused by name.
//! About a minute.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tributary_tests::cli::Sync;
use tributary_tests::server::{Server, Version};
use tributary_tests::{compare, eventually, load};

/// Servers before 7.0 tell expiries as what is left of them.
const EXPIRY_TOLERANCE_MS: i64 = 100;

/// Every form of value that a version can be made to write, small and large.
fn fill(source: &Server) {
    load::bulk(source, 4_000);
    for (key, size) in [("small", 5), ("packed", 100), ("wide", 3_000)] {
        let many = |name: &str, args: &dyn Fn(usize) -> Vec<String>| {
            let mut command = vec![name.to_owned(), format!("{name}:{key}")];
            command.extend((0..size).flat_map(args));
            source.run::<u64>(&command.iter().map(String::as_str).collect::<Vec<_>>());
        };
        many("RPUSH", &|i| vec![format!("element {i} {}", "x".repeat(i % 300))]);
        many("SADD", &|i| vec![(i * 31).to_string()]);
        many("ZADD", &|i| vec![(i as f64 / 7.0).to_string(), format!("member {i}")]);
        many("HSET", &|i| vec![format!("field {i}"), "v".repeat(i % 90)]);
        let mixed: Vec<String> = (0..size).map(|i| format!("text {i}")).collect();
        let mut command = vec!["SADD", key];
        command.extend(mixed.iter().map(String::as_str));
        source.run::<u64>(&command);
    }
    source.run::<u64>(&["RPUSH", "a long element", &"y".repeat(20_000), "short"]);
    source.run::<u64>(&["ZADD", "limits", "-inf", "low", "+inf", "high", "1e-300", "tiny"]);
    source.run::<()>(&["SET", "compresses", &"abc".repeat(30_000)]);
    source.run::<u64>(&["PEXPIRE", "HSET:packed", "3600000"]);
    for id in 1..400 {
        source.run::<String>(&["XADD", "events", &format!("{id}-0"), "number", &id.to_string()]);
    }
    source.run::<()>(&["XGROUP", "CREATE", "events", "readers", "0"]);
    source.run::<redis::Value>(&["XREADGROUP", "GROUP", "readers", "alice", "COUNT", "50", "STREAMS", "events", ">"]);
    source.run::<u64>(&["XACK", "events", "readers", "3-0"]);
    source.run::<u64>(&["XDEL", "events", "7-0", "399-0"]);
    source.run::<u64>(&["XGROUP", "CREATECONSUMER", "events", "readers", "idle"]);
}

/// A full sync from the newest to an older server, and what it tells of it.
fn goes_over(from: Version, to: Version, extra: &[&str]) {
    let (source, destination) = (Server::start(from), Server::start(to));
    fill(&source);
    let mut sync = Sync::between(&source, &destination, extra);
    sync.until_in_step(&source);
    let differences = compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS);
    differences.none();
    assert!(sync.peak_mib() < 128, "{} MiB", sync.peak_mib());
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn values_of_redis_8_2_go_over_to_6_2_which_knows_few_of_their_encodings() {
    goes_over(Version::Redis82, Version::Redis62, &[]);
}

#[test]
fn values_of_redis_8_2_go_over_to_7_0() {
    goes_over(Version::Redis82, Version::Redis70, &[]);
}

#[test]
fn values_of_valkey_9_1_go_over_to_6_2() {
    goes_over(Version::Valkey91, Version::Redis62, &[]);
}

#[test]
fn values_of_6_2_go_over_to_valkey_9_1() {
    goes_over(Version::Redis62, Version::Valkey91, &[]);
}

/// Expiries of a hash's fields, by name: what is left of the list's time, in absolute ms.
fn field_expiries(server: &Server, key: &str, fields: &[&str]) -> Vec<i64> {
    let mut command = vec!["HPEXPIRETIME".to_owned(), key.to_owned(), "FIELDS".to_owned(), fields.len().to_string()];
    command.extend(fields.iter().map(|&field| field.to_owned()));
    server.run(&command.iter().map(String::as_str).collect::<Vec<_>>())
}

fn with_expiring_fields(server: &Server) {
    for (key, size) in [("few", 6), ("many", 2_000)] {
        let mut command = vec!["HSET".to_owned(), key.to_owned()];
        command.extend((0..size).flat_map(|i| [format!("f{i}"), format!("v{i}")]));
        server.run::<u64>(&command.iter().map(String::as_str).collect::<Vec<_>>());
        server.run::<Vec<i64>>(&["HPEXPIRE", key, "7200000", "FIELDS", "2", "f1", "f3"]);
        server.run::<Vec<i64>>(&["HPEXPIRE", key, "3600000", "FIELDS", "1", "f4"]);
    }
}

#[test]
fn fields_that_expire_go_from_redis_to_valkey_and_back_with_their_times() {
    for (from, to) in [(Version::Redis82, Version::Valkey91), (Version::Valkey91, Version::Redis82)] {
        let (source, destination) = (Server::start(from), Server::start(to));
        with_expiring_fields(&source);
        let mut sync = Sync::between(&source, &destination, &[]);
        sync.until_in_step(&source);
        compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
        for key in ["few", "many"] {
            let fields = ["f0", "f1", "f2", "f3", "f4"];
            let there = field_expiries(&destination, key, &fields);
            assert_eq!(there, field_expiries(&source, key, &fields), "{from:?} to {to:?}: {key}");
            assert!(there[0] == -1 && there[1] > 0, "{there:?}");
        }
        assert_eq!(sync.interrupt().code, Some(0));
    }
}

#[test]
fn fields_that_expire_stop_the_sync_where_the_destination_does_not_know_them_or_lose_their_time_by_choice() {
    let (source, destination) = (Server::start(Version::Redis82), Server::start(Version::Redis70));
    with_expiring_fields(&source);
    let stopped = Sync::between(&source, &destination, &[]).ended();
    let error = stopped.stopped_with("field_expiry_unknown");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("“few”") || message.contains("“many”"), "{message}");
    assert!(error["hint"].as_str().unwrap().contains("--drop-field-expiry"), "{error}");

    let mut sync = Sync::between(&source, &destination, &["--drop-field-expiry"]);
    let report = sync.until_in_step(&source);
    assert_eq!(report["omitted"], 2, "{report}");
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    let events = sync.events();
    let listed = events.iter().find(|event| event.contains("without their expiry")).expect("it is told");
    assert!(listed.contains("“few”") && listed.contains("“many”"), "{listed}");
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn keys_of_a_module_pass_where_it_is_and_stop_the_sync_or_are_left_out_where_it_is_not() {
    let source = Server::start(Version::Redis82);
    source.run::<u64>(&["VADD", "vectors", "VALUES", "3", "1", "2", "3", "one"]);
    source.run::<u64>(&["VADD", "more vectors", "VALUES", "3", "3", "2", "1", "two"]);
    source.run::<()>(&["SET", "plain", "1"]);

    let same = Server::start(Version::Redis82);
    let mut sync = Sync::between(&source, &same, &[]);
    sync.until_in_step(&source);
    assert_eq!(same.run::<u64>(&["VCARD", "vectors"]), 1);
    assert_eq!(same.run::<u64>(&["VCARD", "more vectors"]), 1);
    assert_eq!(sync.interrupt().code, Some(0));

    let without = Server::start(Version::Redis70);
    let stopped = Sync::between(&source, &without, &[]).ended();
    let error = stopped.stopped_with("module_missing");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("vectors”") && message.contains("vectorset"), "{message}");

    let mut sync = Sync::between(&source, &without, &["--skip-module-keys"]);
    let report = sync.until_in_step(&source);
    assert_eq!(report["omitted"], 2, "{report}");
    assert_eq!(without.run::<String>(&["GET", "plain"]), "1");
    assert_eq!(without.run::<u64>(&["EXISTS", "vectors", "more vectors"]), 0);
    let events = sync.events();
    let listed = events.iter().find(|event| event.contains("vectorset")).expect("they are listed");
    assert!(listed.contains("“vectors”") && listed.contains("“more vectors”"), "{listed}");
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn function_libraries_stop_the_sync_where_they_are_not_known_or_are_left_out_by_choice() {
    let (source, destination) = (Server::start(Version::Redis82), Server::start(Version::Redis62));
    let code = "#!lua name=mine\nredis.register_function('f', function() return 1 end)";
    source.run::<String>(&["FUNCTION", "LOAD", code]);
    source.run::<()>(&["SET", "key", "value"]);
    let error = Sync::between(&source, &destination, &[]).ended().stopped_with("functions_unknown");
    assert!(error["hint"].as_str().unwrap().contains("--skip-functions"), "{error}");
    let mut sync = Sync::between(&source, &destination, &["--skip-functions"]);
    sync.until_in_step(&source);
    assert_eq!(destination.run::<String>(&["GET", "key"]), "value");
    assert!(sync.events().iter().any(|event| event.contains("“mine”")), "{:#?}", sync.events());
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_string_above_the_destinations_limit_is_named_before_it_is_tried() {
    let source = Server::start(Version::Redis70);
    let destination = Server::with(Version::Redis70, &["proto-max-bulk-len 1mb"]);
    load::big_string(&source, "large", 3);
    let error = Sync::between(&source, &destination, &[]).ended().stopped_with("server_limit");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("“large”") && message.contains("proto-max-bulk-len"), "{message}");
    assert_eq!(destination.run::<u64>(&["EXISTS", "large"]), 0);
}

#[test]
fn a_value_above_the_destinations_limit_for_one_command_goes_over_in_parts() {
    let source = Server::start(Version::Redis70);
    let destination = Server::with(Version::Redis70, &["proto-max-bulk-len 1mb"]);
    load::big_list(&source, "list", 4);
    load::big_hash(&source, "hash", 100_000);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn elements_of_any_length_go_over_within_the_memory_bound() {
    let source = Server::with(Version::Redis70, &["rdbcompression no"]);
    let destination = Server::start(Version::Redis82);
    for (command, mib) in [
        (&["RPUSH", "list"][..], 80),
        (&["SADD", "set"][..], 60),
        (&["HSET", "hash", "long field"][..], 90),
        (&["RPUSH", "list"][..], 20),
    ] {
        let mut connection = source.connect();
        let noise = load::noise(mib, (mib as usize) << 20);
        redis::cmd(command[0]).arg(&command[1..]).arg(noise).query::<u64>(&mut connection).unwrap();
    }
    source.run::<u64>(&["HSET", "hash", "short", "1"]);
    source.run::<u64>(&["RPUSH", "list", "last"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert!(sync.peak_mib() < 128, "{} MiB", sync.peak_mib());
    assert_eq!(sync.interrupt().code, Some(0));

    let strict = Server::with(Version::Redis70, &["proto-max-bulk-len 50mb"]);
    let error = Sync::between(&source, &strict, &[]).ended().stopped_with("server_limit");
    assert!(error["message"].as_str().unwrap().contains("proto-max-bulk-len"), "{error}");
}

/// A source as before Redis 2.8: it knows SYNC and no PSYNC, counts no offsets, and takes an acknowledgement for an error.
struct Ancient {
    port: u16,
    snapshots: Arc<AtomicU64>,
    stream: std::sync::mpsc::Sender<Vec<u8>>,
}

impl Ancient {
    fn with(dump: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let snapshots = Arc::new(AtomicU64::new(0));
        let (stream, commands) = std::sync::mpsc::channel::<Vec<u8>>();
        let (counted, commands) = (snapshots.clone(), Arc::new(std::sync::Mutex::new(commands)));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (dump, counted, commands) = (dump.clone(), counted.clone(), commands.clone());
                std::thread::spawn(move || serve(connection.unwrap(), &dump, &counted, &commands));
            }
        });
        Self { port, snapshots, stream }
    }

    fn streams(&self, command: &str) {
        let words: Vec<&str> = command.split(' ').collect();
        let mut text = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| text.push_str(&format!("${}\r\n{word}\r\n", word.len())));
        self.stream.send(text.into_bytes()).unwrap();
    }
}

fn serve(
    connection: TcpStream,
    dump: &[u8],
    snapshots: &AtomicU64,
    commands: &std::sync::Mutex<std::sync::mpsc::Receiver<Vec<u8>>>,
) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut writer = connection;
    while let Some(command) = command(&mut reader) {
        let answer = match command.first().map(|name| name.to_ascii_uppercase()).as_deref() {
            Some("PING") => "+PONG\r\n".to_owned(),
            Some("INFO") => {
                let text = "redis_version:2.6.17\r\nrun_id:0123456789012345678901234567890123456789\r\nrole:master\r\n";
                format!("${}\r\n{text}\r\n", text.len())
            }
            Some("TIME") => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
                format!("*2\r\n$10\r\n{now}\r\n$1\r\n0\r\n")
            }
            Some("REPLCONF") if command.get(1).is_some_and(|what| what == "listening-port") => "+OK\r\n".to_owned(),
            Some("SYNC") => {
                snapshots.fetch_add(1, Ordering::SeqCst);
                writer.write_all(format!("\n\n${}\r\n", dump.len()).as_bytes()).unwrap();
                writer.write_all(dump).unwrap();
                // What else comes is answered within the stream, as such a server does.
                let (mut answers, mut rest) = (writer.try_clone().unwrap(), reader.into_inner());
                std::thread::spawn(move || {
                    while rest.read(&mut [0; 512]).is_ok_and(|read| read > 0) {
                        answers.write_all(b"-ERR Unrecognized REPLCONF option: ACK\r\n").ok();
                    }
                });
                let commands = commands.lock().unwrap();
                while let Ok(bytes) = commands.recv() {
                    if bytes.is_empty() || writer.write_all(&bytes).is_err() {
                        break;
                    }
                }
                writer.shutdown(std::net::Shutdown::Both).ok();
                return;
            }
            Some(name) => format!("-ERR unknown command '{name}'\r\n"),
            None => return,
        };
        writer.write_all(answer.as_bytes()).unwrap();
    }
}

/// One command as an array of bulk strings.
fn command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let line = |reader: &mut dyn BufRead| {
        let mut line = String::new();
        (reader.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
    };
    let count: usize = line(reader)?.strip_prefix('*')?.parse().ok()?;
    (0..count)
        .map(|_| {
            line(reader)?;
            line(reader)
        })
        .collect()
}

#[test]
fn a_source_of_before_psync_is_followed_and_loaded_again_whenever_its_link_breaks() {
    let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/rdb/fixtures/redis-2.8.24.rdb");
    let source = Ancient::with(std::fs::read(dump).unwrap());
    let destination = Server::start(Version::Redis70);
    let mut sync = Sync::start(&format!("redis://127.0.0.1:{}", source.port), &destination.url(), &[], &[]);
    sync.until_synced();
    let keys: u64 = destination.run(&["DBSIZE"]);
    assert!(keys > 50, "{keys}");
    source.streams("SELECT 0");
    source.streams("SET streamed 1");
    source.streams("SETEX expires 100 x");
    eventually("the stream is followed", || destination.run::<Option<String>>(&["GET", "expires"]));
    assert_eq!(destination.run::<String>(&["GET", "streamed"]), "1");
    // An empty piece ends the link.
    source.stream.send(Vec::new()).unwrap();
    eventually("it is loaded again", || (source.snapshots.load(Ordering::SeqCst) >= 2).then_some(()));
    eventually("without what was streamed", || (destination.run::<u64>(&["DBSIZE"]) == keys).then_some(()));
    source.streams("SELECT 0");
    source.streams("SET streamed again");
    eventually("the stream is followed", || {
        (destination.run::<Option<String>>(&["GET", "streamed"]).as_deref() == Some("again")).then_some(())
    });
    assert!(sync.events().iter().any(|event| event.contains("knows no PSYNC")), "{:#?}", sync.events());
    assert_eq!(sync.interrupt().code, Some(0));
}
