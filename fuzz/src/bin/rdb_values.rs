//! The content of one value, as a DUMP payload has it: a byte that says whose format it is, the type byte, the value.
//! Any bytes give a content or an error, within bounded memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tributary_fuzz::bounded;
use tributary_rdb::{Value, ValueKind};

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
    bounded(64 << 20, || drop((value.plain_string(), value.content())));
});
