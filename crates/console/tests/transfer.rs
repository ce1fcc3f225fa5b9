//! Definitions that go from one console to another, and the secrets they name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use support::{RememberingKeyring, Server, open, replica, until};
use tributary_console::declaration::Declarations;
use tributary_console::dto::Status;

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_two_replicas_name_stays_until_neither_does() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let id = console.create(replica("first", &source, &destination)).await.unwrap().id;
    let exported = folder.path().join("definitions.toml");
    console.export_definitions(&exported).await.unwrap();
    let text = std::fs::read_to_string(&exported).unwrap();
    let passwords: Vec<&str> = text.lines().filter(|line| line.contains("keyring = ")).collect();
    assert_eq!((passwords.len(), keyring.accounts()), (2, 2), "{text}");

    // Both name what the first one's source has.
    let password = passwords.iter().find(|line| line.starts_with("password")).unwrap();
    let second = |password: &str| {
        let text = format!(
            "[[replica]]\nname = \"second\"\ndestination = \"redis://other:1\"\n\
             [[replica.source]]\nname = \"origin\"\nurl = \"redis://127.0.0.1:{}\"\n{password}\n",
            source.port
        );
        Declarations::parse("second.toml", &text).unwrap()
    };
    let report = console.import(&second(password), false).await.unwrap();
    assert_eq!((report.added, report.missing), (vec!["second".to_owned()], Vec::new()));
    console.delete(&id).await.unwrap();
    assert_eq!(keyring.accounts(), 1, "the destination's is gone, the source's is still named");
    let report = console.import(&second(""), true).await.unwrap();
    assert_eq!(report.replaced, ["second"]);
    assert_eq!(keyring.accounts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_entered_here_stays_where_a_file_only_names_a_variable() {
    let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
    let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
    let console = open(folder.path(), &keyring).await;
    let id = console.create(replica("first", &source, &destination)).await.unwrap().id;
    let exported = folder.path().join("definitions.toml");
    console.export_definitions(&exported).await.unwrap();
    let text = std::fs::read_to_string(&exported).unwrap();
    let named = text.lines().map(|line| match line.split_once(" = { keyring") {
        Some((field, _)) => format!("{field} = {{ env = \"ELSEWHERE\" }}\n"),
        None => format!("{line}\n"),
    });
    let file = Declarations::parse("other.toml", &named.collect::<String>()).unwrap();
    let report = console.import(&file, true).await.unwrap();
    assert_eq!((report.replaced, report.missing), (vec!["first".to_owned()], Vec::new()));
    assert_eq!(keyring.accounts(), 2);
    console.start(&id, None).await.unwrap();
    until(&console, &id, |live| live.status == Status::Synced).await;
    console.shut_down().await;
}
