use crate::checkpoint::Session;

/// The name of a run of a replica, told apart from every other: host, process and a random part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner(String);

impl Owner {
    /// A new name.
    pub(crate) fn new() -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let plain = |c: char| if c.is_ascii_graphic() && c != '/' { c } else { '_' };
        let host: String = host.chars().map(plain).take(64).collect();
        Self(format!("{host}/{}/{:08x}", std::process::id(), fastrand::u32(..)))
    }

    /// Whether a session is of this run.
    pub(crate) fn is_of(&self, session: &Session) -> bool {
        session.owner == self.0
    }

    /// A session of this run, with its connection where it has one.
    pub(crate) fn session(&self, client: Option<(String, u64)>) -> Session {
        Session { owner: self.0.clone(), client, held_back: false }
    }
}

/// A session's owner in words.
pub(crate) fn describe(owner: &str) -> String {
    let mut parts = owner.split('/');
    match (parts.next(), parts.next()) {
        (Some(host), Some(process)) => format!("process {process} on {host}"),
        _ => owner.to_owned(),
    }
}
