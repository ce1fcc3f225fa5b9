//! Definitions as the text of a file.

use std::collections::HashSet;
use std::fmt::Write;

use tributary_engine::{Endpoint, Trust};

use super::SecretPlace;
use crate::definition::{Definition, StoredEndpoint};
use crate::dto::{ExpiryChoice, ReplicaOptions};
use crate::tls::StoredTls;

const HEAD: &str = "\
# Replicas of Tributary, without secrets. `tributary import` and the window take them in; `tributary run` runs them.
";

/// The text of a file that declares these definitions.
pub(crate) fn write(definitions: &[Definition]) -> String {
    let (mut text, mut taken) = (HEAD.to_owned(), HashSet::new());
    for definition in definitions {
        text.push_str("\n[[replica]]\n");
        line(&mut text, "id", quoted(&definition.id));
        line(&mut text, "name", quoted(&definition.name));
        endpoint(&mut text, &definition.destination, &definition.name, ("destination", "destination_"), &mut taken);
        text.push_str("\n[replica.options]\n");
        options(&mut text, &definition.options);
        for source in &definition.sources {
            text.push_str("\n[[replica.source]]\n");
            line(&mut text, "id", quoted(&source.id));
            line(&mut text, "name", quoted(&source.name));
            let owner = format!("{} {}", definition.name, source.name);
            endpoint(&mut text, &source.endpoint, &owner, ("url", ""), &mut taken);
            if source.stopped {
                line(&mut text, "stopped", "true");
            }
        }
    }
    text
}

/// Writing to a string cannot fail.
fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{name} = {value}");
}

fn quoted(value: &str) -> String {
    toml::Value::from(value).to_string()
}

fn endpoint(
    text: &mut String,
    stored: &StoredEndpoint,
    owner: &str,
    (url, prefix): (&str, &str),
    taken: &mut HashSet<String>,
) {
    let endpoint: Endpoint = stored.bare();
    line(text, url, quoted(&endpoint.url()));
    if let Some(Trust::Certificate(pem)) = endpoint.tls.as_ref().map(|tls| &tls.trust) {
        line(text, &format!("{prefix}certificate"), block(pem));
    }
    if let Some(credential) = &stored.credential {
        line(text, &format!("{prefix}password"), SecretPlace::of(credential, &format!("{owner} password"), taken));
    }
    if let Some(credential) = stored.tls.as_ref().and_then(StoredTls::passphrase) {
        let place = SecretPlace::of(credential, &format!("{owner} key passphrase"), taken);
        line(text, &format!("{prefix}key_passphrase"), place);
    }
}

/// A certificate line by line, where it holds nothing that a literal text could not.
fn block(pem: &str) -> String {
    if pem.contains("'''") || pem.contains(|c: char| c.is_control() && c != '\n') {
        return quoted(pem);
    }
    format!("'''\n{pem}'''")
}

fn options(text: &mut String, options: &ReplicaOptions) {
    let ReplicaOptions {
        spool_quota_mb,
        expiry,
        ask_before_resync,
        lock_down,
        drop_field_expiry,
        skip_module_keys,
        skip_functions,
    } = options;
    line(text, "spool_quota_mb", spool_quota_mb);
    let expiry = match expiry {
        ExpiryChoice::FollowSource => "follow_source",
        ExpiryChoice::Exact => "exact",
    };
    line(text, "expiry", quoted(expiry));
    line(text, "ask_before_resync", ask_before_resync);
    line(text, "lock_down", lock_down);
    line(text, "drop_field_expiry", drop_field_expiry);
    line(text, "skip_module_keys", skip_module_keys);
    line(text, "skip_functions", skip_functions);
}
