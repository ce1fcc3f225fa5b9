//! Reads the destination's replies and holds each against the batch it belongs to.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tributary_resp::{Reply, ReplyScanner};

use super::flight::{Expected, Flight};
use super::outline::describe;
use crate::failure::classify_reply;
use crate::{ErrorKind, Failure, dial};

/// Bytes read at once: replies are short, so this holds thousands.
const READ: usize = 64 * 1024;

/// Reads until the connection or a command fails; the flight then knows why.
///
/// A destination that owes replies and is silent for `patience` counts as gone: a cut network says nothing by itself.
pub(super) async fn read(mut reader: dial::Reader, flight: Arc<Flight>, name: String, patience: Duration) {
    let mut checker = Checker { flight: &flight, name: &name, expected: None, seen: 0, element: 0, in_exec: false };
    if let Err(failure) = follow(&mut reader, &mut checker, patience).await {
        let executed = checker.in_exec;
        flight.fail(failure, executed);
    }
}

/// Returns with the failure that ends the connection, never otherwise.
async fn follow(reader: &mut dial::Reader, checker: &mut Checker<'_>, patience: Duration) -> Result<(), Failure> {
    let name = checker.name;
    let mut buf = bytes::BytesMut::with_capacity(READ);
    let mut scanner = ReplyScanner::default();
    loop {
        buf.reserve(READ / 2);
        match tokio::time::timeout(patience, reader.read_buf(&mut buf)).await {
            Err(_) if checker.flight.len() == 0 => continue,
            Err(_) => {
                let message = format!("{name} answered nothing for {} s.", patience.as_secs());
                return Err(Failure::new(ErrorKind::TimedOut, name, message));
            }
            Ok(Ok(0)) => return Err(Failure::closed(name)),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(Failure::io(name, &error)),
        }
        let mut at = 0;
        loop {
            let rest = buf.get(at..).unwrap_or_default();
            let (used, reply) = scanner.next(rest).map_err(|e| {
                Failure::new(ErrorKind::NotRedis, name, format!("{name} sent a reply that is not RESP: {e}."))
            })?;
            at += used;
            match reply {
                Some(reply) => checker.check(reply)?,
                None => break,
            }
        }
        bytes::Buf::advance(&mut buf, at);
    }
}

struct Checker<'a> {
    flight: &'a Flight,
    name: &'a str,
    expected: Option<Expected>,
    /// Replies of the front batch that are in.
    seen: u32,
    /// Elements of EXEC's array that are in.
    element: u64,
    /// An element of EXEC's array was refused: the transaction was executed, in part.
    in_exec: bool,
}

impl Checker<'_> {
    fn check(&mut self, reply: Reply<'_>) -> Result<(), Failure> {
        let expected = match self.expected {
            Some(expected) => expected,
            None => self.flight.front().ok_or_else(|| self.unasked(reply))?,
        };
        self.expected = Some(expected);
        match reply {
            Reply::Single(b'-', line) if !self.flight.refuse(line) => Err(self.refused(u64::from(self.seen), line)),
            // Commands of a transaction stand behind its MULTI, which only its first batch holds.
            Reply::Element(Some(line)) => {
                self.in_exec = true;
                let index = (self.element + 1).checked_sub(expected.earlier).unwrap_or(u64::MAX);
                Err(self.refused(index, line))
            }
            Reply::Element(None) => {
                self.element += 1;
                Ok(())
            }
            Reply::Array(Some(1..)) => {
                self.element = 0;
                Ok(())
            }
            Reply::Single(..) | Reply::Array(_) | Reply::ArrayEnd => {
                self.seen += 1;
                if self.seen == expected.replies {
                    self.flight.complete();
                    self.seen = 0;
                    self.expected = None;
                }
                Ok(())
            }
        }
    }

    /// A reply while no batch waits for one: the destination may refuse a large command whose batch is still being sent.
    fn unasked(&self, reply: Reply<'_>) -> Failure {
        match reply {
            Reply::Single(b'-', line) => self.refused(u64::MAX, line),
            _ => Failure::new(ErrorKind::Protocol, self.name, format!("{} sent a reply to no command.", self.name)),
        }
    }

    fn refused(&self, index: u64, line: &[u8]) -> Failure {
        let line = String::from_utf8_lossy(line);
        let command = self.flight.inspect(|bytes| describe(bytes, index)).flatten();
        let command = command.unwrap_or_else(|| "a command of a large transaction".to_owned());
        let message = format!("{} refused {command}: {line}", self.name);
        let failure = Failure::new(classify_reply(&line), self.name, message).of_destination();
        match failure.kind {
            // Redis' own words do not name the setting.
            ErrorKind::ServerLimit if line.contains("invalid bulk length") => {
                Failure { message: format!("{} (proto-max-bulk-len)", failure.message), ..failure }
            }
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::super::flight::Batch;
    use super::*;

    #[tokio::test]
    async fn a_destination_that_owes_replies_and_is_silent_counts_as_gone() {
        let (reader, mut server) = tokio::io::duplex(64);
        let flight = Arc::new(Flight::new(Arc::default()));
        let patience = Duration::from_millis(50);
        let task = tokio::spawn(read(Box::new(reader), flight.clone(), "h:1".into(), patience));
        // Silence is no failure while nothing is owed.
        tokio::time::sleep(patience * 3).await;
        flight.launch(Batch { bytes: Arc::new(b"PING".to_vec()), replies: 1, ..Batch::default() });
        server.write_all(b"+PONG\r\n").await.unwrap();
        flight.wait_until(|_, batches| batches == 0).await.unwrap();
        flight.launch(Batch { replies: 1, ..Batch::default() });
        let failure = flight.wait_until(|_, batches| batches == 0).await.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::TimedOut);
        task.await.unwrap();
    }
}
