//! `tributary check` finds, before anything is started, what stands in the way of a sync.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use serde_json::Value;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tributary_tests::cli::program;
use tributary_tests::eventually;
use tributary_tests::load;
use tributary_tests::server::{Server, Version, free_port};

/// A finished check.
struct Checked {
    code: Option<i32>,
    lines: Vec<Value>,
    text: String,
}

impl Checked {
    /// The lines about one thing, at the source or the destination.
    fn of(&self, role: &str, what: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["role"] == role && line["what"] == what).collect()
    }

    /// The one line about a thing has this verdict, and its text holds the words.
    fn says(&self, role: &str, what: &str, verdict: &str, words: &str) {
        let lines = self.of(role, what);
        assert_eq!(lines.len(), 1, "{what} of {role}: {}", self.text);
        assert_eq!(lines[0]["verdict"], verdict, "{}", lines[0]);
        let text = format!("{} {}", lines[0]["found"], lines[0]["todo"]).to_lowercase();
        assert!(text.contains(words), "{words:?} in {text}");
    }

    fn fails(&self) -> Vec<&str> {
        let failing = self.lines.iter().filter(|line| line["verdict"] == "fails");
        failing.map(|line| line["what"].as_str().unwrap()).collect()
    }
}

fn check(source: &str, destination: &str) -> Checked {
    check_all(&[source], destination, &[])
}

fn check_all(sources: &[&str], destination: &str, environment: &[(&str, &str)]) -> Checked {
    let mut command = Command::new(program());
    command.args(["check", "--json", "--destination", destination]);
    for source in sources {
        command.args(["--source", source]);
    }
    let output = command.envs(environment.iter().copied()).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    Checked { code: output.status.code(), lines, text: format!("{text}{}", String::from_utf8_lossy(&output.stderr)) }
}

/// Logs in as a user that may all but what `rules` take away.
fn user(server: &Server, rules: &[&str]) -> String {
    let mut command = vec!["ACL", "SETUSER", "ann", "on", ">secret", "~*", "&*", "+@all"];
    command.extend(rules);
    server.run::<()>(&command);
    format!("redis://ann:secret@127.0.0.1:{}", server.port())
}

#[test]
fn a_good_pair_passes_with_every_line_and_leaves_no_trace() {
    for version in [Version::Redis62, Version::Redis70, Version::Redis82, Version::Valkey81, Version::Valkey91] {
        let (source, destination) = (Server::start(version), Server::start(version));
        load::bulk(&source, 500);
        let checked = check(&source.url(), &destination.url());
        assert_eq!(checked.code, Some(0), "{version:?}: {}", checked.text);
        assert_eq!(checked.fails(), Vec::<&str>::new());
        assert!(!checked.lines.iter().any(|line| line["verdict"] == "unknown"), "{version:?}: {}", checked.text);
        for what in ["Reachable", "TLS", "Authentication", "Version", "Role", "Cluster", "Permissions"] {
            checked.says("source", what, "ok", "");
            checked.says("destination", what, "ok", "");
        }
        for what in ["Backlog", "Output buffer", "WAIT", "Versions", "Databases", "Modules", "Clock", "Identity"] {
            checked.says("source", what, "ok", "");
        }
        for what in ["Fencing", "Contents", "Memory", "Eviction", "Expiry"] {
            checked.says("destination", what, "ok", "");
        }
        let imports = matches!(version, Version::Valkey81 | Version::Valkey91);
        checked.says("destination", "Expiry", "ok", if imports { "import-mode" } else { "held back" });
        checked.says("destination", "Durability", "warning", "nothing is kept on disk");
        checked.says("destination", "Other writers", "warning", "its own user");
        assert_eq!(destination.run::<u64>(&["DBSIZE"]), 0);
        assert_eq!(source.count("connected_slaves"), 0);
    }
}

#[test]
fn a_source_user_without_psync_fails_on_every_version_that_says_so() {
    for version in [Version::Redis62, Version::Redis70, Version::Redis82, Version::Valkey91] {
        let (source, destination) = (Server::start(version), Server::start(version));
        let checked = check(&user(&source, &["-psync"]), &destination.url());
        assert_eq!((checked.code, checked.fails()), (Some(3), vec!["Permissions"]), "{version:?}: {}", checked.text);
        checked.says("source", "Permissions", "fails", "acl setuser ann +psync");
        assert!(!checked.text.contains("secret"));
    }
}

#[test]
fn a_least_privileged_source_user_is_enough_and_what_it_hides_is_unknown() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    let url = user(&source, &["-@all", "+psync", "+replconf", "+ping", "+info", "+time"]);
    let checked = check(&url, &destination.url());
    assert_eq!(checked.code, Some(0), "{}", checked.text);
    checked.says("source", "Permissions", "unknown", "+acl|dryrun");
    checked.says("source", "Modules", "unknown", "module list");
    checked.says("source", "Output buffer", "unknown", "config get");
    let bare = check(&user(&source, &["-@all", "+ping"]), &destination.url());
    assert_eq!(bare.fails(), ["Permissions"], "{}", bare.text);
    bare.says("source", "Version", "unknown", "info");
}

