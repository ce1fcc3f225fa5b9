//! `tributary run`: several replicas of one file, watched by metrics and health; and definitions as files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::time::{SystemTime, UNIX_EPOCH};

use tributary_tests::headless::{Headless, Place, command};
use tributary_tests::server::{Server, Version, free_port};
use tributary_tests::{compare, eventually, load};

const EXPIRY_TOLERANCE_MS: i64 = 10;
const KEYS: u64 = 2_000;

fn replica(name: &str, destination: &Server, sources: &[(&str, &Server)]) -> String {
    let sources = sources.iter().map(|(name, server)| source(name, &server.url(), ""));
    let url = destination.url();
    format!("\n[[replica]]\nname = '{name}'\ndestination = '{url}'\n{}", sources.collect::<String>())
}

fn source(name: &str, url: &str, more: &str) -> String {
    format!("[[replica.source]]\nname = '{name}'\nurl = '{url}'\n{more}\n")
}

fn in_step(headless: &mut Headless, source: &Server, labels: &str) {
    let offset = source.count("master_repl_offset") as f64;
    eventually("in step", || {
        let applied = headless.metric("tributary_source_applied_offset_bytes", labels);
        applied.filter(|applied| *applied >= offset)
    });
    headless.until_synced();
}

#[test]
fn the_replicas_of_a_file_are_loaded_and_followed_and_metrics_and_health_say_so() {
    let servers: Vec<Server> = (0..5).map(|_| Server::start(Version::Redis70)).collect();
    let [a, b, c, one, two] = servers.as_slice() else { unreachable!() };
    load::bulk(a, KEYS);
    b.run::<()>(&["SET", "of b", "1"]);
    load::bulk(c, KEYS);
    let place = Place::with(&(replica("one", one, &[("a", a), ("b", b)]) + &replica("two", two, &[("c", c)])));
    let mut headless = place.run(&[]);
    headless.until_synced();
    let (status, report) = headless.health("");
    assert_eq!((status, &report["status"]), (200, &"ok".into()), "{report}");
    assert_eq!(report["replicas"][0]["sources"][1]["endpoint"], format!("127.0.0.1:{}", b.port()));
    compare::servers(c, two, EXPIRY_TOLERANCE_MS).none();
    let labels = r#"replica="two",source="c""#;
    let loaded = headless.metric("tributary_source_keys_total", labels).unwrap();
    assert_eq!(loaded, KEYS as f64);
    let before = headless.metric("tributary_source_commands_total", labels).unwrap();
    c.run::<()>(&["SET", "written", "later"]);
    eventually("the write arrives", || two.run::<Option<String>>(&["GET", "written"]));
    eventually("it is counted", || {
        headless.metric("tributary_source_commands_total", labels).filter(|now| *now >= before + 1.0)
    });
    in_step(&mut headless, c, labels);
    for (metric, of) in [
        ("tributary_replica_status", r#"replica="one",status="synced""#),
        ("tributary_source_status", r#"replica="one",source="b",status="synced""#),
        ("tributary_source_phase", r#"replica="two",source="c",phase="synced""#),
    ] {
        assert_eq!(headless.metric(metric, of), Some(1.0), "{metric}");
    }
    assert!(headless.metric("tributary_source_lag_seconds", labels).is_some_and(|lag| lag < 60.0));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let last = headless.metric("tributary_source_last_command_timestamp_seconds", labels).unwrap();
    assert!((now - 120.0..=now).contains(&last), "{last}");
    let (wire, bytes) = ("tributary_source_wire_bytes_total", "tributary_source_bytes_total");
    assert_eq!(headless.metric(wire, labels), headless.metric(bytes, labels), "nothing is compressed here");
    let (code, log) = headless.end("TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(r#""status":"synced","phase":"synced""#), "{log}");
}

#[test]
fn a_process_that_was_killed_goes_on_from_its_checkpoints_without_a_full_sync() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, KEYS);
    let place = Place::with(&replica("cache", &destination, &[("origin", &source)]));
    let mut headless = place.run(&[]);
    headless.until_synced();
    source.run::<()>(&["SET", "before", "the kill"]);
    eventually("it arrives", || destination.run::<Option<String>>(&["GET", "before"]));
    assert_eq!(headless.end("KILL").0, None);
    source.run::<()>(&["SET", "while", "it was gone"]);
    let mut headless = place.run(&[]);
    eventually("it is made up for", || destination.run::<Option<String>>(&["GET", "while"]));
    in_step(&mut headless, &source, r#"replica="cache",source="origin""#);
    assert_eq!(source.count("sync_full"), 1);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(headless.end("INT").0, Some(0));
}

#[test]
fn a_replica_that_an_error_stops_is_named_by_health_while_the_others_go_on() {
    let locked = Server::with(Version::Redis70, &["requirepass right"]);
    let (source, one, two) =
        (Server::start(Version::Redis70), Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "key", "value"]);
    let wrong = format!(
        "\n[[replica]]\nname = 'locked'\ndestination = '{}'\n{}",
        one.url(),
        source_of("vault", &locked, "password = { env = 'WRONG' }")
    );
    let place = Place::with(&(wrong + &replica("open", &two, &[("origin", &source)])));
    let mut headless = place.run(&[("WRONG", "no-such-secret")]);
    let report = headless.until_health("one stopped, one in step", |status, report| {
        status == 503 && report["failing"] == serde_json::json!(["locked"]) && report["not_synced"] == report["failing"]
    });
    assert_eq!(report["replicas"][0]["error"]["kind"], "wrong_password", "{report}");
    assert!(report["replicas"][0]["sources"][0]["error"]["hint"].as_str().is_some_and(|hint| hint.len() > 10));
    assert_eq!(headless.health("?synced").0, 503);
    assert_eq!(headless.metric("tributary_replica_error", r#"replica="locked",kind="wrong_password""#), Some(1.0));
    let of_source = r#"replica="locked",source="vault",kind="wrong_password""#;
    assert_eq!(headless.metric("tributary_source_error", of_source), Some(1.0));
    two.run::<()>(&["PING"]);
    source.run::<()>(&["SET", "later", "value"]);
    eventually("the other goes on", || two.run::<Option<String>>(&["GET", "later"]));
    let (code, log) = headless.end("TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(r#""kind":"wrong_password""#) && !log.contains("no-such-secret"), "{log}");
}

fn source_of(name: &str, server: &Server, more: &str) -> String {
    source(name, &server.url(), more)
}

#[test]
fn secrets_from_the_environment_and_from_files_are_seen_nowhere() {
    const OF_SOURCE: &str = "s-hunter2-xyzzy";
    const OF_DESTINATION: &str = "d-hunter2-plugh";
    let source = Server::with(Version::Redis70, &[&format!("requirepass {OF_SOURCE}")]);
    let destination = Server::with(Version::Redis70, &[&format!("requirepass {OF_DESTINATION}")]);
    source.run::<()>(&["SET", "key", "value"]);
    let place = Place::with("");
    let file = place.file("secret", &format!("{OF_SOURCE}\n"));
    place.write(&format!(
        "\n[[replica]]\nname = 'r'\ndestination = '{}'\ndestination_password = {{ env = 'DESTINATION' }}\n{}",
        destination.url(),
        source_of("s", &source, &format!("password = {{ file = '{}' }}", file.display()))
    ));
    let mut headless = place.run(&[("DESTINATION", OF_DESTINATION)]);
    headless.until_synced();
    let mut seen = headless.command_line();
    for page in ["/metrics", "/health"] {
        seen.push_str(&headless.get(page).1);
    }
    let data = place.data().display().to_string();
    seen.push_str(&command(&["export", "--data", &data], &[]).1);
    assert!(seen.contains("destination_password = { env = \"DESTINATION\" }"), "{seen}");
    let kept = place.everything_kept();
    assert!(kept.windows(6).any(|bytes| bytes == b"SQLite"));
    let (code, log) = headless.end("TERM");
    assert_eq!(code, Some(0), "{log}");
    seen.push_str(&log);
    for secret in [OF_SOURCE, OF_DESTINATION] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
        for kept in [&kept, &place.everything_kept()] {
            assert!(!kept.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret} is in the data");
        }
    }
}

#[test]
fn other_data_at_a_destination_is_deleted_only_where_the_file_allows_it() {
    let source = Server::start(Version::Redis70);
    let (kept, emptied) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "key", "value"]);
    for destination in [&kept, &emptied] {
        destination.run::<()>(&["SET", "foreign", "data"]);
    }
    let allowed = replica("emptied", &emptied, &[("s", &source)])
        .replace("\n[[replica.s", "\nflush = 'when_needed'\n[[replica.s");
    let place = Place::with(&(replica("kept", &kept, &[("s", &source)]) + &allowed));
    let mut headless = place.run(&[]);
    let report = headless.until_health("one refused, one in step", |status, report| {
        status == 503 && report["not_synced"] == serde_json::json!(["kept"])
    });
    let error = &report["replicas"][0]["error"];
    assert_eq!(error["kind"], "confirmation_needed", "{report}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("when_needed")), "{report}");
    assert_eq!(kept.run::<Vec<String>>(&["KEYS", "*"]), ["foreign"]);
    assert_eq!(emptied.run::<Option<String>>(&["GET", "foreign"]), None);
    assert_eq!(emptied.run::<Option<String>>(&["GET", "key"]).as_deref(), Some("value"));
    assert_eq!(headless.end("TERM").0, Some(0));
}

#[test]
fn a_destination_that_comes_up_late_is_emptied_where_the_file_allows_it() {
    let source = Server::start(Version::Redis70);
    let mut destination = Server::start(Version::Redis70);
    source.run::<()>(&["SET", "key", "value"]);
    destination.kill();
    let allowed =
        replica("r", &destination, &[("s", &source)]).replace("\n[[replica.s", "\nflush = 'when_needed'\n[[replica.s");
    let place = Place::with(&allowed);
    let mut headless = place.run(&[]);
    headless.until_health("it waits for the destination", |status, report| {
        status == 200 && report["replicas"][0]["phase"] == "retrying"
    });
    destination.start_again();
    destination.run::<()>(&["SET", "foreign", "data"]);
    headless.until_synced();
    assert_eq!(destination.run::<Option<String>>(&["GET", "key"]).as_deref(), Some("value"));
    assert_eq!(headless.end("TERM").0, Some(0));
}

#[test]
fn a_file_that_changed_is_followed_after_a_restart_as_an_edit_in_the_window_would_be() {
    let servers: Vec<Server> = (0..5).map(|_| Server::start(Version::Redis70)).collect();
    let [a, b, c, one, two] = servers.as_slice() else { unreachable!() };
    for (server, key) in [(a, "of a"), (b, "of b"), (c, "of c")] {
        server.run::<()>(&["SET", key, "1"]);
    }
    let place = Place::with(&(replica("one", one, &[("a", a), ("b", b)]) + &replica("two", two, &[("c", c)])));
    let mut headless = place.run(&[]);
    headless.until_synced();
    assert_eq!(headless.end("TERM").0, Some(0));

    place.write(&replica("one", one, &[("a", a), ("c", c)]));
    let mut headless = place.run(&[]);
    headless.until_synced();
    assert_eq!(one.run::<Option<String>>(&["GET", "of c"]).as_deref(), Some("1"), "a new source is loaded");
    assert_eq!(one.run::<Option<String>>(&["GET", "of b"]).as_deref(), Some("1"), "what came from a removed one stays");
    assert_eq!(a.count("sync_full"), 1, "the others go on");
    let checkpoints: Vec<String> = one.run(&["KEYS", "tributary:checkpoint:*"]);
    assert_eq!(checkpoints.len(), 2, "{checkpoints:?}");
    assert_eq!(headless.metric("tributary_replica_wanted", r#"replica="two""#), Some(0.0));
    assert_eq!(headless.metric("tributary_replica_status", r#"replica="two",status="stopped""#), Some(1.0));
    let (_, report) = headless.health("");
    assert_eq!(report["replicas"].as_array().map(Vec::len), Some(1), "what should not run is no matter of health");
    let (code, log) = headless.end("TERM");
    assert!(code == Some(0) && log.contains("not in the file"), "{log}");

    place.write(&(replica("one", one, &[("a", a), ("c", c)]) + &replica("two", two, &[("c", c)])));
    let mut headless = place.run(&[]);
    headless.until_synced();
    assert_eq!(c.count("sync_full"), 2, "once for each replica: what was left out goes on from its checkpoint");
    assert_eq!(headless.end("TERM").0, Some(0));
}

#[test]
fn a_source_that_is_away_is_not_in_step_and_nobody_says_that_it_has_no_lag() {
    let (mut source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "key", "value"]);
    let place = Place::with(&replica("r", &destination, &[("s", &source)]));
    let mut headless = place.run(&[]);
    headless.until_synced();
    let (lag, labels) = ("tributary_source_lag_seconds", r#"replica="r",source="s""#);
    eventually("a lag", || headless.metric(lag, labels));
    source.kill();
    eventually("no longer in step", || (headless.health("?synced").0 == 503).then_some(()));
    assert_eq!(headless.health("").0, 200, "nothing that needs a person");
    assert_eq!(headless.metric(lag, labels), None);
    source.start_again();
    eventually("in step again", || (headless.health("?synced").0 == 200).then_some(()));
    assert_eq!(headless.end("TERM").0, Some(0));
}

#[test]
fn a_replica_whose_sources_are_all_stopped_is_left_alone() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "key", "value"]);
    let place = Place::with(&(replica("r", &destination, &[("s", &source)]) + "stopped = true\n"));
    let mut headless = place.run(&[]);
    eventually("it says so", || headless.log().contains("all of its sources are stopped").then_some(()));
    assert_eq!(headless.health("?synced").0, 200);
    let (code, log) = headless.end("TERM");
    assert_eq!((code, destination.run::<u64>(&["DBSIZE"])), (Some(0), 0), "{log}");
}

#[test]
fn the_destination_of_a_replica_is_made_a_database_of_its_own_by_the_replicas_id() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "key", "value", "EX", "3600"]);
    let place = Place::with(&replica("r", &destination, &[("s", &source)]));
    let mut headless = place.run(&[]);
    headless.until_synced();
    assert_eq!(headless.end("TERM").0, Some(0));
    let ttl = || destination.run::<u64>(&["TTL", "key"]);
    assert!(ttl() > 3_600, "it is held back");

    let (from, to) = (source.url(), destination.url());
    let finish = ["finish", "--source", &from, "--destination", &to];
    let (code, _, errors) = command(&finish, &[]);
    assert!(code == Some(3) && errors.contains("--replica-id"), "{errors}");
    assert!(ttl() > 3_600);
    let exported = command(&["export", "--data", &place.data().display().to_string()], &[]).1;
    let id = exported.lines().find_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"')).expect("an id");
    assert!(errors.contains(id), "{errors}");
    let (code, _, errors) = command(&[&finish[..], &["--replica-id", id]].concat(), &[]);
    assert!(code == Some(0) && ttl() <= 3_600, "{errors}");
    assert_eq!(destination.run::<Vec<String>>(&["KEYS", "*"]), ["key"]);
}

#[test]
fn a_replica_that_takes_the_place_of_one_that_is_kept_is_told_how() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    let place = Place::with(&replica("old", &destination, &[("s", &source)]));
    let mut headless = place.run(&[]);
    headless.until_synced();
    assert_eq!(headless.end("TERM").0, Some(0));
    place.write(&replica("new", &destination, &[("s", &source)]));
    let (code, log) = place.run(&[]).ended();
    assert!(code == Some(2) && log.contains("“old”") && log.contains("`tributary export` shows its id"), "{log}");
}

