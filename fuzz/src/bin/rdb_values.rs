//! One value, as a DUMP payload has it: a byte that says whose format it is, the type byte, the value. Any bytes give a
//! content or an error; the content is the same in parts of any size, and memory stays near a part's size.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tributary_fuzz::bounded;
use tributary_fuzz::seen::merge;
use tributary_rdb::{Loads, Logical, Part, RdbError, Rewritten, Value, ValueKind, dump};

fn content(value: &Value<'_>, size: usize) -> Result<Vec<Part>, RdbError> {
    let mut parts = Vec::new();
    for part in value.parts(size) {
        merge(&mut parts, part?);
    }
    Ok(parts)
}

/// For servers that do not know the encoding there is another one, with the same content.
fn rewrite(value: &Value<'_>) {
    for loads in [8, 9, 10, 11, 12, 80].map(|version| Loads { version }) {
        if loads.knows(value.kind) {
            continue;
        }
        let Ok(Rewritten::As(kind, raw)) = value.rewritten(loads, 1 << 20, false) else { continue };
        assert!(loads.knows(kind));
        // Of a stream, older servers know less.
        if kind.logical() != Some(Logical::Stream) {
            let other = Value { kind, raw: &raw, key: b"key".into(), ..*value };
            assert_eq!(content(&other, usize::MAX).ok(), content(value, usize::MAX).ok());
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let [valkey, kind, raw @ ..] = data else { return };
    let value = Value {
        db: 0,
        key: b"key".into(),
        expire_at_ms: None,
        idle_s: None,
        freq: None,
        kind: ValueKind::new(*kind, valkey & 1 == 1),
        raw,
    };
    let mut payload = Vec::new();
    dump::write_payload(&mut payload, value.kind, raw);
    assert_eq!(payload.len(), dump::payload_len(raw.len()));
    // What one element takes at most, however it is packed: LZF gives 88 bytes a byte, a short text is an allocation.
    let ended = bounded((1 << 20) + raw.len() * 88 * 4, || {
        value.parts(4096).take_while(Result::is_ok).count();
        value.plain_string().is_some()
    });
    assert!(!ended || value.kind.byte() == 0);
    // A node's fields are repeated in each of its entries: as a whole that may be much.
    if raw.len() <= 512 {
        assert_eq!(content(&value, 1).ok(), content(&value, usize::MAX).ok());
        rewrite(&value);
    }
});