#[test]
fn a_destination_user_without_client_kill_fails_because_nothing_could_be_fenced() {
    for version in [Version::Redis62, Version::Redis70] {
        let (source, destination) = (Server::start(version), Server::start(version));
        let rules: &[&str] =
            if version == Version::Redis62 { &["-client", "+client|id"] } else { &["-client|kill", "-acl|dryrun"] };
        let checked = check(&source.url(), &user(&destination, rules));
        assert_eq!((checked.code, checked.fails()), (Some(3), vec!["Fencing"]), "{version:?}: {}", checked.text);
        checked.says("destination", "Fencing", "fails", "+client|kill");
    }
}

#[test]
fn a_destination_user_that_may_not_write_all_is_told_the_rule_that_is_missing() {
    let (source, destination) = (Server::start(Version::Redis82), Server::start(Version::Redis82));
    destination.run::<()>(&["SET", "kept", "value"]);
    let checked = check(&source.url(), &user(&destination, &["-restore", "-flushall", "-config|get"]));
    checked.says("destination", "Permissions", "fails", "acl setuser ann +flushall +restore");
    checked.says("destination", "Optional permission", "warning", "config get");
    checked.says("destination", "Contents", "warning", "holds 1 key");
    let keys = check(&source.url(), &user(&destination, &["resetkeys", "~app:*"]));
    keys.says("destination", "Permissions", "fails", "ann ~*");
    // The same without a dry run: nothing of what was tried has been done.
    let tried = check(&source.url(), &user(&destination, &["allkeys", "-acl", "-xadd"]));
    tried.says("destination", "Permissions", "fails", "+xadd");
    assert_eq!(destination.run::<u64>(&["DBSIZE"]), 1);
}

#[test]
fn an_evicting_destination_is_a_warning_and_one_that_is_too_small_fails() {
    let source = Server::start(Version::Redis70);
    let evicting = Server::with(Version::Redis70, &["maxmemory 200mb", "maxmemory-policy allkeys-lru"]);
    load::big_list(&source, "list", 12);
    let checked = check(&source.url(), &evicting.url());
    assert_eq!(checked.code, Some(0), "{}", checked.text);
    checked.says("destination", "Eviction", "warning", "diverges");
    checked.says("destination", "Memory", "ok", "are needed");
    let small = Server::with(Version::Redis70, &["maxmemory 8mb", "maxmemory-policy noeviction"]);
    let checked = check(&source.url(), &small.url());
    assert_eq!((checked.code, checked.fails()), (Some(3), vec!["Memory"]), "{}", checked.text);
    checked.says("destination", "Memory", "fails", "raise maxmemory");
    checked.says("destination", "Eviction", "ok", "noeviction");
}

#[test]
fn too_few_databases_fail() {
    let source = Server::start(Version::Redis70);
    let destination = Server::with(Version::Redis70, &["databases 4"]);
    source.run_in::<()>(5, &["SET", "key", "value"]);
    let checked = check(&source.url(), &destination.url());
    assert_eq!((checked.code, checked.fails()), (Some(3), vec!["Databases"]), "{}", checked.text);
    let mapped = check(&format!("{}/5", source.url()), &format!("{}/1", destination.url()));
    assert_eq!(mapped.code, Some(0), "{}", mapped.text);
}

/// Writes about 1 KB at a time until told to stop.
fn with_traffic(server: &Server, during: impl FnOnce()) {
    let go_on = Arc::new(AtomicBool::new(true));
    let (flag, mut connection) = (Arc::clone(&go_on), server.connect());
    let writer = std::thread::spawn(move || {
        while flag.load(Ordering::Relaxed) {
            redis::cmd("SET").arg("key").arg("x".repeat(1000)).query::<()>(&mut connection).unwrap();
        }
    });
    during();
    go_on.store(false, Ordering::Relaxed);
    writer.join().unwrap();
}

#[test]
fn a_backlog_is_measured_against_live_traffic() {
    let source =
        Server::with(Version::Redis70, &["repl-backlog-size 20kb", "client-output-buffer-limit replica 1mb 1mb 1"]);
    let destination = Server::start(Version::Redis70);
    // A source that never had a replica counts no offset: then the clients' input is the measure.
    with_traffic(&source, || {
        let checked = check(&source.url(), &destination.url());
        checked.says("source", "Backlog", "warning", "at up to");
    });
    let port = source.port();
    let replica = Server::with(Version::Redis70, &[&format!("replicaof 127.0.0.1 {port}")]);
    eventually("the replica is in step", || (replica.info("master_link_status") == "up").then_some(()));
    with_traffic(&source, || {
        let checked = check(&source.url(), &destination.url());
        assert_eq!(checked.code, Some(0), "{}", checked.text);
        checked.says("source", "Backlog", "warning", "config set repl-backlog-size");
        checked.says("source", "Backlog", "warning", "of writes at");
        checked.says("source", "Output buffer", "warning", "while a snapshot is sent");
        checked.says("source", "WAIT", "ok", "1 replica now");
    });
}