#[test]
fn one_process_at_a_time_works_with_a_data_folder() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    let place = Place::with(&replica("r", &destination, &[("s", &source)]));
    let mut first = place.run(&[]);
    first.until_synced();
    let (code, log) = place.run(&[]).ended();
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains("in use by another Tributary") && log.contains(&format!("(process {})", first.id())), "{log}");
    let (data, config) = (place.data().display().to_string(), place.config().display().to_string());
    let (code, _, refused) = command(&["import", &config, "--data", &data], &[]);
    assert!(code == Some(3) && refused.contains("in use by another Tributary"), "{refused}");
    let (code, exported, errors) = command(&["export", "--data", &data], &[]);
    assert!(code == Some(0) && exported.contains("name = \"r\""), "reading is no harm: {errors}");
    assert_eq!(first.end("TERM").0, Some(0));
}

#[test]
fn definitions_that_were_exported_and_imported_are_exported_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("in.toml"), DEFINITIONS).unwrap();
    let import = |file: &str, data: &str, more: &[&str]| {
        command(
            &[&["import", file, "--data", data], more].concat(),
            &[("XDG_RUNTIME_DIR", "/nowhere"), ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")],
        )
    };
    let (code, told, errors) = import(&at("in.toml"), &at("first"), &["--dry-run"]);
    assert_eq!((code, folder.path().join("first").exists()), (Some(0), false), "{errors}");
    assert!(told.contains("would be added"), "{told}");
    let (code, told, errors) = import(&at("in.toml"), &at("first"), &[]);
    assert_eq!(code, Some(0), "{errors}");
    for secret in ["env = \"DEST_PASSWORD\"", "file = \"/run/secrets/s1\"", "source s2"] {
        assert!(told.contains(secret), "{secret}: {told}");
    }
    assert_eq!(command(&["export", "--data", &at("first"), "--output", &at("out.toml")], &[]).0, Some(0));
    let (code, _, errors) = command(&["export", "--data", &at("first"), "--output", &at("out.toml")], &[]);
    assert!(code == Some(3) && errors.contains("out.toml"), "nothing is written over: {errors}");
    assert_eq!(import(&at("out.toml"), &at("second"), &[]).0, Some(0));
    let exported = command(&["export", "--data", &at("second")], &[]).1;
    assert_eq!(exported, std::fs::read_to_string(at("out.toml")).unwrap());
    assert!(
        exported.contains("password = { keyring = \"account\" }") && exported.contains("stopped = true"),
        "{exported}"
    );

    let (code, _, errors) = import(&at("out.toml"), &at("second"), &[]);
    assert!(code == Some(3) && errors.contains("“eu-cache”, “us”") && errors.contains("--replace"), "{errors}");
    let changed = exported.replace("spool_quota_mb = 64", "spool_quota_mb = 65");
    std::fs::write(at("changed.toml"), &changed).unwrap();
    let (code, told, errors) = import(&at("changed.toml"), &at("second"), &["--replace"]);
    assert!(code == Some(0) && told.contains("“eu-cache” replaced"), "{told}{errors}");
    assert_eq!(command(&["export", "--data", &at("second")], &[]).1, changed);
}

