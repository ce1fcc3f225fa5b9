//! Strings, keys of any type, and whole databases.

use tributary_rdb::dump;

use super::{Loss, Obstacle, Reach, Told, Words, instead, is, script, words};
use crate::stream::command::CopyTo;

const KEEP_TTL: &str = include_str!("scripts/keepttl.lua");
const COPY: &str = include_str!("scripts/copy.lua");
const COPY_WHAT_IS_THERE: &str = include_str!("scripts/copy_what_is_there.lua");
const BITOP: &str = include_str!("scripts/bitop.lua");
const RENAME: &str = include_str!("scripts/rename.lua");

/// The first RDB version with function libraries, which have not changed since.
const FUNCTIONS: u16 = 10;

/// SET's options: GET (6.2, beside NX from 7.0 on), KEEPTTL (6.0), IFEQ (Valkey 8.1, Redis 8.4), IFNE, IFDEQ and IFDNE (Redis
/// 8.4). EXAT and PXAT are the matter of `rewrite.rs`.
pub(super) fn set<'a>(to: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [name, key, value, options @ ..] = args else { return Told::AsItIs };
    if !options.iter().any(|option| set_option(to, option) != SetOption::Known) {
        return Told::AsItIs;
    }
    let (mut kept, mut keep_ttl, mut dropped) = (words(&[name, key, value]), false, false);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        // The text that is compared with may itself read like an option.
        let operand = if is_comparison(option) { options.next() } else { None };
        match set_option(to, option) {
            SetOption::Known => kept.extend(std::iter::once(option).chain(operand).map(|word| (*word).into())),
            SetOption::Met => dropped = true,
            SetOption::KeepTtl => keep_ttl = true,
        }
    }
    match (keep_ttl, dropped) {
        (true, _) => Told::Instead(vec![script(KEEP_TTL, &[key], &[value])]),
        (false, true) => Told::Instead(vec![kept]),
        (false, false) => Told::AsItIs,
    }
}

/// What becomes of an option of SET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetOption {
    Known,
    /// It has had its effect.
    Met,
    KeepTtl,
}

fn set_option(to: &Reach, option: &[u8]) -> SetOption {
    let word = |word: &[u8]| is(option, word);
    match option.len() {
        2 if (word(b"NX") || word(b"XX")) && to.before(7, 0) => SetOption::Met,
        3 if word(b"GET") && to.before(7, 0) => SetOption::Met,
        4 if word(b"IFEQ") && !(to.valkey(8, 1) || to.redis(8, 4)) => SetOption::Met,
        4..=6 if is_comparison(option) && !word(b"IFEQ") && !to.redis(8, 4) => SetOption::Met,
        7 if word(b"KEEPTTL") && to.before(6, 0) => SetOption::KeepTtl,
        _ => SetOption::Known,
    }
}

fn is_comparison(option: &[u8]) -> bool {
    [&b"IFEQ"[..], b"IFNE", b"IFDEQ", b"IFDNE"].iter().any(|word| is(option, word))
}

/// `GETDEL key` (6.2), `DELIFEQ key value` (Valkey 9.0), `DELEX key …` (Redis 8.4).
pub(super) fn delete<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    args.get(1).map_or(Told::AsItIs, |key| instead(&[b"DEL", key]))
}

/// `GETEX key PERSIST` (6.2); with a time it is the matter of `rewrite.rs`.
pub(super) fn get_and_expire<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    match args {
        [_, key, option] if is(option, b"PERSIST") => instead(&[b"PERSIST", key]),
        [_, _] => Told::Instead(Vec::new()),
        _ => Told::AsItIs,
    }
}

