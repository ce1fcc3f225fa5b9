//! The Verify tab: differences found, listed, written to a file and repaired.

use crate::server::Server;
use crate::window::Window;
use crate::{DESTINATION_PASSWORD, SOURCE_PASSWORD, define, in_time};

#[tokio::test]
async fn differences_are_found_listed_exported_and_repaired_in_the_window() {
    in_time(async {
        let (source, destination) = (Server::start(SOURCE_PASSWORD).await, Server::start(DESTINATION_PASSWORD).await);
        for n in 0..500 {
            source.run(&["SET", &format!("key:{n}"), "value"]).await;
        }
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        define(&window, "delta", &source, SOURCE_PASSWORD, &destination).await;
        window.click("next").await;
        window.click("next").await;
        window.until("review-sentence", |text| text.contains("deletes nothing")).await;
        window.click("create-and-start").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;

        destination.run(&["DEL", "key:7"]).await;
        destination.run(&["SET", "key:8", "drifted"]).await;
        destination.run(&["RPUSH", "of nobody", "1", "2"]).await;
        window.click("tab-verify").await;
        window.until("verify", |text| text.contains("it writes nothing")).await;
        window.shot("verify-intro").await;
        window.click("verify-mode-full").await;
        window.fill("verify-limit", "100").await;
        window.click("verify-start").await;
        window.until("verify-keys", |keys| keys.contains(" of 1,00")).await;
        window.until("verify-percent", |percent| percent.ends_with(" %")).await;
        window.until("verify-left", |left| left.ends_with(" s")).await;
        window.shot("verify-running").await;

        // It goes on behind the other tab, and ends when the user says so.
        window.click("tab-sync").await;
        window.find("sources-table").await;
        window.until("tab-verify", |tab| tab.contains('%')).await;
        window.click("tab-verify").await;
        window.click("verify-stop").await;
        window.until("verify-verdict", |verdict| verdict.starts_with("Stopped after ")).await;
        window.click("verify-no-limit").await;
        window.click("verify-start").await;
        window.until("verify-verdict", |verdict| verdict == "3 differences, 498 keys equal").await;
        for (kind, key, says) in
            [("missing", "key:7", "string"), ("value", "key:8", "string"), ("extra", "of nobody", "list")]
        {
            window.click(&format!("verify-kind-{kind}")).await;
            window.until("differences-range", |range| range == "1–1 of 1").await;
            window.until_content("difference", |row| row.contains(key) && row.contains(says)).await;
        }
        window.click("verify-kind-all").await;
        window.until("differences-range", |range| range == "1–3 of 3").await;
        window.click("difference-toggle").await;
        window.shot("verify-differences").await;
        window.click("difference-toggle").await;

        window.click("verify-export").await;
        let file = folder.path().join("differences.csv");
        window.fill("export-path", file.to_str().unwrap()).await;
        window.click("confirm-export").await;
        window.until("export-done", |text| text.contains("differences.csv")).await;
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!((text.lines().count(), text.contains("missing,0,key:7,spring,")), (4, true), "{text}");

        window.click("verify-repair-open").await;
        window
            .until("repair-plan", |plan| {
                plan.contains("writes 2 keys") && plan.contains("deletes 1 key that no source has")
            })
            .await;
        window.shot("verify-repair").await;
        window.click("confirm-repair").await;
        window.until("verify-verdict", |verdict| verdict == "3 differences, all repaired").await;
        window.shot("verify-repaired").await;
        destination.holds("key:7", "value").await;
        destination.holds("key:8", "value").await;
        assert_eq!(destination.run(&["EXISTS", "of nobody"]).await, redis::Value::Int(0));
        window.click("verify-start").await;
        window.until("verify-verdict", |verdict| verdict == "Equal: 500 keys").await;
        window.shot("verify-equal").await;
        window.click("tab-sync").await;
        for told in ["Verify found 3 differences.", "Repaired 3 differences", "Verified: 500 keys equal."] {
            window.until("events", |log| log.contains(told)).await;
        }
        window.close().await;
    })
    .await;
}
