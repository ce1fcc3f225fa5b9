//! The real window, a real Secret Service and real servers: what a user does, from the first click to the last.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod display;
mod links;
mod server;
mod verify;
mod window;

use std::path::Path;

use display::Display;
use server::Server;
use window::Window;

const SOURCE_PASSWORD: &str = "spring-water-4711";
const DESTINATION_PASSWORD: &str = "river-mouth-0815";

/// A driver that never answers must fail the test, not hold up the suite.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(240);

async fn in_time(test: impl Future<Output = ()>) {
    tokio::time::timeout(LONGEST, test).await.expect("the window answers in time");
}

/// Goes from the first step of the form to the review.
async fn define(window: &Window, name: &str, source: &Server, source_password: &str, destination: &Server) {
    window.click("new-replica").await;
    // The form takes the focus to its first field when it opens; typing before that would go astray.
    window.focused("name").await;
    window.fill("name", name).await;
    window.fill("destination.host", "127.0.0.1").await;
    window.fill("destination.port", &destination.port.to_string()).await;
    window.fill("destination.password", destination.password).await;
    window.shot("create-destination").await;
    window.click("next").await;
    window.fill("sources[0].name", "spring").await;
    window.fill("sources[0].url", &format!("redis://:{source_password}@127.0.0.1:{}", source.port)).await;
    window.click("sources[0].name").await;
    window.value("sources[0].port", &source.port.to_string()).await;
    window.value("sources[0].password", source_password).await;
}

/// How many keys of `server` there are, those of Tributary aside.
async fn keys(server: &Server) -> usize {
    let names: Vec<String> = redis::from_redis_value(server.run(&["KEYS", "*"]).await).unwrap();
    names.iter().filter(|name| !name.starts_with("tributary:")).count()
}

/// Seconds until `key` expires there.
async fn ttl(server: &Server, key: &str) -> i64 {
    redis::from_redis_value(server.run(&["TTL", key]).await).unwrap()
}

/// Whether any file under `folder` holds `needle`; the paths of those that do.
fn search(folder: &Path, needle: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.append(&mut search(&entry.path(), needle));
        } else if kind.is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(entry.path());
            }
        }
    }
    found
}

/// The ID of the replica and of its source, from the checkpoint's name at the destination.
async fn ids(destination: &Server) -> (String, String) {
    let names: Vec<String> =
        redis::from_redis_value(destination.run(&["KEYS", "tributary:checkpoint:*"]).await).unwrap();
    assert_eq!(names.len(), 1, "{names:?}");
    let mut parts = names[0].split(':').skip(2).map(str::to_owned);
    (parts.next().unwrap(), parts.next().unwrap())
}

fn in_secret_service(account: &str) -> String {
    keyring::Entry::new("tributary", account).unwrap().get_password().unwrap()
}

#[tokio::test]
async fn a_replica_is_made_started_watched_stopped_and_restarted_in_the_window() {
    in_time(async {
        let (source, destination) = (Server::start(SOURCE_PASSWORD).await, Server::start(DESTINATION_PASSWORD).await);
        for n in 0..1_000 {
            source.run(&["SET", &format!("key:{n}"), "value"]).await;
        }
        destination.run(&["SET", "left-over", "1"]).await;
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        window.find("empty-overview").await;
        window.shot("overview-empty").await;

        define(&window, "delta", &source, SOURCE_PASSWORD, &destination).await;
        window.click("test-connection").await;
        window.until("check-line", |line| line.contains("accepts the connection")).await;
        window.until("edit-view", |form| form.contains("may replicate") && form.contains("1000 in 1 database")).await;
        window.shot("create-source").await;
        window.click("next").await;
        window.find("options").await;
        window.shot("create-options").await;
        window.click("next").await;
        window
            .until("review-sentence", |text| text.contains("deletes 1 key ") && text.contains("loads 1 source"))
            .await;
        window.shot("create-review").await;
        window.fill("review-confirm-name", "delta").await;
        window.click("create-and-start").await;

        window.until("status-badge", |badge| badge.contains("Synced")).await;
        assert_eq!(destination.run(&["EXISTS", "left-over"]).await, redis::Value::Int(0));
        destination.holds("key:999", "value").await;
        source.run(&["SET", "written", "while synced"]).await;
        destination.holds("written", "while synced").await;
        window.until("lag", |lag| lag.ends_with(" ms")).await;
        window.until("last-command", |time| time.contains(':')).await;
        window.until("server", |server| server.starts_with("Redis ")).await;
        window.shot("replica-synced-small").await;

        let (replica, origin) = ids(&destination).await;
        assert_eq!(in_secret_service(&format!("{replica}/destination")), DESTINATION_PASSWORD);
        assert_eq!(in_secret_service(&format!("{replica}/{origin}")), SOURCE_PASSWORD);

        window.click("stop").await;
        window.until("status-badge", |badge| badge.to_lowercase().contains("stopped")).await;
        source.run(&["SET", "written", "while stopped"]).await;
        window.click("start").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;
        destination.holds("written", "while stopped").await;

        destination.run(&["SET", "drift", "1"]).await;
        window.click("restart").await;
        window.until("review-sentence", |text| text.contains("deletes 1,002 keys ")).await;
        window.shot("restart-confirm").await;
        window.fill("review-confirm-name", "delta").await;
        window.click("confirm-restart").await;
        window.until("events", |log| log.contains("Restarted by the user")).await;
        destination.lacks("drift").await;
        destination.holds("written", "while stopped").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;

        window.close().await;
        source.run(&["SET", "written", "while closed"]).await;
        let window = Window::open(folder.path()).await;
        window.until("resume-offer", |offer| offer.contains("delta")).await;
        window.shot("resume-offer").await;
        window.click("resume-accept").await;
        destination.holds("written", "while closed").await;
        window.click("nav-replica").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;

        window.close().await;
        for password in [SOURCE_PASSWORD, DESTINATION_PASSWORD] {
            assert!(search(folder.path(), password).is_empty(), "{:?}", search(folder.path(), password));
            let home = std::env::var_os("HOME").unwrap();
            assert!(search(Path::new(&home), password).is_empty(), "{:?}", search(Path::new(&home), password));
        }
        assert!(!search(folder.path(), "127.0.0.1").is_empty(), "the search finds what is there");
    })
    .await;
}

