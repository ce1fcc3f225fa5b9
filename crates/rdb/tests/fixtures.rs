//! Every dump file decodes, value by value, to what its server answered.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::Value as Json;
use tributary_rdb::{Decoder, Event, Field, Limits, Loads, Logical, Part, Rewritten, Value};

/// A key as it was decoded.
#[derive(Debug, Default)]
struct Decoded {
    logical: Option<Logical>,
    expire_at_ms: Option<u64>,
    parts: Vec<Part>,
    large: bool,
}

#[derive(Debug, Default)]
struct Dump {
    keys: BTreeMap<(u32, Vec<u8>), Decoded>,
    functions: Vec<String>,
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rdb"))
        .collect();
    files.sort();
    assert!(files.len() >= 15, "the dump files are there");
    files
}

fn decode(bytes: &[u8], limits: Limits, step: usize) -> Dump {
    let mut decoder = Decoder::new(limits);
    let mut dump = Dump::default();
    let mut current = None;
    let mut ended = false;
    for piece in bytes.chunks(step) {
        decoder.feed(piece);
        while let Some(event) = decoder.next_event().unwrap() {
            match event {
                Event::Value(value) => {
                    let parts = value.content().unwrap();
                    let decoded = Decoded {
                        logical: value.kind.logical(),
                        expire_at_ms: value.expire_at_ms,
                        parts,
                        large: false,
                    };
                    assert!(dump.keys.insert((value.db, value.key.to_vec()), decoded).is_none());
                }
                Event::LargeStart(large) => {
                    let decoded = Decoded {
                        logical: large.kind.logical(),
                        expire_at_ms: large.expire_at_ms,
                        parts: vec![],
                        large: true,
                    };
                    current = Some(((large.db, large.key.to_vec()), decoded));
                }
                Event::LargePart(part) => current.as_mut().unwrap().1.parts.push(part),
                Event::LargeEnd => {
                    let (key, mut decoded) = current.take().unwrap();
                    decoded.parts = joined(decoded.parts);
                    assert!(dump.keys.insert(key, decoded).is_none());
                }
                Event::Function(code) => dump.functions.push(library_name(&code)),
                Event::End => {
                    ended = true;
                    break;
                }
                _ => {}
            }
        }
    }
    assert!(ended, "the dump's end was reached");
    assert_eq!(decoder.offset(), bytes.len() as u64);
    dump.functions.sort();
    dump
}

/// The parts, with those of long elements put together.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let (mut out, mut long): (Vec<Part>, Option<Part>) = (vec![], None);
    for part in parts {
        match (&mut long, part) {
            (None, Part::LongElement { len }) => {
                long = Some(Part::Elements(vec![Vec::with_capacity(len as usize)]));
            }
            (None, Part::LongField { name, len }) => {
                let value = Vec::with_capacity(len as usize);
                long = Some(Part::Fields(vec![Field { name, value, expire_at_ms: None }]));
            }
            (Some(Part::Elements(element)), Part::Bytes(more)) => element[0].extend(more),
            (Some(Part::Fields(field)), Part::Bytes(more)) => field[0].value.extend(more),
            (Some(_), Part::LongEnd { expire_at_ms }) => {
                let mut whole = long.take().unwrap();
                if let Part::Fields(field) = &mut whole {
                    field[0].expire_at_ms = expire_at_ms;
                }
                out.push(whole);
            }
            (None, part) => out.push(part),
            (Some(long), part) => panic!("{part:?} within {long:?}"),
        }
    }
    assert!(long.is_none());
    out
}

fn library_name(code: &[u8]) -> String {
    let text = String::from_utf8_lossy(code);
    let name = text.split("name=").nth(1).unwrap();
    name.split_whitespace().next().unwrap().to_owned()
}

fn bytes_of(json: &Json) -> Vec<u8> {
    match json {
        Json::String(text) => text.clone().into_bytes(),
        Json::Object(map) => base64::engine::general_purpose::STANDARD.decode(map["b64"].as_str().unwrap()).unwrap(),
        other => panic!("not a text: {other}"),
    }
}

