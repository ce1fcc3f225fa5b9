//! What no fixture holds: dumps of RDB versions 1 to 5, encodings and opcodes that servers have left behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::{content, decode, dump, length, listpack, object, string, value, ziplist};
use tributary_rdb::{Consumer, Decoder, Event, Field, Group, Limits, Part, Pending, RdbError, StreamId, StreamInfo};

const FAR: usize = usize::MAX;

/// What a dump holds, the same in one piece and one byte at a time.
fn events(bytes: &[u8]) -> Vec<String> {
    let seen = decode(bytes, FAR, Limits::default()).unwrap();
    assert_eq!(decode(bytes, 1, Limits::default()).unwrap(), seen);
    seen.into_iter().map(|seen| seen.event).collect()
}

fn texts(texts: &[&str]) -> Part {
    Part::Elements(texts.iter().map(|text| text.as_bytes().to_vec()).collect())
}

fn field(name: &str, value: &str, expire_at_ms: Option<u64>) -> Field {
    Field { name: name.into(), value: value.into(), expire_at_ms }
}

#[test]
fn a_dump_of_before_version_5_has_no_checksum() {
    for version in ["0001", "0002", "0003", "0004"] {
        let bytes = [b"REDIS", version.as_bytes(), b"\xfe\0", &object(0, b"\x01v"), b"\xff"].concat();
        let seen = events(&bytes);
        assert_eq!(seen.len(), 4, "{seen:?}");
        let mut decoder = Decoder::new(Limits::default());
        decoder.feed(&[&bytes, &b"*1\r\n"[..]].concat());
        while !matches!(decoder.next_event().unwrap(), Some(Event::End)) {}
        assert_eq!((decoder.offset(), decoder.take_rest()), (bytes.len() as u64, b"*1\r\n".to_vec()));
    }
    let five = [b"REDIS0005", b"\xff".as_slice()].concat();
    assert_eq!(decode(&five, 1, Limits::default()), Err(RdbError::CutOff { offset: 10 }));
}

#[test]
fn an_expiry_stands_in_seconds_or_in_milliseconds_before_its_key_alone() {
    let seconds = [&b"\xfd"[..], &1_700_000_000u32.to_le_bytes(), &object(0, b"\x01a")].concat();
    let milliseconds = [&b"\xfc"[..], &1_700_000_000_123u64.to_le_bytes(), &object(0, b"\x01b")].concat();
    let bytes = dump("REDIS0003", &[&seconds, &milliseconds, &object(0, b"\x01c")]);
    let expiries = |bytes: &[u8]| {
        let mut decoder = Decoder::new(Limits::default());
        let mut found = vec![];
        for piece in bytes.chunks(1) {
            decoder.feed(piece);
            while let Some(event) = decoder.next_event().unwrap() {
                if let Event::Value(value) = event {
                    found.push(value.expire_at_ms);
                }
            }
        }
        found
    };
    assert_eq!(expiries(&bytes), [Some(1_700_000_000_000), Some(1_700_000_000_123), None]);
}

#[test]
fn hints_stand_before_their_key_alone() {
    let idle = [&b"\xf8\x05"[..], &object(0, b"\x01a")].concat();
    let often = [&b"\xf9\xff"[..], &object(0, b"\x01b")].concat();
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(&dump("REDIS0009", &[&idle, &often, &object(0, b"\x01c")]));
    let mut hints = vec![];
    while let Some(event) = decoder.next_event().unwrap() {
        if let Event::Value(value) = event {
            hints.push((value.idle_s, value.freq));
        }
    }
    assert_eq!(hints, [(Some(5), None), (None, Some(255)), (None, None)]);
}

#[test]
fn what_stands_beside_objects_is_told_or_passed_over() {
    let aux = b"\xfa\x09redis-ver\x055.0.3\xfa\x05ctime\xc2\x0a\x0b\x0c\x0d".as_slice();
    let resize = [&b"\xfb"[..], &length(1 << 33), b"\x40\x64"].concat();
    // Slot, keys, expiring keys (Redis 7.4 and later in cluster mode).
    let slot = b"\xf4\x7f\xff\x05\x00".as_slice();
    // A module's ID and its version in the lowest bits; when it was written; a number, a float, a double, a string.
    let id = length(0x4000_0000_0000_0003);
    let module =
        [&b"\xf7"[..], &id, b"\x02\x01\x02\x07\x03\0\0\x80\x3f\x04\0\0\0\0\0\0\xf0\x3f\x05\x02ab\x01\x08\0"].concat();
    let function = b"\xf5\x13#!lua name=f\nreturn".as_slice();
    let bytes = dump("REDIS0012", &[aux, function, &module, b"\xfe\x03", &resize, slot, &object(0, b"\x01v")]);
    let seen = events(&bytes);
    let about =
        ["Header", "Aux", "Aux", "Function", "ModuleAux", "SelectDb(3)", "ResizeDb { keys: 8589934592, expires: 100 }"];
    assert!(seen.iter().zip(about).all(|(event, about)| event.starts_with(about)), "{seen:#?}");
    assert!(seen[4].contains("QAAAAAAAA"), "{}", seen[4]);
    assert!(seen[7].contains("db: 3"));
    assert_eq!(seen.len(), 9);
}

