use std::ops::Range;

use crate::error::RespError;
use crate::number::{line_end, parse_int};

/// Longest header line: `*` or `$`, 19 digits, CRLF.
pub(crate) const HEADER_LIMIT: usize = 32;
/// Most arguments a server accepts in one command (`INT_MAX` in Redis' networking.c).
const ARGC_LIMIT: i64 = i32::MAX as i64;
/// Longest bulk string: proto-max-bulk-len can be set to any 64-bit number, a terabyte is beyond use.
pub(crate) const BULK_LIMIT: i64 = 1 << 40;

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// A whole command of this many bytes stands at the start of the buffer.
    Complete(usize),
    /// The command goes on beyond the buffer.
    Incomplete,
}

/// Finds where commands end in a stream of RESP arrays of bulk strings.
///
/// A scan that found the end missing goes on where it was when it is called again with more bytes
/// behind the same start, so a command that arrives in many pieces is walked once.
#[derive(Debug, Default)]
pub struct Scanner {
    args: Vec<Range<usize>>,
    argc: usize,
    pos: usize,
    /// The current argument's bytes, when its header was read and its end was not.
    open: Option<Range<usize>>,
    started: bool,
    complete: bool,
}

impl Scanner {
    /// Scans the command at the start of `buf`.
    ///
    /// # Errors
    /// When the bytes are not an array of bulk strings.
    pub fn scan(&mut self, buf: &[u8]) -> Result<Scan, RespError> {
        if self.complete {
            self.reset();
        }
        if !self.started {
            let Some((argc, next)) = header(buf, 0, b'*', "command")? else { return Ok(Scan::Incomplete) };
            if argc > ARGC_LIMIT {
                return Err(RespError::InvalidLength { what: "command" });
            }
            self.argc = usize::try_from(argc).map_err(|_| RespError::InvalidLength { what: "command" })?;
            self.pos = next;
            self.started = true;
        }
        while self.args.len() < self.argc {
            let arg = match self.open.take() {
                Some(arg) => arg,
                None => {
                    let Some((len, start)) = header(buf, self.pos, b'$', "argument")? else {
                        return Ok(Scan::Incomplete);
                    };
                    if len > BULK_LIMIT {
                        return Err(RespError::InvalidLength { what: "argument" });
                    }
                    let len = usize::try_from(len).map_err(|_| RespError::InvalidLength { what: "argument" })?;
                    start..start + len
                }
            };
            if buf.len() < arg.end + 2 {
                self.open = Some(arg);
                return Ok(Scan::Incomplete);
            }
            self.pos = arg.end + 2;
            self.args.push(arg);
        }
        self.complete = true;
        Ok(Scan::Complete(self.pos))
    }

    /// The arguments that are complete, as ranges of the buffer; after [`Scan::Complete`] all of them.
    #[must_use]
    pub fn args(&self) -> &[Range<usize>] {
        &self.args
    }

    /// The number of arguments that the command's header announced, 0 while the header is missing.
    #[must_use]
    pub fn argc(&self) -> usize {
        self.argc
    }

    /// Where the walk stands: all before is whole arguments, and the bytes of an argument whose header
    /// was read and whose end was not.
    #[must_use]
    pub fn unfinished(&self) -> (usize, Option<Range<usize>>) {
        (self.pos, self.open.clone())
    }

    /// Forgets the command that was being scanned.
    pub fn reset(&mut self) {
        self.args.clear();
        self.argc = 0;
        self.pos = 0;
        self.open = None;
        self.started = false;
        self.complete = false;
    }
}

/// Reads a header line such as `*3\r\n`: the number and the index behind the line.
pub(crate) fn header(buf: &[u8], from: usize, mark: u8, what: &'static str) -> Result<Option<(i64, usize)>, RespError> {
    let Some(&first) = buf.get(from) else { return Ok(None) };
    if first != mark {
        let expected = if mark == b'*' { "'*', the start of a command" } else { "'$', the start of an argument" };
        return Err(RespError::UnexpectedByte { expected, found: first });
    }
    // Most headers are one digit: this test alone is a good part of the scanner's speed.
    if let (Some(&digit @ b'0'..=b'9'), Some(b'\r'), Some(b'\n')) =
        (buf.get(from + 1), buf.get(from + 2), buf.get(from + 3))
    {
        return Ok(Some((i64::from(digit - b'0'), from + 4)));
    }
    let window = buf.get(..(from + HEADER_LIMIT).min(buf.len())).unwrap_or(buf);
    let Some(end) = line_end(window, from) else {
        if buf.len() >= from + HEADER_LIMIT {
            return Err(RespError::LineTooLong { limit: HEADER_LIMIT });
        }
        return Ok(None);
    };
    let number = buf.get(from + 1..end).and_then(parse_int).filter(|n| *n >= 0);
    number.map(|n| Some((n, end + 2))).ok_or(RespError::InvalidLength { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n*1\r\n$4\r\nPING\r\n";

    #[test]
    fn commands_are_found_one_after_the_other() {
        let mut scanner = Scanner::default();
        let Scan::Complete(len) = scanner.scan(TWO).unwrap() else { panic!("complete") };
        let args: Vec<_> = scanner.args().iter().map(|r| &TWO[r.clone()]).collect();
        assert_eq!(args, [&b"SET"[..], b"k", b"hello\r\nworld"]);
        assert_eq!(scanner.scan(&TWO[len..]).unwrap(), Scan::Complete(TWO.len() - len));
    }

    #[test]
    fn a_command_fed_one_byte_at_a_time_is_found_at_its_last_byte() {
        let mut scanner = Scanner::default();
        let first = TWO.len() - 14;
        for end in 0..first {
            assert_eq!(scanner.scan(&TWO[..end]).unwrap(), Scan::Incomplete, "{end}");
        }
        assert_eq!(scanner.scan(&TWO[..first]).unwrap(), Scan::Complete(first));
        assert_eq!(scanner.args().len(), 3);
    }

    #[test]
    fn bytes_that_are_no_command_are_refused() {
        for bad in [
            &b"+OK\r\n"[..],
            b"*-1\r\n",
            b"*1\r\n+x\r\n",
            b"*x\r\n",
            b"*1\r\n$-1\r\n",
            &[b'*'; 40],
            b"*99999999999\r\n",
        ] {
            let mut scanner = Scanner::default();
            assert!(scanner.scan(bad).is_err(), "{bad:?}");
        }
    }
}
