//! Values that lie about themselves are refused, and decoding one takes bounded memory, whatever it says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::{MIB, alone, bomb, bounded, intset, length, listpack, lzf, malformed, object, string, value, ziplist};
use tributary_rdb::{Decoder, Limits, Part, RdbError};

/// A stream of one node, whose listpack is given.
fn node(count: u16, elements: &[u8]) -> Vec<u8> {
    [&b"\x01\x10"[..], &[0; 16], &string(&listpack(count, elements)), &[0; 9]].concat()
}

/// A stream without entries: one group with these pending IDs, and consumers with theirs.
fn group(pending: &[u8], consumers: &[(&str, &[u8])]) -> Vec<u8> {
    let id = |id: &u8| [&[0; 15][..], &[*id]].concat();
    let mut raw = [&[0; 9][..], b"\x01\x01g\0\0\0", &[pending.len() as u8]].concat();
    pending.iter().for_each(|pending| raw.extend([&id(pending)[..], &[0; 8], &[1]].concat()));
    raw.push(consumers.len() as u8);
    for (name, ids) in consumers {
        raw.extend([&[name.len() as u8][..], name.as_bytes(), &[0; 16], &[ids.len() as u8]].concat());
        ids.iter().for_each(|one| raw.extend(id(one)));
    }
    raw
}

#[test]
fn packed_values_that_lie_about_themselves_are_refused() {
    let _alone = alone();
    let cut = "a listpack that is cut off";
    let other = "a listpack whose header names another length";
    let count = "a packed value whose header names another count";
    let lying = [&100u32.to_le_bytes()[..], b"\x01\0\x05\x01\xff"].concat();
    let long = listpack(1, b"\xf0\xff\xff\xff\xff");
    let cases: Vec<(u8, Vec<u8>, &'static str)> = vec![
        (11, intset(3, 1, b"abc"), "an intset of an unknown width"),
        (11, intset(8, u32::MAX, b""), "an intset whose header names another length"),
        (11, intset(2, 1, b"abcd"), "an intset whose header names another length"),
        (11, b"\x02\0".to_vec(), "an intset that is cut off"),
        (20, lying.clone(), other),
        (20, long.clone(), cut),
        (20, listpack(2, b"\x05\x01"), count),
        (20, listpack(0, b"\x05\x01"), count),
        (20, listpack(1, b"\xf5"), "an unknown element in a listpack"),
        (20, listpack(1, b"\x05\x01\xff"), "a packed value with bytes behind its end"),
        (16, listpack(1, b"\x05\x01"), "a field without a value"),
        (17, listpack(2, b"\x05\x01\x82ab\x03"), "a score that is no number"),
        (17, listpack(2, b"\x05\x01\x83nan\x04"), "a score that is no number"),
        (23, listpack(3, b"\x05\x01\x05\x01\xdf\xff\x02"), "an expiry that is no number"),
        (10, ziplist(1, b"\x00\xff"), "an unknown element in a ziplist"),
        (10, ziplist(1, b"\x00\xbf\xff\xff\xff\xff"), "a ziplist that is cut off"),
        (10, ziplist(2, b"\x00\xf2"), count),
        (12, [&100u32.to_le_bytes()[..], &[0; 7]].concat(), "a ziplist whose header names another length"),
        (13, ziplist(1, b"\x00\xf2"), "a field without a value"),
        (9, b"\x01\x01a".to_vec(), "a zipmap that is cut off"),
        (9, b"\x01\x01a\xff".to_vec(), "a zipmap that ends behind a field"),
        (9, b"\x01\xfe\xff\xff\xff\xff".to_vec(), "a zipmap that is cut off"),
        (9, b"\x02\x01a\x01\x00b\xff".to_vec(), count),
    ];
    for (kind, packed, what) in cases {
        let error = bounded(MIB, || value(kind, &string(&packed)).content()).unwrap_err();
        // All of it is one string: what is wrong with its header is told where it begins, all else where it ends.
        let header = what.ends_with("another length") || what.contains("width") || packed.len() == 2;
        let at = if header { 0 } else { string(&packed).len() as u64 };
        assert_eq!(error, malformed(what, at), "{kind}: {}", packed.escape_ascii());
    }
    for (kind, raw, what, at) in [
        (18, [&b"\x02\x01\x01a\x02"[..], &string(&long)].concat(), cut, 22),
        (18, b"\x01\x03\x01a".to_vec(), "an unknown node in a quicklist", 1),
        (14, [&[1][..], &string(&lying)].concat(), "a ziplist that is cut off", 1),
        (25, [&[0; 8][..], &string(&lying)].concat(), other, 0),
    ] {
        let error = bounded(MIB, || value(kind, &raw).content()).unwrap_err();
        assert_eq!(error, malformed(what, at), "{kind}: {}", raw.escape_ascii());
    }
}

