//! The commands of a stream that mean something to a replica beyond being passed on.

/// What a command of the stream is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Passed on as it is.
    Write,
    Select,
    Multi,
    Exec,
    Ping,
    Publish,
    /// REPLCONF: GETACK is the only form that a source sends to a replica.
    ReplConf,
    Set,
    SetEx {
        millis: bool,
    },
    Expire {
        millis: bool,
    },
    ExpireAt {
        millis: bool,
    },
    GetEx,
    Restore,
    FlushAll,
    FlushDb,
    SwapDb,
    Move,
    Copy,
    Function,
}

impl Kind {
    /// Whether it may change data.
    pub(super) fn changes(self) -> bool {
        !matches!(self, Self::Select | Self::Multi | Self::Exec | Self::Ping | Self::Publish | Self::ReplConf)
    }
}

/// Tells a command by its name, in any case. Most are told apart from all others by their length and first letter.
pub(super) fn kind(name: &[u8]) -> Kind {
    let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
    match (name.len(), name.first().map(u8::to_ascii_uppercase)) {
        (3, Some(b'S')) if is(b"SET") => Kind::Set,
        (4, Some(b'P')) if is(b"PING") => Kind::Ping,
        (4, Some(b'E')) if is(b"EXEC") => Kind::Exec,
        (4, Some(b'M')) if is(b"MOVE") => Kind::Move,
        (4, Some(b'C')) if is(b"COPY") => Kind::Copy,
        (5, Some(b'M')) if is(b"MULTI") => Kind::Multi,
        (5, Some(b'S')) if is(b"SETEX") => Kind::SetEx { millis: false },
        (5, Some(b'G')) if is(b"GETEX") => Kind::GetEx,
        (6, Some(b'S')) if is(b"SELECT") => Kind::Select,
        (6, Some(b'S')) if is(b"SWAPDB") => Kind::SwapDb,
        (6, Some(b'P')) if is(b"PSETEX") => Kind::SetEx { millis: true },
        (6, Some(b'E')) if is(b"EXPIRE") => Kind::Expire { millis: false },
        (7, Some(b'P')) if is(b"PEXPIRE") => Kind::Expire { millis: true },
        (8, Some(b'E')) if is(b"EXPIREAT") => Kind::ExpireAt { millis: false },
        (9, Some(b'P')) if is(b"PEXPIREAT") => Kind::ExpireAt { millis: true },
        (7, Some(b'R')) if is(b"RESTORE") => Kind::Restore,
        (7, Some(b'F')) if is(b"FLUSHDB") => Kind::FlushDb,
        (8, Some(b'F')) if is(b"FLUSHALL") => Kind::FlushAll,
        (8, Some(b'F')) if is(b"FUNCTION") => Kind::Function,
        (7, Some(b'P')) if is(b"PUBLISH") => Kind::Publish,
        (8, Some(b'R')) if is(b"REPLCONF") => Kind::ReplConf,
        _ => Kind::Write,
    }
}

/// Where a COPY goes: `COPY source destination [DB number] [REPLACE]`. Keys may be called like options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CopyTo<'a> {
    /// The number behind DB, the last one as in Redis' `copyCommand`; none where the copy stays in its database.
    pub db: Option<&'a [u8]>,
    /// The command without a database.
    pub within: Vec<&'a [u8]>,
}

impl<'a> CopyTo<'a> {
    /// Looks for options, which stand behind the two keys.
    pub(super) fn of(args: &[&'a [u8]]) -> Self {
        let (command, mut options) = args.split_at(args.len().min(3));
        let mut found = Self { db: None, within: command.to_vec() };
        loop {
            options = match options {
                [] => return found,
                [word, db, rest @ ..] if word.eq_ignore_ascii_case(b"DB") => {
                    found.db = Some(db);
                    rest
                }
                [other, rest @ ..] => {
                    found.within.push(other);
                    rest
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_copy_stands_behind_its_keys() {
        for (command, db, rest) in [
            ("COPY a b", None, "COPY a b"),
            ("COPY db x", None, "COPY db x"),
            ("COPY a db REPLACE", None, "COPY a db REPLACE"),
            ("COPY db db db 3", Some("3"), "COPY db db"),
            ("COPY a b DB 3 REPLACE", Some("3"), "COPY a b REPLACE"),
            ("COPY a b DB 4 REPLACE DB 3", Some("3"), "COPY a b REPLACE"),
            ("COPY a b REPLACE db 12", Some("12"), "COPY a b REPLACE"),
        ] {
            let args: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
            let to = CopyTo::of(&args);
            assert_eq!(to.db, db.map(str::as_bytes), "{command}");
            assert_eq!(to.within.join(&b' '), rest.as_bytes(), "{command}");
        }
    }

    #[test]
    fn commands_are_told_in_any_case() {
        assert_eq!(kind(b"select"), Kind::Select);
        assert_eq!(kind(b"Set"), Kind::Set);
        assert_eq!(kind(b"PEXPIRE"), Kind::Expire { millis: true });
        for plain in [&b"SETNX"[..], b"PERSIST", b"LPUSH", b"", b"DEL"] {
            assert_eq!(kind(plain), Kind::Write, "{plain:?}");
        }
    }
}
