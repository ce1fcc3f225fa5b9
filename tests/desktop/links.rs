//! How a source's link is compressed and encrypted.

use tributary_tests::certificates::Authority;
use tributary_tests::relay::Relay;

use super::*;

/// Documents that compress well.
async fn documents(source: &Server, prefix: &str) {
    for n in 0..300 {
        let lines: String =
            (0..20).map(|line| format!("{{\"article\":{},\"paid\":true}},", n * 31 + line * 7)).collect();
        source.run(&["SET", &format!("{prefix}:{n}"), &lines]).await;
    }
}

#[tokio::test]
async fn a_link_is_compressed_where_a_relay_stands_and_the_error_is_clear_where_none_does() {
    in_time(async {
        let (source, destination) = (Server::start(SOURCE_PASSWORD).await, Server::start(DESTINATION_PASSWORD).await);
        documents(&source, "loaded").await;
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        define(&window, "delta", &source, SOURCE_PASSWORD, &destination).await;
        window.click("sources[0].compression").await;
        window.click("test-connection").await;
        window.until("edit-view", |form| form.contains("not a relay")).await;
        window.shot("create-compression-no-relay").await;
        window.click("next").await;
        window.click("next").await;
        window.find("review").await;
        window.click("create-and-start").await;
        window.until("status-badge", |badge| badge.to_lowercase().contains("stopped")).await;
        window.until("failure-message", |text| text.contains("not a relay")).await;
        window.until("failure-hint", |text| text.contains("tributary relay")).await;
        window.shot("replica-not-a-relay").await;

        // The same source through a relay.
        let relay = Relay::before(source.port, &[]);
        window.click("remedy-source").await;
        window.find("sources[0].port").await;
        window.fill("sources[0].port", &relay.port().to_string()).await;
        window.click("next").await;
        window.click("next").await;
        window.find("review").await;
        window.click("save").await;
        window.find("start").await;
        window.click("start").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;
        documents(&source, "streamed").await;
        source.run(&["SET", "behind", "them"]).await;
        destination.holds("behind", "them").await;
        window.click("source-toggle").await;
        let ratio = window.until("ratio", |text| text.trim().ends_with(": 1")).await;
        let number: f64 = ratio.split(':').next().unwrap().trim().parse().unwrap();
        assert!(number > 2.0, "{ratio}");
        window.until("saved-bytes", |text| text.contains("kB")).await;
        window.until("link-compression", |text| text.to_lowercase().contains("gzip")).await;
        window.shot("replica-compressed").await;
        window.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_looked_at_and_trusted() {
    in_time(async {
        let (source, destination) = (Server::start(SOURCE_PASSWORD).await, Server::start(DESTINATION_PASSWORD).await);
        source.run(&["SET", "key", "value"]).await;
        let authority = Authority::new("Nobody");
        let signed = authority.self_signed("spring.example");
        let (certificate, key) = (signed.certificate.display().to_string(), signed.key.display().to_string());
        let relay = Relay::before(source.port, &["--tls-cert", &certificate, "--tls-key", &key]);
        let folder = tempfile::tempdir().unwrap();
        let window = Window::open(folder.path()).await;
        define(&window, "delta", &source, SOURCE_PASSWORD, &destination).await;
        let url = format!("rediss://:{SOURCE_PASSWORD}@127.0.0.1:{}", relay.port());
        window.fill("sources[0].url", &url).await;
        window.click("sources[0].name").await;
        window.value("sources[0].port", &relay.port().to_string()).await;
        window.click("test-connection").await;
        window.until("edit-view", |form| form.contains("certificate")).await;
        window.click("show-certificates").await;
        window.until("certificates", |text| text.contains("spring.example")).await;
        window.find("certificates-failure").await;
        window.shot("certificates").await;
        window.click("trust-certificate").await;
        window.click("test-connection").await;
        window.until("check-line", |line| line.contains("accepts the connection")).await;
        window.click("next").await;
        window.click("next").await;
        window.find("review").await;
        window.click("create-and-start").await;
        window.until("status-badge", |badge| badge.contains("Synced")).await;
        destination.holds("key", "value").await;
        window.click("source-toggle").await;
        window.until("link-encryption", |text| text.contains("TLS")).await;
        window.shot("replica-encrypted").await;
        window.close().await;
    })
    .await;
}
