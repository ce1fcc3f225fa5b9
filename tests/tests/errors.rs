//! The table of errors: each cause, provoked on real servers, has its kind and its action, and says what to do.
//! About 2 minutes, most of them one that waits out the minute a destination has to become writable again.
//!
//! What a sync refuses before it begins is in `refusals.rs`, what a cut connection leads to in `outages.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::net::{IpAddr, UdpSocket};

use redis::Connection;
use tributary_tests::cli::{self, Sync};
use tributary_tests::proxy::{Direction, Proxy};
use tributary_tests::server::{Server, Version};
use tributary_tests::{compare, eventually, load};

const EXPIRY_TOLERANCE_MS: i64 = 10;

/// A source with a little of everything, an empty destination, and a sync that is in step.
fn in_step(source: &[&str], destination: &[&str]) -> (Server, Server, Sync) {
    let source = Server::with(Version::Redis70, &[source, &["repl-backlog-size 64mb"]].concat());
    let destination = Server::with(Version::Redis70, destination);
    load::bulk(&source, 200);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    (source, destination, sync)
}

/// The cause has passed: all that was written is at the destination.
fn recovers(mut sync: Sync, source: &Server, destination: &Server) {
    source.run::<()>(&["SET", "after", "it"]);
    eventually("the write after it arrives", || {
        sync.still_runs();
        destination.try_run::<Option<String>>(&["GET", "after"]).ok().flatten()
    });
    sync.until_in_step(source);
    compare::servers(source, destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

/// A new run without further arguments goes on where the last one stopped.
fn goes_on_when_started_again(source: &Server, destination: &Server) {
    let full = source.count("sync_full");
    recovers(Sync::between(source, destination, &[]), source, destination);
    assert_eq!(source.count("sync_full"), full, "a full sync");
}

fn call(connection: &mut Connection, command: &[&str]) {
    redis::cmd(command[0]).arg(&command[1..]).query::<redis::Value>(connection).unwrap();
}

fn text<'a>(error: &'a serde_json::Value, part: &str) -> &'a str {
    error[part].as_str().unwrap()
}

// Permissions and passwords.

#[test]
fn a_source_user_without_psync_stops_and_names_it() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    source.run::<()>(&["ACL", "SETUSER", "limited", "on", ">word", "~*", "&*", "+@all", "-psync"]);
    let url = format!("redis://limited@127.0.0.1:{}", source.port());
    let ended = Sync::start(&url, &destination.url(), &[], &[("TRIBUTARY_SOURCE_PASSWORD", "word")]).ended();
    let error = ended.stopped_with("no_permission");
    assert!(text(&error, "message").to_lowercase().contains("psync"), "{error}");
}

#[test]
fn a_destination_user_without_a_command_stops_at_it_and_names_it() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    destination.run::<()>(&["ACL", "SETUSER", "limited", "on", ">word", "~*", "&*", "+@all", "-lpush"]);
    let url = format!("redis://limited@127.0.0.1:{}", destination.port());
    let word = [("TRIBUTARY_DESTINATION_PASSWORD", "word")];
    let mut sync = Sync::start(&source.url(), &url, &[], &word);
    sync.until_synced();
    source.run::<()>(&["LPUSH", "list", "element"]);
    let error = sync.ended().stopped_with("no_permission");
    assert!(text(&error, "message").to_lowercase().contains("lpush"), "{error}");
    destination.run::<()>(&["ACL", "SETUSER", "limited", "+lpush"]);
    recovers(Sync::start(&source.url(), &url, &[], &word), &source, &destination);
}

