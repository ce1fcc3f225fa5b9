//! A connection of a client that does not ask for compression.

use std::sync::atomic::AtomicU64;

use crate::connection::{Ending, Parts};
use crate::pump::{Broken, Until, linger, pump};

/// Passes bytes both ways until both have ended: why. A direction that breaks ends the other by way of its peer, which learns
/// that no more comes; so what was sent before still arrives.
pub(crate) async fn plain(parts: Parts, back: &[u8], ending: &Ending<'_>, sent: &AtomicU64) -> String {
    let Parts { client, upstream, forward } = parts;
    let (mut client_in, mut client_out) = tokio::io::split(client);
    let (mut upstream_in, mut upstream_out) = tokio::io::split(upstream);
    let asking = Until { stop: Some(ending.stop), ..ending.until() };
    // The server answers what it was asked before it ends its side, also when it is the relay that ends.
    let answering = ending.until();
    let asked = AtomicU64::new(0);
    let both = async {
        let outcome = tokio::join!(
            pump(&mut client_in, &mut upstream_out, &forward, &asking, &asked),
            pump(&mut upstream_in, &mut client_out, back, &answering, sent),
        );
        if !matches!(outcome.0, Err(Broken::Reading(_))) {
            linger(&mut client_in).await;
        }
        match outcome {
            (Ok(()), Ok(())) => "ended".to_owned(),
            (Err(broken), _) | (_, Err(broken)) => broken.reason(),
        }
    };
    tokio::select! {
        reason = both => reason,
        () = ending.overdue() => "it did not end in time when the relay did".to_owned(),
    }
}
