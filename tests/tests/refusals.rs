//! What stops or holds up a sync: each cause has its own kind of error, and nothing is deleted unasked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::io::{Read, Write};
use std::net::TcpListener;

use tributary_tests::cli::{self, Sync};
use tributary_tests::compare;
use tributary_tests::eventually;
use tributary_tests::load;
use tributary_tests::server::{Server, Version, free_port};

#[test]
fn a_wrong_password_of_the_source_stops_with_its_own_kind() {
    let source = Server::with(Version::Redis70, &["requirepass right-one"]);
    let destination = Server::start(Version::Redis70);
    let wrong = [("TRIBUTARY_SOURCE_PASSWORD", "wrong-one")];
    let ended = Sync::start(&source.url(), &destination.url(), &[], &wrong).ended();
    ended.stopped_with("wrong_password");
    assert!(!ended.output().contains("wrong-one"), "{}", ended.output());
}

#[test]
fn a_wrong_password_of_the_destination_stops_with_its_own_kind() {
    let source = Server::start(Version::Redis70);
    let destination = Server::with(Version::Redis70, &["requirepass right-one"]);
    let wrong = [("TRIBUTARY_DESTINATION_PASSWORD", "wrong-one")];
    let ended = Sync::start(&source.url(), &destination.url(), &[], &wrong).ended();
    ended.stopped_with("wrong_password");
    assert!(!ended.output().contains("wrong-one"), "{}", ended.output());
}

#[test]
fn a_source_that_is_not_there_is_retried_until_it_is() {
    let destination = Server::start(Version::Redis70);
    let port = free_port();
    let mut sync = Sync::start(&format!("redis://127.0.0.1:{port}"), &destination.url(), &[], &[]);
    let report = sync.until_error("unreachable");
    assert_eq!(report["phase"], "retrying", "{report}");
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_host_that_has_no_address_is_a_dns_error_and_is_retried() {
    let destination = Server::start(Version::Redis70);
    let mut sync = Sync::start("redis://no-such-host.invalid", &destination.url(), &[], &[]);
    let report = sync.until_error("dns");
    assert_eq!(report["phase"], "retrying", "{report}");
    assert_eq!(sync.interrupt().code, Some(0));
}

/// Answers every connection as a web server would.
fn web_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // One byte is enough to know that a request has come.
            stream.read_exact(&mut [0]).ok();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok();
        }
    });
    port
}

#[test]
fn something_that_is_not_redis_stops_with_its_own_kind() {
    let destination = Server::start(Version::Redis70);
    let ended = Sync::start(&format!("redis://127.0.0.1:{}", web_server()), &destination.url(), &[], &[]).ended();
    ended.stopped_with("not_redis");
}

#[test]
fn a_destination_out_of_memory_stops_with_its_own_kind() {
    let source = Server::start(Version::Redis70);
    let destination = Server::with(Version::Redis70, &["maxmemory 8mb", "maxmemory-policy noeviction"]);
    load::big_list(&source, "list", 12);
    let ended = Sync::between(&source, &destination, &[]).ended();
    ended.stopped_with("destination_oom");
}

