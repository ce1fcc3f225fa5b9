//! No data comes back to where it came from, under whatever name a server is entered.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use std::sync::Arc;

use support::{Detour, RememberingKeyring, Server, form_of, new_source, open, replica, until};
use tributary_console::Console;
use tributary_console::dto::{ApiError, ReplicaDraft, Status};

/// Another address of this machine, which the servers listen on, too.
const ALIAS: &str = "127.0.0.2";

async fn in_step(console: &Arc<Console>, draft: ReplicaDraft) -> String {
    let name = draft.name.clone();
    let id = console.create(draft).await.unwrap().id;
    console.start(&id, Some(&name)).await.unwrap();
    until(console, &id, |live| live.status == Status::Synced).await;
    id
}

fn under_the_alias(name: &str, source: &Server, destination: &Server) -> ReplicaDraft {
    let mut draft = replica(name, source, destination);
    draft.sources[0].endpoint.host = ALIAS.into();
    draft.destination.host = ALIAS.into();
    draft
}

#[tokio::test(flavor = "multi_thread")]
async fn localhost_and_127_0_0_1_are_one_when_a_replica_is_made() {
    let (a, b) = (Server::start("a-secret").await, Server::start("b-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    console.create(replica("there", &a, &b)).await.unwrap();
    let mut back = replica("back", &b, &a);
    back.sources[0].endpoint.host = "localhost".into();
    back.destination.host = "localhost".into();
    let refused = ApiError::from(console.create(back).await.unwrap_err());
    assert_eq!((refused.code.as_str(), refused.field.as_deref()), ("cycle", Some("sources[0].host")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_comes_back_under_other_names_is_refused_before_it_starts() {
    let (a, b) = (Server::start("a-secret").await, Server::start("b-secret").await);
    let c = Server::start("c-secret").await;
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    a.run(&["SET", "key", "of a"]).await;
    let console = open(folder.path(), &keyring).await;
    let names = ["first", "second", "third"];
    let first = console.create(replica(names[0], &a, &b)).await.unwrap().id;
    let second = console.create(under_the_alias(names[1], &b, &c)).await.unwrap().id;
    let mut draft = under_the_alias(names[2], &c, &a);
    draft.sources[0].endpoint.host = "127.0.0.3".into();
    let third = console.create(draft).await.unwrap().id;
    let started = async |id: &str, name: &str| {
        console.start(id, Some(name)).await.unwrap();
        until(&console, id, |live| live.status == Status::Synced).await;
    };
    let refused = async |id: &str, name: &str, through: [&str; 2]| {
        let refused = ApiError::from(console.start(id, Some(name)).await.unwrap_err());
        assert_eq!(refused.code, "cycle");
        assert!(through.iter().all(|name| refused.message.contains(name)), "{}", refused.message);
        a.answers(&["GET", "key"], "of a").await;
    };
    started(&first, names[0]).await;
    started(&second, names[1]).await;
    c.answers(&["GET", "key"], "of a").await;
    refused(&third, names[2], ["first", "second"]).await;
    // Without one of its parts it is no cycle; then that part is what closes it.
    console.stop(&second).await.unwrap();
    started(&third, names[2]).await;
    refused(&second, names[1], ["third", "first"]).await;
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_do_not_write_to_one_server_under_two_names() {
    let (a, b) = (Server::start("a-secret").await, Server::start("b-secret").await);
    let c = Server::start("c-secret").await;
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    a.run(&["SET", "key", "of a"]).await;
    let console = open(folder.path(), &keyring).await;
    in_step(&console, replica("first", &a, &c)).await;
    let second = console.create(under_the_alias("second", &b, &c)).await.unwrap().id;
    let refused = ApiError::from(console.start(&second, Some("second")).await.unwrap_err());
    assert_eq!(refused.code, "same_database");
    c.answers(&["GET", "key"], "of a").await;
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_comes_to_lead_back_stops_the_sync_before_anything_is_deleted() {
    let (a, b) = (Server::start("a-secret").await, Server::start("b-secret").await);
    // The two servers behind the address have one password, as they would.
    let (c, outside) = (Server::start("secret").await, Server::start("secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    outside.run(&["SET", "key", "from outside"]).await;
    let console = open(folder.path(), &keyring).await;
    let detour = Detour::to(&outside).await;
    in_step(&console, replica("first", &a, &b)).await;
    in_step(&console, replica("second", &b, &c)).await;
    let mut draft = replica("third", &outside, &a);
    draft.sources[0].endpoint.port = detour.port;
    let third = in_step(&console, draft).await;
    for server in [&a, &b, &c] {
        server.answers(&["GET", "key"], "from outside").await;
    }
    detour.turn_to(&c);
    let stopped = until(&console, &third, |live| live.status == Status::Stopped && live.failure.is_some()).await;
    let failure = stopped.failure.unwrap();
    assert_eq!(failure.kind, "cycle", "{}", failure.message);
    assert!(failure.message.contains("“first” and “second”"), "{}", failure.message);
    for server in [&a, &b, &c] {
        server.answers(&["GET", "key"], "from outside").await;
    }
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_would_close_a_chain_is_refused_and_the_replica_runs_on_as_it_was() {
    let (a, b) = (Server::start("a-secret").await, Server::start("b-secret").await);
    let c = Server::start("c-secret").await;
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let first = in_step(&console, replica("first", &a, &b)).await;
    in_step(&console, replica("second", &b, &c)).await;
    let kept = console.startup().await.unwrap().definitions.into_iter().find(|kept| kept.id == first).unwrap();
    let mut form = form_of(&kept);
    let mut back = new_source("back", &c);
    back.endpoint.host = ALIAS.into();
    form.sources.push(back);
    let refused = ApiError::from(console.update(&first, form).await.unwrap_err());
    assert_eq!(refused.code, "cycle");
    let now = console.startup().await.unwrap().definitions.into_iter().find(|kept| kept.id == first).unwrap();
    assert_eq!(now, kept);
    a.run(&["SET", "key", "goes on"]).await;
    c.answers(&["GET", "key"], "goes on").await;
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_that_would_feed_each_other_one_starts_when_both_are_started_at_once() {
    let (a, b) = (Server::start("a-secret").await, Server::start("b-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let there = console.create(replica("there", &a, &b)).await.unwrap().id;
    let back = console.create(under_the_alias("back", &b, &a)).await.unwrap().id;
    let (one, other) = tokio::join!(console.start(&there, Some("there")), console.start(&back, Some("back")));
    let refused: Vec<String> =
        [one, other].into_iter().filter_map(Result::err).map(|e| ApiError::from(e).code).collect();
    assert_eq!(refused, ["cycle"]);
    console.shut_down().await;
}
