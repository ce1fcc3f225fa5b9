//! Makes the other users of a destination read-only by ACL for as long as a replica runs, and gives them back what they
//! had.
//!
//! Start reading at [`lock_down`] and [`release`]; both may be called any number of times. What each user may do without
//! us is remembered at the server before anything is changed (`shadow`), so a crash at any moment leaves what `release`
//! needs. `ACL SAVE` is never called: a destination that restarts without us comes back with its own rules, and
//! changes of others that were not saved are not ours to save.

mod rules;
mod shadow;

use std::collections::HashSet;
use std::time::Duration;

use self::rules::{DENIED, Rules, User};
use self::shadow::{Kind, Locked};
use crate::clients::{self, OwnClients};
use crate::control::Control;
use crate::dialect::numbers;
use crate::{Failure, ReplicaSpec};

/// Connections that ask and go are no clients that write; two looks so far apart tell them from the others.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Why a destination's users were not made read-only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockDownError {
    /// It would not help, or cannot be done at this server: why.
    #[error("{0}")]
    Impossible(String),
    /// The server refused or could not be asked.
    #[error("{0}")]
    Failed(Failure),
}

impl From<Failure> for LockDownError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The users that are read-only now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockDown {
    /// Their names, in order.
    pub users: Vec<String>,
}

/// What became of the users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Released {
    /// Users that have their rules back.
    pub restored: Vec<String>,
    /// Users whose rules somebody else changed meanwhile, with the rules they had. Nothing was done to them: giving back
    /// what an administrator has taken since would be worse than leaving them read-only.
    pub changed: Vec<(String, String)>,
}

/// Makes all enabled users but our own read-only, and gives their names. A user that already is stays so and what was
/// remembered first is kept; users that came since are added. To be called at every start and whenever the
/// destination was away: it may be another server, or one that restarted with its own rules.
///
/// # Errors
/// `Impossible` where our own user is the only one, or others are logged in as it; else what the server answered.
pub async fn lock_down(spec: &ReplicaSpec, own: &OwnClients) -> Result<LockDown, LockDownError> {
    let mut control = Control::open(&spec.destination).await?;
    let version = control.info(Some("server")).await?.get("redis_version").map_or((0, 0), numbers);
    if version < (6, 0) {
        return Err(LockDownError::Impossible("This server knows no users: they came with Redis 6.0.".to_owned()));
    }
    let us: String = control.query(&["ACL", "WHOAMI"]).await?;
    let all = users(&mut control).await?;
    let others: Vec<&User> = all.iter().filter(|user| user.enabled && user.name != us).collect();
    refuse_if_shared(&mut control, &us, &others, own).await?;
    let remembered = shadow::all(&spec.id, &all);
    let denied = denied(&mut control).await;
    for user in &others {
        let known = remembered.iter().find(|locked| locked.user == user.name);
        if let Some(before) = to_lock(&user.rules, known) {
            lock(&mut control, &spec.id, &user.name, &before, &denied).await?;
        }
    }
    Ok(LockDown { users: others.iter().map(|user| user.name.clone()).collect() })
}

/// Gives the users back what they could do, and forgets it. Does nothing where nothing is remembered.
///
/// # Errors
/// What the server answered. The next call then goes on.
pub async fn release(spec: &ReplicaSpec) -> Result<Released, Failure> {
    let mut control = Control::open(&spec.destination).await?;
    let mut released = Released::default();
    let now = users(&mut control).await?;
    for Locked { user, before, locked } in shadow::all(&spec.id, &now) {
        // A user that was deleted stays deleted: ACL SETUSER would bring it back.
        let current = now.iter().find(|other| other.name == user).map(|other| &other.rules);
        if let Some(current) = current.filter(|current| **current != before) {
            if locked.as_ref() == Some(current) {
                set_user(&mut control, &user, &[], &before).await?;
                released.restored.push(user.clone());
            } else {
                released.changed.push((user.clone(), before.text()));
            }
        }
        for kind in [Kind::Locked, Kind::Before] {
            control.query::<i64>(&["ACL", "DELUSER", &shadow::name(&spec.id, kind, &user)]).await?;
        }
    }
    Ok(released)
}

/// The rules to remember of a user that has to be made read-only now; `None` when it is.
fn to_lock(current: &Rules, known: Option<&Locked>) -> Option<Rules> {
    match known {
        Some(known) if known.locked.as_ref() == Some(current) => None,
        // Somebody changed rules that are still ours: what was remembered first is kept.
        Some(known) if known.locked.is_some() && current.deny_writes() => Some(known.before.clone()),
        // New, never begun, or set anew by an administrator.
        _ => Some(current.clone()),
    }
}

