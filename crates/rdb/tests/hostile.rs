//! A damaged or hostile dump gives an error that says where and why, and memory stays bounded.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::{MIB, alone, bounded, decode, dump, length, lzf, malformed, object, string};
use tributary_rdb::{Decoder, Event, Limits, RdbError};

/// The first byte behind the header.
const BODY: u64 = 9;
/// The first byte of an object's value, when the object is the dump's first item.
const VALUE: u64 = BODY + 5;
const LENGTHS: u64 = 1 << 40;
const COUNTS: u64 = 1 << 36;
const PIECE: u64 = 32 << 20;

/// What is wrong with a dump, whatever pieces it comes in.
fn wrong(bytes: &[u8]) -> RdbError {
    bounded(MIB, || {
        let whole = decode(bytes, usize::MAX, Limits::default()).unwrap_err();
        for step in 1..=bytes.len().min(16) {
            assert_eq!(decode(bytes, step, Limits::default()).unwrap_err(), whole, "in pieces of {step}");
        }
        whole
    })
}

fn too_large(len: u64, offset: u64, limit: u64) -> RdbError {
    RdbError::LengthTooLarge { len, offset, limit }
}

fn in_value(cause: RdbError) -> RdbError {
    RdbError::InValue { key: "key".into(), cause: Box::new(cause) }
}

#[test]
fn a_header_that_is_none_is_named() {
    let _alone = alone();
    for bad in ["NOTADUMP!", "REDIS00x1", "REDIS+011", "redis0011", "VALKEYx80"] {
        assert_eq!(wrong(bad.as_bytes()), RdbError::NotADump, "{bad}");
    }
    for (bad, version, valkey) in [("REDIS0099", 99, false), ("REDIS0000", 0, false), ("VALKEY099", 99, true)] {
        assert_eq!(wrong(bad.as_bytes()), RdbError::UnknownVersion { version, valkey }, "{bad}");
    }
}

#[test]
fn what_stands_between_objects_is_checked() {
    let _alone = alone();
    let form = "an unknown form of length";
    let small = string(b"x");
    let ten_gb = [&length(10 << 30)[..], b"x"].concat();
    let announces = "a compressed string that announces more than it can hold";
    let cases: Vec<(Vec<u8>, RdbError)> = vec![
        (vec![0xf0], RdbError::UnknownOpcode { opcode: 0xf0, offset: BODY }),
        (vec![0xfa, 1, b'a', 1, b'b', 0xf6], RdbError::UnknownOpcode { opcode: 0xf6, offset: BODY + 5 }),
        ([&[0xfe][..], &length(1 << 40)].concat(), too_large(1 << 40, BODY, u64::from(u32::MAX))),
        (vec![0xfe, 0xc0, 1], malformed("an encoding where a length should be", BODY)),
        (vec![0xfb, 0x82, 1], malformed(form, BODY)),
        ([&[0xfa][..], &ten_gb].concat(), too_large(10 << 30, BODY, PIECE)),
        ([&[0xfa][..], &small, &ten_gb].concat(), too_large(10 << 30, BODY, PIECE)),
        ([&[0xf5][..], &length(1 << 62)].concat(), too_large(1 << 62, BODY, LENGTHS)),
        ([&[0xf5][..], &length(PIECE + 1)].concat(), too_large(PIECE + 1, BODY, PIECE)),
        ([&[0][..], &length(1 << 63)].concat(), too_large(1 << 63, BODY, LENGTHS)),
        ([&[0][..], &lzf(&[0; 9], 1 << 30)].concat(), malformed(announces, BODY)),
        (vec![0, 0xc4, 1], malformed("an unknown encoding of a string", BODY)),
        ([&[0][..], &lzf(b"\x20\x05", 3)].concat(), malformed("compressed data that refers to before its start", BODY)),
        ([&[0][..], &lzf(b"\x01ab", 9)].concat(), malformed("compressed data shorter than announced", BODY)),
        ([&[0][..], &lzf(b"\x01ab", 1)].concat(), malformed("compressed data longer than announced", BODY)),
        ([&[0][..], &lzf(b"\x05ab", 6)].concat(), malformed("compressed data that is cut off", BODY)),
        (vec![0xf7, 1, 2, 0, 2, 0, 9], malformed("an unknown opcode in a module's value", BODY + 6)),
    ];
    for (item, want) in cases {
        assert_eq!(wrong(&dump("REDIS0011", &[&item])), want, "{}", item.escape_ascii());
    }
}

#[test]
fn a_type_that_nobody_writes_is_named_with_its_key() {
    let _alone = alone();
    for kind in [8, 26, 127, 0xef] {
        let want = RdbError::UnknownType { type_byte: kind, key: "key".into(), offset: BODY };
        assert_eq!(wrong(&dump("REDIS0012", &[&object(kind, b"x")])), want);
    }
    let long = [&[99][..], &string(&[b'k'; 5000]), b"x"].concat();
    let text = wrong(&dump("REDIS0012", &[&long])).to_string();
    assert_eq!(text, format!("the key “{}…” at byte 9 has the unknown type 99", "k".repeat(128)));
}

