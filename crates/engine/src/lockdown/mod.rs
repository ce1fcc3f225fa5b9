//! Makes the other users of a destination read-only by ACL for as long as a replica runs, and gives them back what they
//! had.
//!
//! Start reading at [`lock_down`] and [`release`]; both may be called any number of times. What each user may do without
//! us is recorded at the destination before anything is changed (`record`), so a crash at any moment leaves what
//! `release` needs. `ACL SAVE` is never called: a destination that restarts without us comes back with its own rules, and
//! changes of others that were not saved are not ours to save.

mod record;
mod rules;

use std::collections::HashSet;
use std::time::Duration;

use self::record::{Entry, Record};
use self::rules::{DENIED, User};
use crate::clients::{self, OwnClients};
use crate::control::Control;
use crate::destination::{numbers, select_home};
use crate::{ErrorKind, Failure, ReplicaSpec};

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

/// The users that are read-only now, and what they could do before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockDown {
    key: String,
    record: Record,
}

impl LockDown {
    /// The names of the users.
    #[must_use]
    pub fn users(&self) -> Vec<&str> {
        self.record.0.iter().map(|entry| entry.user.as_str()).collect()
    }

    /// Key and value of the record. A FLUSHALL, FLUSHDB or SWAPDB that passes to the destination deletes or moves the
    /// record: whoever applies one writes it again in the same transaction, as it does the checkpoint.
    #[must_use]
    pub fn record(&self) -> (String, String) {
        (self.key.clone(), self.record.encode())
    }
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

/// Makes all enabled users but our own read-only. A user that already is stays so; what was recorded first is kept, and
/// users that came since are added. `known` is what an earlier call gave, for a record that was lost with the data.
///
/// # Errors
/// `Impossible` where our own user is the only one, or others are logged in as it; else what the server answered.
pub async fn lock_down(
    spec: &ReplicaSpec,
    own: &OwnClients,
    known: Option<&LockDown>,
) -> Result<LockDown, LockDownError> {
    let mut control = Control::open(&spec.destination).await?;
    let version = control.info(Some("server")).await?.get("redis_version").map_or((0, 0), numbers);
    if version < (6, 0) {
        return Err(LockDownError::Impossible("This server knows no users: they came with Redis 6.0.".to_owned()));
    }
    let us: String = control.query(&["ACL", "WHOAMI"]).await?;
    let mut others = users(&mut control).await?;
    others.retain(|user| user.enabled && user.name != us);
    let name = control.name().to_owned();
    if others.is_empty() {
        let why =
            format!("Other clients of {name} log in as the same user as Tributary ({us}): there is no other one.");
        return Err(LockDownError::Impossible(why));
    }
    let sharing = sharing(&mut control, &us, own).await;
    if sharing > 0 {
        let why = format!(
            "Other clients of {name} log in as the same user as Tributary ({us}): {sharing} now. Give Tributary its own user."
        );
        return Err(LockDownError::Impossible(why));
    }
    select_home(&mut control, &spec.destination).await?;
    let before = stored(&mut control, &spec.id).await?.or_else(|| known.map(|known| known.record.clone()));
    let mut record = merge(before.unwrap_or_default(), &others);
    let key = record::key(&spec.id);
    control.query::<String>(&["SET", &key, &record.encode()]).await?;
    let denied = denied(&mut control).await;
    for user in &others {
        if record.get(&user.name).is_some_and(|entry| entry.locked.is_none()) {
            set_user(&mut control, &user.name, &user.rules.read_only(&denied)).await?;
        }
    }
    let now = users(&mut control).await?;
    for entry in record.0.iter_mut().filter(|entry| entry.locked.is_none()) {
        entry.locked = now.iter().find(|user| user.name == entry.user).map(|user| user.rules.clone());
    }
    control.query::<String>(&["SET", &key, &record.encode()]).await?;
    Ok(LockDown { key, record })
}

/// Gives the users back what they could do, and deletes the record. Does nothing where there is none.
///
/// # Errors
/// What the server answered. The record then stays, and the next call goes on.
pub async fn release(spec: &ReplicaSpec, known: Option<&LockDown>) -> Result<Released, Failure> {
    let mut control = Control::open(&spec.destination).await?;
    select_home(&mut control, &spec.destination).await?;
    let stored = stored(&mut control, &spec.id).await?;
    let Some(record) = stored.or_else(|| known.map(|known| known.record.clone())) else {
        return Ok(Released::default());
    };
    let mut released = Released::default();
    let now = users(&mut control).await?;
    for Entry { user, before, locked } in record.0 {
        // A user that was deleted stays deleted: ACL SETUSER would bring it back.
        let Some(current) = now.iter().find(|other| other.name == user).map(|other| &other.rules) else { continue };
        if *current == before {
            continue;
        }
        if locked.is_none_or(|locked| locked == *current) {
            set_user(&mut control, &user, &before).await?;
            released.restored.push(user);
        } else {
            released.changed.push((user, before.text()));
        }
    }
    control.query::<i64>(&["DEL", &record::key(&spec.id)]).await?;
    Ok(released)
}

/// Our user and the other enabled ones, where the server lets them be listed.
pub(crate) async fn accounts(control: &mut Control) -> Option<(String, Vec<String>)> {
    let us: String = control.query(&["ACL", "WHOAMI"]).await.ok()?;
    let mut others = users(control).await.ok()?;
    others.retain(|user| user.enabled && user.name != us);
    Some((us, others.into_iter().map(|user| user.name).collect()))
}

/// Key and value of a replica's record, if there is one; the home database is selected.
pub(crate) async fn recorded(control: &mut Control, replica: &str) -> Result<Option<(String, String)>, Failure> {
    let key = record::key(replica);
    let value: Option<String> = control.query(&["GET", &key]).await?;
    Ok(value.map(|value| (key, value)))
}

async fn stored(control: &mut Control, replica: &str) -> Result<Option<Record>, Failure> {
    let Some((key, value)) = recorded(control, replica).await? else { return Ok(None) };
    match Record::decode(&value) {
        Some(record) => Ok(Some(record)),
        None => {
            let message = format!("{key} at {} is no record of the users' permissions.", control.name());
            Err(Failure::new(ErrorKind::CommandFailed, control.name(), message))
        }
    }
}

/// The record with every user that has to be made read-only now; those have no `locked` rules.
fn merge(mut record: Record, users: &[User]) -> Record {
    for user in users {
        let rules = &user.rules;
        match record.0.iter_mut().find(|entry| entry.user == user.name) {
            None => record.0.push(Entry { user: user.name.clone(), before: rules.clone(), locked: None }),
            Some(entry) if entry.locked.as_ref() == Some(rules) => {}
            Some(entry) => {
                // Rules that still deny writes come from ours; others are somebody's new decision. Rules that were
                // never seen applied are ours too: the first record counts.
                let theirs = entry.locked.is_some() && !rules.deny_writes();
                if theirs {
                    entry.before = rules.clone();
                }
                entry.locked = None;
            }
        }
    }
    record
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
async fn set_user(control: &mut Control, name: &str, rules: &rules::Rules) -> Result<(), Failure> {
    let arguments = rules.arguments();
    let mut words = vec!["ACL", "SETUSER", name];
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

    fn user(name: &str, rules: &str) -> User {
        User::parse(&format!("user {name} on nopass ~* &* {rules}")).unwrap()
    }

    fn locked(record: Record, users: &[User]) -> Record {
        let apply = |entry: Entry| Entry { locked: Some(entry.before.read_only(&DENIED)), ..entry };
        Record(merge(record, users).0.into_iter().map(apply).collect())
    }

    #[test]
    fn the_first_record_is_kept_and_new_users_are_added() {
        let record = locked(Record::default(), &[user("ann", "+@all")]);
        let again = merge(record.clone(), &[user("ann", "+@all -@write -debug"), user("bob", "-@all +set")]);
        assert_eq!(again.get("ann"), record.get("ann"));
        assert_eq!(again.get("bob").unwrap().locked, None);
    }

    #[test]
    fn rules_that_came_back_are_denied_again_and_new_ones_become_the_record() {
        let record = locked(Record::default(), &[user("ann", "+@all"), user("bob", "+@all")]);
        let again = merge(record, &[user("ann", "+@all"), user("bob", "-@all +set")]);
        assert_eq!(
            (again.get("ann").unwrap().before.text(), &again.get("ann").unwrap().locked),
            ("+@all".into(), &None)
        );
        assert_eq!(again.get("bob").unwrap().before.text(), "-@all +set");
    }

    #[test]
    fn a_crash_between_record_and_change_keeps_what_was_recorded() {
        let record = merge(Record::default(), &[user("ann", "+@all")]);
        let again = merge(record.clone(), &[user("ann", "+@all -@write -debug")]);
        assert_eq!(again, record);
    }
}
