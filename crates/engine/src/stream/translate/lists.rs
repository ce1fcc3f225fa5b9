//! Lists.

use super::{Reach, Told, instead, is, number, script, words};

const MOVE: &str = include_str!("scripts/lmove.lua");

/// `LMOVE source destination LEFT|RIGHT LEFT|RIGHT` (6.2).
pub(super) fn r#move<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    match args {
        [_, from, to, side, end] if is(side, b"RIGHT") && is(end, b"LEFT") => instead(&[b"RPOPLPUSH", from, to]),
        [_, from, to, side, end] => {
            let capital = |side: &[u8]| if is(side, b"LEFT") { &b"LEFT"[..] } else { b"RIGHT" };
            Told::Instead(vec![script(MOVE, &[from, to], &[capital(side), capital(end)])])
        }
        _ => Told::AsItIs,
    }
}

/// `LPOP key count` and `RPOP key count` (6.2): the rest stays.
pub(super) fn pop<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [name, key, count] = args else { return Told::AsItIs };
    let Some(count) = tributary_resp::parse_int(count).filter(|count| *count > 0) else { return Told::AsItIs };
    let mut trim = words(&[b"LTRIM", key]);
    if is(name, b"LPOP") {
        trim.extend([number(count), number(-1)]);
    } else {
        trim.extend([number(0), number(-count - 1)]);
    }
    Told::Instead(vec![trim])
}
