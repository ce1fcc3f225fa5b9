//! Commands that are too large to be collected: what is written before and behind their forwarded bytes.

use tributary_resp::{parse_int, write};

use super::command::Kind;
use super::rewrite::{Clock, absolute, pexpireat, take_expiry};

/// A command with more buffered bytes than this and no end in sight is forwarded as it arrives.
pub(super) const HUGE: usize = 1 << 20;

/// A time of RESTORE that is larger is absolute: it is the year 2001 in Unix ms, and 31 years if it were relative.
const LONGEST_RELATIVE_MS: i64 = 1_000_000_000_000;

/// The least time that a key gets for the moment until its right one is set.
const INTERIM_MS: i64 = 3_600_000;

/// How a huge command is forwarded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Replaces the bytes of the command before `from`.
    pub head: Vec<u8>,
    /// Where the bytes begin that are forwarded.
    pub from: usize,
    /// Arguments at the end that are collected and rewritten.
    pub keep: usize,
    /// The key, where those arguments may need it.
    pub key: Vec<u8>,
    /// Follows the forwarded bytes.
    pub tail: Vec<u8>,
    /// Commands that this makes.
    pub commands: u32,
}

/// Plans for a command of which the first `args` are complete, ending at `end`, and the next one is under way.
pub(super) fn plan(kind: Kind, args: &[&[u8]], argc: usize, end: usize, clock: Clock) -> Plan {
    let as_it_is = Plan { commands: 1, ..Plan::default() };
    let mut plan = Plan { from: end, commands: 1, ..Plan::default() };
    match (kind, args) {
        (Kind::SetEx { millis }, [_, key, time]) => {
            let Some(at) = absolute(clock, time, millis) else { return as_it_is };
            write::array_header(&mut plan.head, if clock.set_pxat { 5 } else { 3 });
            write::bulk(&mut plan.head, b"SET");
            write::bulk(&mut plan.head, key);
            if clock.set_pxat {
                write::bulk(&mut plan.tail, b"PXAT");
                write::bulk_int(&mut plan.tail, at);
            } else {
                pexpireat(&mut plan.tail, key, at);
                plan.commands = 2;
            }
            plan
        }
        (Kind::Restore, [_, key, time]) => {
            let Some(number) = parse_int(time).filter(|time| *time != 0) else { return as_it_is };
            // Whether ABSTTL follows is behind the payload; the number tells as well.
            let relative = number < LONGEST_RELATIVE_MS;
            let at = if relative { absolute(clock, time, true) } else { Some(clock.expiry.carried(number)) };
            let Some(at) = at.filter(|at| *at != number) else { return as_it_is };
            write::array_header(&mut plan.head, argc + usize::from(relative));
            write::bulk(&mut plan.head, b"RESTORE");
            write::bulk(&mut plan.head, key);
            write::bulk_int(&mut plan.head, at);
            if relative {
                write::bulk(&mut plan.tail, b"ABSTTL");
            }
            plan
        }
        (Kind::Set, [_, key]) if argc > 3 => Plan { keep: argc - 3, key: key.to_vec(), ..as_it_is },
        _ => as_it_is,
    }
}

/// Appends the options of a huge SET of this key, with its expiry made absolute, and gives the number of commands that
/// this makes of it. The number of its arguments was told before its options were known, so it stays.
pub(super) fn set_options(out: &mut Vec<u8>, key: &[u8], options: &[&[u8]], clock: Clock) -> u32 {
    let Some((at, others)) = take_expiry(options, clock) else {
        options.iter().for_each(|option| write::bulk(out, option));
        return 1;
    };
    others.iter().for_each(|option| write::bulk(out, option));
    if clock.set_pxat {
        write::bulk(out, b"PXAT");
        write::bulk_int(out, at);
        return 1;
    }
    // Some time takes the place of the right one, which follows in the same transaction.
    write::bulk(out, b"PX");
    write::bulk_int(out, at.saturating_sub(clock.source_now_ms).clamp(INTERIM_MS, LONGEST_RELATIVE_MS));
    pexpireat(out, key, at);
    2
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock =
        Clock { source_now_ms: 5_000, set_pxat: true, absolute_restore: true, expiry: crate::expiry::Expiry::Exact };

    #[test]
    fn a_huge_value_is_forwarded_between_a_new_head_and_tail() {
        let plan = plan(Kind::SetEx { millis: false }, &[b"SETEX", b"k", b"2"], 4, 33, CLOCK);
        assert_eq!(plan.head, b"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n");
        assert_eq!(plan.tail, b"$4\r\nPXAT\r\n$4\r\n7000\r\n");
        assert_eq!((plan.from, plan.commands), (33, 1));
    }

    #[test]
    fn what_has_no_expiry_is_forwarded_as_it_is() {
        let as_it_is = Plan { commands: 1, ..Plan::default() };
        assert_eq!(plan(Kind::Write, &[b"LPUSH", b"k"], 9, 20, CLOCK), as_it_is);
        assert_eq!(plan(Kind::Set, &[b"SET", b"k"], 3, 20, CLOCK), as_it_is);
        assert_eq!(plan(Kind::Restore, &[b"RESTORE", b"k", b"0"], 4, 20, CLOCK), as_it_is);
    }

    #[test]
    fn options_behind_a_huge_value_keep_their_number() {
        let mut out = Vec::new();
        assert_eq!(set_options(&mut out, b"k", &[b"NX", b"PX", b"10"], CLOCK), 1);
        assert_eq!(out, b"$2\r\nNX\r\n$4\r\nPXAT\r\n$4\r\n5010\r\n");
    }

    #[test]
    fn an_old_destination_gets_the_time_behind_a_huge_value() {
        let clock = Clock { set_pxat: false, expiry: crate::expiry::Expiry::HeldBack, ..CLOCK };
        let as_it_is = plan(Kind::Set, &[b"SET", b"k"], 5, 20, clock);
        assert_eq!(as_it_is, Plan { commands: 1, keep: 2, key: b"k".to_vec(), ..Plan::default() });
        for (option, time) in [(&b"EX"[..], &b"10"[..]), (b"PX", b"10000"), (b"EXAT", b"15"), (b"PXAT", b"15000")] {
            let mut out = Vec::new();
            assert_eq!(set_options(&mut out, b"k", &[option, time], clock), 2);
            let text = String::from_utf8(out).unwrap();
            let lines: Vec<&str> = text.split("\r\n").filter(|line| !line.starts_with('$')).collect();
            // A hundred years after second 15 of that clock.
            assert_eq!(lines, ["PX", "1000000000000", "*3", "PEXPIREAT", "k", "3155760015000", ""], "{text}");
        }
        let mut out = Vec::new();
        assert_eq!(set_options(&mut out, b"k", &[b"KEEPTTL"], clock), 1);
        assert_eq!(out, b"$7\r\nKEEPTTL\r\n");
    }

    #[test]
    fn exact_times_at_an_old_destination_are_exact() {
        let clock = Clock { set_pxat: false, ..CLOCK };
        let mut out = Vec::new();
        assert_eq!(set_options(&mut out, b"k", &[b"EX", b"10"], clock), 2);
        assert!(out.ends_with(b"PEXPIREAT\r\n$1\r\nk\r\n$5\r\n15000\r\n"), "{}", out.escape_ascii());
    }
}
