//! Where the rules of a locked user are kept: in users of the server itself, switched off and without a password.
//!
//! `tributary:<replica>:before:<user>` holds the rules that the user had, `tributary:<replica>:locked:<user>` those that it
//! has meanwhile. A key would go with a flush, and whoever can write it could give himself any permission: `release`
//! would hand it out. Only who may administer users can write users. They also live exactly as long as the rules
//! that they undo: until the server restarts, or, if an administrator runs ACL SAVE, beyond that.

use super::rules::{Rules, User};

/// What a shadow holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Before,
    Locked,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Locked => "locked",
        }
    }
}

/// What all of a replica's shadows of a kind start with.
fn prefix(replica: &str, kind: Kind) -> String {
    format!("tributary:{replica}:{}:", kind.word())
}

/// The shadow's own name.
pub(super) fn name(replica: &str, kind: Kind, user: &str) -> String {
    format!("{}{user}", prefix(replica, kind))
}

/// A user that is, or was, read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locked {
    pub user: String,
    pub before: Rules,
    /// `None` when the change had not begun.
    pub locked: Option<Rules>,
}

/// What is remembered of a replica's users, by name.
pub(super) fn all(replica: &str, users: &[User]) -> Vec<Locked> {
    let of = |name: String| users.iter().find(|user| user.name == name).map(|user| user.rules.clone());
    let prefix = prefix(replica, Kind::Before);
    let befores = users.iter().filter_map(|user| Some((user.name.strip_prefix(&prefix)?, &user.rules)));
    let remembered = befores.map(|(user, before)| Locked {
        user: user.to_owned(),
        before: before.clone(),
        locked: of(name(replica, Kind::Locked, user)),
    });
    let mut remembered: Vec<Locked> = remembered.collect();
    remembered.sort_by(|a, b| a.user.cmp(&b.user));
    remembered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shadows_are_found_by_replica_and_user() {
        let lines = [
            "user app on nopass ~* &* +@all -@write",
            "user tributary:r:before:app off resetchannels +@all",
            "user tributary:r:locked:app off resetchannels +@all -@write",
            "user tributary:r:before:a:b off resetchannels -@all +set",
            "user tributary:other:before:app off resetchannels +@all",
        ];
        let users: Vec<User> = lines.iter().filter_map(|line| User::parse(line)).collect();
        let found = all("r", &users);
        assert_eq!(found.iter().map(|l| l.user.as_str()).collect::<Vec<_>>(), ["a:b", "app"]);
        assert_eq!(found[0].locked, None);
        assert_eq!(
            (found[1].before.text(), found[1].locked.clone().unwrap().text()),
            ("+@all".into(), "+@all -@write".into())
        );
        assert_eq!(name("r", Kind::Locked, "app"), lines[2].split(' ').nth(1).unwrap());
    }
}
