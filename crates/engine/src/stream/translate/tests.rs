use super::*;
use crate::Unsupported;
use crate::dialect::Dialect;
use crate::expiry::Expiry;

/// A destination that does not tell its commands.
pub(super) fn reach(version: (u32, u32), valkey: Option<(u32, u32)>) -> Reach {
    let dialect = Dialect {
        version,
        valkey,
        loads: tributary_rdb::Loads { version: 9 },
        longest_string: None,
        largest_command: None,
        absolute_restore: version >= (5, 0),
        set_pxat: version >= (6, 2),
        functions: version >= (7, 0),
        field_expiry: valkey.map_or(version >= (7, 4), |valkey| valkey >= (9, 0)),
        databases: 16,
        expiry: Expiry::Exact,
    };
    Reach::new(dialect, None, Unsupported::default())
}

/// Destinations by name: `6.2`, or `v9.1` for Valkey.
fn destination(name: &str) -> Reach {
    let numbers = |text: &str| crate::dialect::numbers(text);
    match name.strip_prefix('v') {
        Some(valkey) => reach((7, 2), Some(numbers(valkey))),
        None => reach(numbers(name), None),
    }
}

/// What is told, as text: commands are parted by ` | `, and of a script only `<what it is>` is shown.
fn told(to: Reach, command: &str) -> String {
    let args: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
    let text = |commands: Vec<Words<'_>>| -> String {
        let word = |word: &Cow<'_, [u8]>| match String::from_utf8_lossy(word) {
            // The first words of its comment.
            script if script.starts_with("-- ") => {
                format!("<{}>", script[3..].split(['.', ',']).next().unwrap().split(' ').next().unwrap())
            }
            word => word.into_owned(),
        };
        let commands: Vec<String> =
            commands.iter().map(|words| words.iter().map(word).collect::<Vec<_>>().join(" ")).collect();
        commands.join(" | ")
    };
    match Translator::new(to).tell(&args) {
        Told::AsItIs => "=".into(),
        Told::Instead(commands) => text(commands),
        Told::Less(loss, commands) => format!("{loss:?}: {}", text(commands)),
        Told::Never(obstacle) => format!("never: {obstacle:?}"),
    }
}

/// Rows of destination, command, and what is told.
fn check(rows: &[(&str, &str, &str)]) {
    for (to, command, want) in rows {
        assert_eq!(told(destination(to), command), *want, "{command} to {to}");
    }
}

#[test]
fn set_leaves_out_conditions_that_were_met() {
    check(&[
        ("6.2", "SET k v GET", "SET k v"),
        ("6.2", "SET k v NX GET PXAT 5", "SET k v PXAT 5"),
        ("7.0", "SET k v NX GET PXAT 5", "="),
        ("7.0", "SET k v PX 5 IFEQ old GET", "SET k v PX 5 GET"),
        ("8.2", "SET k v ifeq old", "SET k v"),
        ("8.2", "SET k v IFEQ IFEQ", "SET k v"),
        ("v8.1", "SET k v IFEQ old", "="),
        ("v8.1", "SET k v IFEQ IFNE", "="),
        ("v9.1", "SET k v IFNE old", "SET k v"),
        ("8.4", "SET k v IFDNE hash", "="),
        ("6.0", "SET k v KEEPTTL", "="),
        ("5.0", "SET k v KEEPTTL", "EVAL <SET> 1 k v"),
        ("7.0", "SET k v EX 5", "="),
        ("4.0", "SET k v", "="),
    ]);
}

#[test]
fn strings_and_keys_have_other_words() {
    check(&[
        ("6.0", "GETDEL k", "DEL k"),
        ("8.2", "DELIFEQ k v", "DEL k"),
        ("v9.1", "DELEX k IFEQ v", "DEL k"),
        ("6.0", "GETEX k PERSIST", "PERSIST k"),
        ("6.2", "GETEX k PERSIST", "="),
        ("7.0", "MSETEX 2 a 1 b 2", "MSET a 1 b 2"),
        ("7.0", "MSETEX 2 a 1 b 2 NX", "MSET a 1 b 2"),
        ("7.0", "MSETEX 2 a 1 b 2 XX PXAT 77", "SET a 1 PXAT 77 | SET b 2 PXAT 77"),
        ("5.0", "MSETEX 1 a 1 KEEPTTL", "EVAL <SET> 1 a 1"),
        ("v9.1", "MSETEX 1 a 1 PXAT 77", "="),
        ("6.2", "PEXPIREAT k 5 GT", "PEXPIREAT k 5"),
        ("6.2", "PEXPIREAT k 5", "="),
        ("7.0", "PEXPIREAT k 5 GT", "="),
        ("6.0", "COPY a b", "EVAL <COPY> 2 a b"),
        ("6.0", "COPY db b REPLACE DB 3", "EVAL <COPY> 2 db b 3"),
        ("6.2", "COPY a b", "="),
        ("8.2", "BITOP DIFF d a b", "="),
        ("8.0", "BITOP diff d a b", "EVAL <BITOP> 3 d a b DIFF"),
        ("v9.1", "BITOP ONE d a b c", "EVAL <BITOP> 4 d a b c ONE"),
        ("v9.1", "BITOP AND d a b", "="),
        ("6.0", "FLUSHALL SYNC", "FLUSHALL"),
        ("6.0", "FLUSHALL ASYNC", "="),
        ("6.0", "SCRIPT FLUSH SYNC", "SCRIPT FLUSH"),
        ("6.2", "FLUSHDB SYNC", "="),
        ("6.2", "SPUBLISH c m", ""),
        ("7.0", "SPUBLISH c m", "="),
        ("6.2", "RENAME a b", "="),
        ("5.0", "EVAL script 0", "="),
        ("5.0", "EVALSHA sha 0", "="),
        ("5.0", "SCRIPT LOAD script", "="),
    ]);
}

