use tributary_tests::certificates::Authority;

use super::*;
use crate::definition::{Credential, Definition, Place};
use crate::dto::TrustChoice;

const TWO: &str = r#"
metrics = "127.0.0.1:9121"

[[replica]]
name = "eu-cache"
destination = "redis://ann@dest.example:6380"
destination_password = { env = "DEST_PASSWORD" }
flush = "when_needed"
[replica.options]
spool_quota_mb = 64
lock_down = true
[[replica.source]]
id = "first"
name = "s1"
url = "redis://relay.example:7379/0"
password = { file = "/run/secrets/s1" }
[[replica.source]]
name = "s2"
url = "redis+sentinel://a,b:27000/mymaster"
password = { keyring = "account" }
stopped = true

[[replica]]
name = "us"
destination = "redis://[::1]"
[[replica.source]]
name = "s1"
url = "redis://c"
"#;

/// One whose links have everything.
fn secured() -> String {
    let authority = Authority::new("Ours");
    let pem = std::fs::read_to_string(authority.path()).unwrap();
    format!(
        "[[replica]]
name = \"tls\"
destination = \"rediss://ann@d?cert=/c.pem&key=/k.pem&tls-min=1.3\"
destination_certificate = \"\"\"\n{pem}\"\"\"
destination_password = {{ keyring = \"d\" }}
destination_key_passphrase = {{ env = \"KEY\" }}
[[replica.source]]
name = \"s\"
url = \"rediss://relay:7379/0?ca=/ca.pem&sni=db.example&insecure=true&compress=gzip\"
"
    )
}

fn parse(text: &str) -> Declarations {
    Declarations::parse("c.toml", text).unwrap()
}

fn wrong(text: &str) -> String {
    let parsed = Declarations::parse("c.toml", text);
    parsed.and_then(|file| plan(&file, &[]).map(drop)).unwrap_err().to_string()
}

fn definitions(planned: &[Planned]) -> Vec<Definition> {
    planned.iter().map(|next| next.definition.clone()).collect()
}

#[test]
fn a_file_says_everything_about_its_replicas() {
    let file = parse(TWO);
    assert_eq!(file.metrics, Some("127.0.0.1:9121".parse().unwrap()));
    let [eu, us] = file.replicas.as_slice() else { panic!("two replicas") };
    assert_eq!((eu.flush, us.flush), (Flush::WhenNeeded, Flush::Never));
    assert_eq!((eu.options.spool_quota_mb, eu.options.lock_down, us.options.spool_quota_mb), (64, true, 4096));
    assert_eq!(eu.destination.password, Some(SecretPlace::Env("DEST_PASSWORD".into())));
    assert_eq!(eu.sources[0].id.as_deref(), Some("first"));
    assert_eq!(eu.sources[1].endpoint.endpoint.sentinel.as_deref(), Some("mymaster"));
    assert!(eu.sources[1].stopped);
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_its_field() {
    for (change, want) in [
        (("name = \"eu-cache\"", "nam = \"x\""), &["c.toml:5: ", "`nam`"][..]),
        (("lock_down = true", "lock_down = 3"), &["c.toml:11: ", "lock_down: ", "boolean"]),
        (("flush = \"when_needed\"", "flush = \"always\""), &["c.toml:8: ", "`when_needed`"]),
        (("redis://relay.example:7379/0", "http://h"), &["c.toml:15: ", "redis://"]),
        (("redis://relay.example:7379/0", "redis://dest.example:6380/1"), &["c.toml:15: ", "own source"]),
        (("name = \"s2\"", "name = \"s1\""), &["c.toml:18: ", "already called “s1”"]),
        (("name = \"us\"", "name = \"eu-cache\""), &["c.toml:24: ", "already called “eu-cache”"]),
        (("redis://[::1]", "redis://dest.example:6380"), &["c.toml:6: ", "already the destination of “us”"]),
        (("redis://[::1]", "redis://[::1]?compress=gzip"), &["c.toml:25: ", "for sources"]),
        (("id = \"first\"", "id = \"a b\""), &["c.toml:13: ", "an id has"]),
        (("[replica.options]", "[replica.options"), &["c.toml:9: "]),
        (("env = \"DEST_PASSWORD\"", "env = \"A\", file = \"/b\""), &["c.toml:7: ", "one place"]),
    ] {
        let error = wrong(&TWO.replacen(change.0, change.1, 1));
        assert!(want.iter().all(|part| error.contains(part)), "{change:?}: {error}");
    }
    let lonely = wrong("[[replica]]\nname = \"x\"\ndestination = \"redis://a\"\n");
    assert!(lonely.starts_with("c.toml:2: ") && lonely.contains("at least one source"), "{lonely}");
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    for change in [
        ("redis://relay.example:7379/0", "redis://:hunter2@h"),
        ("ann@dest.example", "ann:hunter2@dest.example"),
        ("{ env = \"DEST_PASSWORD\" }", "\"hunter2\""),
        ("{ file = \"/run/secrets/s1\" }", "{ hunter2 = 1 }"),
    ] {
        let error = wrong(&TWO.replacen(change.0, change.1, 1));
        assert!(!error.contains("hunter2") && error.contains("{ keyring = "), "{error}");
    }
}

#[test]
fn a_replica_and_its_sources_are_known_again_by_their_names() {
    let first = definitions(&plan(&parse(TWO), &[]).unwrap());
    assert_eq!(first[0].sources[0].id, "first");
    assert!(first[0].created_at < first[1].created_at);
    let moved = TWO.replace("relay.example", "elsewhere").replace("name = \"s2\"", "name = \"s3\"");
    let second = definitions(&plan(&parse(&moved), &first).unwrap());
    assert_eq!((&second[0].id, &second[1].id), (&first[0].id, &first[1].id));
    assert_eq!(second[0].sources[0].id, "first");
    assert_ne!(second[0].sources[1].id, first[0].sources[1].id, "another name is another source");
    assert_eq!(second[1].sources[0].id, first[1].sources[0].id);
}

#[test]
fn an_id_renames_and_a_name_of_another_identity_is_refused() {
    let first = definitions(&plan(&parse(TWO), &[]).unwrap());
    let by_id = TWO.replace("name = \"us\"", &format!("id = \"{}\"\nname = \"america\"", first[1].id));
    let renamed = plan(&parse(&by_id), &first).unwrap();
    assert_eq!((renamed[1].definition.id.as_str(), renamed[1].definition.name.as_str()), (&*first[1].id, "america"));
    let other = TWO.replace("name = \"us\"", "id = \"other\"\nname = \"us\"");
    let error = plan(&parse(&other), &first).unwrap_err().to_string();
    assert!(error.contains("another identity") && error.contains(&first[1].id), "{error}");
}

#[test]
fn what_was_written_is_read_as_the_same_definitions() {
    let first = definitions(&plan(&parse(TWO), &[]).unwrap());
    let text = write(&first);
    assert!(text.contains("destination_password = { env = \"DEST_PASSWORD\" }"), "{text}");
    assert!(text.contains("password = { keyring = \"account\" }"), "{text}");
    let again = definitions(&plan(&parse(&text), &[]).unwrap());
    assert_eq!(write(&again), text);
    let undated = |all: &[Definition]| -> Vec<Definition> {
        all.iter().map(|one| Definition { created_at: 0, ..one.clone() }).collect()
    };
    assert_eq!(undated(&again), undated(&first));
}

#[test]
fn tls_and_compression_are_kept_and_written_again() {
    let planned = plan(&parse(&secured()), &[]).unwrap();
    let secrets: Vec<_> = planned[0].secrets.iter().map(|secret| (secret.what, &secret.place)).collect();
    let (password, passphrase) = (SecretPlace::Keyring("d".into()), SecretPlace::Env("KEY".into()));
    assert_eq!(secrets, [("password", &password), ("key passphrase", &passphrase)]);
    let kept = definitions(&planned);
    let tls = kept[0].destination.tls.as_ref().unwrap();
    assert!(matches!(&tls.trust, TrustChoice::Certificate { pem } if pem.contains("BEGIN CERTIFICATE")));
    assert_eq!(tls.passphrase(), Some(&passphrase.credential()));
    let source = &kept[0].sources[0].endpoint;
    assert!(source.compression && source.tls.as_ref().is_some_and(|tls| tls.insecure));
    let text = write(&kept);
    assert!(text.contains("destination_key_passphrase = { env = \"KEY\" }"), "{text}");
    assert_eq!(write(&definitions(&plan(&parse(&text), &[]).unwrap())), text);
}

#[test]
fn a_passphrase_that_was_typed_for_one_run_is_looked_for_in_a_variable() {
    let mut kept = definitions(&plan(&parse(&secured()), &[]).unwrap());
    let identity = kept[0].destination.tls.as_mut().unwrap().identity.as_mut().unwrap();
    identity.passphrase = Some(Credential { reference: "r/destination/key".into(), place: Place::Memory });
    let text = write(&kept);
    assert!(text.contains("destination_key_passphrase = { env = \"TRIBUTARY_TLS_KEY_PASSPHRASE\" }"), "{text}");
}

#[test]
fn what_cannot_be_kept_of_tls_is_refused_at_its_line() {
    for (change, want) in [
        (("ca=/ca.pem", "ca=ca.pem"), &["c.toml:", "?ca= is a whole path"][..]),
        (("key=/k.pem", "key=~/k.pem"), &["c.toml:3: ", "?key= is a whole path"]),
        (("BEGIN CERTIFICATE", "BEGIN PRIVATE KEY"), &["c.toml:3: ", "certificate: ", "private key"]),
        (("BEGIN CERTIFICATE", "BEGIN"), &["c.toml:3: ", "certificate: ", "no certificate"]),
        (("destination = \"rediss", "destination = \"redis"), &["c.toml:3: ", "rediss://"]),
    ] {
        let error = wrong(&secured().replacen(change.0, change.1, 1));
        assert!(want.iter().all(|part| error.contains(part)), "{change:?}: {error}");
    }
}