#[test]
fn nodes_of_a_stream_that_lie_about_themselves_are_refused() {
    let _alone = alone();
    let cut = "a stream's node that is cut off";
    let negative = "a stream's node with a negative count";
    let text = "a stream's node with a text where a number should be";
    // 2^60 as a number of 64 bits, and -1.
    let huge = b"\xf4\0\0\0\0\0\0\0\x10\x09";
    let less = b"\xdf\xff\x02";
    let zero = b"\0\x01";
    let one = b"\x01\x01";
    for (count, elements, what) in [
        (3, [&one[..], zero, huge].concat(), cut),
        (3, [&one[..], zero, less].concat(), negative),
        (3, [&less[..], zero, zero].concat(), negative),
        (1, b"\x81a\x02".to_vec(), text),
        (4, [huge.as_slice(), zero, zero, zero].concat(), cut),
        // An entry with fields of its own, 2^60 of them, and one with less than none.
        (8, [&one[..], zero, zero, zero, zero, zero, zero, huge].concat(), cut),
        (8, [&one[..], zero, zero, zero, zero, zero, zero, less].concat(), negative),
        (5, [&zero[..], zero, zero, zero, one].concat(), "a stream's node with more than its entries"),
    ] {
        for kind in [15, 19, 21] {
            let error = bounded(MIB, || value(kind, &node(count, &elements)).content()).unwrap_err();
            assert_eq!(error, malformed(what, error_offset(&error)), "{}", elements.escape_ascii());
            assert!(error_offset(&error) <= node(count, &elements).len() as u64);
        }
    }
    let short = [&b"\x01\x08"[..], &[0; 8], &string(&listpack(0, b""))].concat();
    assert_eq!(value(19, &short).content(), Err(malformed("a stream's node without an ID", 1)));
}

fn error_offset(error: &RdbError) -> u64 {
    match error {
        RdbError::Malformed { offset, .. } => *offset,
        other => panic!("{other}"),
    }
}

#[test]
fn pending_entries_and_consumers_that_do_not_fit_together_are_refused() {
    let _alone = alone();
    let unknown = "a consumer's pending entry that its group does not know";
    let unclaimed = "a stream's pending entries of no consumer";
    let twice = "a part of a stream that is there twice, or not in order";
    for (raw, what) in [
        (group(&[], &[("c", &[1])]), unknown),
        (group(&[1], &[("a", &[1]), ("b", &[1])]), unknown),
        (group(&[1, 2], &[("c", &[1])]), unclaimed),
        (group(&[1], &[]), unclaimed),
        (group(&[2, 1], &[("c", &[1, 2])]), twice),
        (group(&[1, 1], &[("c", &[1, 1])]), twice),
        (group(&[1, 2], &[("c", &[1, 1])]), twice),
        (group(&[1, 2], &[("c", &[1]), ("c", &[2])]), twice),
    ] {
        let error = bounded(MIB, || value(21, &raw).content()).unwrap_err();
        assert_eq!(error, malformed(what, error_offset(&error)));
        assert!((10..=raw.len() as u64).contains(&error_offset(&error)), "{error}");
    }
    assert!(value(21, &group(&[1, 2], &[("a", &[2]), ("b", &[1])])).content().is_ok());
}

/// Decodes a value in parts of 1 MiB within `limit` bytes of memory; gives how many bytes and elements came out.
fn weigh(kind: u8, raw: &[u8], limit: usize) -> Result<(usize, usize), RdbError> {
    bounded(limit, || {
        let mut sum = (0, 0);
        for part in value(kind, raw).parts(MIB) {
            match part? {
                Part::Bytes(bytes) => sum.0 += bytes.len(),
                Part::Elements(elements) => sum.1 += elements.len(),
                Part::Fields(fields) => sum.1 += fields.len(),
                Part::Entries(entries) => {
                    sum.0 += entries.iter().flat_map(|entry| &entry.fields).map(Vec::len).sum::<usize>();
                    sum.1 += entries.len();
                }
                _ => {}
            }
        }
        Ok(sum)
    })
}