#[test]
fn a_destination_that_runs_out_of_memory_in_the_stream_stops_with_its_own_kind() {
    let source = Server::start(Version::Redis70);
    let destination = Server::with(Version::Redis70, &["maxmemory 8mb", "maxmemory-policy noeviction"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    load::big_list(&source, "list", 12);
    sync.ended().stopped_with("destination_oom");
}

#[test]
fn a_read_only_destination_shows_its_own_kind() {
    let (source, primary) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    let destination = Server::with(Version::Redis70, &[&format!("replicaof 127.0.0.1 {}", primary.port())]);
    eventually("the destination is a replica in step", || {
        (destination.info("master_link_status") == "up").then_some(())
    });
    source.run::<()>(&["SET", "key", "value"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_error("read_only");
}

#[test]
fn a_destination_that_holds_keys_is_refused_with_their_number_and_left_alone() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["SET", "key", "value"]);
    load::bulk(&destination, 1234);
    let before: u64 = [0, 3, 5].iter().map(|&db| destination.run_in::<u64>(db, &["DBSIZE"])).sum();
    let ended = Sync::between(&source, &destination, &[]).ended();
    ended.stopped_with("destination_not_empty");
    let message = ended.last()["error"]["message"].as_str().unwrap().replace([',', '\u{2009}', '\u{202f}'], "");
    assert!(message.contains(&before.to_string()), "{before} keys: {message}");
    let after: u64 = [0, 3, 5].iter().map(|&db| destination.run_in::<u64>(db, &["DBSIZE"])).sum();
    assert_eq!(before, after);
}

#[test]
fn flush_empties_the_destination_first() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 500);
    load::bulk(&destination, 3000);
    let mut sync = Sync::between(&source, &destination, &["--flush"]);
    sync.until_synced();
    compare::servers(&source, &destination, 10).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn a_load_that_was_killed_starts_again_without_being_asked_to_flush() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    load::bulk(&source, 60_000);
    // A destination that answers slowly makes sure that the load is caught in its middle.
    let mut sync = Sync::between(&source, &destination, &[]);
    eventually("the load has begun", || (destination.run::<u64>(&["DBSIZE"]) > 1000).then_some(()));
    sync.signal("KILL");
    assert_eq!(sync.ended().code, None);
    sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    compare::servers(&source, &destination, 10).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

#[test]
fn the_source_as_its_own_destination_is_wrong_usage() {
    let source = Server::start(Version::Redis70);
    let url = source.url();
    let (code, text) = cli::run(&["sync", "--source", &url, "--destination", &url]);
    assert_eq!(code, Some(2), "{text}");
}

#[test]
fn an_argument_that_makes_no_sense_is_wrong_usage() {
    for arguments in [&["sync"][..], &["sync", "--source", "http://x", "--destination", "redis://y"], &["nonsense"]] {
        let (code, text) = cli::run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(!text.is_empty());
    }
}

#[test]
fn passwords_are_in_no_argument_and_in_no_output() {
    let source = Server::with(Version::Redis70, &["requirepass spring-secret"]);
    let destination = Server::with(Version::Redis70, &["requirepass mouth-secret"]);
    source.run::<()>(&["SET", "key", "value"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "mouth-secret\n").unwrap();
    let state = folder.path().join("state");
    let extra = ["--destination-password-file", file.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let environment = [("TRIBUTARY_SOURCE_PASSWORD", "spring-secret")];
    let mut sync = Sync::start(&source.url(), &destination.url(), &extra, &environment);
    sync.until_synced();
    assert!(!sync.command_line().contains("-secret"), "{}", sync.command_line());
    let ended = sync.interrupt();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.output().contains("-secret"), "{}", ended.output());
    for entry in std::fs::read_dir(state).unwrap() {
        // The spool's folder beside it is empty.
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(path).unwrap() } else { Vec::new() };
        assert!(!String::from_utf8_lossy(&bytes).contains("-secret"));
    }
}

/// What `tributary check` prints, in both forms.
fn checked(source: &str, destination: &str, environment: &[(&str, &str)]) -> String {
    let run = |form: &[&str]| {
        let mut command = std::process::Command::new(cli::program());
        command.args(["check", "--source", source, "--destination", destination]).args(form);
        let output = command.envs(environment.iter().copied()).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    run(&[]) + &run(&["--json"])
}

#[test]
fn a_server_that_does_not_know_auth_repeats_the_password_to_nobody() {
    // It would say: unknown command 'AUTH', with args beginning with: 's3cr3tpw'.
    let without_auth = |version| Server::with(version, &["rename-command AUTH \"\""]);
    let (plain, secret) = (Server::start(Version::Redis70), "s3cr3tpw");
    for version in [Version::Redis62, Version::Redis70, Version::Valkey81] {
        let without = without_auth(version);
        let as_source = (&without, &plain, [("TRIBUTARY_SOURCE_PASSWORD", secret)]);
        let as_destination = (&plain, &without, [("TRIBUTARY_DESTINATION_PASSWORD", secret)]);
        for (source, destination, environment) in [as_source, as_destination] {
            let ended = Sync::start(&source.url(), &destination.url(), &[], &environment).ended();
            let error = ended.stopped_with("wrong_password");
            assert!(error["message"].as_str().unwrap().ends_with("does not know the command AUTH."), "{error}");
            assert!(error["hint"].as_str().unwrap().contains("leave the password out"), "{error}");
            assert!(!ended.output().contains(secret), "{}", ended.output());
            let said = checked(&source.url(), &destination.url(), &environment);
            assert!(
                said.contains("does not know the command AUTH.") && said.contains("leave the password out"),
                "{said}"
            );
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn a_password_where_none_is_set_says_so() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    let needless = [("TRIBUTARY_SOURCE_PASSWORD", "s3cr3tpw")];
    let ended = Sync::start(&source.url(), &destination.url(), &[], &needless).ended();
    let error = ended.stopped_with("wrong_password");
    assert!(error["message"].as_str().unwrap().contains("wants no password"), "{error}");
    assert!(!ended.output().contains("s3cr3tpw"), "{}", ended.output());
}
