//! The first bytes of a client: a request for compression, or the server's from the first byte on.

use super::{LONGEST_REQUEST, Preface, preface};

/// What was seen of a client so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing yet, or the beginning of a request.
    Undecided,
    /// It wants gzip of this level; what follows is the server's.
    Compressed(u32),
    /// All of it is the server's.
    Plain,
}

/// Collects the first bytes of a client until it is clear what they are; never more than [`LONGEST_REQUEST`] that belong to a
/// request, whatever the client sends.
#[derive(Debug, Default)]
pub struct Opening {
    held: Vec<u8>,
    seen: Option<Seen>,
}

impl Opening {
    /// Takes the next bytes. Once it is decided, `forward` holds what belongs to the server, and further bytes are to be passed
    /// on without asking here.
    pub fn take(&mut self, bytes: &[u8], forward: &mut Vec<u8>) -> Seen {
        if let Some(seen) = self.seen {
            forward.extend_from_slice(bytes);
            return seen;
        }
        let room = LONGEST_REQUEST.saturating_sub(self.held.len()).min(bytes.len());
        let (head, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.held.extend_from_slice(head);
        let seen = match preface(&self.held) {
            Preface::Unfinished => return Seen::Undecided,
            Preface::Request { level, length } => {
                self.held.drain(..length);
                Seen::Compressed(level)
            }
            Preface::Other => Seen::Plain,
        };
        forward.append(&mut self.held);
        forward.extend_from_slice(rest);
        self.seen = Some(seen);
        seen
    }

    /// Nothing more is waited for: what was held back is the server's, unless it was decided otherwise before.
    pub fn give_up(&mut self, forward: &mut Vec<u8>) -> Seen {
        forward.append(&mut self.held);
        *self.seen.get_or_insert(Seen::Plain)
    }

    /// Whether anything has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !self.held.is_empty() || self.seen.is_some()
    }

    /// Bytes that are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::request;
    use super::*;

    #[test]
    fn what_was_held_back_is_not_lost() {
        let (mut opening, mut forward) = (Opening::default(), Vec::new());
        assert_eq!(opening.take(b"*3\r\n", &mut forward), Seen::Undecided);
        assert_eq!((opening.held(), forward.len()), (4, 0));
        assert_eq!(opening.give_up(&mut forward), Seen::Plain);
        assert_eq!((opening.held(), forward.as_slice()), (0, &b"*3\r\n"[..]));
        assert_eq!(opening.take(&request(6), &mut forward), Seen::Plain);
        assert_eq!(forward, [b"*3\r\n", &request(6)[..]].concat());
    }

    #[test]
    fn a_decision_does_not_depend_on_how_the_bytes_are_cut() {
        let ping = b"*1\r\n$4\r\nPING\r\n";
        let long = vec![b'*'; 1000];
        for (bytes, want, forwarded) in [
            ([&request(6)[..], ping].concat(), Seen::Compressed(6), &ping[..]),
            (ping.to_vec(), Seen::Plain, ping),
            (long.clone(), Seen::Plain, &long),
        ] {
            for size in [1, 3, 5000] {
                let (mut opening, mut forward, mut last) = (Opening::default(), Vec::new(), Seen::Undecided);
                for piece in bytes.chunks(size) {
                    last = opening.take(piece, &mut forward);
                    assert!(opening.held() <= LONGEST_REQUEST);
                }
                assert_eq!((last, forward.as_slice()), (want, forwarded));
            }
        }
    }
}
