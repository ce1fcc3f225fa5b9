//! Streams and their groups.

use super::{Reach, Told, Words, instead, is, script, words};

const BELOW: &str = include_str!("scripts/xdel_below.lua");
const CLAIM: &str = include_str!("scripts/xclaim.lua");
const REFERENCES: &str = include_str!("scripts/references.lua");

/// `XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [MAXLEN|MINID [=|~] threshold [LIMIT count]] id field value …`:
/// NOMKSTREAM, MINID and LIMIT from 6.2 on, KEEPREF and the like from Redis 8.2 on.
///
/// A source streams the exact threshold that it came to and leaves LIMIT behind it, which servers take from their master
/// only (t_stream.c, `streamParseAddOrTrimArgsOrReply`).
pub(super) fn add<'a>(to: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [name, key, rest @ ..] = args else { return Told::AsItIs };
    let Some((options, entry)) = Options::of(rest) else { return Told::AsItIs };
    options.tell(to, &[name, key], entry)
}

/// `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED]`: MINID and LIMIT from 6.2 on, KEEPREF and the
/// like from Redis 8.2 on.
pub(super) fn trim<'a>(to: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [name, key, rest @ ..] = args else { return Told::AsItIs };
    match Options::of(rest) {
        Some((options, [])) => options.tell(to, &[name, key], &[]),
        _ => Told::AsItIs,
    }
}

/// `XGROUP CREATE|SETID key group id [MKSTREAM] [ENTRIESREAD n]` (7.0), `XGROUP CREATECONSUMER key group consumer` (6.2).
pub(super) fn group<'a>(to: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    match args {
        // Whoever reads what is pending for it, which is nothing, is known from then on.
        [_, what, key, group, consumer] if is(what, b"CREATECONSUMER") && to.before(6, 2) => {
            instead(&[b"XREADGROUP", b"GROUP", group, consumer, b"COUNT", b"1", b"STREAMS", key, b"0"])
        }
        [name, what, key, group, id, options @ ..] if is(what, b"CREATE") || is(what, b"SETID") => {
            let mut command = words(&[name, what, key, group, id]);
            let mut options = options.iter();
            while let Some(option) = options.next() {
                if is(option, b"ENTRIESREAD") {
                    options.next();
                } else {
                    command.push((*option).into());
                }
            }
            if command.len() == args.len() { Told::AsItIs } else { Told::Instead(vec![command]) }
        }
        _ => Told::AsItIs,
    }
}

/// `XCLAIM key group consumer min-idle id …`. From 7.0 on an entry that is claimed, and is no longer in the stream, is no
/// longer pending; and with this command of one ID the source says that to its replicas (t_stream.c, `xclaimCommand`).
pub(super) fn claim<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    match args {
        [_, key, rest @ ..] if rest.len() >= 4 => Told::Instead(vec![script(CLAIM, &[key], rest)]),
        _ => Told::AsItIs,
    }
}

/// `XSETID key id [ENTRIESADDED n] [MAXDELETEDID id]` (7.0).
pub(super) fn set_id<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    match args {
        [name, key, id, _, ..] => instead(&[name, key, id]),
        _ => Told::AsItIs,
    }
}

/// `XDELEX key [KEEPREF|DELREF|ACKED] IDS numids id …` (Redis 8.2).
pub(super) fn delete<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [_, key, rest @ ..] = args else { return Told::AsItIs };
    let Some((references, ids)) = ids(rest) else { return Told::AsItIs };
    if references == References::Keep {
        let mut command = words(&[b"XDEL", key]);
        command.extend(words(ids));
        return Told::Instead(vec![command]);
    }
    let mut arguments: Vec<&'a [u8]> = vec![b"DELETE", references.word()];
    arguments.extend(ids);
    Told::Instead(vec![script(REFERENCES, &[key], &arguments)])
}

/// `XACKDEL key group [KEEPREF|DELREF|ACKED] IDS numids id …` (Redis 8.2).
pub(super) fn acknowledge<'a>(_: &Reach, args: &[&'a [u8]]) -> Told<'a> {
    let [_, key, group, rest @ ..] = args else { return Told::AsItIs };
    let Some((references, ids)) = ids(rest) else { return Told::AsItIs };
    let mut arguments: Vec<&'a [u8]> = vec![b"ACKNOWLEDGE", references.word(), group];
    arguments.extend(ids);
    Told::Instead(vec![script(REFERENCES, &[key], &arguments)])
}

/// What becomes of references to an entry that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum References {
    Keep,
    Delete,
    /// An entry that somebody still has to acknowledge stays.
    Acknowledged,
}

impl References {
    fn of(word: &[u8]) -> Option<Self> {
        [(&b"KEEPREF"[..], Self::Keep), (b"DELREF", Self::Delete), (b"ACKED", Self::Acknowledged)]
            .into_iter()
            .find_map(|(name, references)| is(word, name).then_some(references))
    }

    fn word(self) -> &'static [u8] {
        match self {
            Self::Keep => b"KEEPREF",
            Self::Delete => b"DELREF",
            Self::Acknowledged => b"ACKED",
        }
    }
}