#[test]
fn a_value_of_a_module_of_the_first_generation_is_named_with_its_key() {
    // It has no opcodes: where it ends, only the module knows.
    let bytes = dump("REDIS0007", &[&object(6, &length(0x4000_0000_0000_0003))]);
    let error = decode(&bytes, 1, Limits::default()).unwrap_err();
    assert!(error.is_unknown() && error.to_string().contains("“key”"), "{error}");
}

#[test]
fn a_zipmap_is_a_hash() {
    // Three pairs: a text, one with bytes left unused, an empty one.
    let small = b"\x03\x01a\x02\x00xy\x01b\x01\x02z..\x01c\x00\x00\xff";
    let want = vec![field("a", "xy", None), field("b", "z", None), field("c", "", None)];
    assert_eq!(content(9, &string(small)), [Part::Fields(want)]);
    // From 254 on, the count is not exact, and a length takes five bytes.
    let mut many = vec![254];
    let mut want = vec![];
    for i in 0..300 {
        let name = format!("{i:0>300}");
        many.extend([&b"\xfe\x2c\x01\0\0"[..], name.as_bytes(), b"\xfe\xfe\0\0\0\x01", &[b'v'; 254], b"."].concat());
        want.push(field(&name, &"v".repeat(254), None));
    }
    many.push(255);
    assert_eq!(content(9, &string(&many)), [Part::Fields(want)]);
}

#[test]
fn ziplists_are_lists_sorted_sets_and_hashes() {
    let elements = b"\x00\x02hi\x04\xf1\x02\xfe\xff\x03\xc0\x39\x30";
    assert_eq!(content(10, &string(&ziplist(4, elements))), [texts(&["hi", "0", "-1", "12345"])]);
    let nodes = [&[2][..], &string(&ziplist(4, elements)), &string(&ziplist(1, b"\x00\xfd"))].concat();
    assert_eq!(content(14, &nodes), [texts(&["hi", "0", "-1", "12345", "12"])]);
    let scores = b"\x00\x01a\x03\x04-inf\x06\x01b\x03\x031.5\x05\x01c\x03\xf4";
    let want = [("a", f64::NEG_INFINITY), ("b", 1.5), ("c", 3.0)].map(|(member, score)| (member.into(), score));
    assert_eq!(content(12, &string(&ziplist(6, scores))), [Part::Scored(want.into())]);
    let want = vec![field("hi", "0", None), field("-1", "12345", None)];
    assert_eq!(content(13, &string(&ziplist(4, elements))), [Part::Fields(want)]);
    // An element behind one of 254 bytes or more says so in five bytes.
    let long = [&b"\x00\x41\x00"[..], &[b'x'; 256], b"\xfe\x03\x01\0\0\x01y"].concat();
    assert_eq!(content(10, &string(&ziplist(2, &long))), [texts(&[&"x".repeat(256), "y"])]);
}

#[test]
fn scores_are_texts_or_doubles() {
    let raw = b"\x05\x01a\x031.5\x01b\xff\x01c\xfe\x01d\x061e-300\x01e\x02-0";
    let want = [("a", 1.5), ("b", f64::NEG_INFINITY), ("c", f64::INFINITY), ("d", 1e-300), ("e", -0.0)];
    assert_eq!(content(3, raw), [Part::Scored(want.map(|(member, score)| (member.into(), score)).into())]);
    let raw = [&b"\x01\x01a"[..], &f64::INFINITY.to_le_bytes()].concat();
    assert_eq!(content(5, &raw), [Part::Scored(vec![(b"a".to_vec(), f64::INFINITY)])]);
    // No command can set nan, and no server loads it.
    let nan = "a score that is no number";
    assert_eq!(value(3, b"\x01\x01a\xfd").content(), Err(RdbError::Malformed { what: nan, offset: 1 }));
    let raw = [&b"\x01\x01a"[..], &f64::NAN.to_le_bytes()].concat();
    assert_eq!(value(5, &raw).content(), Err(RdbError::Malformed { what: nan, offset: 1 }));
}