/// A password only counts for new connections: the old ones are killed.
/// Many transactions are on their way at once when one in the middle is refused: those behind it must not move the
/// checkpoint past it.
#[test]
fn what_was_sent_behind_a_refused_transaction_does_not_pass_it_over() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    destination.run::<()>(&["ACL", "SETUSER", "limited", "on", ">word", "~*", "&*", "+@all", "-lpush"]);
    let url = format!("redis://limited@127.0.0.1:{}", destination.port());
    let word = [("TRIBUTARY_DESTINATION_PASSWORD", "word")];
    let mut sync = Sync::start(&source.url(), &url, &[], &word);
    sync.until_synced();
    sync.signal("USR1");
    sync.until("paused", |report| report["phase"] == "paused");
    let mut pipeline = redis::pipe();
    for n in 0..20_000 {
        pipeline.cmd("INCR").arg("count").ignore();
        if n == 3_000 {
            pipeline.cmd("LPUSH").arg("list").arg("element").ignore();
        }
    }
    pipeline.query::<()>(&mut source.connect()).unwrap();
    sync.signal("USR2");
    sync.ended().stopped_with("no_permission");
    destination.run::<()>(&["ACL", "SETUSER", "limited", "+lpush"]);
    let mut sync = Sync::start(&source.url(), &url, &[], &word);
    sync.until_in_step(&source);
    compare::servers(&source, &destination, EXPIRY_TOLERANCE_MS).none();
    assert_eq!(sync.interrupt().code, Some(0));
}

fn password_changes(of_source: bool) {
    let settings: &[&str] = &["requirepass old"];
    let source = Server::with(Version::Redis70, if of_source { settings } else { &[] });
    let destination = Server::with(Version::Redis70, if of_source { &[] } else { settings });
    let variable = if of_source { "TRIBUTARY_SOURCE_PASSWORD" } else { "TRIBUTARY_DESTINATION_PASSWORD" };
    let mut sync = Sync::start(&source.url(), &destination.url(), &[], &[(variable, "old")]);
    sync.until_synced();
    let mut connection = if of_source { source.connect() } else { destination.connect() };
    call(&mut connection, &["CONFIG", "SET", "requirepass", "new"]);
    for kind in ["replica", "normal"] {
        call(&mut connection, &["CLIENT", "KILL", "TYPE", kind]);
    }
    sync.ended().stopped_with("wrong_password");
}

#[test]
fn a_password_that_changes_at_the_source_stops_at_the_next_connection() {
    password_changes(true);
}

#[test]
fn a_password_that_changes_at_the_destination_stops_at_the_next_connection() {
    password_changes(false);
}

#[test]
fn protected_mode_stops_with_its_own_kind() {
    let address = own_address();
    let open = ["bind 0.0.0.0", "protected-mode yes"];
    let (source, destination) = (Server::with(Version::Redis70, &open), Server::start(Version::Redis70));
    let ended = Sync::start(&format!("redis://{address}:{}", source.port()), &destination.url(), &[], &[]).ended();
    ended.stopped_with("protected_mode");
}

/// An address of this machine that is not its loopback: what a route outwards would be taken from. Nothing is sent.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").expect("a network interface beside the loopback");
    socket.local_addr().unwrap().ip()
}

// Memory, disk and limits.

/// Nothing is refused while the memory lasts; what takes the last of it needs none by itself.
#[test]
fn a_destination_out_of_memory_within_a_transaction_stops_and_goes_on_once_there_is_room() {
    let (source, destination, sync) = in_step(&[], &["maxmemory-policy noeviction"]);
    let member = "x".repeat(8 << 20);
    source.run::<()>(&["SADD", "set", &member]);
    eventually("the large member is there", || (destination.run::<u64>(&["SCARD", "set"]) == 1).then_some(()));
    destination.set("maxmemory", &(destination.count("used_memory") + (4 << 20)).to_string());
    let mut block = redis::pipe();
    block.atomic().cmd("INCR").arg("left").ignore().cmd("SREM").arg("set").arg(&member).ignore();
    block.cmd("INCR").arg("right").ignore().query::<()>(&mut source.connect()).unwrap();
    sync.ended().stopped_with("destination_oom");
    assert_eq!(destination.run::<u64>(&["EXISTS", "left", "right"]), 0, "nothing of the transaction was executed");
    destination.set("maxmemory", "0");
    goes_on_when_started_again(&source, &destination);
}

