//! What can go wrong, and the one place that says what follows from it.

use std::fmt;
use std::time::SystemTime;

use tributary_tls::TlsError;

/// What the engine does about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The sync stops until the user has done something.
    Stop,
    /// The link tries again, with back-off, from the last point reached.
    Retry,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $code:literal $action:ident $hint:literal,)*) => {
        /// The kinds of failure that the user is told apart. The kind alone decides action and hint.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorKind { $($(#[$doc])* $name,)* }

        impl ErrorKind {
            /// The name used in JSON and over IPC.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What the engine does about it.
            #[must_use]
            pub fn action(self) -> Action {
                match self { $(Self::$name => Action::$action,)* }
            }

            /// What the user can do about it.
            #[must_use]
            pub fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)* }
            }
        }
    };
}

kinds! {
    /// AUTH was refused, or the server wants a password and none was given.
    WrongPassword "wrong_password" Stop "Check the user name and the password of this endpoint, then start again.",
    /// An ACL rule forbids a command that is needed.
    NoPermission "no_permission" Stop "Give the user the permission named above (a source needs +psync +replconf +ping +info, a destination all write commands), then start again.",
    /// Something answered that is no Redis server.
    NotRedis "not_redis" Stop "Check host and port, and whether the port expects TLS: the answer is not Redis'.",
    /// Nothing listens there.
    Unreachable "unreachable" Retry "Check host and port, and that the server runs and accepts connections from this machine. Tributary keeps trying.",
    /// The host name has no address.
    Dns "dns" Retry "Check the spelling of the host name and the name server of this machine. Tributary keeps trying.",
    /// No answer in time.
    TimedOut "timed_out" Retry "Check the network and whether the server is overloaded. Tributary keeps trying.",
    /// A connection was closed by the other side.
    Disconnected "disconnected" Retry "Tributary reconnects and goes on from the last point reached.",
    /// The server is loading its data set.
    Loading "loading" Retry "The server is still loading its data. Tributary waits for it.",
    /// The server cannot serve for a while: no link to its own master, cluster down, busy script, too few replicas.
    SourceUnavailable "source_unavailable" Retry "The server cannot answer for now. Tributary waits for it.",
    /// The destination has no memory left.
    DestinationOom "destination_oom" Stop "Raise maxmemory at the destination or make room there, then start again: the sync goes on from where it stopped, or from the beginning if it was still loading.",
    /// The source could not write its snapshot.
    SourceSnapshotFailed "source_snapshot_failed" Stop "Look at the source's log: a fork or a disk write failed. Free memory or disk there, or set repl-diskless-sync yes, then start again.",
    /// The destination refuses writes.
    ReadOnly "read_only" Stop "The destination is itself a replica. Choose its primary, or run REPLICAOF NO ONE on it, then start again.",
    /// The destination holds data, and nobody has confirmed that it may be deleted.
    DestinationNotEmpty "destination_not_empty" Stop "Choose an empty destination, or confirm that its data may be deleted (in the terminal: --flush).",
    /// The destination belongs to a replica.
    DestinationInUse "destination_in_use" Stop "Stop that replica and finish it first (Delete in the window, tributary finish in the terminal), or choose another destination.",
    /// A file cannot be read.
    FileUnreadable "file_unreadable" Stop "Check the path, and that this user may read the file.",
    /// A file goes on behind the dump in it.
    FileGoesOn "file_goes_on" Stop "Have a redis-server load the file, run SAVE there, and load its dump.rdb. Or load the dump alone, without what follows it (in the terminal: --dump-only).",
    /// Data would flow back to where it came from.
    Cycle "cycle" Stop "Remove one direction: a database cannot be fed, directly or through others, by itself.",
    /// Source and destination are one database.
    SameDatabase "same_database" Stop "Choose another source or another destination: these are the same server under two names.",
    /// More sources than a replica takes.
    TooManySources "too_many_sources" Stop "A replica takes at most 32 sources. Make a second replica for the others.",
    /// The destination does not know a command of the stream.
    UnknownCommand "unknown_command" Stop "The destination is older than the source or lacks a module. Upgrade it, then start again.",
    /// The snapshot holds a type that is not understood.
    UnknownValue "unknown_value" Stop "This type of value cannot be replicated yet. Delete or move the key at the source, then restart.",
    /// The destination cannot hold a value.
    ValueRefused "value_refused" Stop "The destination cannot load this value: it is older than the source or lacks a module. Upgrade it, then restart.",
    /// The destination lacks a module.
    ModuleMissing "module_missing" Stop "Load the module at the destination, or choose to leave its keys out (in the terminal: --skip-module-keys), then start again.",
    /// The destination does not know fields of a hash that expire.
    FieldExpiryUnknown "field_expiry_unknown" Stop "Use a destination that knows expiring fields (Redis 7.4, Valkey 9.0 or later), or choose to keep such fields without their expiry (in the terminal: --drop-field-expiry), then start again.",
    /// The destination does not know function libraries.
    FunctionsUnknown "functions_unknown" Stop "Use a destination of version 7.0 or later, or choose to leave function libraries out (in the terminal: --skip-functions), then start again.",
    /// The destination has fewer databases.
    DbOutOfRange "db_out_of_range" Stop "Raise `databases` in the destination's configuration and restart that server, or replicate single databases.",
    /// The server only talks to its own machine.
    ProtectedMode "protected_mode" Stop "The server is in protected mode: set a password or bind address there, then start again.",
    /// A limit of the server was hit.
    ServerLimit "server_limit" Stop "Raise the limit that is named above at the destination, then start again.",
    /// The server has no room for another client.
    MaxClients "max_clients" Retry "Raise maxclients at the server or close idle clients. Tributary keeps trying.",
    /// The encrypted link could not be made.
    Tls "tls" Stop "Check that the port speaks TLS, and that its certificate is valid for this host name and issued by an authority that this machine trusts.",
    /// Compression is on, and no relay is there.
    NotRelay "not_relay" Stop "Turn compression off for this source, or give the address of a relay beside it (tributary relay).",
    /// Another session works on the same destination.
    TakenOver "taken_over" Stop "Another Tributary runs this replica. Stop one of the two.",
    /// The spool was full, and the source cut the link off more than once.
    SpoolFull "spool_full" Stop "The spool could not take what the source sent while the destination was slow or gone. Raise the spool's quota or make room on its disk, and raise client-output-buffer-limit replica at the source; then start again.",
    /// Only a full resync can go on, and the user wants to be asked first.
    ResyncNeeded "resync_needed" Stop "Restart deletes the destination's data and loads all sources again. This replica is set to ask before it does.",
    /// The snapshot is damaged.
    CorruptSnapshot "corrupt_snapshot" Stop "The source sent a snapshot that does not decode. Check the source's memory and version, then restart.",
    /// The source broke the replication protocol.
    Protocol "protocol" Retry "The replication stream could not be understood. Tributary connects again.",
    /// The destination answered a command with an error.
    CommandFailed "command_failed" Stop "The destination no longer holds what the source holds, or lacks a feature. Look at the key that is named above; Restart loads everything again.",
    /// A mistake in Tributary.
    Internal "internal" Stop "This is a fault of Tributary: please report it with the details.",
}