fn elements(parts: &[Part]) -> Vec<Vec<u8>> {
    let of = |part: &Part| match part {
        Part::Elements(elements) => elements.clone(),
        other => panic!("not elements: {other:?}"),
    };
    parts.iter().flat_map(of).collect()
}

/// Compares one value with what the server answered.
fn check_value(key: &str, kind: &str, parts: &[Part], want: &Json) {
    let list = || want.as_array().unwrap().iter().map(bytes_of).collect::<Vec<_>>();
    let sorted = |mut items: Vec<Vec<u8>>| {
        items.sort();
        items
    };
    match kind {
        "string" => {
            let got: Vec<u8> =
                parts.iter().flat_map(|p| if let Part::Bytes(b) = p { b.clone() } else { panic!() }).collect();
            assert!(got == bytes_of(want), "{key}");
        }
        "list" => assert!(elements(parts) == list(), "{key}"),
        "set" => assert!(sorted(elements(parts)) == sorted(list()), "{key}"),
        "zset" => {
            let of = |p: &Part| if let Part::Scored(s) = p { s.clone() } else { panic!() };
            let mut got: Vec<_> = parts.iter().flat_map(of).collect();
            let pair = |j: &Json| (bytes_of(&j[0]), j[1].as_str().unwrap().parse::<f64>().unwrap());
            let mut want: Vec<_> = want.as_array().unwrap().iter().map(pair).collect();
            got.sort_by(|a, b| a.0.cmp(&b.0));
            want.sort_by(|a, b| a.0.cmp(&b.0));
            assert!(got == want, "{key}");
        }
        "hash" => {
            let of = |p: &Part| if let Part::Fields(f) = p { f.clone() } else { panic!() };
            let got = parts.iter().flat_map(of).map(|f| (f.name, f.value)).collect::<Vec<_>>();
            let want: Vec<_> = want.as_array().unwrap().iter().map(|j| (bytes_of(&j[0]), bytes_of(&j[1]))).collect();
            assert!(BTreeMap::from_iter(got.clone()) == BTreeMap::from_iter(want.clone()), "{key}");
            assert_eq!(got.len(), want.len(), "{key}");
        }
        "stream" => check_stream(key, parts, want),
        other => panic!("{key} is a {other}"),
    }
}

fn check_stream(key: &str, parts: &[Part], want: &Json) {
    let of = |p: &Part| if let Part::Entries(e) = p { e.clone() } else { vec![] };
    let entries: Vec<_> = parts.iter().flat_map(of).map(|e| (e.id.to_string(), e.fields)).collect();
    let wanted: Vec<_> = want["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e[0].as_str().unwrap().to_owned(), e[1].as_array().unwrap().iter().map(bytes_of).collect::<Vec<_>>()))
        .collect();
    assert!(entries == wanted, "{key}");
    let info = parts.iter().find_map(|p| if let Part::StreamInfo(info) = p { Some(info) } else { None }).unwrap();
    assert_eq!(info.length, wanted.len() as u64, "{key}");
    let mut groups: Vec<(String, String, u64, usize)> = vec![];
    let mut names = std::collections::BTreeSet::new();
    let mut with_consumers = 0;
    for part in parts {
        match part {
            Part::Group(group) => {
                let name = String::from_utf8(group.name.clone()).unwrap();
                groups.push((name, group.last_id.to_string(), 0, 0));
                names.clear();
            }
            Part::Pending(pending) => groups.last_mut().unwrap().2 += pending.len() as u64,
            Part::Consumer(consumer) => {
                names.insert(consumer.name.clone());
                groups.last_mut().unwrap().3 = names.len();
                with_consumers += consumer.pending.len() as u64;
            }
            _ => {}
        }
    }
    let mut wanted: Vec<_> = want["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| {
            let text = |name: &str| String::from_utf8(bytes_of(&g[name])).unwrap();
            let number = |name: &str| g[name].as_u64().unwrap();
            (text("name"), text("last-delivered-id"), number("pending"), number("consumers") as usize)
        })
        .collect();
    groups.sort();
    wanted.sort();
    assert_eq!(groups, wanted, "{key}");
    assert_eq!(with_consumers, groups.iter().map(|g| g.2).sum::<u64>(), "every pending entry has its consumer: {key}");
}