/// Lets CONFIG SET change the folder.
const PROTECTED: &str = "enable-protected-configs yes";

/// A folder for snapshots that is gone: a server that runs as root can write to any that exists.
fn lose_the_folder(server: &Server, connection: &mut Connection) {
    let folder = server.folder().join("gone");
    std::fs::create_dir(&folder).unwrap();
    call(connection, &["CONFIG", "SET", "dir", folder.to_str().unwrap()]);
    std::fs::remove_dir(&folder).unwrap();
}

#[test]
fn a_source_that_cannot_write_its_snapshot_stops_with_its_own_kind() {
    let source = Server::with(Version::Redis70, &["repl-diskless-sync no", PROTECTED]);
    let destination = Server::start(Version::Redis70);
    load::bulk(&source, 200);
    lose_the_folder(&source, &mut source.connect());
    Sync::between(&source, &destination, &[]).ended().stopped_with("source_snapshot_failed");
    source.set("dir", source.folder().to_str().unwrap());
    recovers(Sync::between(&source, &destination, &[]), &source, &destination);
}

#[test]
fn a_destination_that_cannot_save_and_refuses_writes_stops_and_says_so() {
    let (source, destination, sync) =
        in_step(&[], &["save 3600 1000000", "stop-writes-on-bgsave-error yes", PROTECTED]);
    // A server in this state refuses even PING, and with it new connections of these tests.
    let mut connection = destination.connect();
    lose_the_folder(&destination, &mut connection);
    call(&mut connection, &["BGSAVE"]);
    eventually("the save failed", || {
        let info: String = redis::cmd("INFO").arg("persistence").query(&mut connection).unwrap();
        info.contains("rdb_last_bgsave_status:err").then_some(())
    });
    source.run::<()>(&["INCR", "counter"]);
    let error = sync.ended().stopped_with("command_failed");
    assert!(text(&error, "message").contains("MISCONF") && text(&error, "hint").contains("save"), "{error}");
    // What a start writes first is refused as well, and that is no matter of the source.
    let error = Sync::between(&source, &destination, &[]).ended().stopped_with("command_failed");
    let hint = text(&error, "hint");
    assert!(text(&error, "message").contains("MISCONF") && hint.contains("The destination cannot save"), "{error}");
    call(&mut connection, &["CONFIG", "SET", "dir", destination.folder().to_str().unwrap()]);
    call(&mut connection, &["SAVE"]);
    goes_on_when_started_again(&source, &destination);
}

#[test]
fn a_command_above_the_destinations_proto_max_bulk_len_stops_and_names_the_limit() {
    let (source, destination, sync) = in_step(&[], &[]);
    destination.set("proto-max-bulk-len", &(1 << 20).to_string());
    redis::cmd("SET").arg("large").arg(load::noise(1, 3 << 20)).query::<()>(&mut source.connect()).unwrap();
    let error = sync.ended().stopped_with("server_limit");
    let said = format!("{} {}", text(&error, "message"), text(&error, "hint"));
    assert!(said.contains("proto-max-bulk-len"), "{said}");
    destination.set("proto-max-bulk-len", &(512 << 20).to_string());
    goes_on_when_started_again(&source, &destination);
}

/// The server says nothing, it closes the connection; the limit is known from its settings.
#[test]
fn a_command_above_the_destinations_client_query_buffer_limit_stops_and_names_the_limit() {
    let (source, destination, sync) = in_step(&[], &[]);
    destination.set("client-query-buffer-limit", &(1 << 20).to_string());
    redis::cmd("SET").arg("large").arg(load::noise(1, 3 << 20)).query::<()>(&mut source.connect()).unwrap();
    let error = sync.ended().stopped_with("server_limit");
    let said = format!("{} {}", text(&error, "message"), text(&error, "hint"));
    assert!(said.contains("client-query-buffer-limit"), "{said}");
    destination.set("client-query-buffer-limit", &(1 << 30).to_string());
    goes_on_when_started_again(&source, &destination);
}

