//! Moves bytes from the source's socket into the spool.

use std::time::{Duration, Instant, SystemTime};

use tokio::io::AsyncReadExt;

use super::LinkContext;
use super::handshake::SourceReader;
use crate::meters::unix_ms;
use crate::spool::{Piece, SpoolIn};
use crate::{ErrorKind, Failure};

/// Bytes asked for at once.
const READ: usize = 256 * 1024;
/// A source pings its replicas every 10 s (repl-ping-replica-period) and gives them up after 60 (repl-timeout).
const SILENCE: Duration = Duration::from_secs(60);
/// How often the spool is tidied.
const TIDY: Duration = Duration::from_millis(500);

/// Reads until the connection breaks: why, and whether reading had to wait for the spool.
pub(super) async fn pump(mut source: SourceReader, spool: &SpoolIn, ctx: &LinkContext) -> (Failure, bool) {
    let mut tidy = tokio::time::interval(TIDY);
    tidy.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut was_full, mut on_disk) = (false, ctx.meters.spool().1 > 0);
    let mut heard = Instant::now();
    loop {
        if !source.buffer.is_empty() {
            let bytes = source.buffer.split().freeze();
            ctx.meters.took(bytes.len());
            if !source.compressed {
                ctx.meters.wire_bytes(bytes.len());
            }
            heard = Instant::now();
            spool.push(Piece { bytes, arrived_ms: unix_ms(SystemTime::now()), arrived: heard }).await;
            tell_of_disk(ctx, &mut on_disk);
        }
        if spool.is_full() {
            tell_of_full(spool, ctx, &mut was_full);
            spool.room().await;
            heard = Instant::now();
        }
        if source.buffer.capacity() < READ / 8 {
            source.buffer.reserve(READ);
        }
        tokio::select! {
            read = source.reader.read_buf(&mut source.buffer) => match read {
                Ok(0) => return (Failure::closed(&source.name), was_full),
                Ok(_) => {}
                Err(error) => return (Failure::io(&source.name, &error), was_full),
            },
            _ = tidy.tick() => {
                spool.tidy().await;
                tell_of_disk(ctx, &mut on_disk);
                if heard.elapsed() > SILENCE {
                    let message = format!("{} sent nothing for {} s.", source.name, SILENCE.as_secs());
                    return (Failure::new(ErrorKind::TimedOut, &source.name, message), was_full);
                }
            }
        }
    }
}

/// Tells once that the spool spills, and once that it has drained.
fn tell_of_disk(ctx: &LinkContext, told: &mut bool) {
    let (_, bytes) = ctx.meters.spool();
    if (bytes > 0) == *told {
        return;
    }
    *told = bytes > 0;
    ctx.event_info(if *told {
        "What the source sends is not applied as fast as it comes: it goes to disk meanwhile."
    } else {
        "All that went to disk is applied; its files are removed."
    });
}

/// Tells once that reading from the source has to wait.
fn tell_of_full(spool: &SpoolIn, ctx: &LinkContext, told: &mut bool) {
    let Some(why) = spool.why_full().filter(|_| !*told) else { return };
    *told = true;
    let name = ctx.source.endpoint.authority();
    ctx.event_warning(&format!(
        "The spool is full ({why}), so reading from {name} waits. When its client-output-buffer-limit replica overflows, \
         it cuts the link off."
    ));
}