fn check(path: &Path, limits: Limits, step: usize) -> usize {
    let dump = decode(&std::fs::read(path).unwrap(), limits, step);
    let want: Json = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
    let name = path.file_stem().unwrap().to_string_lossy();
    let mut seen = 0;
    for (db, items) in want["dbs"].as_object().unwrap() {
        for item in items.as_array().unwrap() {
            let key = (db.parse::<u32>().unwrap(), bytes_of(&item["key"]));
            let shown = format!("{name} db{db} {}", key.1.escape_ascii());
            let got = dump.keys.get(&key).unwrap_or_else(|| panic!("{shown} is missing"));
            seen += 1;
            match &item["pttl_at_ms"] {
                Json::Null => assert_eq!(got.expire_at_ms, None, "{shown}"),
                Json::Number(at) => assert_eq!(got.expire_at_ms, at.as_u64(), "{shown}"),
                approx => {
                    let about: u64 = approx.as_str().unwrap().strip_prefix("approx:").unwrap().parse().unwrap();
                    assert!(got.expire_at_ms.unwrap().abs_diff(about) <= 2000, "{shown}");
                }
            }
            if got.logical == Some(Logical::Module) {
                assert_eq!(item["value"], Json::Null, "{shown}: only a module's own type has no content");
                let all_bytes = got.parts.iter().all(|part| matches!(part, Part::Opaque(_)));
                assert!(all_bytes && !got.parts.is_empty(), "{shown}");
                continue;
            }
            let kind = item["type"].as_str().unwrap();
            assert_eq!(got.logical.unwrap().name(), kind, "{shown}");
            check_value(&shown, kind, &got.parts, &item["value"]);
        }
    }
    assert_eq!(dump.keys.len(), seen, "{name} has no other keys");
    let functions: Vec<_> =
        want["functions"].as_array().unwrap().iter().map(|f| f.as_str().unwrap().to_owned()).collect();
    assert_eq!(dump.functions, functions, "{name}");
    dump.keys.values().filter(|key| key.large).count()
}

#[test]
fn every_value_of_every_dump_equals_what_its_server_answered() {
    for path in fixtures() {
        check(&path, Limits::default(), usize::MAX);
    }
}

#[test]
fn the_same_holds_when_the_dump_comes_one_byte_at_a_time() {
    for path in fixtures() {
        check(&path, Limits::default(), 1);
    }
}

#[test]
fn the_same_holds_when_nearly_every_value_comes_in_parts() {
    for path in fixtures() {
        for (collect, step) in [(32, usize::MAX), (256, 7)] {
            let large = check(&path, Limits { collect, part: 64 }, step);
            assert!(large >= 10, "{path:?}: {large} values came in parts");
        }
    }
}