#[test]
fn a_value_above_the_destinations_client_query_buffer_limit_stops_the_load_and_names_the_limit() {
    let source = Server::start(Version::Redis70);
    let destination = Server::with(Version::Redis70, &["client-query-buffer-limit 1mb"]);
    load::bulk(&source, 200);
    redis::cmd("SET").arg("large").arg(load::noise(1, 3 << 20)).query::<()>(&mut source.connect()).unwrap();
    let error = Sync::between(&source, &destination, &[]).ended().stopped_with("server_limit");
    let said = format!("{} {}", text(&error, "message"), text(&error, "hint"));
    assert!(said.contains("client-query-buffer-limit"), "{said}");
    destination.set("client-query-buffer-limit", &(1 << 30).to_string());
    recovers(Sync::between(&source, &destination, &[]), &source, &destination);
}

#[test]
fn a_source_without_room_for_clients_is_retried_until_there_is_some() {
    let (source, destination, mut sync) = in_step(&[], &[]);
    let mut connection = source.connect();
    call(&mut connection, &["CONFIG", "SET", "maxclients", "1"]);
    for kind in ["replica", "normal"] {
        call(&mut connection, &["CLIENT", "KILL", "TYPE", kind]);
    }
    sync.until_retrying("max_clients");
    call(&mut connection, &["CONFIG", "SET", "maxclients", "100"]);
    recovers(sync, &source, &destination);
}

#[test]
fn a_destination_without_room_for_clients_is_retried_until_there_is_some() {
    let (source, destination, mut sync) = in_step(&[], &[]);
    let mut connection = destination.connect();
    call(&mut connection, &["CONFIG", "SET", "maxclients", "1"]);
    call(&mut connection, &["CLIENT", "KILL", "TYPE", "normal"]);
    sync.until_retrying("max_clients");
    call(&mut connection, &["CONFIG", "SET", "maxclients", "100"]);
    recovers(sync, &source, &destination);
}

#[test]
fn a_source_that_cuts_the_link_at_its_output_buffer_limit_is_followed_again() {
    let limits = ["client-output-buffer-limit replica 256kb 0 0", "repl-backlog-size 16kb"];
    let (source, destination) = (Server::with(Version::Redis70, &limits), Server::start(Version::Redis70));
    load::bulk(&source, 200);
    let proxy = Proxy::before(source.port());
    let mut sync = Sync::start(&proxy.url(), &destination.url(), &[], &[]);
    sync.until_synced();
    // The source fills its buffer because the line is narrow.
    proxy.throttle(Direction::ToClient, 100_000);
    load::big_list(&source, "more than the line carries", 16);
    // Nobody is told as long as the line still carries what was sent before.
    eventually("the source cuts the link", || (source.count("connected_slaves") == 0).then_some(()));
    proxy.drop_connections();
    proxy.mend();
    recovers(sync, &source, &destination);
}

// Servers that are not ready.

/// Ready in some seconds: each of the 6,000 keys takes a millisecond to load, and clients are served between them.
const SLOW_LOAD: [&str; 2] = ["key-load-delay 1000", "loading-process-events-interval-bytes 1024"];

#[test]
fn a_destination_that_loads_its_data_is_retried_until_it_has() {
    let source = Server::start(Version::Redis70);
    let mut destination = Server::with(Version::Redis70, &["appendonly yes", "appendfsync always"]);
    load::bulk(&source, 6_000);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    destination.run::<String>(&["BGREWRITEAOF"]);
    eventually("the file is rewritten", || {
        let busy = ["aof_rewrite_in_progress", "aof_rewrite_scheduled"];
        busy.iter().all(|field| destination.info(field) == "0").then_some(())
    });
    destination.kill();
    destination.start_again_with(&SLOW_LOAD);
    sync.until_retrying("loading");
    recovers(sync, &source, &destination);
    assert_eq!(source.count("sync_full"), 1);
}