/// `MSETEX numkeys key value … [NX|XX] [EX|PX|EXAT|PXAT time|KEEPTTL]` (Valkey 9.1, Redis 8.4). SET then has its time made one
/// that fits the destination.
pub(super) fn set_many<'a>(to: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [_, count, rest @ ..] = args else { return Told::AsItIs };
    let count = tributary_resp::parse_int(count).and_then(|count| usize::try_from(count).ok());
    let Some((pairs, options)) = count.and_then(|count| rest.split_at_checked(count.checked_mul(2)?)) else {
        return Told::AsItIs;
    };
    let options: Vec<&[u8]> =
        options.iter().copied().filter(|option| !is(option, b"NX") && !is(option, b"XX")).collect();
    if options.is_empty() {
        let mut command = words(&[b"MSET"]);
        command.extend(words(pairs));
        return Told::Instead(vec![command]);
    }
    let set = |pair: &[&'a [u8]]| -> Vec<Words<'a>> {
        let mut command: Vec<&'a [u8]> = vec![b"SET"];
        command.extend(pair);
        command.extend(&options);
        match self::set(to, &command) {
            Told::Instead(commands) => commands,
            _ => vec![words(&command)],
        }
    };
    Told::Instead(pairs.chunks(2).flat_map(set).collect())
}

/// NX, XX, GT and LT of EXPIRE and the like (7.0).
pub(super) fn expire<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    match args {
        [name, key, time, _, ..] => instead(&[name, key, time]),
        _ => Told::AsItIs,
    }
}

/// `COPY source destination [DB number] [REPLACE]` (6.2).
pub(super) fn copy<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    copy_by(COPY, args)
}

/// The same, where keys may have been left out.
pub(super) fn copy_what_is_there<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    copy_by(COPY_WHAT_IS_THERE, args)
}

fn copy_by<'a>(text: &'static str, args: &[&'a [u8]]) -> Told<'a> {
    match args {
        [_, from, to, ..] => Told::Instead(vec![script(text, &[from, to], CopyTo::of(args).db.as_slice())]),
        _ => Told::AsItIs,
    }
}

/// `BITOP DIFF|DIFF1|ANDOR|ONE destination key …` (Redis 8.2).
pub(super) fn bitop<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [_, operation, keys @ ..] = args else { return Told::AsItIs };
    let later: [&[u8]; 4] = [b"DIFF", b"DIFF1", b"ANDOR", b"ONE"];
    match later.iter().find(|later| is(operation, later)) {
        Some(operation) if keys.len() >= 2 => Told::Instead(vec![script(BITOP, keys, &[operation])]),
        _ => Told::AsItIs,
    }
}

/// FLUSHALL, FLUSHDB and SCRIPT FLUSH in place (SYNC, 6.2): there is no other way before.
pub(super) fn without_sync<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let sync_or_async = |option: &[u8]| is(option, b"SYNC") || is(option, b"ASYNC");
    match args {
        [name, what, option] if is(name, b"SCRIPT") && sync_or_async(option) => instead(&[name, what]),
        [name, option] if is(option, b"SYNC") => instead(&[name]),
        _ => Told::AsItIs,
    }
}

/// SPUBLISH (7.0): nobody can listen there.
pub(super) fn nothing<'a>(_: &Reach, _: &[&'a [u8]]) -> Told<'a> {
    Told::Instead(Vec::new())
}

/// RENAME and RENAMENX, where keys may have been left out.
pub(super) fn rename<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    match args {
        [_, from, to] => Told::Instead(vec![script(RENAME, &[from, to], &[])]),
        _ => Told::AsItIs,
    }
}

/// FUNCTION (7.0). What there is not needs no deletion. What FUNCTION DUMP gave bears the version of the server that gave it.
pub(super) fn function<'a>(to: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    if to.functions && to.has(b"FUNCTION") {
        return match args {
            [name, what, payload, options @ ..] if is(what, b"RESTORE") => {
                let Some(payload) = dump::with_version(payload, FUNCTIONS) else { return Told::AsItIs };
                let mut command = words(&[name, what]);
                command.push(payload.into());
                command.extend(words(options));
                Told::Instead(vec![command])
            }
            _ => Told::AsItIs,
        };
    }
    match args.get(1) {
        Some(what) if is(what, b"DELETE") || is(what, b"FLUSH") => Told::Instead(Vec::new()),
        _ if to.unsupported.skip_functions => Told::Less(Loss::Library, Vec::new()),
        _ => Told::Never(Obstacle::Functions),
    }
}
