//! Asks a server whether the user may run commands, without running them.

use super::permission::{Answer, Need};
use crate::control::Control;
use crate::{Endpoint, ErrorKind};

/// Commands that do no harm outside of a transaction either.
const REAL: [&str; 7] = ["MULTI", "WATCH", "EXEC", "PING", "INFO", "TIME", "REPLCONF"];

/// Asks by ACL DRYRUN (7.0 and later), else by a transaction that is thrown away. Before 6.0 nobody was forbidden anything.
pub(super) async fn ask(endpoint: &Endpoint, user: &str, redis: (u32, u32), needs: Vec<Need>) -> Vec<(Need, Answer)> {
    let untold = |needs: Vec<Need>| needs.into_iter().map(|need| (need, Answer::Untold)).collect();
    // A connection of its own: a transaction that cannot be thrown away ends with it.
    let Ok(mut control) = Control::open(endpoint).await else { return untold(needs) };
    if redis >= (7, 0) && control.query::<String>(&["ACL", "DRYRUN", user, "PING"]).await.is_ok() {
        return dry_run(&mut control, user, needs).await;
    }
    let mut answers = Vec::with_capacity(needs.len());
    let mut queued = Vec::new();
    for need in needs {
        if redis < (6, 0) {
            // No ACLs yet; what was renamed is found out by COMMAND INFO.
            let answer = known(&mut control, &need).await;
            answers.push((need, answer));
        } else if need.args.first().is_some_and(|name| REAL.contains(&name.as_str())) {
            let answer = real(&mut control, &need).await;
            answers.push((need, answer));
        } else {
            queued.push(need);
        }
    }
    if !queued.is_empty() {
        // The connection that has MULTI open is dropped if DISCARD is forbidden.
        let opened = control.query::<String>(&["MULTI"]).await.is_ok();
        for need in queued {
            let answer = if opened { real(&mut control, &need).await } else { Answer::Untold };
            answers.push((need, answer));
        }
        control.query::<String>(&["DISCARD"]).await.ok();
    }
    answers
}

async fn dry_run(control: &mut Control, user: &str, needs: Vec<Need>) -> Vec<(Need, Answer)> {
    let mut answers = Vec::with_capacity(needs.len());
    for need in needs {
        let mut words = vec!["ACL", "DRYRUN", user];
        words.extend(need.args.iter().map(String::as_str));
        let answer = match control.query::<String>(&words).await {
            Ok(word) if word == "OK" => Answer::Allowed,
            Ok(why) => Answer::Denied(why),
            Err(failure) if failure.message.contains("not found") => Answer::Missing,
            Err(_) => Answer::Untold,
        };
        answers.push((need, answer));
    }
    answers
}

/// Runs a command that does no harm: it only reads, or is queued in a transaction that is thrown away.
async fn real(control: &mut Control, need: &Need) -> Answer {
    // WATCH is kept outside of MULTI, and MULTI itself is ended at once.
    let words: Vec<&str> = need.args.iter().map(String::as_str).collect();
    let result = control.query::<redis::Value>(&words).await;
    if words == ["MULTI"] && result.is_ok() {
        control.query::<String>(&["DISCARD"]).await.ok();
    }
    match result {
        Ok(_) => Answer::Allowed,
        Err(failure) => match failure.kind {
            ErrorKind::NoPermission => Answer::Denied(failure.message),
            ErrorKind::UnknownCommand => Answer::Missing,
            // What is not allowed inside a transaction is refused before permissions are looked at.
            _ if failure.message.contains("inside a transaction") => Answer::Untold,
            ErrorKind::Disconnected | ErrorKind::TimedOut => Answer::Untold,
            // Permissions come first: an error about anything else has passed them.
            _ => Answer::Allowed,
        },
    }
}

async fn known(control: &mut Control, need: &Need) -> Answer {
    let Some(name) = need.args.first() else { return Answer::Untold };
    match control.query::<Vec<redis::Value>>(&["COMMAND", "INFO", name]).await {
        Ok(entries) if entries.first().is_some_and(|entry| matches!(entry, redis::Value::Nil)) => Answer::Missing,
        Ok(_) => Answer::Allowed,
        Err(_) => Answer::Untold,
    }
}
