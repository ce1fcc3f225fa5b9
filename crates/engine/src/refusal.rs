//! What a server's error reply is told as. Servers quote what they were sent (`ERR unknown command 'AUTH', with args
//! beginning with: 'the password'`), so no reply becomes a message but through here.

use crate::failure::classify_reply;
use crate::{Action, ErrorKind, Failure, Secret};

/// What there is to do where AUTH does not exist.
const NO_AUTH: &str = "The server, or a proxy before it, knows no AUTH: leave the password out, or have the command enabled under its own name. Then start again.";
/// What there is to do where a password is one too many.
const NO_PASSWORD: &str =
    "No password is set for this user at the server: leave it out here, or set it there. Then start again.";
/// What there is to do where users have no names.
const NO_USERS: &str = "Servers before Redis 6.0 know no user names: leave the user name out, then start again.";

/// The codes that may be quoted of an answer to AUTH. Any other first word could be anything.
const CODES: [&str; 11] = [
    "ERR",
    "WRONGPASS",
    "NOAUTH",
    "NOPERM",
    "DENIED",
    "LOADING",
    "BUSY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MISCONF",
];

/// The failure of a command that `name` answered with the error `line`.
pub(crate) fn refused(name: &str, password: Option<&Secret>, command: &str, line: &str) -> Failure {
    if command.eq_ignore_ascii_case("AUTH") {
        return login_refused(name, line);
    }
    let told = without_secret(line, password);
    Failure::new(classify_reply(line), name, format!("{name} answered {command} with: {told}"))
}

/// A server's words without the password, should they hold it.
pub(crate) fn without_secret(text: &str, password: Option<&Secret>) -> String {
    match password.map(Secret::expose).filter(|password| !password.is_empty()) {
        Some(password) => text.replace(password, "<redacted>"),
        None => text.to_owned(),
    }
}

/// An answer to AUTH: none of its words are repeated but a code that is known, for it may hold the password, cut off or
/// in another spelling.
fn login_refused(name: &str, line: &str) -> Failure {
    let wrong = |message: String| Failure::new(ErrorKind::WrongPassword, name, message);
    let hinted = |message: String, hint: &str| Failure { hint: hint.to_owned(), ..wrong(message) };
    let text = line.to_ascii_lowercase();
    let code = line.split(' ').next().filter(|word| CODES.contains(word)).unwrap_or("an error");
    match classify_reply(line) {
        ErrorKind::UnknownCommand => hinted(format!("{name} does not know the command AUTH."), NO_AUTH),
        _ if text.contains("without any password configured") || text.contains("no password is set") => {
            hinted(format!("{name} wants no password, but one was given."), NO_PASSWORD)
        }
        _ if text.contains("wrong number of arguments") => {
            hinted(format!("{name} does not take a user name with the password."), NO_USERS)
        }
        ErrorKind::WrongPassword => wrong(format!("{name} refused the user name or the password ({code}).")),
        // It may let us in later; and what is no matter of passwords keeps its own hint.
        kind if kind.action() == Action::Retry
            || matches!(kind, ErrorKind::NoPermission | ErrorKind::ProtectedMode) =>
        {
            Failure::new(kind, name, format!("{name} answered AUTH with {code}."))
        }
        _ => wrong(format!("{name} answered AUTH with {code}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_password_is_repeated() {
        let secret = Secret::new("S3CR3TPW with blanks".into());
        for (line, kind) in [
            ("ERR unknown command 'AUTH', with args beginning with: 'S3CR3TPW with blanks' ", ErrorKind::WrongPassword),
            ("ERR unknown command `AUTH`, with args beginning with: `S3CR3T`, ", ErrorKind::WrongPassword),
            ("S3CR3TPW is not known", ErrorKind::WrongPassword),
            ("ERR S3CR3TPW", ErrorKind::WrongPassword),
            ("WRONGPASS S3CR3TPW", ErrorKind::WrongPassword),
            ("ERR AUTH S3CR3TPW called without any password configured", ErrorKind::WrongPassword),
            ("ERR Client sent AUTH, but no password is set", ErrorKind::WrongPassword),
            ("ERR wrong number of arguments for 'auth' command", ErrorKind::WrongPassword),
            ("NOPERM S3CR3TPW", ErrorKind::NoPermission),
            ("LOADING S3CR3TPW", ErrorKind::Loading),
            ("ERR max number of clients reached S3CR3TPW", ErrorKind::MaxClients),
        ] {
            let failure = refused("h:1", Some(&secret), "AUTH", line);
            assert_eq!(failure.kind, kind, "{line}");
            assert!(!format!("{failure:?}").contains("S3C"), "{failure:?}");
        }
        let failure = refused("h:1", Some(&secret), "PING", "ERR what is S3CR3TPW with blanks?");
        assert_eq!(failure.message, "h:1 answered PING with: ERR what is <redacted>?");
        assert_eq!(without_secret("as it is", None), "as it is");
        assert_eq!(without_secret("as it is", Some(&Secret::new(String::new()))), "as it is");
    }
}
