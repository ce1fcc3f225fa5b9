//! Every family of write commands, by the versions that know it: what a source of that version streams is what it makes of
//! these.

use redis::Connection;

use crate::server::{Server, Version};

/// Which servers know a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    All,
    /// From Redis 7.0 on, and so every Valkey.
    From70,
    Redis82,
    /// Valkey 8.1 and 9.1.
    Valkey,
    Valkey91,
    /// Fields that expire: Redis 8.2 and Valkey 9.1.
    Fields,
}

impl Known {
    fn to(self, version: Version) -> bool {
        use Version as V;
        match self {
            Self::All => true,
            Self::From70 => version != V::Redis62,
            Self::Redis82 => version == V::Redis82,
            Self::Valkey => matches!(version, V::Valkey81 | V::Valkey91),
            Self::Valkey91 => version == V::Valkey91,
            Self::Fields => matches!(version, V::Redis82 | V::Valkey91),
        }
    }
}

/// Commands, one a line; `@` is the number of the round, behind a colon where it ends a key.
const FAMILIES: [(Known, &str); 14] = [
    (Known::All, STRINGS),
    (Known::All, KEYS),
    (Known::All, LISTS),
    (Known::All, SETS),
    (Known::All, SORTED),
    (Known::All, HASHES),
    (Known::All, STREAMS),
    (Known::From70, FROM_70),
    (Known::Redis82, REDIS_82),
    (Known::Valkey, "SET cmp@ a\nSET cmp@ b IFEQ a\nSET cmp@ c IFEQ b PX 7200000\nSET cmp@ d IFEQ x"),
    (Known::Valkey91, VALKEY_91),
    (Known::Fields, FIELDS),
    (Known::From70, "SPUBLISH channel message\nPUBLISH channel message"),
    (Known::All, SCRIPTS),
];

const STRINGS: &str = "SET s@ 1
SET s@ 2 GET
SET s@ 3 XX GET EX 7200
SET s@ 4 KEEPTTL
SET s@ 5 PXAT 4102444800123 GET
SET nx@ 1 NX
SETEX e@ 7200 v
PSETEX p@ 7200000 v
SETNX n@ 1
GETSET s@ 6
GETEX s@ EX 7300
GETEX s@ PERSIST
GETEX s@ PXAT 4102444800123
SET gone@ 1
GETDEL gone@
INCR c@
INCRBY c@ 5
DECRBY c@ 2
INCRBYFLOAT f@ 1.5
INCRBYFLOAT f@ 0.1
APPEND a@ abc
SETRANGE a@ 6 xyz
MSET m@ 1 mm@ 2
MSETNX o@ 1 oo@ 2
SETBIT b@ 100 1
BITFIELD bf@ SET u8 0 255 INCRBY u8 8 7 OVERFLOW SAT INCRBY u8 0 9
BITOP AND ba@ a@ m@
BITOP NOT bn@ a@
BITOP XOR bx@ a@ s@
PFADD h1@ a b c @
PFADD h2@ c d e
PFMERGE h3@ h1@ h2@
PFCOUNT h3@";

const KEYS: &str = "SET k@ v
EXPIRE k@ 7200
PEXPIRE k@ 7200001
EXPIREAT k@ 4102444800
PEXPIREAT k@ 4102444800123
PERSIST k@
COPY k@ copy@
COPY k@ copy@ REPLACE
EXPIRE k@ 7200
COPY k@ copied@ DB 3
RENAME copy@ moved@
RENAMENX moved@ there@
MOVE there@ 5
SET dead@ 1
PEXPIREAT dead@ 1
SET del@ 1
DEL del@ nothing@
SET unlinked@ 1
UNLINK unlinked@";

const LISTS: &str = "RPUSH l@ a b c d e f g h i j k l m n
LPUSH l@ z
LPUSHX l@ y
RPUSHX nolist@ y
LPOP l@
LPOP l@ 2
RPOP l@
RPOP l@ 2
LMOVE l@ l2@ LEFT RIGHT
LMOVE l@ l2@ RIGHT LEFT
LMOVE l@ l@ LEFT LEFT
LMOVE l@ l@ RIGHT LEFT
BLMOVE l@ l2@ LEFT LEFT 1
RPOPLPUSH l@ l2@
BRPOPLPUSH l@ l2@ 1
BLPOP l@ 1
BRPOP l2@ 1
LINSERT l@ BEFORE e x
LSET l@ 0 first
LREM l@ 1 f
LTRIM l@ 0 5
RPUSH numbers@ 3 1 2 @
SORT numbers@ STORE sorted@
SORT numbers@ DESC LIMIT 0 2 STORE sorted2@";

const SETS: &str = "SADD set@ a b c d e f g h i j k
SADD ints@ 1 2 3 @
SREM set@ a nothing
SPOP set@
SPOP set@ 2
SADD other@ d e f x y
SMOVE other@ set@ x
SDIFFSTORE sd@ set@ other@
SINTERSTORE si@ set@ other@
SUNIONSTORE su@ set@ other@ ints@
SADD emptied@ a b
SPOP emptied@ 5";