/// Writes every value of a dump once more for a server that writes this RDB version; gives how many had to be.
fn check_rewritten(path: &Path, loads: Loads) -> usize {
    let bytes = std::fs::read(path).unwrap();
    let want: Json = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
    let value_of = |db: u32, key: &[u8]| {
        let items = want["dbs"][db.to_string()].as_array().unwrap();
        items.iter().find(|item| bytes_of(&item["key"]) == key).unwrap()
    };
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(&bytes);
    let mut rewritten = 0;
    loop {
        let value = match decoder.next_event().unwrap().unwrap() {
            Event::End => return rewritten,
            Event::Value(value) if !loads.knows(value.kind) => value,
            _ => continue,
        };
        let shown = format!("{} for {}: {}", path.display(), loads.version, value.key.escape_ascii());
        let expires =
            value.kind.logical() == Some(Logical::Hash)
                && value.content().unwrap().iter().any(
                    |part| matches!(part, Part::Fields(fields) if fields.iter().any(|f| f.expire_at_ms.is_some())),
                );
        let (kind, raw) = match value.rewritten(loads, 16 << 20, false).unwrap() {
            Rewritten::As(kind, raw) => (kind, raw),
            Rewritten::FieldExpiry => {
                assert!(expires && !loads.field_expiry(), "{shown}");
                match value.rewritten(loads, 16 << 20, true).unwrap() {
                    Rewritten::As(kind, raw) => (kind, raw),
                    other => panic!("{shown}: {other:?}"),
                }
            }
            Rewritten::Never => {
                let impossible = match value.kind.logical() {
                    Some(Logical::Stream) => loads.version < 9,
                    logical => logical == Some(Logical::Module),
                };
                assert!(impossible, "{shown}");
                continue;
            }
            Rewritten::TooLarge => panic!("{shown} is not that large"),
        };
        rewritten += 1;
        assert!(loads.knows(kind), "{shown}");
        let again = Value { kind, raw: &raw, key: value.key.clone(), ..value };
        let parts = again.content().unwrap();
        check_value(&shown, kind.logical().unwrap().name(), &parts, &value_of(value.db, &value.key)["value"]);
        if expires && loads.field_expiry() {
            assert_eq!(fields_of(&parts), fields_of(&value.content().unwrap()), "{shown}");
        }
    }
}

/// Fields with their expiries, in order of their names.
fn fields_of(parts: &[Part]) -> BTreeMap<Vec<u8>, Option<u64>> {
    let of = |part: &Part| if let Part::Fields(fields) = part { fields.clone() } else { panic!() };
    parts.iter().flat_map(of).map(|field| (field.name, field.expire_at_ms)).collect()
}

#[test]
fn every_value_is_the_same_in_the_encodings_that_other_servers_know() {
    for path in fixtures() {
        let rewritten: Vec<usize> =
            [8, 9, 10, 11, 12, 80].map(|version| check_rewritten(&path, Loads { version })).into();
        let name = path.file_stem().unwrap().to_string_lossy();
        // Listpacks came with 7.0: what is older needs no other encoding, where there is one at all.
        let is_older = ["2", "3", "4", "5", "6"].iter().any(|major| name.starts_with(&format!("redis-{major}")));
        assert_eq!(rewritten.iter().all(|count| *count == 0), is_older, "{name}: {rewritten:?}");
    }
}

#[test]
fn elements_too_long_to_be_held_come_in_pieces_wherever_they_stand() {
    // A list, a set, and hashes without expiries, with Redis' and with Valkey's: each of a short and two long elements.
    let long = "l".repeat(100);
    let compressed = [&[0xc3, 7, 0x40, 0x66][..], &[0, b'z', 0xe0, 0x5b, 0, 0, b'!']].concat();
    let mut raw = vec![100];
    raw.splice(0..1, [0x40, 100]);
    raw.extend(long.as_bytes());
    let short = b"\x05short".to_vec();
    let string = |count: u8, fields: &[&[u8]]| [&[count][..], &fields.concat()].concat();
    let expiry = 77u64.to_le_bytes();
    let none = (-1i64).to_le_bytes();
    let base = 1000u64.to_le_bytes();
    for (byte, valkey, value) in [
        (1, false, string(3, &[&raw, &short, &compressed])),
        (2, false, string(3, &[&short, &raw, &compressed])),
        (18, false, string(3, &[&[1], &raw, &[1], &short, &[1], &compressed])),
        (4, false, string(3, &[b"\x01a", &raw, b"\x01b", &short, b"\x01c", &compressed])),
        (
            24,
            false,
            [&base[..], &string(3, &[&[0], b"\x01a", &raw, &[5], b"\x01b", &short, &[9], b"\x01c", &compressed])]
                .concat(),
        ),
        (22, true, string(3, &[b"\x01a", &raw, &none, b"\x01b", &short, &none, b"\x01c", &compressed, &expiry])),
    ] {
        let key = std::borrow::Cow::Borrowed(&b"key"[..]);
        let kind = tributary_rdb::ValueKind::new(byte, valkey);
        let value = Value { db: 0, key, expire_at_ms: None, idle_s: None, freq: None, kind, raw: &value };
        let whole = value.content().unwrap();
        let parts: Vec<Part> = value.parts(16).map(Result::unwrap).collect();
        assert!(parts.iter().filter(|part| matches!(part, Part::LongEnd { .. })).count() == 2, "{byte}: {parts:?}");
        let flat = |parts: Vec<Part>| match parts.first().unwrap() {
            Part::Elements(_) => {
                elements(&parts).into_iter().map(|element| (element, vec![], None)).collect::<Vec<_>>()
            }
            _ => {
                let of = |part: &Part| if let Part::Fields(fields) = part { fields.clone() } else { panic!() };
                parts.iter().flat_map(of).map(|f| (f.name, f.value, f.expire_at_ms)).collect()
            }
        };
        assert_eq!(flat(joined(parts)), flat(whole), "{byte}");
    }
}

