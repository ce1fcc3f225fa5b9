//! Hashes, and the expiry of their fields (Redis 7.4, Valkey 9.0).

use tributary_resp::parse_int;

use super::{Loss, Obstacle, Reach, Told, Words, instead, is, script, words};

const KEEP_TTL: &str = include_str!("scripts/hsetex_keepttl.lua");

/// `HSETEX key [NX|XX] [FNX|FXX] [EX|PX|EXAT|PXAT time|KEEPTTL] FIELDS numfields field value …` (Redis 8.0, Valkey 9.0; NX and
/// XX only there). HINCRBYFLOAT is streamed as it too.
pub(super) fn set<'a>(to: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let Some(parsed) = Fields::of(args) else { return Told::AsItIs };
    let Fields { key, time, keep_ttl, condition, pairs } = parsed;
    if to.has(b"HSETEX") {
        if !condition {
            return Told::AsItIs;
        }
        let mut command = words(&[b"HSETEX", key]);
        command.extend(words(&time_words(time)));
        if keep_ttl {
            command.push(b"KEEPTTL"[..].into());
        }
        command.push(b"FIELDS"[..].into());
        command.push(super::number(pairs.len() / 2));
        command.extend(words(pairs));
        return Told::Instead(vec![command]);
    }
    let mut plain = words(&[b"HSET", key]);
    plain.extend(words(pairs));
    match time {
        None if keep_ttl && to.field_expiry => Told::Instead(vec![script(KEEP_TTL, &[key], pairs)]),
        None => Told::Instead(vec![plain]),
        Some(time) if to.field_expiry => {
            let names: Vec<&[u8]> = pairs.iter().step_by(2).copied().collect();
            Told::Instead(vec![plain, expire_at(key, time, &names)])
        }
        Some(_) => without_expiry(to, vec![plain]),
    }
}

/// `HGETDEL key FIELDS numfields field …` (Redis 8.0, Valkey 9.1).
pub(super) fn delete<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [_, key, _, _, fields @ ..] = args else { return Told::AsItIs };
    let mut command = words(&[b"HDEL", key]);
    command.extend(words(fields));
    Told::Instead(vec![command])
}

/// `HGETEX key [EX|PX|EXAT|PXAT time|PERSIST] FIELDS numfields field …` (Redis 8.0, Valkey 9.0).
pub(super) fn get_and_expire<'a>(to: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    match args {
        [_, key, option, rest @ ..] if is(option, b"PERSIST") => {
            let mut command: Vec<&'a [u8]> = vec![b"HPERSIST", key];
            command.extend(rest);
            if to.has(b"HPERSIST") { instead(&command) } else { persist(to, &command) }
        }
        [_, key, option, time, _, _, fields @ ..] if expiring(option).is_some() => {
            if to.field_expiry {
                let unit = expiring(option).unwrap_or(b"HPEXPIREAT");
                Told::Instead(vec![expire_at(key, (unit, time), fields)])
            } else {
                without_expiry(to, Vec::new())
            }
        }
        _ => Told::Instead(Vec::new()),
    }
}

/// HEXPIRE, HPEXPIRE, HEXPIREAT and HPEXPIREAT (Redis 7.4, Valkey 9.0), where there is no such thing.
pub(super) fn expire<'a>(to: &Reach, _: &[&'a [u8]]) -> Told<'a> {
    without_expiry(to, Vec::new())
}

/// HPERSIST where no field has an expiry.
pub(super) fn persist<'a>(_: &Reach, _: &[&'a [u8]]) -> Told<'a> {
    Told::Instead(Vec::new())
}

fn without_expiry<'a>(to: &Reach, commands: Vec<Words<'a>>) -> Told<'a> {
    if to.unsupported.drop_field_expiry {
        Told::Less(Loss::FieldExpiry, commands)
    } else {
        Told::Never(Obstacle::FieldExpiry)
    }
}

/// The command that sets the expiry of fields and says it as this option does.
fn expiring(option: &[u8]) -> Option<&'static [u8]> {
    [(&b"EX"[..], &b"HEXPIRE"[..]), (b"PX", b"HPEXPIRE"), (b"EXAT", b"HEXPIREAT"), (b"PXAT", b"HPEXPIREAT")]
        .into_iter()
        .find_map(|(word, command)| is(option, word).then_some(command))
}

/// The option that says what this command says.
fn time_words<'a>(time: Option<(&'static [u8], &'a [u8])>) -> Vec<&'a [u8]> {
    let Some((command, time)) = time else { return Vec::new() };
    let option: &[u8] = match command {
        b"HEXPIRE" => b"EX",
        b"HPEXPIRE" => b"PX",
        b"HEXPIREAT" => b"EXAT",
        _ => b"PXAT",
    };
    vec![option, time]
}

fn expire_at<'a>(key: &'a [u8], (command, time): (&'static [u8], &'a [u8]), names: &[&'a [u8]]) -> Words<'a> {
    let mut expire = words(&[command, key, time, b"FIELDS"]);
    expire.push(super::number(names.len()));
    expire.extend(words(names));
    expire
}

/// The parts of HSETEX.
struct Fields<'a, 'b> {
    key: &'a [u8],
    /// The command that sets such an expiry, and the time.
    time: Option<(&'static [u8], &'a [u8])>,
    keep_ttl: bool,
    condition: bool,
    pairs: &'b [&'a [u8]],
}

impl<'a, 'b> Fields<'a, 'b> {
    fn of(args: &'b [&'a [u8]]) -> Option<Self> {
        let [_, key, rest @ ..] = args else { return None };
        let mut found = Self { key, time: None, keep_ttl: false, condition: false, pairs: &[] };
        let mut rest = rest;
        loop {
            rest = match rest {
                [word, count, pairs @ ..] if is(word, b"FIELDS") => {
                    let count = usize::try_from(parse_int(count)?).ok()?;
                    found.pairs = pairs.get(..count.checked_mul(2)?)?;
                    return Some(found);
                }
                [word, rest @ ..] if is(word, b"KEEPTTL") => {
                    found.keep_ttl = true;
                    rest
                }
                [word, rest @ ..] if [&b"NX"[..], b"XX", b"FNX", b"FXX"].iter().any(|known| is(word, known)) => {
                    found.condition = true;
                    rest
                }
                [word, time, rest @ ..] => {
                    found.time = Some((expiring(word)?, time));
                    rest
                }
                _ => return None,
            };
        }
    }
}
