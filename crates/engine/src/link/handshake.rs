//! What a replica says before the replication stream begins.
//!
//! Order and answers as in Redis' replication.c (`syncWithMaster`): AUTH, PING, REPLCONF, PSYNC.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tributary_resp::write;

use crate::checkpoint::{Checkpoint, is_replication_id};
use crate::control::auth_args;
use crate::failure::classify_reply;
use crate::refusal::refused;
use crate::{Endpoint, ErrorKind, Failure, Secret, dial};

/// How long the source may take for an answer of the handshake.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may be silent while it prepares a snapshot; it sends a newline about every second.
const PSYNC_TIMEOUT: Duration = Duration::from_secs(60);
/// The newest Valkey whose dumps are understood: a later one would send a later format (replication.c, `replconfCommand`).
const VALKEY_VERSION: &str = "9.0.0";
/// No answer of the handshake is longer.
const LINE_LIMIT: usize = 4096;

/// What the source granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    /// A snapshot comes, then the stream from behind this offset.
    Full { replid: String, offset: u64 },
    /// The stream goes on behind the offset that was asked for; the history may have a new name.
    Continue { replid: Option<String> },
}

/// A source's connection with what was read of it beyond the last line.
pub(crate) struct SourceReader {
    pub reader: dial::Reader,
    pub buffer: BytesMut,
    pub name: String,
}

impl SourceReader {
    pub(crate) fn new(reader: dial::Reader, name: &str) -> Self {
        Self { reader, buffer: BytesMut::with_capacity(64 * 1024), name: name.to_owned() }
    }

    /// The next line that is not empty: empty lines are keep-alives.
    pub(crate) async fn line(&mut self, timeout: Duration) -> Result<String, Failure> {
        loop {
            let end = self.buffer.iter().position(|b| *b == b'\n');
            if let Some(end) = end {
                let line = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default()).trim_end().to_owned();
                self.buffer.advance(end + 1);
                if line.is_empty() {
                    continue;
                }
                return Ok(line);
            }
            if self.buffer.len() > LINE_LIMIT {
                let message = format!("{} answered with a line that has no end.", self.name);
                return Err(Failure::new(ErrorKind::NotRedis, &self.name, message));
            }
            self.more(timeout).await?;
        }
    }

    async fn more(&mut self, timeout: Duration) -> Result<(), Failure> {
        match tokio::time::timeout(timeout, self.reader.read_buf(&mut self.buffer)).await {
            Err(_) => {
                let message = format!("{} was silent for {} s.", self.name, timeout.as_secs());
                Err(Failure::new(ErrorKind::TimedOut, &self.name, message))
            }
            Ok(Ok(0)) => Err(Failure::closed(&self.name)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Failure::io(&self.name, &error)),
        }
    }
}

/// Introduces us as a replica.
pub(crate) async fn introduce(
    endpoint: &Endpoint,
    reader: &mut SourceReader,
    writer: &mut dial::Writer,
) -> Result<(), Failure> {
    let mut talk = Talk::new(endpoint, reader, writer);
    if let Some(auth) = auth_args(endpoint) {
        talk.demand("AUTH", &auth).await?;
    }
    talk.demand("PING", &["PING"]).await?;
    // Port 0: any other number could make a Sentinel reconfigure whatever listens there.
    talk.offer(&["REPLCONF", "listening-port", "0"]).await?;
    talk.offer(&["REPLCONF", "capa", "eof", "capa", "psync2"]).await?;
    // Valkey 9 writes its own format only for replicas that say they know it; all others answer an error.
    talk.offer(&["REPLCONF", "version", VALKEY_VERSION]).await
}

/// Asks for the stream behind `from`, or for everything: that is answered when the snapshot begins, which may be late.
pub(crate) async fn ask(
    endpoint: &Endpoint,
    reader: &mut SourceReader,
    writer: &mut dial::Writer,
    from: Option<&Checkpoint>,
) -> Result<Grant, Failure> {
    let mut talk = Talk::new(endpoint, reader, writer);
    let next = from.map(|place| (place.offset + 1).to_string());
    let (replid, offset) = match (from, &next) {
        (Some(place), Some(next)) => (place.replid.as_str(), next.as_str()),
        _ => ("?", "-1"),
    };
    talk.send(&["PSYNC", replid, offset]).await?;
    let line = talk.reader.line(PSYNC_TIMEOUT).await?;
    parse_grant(&line).ok_or_else(|| talk.refused("PSYNC", &line))
}

