//! What is remembered of the users' rules, at the destination itself.
//!
//! The key is `tributary:acl:<replica>`, in db 0 or in the one mapped database. Its first line is `1`, the format's
//! version; each further line is one user: name, rules before, and read-only rules as the server wrote them afterwards
//! (`?` until it has), separated by tabs. Names and rules hold no white space; passwords and their hashes are not kept.

use super::rules::Rules;

const PREFIX: &str = "tributary:acl:";
const VERSION: &str = "1";
const NOT_YET: &str = "?";

/// The key of a replica's record.
pub(super) fn key(replica: &str) -> String {
    format!("{PREFIX}{replica}")
}

/// The rules of all users that were made read-only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record(pub Vec<Entry>);

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub user: String,
    /// What it may run without us.
    pub before: Rules,
    /// What it may run meanwhile, in the server's words; `None` until it is known to be applied.
    pub locked: Option<Rules>,
}

impl Record {
    pub(super) fn get(&self, user: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.user == user)
    }

    /// The record as it is stored.
    pub(super) fn encode(&self) -> String {
        let mut text = VERSION.to_owned();
        for Entry { user, before, locked } in &self.0 {
            let locked = locked.as_ref().map_or(NOT_YET.to_owned(), Rules::text);
            text.push_str(&format!("\n{user}\t{}\t{locked}", before.text()));
        }
        text
    }

    /// Reads a stored record; `None` when it is none of this version.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        if lines.next()? != VERSION {
            return None;
        }
        let entry = |line: &str| {
            let mut parts = line.split('\t');
            let (user, before, locked) = (parts.next()?, parts.next()?, parts.next()?);
            let rules = |text: &str| Rules::parse(text.split(' ').filter(|word| !word.is_empty()));
            let locked = Some(locked).filter(|text| *text != NOT_YET).map(rules);
            Some(Entry { user: user.to_owned(), before: rules(before), locked })
        };
        lines.map(entry).collect::<Option<Vec<_>>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let rules = Rules::parse("-@all +get (~b:* -@all +@write)".split(' '));
        let known = Entry { user: "ann".into(), before: rules.clone(), locked: Some(rules.read_only(&["-@write"])) };
        let pending = Entry { user: "bob".into(), before: rules, locked: None };
        let record = Record(vec![known, pending]);
        assert_eq!(Record::decode(&record.encode()), Some(record));
        assert_eq!(Record::decode("1"), Some(Record::default()));
        for bad in ["", "2\nann\t+@all\t?", "1\nann"] {
            assert_eq!(Record::decode(bad), None, "{bad}");
        }
    }
}
