//! Whole dumps: what is decoded, and the error with its offset, do not depend on the pieces that the dump comes in. A value
//! that is collected has the content that it has when it comes in parts. Memory stays near what was fed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tributary_fuzz::seen::{Outcome, decode};
use tributary_fuzz::{Pieces, bounded};
use tributary_rdb::Limits;

/// So small that nearly every value comes in parts.
const SMALL: Limits = Limits { collect: 48, part: 32 };

/// What both saw is the same. Within an object that is damaged, some pieces show more of it than others.
fn agree(a: &Outcome, b: &Outcome) {
    assert_eq!(a.end.is_ok(), b.end.is_ok(), "{a:?}\n{b:?}");
    assert_eq!(a.notes, b.notes);
    let whole = a.objects.len().min(b.objects.len()).saturating_sub(usize::from(a.end.is_err()));
    for (a, b) in a.objects.iter().zip(&b.objects).take(whole) {
        assert_eq!((&a.head, a.kind), (&b.head, b.kind));
        // Offsets count from the value's beginning, or from the dump's.
        match (&a.content, &b.content) {
            (Ok(a), Ok(b)) => assert_eq!(a, b),
            (a, b) => assert_eq!(a.is_err(), b.is_err(), "{a:?}\n{b:?}"),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    // Every byte of LZF gives up to 88, and an element of one byte is an allocation.
    bounded((8 << 20) + data.len() * 2048, || {
        let whole = decode(Limits::default(), Pieces::whole(data));
        assert_eq!(decode(Limits::default(), Pieces::new(data)), whole);
        let parts = decode(SMALL, Pieces::whole(data));
        agree(&decode(SMALL, Pieces::new(data)), &parts);
        if whole.end.is_ok() && parts.end.is_ok() {
            agree(&whole, &parts);
        }
    });
});
