//! What was not copied as it is, because the user agreed to that: counted, and listed in the event log.

use std::collections::BTreeMap;

use crate::writer::printable;

/// Keys that one event lists.
const LISTED_AT_ONCE: usize = 50;
/// Keys that are listed for one reason; more are only counted.
const LISTED: u64 = 1_000;

/// Keys by the reason for which they were not copied as they are.
#[derive(Debug, Default)]
pub(crate) struct Omissions {
    reasons: BTreeMap<String, Listed>,
    keys: u64,
}

#[derive(Debug, Default)]
struct Listed {
    names: Vec<String>,
    listed: u64,
    count: u64,
    /// Keys that an event has told of, listed or counted.
    told: u64,
}

impl Omissions {
    /// Notes a key. `reason` begins the event's sentence; `warn` takes it once there are enough keys for one.
    pub(crate) fn note(&mut self, reason: &str, key: &[u8], warn: &(dyn Fn(&str) + Send + Sync)) {
        self.keys += 1;
        if !self.reasons.contains_key(reason) {
            self.reasons.insert(reason.to_owned(), Listed::default());
        }
        let Some(kept) = self.reasons.get_mut(reason) else { return };
        kept.count += 1;
        if kept.listed < LISTED {
            kept.listed += 1;
            kept.names.push(printable(key));
            if kept.names.len() >= LISTED_AT_ONCE {
                kept.tell(reason, warn);
            }
        }
    }

    /// Tells what no event has told yet.
    pub(crate) fn tell(&mut self, warn: &(dyn Fn(&str) + Send + Sync)) {
        for (reason, kept) in &mut self.reasons {
            kept.tell(reason, warn);
        }
    }

    /// Keys of all reasons.
    pub(crate) fn keys(&self) -> u64 {
        self.keys
    }
}

impl Listed {
    fn tell(&mut self, reason: &str, warn: &(dyn Fn(&str) + Send + Sync)) {
        if self.count == self.told {
            return;
        }
        let names = std::mem::take(&mut self.names);
        let more = self.count - self.told - names.len() as u64;
        let listed = match (names.is_empty(), more) {
            (false, 0) => names.join(", "),
            (false, more) => format!("{} and {more} more", names.join(", ")),
            (true, more) => format!("{more} more"),
        };
        let earlier = if self.told > 0 { format!(" ({} in all)", self.count) } else { String::new() };
        self.told = self.count;
        warn(&format!("{reason}: {listed}{earlier}."));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn keys_are_listed_up_to_a_bound_and_counted_beyond_it() {
        let told = Mutex::new(Vec::new());
        let warn = |text: &str| told.lock().unwrap().push(text.to_owned());
        let mut omissions = Omissions::default();
        for key in ["a", "b"] {
            omissions.note("Left out", key.as_bytes(), &warn);
        }
        assert!(told.lock().unwrap().is_empty(), "more may come");
        omissions.tell(&warn);
        omissions.tell(&warn);
        assert_eq!(*told.lock().unwrap(), ["Left out: “a”, “b”."]);
        for key in 0..2_000 {
            omissions.note("Left out", format!("key {key}").as_bytes(), &warn);
        }
        omissions.tell(&warn);
        let told = told.into_inner().unwrap();
        // Two keys, then 998 more of which 48 fill no event of their own.
        assert_eq!(told.len(), 1 + 19 + 1);
        assert!(told.last().unwrap().ends_with("more (2002 in all)."), "{:?}", told.last());
        assert_eq!(omissions.keys(), 2_002);
    }
}