#[test]
fn a_source_that_loads_its_data_is_retried_until_it_has() {
    let mut source = Server::with(Version::Redis70, &["save 3600 1000000"]);
    let destination = Server::start(Version::Redis70);
    load::bulk(&source, 6_000);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.save();
    source.kill();
    source.start_again_with(&SLOW_LOAD);
    sync.until_retrying("loading");
    eventually("it has loaded", || source.try_run::<()>(&["SET", "loaded", "now"]).ok());
    recovers(sync, &source, &destination);
}

#[test]
fn a_source_without_its_own_master_is_retried_until_it_can_serve() {
    let primary = Server::start(Version::Redis70);
    load::bulk(&primary, 200);
    let config = [&*format!("replicaof 127.0.0.1 {}", primary.port()), "replica-serve-stale-data no"];
    let (source, destination) = (Server::with(Version::Redis70, &config), Server::start(Version::Redis70));
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    let mut connection = source.connect();
    drop(primary);
    eventually("the source has lost its master", || {
        redis::cmd("GET").arg("x").query::<Option<String>>(&mut connection).err()
    });
    call(&mut connection, &["CLIENT", "KILL", "TYPE", "replica"]);
    let error = sync.until_retrying("source_unavailable");
    assert!(text(&error, "message").contains("MASTERDOWN"), "{error}");
    call(&mut connection, &["REPLICAOF", "NO", "ONE"]);
    recovers(sync, &source, &destination);
}

#[test]
fn a_destination_that_is_busy_with_a_script_is_retried_until_it_is_done() {
    let (source, destination, mut sync) = in_step(&[], &["busy-reply-threshold 100"]);
    let mut connection = destination.connect();
    let script = std::thread::spawn(move || {
        redis::cmd("EVAL").arg("while true do end").arg(0).query::<()>(&mut connection).unwrap_err()
    });
    let mut other = source.connect();
    eventually("the source says busy", || destination.try_run::<String>(&["GET", "x"]).err());
    call(&mut other, &["SET", "during", "the script"]);
    let error = sync.until_retrying("source_unavailable");
    assert!(text(&error, "message").contains("BUSY"), "{error}");
    let client = redis::Client::open(destination.url()).unwrap();
    call(&mut client.get_connection().unwrap(), &["SCRIPT", "KILL"]);
    script.join().unwrap();
    recovers(sync, &source, &destination);
}

#[test]
fn a_destination_with_too_few_replicas_of_its_own_is_retried_until_it_takes_writes() {
    let (source, destination, mut sync) = in_step(&[], &[]);
    destination.set("min-replicas-to-write", "1");
    source.run::<()>(&["INCR", "counter"]);
    let error = sync.until_retrying("source_unavailable");
    assert!(text(&error, "message").contains("NOREPLICAS"), "{error}");
    destination.set("min-replicas-to-write", "0");
    recovers(sync, &source, &destination);
}

#[test]
fn servers_that_sleep_for_seconds_cost_no_connection() {
    let debug = ["enable-debug-command yes"];
    let (source, destination, mut sync) = in_step(&debug, &debug);
    for server in [&source, &destination] {
        let connections = source.count("total_connections_received");
        std::thread::scope(|scope| {
            let sleeping = scope.spawn(|| server.run::<()>(&["DEBUG", "SLEEP", "3"]));
            load::big_list(&source, "meanwhile", 2);
            sleeping.join().unwrap();
        });
        sync.until_in_step(&source);
        assert_eq!(source.count("sync_partial_ok") + source.count("sync_full"), 1, "{connections} connections before");
    }
    recovers(sync, &source, &destination);
}

// Replication around us.

/// It is a replica of nothing that answers, so that it keeps its data.
fn turn_read_only(destination: &Server) {
    destination.run::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
}

#[test]
fn a_destination_that_turns_read_only_for_a_moment_is_retried() {
    let (source, destination, mut sync) = in_step(&[], &[]);
    turn_read_only(&destination);
    source.run::<()>(&["INCR", "counter"]);
    sync.until_retrying("read_only");
    destination.run::<()>(&["REPLICAOF", "NO", "ONE"]);
    recovers(sync, &source, &destination);
    assert_eq!(source.count("sync_full"), 1);
}