/// Remembers first, changes last.
async fn lock(
    control: &mut Control,
    replica: &str,
    user: &str,
    before: &Rules,
    denied: &[&str],
) -> Result<(), Failure> {
    let locked = before.read_only(denied);
    let shadow = ["reset", "off"];
    set_user(control, &shadow::name(replica, Kind::Before, user), &shadow, before).await?;
    set_user(control, &shadow::name(replica, Kind::Locked, user), &shadow, &locked).await?;
    set_user(control, user, &[], &locked).await
}

async fn refuse_if_shared(
    control: &mut Control,
    us: &str,
    others: &[&User],
    own: &OwnClients,
) -> Result<(), LockDownError> {
    let same = format!("Other clients of {} log in as the same user as Tributary ({us})", control.name());
    if others.is_empty() {
        return Err(LockDownError::Impossible(format!("{same}: there is no other one. Give Tributary its own user.")));
    }
    match sharing(control, us, own).await {
        0 => Ok(()),
        n => Err(LockDownError::Impossible(format!("{same}: {n} now. Give Tributary its own user."))),
    }
}

/// Our user and the other enabled ones, where the server lets them be listed.
pub(crate) async fn accounts(control: &mut Control) -> Option<(String, Vec<String>)> {
    let us: String = control.query(&["ACL", "WHOAMI"]).await.ok()?;
    let mut others = users(control).await.ok()?;
    others.retain(|user| user.enabled && user.name != us);
    Some((us, others.into_iter().map(|user| user.name).collect()))
}

async fn users(control: &mut Control) -> Result<Vec<User>, Failure> {
    let lines: Vec<String> = control.query(&["ACL", "LIST"]).await?;
    Ok(lines.iter().filter_map(|line| User::parse(line)).collect())
}

/// What can be denied here: DEBUG may be renamed or gone.
async fn denied(control: &mut Control) -> Vec<&'static str> {
    let dangerous: Vec<String> = control.query(&["ACL", "CAT", "dangerous"]).await.unwrap_or_default();
    DENIED.into_iter().filter(|rule| *rule != "-debug" || dangerous.iter().any(|name| name == "debug")).collect()
}

/// One command, so that no other client ever sees rules that are half changed.
async fn set_user(control: &mut Control, name: &str, first: &[&str], rules: &Rules) -> Result<(), Failure> {
    let arguments = rules.arguments();
    let mut words = vec!["ACL", "SETUSER", name];
    words.extend(first);
    words.extend(arguments.iter().map(String::as_str));
    control.query::<String>(&words).await.map(drop)
}

/// How many clients that are not ours are logged in as our user. None where clients may not be listed.
async fn sharing(control: &mut Control, us: &str, own: &OwnClients) -> usize {
    let mut last: Option<HashSet<u64>> = None;
    for _ in 0..2 {
        if last.is_some() {
            tokio::time::sleep(SECOND_LOOK).await;
        }
        let Ok((me, list)) = clients::list(control).await else { return 0 };
        let others = list.into_iter().filter(|client| {
            client.user.as_deref() == Some(us) && client.id != me && !client.is_replication() && !own.contains(client)
        });
        let ids: HashSet<u64> = others.map(|client| client.id).collect();
        last = Some(last.map_or_else(|| ids.clone(), |last| last.intersection(&ids).copied().collect()));
        if last.as_ref().is_some_and(HashSet::is_empty) {
            return 0;
        }
    }
    last.map_or(0, |last| last.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_first_is_kept_and_new_rules_are_remembered() {
        let rules = |text: &str| Rules::parse(text.split(' '));
        let (all, locked) = (rules("+@all"), rules("+@all -@write -debug"));
        let known = Locked { user: "app".into(), before: all.clone(), locked: Some(locked.clone()) };
        assert_eq!(to_lock(&all, None), Some(all.clone()), "a new user");
        assert_eq!(to_lock(&locked, Some(&known)), None, "twice is once");
        assert_eq!(to_lock(&all, Some(&known)), Some(all.clone()), "the server restarted");
        let wider = rules("+@all -@write -debug +debug");
        assert_eq!(to_lock(&wider, Some(&known)), Some(all.clone()), "changed while locked");
        let narrow = rules("-@all +set");
        assert_eq!(to_lock(&narrow, Some(&known)), Some(narrow.clone()), "an administrator's new rules");
        let begun = Locked { locked: None, ..known };
        assert_eq!(to_lock(&all, Some(&begun)), Some(all), "a crash before the change");
    }
}