#[test]
fn lists_and_sorted_sets_have_other_words() {
    check(&[
        ("6.0", "LMOVE a b RIGHT LEFT", "RPOPLPUSH a b"),
        ("6.0", "LMOVE a b left Right", "EVAL <LMOVE> 2 a b LEFT RIGHT"),
        ("6.2", "LMOVE a b LEFT LEFT", "="),
        ("6.0", "LPOP k 3", "LTRIM k 3 -1"),
        ("6.0", "RPOP k 3", "LTRIM k 0 -4"),
        ("6.0", "RPOP k", "="),
        ("6.2", "LPOP k 3", "="),
        ("6.0", "ZADD z 1 a", "="),
        ("6.0", "ZADD z XX CH 1 a", "="),
        ("6.0", "ZADD z GT CH 1 a 2 b", "EVAL <ZADD> 1 z GT 0 0 1 a 2 b"),
        ("6.0", "ZADD z XX LT INCR 1 gt", "EVAL <ZADD> 1 z LT 1 1 1 gt"),
        ("4.0", "ZPOPMIN z", "ZREMRANGEBYRANK z 0 0"),
        ("4.0", "ZPOPMAX z 3", "ZREMRANGEBYRANK z -3 -1"),
        ("5.0", "ZPOPMAX z 3", "="),
        ("6.0", "ZRANGESTORE d s 0 -1", "EVAL <ZRANGESTORE> 2 d s 0 ZRANGE 0 -1 WITHSCORES"),
        (
            "6.0",
            "ZRANGESTORE d s 9 1 BYSCORE REV LIMIT 1 2",
            "EVAL <ZRANGESTORE> 2 d s 0 ZREVRANGEBYSCORE 9 1 WITHSCORES LIMIT 1 2",
        ),
        ("6.0", "ZRANGESTORE d s [a (b BYLEX", "EVAL <ZRANGESTORE> 2 d s 1 ZRANGEBYLEX [a (b"),
        ("6.0", "ZDIFFSTORE d 2 a b", "EVAL <ZDIFFSTORE> 3 d a b"),
        (
            "6.0",
            "GEOSEARCHSTORE d s FROMMEMBER m BYRADIUS 2 km ASC COUNT 3 STOREDIST",
            "GEORADIUSBYMEMBER s m 2 km ASC COUNT 3 STOREDIST d",
        ),
        ("6.0", "GEOSEARCHSTORE d s BYRADIUS 2 km FROMLONLAT 1 2", "GEORADIUS s 1 2 2 km STORE d"),
        ("6.0", "GEOSEARCHSTORE d s FROMMEMBER m BYBOX 2 2 km", "never: Unknown"),
        ("6.0", "GEOSEARCHSTORE d s FROMMEMBER m BYRADIUS 2 km COUNT 3 ANY", "never: Unknown"),
        ("8.2", "GEOSEARCHSTORE d s BYPOLYGON 3 1 2 3 4 5 6", "never: Form"),
        ("8.2", "GEOSEARCHSTORE d s FROMMEMBER bypolygon BYBOX 2 2 km", "="),
        ("v9.1", "GEOSEARCHSTORE d s BYPOLYGON 3 1 2 3 4 5 6", "="),
    ]);
}