/// A failure with all that the user is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Decides what follows.
    pub kind: ErrorKind,
    /// What happened, in a sentence. Holds no secret.
    pub message: String,
    /// What the user can do.
    pub hint: String,
    /// `host:port` of the server it happened with.
    pub endpoint: String,
    /// Since when.
    pub since: SystemTime,
}

impl Failure {
    /// A failure of this kind, now, with the kind's hint.
    #[must_use]
    pub fn new(kind: ErrorKind, endpoint: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: kind.hint().to_owned(),
            endpoint: endpoint.to_owned(),
            since: SystemTime::now(),
        }
    }

    /// What the engine does about it.
    #[must_use]
    pub fn action(&self) -> Action {
        self.kind.action()
    }

    /// The same, where it was the destination that refused a command: MISCONF is then about its own saves, and no source's.
    #[must_use]
    pub(crate) fn of_destination(self) -> Self {
        if self.kind != ErrorKind::SourceSnapshotFailed {
            return self;
        }
        let hint =
            "The destination cannot save its data and therefore refuses writes: look at its log, then start again.";
        Self { kind: ErrorKind::CommandFailed, hint: hint.to_owned(), ..self }
    }

    /// A failure of the transport.
    #[must_use]
    pub fn io(endpoint: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        if let Some(tls) = TlsError::within(error) {
            return Self::tls(endpoint, tls);
        }
        match error.kind() {
            Io::ConnectionRefused => {
                Self::new(ErrorKind::Unreachable, endpoint, format!("{endpoint} refused the connection."))
            }
            Io::HostUnreachable | Io::NetworkUnreachable | Io::AddrNotAvailable | Io::NetworkDown => {
                Self::new(ErrorKind::Unreachable, endpoint, format!("{endpoint} cannot be reached: {error}."))
            }
            Io::TimedOut => Self::new(ErrorKind::TimedOut, endpoint, format!("{endpoint} did not answer in time.")),
            _ => Self::new(ErrorKind::Disconnected, endpoint, format!("The connection to {endpoint} broke: {error}.")),
        }
    }

    /// There is no encrypted link. One that was cut is worth another try; one that was refused is not.
    #[must_use]
    pub fn tls(endpoint: &str, error: &TlsError) -> Self {
        let kind = if error.is_passing() { ErrorKind::Disconnected } else { ErrorKind::Tls };
        let failure = Self::new(kind, endpoint, format!("No encrypted link to {endpoint}: {error}."));
        Self { hint: error.hint().to_owned(), ..failure }
    }

    /// The other side closed the connection.
    #[must_use]
    pub fn closed(endpoint: &str) -> Self {
        Self::new(ErrorKind::Disconnected, endpoint, format!("{endpoint} closed the connection."))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The kind of an error reply, from any server, as far as its text alone says.
#[must_use]
pub fn classify_reply(line: &str) -> ErrorKind {
    // EXECABORT carries the error that caused it behind this text (Redis' execCommandAbort).
    let line = line.strip_prefix("EXECABORT Transaction discarded because of: ").unwrap_or(line);
    let word = line.split(' ').next().unwrap_or_default();
    match word {
        "WRONGPASS" | "NOAUTH" => ErrorKind::WrongPassword,
        "NOPERM" => ErrorKind::NoPermission,
        "LOADING" => ErrorKind::Loading,
        "OOM" => ErrorKind::DestinationOom,
        "READONLY" => ErrorKind::ReadOnly,
        "MISCONF" => ErrorKind::SourceSnapshotFailed,
        "DENIED" => ErrorKind::ProtectedMode,
        "MASTERDOWN" | "NOMASTERLINK" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY" | "NOREPLICAS" => {
            ErrorKind::SourceUnavailable
        }
        _ => classify_text(line),
    }
}

