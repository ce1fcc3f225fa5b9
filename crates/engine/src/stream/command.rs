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

#[cfg(test)]
mod tests {
    use super::*;

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