#[test]
fn an_older_destination_is_told_what_may_not_fit() {
    let (source, destination) = (Server::start(Version::Redis82), Server::start(Version::Redis62));
    let checked = check(&source.url(), &destination.url());
    assert_eq!(checked.code, Some(0), "{}", checked.text);
    checked.says("source", "Versions", "warning", "function libraries");
    checked.says("source", "Modules", "warning", "vectorset");
}

#[test]
fn a_wrong_password_and_a_dead_host_fail_where_they_are_and_the_others_are_checked() {
    let good = Server::start(Version::Redis70);
    let locked = Server::with(Version::Redis70, &["requirepass right-one"]);
    let destination = Server::start(Version::Redis70);
    let dead = format!("redis://127.0.0.1:{}", free_port());
    let wrong = [("TRIBUTARY_SOURCE_PASSWORD", "wrong-one")];
    let url = format!("redis://:right-one@127.0.0.1:{}", good.port());
    good.run::<()>(&["CONFIG", "SET", "requirepass", "right-one"]);
    let checked = check_all(&[&url, &locked.url(), &dead], &destination.url(), &wrong);
    assert_eq!((checked.code, checked.fails()), (Some(3), vec!["Authentication", "Reachable"]), "{}", checked.text);
    assert!(!checked.text.contains("wrong-one") && !checked.text.contains("right-one"), "{}", checked.text);
    // In the order of the command line, then the destination.
    let mut order: Vec<_> = checked.lines.iter().map(|line| line["endpoint"].as_str().unwrap()).collect();
    order.dedup();
    let ports = [good.port(), locked.port(), dead.rsplit(':').next().unwrap().parse().unwrap(), destination.port()];
    assert_eq!(order, ports.map(|port| format!("127.0.0.1:{port}")));
    checked.says("destination", "Memory", "unknown", "at least");
}

#[test]
fn a_server_that_closes_every_connection_is_no_panic_and_no_pass() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let other = Server::start(Version::Redis70);
    for (source, destination) in [(&url, &other.url()), (&other.url(), &url)] {
        let checked = check(source, destination);
        assert_eq!((checked.code, checked.fails()), (Some(3), vec!["Reachable"]), "{}", checked.text);
    }
}

#[test]
fn a_dead_destination_fails_and_the_source_is_checked_all_the_same() {
    let source = Server::start(Version::Redis70);
    let checked = check(&source.url(), &format!("redis://127.0.0.1:{}", free_port()));
    assert_eq!((checked.code, checked.fails()), (Some(3), vec!["Reachable"]), "{}", checked.text);
    checked.says("source", "Permissions", "ok", "psync");
    assert!(checked.of("source", "Versions").is_empty());
}

#[test]
fn a_replica_is_a_good_source_and_no_destination() {
    let primary = Server::start(Version::Redis70);
    let replica = Server::with(Version::Redis70, &[&format!("replicaof 127.0.0.1 {}", primary.port())]);
    eventually("the replica is in step", || (replica.info("master_link_status") == "up").then_some(()));
    let other = Server::start(Version::Redis70);
    let from = check(&replica.url(), &other.url());
    assert_eq!(from.code, Some(0), "{}", from.text);
    from.says("source", "Role", "ok", "replica of");
    let to = check(&other.url(), &replica.url());
    assert_eq!((to.code, to.fails()), (Some(3), vec!["Role"]), "{}", to.text);
    let kin = check(&primary.url(), &replica.url());
    kin.says("source", "Identity", "fails", "already replicate");
}

#[test]
fn a_node_of_a_cluster_is_said_not_to_be_supported_yet() {
    let source = Server::with(Version::Redis70, &["cluster-enabled yes"]);
    let destination = Server::start(Version::Redis70);
    let checked = check(&source.url(), &destination.url());
    assert_eq!(checked.code, Some(3));
    checked.says("source", "Cluster", "fails", "not supported yet");
}

#[test]
fn a_person_reads_words_under_the_name_of_each_server() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    let arguments = ["check", "--source", &source.url(), "--destination", &destination.url()];
    let output = Command::new(program()).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for words in [
        &format!("Source 127.0.0.1:{}\n", source.port()),
        &format!("Destination 127.0.0.1:{}\n", destination.port()),
        "  ok       Version: Redis 7.0.15\n",
        "  warning  Durability: ",
        "Nothing stands in the way of a sync: ",
    ] {
        assert!(text.contains(words), "{words:?} in {text}");
    }
    assert!(!text.contains('\x1b'), "no colours in a pipe");
}

#[test]
fn a_pair_that_makes_no_sense_is_wrong_usage() {
    let source = Server::start(Version::Redis70);
    assert_eq!(check(&source.url(), &source.url()).code, Some(2));
    assert_eq!(check("http://x", &source.url()).code, Some(2));
}