#[test]
fn lengths_within_a_value_are_checked_where_they_stand() {
    let _alone = alone();
    let huge = length(1 << 63);
    let with = |before: &[u8]| [before, &huge[..]].concat();
    let nodes = length(1 << 40);
    // No nodes, and eight numbers; a group with three; a consumer with two times.
    let groups = [&[0; 9][..]].concat();
    let pending = [&groups[..], b"\x01\x01g\0\0\0"].concat();
    let ids = [&pending[..], b"\0\x01\x01c", &[0; 16]].concat();
    let cases: Vec<(u8, Vec<u8>, RdbError)> = vec![
        (0, huge.clone(), too_large(1 << 63, VALUE, LENGTHS)),
        (1, huge.clone(), too_large(1 << 63, VALUE, COUNTS)),
        (1, with(b"\x02\x01a"), too_large(1 << 63, VALUE + 3, LENGTHS)),
        (2, huge.clone(), too_large(1 << 63, VALUE, COUNTS)),
        (3, with(b"\x01"), too_large(1 << 63, VALUE + 1, LENGTHS)),
        (3, b"\x01\x01a\x05abcde".to_vec(), malformed("a score that is no number", VALUE + 3)),
        (4, with(b"\x01\x01f"), too_large(1 << 63, VALUE + 3, LENGTHS)),
        (5, huge.clone(), too_large(1 << 63, VALUE, COUNTS)),
        (7, b"\x01\x09".to_vec(), malformed("an unknown opcode in a module's value", VALUE + 1)),
        (7, with(b"\x01\x05"), too_large(1 << 63, VALUE + 1, LENGTHS)),
        (9, huge.clone(), too_large(1 << 63, VALUE, LENGTHS)),
        (11, huge.clone(), too_large(1 << 63, VALUE, LENGTHS)),
        (14, nodes.clone(), too_large(1 << 40, VALUE, COUNTS)),
        (18, nodes, too_large(1 << 40, VALUE, COUNTS)),
        (18, with(b"\x01\x02"), too_large(1 << 63, VALUE + 2, LENGTHS)),
        (15, huge.clone(), too_large(1 << 63, VALUE, COUNTS)),
        (19, with(b"\x01"), too_large(1 << 63, VALUE + 1, LENGTHS)),
        (21, with(&groups), too_large(1 << 63, VALUE + 9, COUNTS)),
        (21, with(&pending), too_large(1 << 63, VALUE + 15, COUNTS)),
        (21, with(&[&pending[..], b"\0"].concat()), too_large(1 << 63, VALUE + 16, COUNTS)),
        (21, with(&ids), too_large(1 << 63, VALUE + 35, COUNTS)),
        (22, with(b"\x01\x00"), too_large(1 << 63, VALUE + 2, LENGTHS)),
        (24, with(&[0; 8]), too_large(1 << 63, VALUE + 8, COUNTS)),
        (25, with(&[0; 8]), too_large(1 << 63, VALUE + 8, LENGTHS)),
    ];
    for (kind, raw, want) in cases {
        assert_eq!(wrong(&dump("REDIS0012", &[&object(kind, &raw)])), in_value(want), "{kind}: {}", raw.escape_ascii());
    }
}

#[test]
fn a_dump_that_is_cut_off_says_after_how_many_bytes() {
    let _alone = alone();
    let objects = [
        object(0, b"\xc0\x05"),
        object(18, b"\x02\x01\x03abc\x02\x01x"),
        object(7, b"\x01\x02\x07\x05\x02ab\0"),
        object(3, b"\x01\x01a\x031.5"),
    ];
    let bytes = dump("REDIS0011", &[b"\xfa\x01a\x01b\xfe\0\xfb\x04\0", &objects.concat()]);
    decode(&bytes, 1, Limits::default()).unwrap();
    for end in 0..bytes.len() {
        assert_eq!(wrong(&bytes[..end.max(1)]), RdbError::CutOff { offset: end.max(1) as u64 });
    }
    // A list that announces more than the dump holds takes the dump's end for its own.
    let lie = dump("REDIS0011", &[&object(1, &[&length(1 << 36)[..], b"\x01a"].concat())]);
    assert_eq!(wrong(&lie), in_value(malformed("an unknown encoding of a string", VALUE + 11)));
}

#[test]
fn the_end_is_checked_and_what_follows_it_is_not_the_dumps() {
    let _alone = alone();
    let sum = [b"REDIS0011".as_slice(), b"\xff", &7u64.to_le_bytes()].concat();
    let RdbError::Checksum { computed, stored: 7 } = wrong(&sum) else { panic!("a wrong checksum") };
    let right = [b"REDIS0011".as_slice(), b"\xff", &computed.to_le_bytes(), b"*1\r\n"].concat();
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(&right);
    while !matches!(decoder.next_event().unwrap(), Some(Event::End)) {}
    assert_eq!((decoder.offset(), decoder.take_rest()), (18, b"*1\r\n".to_vec()));
}

#[test]
fn every_error_reads_as_a_sentence_with_its_place() {
    let _alone = alone();
    let texts = [
        (in_value(too_large(99, 14, 10)), "the value of the key “key”: length 99 at byte 14 exceeds the limit of 10"),
        (malformed("an unknown form of length", 9), "an unknown form of length at byte 9"),
        (RdbError::CutOff { offset: 7 }, "the dump is cut off at byte 7"),
        (RdbError::UnknownOpcode { opcode: 240, offset: 9 }, "unknown opcode 240 at byte 9"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}