#[test]
fn fields_that_expire_stand_in_four_forms() {
    let at = 1_700_000_000_123u64;
    let want = [Part::Fields(vec![field("a", "1", None), field("b", "2", Some(at))])];
    // Before 7.4 was released: the expiry itself, 0 for none.
    assert_eq!(content(22, &[&b"\x02\x00\x01a\x011"[..], &length(at), b"\x01b\x012"].concat()), want);
    let triples = [&b"\x81a\x02\x01\x01\x00\x01\x81b\x02\x02\x01\xf4"[..], &at.to_le_bytes(), b"\x09"].concat();
    assert_eq!(content(23, &string(&listpack(6, &triples))), want);
    // Since: with the earliest of all before them, from which the plain form counts, plus one.
    let base = at - 5;
    let plain = [&base.to_le_bytes()[..], b"\x02\x00\x01a\x011\x06\x01b\x012"].concat();
    assert_eq!(content(24, &plain), want);
    // Valkey would take what is beyond 63 bits for none; `rdb_values` found it.
    let beyond = [&b"\x01"[..], &length(1 << 63), b"\x01a\x011"].concat();
    let range = RdbError::Malformed { what: "an expiry that is out of range", offset: 1 };
    assert_eq!(value(22, &beyond).content(), Err(range));
    // Also from 0 on, which `rdb_values` found.
    let first = [&[0; 8][..], b"\x02\x00\x01a\x011\x01\x01b\x012"].concat();
    assert_eq!(content(24, &first), [Part::Fields(vec![field("a", "1", None), field("b", "2", Some(0))])]);
    assert_eq!(content(25, &[&at.to_le_bytes()[..], &string(&listpack(6, &triples))].concat()), want);
}

#[test]
fn each_generation_of_streams_knows_more() {
    let id = |ms: u8| [&[0; 7][..], &[ms], &[0; 8]].concat();
    let pending = [&b"\x01"[..], &id(5), &7u64.to_le_bytes(), b"\x03"].concat();
    let (seen, active) = (9u64.to_le_bytes(), 8u64.to_le_bytes());
    let none = |length, max_deleted_id, entries_added| StreamInfo {
        length,
        last_id: StreamId { ms: 5, seq: 1 },
        max_deleted_id,
        entries_added,
    };
    let groups = |read| {
        let name = b"g".to_vec();
        let at = StreamId { ms: 5, seq: 0 };
        vec![
            Part::Group(Group { name, last_id: at, entries_read: read }),
            Part::Pending(vec![Pending { id: at, delivered_at_ms: 7, deliveries: 3 }]),
            Part::Consumer(Consumer { name: b"c".into(), pending: vec![] }),
            Part::Consumer(Consumer { name: b"c".into(), pending: vec![at] }),
        ]
    };
    // No nodes, the length, the last ID; then a group with its last ID, its pending entry, and a consumer.
    let first = [&b"\0\0\x05\x01\x01\x01g\x05\x00"[..], &pending, b"\x01\x01c", &seen, b"\x01", &id(5)].concat();
    assert_eq!(content(15, &first), [vec![Part::StreamInfo(none(0, None, None))], groups(None)].concat());
    // 7.0: the first ID, the greatest deleted one, how many were added; how many a group has read.
    let info = b"\0\0\x05\x01\x00\x00\x04\x02\x0b\x01\x01g\x05\x00\x0a";
    let second = [&info[..], &pending, b"\x01\x01c", &seen, b"\x01", &id(5)].concat();
    let known = none(0, Some(StreamId { ms: 4, seq: 2 }), Some(11));
    assert_eq!(content(19, &second), [vec![Part::StreamInfo(known.clone())], groups(Some(10))].concat());
    // 7.2: when a consumer was active, beside when it was seen.
    let third = [&info[..], &pending, b"\x01\x01c", &seen, &active, b"\x01", &id(5)].concat();
    assert_eq!(content(21, &third), [vec![Part::StreamInfo(known)], groups(Some(10))].concat());
    // None is known where the server did not know either.
    let unknown = [&info[..14], &length(u64::MAX), b"\0\0"].concat();
    assert!(content(19, &unknown).iter().any(|part| matches!(part, Part::Group(Group { entries_read: None, .. }))));
    assert!(value(21, &second).content().is_err(), "the forms are not each other's");
}