/// `+FULLRESYNC <replid> <offset>`, `+CONTINUE` or `+CONTINUE <replid>`.
fn parse_grant(line: &str) -> Option<Grant> {
    let mut words = line.split(' ');
    match words.next()? {
        "+FULLRESYNC" => {
            let replid = words.next().filter(|id| is_replication_id(id))?.to_owned();
            Some(Grant::Full { replid, offset: words.next()?.parse().ok()? })
        }
        "+CONTINUE" => {
            Some(Grant::Continue { replid: words.next().filter(|id| is_replication_id(id)).map(str::to_owned) })
        }
        _ => None,
    }
}

struct Talk<'a> {
    reader: &'a mut SourceReader,
    writer: &'a mut dial::Writer,
    name: String,
    /// What no message may hold.
    password: Option<&'a Secret>,
}

impl<'a> Talk<'a> {
    fn new(endpoint: &'a Endpoint, reader: &'a mut SourceReader, writer: &'a mut dial::Writer) -> Self {
        Self { reader, writer, name: endpoint.authority(), password: endpoint.password.as_ref() }
    }

    async fn send(&mut self, args: &[&str]) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        write::command(&mut bytes, &args.iter().map(|arg| arg.as_bytes()).collect::<Vec<_>>());
        self.writer.write_all(&bytes).await.map_err(|e| Failure::io(&self.name, &e))
    }

    /// Sends a command that must succeed.
    async fn demand(&mut self, what: &str, args: &[&str]) -> Result<(), Failure> {
        self.send(args).await?;
        let line = self.reader.line(ANSWER_TIMEOUT).await?;
        if line.starts_with('+') { Ok(()) } else { Err(self.refused(what, &line)) }
    }

    /// Sends a command that an old server may not know; a missing permission is still a failure.
    async fn offer(&mut self, args: &[&str]) -> Result<(), Failure> {
        self.send(args).await?;
        let line = self.reader.line(ANSWER_TIMEOUT).await?;
        let permitted = !line.strip_prefix('-').is_some_and(|e| classify_reply(e) == ErrorKind::NoPermission);
        if permitted { Ok(()) } else { Err(self.refused("REPLCONF", &line)) }
    }

    fn refused(&self, what: &str, line: &str) -> Failure {
        let Some(error) = line.strip_prefix('-') else {
            let message = format!("{} does not answer {what} as Redis does.", self.name);
            return Failure::new(ErrorKind::NotRedis, &self.name, message);
        };
        let failure = refused(&self.name, self.password, what, error);
        let kind = match failure.kind {
            // An error of PSYNC that has no code: the source cannot serve it for now.
            ErrorKind::CommandFailed => ErrorKind::SourceUnavailable,
            // Hosted servers hide PSYNC by renaming it.
            ErrorKind::UnknownCommand => ErrorKind::NoPermission,
            _ => return failure,
        };
        Failure::new(kind, &self.name, failure.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read_in_all_their_forms() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let full = Grant::Full { replid: id.into(), offset: 77 };
        assert_eq!(parse_grant(&format!("+FULLRESYNC {id} 77")), Some(full));
        assert_eq!(parse_grant("+CONTINUE"), Some(Grant::Continue { replid: None }));
        assert_eq!(parse_grant(&format!("+CONTINUE {id}")), Some(Grant::Continue { replid: Some(id.into()) }));
        for bad in ["+FULLRESYNC x 1", "+OK", "-ERR no", "+FULLRESYNC"] {
            assert_eq!(parse_grant(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_source_that_repeats_the_password_is_not_repeated() {
        let endpoint = Endpoint::parse("redis://:s3cr3tpw@h:1").unwrap();
        for answer in ["-ERR unknown command 'AUTH', with args beginning with: 's3cr3tpw' ", "+OK\r\n-ERR s3cr3tpw"] {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            let (reader, writer) = tokio::io::split(ours);
            theirs.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            let (mut reader, mut writer): (_, dial::Writer) =
                (SourceReader::new(Box::new(reader), "h:1"), Box::new(writer));
            let failure = introduce(&endpoint, &mut reader, &mut writer).await.unwrap_err();
            assert!(!format!("{failure:?}").contains("s3cr3tpw"), "{failure:?}");
        }
    }
}