#[test]
fn a_destination_that_stays_read_only_for_a_minute_stops() {
    let (source, destination, sync) = in_step(&[], &[]);
    turn_read_only(&destination);
    source.run::<()>(&["INCR", "counter"]);
    sync.ended().stopped_with("read_only");
    destination.run::<()>(&["REPLICAOF", "NO", "ONE"]);
    goes_on_when_started_again(&source, &destination);
}

/// A primary behind a proxy, its replica, and a sync from the proxy.
fn before_a_failover() -> (Server, Server, Server, Proxy, Sync) {
    let primary = Server::start(Version::Redis70);
    load::bulk(&primary, 500);
    let replica = Server::with(Version::Redis70, &[&format!("replicaof 127.0.0.1 {}", primary.port())]);
    eventually("the replica is up", || (replica.info("master_link_status") == "up").then_some(()));
    let (destination, proxy) = (Server::start(Version::Redis70), Proxy::before(primary.port()));
    let mut sync = Sync::start(&proxy.url(), &destination.url(), &[], &[]);
    sync.until_synced();
    (primary, replica, destination, proxy, sync)
}

fn fail_over(primary: Server, replica: &Server, proxy: &Proxy) {
    drop(primary);
    proxy.cut();
    replica.run::<()>(&["REPLICAOF", "NO", "ONE"]);
    proxy.point_to(replica.port());
    proxy.mend();
}

#[test]
fn a_failover_of_the_source_is_followed_by_a_partial_sync() {
    let (primary, replica, destination, proxy, sync) = before_a_failover();
    (0..100).for_each(|_| primary.run(&["INCR", "counter"]));
    eventually("the replica holds all", || {
        (replica.count("slave_repl_offset") == primary.count("master_repl_offset")).then_some(())
    });
    fail_over(primary, &replica, &proxy);
    replica.run::<u64>(&["INCR", "counter"]);
    recovers(sync, &replica, &destination);
    assert_eq!((replica.count("sync_full"), replica.count("sync_partial_ok")), (0, 1));
}

/// What the new primary never had is taken back at the destination: it is loaded again.
#[test]
fn a_failover_that_loses_writes_ends_equal_to_the_new_primary() {
    let (primary, replica, destination, proxy, sync) = before_a_failover();
    replica.freeze();
    (0..100).for_each(|_| primary.run(&["INCR", "counter"]));
    eventually("the destination is ahead", || {
        (destination.run::<Option<u64>>(&["GET", "counter"]) == Some(100)).then_some(())
    });
    // Of what the primary has sent nothing reaches the replica any more.
    let mut all = primary.connect();
    call(&mut all, &["CLIENT", "KILL", "TYPE", "replica"]);
    drop(primary);
    replica.thaw();
    proxy.cut();
    replica.run::<()>(&["REPLICAOF", "NO", "ONE"]);
    replica.run::<()>(&["SET", "counter", "7"]);
    proxy.point_to(replica.port());
    proxy.mend();
    recovers(sync, &replica, &destination);
}

#[test]
fn a_lost_backlog_stops_a_replica_that_is_to_ask_before_a_resync() {
    let source = Server::with(Version::Redis70, &["repl-backlog-size 16kb"]);
    let destination = Server::start(Version::Redis70);
    load::bulk(&source, 200);
    let proxy = Proxy::before(source.port());
    let mut sync = Sync::start(&proxy.url(), &destination.url(), &["--ask-before-resync"], &[]);
    sync.until_synced();
    let keys = destination.run::<u64>(&["DBSIZE"]);
    proxy.cut();
    load::big_list(&source, "larger than the backlog", 4);
    proxy.mend();
    sync.ended().stopped_with("resync_needed");
    assert_eq!(destination.run::<u64>(&["DBSIZE"]), keys, "nothing was deleted");
    recovers(Sync::start(&proxy.url(), &destination.url(), &["--flush=always"], &[]), &source, &destination);
}