#[test]
fn streams_have_other_words() {
    check(&[
        // A source's own form, which a server takes from its master only.
        ("8.2", "XADD x MAXLEN = 7 LIMIT 100 1-1 f v", "XADD x MAXLEN = 7 1-1 f v"),
        ("7.0", "XTRIM x MINID = 7-0 LIMIT 100", "XTRIM x MINID = 7-0"),
        ("7.0", "XADD x 1-1 f LIMIT", "="),
        ("7.0", "XADD x NOMKSTREAM MAXLEN 7 1-1 f v", "="),
        ("6.0", "XADD x NOMKSTREAM MAXLEN 7 1-1 f v", "XADD x MAXLEN = 7 1-1 f v"),
        ("6.0", "XADD x NOMKSTREAM 1-1 f v", "XADD x 1-1 f v"),
        ("6.0", "XADD x MINID = 5-3 9-1 f v", "XADD x 9-1 f v | EVAL <XTRIM> 1 x 5-2"),
        ("6.0", "XTRIM x MINID = 5", "EVAL <XTRIM> 1 x 4-18446744073709551615"),
        ("6.0", "XTRIM x MINID 0-0", ""),
        ("8.2", "XADD x MAXLEN 3 DELREF 1-1 f v", "="),
        ("8.2", "XADD x DELREF MAXLEN = 3 LIMIT 9 1-1 f v", "XADD x MAXLEN = 3 DELREF 1-1 f v"),
        ("v9.1", "XADD x KEEPREF MAXLEN 3 1-1 f v", "XADD x MAXLEN = 3 1-1 f v"),
        (
            "v9.1",
            "XADD x NOMKSTREAM MAXLEN 3 ACKED 1-1 f v",
            "XADD x NOMKSTREAM 1-1 f v | EVAL <XDELEX> 1 x TRIM ACKED MAXLEN 3",
        ),
        ("7.0", "XTRIM x MINID 5-0 DELREF", "EVAL <XDELEX> 1 x TRIM DELREF MINID 5-0"),
        ("7.0", "XTRIM x MAXLEN 5", "="),
        ("6.2", "XGROUP CREATE x g $ MKSTREAM ENTRIESREAD 3", "XGROUP CREATE x g $ MKSTREAM"),
        ("6.2", "XGROUP SETID x g 1-1 ENTRIESREAD 3", "XGROUP SETID x g 1-1"),
        ("6.2", "XGROUP SETID x g 1-1", "="),
        ("7.0", "XGROUP SETID x g 1-1 ENTRIESREAD 3", "="),
        ("6.0", "XGROUP CREATECONSUMER x g c", "XREADGROUP GROUP g c COUNT 1 STREAMS x 0"),
        ("6.2", "XGROUP CREATECONSUMER x g c", "="),
        ("6.2", "XSETID x 9-9 ENTRIESADDED 5 MAXDELETEDID 3-0", "XSETID x 9-9"),
        ("8.0", "XDELEX x IDS 1 1-1", "XDEL x 1-1"),
        ("8.0", "XDELEX x ACKED IDS 2 1-1 1-2", "EVAL <XDELEX> 1 x DELETE ACKED 1-1 1-2"),
        ("v9.1", "XACKDEL x g IDS 1 1-1", "EVAL <XDELEX> 1 x ACKNOWLEDGE KEEPREF g 1-1"),
        ("8.2", "XACKDEL x g DELREF IDS 1 1-1", "="),
        ("4.0", "XADD x 1-1 f v", "never: Unknown"),
        ("4.0", "XACKDEL x g DELREF IDS 1 1-1", "never: Unknown"),
    ]);
}

#[test]
fn a_claim_of_a_deleted_entry_means_what_it_means_at_the_source() {
    let claim = "XCLAIM x g c 0 1-1 TIME 5 FORCE";
    for (source, to, want) in [
        (Some((7, 0)), "6.2", "EVAL <XCLAIM> 1 x g c 0 1-1 TIME 5 FORCE"),
        (Some((6, 2)), "6.2", "="),
        (Some((7, 2)), "7.0", "="),
        (None, "6.2", "="),
    ] {
        assert_eq!(told(Reach { source, ..destination(to) }, claim), want, "{source:?} to {to}");
    }
}