#[tokio::test]
async fn pause_single_sources_a_new_one_and_deletion_keep_every_key() {
    in_time(async {
        let (spring, brook) = (Server::start(SOURCE_PASSWORD).await, Server::start(SOURCE_PASSWORD).await);
        let destination = Server::start(DESTINATION_PASSWORD).await;
        for n in 0..300 {
            spring.run(&["SET", &format!("spring:{n}"), "value"]).await;
            brook.run(&["SET", &format!("brook:{n}"), "value"]).await;
        }
        spring.run(&["SET", "spring:fades", "value", "EX", "3600"]).await;
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        define(&window, "delta", &spring, SOURCE_PASSWORD, &destination).await;
        window.click("next").await;
        window.click("next").await;
        window.until("review-sentence", |text| text.contains("deletes nothing")).await;
        window.click("create-and-start").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;
        window.until("expiry", |text| text.contains("100 years longer")).await;
        assert!(ttl(&destination, "spring:fades").await > 1_000_000, "its expiry is held back");

        // What is written during a pause is received and not applied, and arrives after it.
        window.click("pause").await;
        window.until("status-badge", |badge| badge.contains("Paused")).await;
        for n in 0..200 {
            spring.run(&["SET", &format!("paused:{n}"), "value"]).await;
        }
        window.until("status-badge", |badge| badge.contains("kB waiting")).await;
        assert_eq!(keys(&destination).await, 301);
        window.click("source-toggle").await;
        window.until("spool", |text| text.contains("kB")).await;
        window.until("received", |text| text.contains(',')).await;
        window.shot("replica-paused").await;
        window.click("resume").await;
        destination.holds("paused:199", "value").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;
        window.until("received", |text| text.contains(',')).await;
        assert_eq!(keys(&destination).await, 501);
        window.click("source-toggle").await;

        // A source that is added is loaded beside the other, deleting nothing.
        destination.run(&["SET", "drift", "1"]).await;
        window.click("edit").await;
        window.click("step-sources").await;
        window.click("add-source").await;
        window.fill("sources[1].name", "brook").await;
        window.fill("sources[1].url", &format!("redis://:{SOURCE_PASSWORD}@127.0.0.1:{}", brook.port)).await;
        window.click("sources[1].name").await;
        window.value("sources[1].port", &brook.port.to_string()).await;
        window.click("next").await;
        window.click("next").await;
        window.until("review-sentence", |text| text.contains("“brook” is loaded beside it")).await;
        window.until("changes", |text| text.contains("“brook” begins to load")).await;
        window.shot("edit-review-joins").await;
        window.click("save").await;
        window.until("in-step", |text| text.contains("2 of 2")).await;
        destination.holds("brook:299", "value").await;
        destination.holds("drift", "1").await;
        assert_eq!(keys(&destination).await, 802);

        // One source is stopped while the other goes on.
        window.click("stop-source").await;
        window.until("in-step", |text| text.contains("1 of 2")).await;
        window.until("stopped-by-user", |text| text.contains("Stopped by you")).await;
        spring.run(&["SET", "spring:stopped", "value"]).await;
        brook.run(&["SET", "brook:goes-on", "value"]).await;
        destination.holds("brook:goes-on", "value").await;
        assert_eq!(destination.run(&["EXISTS", "spring:stopped"]).await, redis::Value::Int(0));
        window.until("status-badge", |badge| badge.contains("Synced")).await;
        window.shot("replica-source-stopped").await;
        window.click("start-source").await;
        destination.holds("spring:stopped", "value").await;
        window.until("in-step", |text| text.contains("2 of 2")).await;

        // Writes of another client are noticed while it stays.
        let mut other = destination.connect().await.unwrap();
        redis::cmd("SET").arg("drift").arg("2").query_async::<()>(&mut other).await.unwrap();
        window.until("foreign-write", |text| text.contains("with SET")).await;
        drop(other);

        window.click("check").await;
        window.until("check-summary", |text| text.contains("Nothing stands in the way")).await;
        for found in ["Source spring", "Source brook", "Destination", "Permissions", "Backlog", "Other writers"] {
            window.until("check-panel", |text| text.contains(found)).await;
        }
        window.shot("replica-check").await;
        window.click("check-close").await;

        window.click("delete").await;
        window.click("confirm-delete").await;
        window.find("empty-overview").await;
        assert_eq!(keys(&destination).await, 804);
        assert_eq!(destination.run(&["KEYS", "tributary:*"]).await, redis::Value::Array(Vec::new()));
        assert!((0..=3600).contains(&ttl(&destination, "spring:fades").await), "its expiry is exact again");
        window.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_dump_file_is_loaded_once_its_destinations_address_was_typed() {
    in_time(async {
        let (source, destination) = (Server::start(SOURCE_PASSWORD).await, Server::start(DESTINATION_PASSWORD).await);
        for n in 0..1_000 {
            source.run(&["SET", &format!("key:{n}"), "value"]).await;
        }
        source.run(&["SAVE"]).await;
        let setting: Vec<String> = redis::from_redis_value(source.run(&["CONFIG", "GET", "dir"]).await).unwrap();
        let dump = Path::new(&setting[1]).join("dump.rdb");
        destination.run(&["SET", "left-over", "1"]).await;
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        window.click("load-file").await;
        window.fill("path", &dump.display().to_string()).await;
        window.fill("destination.host", "127.0.0.1").await;
        window.until("file-facts", |facts| facts.starts_with("Redis ") && facts.contains("RDB")).await;
        window.fill("destination.port", &destination.port.to_string()).await;
        window.fill("destination.password", destination.password).await;
        window.click("check-load").await;
        window.until("load-refusal", |text| text.contains("holds 1 key")).await;
        window.click("existing-flush").await;
        window.until("load-sentence", |text| text.contains("This deletes 1 key at")).await;
        window.shot("load-confirm").await;
        window.fill("confirm-address", &format!("127.0.0.1:{}", destination.port)).await;
        window.click("start-load").await;
        window.until("load-phase", |phase| phase.contains("Loaded")).await;
        window.until("load-keys", |keys| keys == "1,000").await;
        window.shot("load-done").await;
        destination.lacks("left-over").await;
        destination.holds("key:999", "value").await;
        assert_eq!(search(folder.path(), DESTINATION_PASSWORD), [""; 0].map(std::path::PathBuf::from));
        window.click("load-another").await;
        window.find("load-form").await;
        window.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_source_that_locks_the_sync_out_is_an_error_row_with_its_remedy() {
    in_time(async {
        let (spring, brook) = (Server::start(SOURCE_PASSWORD).await, Server::start(SOURCE_PASSWORD).await);
        let destination = Server::start(DESTINATION_PASSWORD).await;
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        define(&window, "delta", &spring, SOURCE_PASSWORD, &destination).await;
        window.click("add-source").await;
        window.fill("sources[1].name", "brook").await;
        window.fill("sources[1].url", &format!("redis://:{SOURCE_PASSWORD}@127.0.0.1:{}", brook.port)).await;
        window.click("sources[1].name").await;
        window.value("sources[1].port", &brook.port.to_string()).await;
        window.click("next").await;
        window.click("next").await;
        window.find("review").await;
        window.click("create-and-start").await;
        window.until("in-step", |text| text.contains("2 of 2")).await;

        let mut inside = spring.connect().await.unwrap();
        for command in [["CONFIG SET", "requirepass", "changed"], ["CLIENT KILL", "TYPE", "replica"]] {
            let mut words = command[0].split(' ');
            let mut run = redis::cmd(words.next().unwrap());
            words.for_each(|word| {
                run.arg(word);
            });
            run.arg(&command[1..]).query_async::<redis::Value>(&mut inside).await.unwrap();
        }
        let row =
            window.until_content("source-failure", |text| text.contains("Check the user name and the password")).await;
        assert!(row.contains(&spring.port.to_string()), "{row}");
        window.until("failure-message", |text| text.contains(&spring.port.to_string())).await;
        window.find("remedy-edit").await;
        window.until("in-step", |text| text.contains("1 of 2")).await;
        window.shot("replica-error-row").await;
        brook.run(&["SET", "brook", "goes on"]).await;
        destination.holds("brook", "goes on").await;

        let reset = ["SET", "requirepass", SOURCE_PASSWORD];
        redis::cmd("CONFIG").arg(&reset).query_async::<()>(&mut inside).await.unwrap();
        spring.run(&["SET", "spring", "is back"]).await;
        window.click("start-source").await;
        destination.holds("spring", "is back").await;
        window.until("in-step", |text| text.contains("2 of 2")).await;
        window.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_shown_with_what_to_do() {
    in_time(async {
        let (source, destination) = (Server::start(SOURCE_PASSWORD).await, Server::start(DESTINATION_PASSWORD).await);
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        define(&window, "estuary", &source, "salt-water", &destination).await;
        window.click("test-connection").await;
        window.until("edit-view", |form| form.contains("Check the user name and the password")).await;
        window.shot("create-wrong-password").await;
        window.click("next").await;
        window.click("next").await;
        window.find("review-warning").await;
        window.click("create-and-start").await;
        window.until("status-badge", |badge| badge.to_lowercase().contains("stopped")).await;
        window.until("failure-message", |message| message.contains(&source.port.to_string())).await;
        window.until("failure-hint", |hint| hint.starts_with("Check the user name and the password")).await;
        window.shot("replica-wrong-password").await;
        window.close().await;
    })
    .await;
}

#[tokio::test]
async fn the_demo_comes_into_step_in_the_window() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        window.click("try-demo").await;
        window.find("progress").await;
        window.shot("demo-syncing").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;
        window.until("lag", |lag| lag.ends_with(" ms")).await;
        window.until("writes-per-sec", |rate| rate.chars().any(|digit| ('1'..='9').contains(&digit))).await;
        window.gather().await;
        window.shot("demo-synced").await;
        window.click("nav-overview").await;
        window.until("row-writes", |rate| rate.chars().any(|digit| ('1'..='9').contains(&digit))).await;
        window.shot("overview").await;
        window.click("nav-settings").await;
        window.click("theme-dark").await;
        window.shot("settings-dark").await;
        window.click("nav-replica").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;
        window.shot("demo-synced-dark").await;
        window.click("restart").await;
        window.fill("review-confirm-name", "Demo").await;
        window.click("confirm-restart").await;
        window.find("progress").await;
        window.shot("demo-syncing-dark").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;
        window.click("end-demo").await;
        window.find("empty-overview").await;
        window.close().await;
    })
    .await;
}

#[tokio::test]
async fn closing_asks_once_keeps_running_in_the_tray_and_stops_when_told_to() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        let display = Display::open();
        window.click("try-demo").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;
        let url = window.until("destination-url", |url| url.contains(':')).await;
        let address = url.trim_start_matches("redis://").to_owned();

        display.close_window();
        window.find("close-prompt").await;
        window.shot("close-prompt").await;
        window.click("close-cancel").await;
        display.until_shown(true).await;

        display.close_window();
        window.click_goodbye("close-tray").await;
        display.until_shown(false).await;
        assert!(std::net::TcpStream::connect(&address).is_ok(), "the demo runs on behind the tray");

        // A second start brings the window of the first back.
        assert!(window.start_again(folder.path()).success());
        display.until_shown(true).await;

        display.close_window();
        window.click_goodbye("close-stop").await;
        window.ended().await;
        assert!(std::net::TcpStream::connect(&address).is_err(), "the demo's servers ended with the app");
    })
    .await;
}

#[tokio::test]
async fn the_demos_servers_end_even_when_the_app_is_killed() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        window.click("try-demo").await;
        let url = window.until("destination-url", |url| url.contains(':')).await;
        let address = url.trim_start_matches("redis://").to_owned();
        assert!(std::net::TcpStream::connect(&address).is_ok());
        window.kill();
        let started = std::time::Instant::now();
        while std::net::TcpStream::connect(&address).is_ok() {
            assert!(started.elapsed() < std::time::Duration::from_secs(30), "a server outlived the app");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}
