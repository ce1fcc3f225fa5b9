//! What Prometheus scrapes of the replicas; of their sources: `source_metrics.rs`. docs/HEADLESS.md lists all.

use tributary_engine::Status;
use tributary_metrics::{Kind, Page};

use super::fleet::Standing;
use super::source_metrics;

/// Every status, best first.
pub const STATUSES: [Status; 3] = [Status::Synced, Status::Syncing, Status::Stopped];

/// The answer to a scrape.
pub fn page(standings: &[Standing]) -> String {
    let mut page = Page::default();
    page.metric("tributary_build_info", Kind::Gauge, "The version that runs; always 1.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    wanted(&mut page, standings);
    status(&mut page, standings);
    error(&mut page, standings);
    page.metric(
        "tributary_replica_foreign_writes_total",
        Kind::Counter,
        "Writes of other clients that were noticed at the destination since the start.",
    );
    for standing in standings {
        if let Some(status) = &standing.state.status {
            // Exact up to 2^53, here and in all that follow.
            page.sample(&[("replica", &standing.state.name)], status.foreign_writes as f64);
        }
    }
    source_metrics::write(&mut page, standings);
    page.into_text()
}

fn wanted(page: &mut Page, standings: &[Standing]) {
    page.metric("tributary_replica_wanted", Kind::Gauge, "1 when the file names the replica, so that it should run.");
    for standing in standings {
        page.sample(&[("replica", &standing.state.name)], f64::from(u8::from(standing.wanted)));
    }
}

fn status(page: &mut Page, standings: &[Standing]) {
    let help = "1 at the status of the replica, the worst of its sources, and 0 at the others.";
    page.metric("tributary_replica_status", Kind::Gauge, help);
    for standing in standings {
        let now = standing.state.status.as_ref().map_or(standing.at_rest().0, |status| status.status);
        for status in STATUSES {
            let labels = [("replica", standing.state.name.as_str()), ("status", status.code())];
            page.sample(&labels, f64::from(u8::from(status == now)));
        }
    }
}

fn error(page: &mut Page, standings: &[Standing]) {
    let help = "1 for the error that stopped the replica or one of its sources; absent when there is none.";
    page.metric("tributary_replica_error", Kind::Gauge, help);
    for standing in standings {
        if let Some(trouble) = standing.trouble() {
            page.sample(&[("replica", &standing.state.name), ("kind", &trouble.kind)], 1.0);
        }
    }
}