#[test]
fn a_second_process_takes_a_replica_over_and_the_first_stops() {
    let (source, destination, first) = in_step(&[], &[]);
    let mut second = Sync::between(&source, &destination, &[]);
    first.ended().stopped_with("taken_over");
    second.until_synced();
    recovers(second, &source, &destination);
    assert_eq!(source.count("sync_full"), 1);
}

#[test]
fn the_same_server_under_another_name_is_refused_before_anything_is_deleted() {
    let server = Server::with(Version::Redis70, &["bind 127.0.0.1 127.0.0.2"]);
    server.run::<()>(&["SET", "key", "value"]);
    let other = format!("redis://127.0.0.2:{}", server.port());
    Sync::start(&server.url(), &other, &["--flush"], &[]).ended().stopped_with("same_database");
    assert_eq!(server.run::<String>(&["GET", "key"]), "value");
}

#[test]
fn a_source_that_is_a_native_replica_of_the_destination_is_a_cycle() {
    let destination = Server::start(Version::Redis70);
    destination.run::<()>(&["SET", "key", "value"]);
    let middle = Server::with(Version::Redis70, &[&format!("replicaof 127.0.0.1 {}", destination.port())]);
    eventually("the first link is up", || (middle.info("master_link_status") == "up").then_some(()));
    // Through a chain of two.
    let source = Server::with(Version::Redis70, &[&format!("replicaof 127.0.0.1 {}", middle.port())]);
    eventually("the second link is up", || (source.info("master_link_status") == "up").then_some(()));
    for source in [&middle, &source] {
        Sync::between(source, &destination, &["--flush"]).ended().stopped_with("cycle");
    }
    assert_eq!(destination.run::<String>(&["GET", "key"]), "value");
}

#[test]
fn a_source_that_becomes_a_native_replica_of_the_destination_is_a_cycle() {
    let (source, destination, sync) = in_step(&[], &[]);
    source.run::<()>(&["REPLICAOF", "127.0.0.1", &destination.port().to_string()]);
    sync.ended().stopped_with("cycle");
    assert!(destination.run::<u64>(&["DBSIZE"]) > 50, "nothing was deleted");
}

#[test]
fn two_syncs_in_opposite_directions_are_a_cycle() {
    let (first, second, mut sync) = in_step(&[], &[]);
    let keys = first.run::<u64>(&["DBSIZE"]);
    Sync::between(&second, &first, &["--flush"]).ended().stopped_with("cycle");
    assert_eq!(first.run::<u64>(&["DBSIZE"]), keys, "nothing was deleted");
    sync.until_in_step(&first);
    recovers(sync, &first, &second);
}

#[test]
fn more_than_32_sources_are_refused() {
    let destination = Server::start(Version::Redis70);
    let urls: Vec<String> = (0..33).map(|number| format!("redis://127.0.0.1:{}", 2000 + number)).collect();
    let mut arguments = vec!["sync", "--destination"];
    let url = destination.url();
    arguments.push(&url);
    urls.iter().for_each(|url| arguments.extend(["--source", url]));
    let (code, text) = cli::run(&arguments);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("32"), "{text}");
}

// Commands that the destination does not take.

#[test]
fn a_command_newer_than_the_destination_stops_and_names_it() {
    for older in [Version::Redis62, Version::Redis70] {
        let (source, destination) = (Server::start(Version::Redis82), Server::start(older));
        source.run::<()>(&["SET", "key", "value"]);
        let mut sync = Sync::between(&source, &destination, &[]);
        sync.until_synced();
        source.run::<()>(&["HSET", "hash", "field", "value"]);
        source.run::<Vec<i64>>(&["HPEXPIRE", "hash", "3600000", "FIELDS", "1", "field"]);
        let error = sync.ended().stopped_with("field_expiry_unknown");
        let message = text(&error, "message");
        assert!(message.contains("HPEXPIREAT") && message.contains("hash"), "{older:?}: {message}");
    }
    let destination = ["rename-command LPUSH \"\""];
    let (source, _destination, sync) = in_step(&[], &destination);
    source.run::<()>(&["LPUSH", "list", "element"]);
    let error = sync.ended().stopped_with("unknown_command");
    let message = text(&error, "message");
    assert!(message.contains("LPUSH") && message.contains("list"), "{message}");
}

