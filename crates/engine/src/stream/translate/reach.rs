//! What a destination understands.

use std::collections::HashSet;

use tributary_rdb::Loads;

use crate::Unsupported;
use crate::dialect::Dialect;
use crate::expiry::Expiry;

/// What a destination understands, and what of the rest may be left out.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(super) version: (u32, u32),
    pub(super) valkey: Option<(u32, u32)>,
    /// The Redis version of the source, where it is known.
    pub(super) source: Option<(u32, u32)>,
    /// Its commands by name, in capitals; none where it does not tell.
    pub(super) commands: Option<HashSet<Vec<u8>>>,
    pub(super) field_expiry: bool,
    pub(super) functions: bool,
    pub(super) held_back: bool,
    pub(super) loads: Loads,
    pub(super) unsupported: Unsupported,
}

/// The versions of (Redis, Valkey) that brought a command which others do without; none for a product that has none.
type Since = (Option<(u32, u32)>, Option<(u32, u32)>);

impl Reach {
    pub(crate) fn new(dialect: Dialect, commands: Option<HashSet<Vec<u8>>>, unsupported: Unsupported) -> Self {
        Self {
            version: dialect.version,
            valkey: dialect.valkey,
            source: None,
            commands,
            field_expiry: dialect.field_expiry,
            functions: dialect.functions,
            held_back: dialect.expiry == Expiry::HeldBack,
            loads: dialect.loads,
            unsupported,
        }
    }

    /// Whether it is older than this version of Redis. Every Valkey is 7.2 or later here.
    pub(super) fn before(&self, major: u32, minor: u32) -> bool {
        self.version < (major, minor)
    }

    /// Whether it is Redis, and not older than this.
    pub(super) fn redis(&self, major: u32, minor: u32) -> bool {
        self.valkey.is_none() && !self.before(major, minor)
    }

    /// Whether it is Valkey, and not older than this.
    pub(super) fn valkey(&self, major: u32, minor: u32) -> bool {
        self.valkey.is_some_and(|version| version >= (major, minor))
    }

    /// Whether it knows a command, by its name in capitals. True where it does not tell and nothing is known of the
    /// command: the destination then judges itself.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        match (&self.commands, since(name)) {
            (Some(commands), _) => commands.contains(name),
            (None, Some((redis, valkey))) => match self.valkey {
                Some(own) => valkey.is_some_and(|since| own >= since),
                None => redis.is_some_and(|since| self.version >= since),
            },
            (None, None) => true,
        }
    }
}

/// Since when there is a command that is not in every server of 4.0 or later; for servers that do not tell their commands.
fn since(name: &[u8]) -> Option<Since> {
    const FORK: (u32, u32) = (7, 2);
    let both = |version| Some((Some(version), Some(FORK)));
    match name {
        b"XADD" | b"XDEL" | b"XTRIM" | b"XACK" | b"XCLAIM" | b"XGROUP" | b"XSETID" | b"XREADGROUP" | b"ZPOPMIN"
        | b"ZPOPMAX" | b"BZPOPMIN" | b"BZPOPMAX" => both((5, 0)),
        b"LMOVE" | b"COPY" | b"GETDEL" | b"GETEX" | b"ZRANGESTORE" | b"ZDIFFSTORE" | b"GEOSEARCHSTORE"
        | b"XAUTOCLAIM" => both((6, 2)),
        b"SPUBLISH" | b"FUNCTION" => both((7, 0)),
        b"HEXPIRE" | b"HPEXPIRE" | b"HEXPIREAT" | b"HPEXPIREAT" | b"HPERSIST" => Some((Some((7, 4)), Some((9, 0)))),
        b"HSETEX" | b"HGETEX" => Some((Some((8, 0)), Some((9, 0)))),
        b"HGETDEL" => Some((Some((8, 0)), Some((9, 1)))),
        b"VADD" | b"VREM" | b"VSETATTR" => Some((Some((8, 0)), None)),
        b"XDELEX" | b"XACKDEL" => Some((Some((8, 2)), None)),
        b"DELIFEQ" => Some((None, Some((9, 0)))),
        b"DELEX" => Some((Some((8, 4)), None)),
        b"MSETEX" => Some((Some((8, 4)), Some((9, 1)))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::reach;
    use super::*;

    #[test]
    fn what_a_server_tells_counts_and_else_its_version() {
        let told = |names: &[&str]| Some(names.iter().map(|name| name.as_bytes().to_vec()).collect());
        let knows = Reach { commands: told(&["LMOVE"]), ..reach((6, 0), None) };
        assert!(knows.has(b"LMOVE") && !knows.has(b"COPY") && !knows.has(b"INCR"));
        for (name, version, valkey, want) in [
            ("LMOVE", (6, 0), None, false),
            ("LMOVE", (6, 2), None, true),
            ("LMOVE", (7, 2), Some((8, 1)), true),
            ("HSETEX", (7, 2), Some((8, 1)), false),
            ("HSETEX", (7, 2), Some((9, 0)), true),
            ("HSETEX", (7, 4), None, false),
            ("DELIFEQ", (8, 2), None, false),
            ("XDELEX", (7, 2), Some((9, 1)), false),
            ("SOMETHING", (4, 0), None, true),
        ] {
            assert_eq!(reach(version, valkey).has(name.as_bytes()), want, "{name} {version:?} {valkey:?}");
        }
    }
}
