//! Whether the sources' data fits the destination, and what it does when it is full.

use super::facts::Facts;
use super::figures::{bytes, whole};
use super::line::Found;
use crate::control::Info;

const MEMORY: &str = "Memory";
/// What a key costs beyond its data set share: INFO counts the tables of the keyspace as overhead. An estimate.
const KEY_OVERHEAD: u64 = 64;
/// Of the room that there is, this much may be needed before it is worth a warning.
const COMFORTABLE: f64 = 0.9;

/// Memory of the data in the databases that are meant: the data set by the proportion of keys, and the keys' tables.
pub(super) fn data(info: &Info, db: Option<u32>) -> Option<u64> {
    let dataset = info.number("used_memory_dataset")?;
    let dbs = info.keys_by_db();
    let all: u64 = dbs.iter().map(|(_, keys)| keys).sum();
    let meant: u64 = dbs.iter().filter(|(n, _)| db.is_none_or(|db| db == *n)).map(|(_, keys)| keys).sum();
    if all == 0 {
        return Some(0);
    }
    let share = dataset as f64 * (meant as f64 / all as f64);
    Some(whole(share).saturating_add(meant.saturating_mul(KEY_OVERHEAD)))
}

/// What the sources need against what the destination has: `maxmemory` less what stays there.
pub(super) fn judge(destination: &Info, db: Option<u32>, sources: &[Option<u64>]) -> Found {
    let needed: u64 = sources.iter().flatten().sum();
    let unknown = sources.iter().filter(|source| source.is_none()).count();
    let (Some(used), Some(limit)) = (destination.number("used_memory"), destination.number("maxmemory")) else {
        return Found::unknown(MEMORY, "the destination does not say how much it may use", "Let the user run INFO.");
    };
    let about = if unknown == 0 { "about" } else { "at least" };
    let machine = destination.number("total_system_memory").filter(|_| limit == 0);
    let room = match (limit, machine) {
        (0, Some(machine)) => machine,
        (0, None) => return Found::ok(MEMORY, format!("{about} {} are needed; there is no limit", bytes(needed))),
        (limit, _) => limit,
    };
    let stays = used.saturating_sub(data(destination, db).unwrap_or(0));
    let available = room.saturating_sub(stays);
    let of = if limit == 0 { "of the machine's memory" } else { "of maxmemory" };
    let found = format!("{about} {} are needed, {} {of} are free for it", bytes(needed), bytes(available));
    if needed > available {
        let todo = format!("Raise maxmemory to {} or more.", bytes(stays.saturating_add(needed)));
        return if limit == 0 {
            Found::warning(MEMORY, found, "Give the machine more memory, or set maxmemory so that it stops in time.")
        } else {
            Found::fails(MEMORY, found, todo)
        };
    }
    if needed as f64 > available as f64 * COMFORTABLE {
        return Found::warning(MEMORY, found, "Leave room for what is written from now on.");
    }
    if unknown > 0 {
        return Found::unknown(MEMORY, found, "Not every source says how much it holds.");
    }
    Found::ok(MEMORY, found)
}

/// What happens when the destination is full.
pub(super) fn eviction(info: &Info) -> Found {
    const WHAT: &str = "Eviction";
    let (Some(policy), Some(limit)) = (info.get("maxmemory_policy"), info.number("maxmemory")) else {
        return Found::unknown(WHAT, "the server does not say its maxmemory-policy", "Let the user run INFO.");
    };
    if policy == "noeviction" || limit == 0 {
        let never = if limit == 0 { "without maxmemory nothing is evicted" } else { "nothing is evicted" };
        return Found::ok(WHAT, format!("{policy}: {never}"));
    }
    Found::warning(
        WHAT,
        format!("{policy}: at {} keys are deleted that the sources still have, and the data diverges", bytes(limit)),
        "CONFIG SET maxmemory-policy noeviction",
    )
}

/// How keys that expire are kept in step.
pub(super) fn expiry(destination: &Facts) -> Found {
    const WHAT: &str = "Expiry";
    if !destination.imports() {
        return Found::ok(WHAT, "keys are held back from expiring until the source deletes them");
    }
    let found = "import-mode is used while the replica runs: keys go when the source deletes them";
    if destination.info.number("maxmemory").is_some_and(|limit| limit > 0) {
        return Found::ok(WHAT, format!("{found}; at maxmemory writes are refused (OOM) instead of evicting"));
    }
    Found::ok(WHAT, found)
}

#[cfg(test)]
mod tests {
    use super::super::CheckVerdict::{Fails, Ok, Unknown, Warning};
    use super::*;

    const MB: u64 = 1_000_000;

    fn info(used: u64, dataset: u64, max: u64, policy: &str) -> Info {
        Info::parse(&format!(
            "used_memory:{used}\r\nused_memory_dataset:{dataset}\r\nmaxmemory:{max}\r\nmaxmemory_policy:{policy}\r\n\
             db0:keys=30,expires=0\r\ndb3:keys=10,expires=0\r\n"
        ))
    }

    #[test]
    fn one_database_counts_by_its_keys() {
        let server = info(50 * MB, 40 * MB, 0, "noeviction");
        assert_eq!(data(&server, None), Some(40 * MB + 40 * KEY_OVERHEAD));
        assert_eq!(data(&server, Some(3)), Some(10 * MB + 10 * KEY_OVERHEAD));
        assert_eq!(data(&server, Some(9)), Some(0));
        assert_eq!(data(&Info::parse(""), None), None);
    }

    #[test]
    fn what_stays_at_the_destination_takes_its_room() {
        let destination = info(50 * MB, 40 * MB, 100 * MB, "noeviction");
        // All is deleted, 10 MB of the server's own stay.
        assert_eq!(judge(&destination, None, &[Some(50 * MB), Some(20 * MB)]).verdict, Ok);
        assert_eq!(judge(&destination, None, &[Some(85 * MB)]).verdict, Warning);
        assert_eq!(judge(&destination, None, &[Some(95 * MB)]).verdict, Fails);
        // Only database 3 is deleted, 40 MB stay.
        assert_eq!(judge(&destination, Some(3), &[Some(70 * MB)]).verdict, Fails);
        assert_eq!(judge(&destination, None, &[Some(MB), None]).verdict, Unknown);
        assert_eq!(judge(&Info::parse(""), None, &[Some(MB)]).verdict, Unknown);
        assert_eq!(judge(&info(MB, 0, 0, "noeviction"), None, &[Some(MB)]).verdict, Ok);
    }

    #[test]
    fn only_a_policy_that_can_evict_is_a_warning() {
        assert_eq!(eviction(&info(1, 1, 100, "allkeys-lru")).verdict, Warning);
        assert_eq!(eviction(&info(1, 1, 100, "volatile-ttl")).verdict, Warning);
        assert_eq!(eviction(&info(1, 1, 0, "allkeys-lru")).verdict, Ok);
        assert_eq!(eviction(&info(1, 1, 100, "noeviction")).verdict, Ok);
    }
}
