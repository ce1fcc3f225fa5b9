//! The lines before a snapshot and a stream: the same in whatever pieces they come, and what is read from them can be
//! written again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tributary_fuzz::{Pieces, bounded};
use tributary_resp::RespError;
use tributary_resp::psync::{Framing, Grant, is_replication_id, next_line};

fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Option<RespError>) {
    let (mut lines, mut buf) = (Vec::new(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match next_line(&buf) {
                Ok((used, line)) => {
                    buf.drain(..used);
                    let Some(line) = line else { break };
                    assert!(!line.is_empty() && !line.contains('\n'));
                    lines.push(line);
                }
                Err(error) => return (lines, Some(error)),
            }
        }
    }
    (lines, None)
}

fn check(line: &str) {
    match Grant::parse(line) {
        Some(Grant::Full { replid, offset }) => {
            assert!(is_replication_id(&replid));
            let again = Grant::parse(&format!("+FULLRESYNC {replid} {offset}"));
            assert_eq!(again, Some(Grant::Full { replid, offset }));
        }
        Some(Grant::Continue { replid }) => assert!(replid.is_none_or(|id| is_replication_id(&id))),
        None => {}
    }
    match Framing::parse(line) {
        Some(Framing::Length(length)) => {
            assert_eq!(Framing::parse(&format!("${length}")), Some(Framing::Length(length)))
        }
        Some(Framing::Mark(mark)) => assert_eq!(Framing::Mark(mark).trailer(0).as_deref(), Some(&mark[..])),
        None => {}
    }
}

fuzz_target!(|data: &[u8]| {
    bounded(data.len() * 64 + (1 << 20), || {
        let whole = lines(Pieces::whole(data));
        assert_eq!(lines(Pieces::new(data)), whole);
        whole.0.iter().for_each(|line| check(line));
    });
});
