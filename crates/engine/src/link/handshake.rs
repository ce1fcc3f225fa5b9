//! What a replica says before the replication stream begins.
//!
//! Order and answers as in Redis' replication.c (`syncWithMaster`): AUTH, PING, REPLCONF, PSYNC.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tributary_resp::psync::{Grant, next_line};
use tributary_resp::{relay, write};

use crate::checkpoint::Checkpoint;
use crate::control::auth_args;
use crate::dial::Dialled;
use crate::failure::classify_reply;
use crate::gunzip::Gunzip;
use crate::meters::Meters;
use crate::refusal::refused;
use crate::{Endpoint, ErrorKind, Failure, Secret, dial};

/// How long the source may take for an answer of the handshake.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may be silent while it prepares a snapshot; it sends a newline about every second.
const PSYNC_TIMEOUT: Duration = Duration::from_secs(60);
/// The newest Valkey whose dumps are understood: a later one would send a later format (replication.c, `replconfCommand`).
const VALKEY_VERSION: &str = "9.0.0";

/// A source's connection with what was read of it beyond the last line.
pub(crate) struct SourceReader {
    pub reader: dial::Reader,
    pub buffer: BytesMut,
    pub name: String,
    /// A relay compresses what comes.
    pub compressed: bool,
}

impl SourceReader {
    pub(crate) fn new(reader: dial::Reader, name: &str) -> Self {
        Self { reader, buffer: BytesMut::with_capacity(64 * 1024), name: name.to_owned(), compressed: false }
    }

    /// The next line that is not empty: empty lines are keep-alives.
    pub(crate) async fn line(&mut self, timeout: Duration) -> Result<String, Failure> {
        loop {
            let (used, line) = next_line(&self.buffer).map_err(|_| {
                let message = format!("{} answered with a line that has no end.", self.name);
                Failure::new(ErrorKind::NotRedis, &self.name, message)
            })?;
            self.buffer.advance(used);
            if let Some(line) = line {
                return Ok(line);
            }
            self.more(timeout).await?;
        }
    }

    /// The byte that the next line begins with, which stays to be read. Empty lines before it are keep-alives.
    async fn first_byte(&mut self, timeout: Duration) -> Result<u8, Failure> {
        loop {
            while self.buffer.first().is_some_and(u8::is_ascii_whitespace) {
                self.buffer.advance(1);
            }
            match self.buffer.first() {
                Some(first) => return Ok(*first),
                None => self.more(timeout).await?,
            }
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

/// Asks the relay that should be there for compression. From then on the connection is read through [`Gunzip`].
///
/// # Errors
/// `not_relay` when something else is there, `max_clients` when there is no room.
pub(crate) async fn compress(
    mut reader: SourceReader,
    writer: &mut dial::Writer,
    meters: &Arc<Meters>,
) -> Result<SourceReader, Failure> {
    request_compression(&mut reader, writer).await?;
    meters.update(|state| state.relay = None);
    let name = reader.name;
    let gunzip = Gunzip::new(reader.reader, reader.buffer, meters.clone());
    Ok(SourceReader { compressed: true, ..SourceReader::new(Box::new(gunzip), &name) })
}

/// Asks for compression, and reads that it is granted.
async fn request_compression(reader: &mut SourceReader, writer: &mut dial::Writer) -> Result<(), Failure> {
    let name = reader.name.clone();
    writer.write_all(&relay::request(relay::LEVEL)).await.map_err(|e| Failure::io(&name, &e))?;
    let line = reader.line(ANSWER_TIMEOUT).await?;
    if classify_reply(line.trim_start_matches('-')) == ErrorKind::MaxClients {
        // A relay that is full says so, and passes on that its server is: another time there will be room.
        let message = format!("{name} has no room for another client: it answered {line:?}.");
        return Err(Failure::new(ErrorKind::MaxClients, &name, message));
    }
    if line != "+OK" {
        let message = format!("Compression is on, but {name} is not a relay: it answered {line:?}.");
        return Err(Failure::new(ErrorKind::NotRelay, &name, message));
    }
    Ok(())
}

/// Asks whether a relay is there that compresses, on a connection that is closed again; gives the level.
///
/// # Errors
/// `not_relay` when something else is there, or what keeps it from being reached.
pub(crate) async fn find_relay(endpoint: &Endpoint) -> Result<u32, Failure> {
    let Dialled { reader, mut writer, .. } = dial::dial(endpoint).await?;
    request_compression(&mut SourceReader::new(reader, &endpoint.authority()), &mut writer).await?;
    Ok(relay::LEVEL)
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

/// What a source answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// To PSYNC.
    Granted(Grant),
    /// It knows no PSYNC, as before Redis 2.8, and begins a snapshot, if one was asked for: it counts no offsets, so that
    /// nothing can be gone on with behind it.
    Old,
}

/// Asks for the stream behind `from`, or for everything: that is answered when the snapshot begins, which may be late.
pub(crate) async fn ask(
    endpoint: &Endpoint,
    reader: &mut SourceReader,
    writer: &mut dial::Writer,
    from: Option<&Checkpoint>,
) -> Result<Answer, Failure> {
    let mut talk = Talk::new(endpoint, reader, writer);
    let next = from.map(|place| (place.offset + 1).to_string());
    let (replid, offset) = match (from, &next) {
        (Some(place), Some(next)) => (place.replid.as_str(), next.as_str()),
        _ => ("?", "-1"),
    };
    talk.send(&["PSYNC", replid, offset]).await?;
    let line = talk.reader.line(PSYNC_TIMEOUT).await?;
    if let Some(grant) = Grant::parse(&line) {
        return Ok(Answer::Granted(grant));
    }
    let unknown = line.strip_prefix('-').is_some_and(|error| classify_reply(error) == ErrorKind::UnknownCommand);
    // A hosted server that hides PSYNC is asked the same; it hides SYNC as well.
    if !unknown || (from.is_none() && !talk.knows_sync().await?) {
        return Err(talk.refused("PSYNC", &line));
    }
    Ok(Answer::Old)
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

    /// Asks for a snapshot as replicas did before 2.8. Its announcement is left to be read.
    async fn knows_sync(&mut self) -> Result<bool, Failure> {
        self.send(&["SYNC"]).await?;
        Ok(self.reader.first_byte(PSYNC_TIMEOUT).await? == b'$')
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

    #[tokio::test]
    async fn a_relay_or_a_server_without_room_is_not_taken_for_something_else() {
        for (answer, kind) in [
            ("-ERR max number of clients reached", ErrorKind::MaxClients),
            ("-ERR max number of clients reached at the relay", ErrorKind::MaxClients),
            ("-ERR Unrecognized REPLCONF option: tributary-gzip", ErrorKind::NotRelay),
            ("-NOAUTH Authentication required.", ErrorKind::NotRelay),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            let (reader, writer) = tokio::io::split(ours);
            theirs.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            let (reader, mut writer): (_, dial::Writer) =
                (SourceReader::new(Box::new(reader), "h:1"), Box::new(writer));
            let failed = compress(reader, &mut writer, &Arc::new(Meters::default())).await.err();
            assert_eq!(failed.map(|failure| failure.kind), Some(kind), "{answer}");
        }
    }
}
