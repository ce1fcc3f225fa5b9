//! Tells the source how far its stream has been applied.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tributary_resp::write;

use crate::dial;
use crate::meters::Meters;

/// A replica acknowledges once a second, from the first moment and offset 0 on: a source with diskless sync does
/// not start its stream for a replica that does not.
const PERIOD: Duration = Duration::from_secs(1);

/// Sends REPLCONF ACK every second, and at once when a GETACK is reached. Ends with the connection; the pump tells why.
pub(super) async fn acknowledge(mut writer: dial::Writer, meters: Arc<Meters>) {
    let mut bytes = Vec::with_capacity(64);
    loop {
        bytes.clear();
        let applied = meters.applied.load(Relaxed).to_string();
        write::command(&mut bytes, &[b"REPLCONF", b"ACK", applied.as_bytes()]);
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
        // A GETACK that comes in between is answered without waiting for the period.
        let _ = tokio::time::timeout(PERIOD, meters.acknowledge_now()).await;
    }
}
