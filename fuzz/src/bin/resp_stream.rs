//! Commands of a replication stream: their boundaries and arguments do not depend on the pieces they come in, and the
//! rest of a command that is forwarded as it arrives ends where the scanner finds its end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tributary_fuzz::{Pieces, bounded};
use tributary_resp::{Passthrough, RespError, Scan, Scanner};

/// The commands that were found, as argument ranges and length, and what ended the scan.
#[derive(Debug, Default, PartialEq)]
struct Found {
    commands: Vec<(Vec<std::ops::Range<usize>>, usize)>,
    error: Option<RespError>,
}

fn scan<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Found {
    let (mut found, mut buf, mut scanner) = (Found::default(), Vec::new(), Scanner::default());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match scanner.scan(&buf) {
                Ok(Scan::Complete(len)) => {
                    assert!(len > 0 && len <= buf.len());
                    assert_eq!(scanner.args().len(), scanner.argc());
                    assert!(scanner.args().iter().all(|arg| arg.end + 2 <= len));
                    found.commands.push((scanner.args().to_vec(), len));
                    buf.drain(..len);
                }
                Ok(Scan::Incomplete) => break,
                Err(error) => {
                    found.error = Some(error);
                    return found;
                }
            }
        }
    }
    found
}

/// Length of the first command when all behind the first piece that ends within it is passed through.
fn pass(data: &[u8]) -> Option<usize> {
    let mut scanner = Scanner::default();
    let mut end = 0;
    let mut pieces = Pieces::new(data);
    while scanner.argc() == 0 {
        end += pieces.next()?.len();
        match scanner.scan(data.get(..end)?) {
            Ok(Scan::Incomplete) => {}
            _ => return None,
        }
    }
    let (mut rest, mut at) = Passthrough::take_over(&scanner, end);
    loop {
        let progress = rest.advance(data.get(at..end)?, 0).ok()?;
        at += progress.bytes;
        assert!(at <= end);
        if progress.done {
            return Some(at);
        }
        end += pieces.next()?.len();
    }
}

fuzz_target!(|data: &[u8]| {
    bounded(data.len() * 64 + (1 << 20), || {
        let whole = scan(Pieces::whole(data));
        assert_eq!(scan(Pieces::new(data)), whole);
        if let Some(passed) = pass(data) {
            assert_eq!(whole.commands.first().map(|(_, len)| *len), Some(passed));
        }
    });
});
