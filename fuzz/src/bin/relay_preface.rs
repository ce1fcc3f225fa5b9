//! The first bytes of a client of a relay: decided alike in whatever pieces they come, nothing lost or added, and little held.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tributary_fuzz::{Pieces, bounded};
use tributary_resp::relay::{LONGEST_REQUEST, Note, Opening, Seen, request};

fn opened<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Seen, Vec<u8>, usize) {
    let (mut opening, mut forward, mut seen) = (Opening::default(), Vec::new(), Seen::Undecided);
    for piece in pieces {
        seen = opening.take(piece, &mut forward);
        assert!(opening.held() <= LONGEST_REQUEST);
        assert!(seen == Seen::Undecided || opening.held() == 0);
    }
    (seen, forward, opening.held())
}

fuzz_target!(|data: &[u8]| {
    bounded(data.len() * 4 + (1 << 16), || {
        let (seen, forward, held) = opened(Pieces::whole(data));
        assert_eq!(opened(Pieces::new(data)), (seen, forward.clone(), held));
        match seen {
            Seen::Undecided => assert!(forward.is_empty() && held == data.len()),
            Seen::Plain => assert_eq!(forward, data),
            Seen::Compressed(level) => assert_eq!([request(level), forward].concat(), data),
        }
        if let Some(note) = Note::from_bytes(data) {
            assert_eq!(Note::from_bytes(&note.to_bytes()), Some(note));
        }
    });
});
