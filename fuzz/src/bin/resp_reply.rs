//! Replies of a server: what is read of them does not depend on the pieces they come in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tributary_fuzz::{Pieces, bounded};
use tributary_resp::{Reply, ReplyScanner, RespError};

#[derive(Debug, PartialEq)]
enum Seen {
    Single(u8, Vec<u8>),
    Array(Option<u64>),
    Element(Option<Vec<u8>>),
    ArrayEnd,
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Seen>, Option<RespError>) {
    let (mut seen, mut buf, mut scanner) = (Vec::new(), Vec::new(), ReplyScanner::default());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            let (used, reply) = match scanner.next(&buf) {
                Ok(next) => next,
                Err(error) => return (seen, Some(error)),
            };
            let ended = reply.is_none();
            seen.extend(reply.map(|reply| match reply {
                Reply::Single(mark, line) => Seen::Single(mark, line.to_vec()),
                Reply::Array(len) => Seen::Array(len),
                Reply::Element(error) => Seen::Element(error.map(<[u8]>::to_vec)),
                Reply::ArrayEnd => Seen::ArrayEnd,
            }));
            buf.drain(..used);
            if ended {
                break;
            }
        }
    }
    (seen, None)
}

fuzz_target!(|data: &[u8]| {
    bounded(data.len() * 64 + (1 << 20), || {
        assert_eq!(read(Pieces::new(data)), read(Pieces::whole(data)));
    });
});
