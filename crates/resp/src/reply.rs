use crate::error::RespError;
use crate::number::{line_end, parse_int};

/// Longest status or error line that is accepted.
const LINE_LIMIT: usize = 64 * 1024;
/// Deepest nesting of arrays that is accepted.
const DEPTH_LIMIT: usize = 32;

/// A piece of a server's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A whole reply that is no array: its type byte and, for `+`, `-` and `:`, its line.
    Single(u8, &'a [u8]),
    /// An array begins, with this many elements; `None` is the null array. An empty or null array
    /// has no [`Reply::ArrayEnd`].
    Array(Option<u64>),
    /// An element of that array is complete; its line when it is an error. Deeper levels are passed over.
    Element(Option<&'a [u8]>),
    /// The array is complete.
    ArrayEnd,
}

/// Reads RESP2 replies without keeping their contents.
///
/// Call [`ReplyScanner::next`] with the bytes that were not consumed yet, until it wants more.
#[derive(Debug, Default)]
pub struct ReplyScanner {
    /// Elements left at each open level; the first is the reply itself.
    open: Vec<u64>,
    /// Bytes of a bulk string, with its CRLF, still to pass over.
    skip: u64,
}

impl ReplyScanner {
    /// The next piece, with the number of bytes consumed; no piece means that more bytes are wanted.
    ///
    /// # Errors
    /// When the bytes are no RESP2 reply.
    pub fn next<'a>(&mut self, buf: &'a [u8]) -> Result<(usize, Option<Reply<'a>>), RespError> {
        let mut pos = 0;
        loop {
            if self.skip > 0 {
                let step = self.skip.min((buf.len() - pos) as u64);
                self.skip -= step;
                pos += usize::try_from(step).unwrap_or(0);
                if self.skip > 0 {
                    return Ok((pos, None));
                }
                if let Some(reply) = self.completed(b'$', b"") {
                    return Ok((pos, Some(reply)));
                }
            }
            if self.open.first() == Some(&0) {
                self.open.clear();
                return Ok((pos, Some(Reply::ArrayEnd)));
            }
            let Some(&mark) = buf.get(pos) else { return Ok((pos, None)) };
            let end = line_end(buf, pos);
            // Also when its end is there: what is accepted must not depend on the pieces that it came in.
            if end.unwrap_or(buf.len()) - pos > LINE_LIMIT {
                return Err(RespError::LineTooLong { limit: LINE_LIMIT });
            }
            let Some(end) = end else { return Ok((pos, None)) };
            let line = buf.get(pos + 1..end).unwrap_or_default();
            pos = end + 2;
            if let Some(reply) = self.line(mark, line)? {
                return Ok((pos, Some(reply)));
            }
        }
    }

    fn line<'a>(&mut self, mark: u8, line: &'a [u8]) -> Result<Option<Reply<'a>>, RespError> {
        match mark {
            b'+' | b'-' | b':' => Ok(self.completed(mark, line)),
            b'$' => match parse_int(line) {
                Some(-1) => Ok(self.completed(mark, line)),
                Some(len @ 0..) => {
                    self.skip = len.unsigned_abs() + 2;
                    Ok(None)
                }
                _ => Err(RespError::InvalidLength { what: "bulk reply" }),
            },
            b'*' => match parse_int(line) {
                Some(len @ -1..) => self.array(u64::try_from(len).ok()),
                _ => Err(RespError::InvalidLength { what: "array reply" }),
            },
            found => Err(RespError::UnexpectedByte { expected: "the start of a reply", found }),
        }
    }

    fn array<'a>(&mut self, len: Option<u64>) -> Result<Option<Reply<'a>>, RespError> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(RespError::TooDeep { limit: DEPTH_LIMIT });
        }
        let top = self.open.is_empty();
        match len {
            Some(len) if len > 0 => {
                self.open.push(len);
                Ok(top.then_some(Reply::Array(Some(len))))
            }
            _ if top => Ok(Some(Reply::Array(len))),
            _ => Ok(self.completed(b'*', b"")),
        }
    }

    /// Counts one complete value, and the arrays that it completes.
    fn completed<'a>(&mut self, mark: u8, line: &'a [u8]) -> Option<Reply<'a>> {
        if self.open.is_empty() {
            return Some(Reply::Single(mark, line));
        }
        let error = (mark == b'-' && self.open.len() == 1).then_some(line);
        let mut depth = self.open.len();
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if depth == 1 {
                return Some(Reply::Element(error));
            }
            depth -= 1;
            if *left > 0 {
                return None;
            }
            self.open.pop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pieces, as text, of bytes fed in pieces of `step`.
    fn read(bytes: &[u8], step: usize) -> Vec<String> {
        let mut scanner = ReplyScanner::default();
        let mut pieces = Vec::new();
        let (mut at, mut end) = (0, 0);
        loop {
            let (used, reply) = scanner.next(&bytes[at..end]).unwrap();
            at += used;
            match reply {
                Some(Reply::Single(mark, line)) => {
                    pieces.push(format!("{}{}", mark as char, String::from_utf8_lossy(line)));
                }
                Some(Reply::Array(len)) => pieces.push(format!("array {len:?}")),
                Some(Reply::Element(error)) => {
                    pieces.push(error.map_or("ok".into(), |e| String::from_utf8_lossy(e).into_owned()));
                }
                Some(Reply::ArrayEnd) => pieces.push("end".into()),
                None if end == bytes.len() => return pieces,
                None => end = (end + step).min(bytes.len()),
            }
        }
    }

    #[test]
    fn errors_are_seen_at_the_top_and_among_the_elements_of_exec() {
        let bytes = b"+OK\r\n+QUEUED\r\n-ERR no\r\n*4\r\n:1\r\n-WRONGTYPE x\r\n*2\r\n$3\r\na\r\n\r\n-ERR deep\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n";
        let want = [
            "+OK",
            "+QUEUED",
            "-ERR no",
            "array Some(4)",
            "ok",
            "WRONGTYPE x",
            "ok",
            "ok",
            "end",
            "array None",
            "array Some(0)",
            "$",
        ];
        for step in 1..=bytes.len() {
            assert_eq!(read(bytes, step), want, "in pieces of {step}");
        }
    }

    #[test]
    fn nested_empty_arrays_count_as_elements() {
        assert_eq!(read(b"*2\r\n*0\r\n*1\r\n*1\r\n*-1\r\n", 3), ["array Some(2)", "ok", "ok", "end"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_whether_its_end_is_there_or_not() {
        for end in ["", "\r\n"] {
            let line = format!("+{}{end}", "x".repeat(LINE_LIMIT + 1));
            let refused = Err(RespError::LineTooLong { limit: LINE_LIMIT });
            assert_eq!(ReplyScanner::default().next(line.as_bytes()), refused);
        }
    }

    #[test]
    fn bytes_that_are_no_reply_are_refused() {
        for bad in [&b"HTTP/1.1 400\r\n"[..], b"$x\r\n", b"*-2\r\n", b"$-5\r\n"] {
            assert!(ReplyScanner::default().next(bad).is_err(), "{bad:?}");
        }
    }
}