fn ids<'a, 'b>(rest: &'b [&'a [u8]]) -> Option<(References, &'b [&'a [u8]])> {
    match rest {
        [word, _, ids @ ..] if is(word, b"IDS") => Some((References::Keep, ids)),
        [references, word, _, ids @ ..] if is(word, b"IDS") => Some((References::of(references)?, ids)),
        _ => None,
    }
}

/// How a stream is trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trim<'a> {
    by_length: bool,
    threshold: &'a [u8],
    approximate: bool,
}

/// The options of XADD and XTRIM.
#[derive(Debug)]
struct Options<'a> {
    existing_only: bool,
    references: Option<References>,
    trim: Option<Trim<'a>>,
    limit: bool,
}

impl<'a> Options<'a> {
    /// Reads options, and gives what follows them.
    fn of<'b>(rest: &'b [&'a [u8]]) -> Option<(Self, &'b [&'a [u8]])> {
        let mut found = Self { existing_only: false, references: None, trim: None, limit: false };
        let mut rest = rest;
        loop {
            rest = match rest {
                [word, rest @ ..] if is(word, b"NOMKSTREAM") => {
                    found.existing_only = true;
                    rest
                }
                [word, rest @ ..] if References::of(word).is_some() => {
                    found.references = References::of(word);
                    rest
                }
                [word, _, rest @ ..] if is(word, b"LIMIT") => {
                    found.limit = true;
                    rest
                }
                [word, rest @ ..] if is(word, b"MAXLEN") || is(word, b"MINID") => {
                    let (approximate, rest) = match rest {
                        [sign, rest @ ..] if matches!(*sign, b"=" | b"~") => (*sign == b"~", rest),
                        _ => (false, rest),
                    };
                    let (threshold, rest) = rest.split_first()?;
                    found.trim = Some(Trim { by_length: is(word, b"MAXLEN"), threshold, approximate });
                    rest
                }
                _ => return Some((found, rest)),
            };
        }
    }

    fn tell(&self, to: &Reach, command: &[&'a [u8]; 2], entry: &[&'a [u8]]) -> Told<'a> {
        let adds = !entry.is_empty();
        let exact = self.trim.filter(|trim| !trim.approximate);
        let drops_limit = self.limit && exact.is_some();
        let drops_references = self.references.is_some() && !to.redis(8, 2);
        let drops_existing = self.existing_only && to.before(6, 2);
        let below = exact.filter(|trim| !trim.by_length && to.before(6, 2));
        if !drops_limit && !drops_references && !drops_existing && below.is_none() {
            return Told::AsItIs;
        }
        let [name, key] = *command;
        let strategy = self.references.filter(|references| drops_references && *references != References::Keep);
        let mut main = words(&[name, key]);
        if self.existing_only && !drops_existing {
            main.push(b"NOMKSTREAM"[..].into());
        }
        if let Some(trim) = self.trim.filter(|_| strategy.is_none() && below.is_none()) {
            main.extend(words(&self.trim_words(trim, drops_references)));
        }
        main.extend(words(entry));
        let mut commands = Vec::new();
        if adds || (strategy.is_none() && below.is_none()) {
            commands.push(main);
        }
        match (strategy, exact, below) {
            (Some(references), Some(trim), _) => commands.push(trim_by_references(key, references, trim)),
            (None, _, Some(trim)) => commands.extend(delete_below(key, trim.threshold)),
            _ => {}
        }
        Told::Instead(commands)
    }

    fn trim_words(&self, trim: Trim<'a>, without_references: bool) -> Vec<&'a [u8]> {
        let name: &[u8] = if trim.by_length { b"MAXLEN" } else { b"MINID" };
        let sign: &[u8] = if trim.approximate { b"~" } else { b"=" };
        let mut trimmed: Vec<&'a [u8]> = vec![name, sign, trim.threshold];
        if let (Some(references), false) = (self.references, without_references) {
            trimmed.push(references.word());
        }
        trimmed
    }
}

fn trim_by_references<'a>(key: &'a [u8], references: References, trim: Trim<'a>) -> Words<'a> {
    let by: &[u8] = if trim.by_length { b"MAXLEN" } else { b"MINID" };
    script(REFERENCES, &[key], &[b"TRIM", references.word(), by, trim.threshold])
}

/// XTRIM MINID, for servers that trim by length only.
fn delete_below<'a>(key: &'a [u8], threshold: &[u8]) -> Option<Words<'a>> {
    let mut command = script(BELOW, &[key], &[]);
    command.push(id_before(threshold)?.into_bytes().into());
    Some(command)
}

/// The ID before this one; none before the first.
fn id_before(id: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(id).ok()?;
    let (ms, sequence) = text.split_once('-').unwrap_or((text, "0"));
    let (ms, sequence): (u64, u64) = (ms.parse().ok()?, sequence.parse().ok()?);
    match sequence.checked_sub(1) {
        Some(sequence) => Some(format!("{ms}-{sequence}")),
        None => Some(format!("{}-{}", ms.checked_sub(1)?, u64::MAX)),
    }
}