#[test]
fn a_value_that_would_be_too_large_in_another_encoding_says_so() {
    let path = fixtures().into_iter().find(|path| path.ends_with("redis-8.2.3.rdb")).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(&bytes);
    let mut too_large = 0;
    while let Some(event) = decoder.next_event().unwrap() {
        match event {
            Event::End => break,
            Event::Value(value) => {
                too_large +=
                    usize::from(value.rewritten(Loads { version: 9 }, 100, true).unwrap() == Rewritten::TooLarge);
            }
            _ => {}
        }
    }
    assert!(too_large > 5, "{too_large}");
}

#[test]
fn the_expiries_of_fields_are_decoded_in_all_their_forms() {
    for name in ["redis-7.4.1", "redis-8.2.3", "valkey-9.1.2"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{name}.rdb"));
        let dump = decode(&std::fs::read(path).unwrap(), Limits::default(), usize::MAX);
        let expiring = |key: &str| {
            let parts = &dump.keys[&(0, key.as_bytes().to_vec())].parts;
            let fields = parts.iter().flat_map(|p| if let Part::Fields(f) = p { f.clone() } else { panic!() });
            let mut found: Vec<_> =
                fields.filter_map(|f| Some((String::from_utf8(f.name).unwrap(), f.expire_at_ms? % 1000))).collect();
            found.sort();
            found
        };
        assert_eq!(expiring("hfe"), [("a".to_owned(), 5)], "{name}");
        let large = expiring("hfe:large");
        let fields: Vec<_> = large.iter().map(|f| f.0.as_str()).collect();
        assert_eq!(fields, ["f1", "f2", "f3"], "{name}");
        assert!(large.iter().all(|f| f.1 == 77), "{name}");
    }
}

#[test]
fn a_dump_that_is_cut_off_asks_for_more_and_never_panics() {
    let path = fixtures().into_iter().find(|p| p.ends_with("redis-7.0.15.rdb")).unwrap();
    let bytes = std::fs::read(path).unwrap();
    for end in (0..bytes.len()).step_by(997).chain(0..2000) {
        let mut decoder = Decoder::new(Limits::default());
        decoder.feed(&bytes[..end]);
        while let Some(event) = decoder.next_event().unwrap() {
            assert!(!matches!(event, Event::End));
        }
    }
}

#[test]
fn a_flipped_bit_is_noticed_and_never_panics() {
    for path in fixtures().into_iter().filter(|p| !p.to_string_lossy().contains("nochecksum")) {
        let bytes = std::fs::read(&path).unwrap();
        for at in (9..bytes.len() - 9).step_by(bytes.len() / 40) {
            for limits in [Limits::default(), Limits { collect: 64, part: 64 }] {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << (at % 8);
                let mut decoder = Decoder::new(limits);
                decoder.feed(&damaged);
                loop {
                    match decoder.next_event() {
                        Ok(Some(Event::End)) => panic!("{path:?}: byte {at} was changed and nobody noticed"),
                        Ok(Some(Event::Value(value))) => drop(value.content()),
                        Ok(Some(_)) => {}
                        Ok(None) | Err(_) => break,
                    }
                }
            }
        }
    }
}