#[test]
fn what_is_small_compressed_and_large_decompressed_comes_in_bounded_parts() {
    let _alone = alone();
    // A string of 264 MB in 3 MB.
    let (packed, announced) = bomb(b"x", 1_000_000);
    assert_eq!(weigh(0, &lzf(&packed, announced), 8 * MIB), Ok((announced as usize, 0)));
    // As much, of which 100 bytes were announced.
    let error = weigh(0, &lzf(&packed, 100), MIB).unwrap_err();
    assert_eq!(error, malformed("compressed data longer than announced", error_offset(&error)));
    // A listpack of 5 million elements in 120 KB: all at once they would take 300 MB.
    let (packed, len) = bomb(b"\x05\x01", 40_000);
    let head = [&[5][..], &((len + 7) as u32).to_le_bytes(), &[0xff, 0xff], &packed, &[0, 0xff]].concat();
    assert_eq!(weigh(20, &lzf(&head, len + 7), 24 * MIB), Ok((0, len as usize / 2)));
    // The same as a node of a list, with as many nodes as fit.
    let nodes = [&[3][..], &[&[2][..], &lzf(&head, len + 7)].concat().repeat(3)].concat();
    assert_eq!(weigh(18, &nodes, 24 * MIB), Ok((0, 3 * (len as usize / 2))));
}

#[test]
fn the_fields_that_a_nodes_entries_share_are_not_repeated_for_all_of_them_at_once() {
    let _alone = alone();
    // 1000 entries with the same field of 500 KB, which come to 500 MB; the node has 506 KB.
    let field = [&b"\xf0"[..], &500_000u32.to_le_bytes(), &[b'f'; 500_000], &[0; 3]].concat();
    let head = [&b"\xf1\xe8\x03\x03\0\x01\x01\x01"[..], &field, b"\0\x01"].concat();
    let entry = b"\x02\x01\0\x01\0\x01\x05\x01\x04\x01";
    let raw = node(5 + 5 * 1000, &[&head[..], &entry.repeat(1000)].concat());
    assert_eq!(weigh(19, &raw, 8 * MIB), Ok((1000 * 500_001, 1000)));
    // An entry of 8 million fields cannot come in parts.
    let (packed, len) = bomb(b"\x05\x01", 115_000);
    let count = [&b"\x01\x01\0\x01\xf3"[..], &14_000_000u32.to_le_bytes(), b"\x05"].concat();
    let total = 6 + count.len() as u64 + len + 1;
    let head =
        [&[count.len() as u8 + 5][..], &(total as u32).to_le_bytes(), &[0xff, 0xff], &count, &packed, &[0, 0xff]]
            .concat();
    let raw = [&b"\x01\x10"[..], &[0; 16], &lzf(&head, total), &[0; 9]].concat();
    let error = weigh(19, &raw, 110 * MIB).unwrap_err();
    assert!(matches!(error, RdbError::LengthTooLarge { limit: 33_554_432, .. }), "{error}");
}

/// Feeds 80 MiB behind `start`, as a source would, and gives the error that ends it.
fn endless(start: &[u8], limit: usize) -> RdbError {
    bounded(limit, || {
        let mut decoder = Decoder::new(Limits::default());
        decoder.feed(start);
        // As strings of 63 bytes each.
        let piece = [0x3f; 64 << 10];
        for _ in 0..1280 {
            loop {
                match decoder.next_event() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => return error,
                }
            }
            decoder.feed(&piece);
        }
        decoder.finish().unwrap_err()
    })
}

#[test]
fn memory_stays_bounded_while_a_dump_that_never_ends_is_fed() {
    let _alone = alone();
    let start = |item: &[u8]| [b"REDIS0012", item].concat();
    // A terabyte of a string, as many elements as a list may have, nodes, entries: all of it comes in parts.
    for item in [
        object(0, &length(1 << 40)),
        object(1, &length(1 << 36)),
        object(2, &length(1 << 36)),
        // An element, a field's value.
        object(1, &[&[1][..], &length(1 << 30)].concat()),
        object(4, &[&b"\x01\x01f"[..], &length(1 << 30)].concat()),
        // A string in a module's value.
        object(7, &[&[1, 5][..], &length(1 << 30)].concat()),
    ] {
        assert!(matches!(endless(&start(&item), 64 * MIB), RdbError::CutOff { .. }));
    }
    // A packed string, a field or a member of a sorted set that is larger than what is held.
    for item in [
        object(4, &[&[1][..], &length(1 << 30)].concat()),
        object(5, &[&[1][..], &length(1 << 30)].concat()),
        object(16, &length(1 << 30)),
        object(18, &[&[1, 2][..], &length(1 << 30)].concat()),
    ] {
        let error = endless(&start(&item), 64 * MIB);
        assert!(matches!(&error, RdbError::CannotSplit { key, .. } if key == "key"), "{error}");
    }
    // The largest key, and the largest function, are still held.
    for item in [[&[0xf5][..], &length(32 << 20)].concat(), [&[0][..], &length(32 << 20)].concat()] {
        endless(&start(&item), 160 * MIB);
    }
}
