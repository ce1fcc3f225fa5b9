//! Writes seeds: `seeds CORPUS FIXTURES`. The dumps of the fixtures, small dumps and DUMP payloads cut out of them, a few
//! texts in RESP, and requests to a relay.

use std::fs;
use std::path::Path;

use tributary_rdb::{Decoder, Event, Limits};
use tributary_resp::{relay, write};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Values up to this size are cut out: mutations of small inputs find more.
const SMALL: usize = 2048;
/// Cut-out values of one type in one dump.
const EACH: usize = 6;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (corpus, fixtures) = args.next().zip(args.next()).ok_or("seeds CORPUS FIXTURES")?;
    let corpus = Path::new(&corpus);
    for entry in fs::read_dir(fixtures)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rdb") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            dump(corpus, &name, &fs::read(&path)?)?;
        }
    }
    resp(corpus)?;
    prefaces(corpus)
}

fn save(corpus: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}

/// The dump as it is, and its small values one by one.
fn dump(corpus: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    save(corpus, "rdb_decoder", name, bytes)?;
    let magic = bytes.get(..9).ok_or("a dump without a header")?;
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(bytes);
    let mut cut = [0; 256];
    let mut aux = Vec::new();
    while let Some(event) = decoder.next_event()? {
        match event {
            Event::Aux { name, value } if aux.len() < 64 => {
                aux.extend([&[0xfa, name.len() as u8], &name[..], &[value.len() as u8], &value[..]].concat());
            }
            Event::Value(value) if value.raw.len() <= SMALL => {
                let kind = value.kind.byte();
                let Some(count) = cut.get_mut(usize::from(kind)).filter(|count| **count < EACH) else { continue };
                *count += 1;
                let payload = [&[u8::from(magic.starts_with(b"VALKEY")), kind], value.raw].concat();
                save(corpus, "rdb_values", &format!("{name}-{kind}-{count}"), &payload)?;
                // A checksum of 0 is not looked at, so that mutations get beyond it.
                let object = [magic, &aux, b"\xfe\x00\xfb\x01\x01", &[kind], b"\x03key", value.raw, b"\xff", &[0; 8]];
                save(corpus, "rdb_decoder", &format!("{name}-{kind}-{count}"), &object.concat())?;
            }
            Event::Function(code) if code.len() <= SMALL && code.len() < 1 << 14 => {
                let head = [0xf5, 0x40 | (code.len() >> 8) as u8, code.len() as u8];
                let function = [magic, &head, &code[..], b"\xff", &[0; 8]];
                save(corpus, "rdb_decoder", &format!("{name}-function"), &function.concat())?;
            }
            Event::End => break,
            _ => {}
        }
    }
    Ok(())
}

fn resp(corpus: &Path) -> Result<()> {
    let mut stream = Vec::new();
    write::command(&mut stream, &[b"SELECT", b"0"]);
    write::command(&mut stream, &[b"MULTI"]);
    write::command(&mut stream, &[b"SET", b"key", &[b'v'; 300], b"PX", b"100"]);
    write::command(&mut stream, &[b"HSET", b"hash", b"", b"\r\n"]);
    write::command(&mut stream, &[b"EXEC"]);
    write::command(&mut stream, &[b"REPLCONF", b"GETACK", b"*"]);
    save(corpus, "resp_stream", "commands", &stream)?;
    save(corpus, "resp_stream", "lengths", b"*2\r\n$010\r\n0123456789\r\n$0\r\n\r\n*0\r\n*1\r\n$1099511627776\r\n")?;
    let replies: [(&str, &[u8]); 4] = [
        ("exec", b"+OK\r\n+QUEUED\r\n*4\r\n:1\r\n-WRONGTYPE x\r\n*2\r\n$3\r\na\r\n\r\n-ERR deep\r\n$-1\r\n"),
        ("null", b"*-1\r\n$-1\r\n*0\r\n$0\r\n\r\n:-9223372036854775808\r\n"),
        ("nested", b"*2\r\n*0\r\n*1\r\n*1\r\n*-1\r\n-EXECABORT Transaction discarded\r\n"),
        ("long", b"$9223372036854775807\r\nabc"),
    ];
    for (name, bytes) in replies {
        save(corpus, "resp_reply", name, bytes)?;
    }
    let id = "0123456789abcdef0123456789abcdef01234567";
    for (name, text) in [
        ("full", format!("+OK\r\n+FULLRESYNC {id} 1234567\r\n\n\n$1048576\r\nREDIS0011")),
        ("diskless", format!("+FULLRESYNC {id} 0\r\n\n$EOF:{id}\r\nREDIS0012")),
        ("continue", format!("\n+CONTINUE {id}\r\n*1\r\n$4\r\nPING\r\n")),
        ("old", "+CONTINUE\r\n*1\r\n$4\r\nPING\r\n".to_owned()),
        ("refused", "-NOMASTERLINK Can't SYNC while not connected with my master\r\n".to_owned()),
    ] {
        save(corpus, "psync_reply", name, text.as_bytes())?;
    }
    Ok(())
}

fn prefaces(corpus: &Path) -> Result<()> {
    let ping = b"*1\r\n$4\r\nPING\r\n";
    for level in 0..=10 {
        let request = relay::request(level);
        save(corpus, "relay_preface", &format!("level-{level}"), &[&request[..], ping].concat())?;
        save(
            corpus,
            "relay_preface",
            &format!("part-{level}"),
            request.get(..20 + level as usize).unwrap_or_default(),
        )?;
    }
    save(corpus, "relay_preface", "other", ping)?;
    save(corpus, "relay_preface", "inline", b"REPLCONF tributary-gzip 6\r\n")
}
