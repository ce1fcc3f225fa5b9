use crate::error::RespError;
use crate::scanner::{BULK_LIMIT, Scanner, header};

/// How far a [`Passthrough`] came in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the buffer that belong to the command and may be sent on.
    pub bytes: usize,
    /// Whether the command (or the part that was asked for) ends behind them.
    pub done: bool,
}

/// Follows the rest of a command whose beginning was scanned and which is too large to be collected:
/// says how many of the bytes at hand belong to it, so that they can be forwarded as they arrive.
#[derive(Debug)]
pub struct Passthrough {
    /// Arguments that have not begun.
    args_left: usize,
    /// Bytes of the current argument, with its CRLF, that have not been seen.
    bytes_left: usize,
}

impl Passthrough {
    /// Takes over from a scanner that stands within a command, and says how many of the `buffered` bytes
    /// at the command's start belong to it for certain (all of its argument headers that are incomplete
    /// stay behind them).
    #[must_use]
    pub fn take_over(scanner: &Scanner, buffered: usize) -> (Passthrough, usize) {
        let (pos, open) = scanner.unfinished();
        let not_begun = scanner.argc().saturating_sub(scanner.args().len());
        match open {
            Some(arg) => {
                let sent = buffered.min(arg.end + 2);
                (Passthrough { args_left: not_begun.saturating_sub(1), bytes_left: arg.end + 2 - sent }, sent)
            }
            None => (Passthrough { args_left: not_begun, bytes_left: 0 }, pos),
        }
    }

    /// The number of arguments that have not begun.
    #[must_use]
    pub fn args_left(&self) -> usize {
        self.args_left
    }

    /// Walks over `buf`, which begins where the last call ended, and stops when `keep_args` arguments are left.
    ///
    /// # Errors
    /// When the bytes are not arguments.
    pub fn advance(&mut self, buf: &[u8], keep_args: usize) -> Result<Progress, RespError> {
        let mut pos = 0;
        loop {
            let step = self.bytes_left.min(buf.len() - pos);
            self.bytes_left -= step;
            pos += step;
            if self.bytes_left > 0 {
                return Ok(Progress { bytes: pos, done: false });
            }
            if self.args_left <= keep_args {
                return Ok(Progress { bytes: pos, done: true });
            }
            let Some((len, start)) = header(buf, pos, b'$', "argument")? else {
                return Ok(Progress { bytes: pos, done: false });
            };
            self.bytes_left = usize::try_from(len)
                .ok()
                .filter(|_| len <= BULK_LIMIT)
                .and_then(|len| len.checked_add(2))
                .ok_or(RespError::InvalidLength { what: "argument" })?;
            self.args_left -= 1;
            pos = start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scan;

    #[test]
    fn the_rest_of_a_command_is_followed_whatever_the_pieces() {
        let command = b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n$2\r\nNX\r\n";
        let stream = [&command[..], b"*1\r\n$4\r\nPING\r\n"].concat();
        for cut in 1..command.len() {
            for piece in 1..8 {
                let mut scanner = Scanner::default();
                assert_eq!(scanner.scan(&stream[..cut]).unwrap(), Scan::Incomplete);
                if scanner.argc() == 0 {
                    continue;
                }
                let (mut rest, mut at) = Passthrough::take_over(&scanner, cut);
                let mut end = cut;
                loop {
                    let progress = rest.advance(&stream[at..end], 0).unwrap();
                    at += progress.bytes;
                    if progress.done {
                        break;
                    }
                    end = (end + piece).min(stream.len());
                }
                assert_eq!(at, command.len(), "cut {cut}, piece {piece}");
            }
        }
    }

    #[test]
    fn a_length_that_the_scanner_refuses_is_refused_here_too() {
        for length in [BULK_LIMIT + 1, i64::MAX] {
            let command = format!("*2\r\n$1\r\na\r\n${length}\r\n");
            let mut scanner = Scanner::default();
            scanner.scan(&command.as_bytes()[..5]).unwrap();
            let (mut rest, at) = Passthrough::take_over(&scanner, 5);
            assert!(rest.advance(&command.as_bytes()[at..], 0).is_err(), "{length}");
            assert!(Scanner::default().scan(command.as_bytes()).is_err(), "{length}");
        }
    }

    #[test]
    fn it_stops_before_the_last_arguments_when_asked() {
        let command = b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nabc\r\n$2\r\nNX\r\n";
        let mut scanner = Scanner::default();
        scanner.scan(&command[..24]).unwrap();
        let (mut rest, at) = Passthrough::take_over(&scanner, 24);
        let progress = rest.advance(&command[at..], 1).unwrap();
        assert!(progress.done);
        assert_eq!(&command[at + progress.bytes..], b"$2\r\nNX\r\n");
    }
}
