//! Sorted sets.

use tributary_resp::parse_int;

use super::{Obstacle, Reach, Told, Words, is, number, script, words};

const ADD: &str = include_str!("scripts/zadd.lua");
const RANGE: &str = include_str!("scripts/zrangestore.lua");
const DIFFERENCE: &str = include_str!("scripts/zdiffstore.lua");

/// `ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member …`, GT and LT from 6.2 on.
pub(super) fn add<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [_, key, rest @ ..] = args else { return Told::AsItIs };
    let words: [&[u8]; 6] = [b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"];
    let is_score = |arg: &&[u8]| !words.iter().any(|word| is(arg, word));
    let (options, pairs) = rest.split_at(rest.iter().position(is_score).unwrap_or(rest.len()));
    let has = |word: &[u8]| options.iter().any(|option| is(option, word));
    let order: &[u8] = match (has(b"GT"), has(b"LT")) {
        (true, _) => b"GT",
        (_, true) => b"LT",
        _ => return Told::AsItIs,
    };
    let flag = |word: &[u8]| -> &'static [u8] { if has(word) { b"1" } else { b"0" } };
    let mut arguments = vec![order, flag(b"XX"), flag(b"INCR")];
    arguments.extend(pairs);
    Told::Instead(vec![script(ADD, &[key], &arguments)])
}

/// `ZPOPMIN key [count]` and `ZPOPMAX key [count]` (5.0): by rank.
pub(super) fn pop<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let (name, key, count) = match args {
        [name, key] => (name, key, Some(1)),
        [name, key, count] => (name, key, parse_int(count)),
        _ => return Told::AsItIs,
    };
    let Some(count) = count.filter(|count| *count > 0) else { return Told::AsItIs };
    let (from, to) = if is(name, b"ZPOPMIN") { (0, count - 1) } else { (-count, -1) };
    let mut command = words(&[b"ZREMRANGEBYRANK", key]);
    command.extend([number(from), number(to)]);
    Told::Instead(vec![command])
}

/// `ZRANGESTORE destination source min max [BYSCORE|BYLEX] [REV] [LIMIT offset count]` (6.2): by the command that reads the
/// same.
pub(super) fn store_range<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [_, to, from, min, max, options @ ..] = args else { return Told::AsItIs };
    let has = |word: &[u8]| options.iter().any(|option| is(option, word));
    let (score, lex, reverse) = (has(b"BYSCORE"), has(b"BYLEX"), has(b"REV"));
    let name: &[u8] = match (score, lex, reverse) {
        (true, _, false) => b"ZRANGEBYSCORE",
        (true, _, true) => b"ZREVRANGEBYSCORE",
        (_, true, false) => b"ZRANGEBYLEX",
        (_, true, true) => b"ZREVRANGEBYLEX",
        (_, _, false) => b"ZRANGE",
        (_, _, true) => b"ZREVRANGE",
    };
    let mut arguments: Vec<&'a [u8]> = vec![if lex { b"1" } else { b"0" }, name, min, max];
    if !lex {
        arguments.push(b"WITHSCORES");
    }
    if let Some(at) = options.iter().position(|option| is(option, b"LIMIT")) {
        arguments.extend(options.iter().skip(at).take(3));
    }
    Told::Instead(vec![script(RANGE, &[to, from], &arguments)])
}

/// `ZDIFFSTORE destination numkeys key …` (6.2).
pub(super) fn store_difference<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [_, to, _, sources @ ..] = args else { return Told::AsItIs };
    let mut keys = vec![*to];
    keys.extend(sources);
    Told::Instead(vec![script(DIFFERENCE, &keys, &[])])
}

/// `GEOSEARCHSTORE destination source FROMMEMBER|FROMLONLAT … BYRADIUS|BYBOX|BYPOLYGON … [ASC|DESC] [COUNT n [ANY]]
/// [STOREDIST]` (6.2; BYPOLYGON Valkey 9.0): GEORADIUS knows circles only, and always the nearest ones.
pub(super) fn store_search<'a>(reach: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let has = |word: &[u8]| args.iter().skip(3).any(|option| is(option, word));
    if reach.has(b"GEOSEARCHSTORE") {
        // A member may be called so.
        return if has(b"BYPOLYGON") && !has(b"BYRADIUS") && !has(b"BYBOX") {
            Told::Never(Obstacle::Form)
        } else {
            Told::AsItIs
        };
    }
    circle(args).map_or(Told::Never(Obstacle::Unknown), |command| Told::Instead(vec![command]))
}

fn circle<'a>(args: &[&'a [u8]]) -> Option<Words<'a>> {
    let [_, to, from, rest @ ..] = args else { return None };
    let (mut rest, mut center, mut radius, mut options) = (rest, None, None, Vec::new());
    let mut store: &[u8] = b"STORE";
    loop {
        rest = match rest {
            [] => break,
            [word, member, rest @ ..] if is(word, b"FROMMEMBER") => {
                center = Some((&b"GEORADIUSBYMEMBER"[..], vec![*member]));
                rest
            }
            [word, longitude, latitude, rest @ ..] if is(word, b"FROMLONLAT") => {
                center = Some((&b"GEORADIUS"[..], vec![*longitude, *latitude]));
                rest
            }
            [word, length, unit, rest @ ..] if is(word, b"BYRADIUS") => {
                radius = Some([*length, *unit]);
                rest
            }
            [word, count, rest @ ..] if is(word, b"COUNT") => {
                options.extend([*word, *count]);
                rest
            }
            [word, rest @ ..] if is(word, b"ASC") || is(word, b"DESC") => {
                options.push(*word);
                rest
            }
            [word, rest @ ..] if is(word, b"STOREDIST") => {
                store = b"STOREDIST";
                rest
            }
            _ => return None,
        };
    }
    let (name, center) = center?;
    let mut command = words(&[name, from]);
    command.extend(words(&center));
    command.extend(words(&radius?));
    command.extend(words(&options));
    command.extend(words(&[store, to]));
    Some(command)
}