const SORTED: &str = "ZADD z@ 1 a 2 b 3 c 4 d 5 e 6.5 f 1e300 g -inf h
ZADD z@ GT CH 5 a
ZADD z@ LT 0 b
ZADD z@ NX 9 q
ZADD z@ XX 8 q
ZADD z@ XX INCR 1 a
ZADD z@ GT INCR 1 a
ZINCRBY z@ 0.1 c
ZREM z@ q
ZPOPMIN z@
ZPOPMAX z@ 2
BZPOPMIN z@ 1
ZADD z@ 1 a 2 b 3 c 4 d 5 e
ZRANGESTORE zr@ z@ 0 2
ZRANGESTORE zs@ z@ 4 2 BYSCORE REV LIMIT 0 2
ZRANGESTORE zl@ z@ [a [c BYLEX
ZADD z2@ 1 a 2 x 3 c
ZDIFFSTORE zd@ 2 z@ z2@
ZINTERSTORE zi@ 2 z@ z2@ AGGREGATE MAX
ZUNIONSTORE zu@ 2 z@ z2@ WEIGHTS 1 2
ZREMRANGEBYRANK z@ 0 0
ZREMRANGEBYSCORE z@ 4 4
ZREMRANGEBYLEX z2@ [x [y
GEOADD g@ 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEOADD g@ CH XX 13.5 38.2 Palermo
GEOSEARCHSTORE gs@ g@ FROMLONLAT 15 37 BYRADIUS 200 km ASC
GEOSEARCHSTORE gd@ g@ FROMMEMBER Palermo BYBOX 400 400 km ASC COUNT 2 STOREDIST
GEORADIUS g@ 15 37 200 km STORE gr@
GEORADIUSBYMEMBER g@ Palermo 200 km STOREDIST gm@";

const HASHES: &str = "HSET h@ a 1 b 2 c 3
HMSET h@ d 4 e 5
HSETNX h@ f 6
HINCRBY h@ a 5
HINCRBYFLOAT h@ b 1.25
HINCRBYFLOAT h@ new 0.5
HDEL h@ c
COPY h@ hcopy@";

const STREAMS: &str = "XADD x@ 1-1 f v
XADD x@ * f v g w
XADD x@ NOMKSTREAM * f v
XADD x@ MAXLEN 100 * f v
XADD x@ MAXLEN ~ 2 * f v
XADD x@ MINID 1 * f v
XADD x@ MINID ~ 2 LIMIT 100 * f v
XADD x@ MAXLEN ~ 1 LIMIT 100 * f v
XADD x@ 9999999999999-1 f v
XADD x@ 9999999999999-2 f v
XADD x@ 9999999999999-3 f v
XADD x@ 9999999999999-4 f v
XGROUP CREATE x@ g 0
XGROUP CREATE x@ g2 $
XGROUP CREATE made@ g $ MKSTREAM
XGROUP CREATECONSUMER x@ g alice
XREADGROUP GROUP g bob COUNT 3 STREAMS x@ >
XREADGROUP GROUP g bob STREAMS x@ >
XACK x@ g 9999999999999-1
XCLAIM x@ g eve 0 9999999999999-2
XCLAIM x@ g eve 0 9999999999999-3 JUSTID
XAUTOCLAIM x@ g frank 0 9999999999999-3 COUNT 1
XADD x@ 9999999999999-5 f v
XREADGROUP GROUP g carol NOACK STREAMS x@ >
XGROUP SETID x@ g2 9999999999999-2
XDEL x@ 9999999999999-5
XTRIM x@ MAXLEN 7
XTRIM x@ MINID 2
XADD trimmed@ 1-1 f v
XADD trimmed@ 2-1 f v
XTRIM trimmed@ MINID ~ 9 LIMIT 0
XSETID x@ 99999999999999-0
XGROUP DELCONSUMER x@ g eve
XGROUP DESTROY x@ g2";

const FROM_70: &str = "SET t@ 1
EXPIRE t@ 5000 NX
EXPIRE t@ 6000 XX
EXPIRE t@ 7000 GT
EXPIRE t@ 6500 LT
PEXPIREAT t@ 4102444800123 XX
SET nxget@ 1 NX GET
SET nxget@ 2 XX GET PX 7200000
RPUSH lm@ a b c d e
LMPOP 2 none@ lm@ LEFT COUNT 2
BLMPOP 1 1 lm@ RIGHT COUNT 1
ZADD zm@ 1 a 2 b 3 c 4 d
ZMPOP 1 zm@ MIN COUNT 2
BZMPOP 1 1 zm@ MAX
XADD xe@ 5-1 f v
XADD xe@ 6-* f v
XGROUP CREATE xe@ g 0 ENTRIESREAD 0
XGROUP CREATE xe@ g2 $ ENTRIESREAD 2
XGROUP CREATE xm@ g 0 MKSTREAM ENTRIESREAD 1
XGROUP SETID xe@ g 5-1 ENTRIESREAD 1
XREADGROUP GROUP g alice STREAMS xe@ >
XGROUP SETID xe@ g 6-0 ENTRIESREAD 2
XGROUP CREATECONSUMER xe@ g bob
XDEL xe@ 6-0
XAUTOCLAIM xe@ g bob 0 0
XSETID xe@ 7-1 ENTRIESADDED 100 MAXDELETEDID 6-5";

const REDIS_82: &str = "XADD r@ 1-1 f v
XADD r@ 2-1 f v
XADD r@ 3-1 f v
XADD r@ 4-1 f v
XADD r@ 5-1 f v
XGROUP CREATE r@ g 0
XGROUP CREATE r@ late 0
XREADGROUP GROUP g alice COUNT 4 STREAMS r@ >
XREADGROUP GROUP late bob COUNT 2 STREAMS r@ >
XDELEX r@ KEEPREF IDS 1 1-1
XDELEX r@ DELREF IDS 2 2-1 9-9
XDELEX r@ ACKED IDS 1 3-1
XACKDEL r@ g IDS 1 3-1
XACKDEL r@ g ACKED IDS 1 4-1
XACKDEL r@ late DELREF IDS 1 1-1
XADD r@ KEEPREF MAXLEN 4 6-1 f v
XADD r@ DELREF MAXLEN 3 7-1 f v
XADD r@ MAXLEN 2 ACKED 8-1 f v
XTRIM r@ MAXLEN 3 KEEPREF
XTRIM r@ MAXLEN 2 DELREF
XTRIM r@ MINID 8 ACKED
SET bits1@ foobar
SET bits2@ abcdefghij
SET bits3@ xyz
BITOP DIFF bd@ bits1@ bits2@ bits3@
BITOP DIFF1 be@ bits3@ bits1@ bits2@
BITOP ANDOR bf2@ bits2@ bits1@ bits3@
BITOP ONE bg@ bits1@ bits2@ bits3@
BITOP ONE bits3@ bits3@ bits1@ nobits@";

const VALKEY_91: &str = "SET d@ old
DELIFEQ d@ other
DELIFEQ d@ old
MSETEX 2 me@ 1 mf@ 2 EX 7200
MSETEX 2 me@ 3 mf@ 4 KEEPTTL
MSETEX 2 me@ 5 mg@ 6
MSETEX 2 mh@ 7 mi@ 8 NX PXAT 4102444800123
HSETEX hx@ NX PX 7200000 FIELDS 1 f v
HSETEX hx@ XX KEEPTTL FIELDS 1 f w";

const FIELDS: &str = "HSET hf@ a 1 b 2 c 3 d 4 e 5 f 6
HEXPIRE hf@ 7200 FIELDS 1 a
HEXPIRE hf@ 7200 NX FIELDS 2 a b
HPEXPIRE hf@ 7300000 GT FIELDS 1 a
HEXPIREAT hf@ 4102444800 FIELDS 2 b none
HPEXPIREAT hf@ 4102444800123 FIELDS 2 c d
HPERSIST hf@ FIELDS 2 d e
HPEXPIREAT hf@ 1 FIELDS 1 e
HSETEX hf@ EX 7200 FIELDS 2 x 1 y 2
HSETEX hf@ PXAT 4102444800123 FIELDS 1 z 1
HSETEX hf@ KEEPTTL FIELDS 1 z 2
HSETEX hf@ FIELDS 1 y 3
HSETEX hf@ FNX PX 7200000 FIELDS 1 new 1
HSETEX hf@ FXX EX 7200 FIELDS 1 new 2
HGETEX hf@ EX 7100 FIELDS 1 a
HGETEX hf@ PERSIST FIELDS 1 b
HGETDEL hf@ FIELDS 2 f none
HINCRBY hf@ a 5
HINCRBYFLOAT hf@ c 1.5
COPY hf@ hfc@";

const SCRIPTS: &str =
    "EVAL redis.call('INCR',KEYS[1])redis.call('LPUSH',KEYS[2],'x')return(redis.call('TIME')) 2 scripted@ scriptl@
SCRIPT LOAD return(1)";

/// Writes `rounds` rounds of all that a server's version knows, every second of them in transactions.
///
/// # Panics
/// When the server refuses a command.
pub fn write(server: &Server, rounds: u64) {
    let mut connection = server.connect();
    for round in 0..rounds {
        let lines = FAMILIES.iter().filter(|(known, _)| known.to(server.version())).flat_map(|(_, text)| text.lines());
        let commands: Vec<Vec<String>> = lines
            .map(|line| {
                line.replace(" @", &format!(" {round}"))
                    .replace('@', &format!(":{round}"))
                    .split(' ')
                    .map(str::to_owned)
                    .collect()
            })
            .collect();
        for group in commands.chunks(7) {
            send(&mut connection, group, round % 2 == 1);
        }
    }
}

fn send(connection: &mut Connection, commands: &[Vec<String>], atomic: bool) {
    let mut pipe = redis::pipe();
    if atomic {
        pipe.atomic();
    }
    for command in commands {
        let (name, arguments) = command.split_first().expect("a command");
        pipe.cmd(name).arg(arguments);
    }
    if let Err(error) = pipe.query::<redis::Value>(connection) {
        panic!("{error}: one of {commands:?}");
    }
}