/// Errors that have no code of their own, by the words of Redis' source.
fn classify_text(line: &str) -> ErrorKind {
    let text = line.to_ascii_lowercase();
    let has = |part: &str| text.contains(part);
    if has("invalid password") || has("invalid username-password") || has("without any password configured") {
        ErrorKind::WrongPassword
    } else if has("max number of clients") {
        ErrorKind::MaxClients
    } else if has("operation not permitted") {
        ErrorKind::NoPermission
    } else if has("db index is out of range") || has("invalid db index") {
        ErrorKind::DbOutOfRange
    } else if has("unknown command") {
        ErrorKind::UnknownCommand
    } else if has("bad data format") || has("payload version or checksum") {
        ErrorKind::ValueRefused
    } else if has("proto-max-bulk-len") || has("invalid bulk length") || has("exceeds maximum allowed size") {
        ErrorKind::ServerLimit
    } else if has("background save") || has("bgsave") {
        ErrorKind::SourceSnapshotFailed
    } else if has("can't sync while not connected") {
        ErrorKind::SourceUnavailable
    } else {
        ErrorKind::CommandFailed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_reply_has_its_kind() {
        for (line, kind) in [
            ("WRONGPASS invalid username-password pair or user is disabled.", ErrorKind::WrongPassword),
            ("ERR invalid password", ErrorKind::WrongPassword),
            (
                "ERR AUTH <password> called without any password configured for the default user.",
                ErrorKind::WrongPassword,
            ),
            ("NOPERM this user has no permissions to run the 'psync' command", ErrorKind::NoPermission),
            ("OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::DestinationOom),
            (
                "EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.",
                ErrorKind::DestinationOom,
            ),
            ("READONLY You can't write against a read only replica.", ErrorKind::ReadOnly),
            ("ERR DB index is out of range", ErrorKind::DbOutOfRange),
            ("ERR unknown command 'HPEXPIREAT', with args beginning with: ", ErrorKind::UnknownCommand),
            ("ERR Bad data format", ErrorKind::ValueRefused),
            ("ERR DUMP payload version or checksum are wrong", ErrorKind::ValueRefused),
            ("ERR max number of clients reached", ErrorKind::MaxClients),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", ErrorKind::CommandFailed),
            ("NOMASTERLINK Can't SYNC while not connected with my master", ErrorKind::SourceUnavailable),
        ] {
            assert_eq!(classify_reply(line), kind, "{line}");
        }
    }

    #[test]
    fn what_needs_the_user_stops_and_the_rest_retries() {
        assert_eq!(ErrorKind::WrongPassword.action(), Action::Stop);
        assert_eq!(ErrorKind::CommandFailed.action(), Action::Stop);
        assert_eq!(ErrorKind::Unreachable.action(), Action::Retry);
        assert_eq!(ErrorKind::Loading.action(), Action::Retry);
    }
}