const DEFINITIONS: &str = r#"
[[replica]]
name = "eu-cache"
destination = "redis://ann@dest.example:6380"
destination_password = { env = "DEST_PASSWORD" }
[replica.options]
spool_quota_mb = 64
expiry = "exact"
skip_functions = true
[[replica.source]]
id = "first"
name = "s1"
url = "redis://relay.example:7379/0"
password = { file = "/run/secrets/s1" }
[[replica.source]]
name = "s2"
url = "redis+sentinel://a,b:27000/mymaster"
password = { keyring = "account" }
stopped = true

[[replica]]
name = "us"
destination = "redis://[::1]/3"
[[replica.source]]
name = "s1"
url = "redis://c/2"
"#;

#[test]
fn a_file_that_is_wrong_is_told_with_its_line_and_its_field_and_nothing_runs() {
    let good = DEFINITIONS.replace("{ keyring = \"account\" }", "{ env = \"S2\" }");
    for (change, environment, want) in [
        (("name = \"us\"", "nmae = \"us\""), &[][..], &[":24: ", "`nmae`"][..]),
        (("skip_functions = true", "skip_functions = 1"), &[], &[":11: ", "skip_functions", "boolean"]),
        (("redis://c/2", "redis://:hunter2@c/2"), &[], &[":28: ", "password = { env = "]),
        (("{ env = \"S2\" }", "\"hunter2\""), &[], &[":20: ", "{ keyring = "]),
        (("redis://c/2", "redis://c"), &[], &[":28: ", "say which database"]),
        (("", ""), &[("DEST_PASSWORD", "x")], &[":15: ", "/run/secrets/s1"]),
        (("", ""), &[], &[":6: ", "DEST_PASSWORD is not set"]),
    ] {
        let place = Place::with(&good.replacen(change.0, change.1, 1));
        let config = place.config().display().to_string();
        let (code, _, errors) = command(&["run", &config], environment);
        assert_eq!(code, Some(2), "{change:?}: {errors}");
        assert!(
            want.iter().all(|part| errors.contains(part)) && errors.contains("config.toml:"),
            "{change:?}: {errors}"
        );
        assert!(!errors.contains("hunter2"), "{errors}");
    }
    let nothing = command(&["run", "/no/such/file.toml"], &[]);
    assert!(nothing.0 == Some(2) && nothing.2.contains("/no/such/file.toml"), "{}", nothing.2);
}

