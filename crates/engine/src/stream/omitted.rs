//! What of the stream was not copied, as the user agreed.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::omissions::Omissions;

/// Keys that are told apart; of more than these every command counts.
const KNOWN: usize = 10_000;
/// The event log is told of new ones so often at most.
const EVERY: Duration = Duration::from_secs(30);

/// Notes each key once.
#[derive(Debug, Default)]
pub(crate) struct Omitted {
    omissions: Omissions,
    /// Hashes of reason and key: a key may be long.
    known: HashSet<u64>,
    told: Option<Instant>,
    pending: bool,
}

impl Omitted {
    /// Notes a key; false when it was noted before.
    pub(super) fn note(&mut self, reason: &str, key: &[u8], warn: &(dyn Fn(&str) + Send + Sync)) -> bool {
        let mut hasher = DefaultHasher::new();
        (reason, key).hash(&mut hasher);
        let hash = hasher.finish();
        if self.known.contains(&hash) {
            return false;
        }
        if self.known.len() < KNOWN {
            self.known.insert(hash);
        }
        self.pending = true;
        self.omissions.note(reason, key, warn);
        true
    }

    /// Tells what is new, unless that was done a moment ago.
    pub(super) fn tell(&mut self, warn: &(dyn Fn(&str) + Send + Sync)) {
        if self.pending && self.told.is_none_or(|told| told.elapsed() >= EVERY) {
            self.tell_all(warn);
        }
    }

    /// Tells what is new.
    pub(super) fn tell_all(&mut self, warn: &(dyn Fn(&str) + Send + Sync)) {
        if std::mem::take(&mut self.pending) {
            self.told = Some(Instant::now());
            self.omissions.tell(warn);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_key_is_told_once_and_what_follows_soon_is_told_together() {
        let told = Mutex::new(Vec::new());
        let warn = |text: &str| told.lock().unwrap().push(text.to_owned());
        let mut omitted = Omitted::default();
        assert!(omitted.note("Left out", b"a", &warn));
        assert!(!omitted.note("Left out", b"a", &warn));
        omitted.tell(&warn);
        assert!(omitted.note("Left out", b"b", &warn) && omitted.note("Left out", b"c", &warn));
        omitted.tell(&warn);
        assert_eq!(*told.lock().unwrap(), ["Left out: “a”."]);
        omitted.tell_all(&warn);
        omitted.tell_all(&warn);
        assert_eq!(told.lock().unwrap()[1..], ["Left out: “b”, “c” (3 in all)."]);
    }
}
