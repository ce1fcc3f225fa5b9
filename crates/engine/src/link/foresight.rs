//! What a source says about itself before PSYNC is sent: whether it can go on from a place, and whether it is, by now,
//! fed by the destination. A PSYNC that cannot be granted would make the source take a snapshot for nothing.

use std::time::Duration;

use super::LinkContext;
use crate::control::{Control, Info};
use crate::dialect::numbers;
use crate::probe::measure_clock;
use crate::{Failure, kinship};

/// The destination may be gone at this moment; what it has to say about kinship is not waited for any longer.
const KINSHIP: Duration = Duration::from_secs(2);
/// A source that is to be loaded can wait: all its keys are looked through for checkpoints.
const KINSHIP_OF_NEW: Duration = Duration::from_secs(30);

/// What PSYNC would be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlook {
    /// The stream goes on, or the source does not say.
    Continues,
    /// It does if what was received behind this offset is dropped: the history took another way there.
    ContinuesBehind(u64),
    /// The source no longer holds what follows, or follows another history.
    Lost,
}

/// Asks the source, behind this place or for a snapshot. A source that answers no INFO is not foreseen.
///
/// # Errors
/// `same_database` or `cycle` when source and destination have come to feed one another.
pub(super) async fn look(ctx: &LinkContext, place: Option<(&str, u64)>) -> Result<Outlook, Failure> {
    let asked = async {
        let mut control = Control::open(&ctx.source.endpoint).await?;
        measure_clock(&mut control, &ctx.skew).await?;
        let server = control.info(Some("server")).await?;
        ctx.meters.update(|state| {
            state.run_id = server.get("run_id").map(str::to_owned);
            state.server = server.product();
            state.server_version = server.get("redis_version").map(numbers);
        });
        control.info(Some("replication")).await
    };
    let Ok(info) = asked.await else { return Ok(Outlook::Continues) };
    let patience = if place.is_some() { KINSHIP } else { KINSHIP_OF_NEW };
    match tokio::time::timeout(patience, kinship::check_source(&ctx.spec, &ctx.source, place.is_none())).await {
        Ok(Err(failure)) if kinship::is_kinship(failure.kind) => return Err(failure),
        _ => {}
    }
    Ok(place.map_or(Outlook::Continues, |(replid, offset)| foresee(&info, replid, offset)))
}

/// Redis' own rule for a partial sync (replication.c, `masterTryPartialResynchronization`).
fn foresee(info: &Info, replid: &str, offset: u64) -> Outlook {
    let fields = (info.get("master_replid"), info.number("repl_backlog_first_byte_offset"));
    let (Some(current), Some(first)) = fields else { return Outlook::Continues };
    let Some(length) = info.number("repl_backlog_histlen") else { return Outlook::Continues };
    let outlook = if current == replid {
        Outlook::Continues
    } else if info.get("master_replid2") == Some(replid) {
        match info.number("second_repl_offset") {
            Some(valid) if offset + 1 > valid => Outlook::ContinuesBehind(valid.saturating_sub(1)),
            _ => Outlook::Continues,
        }
    } else {
        return Outlook::Lost;
    };
    let next = match outlook {
        Outlook::ContinuesBehind(offset) => offset + 1,
        _ => offset + 1,
    };
    let held = info.get("repl_backlog_active") == Some("1") && (first..=first + length).contains(&next);
    if held { outlook } else { Outlook::Lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(replid: &str, replid2: &str, second: i64, first: u64, length: u64) -> Info {
        Info::parse(&format!(
            "master_replid:{replid}\r\nmaster_replid2:{replid2}\r\nsecond_repl_offset:{second}\r\nrepl_backlog_active:1\r\n\
             repl_backlog_first_byte_offset:{first}\r\nrepl_backlog_histlen:{length}\r\n"
        ))
    }

    #[test]
    fn a_partial_sync_is_foreseen_by_the_sources_own_rule() {
        let same = info("a", "0", -1, 100, 50);
        assert_eq!(foresee(&same, "a", 120), Outlook::Continues);
        assert_eq!(foresee(&same, "a", 149), Outlook::Continues, "all that there is was received");
        assert_eq!(foresee(&same, "a", 98), Outlook::Lost, "the backlog begins later");
        assert_eq!(foresee(&same, "b", 120), Outlook::Lost);
        let promoted = info("b", "a", 131, 100, 50);
        assert_eq!(foresee(&promoted, "a", 130), Outlook::Continues);
        assert_eq!(foresee(&promoted, "a", 140), Outlook::ContinuesBehind(130));
        assert_eq!(foresee(&Info::parse("role:master"), "a", 1), Outlook::Continues, "it does not say");
    }
}