#[test]
fn an_address_for_metrics_that_is_taken_is_told() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    let place = Place::with(&replica("r", &destination, &[("s", &source)]));
    let taken = format!("127.0.0.1:{}", source.port());
    let (code, _, errors) = command(&["run", &place.config().display().to_string(), "--metrics", &taken], &[]);
    assert!(code == Some(3) && errors.contains(&taken), "{errors}");
}

#[test]
fn every_metric_is_documented_with_its_type() {
    let place = Place::with(&format!(
        "\n[[replica]]\nname = 'r'\ndestination = 'redis://127.0.0.1:{}'\n{}",
        free_port(),
        source("s", &format!("redis://127.0.0.1:{}", free_port()), "")
    ));
    let mut headless = place.run(&[]);
    let (_, text) = headless.get("/metrics");
    let documented = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/HEADLESS.md")).unwrap();
    let metrics: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(metrics.len() > 20, "{text}");
    for metric in &metrics {
        let (name, kind) = metric.split_once(' ').unwrap();
        assert!(documented.contains(&format!("| `{name}` | {kind} |")), "{metric} is not in docs/HEADLESS.md");
    }
    let rows = documented.lines().filter(|line| line.starts_with("| `tributary_")).count();
    assert_eq!(rows, metrics.len(), "docs/HEADLESS.md lists metrics that are not there");
}