#[test]
fn a_database_in_the_snapshot_that_the_destination_lacks_stops() {
    let source = Server::start(Version::Redis70);
    let destination = Server::with(Version::Redis70, &["databases 4"]);
    source.run_in::<()>(5, &["SET", "key", "value"]);
    Sync::between(&source, &destination, &[]).ended().stopped_with("db_out_of_range");
}

#[test]
fn a_database_in_the_stream_that_the_destination_lacks_stops_before_the_transaction() {
    let source = Server::start(Version::Redis70);
    let mut destination = Server::with(Version::Redis70, &["databases 4", "appendonly yes", "appendfsync always"]);
    let mut sync = Sync::between(&source, &destination, &[]);
    sync.until_synced();
    source.run_in::<()>(1, &["INCR", "counter"]);
    source.run_in::<()>(5, &["INCR", "counter"]);
    sync.ended().stopped_with("db_out_of_range");
    destination.kill();
    destination.start_again_with(&["databases 16"]);
    eventually("the destination is there again", || destination.try_run::<String>(&["PING"]).ok());
    goes_on_when_started_again(&source, &destination);
}

/// A sync that stopped at a command which failed within an executed transaction.
fn stopped_at_a_failed_command() -> (Server, Server) {
    let (source, destination, sync) = in_step(&[], &[]);
    source.run::<()>(&["LPUSH", "list", "first"]);
    eventually("the list arrives", || (destination.run::<u64>(&["EXISTS", "list"]) == 1).then_some(()));
    // Someone else writes to the destination.
    destination.run::<()>(&["SET", "list", "a string now"]);
    let mut block = redis::pipe();
    block.atomic().cmd("INCR").arg("left").ignore().cmd("LPUSH").arg(&["list", "second"]).ignore();
    block.cmd("INCR").arg("right").ignore().query::<()>(&mut source.connect()).unwrap();
    let error = sync.ended().stopped_with("command_failed");
    let message = text(&error, "message");
    assert!(message.contains("LPUSH") && message.contains("list") && message.contains("WRONGTYPE"), "{message}");
    // Starting again does not hide it.
    let again = Sync::between(&source, &destination, &[]).ended().stopped_with("command_failed");
    assert!(text(&again, "message").contains("LPUSH"), "{again}");
    (source, destination)
}

#[test]
fn a_failed_command_stops_every_start_until_it_is_skipped() {
    let (source, destination) = stopped_at_a_failed_command();
    let mut sync = Sync::between(&source, &destination, &["--skip-failed"]);
    source.run::<()>(&["INCR", "left"]);
    sync.until_in_step(&source);
    assert_eq!(source.count("sync_full"), 1);
    for key in ["left", "right"] {
        assert_eq!(source.run::<u64>(&["GET", key]), destination.run::<u64>(&["GET", key]), "{key}");
    }
    assert_eq!(destination.run::<String>(&["GET", "list"]), "a string now", "the command was skipped");
    assert_eq!(sync.interrupt().code, Some(0));
    // The skip was for that command alone.
    source.run::<()>(&["LPUSH", "list", "third"]);
    Sync::between(&source, &destination, &[]).ended().stopped_with("command_failed");
}

#[test]
fn a_failed_command_stops_every_start_until_all_is_loaded_again() {
    let (source, destination) = stopped_at_a_failed_command();
    recovers(Sync::between(&source, &destination, &["--flush=always"]), &source, &destination);
    assert_eq!(destination.run::<u64>(&["LLEN", "list"]), 2);
}
