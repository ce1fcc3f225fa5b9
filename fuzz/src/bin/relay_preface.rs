//! The first bytes of a relay's client: what they are taken for does not depend on the pieces they come in, and nothing of them
//! is lost, added or collected without end. Notes come back as they went.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tributary_fuzz::{Pieces, bounded};
use tributary_resp::relay::{LONGEST_REQUEST, Note, Opening, Seen, request};

/// What was seen when all had come, what the server gets by then, and what it gets if no more comes.
#[derive(Debug, PartialEq)]
struct Outcome {
    seen: Seen,
    forward: Vec<u8>,
    given_up: Vec<u8>,
}

fn take<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let (mut opening, mut forward, mut seen) = (Opening::default(), Vec::new(), Seen::Undecided);
    for piece in pieces {
        let now = opening.take(piece, &mut forward);
        assert!(seen == Seen::Undecided || now == seen, "{seen:?} became {now:?}");
        assert!(opening.held() < LONGEST_REQUEST && (now == Seen::Undecided || opening.held() == 0));
        seen = now;
    }
    let mut given_up = forward.clone();
    let last = opening.give_up(&mut given_up);
    assert_eq!(last, if seen == Seen::Undecided { Seen::Plain } else { seen });
    Outcome { seen, forward, given_up }
}

fuzz_target!(|data: &[u8]| {
    bounded(data.len() * 16 + (1 << 16), || {
        let whole = take(Pieces::whole(data));
        assert_eq!(take(Pieces::new(data)), whole);
        // The server gets all that is not the request itself.
        let asked = if let Seen::Compressed(level) = whole.seen { request(level) } else { Vec::new() };
        assert_eq!([&asked[..], &whole.given_up].concat(), data);
        if let Some(note) = Note::from_bytes(data) {
            assert_eq!(Note::from_bytes(&note.to_bytes()), Some(note));
        }
    });
});