#[test]
fn fields_that_expire_have_other_words_or_none() {
    check(&[
        ("8.2", "HSETEX h PXAT 5 FIELDS 1 f v", "="),
        ("8.2", "HSETEX h XX FNX PXAT 5 FIELDS 1 f v", "HSETEX h PXAT 5 FIELDS 1 f v"),
        ("v9.1", "HSETEX h FXX KEEPTTL FIELDS 1 f v", "="),
        ("7.4", "HSETEX h FXX PXAT 5 FIELDS 2 a 1 b 2", "HSET h a 1 b 2 | HPEXPIREAT h 5 FIELDS 2 a b"),
        ("7.4", "HSETEX h FIELDS 1 f v", "HSET h f v"),
        ("7.4", "HSETEX h KEEPTTL FIELDS 1 f v", "EVAL <HSETEX> 1 h f v"),
        ("7.0", "HSETEX h KEEPTTL FIELDS 1 f v", "HSET h f v"),
        ("7.0", "HSETEX h PXAT 5 FIELDS 1 f v", "never: FieldExpiry"),
        ("7.4", "HGETDEL h FIELDS 2 a b", "HDEL h a b"),
        ("7.4", "HGETEX h PXAT 5 FIELDS 1 f", "HPEXPIREAT h 5 FIELDS 1 f"),
        ("7.4", "HGETEX h PERSIST FIELDS 1 f", "HPERSIST h FIELDS 1 f"),
        ("7.0", "HGETEX h PERSIST FIELDS 1 f", ""),
        ("7.4", "HPEXPIREAT h 5 FIELDS 1 f", "="),
        ("v8.1", "HPEXPIREAT h 5 FIELDS 1 f", "never: FieldExpiry"),
        ("7.0", "HPERSIST h FIELDS 1 f", ""),
    ]);
    let mut agreed = destination("7.0");
    agreed.unsupported.drop_field_expiry = true;
    assert_eq!(told(agreed.clone(), "HPEXPIREAT h 5 FIELDS 1 f"), "FieldExpiry: ");
    assert_eq!(told(agreed, "HSETEX h PXAT 5 FIELDS 1 f v"), "FieldExpiry: HSET h f v");
}

#[test]
fn what_cannot_be_told_stops_or_is_left_out_as_the_user_agreed() {
    let commands = || Some([&b"SET"[..], b"RENAME"].iter().map(|name| name.to_vec()).collect());
    let mut to = Reach::new(dialect_of(&destination("7.0")), commands(), Unsupported::default());
    assert_eq!(told(to.clone(), "NEWS k"), "never: Unknown");
    assert_eq!(told(to.clone(), "JSON.SET k"), "never: Module");
    assert_eq!(told(to.clone(), "VADD k"), "never: Module");
    assert_eq!(told(to.clone(), "FUNCTION LOAD code"), "never: Functions");
    assert_eq!(told(to.clone(), "FUNCTION DELETE name"), "");
    assert_eq!(told(destination("7.0"), "FUNCTION LOAD code"), "=");
    to.unsupported = Unsupported { drop_field_expiry: false, skip_module_keys: true, skip_functions: true };
    assert_eq!(told(to.clone(), "NEWS k"), "never: Unknown");
    assert_eq!(told(to.clone(), "JSON.SET k"), "Module: ");
    assert_eq!(told(to.clone(), "FUNCTION LOAD code"), "Library: ");
    assert_eq!(told(to.clone(), "RENAME a b"), "never: Unknown", "it has no EVAL");
    let agreed = Reach { unsupported: to.unsupported, ..destination("7.0") };
    assert_eq!(told(agreed.clone(), "RENAME a b"), "EVAL <RENAME> 2 a b");
    assert_eq!(told(agreed, "COPY a b DB 3 REPLACE"), "EVAL <COPY> 2 a b 3");
}

fn dialect_of(_: &Reach) -> Dialect {
    Dialect {
        version: (7, 0),
        valkey: None,
        loads: tributary_rdb::Loads { version: 10 },
        longest_string: None,
        largest_command: None,
        absolute_restore: true,
        set_pxat: true,
        functions: true,
        field_expiry: false,
        databases: 16,
        expiry: Expiry::Exact,
    }
}

#[test]
fn most_commands_pass_without_being_looked_at() {
    let mut translator = Translator::new(destination("8.2"));
    for (command, want) in [
        ("INCR k", true),
        ("SET k v", true),
        ("SET k v KEEPTTL", false),
        ("XADD x 1-1 f v", true),
        ("XADD x MAXLEN 1 1-1 f v", false),
        ("LMOVE a b LEFT LEFT", true),
        ("MSETEX 1 a 1", false),
    ] {
        let mut ranges = Vec::new();
        let mut at = 0;
        for word in command.split(' ') {
            ranges.push(at..at + word.len());
            at += word.len() + 1;
        }
        assert_eq!(translator.passes(command.as_bytes(), &ranges), want, "{command}");
    }
}

/// The payload of DUMP of `SET k 10` at Redis 7.0, as 6.2 would give it.
#[test]
fn a_dumped_value_gets_the_version_that_the_destination_knows() {
    let newer = b"\x00\xc0\n\n\x00n\x9fWE\x0e\xaec\xbb";
    let command: [&[u8]; 5] = [b"RESTORE", b"k", b"0", newer, b"REPLACE"];
    let Told::Instead(commands) = Translator::new(destination("6.2")).tell(&command) else { panic!("as it is") };
    let payload = &commands[0][3];
    assert_eq!(payload[..5], *b"\x00\xc0\n\x06\x00");
    assert_eq!(commands[0][4], &b"REPLACE"[..]);
    let told = Translator::new(destination("6.2")).tell(&[b"RESTORE", b"k", b"0", payload]);
    assert_eq!(told, Told::AsItIs);
}
