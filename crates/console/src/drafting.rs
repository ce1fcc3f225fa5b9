//! From what a form holds to what is kept: every field checked, every secret turned into a reference.

pub(crate) mod tls;
mod url;

pub(crate) use url::parse_url;

use std::collections::HashSet;

use tributary_engine::{Endpoint, Secret};

use crate::credentials::{CredentialError, Vault};
use crate::definition::{Credential, Definition, EndpointSecrets, Place, StoredEndpoint, StoredSource};
use crate::dto::{EndpointDraft, EndpointRole, IdentityDraft, Intent, PasswordDraft, ReplicaDraft, SourceDraft};
use crate::error::ConsoleError;
use crate::time::now_ms;
use crate::tls::StoredTls;

const LONGEST_NAME: usize = 80;
/// Fields of an endpoint that hold secrets.
pub(crate) const PASSWORD: &str = "password";
pub(crate) const PASSPHRASE: &str = "tls.identity.passphrase";

/// A checked draft.
pub(crate) struct Drafted {
    /// What would be kept.
    pub definition: Definition,
    /// The new passwords and passphrases, each with the place it goes to.
    pub secrets: Vec<(Credential, Secret)>,
}

impl Drafted {
    /// The secrets of an endpoint: the new ones, or those that are kept.
    pub fn secrets(
        &self,
        vault: &Vault,
        endpoint: &StoredEndpoint,
        field: &str,
    ) -> Result<EndpointSecrets, ConsoleError> {
        look_up(endpoint, field, |credential, of| self.find(vault, credential, of))
    }

    /// Reads the files that TLS needs, so that a mistake is told beside its field and not by a link that fails.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn check_files(&self, vault: &Vault) -> Result<(), ConsoleError> {
        self.definition.endpoints().try_for_each(|(endpoint, field)| {
            tls::check_files(endpoint, &field, |credential| self.find(vault, credential, ""))
        })
    }

    fn find(&self, vault: &Vault, credential: &Credential, of: &str) -> Result<Secret, CredentialError> {
        find(&self.secrets, vault, credential, of)
    }
}

/// A new secret, or the one that is kept.
fn find(
    new: &[(Credential, Secret)],
    vault: &Vault,
    credential: &Credential,
    of: &str,
) -> Result<Secret, CredentialError> {
    match new.iter().find(|(place, _)| place == credential) {
        Some((_, secret)) => Ok(secret.clone()),
        None => vault.get(credential, of),
    }
}

/// The secrets that are kept for an endpoint.
pub(crate) fn kept_secrets(
    vault: &Vault,
    endpoint: &StoredEndpoint,
    field: &str,
) -> Result<EndpointSecrets, ConsoleError> {
    look_up(endpoint, field, |credential, of| vault.get(credential, of))
}

fn look_up(
    endpoint: &StoredEndpoint,
    field: &str,
    get: impl Fn(&Credential, &str) -> Result<Secret, CredentialError>,
) -> Result<EndpointSecrets, ConsoleError> {
    let address = endpoint.address();
    let found = |credential: Option<&Credential>, place: &str, of: &str| {
        let found = credential.map(|credential| get(credential, of)).transpose();
        found.map_err(|error| ConsoleError::Credential { field: Some(format!("{field}.{place}")), error })
    };
    let passphrase = endpoint.tls.as_ref().and_then(StoredTls::passphrase);
    Ok(EndpointSecrets {
        password: found(endpoint.credential.as_ref(), PASSWORD, &address)?,
        key_passphrase: found(passphrase, PASSPHRASE, &format!("the client key of {address}"))?,
    })
}

/// Checks a draft. `previous` is what is kept now when an existing replica is edited; `names` are those of the others.
pub(crate) fn check(
    draft: &ReplicaDraft,
    previous: Option<&Definition>,
    names: &[String],
) -> Result<Drafted, ConsoleError> {
    let id = previous.map_or_else(new_id, |definition| definition.id.clone());
    let mut secrets = Vec::new();
    let name = check_name(&draft.name, "name", "Give the replica a name.")?;
    if names.contains(&name) {
        return Err(ConsoleError::invalid("name", format!("There is already a replica “{name}”.")));
    }
    let destination = Form {
        draft: &draft.destination,
        role: EndpointRole::Destination,
        field: "destination",
        kept: previous.map(|definition| &definition.destination),
    };
    let destination = destination.keep(&format!("{id}/destination"), &mut secrets)?;
    let mut sources = Vec::with_capacity(draft.sources.len());
    let mut seen = HashSet::new();
    for (index, source) in draft.sources.iter().enumerate() {
        let field = format!("sources[{index}]");
        let checked = check_source(source, &field, &id, previous, &mut secrets)?;
        if !seen.insert(checked.name.clone()) {
            let message = format!("Another source is already called “{}”.", checked.name);
            return Err(ConsoleError::invalid(format!("{field}.name"), message));
        }
        sources.push(checked);
    }
    let intent = previous.map_or(Intent::Stopped, |definition| definition.intent);
    let created_at = previous.map_or_else(now_ms, |definition| definition.created_at);
    let options = draft.options.clone();
    let definition = Definition { id, name, intent, created_at, options, destination, sources };
    definition.spec(|_, _| Ok::<_, ConsoleError>(EndpointSecrets::default()))?.validate()?;
    Ok(Drafted { definition, secrets })
}

fn check_source(
    draft: &SourceDraft,
    field: &str,
    replica: &str,
    previous: Option<&Definition>,
    secrets: &mut Vec<(Credential, Secret)>,
) -> Result<StoredSource, ConsoleError> {
    let known = draft.id.as_ref().and_then(|id| previous?.sources.iter().find(|source| source.id == *id));
    let id = known.map_or_else(new_id, |source| source.id.clone());
    let name = check_name(&draft.name, &format!("{field}.name"), "Give the source a name.")?;
    let kept = known.map(|source| &source.endpoint);
    let form = Form { draft: &draft.endpoint, role: EndpointRole::Source, field, kept };
    let endpoint = form.keep(&format!("{replica}/{id}"), secrets)?;
    Ok(StoredSource { id, name, endpoint, stopped: known.is_some_and(|source| source.stopped) })
}

/// One endpoint of a form.
pub(crate) struct Form<'a> {
    pub draft: &'a EndpointDraft,
    pub role: EndpointRole,
    /// Where it is in the form.
    pub field: &'a str,
    /// What is kept for it now.
    pub kept: Option<&'a StoredEndpoint>,
}

impl Form<'_> {
    /// As it is kept, with its secrets under `account`; new ones are added to `secrets`.
    fn keep(&self, account: &str, secrets: &mut Vec<(Credential, Secret)>) -> Result<StoredEndpoint, ConsoleError> {
        let mut endpoint = address_of(self.draft, self.role, self.field)?;
        let mut choose = |draft: &PasswordDraft, place: &str, kept: Option<&Credential>, reference: String| {
            Ok::<_, ConsoleError>(match draft {
                PasswordDraft::None => None,
                PasswordDraft::Keep => kept.cloned(),
                PasswordDraft::Set { value, this_run_only } => {
                    let secret = check_secret(value, &format!("{}.{place}", self.field))?;
                    let place = if *this_run_only { Place::Memory } else { Place::Keyring };
                    let credential = Credential { reference, place };
                    secrets.push((credential.clone(), secret));
                    Some(credential)
                }
            })
        };
        let kept = self.kept.and_then(|kept| kept.credential.as_ref());
        endpoint.credential = choose(&self.draft.password, PASSWORD, kept, account.to_owned())?;
        if let (Some(tls), Some(draft)) = (&mut endpoint.tls, identity(self.draft))
            && let Some(identity) = &mut tls.identity
        {
            let kept = self.kept.and_then(|kept| kept.tls.as_ref()?.passphrase());
            identity.passphrase = choose(&draft.passphrase, PASSPHRASE, kept, format!("{account}/key"))?;
        }
        Ok(endpoint)
    }

    /// As the engine takes it, for a single use: nothing is kept.
    ///
    /// # Errors
    /// When a field is wrong, or what is kept cannot be read.
    pub(crate) fn endpoint(&self, vault: &Vault) -> Result<Endpoint, ConsoleError> {
        let mut secrets = Vec::new();
        let drafted = self.keep("", &mut secrets)?;
        let found = look_up(&drafted, self.field, |credential, of| find(&secrets, vault, credential, of))?;
        tls::check_files(&drafted, self.field, |credential| find(&secrets, vault, credential, ""))?;
        Ok(drafted.with(found))
    }
}

fn identity(draft: &EndpointDraft) -> Option<&IdentityDraft> {
    draft.tls.as_ref()?.identity.as_ref()
}

/// The endpoint of a form without its secrets.
fn address_of(draft: &EndpointDraft, role: EndpointRole, field: &str) -> Result<StoredEndpoint, ConsoleError> {
    let host = draft.host.trim().trim_start_matches('[').trim_end_matches(']');
    let invalid = |part: &str, message: &str| Err(ConsoleError::invalid(format!("{field}.{part}"), message));
    if host.is_empty() {
        return invalid("host", "Enter a host name or an address.");
    }
    if host.contains(|c: char| c.is_whitespace() || "/@?#".contains(c)) {
        return invalid("host", "A host name has no spaces and none of / @ ? #. Paste a whole URL in the URL field.");
    }
    if draft.port == 0 {
        return invalid("port", "The port is a number from 1 to 65535.");
    }
    let sentinel = draft.sentinel.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    if sentinel.is_none() && host.contains(',') {
        return invalid("host", "More than one host is for Sentinels: name the master that they watch as well.");
    }
    tls::check_compression(draft, role, field)?;
    Ok(StoredEndpoint {
        host: host.to_owned(),
        port: draft.port,
        sentinel,
        tls: draft.tls.as_ref().map(|draft| tls::stored(draft, field)).transpose()?,
        compression: draft.compression,
        username: draft.username.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned),
        db: draft.db,
        credential: None,
    })
}

fn check_secret(value: &str, field: &str) -> Result<Secret, ConsoleError> {
    if value.is_empty() {
        let what = if field.ends_with(PASSPHRASE) { "passphrase" } else { "password" };
        return Err(ConsoleError::invalid(field, format!("Enter the {what}, or choose that there is none.")));
    }
    Ok(Secret::new(value.to_owned()))
}

pub(crate) fn check_name(name: &str, field: &str, missing: &str) -> Result<String, ConsoleError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(ConsoleError::invalid(field, missing));
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(ConsoleError::invalid(field, format!("A name has at most {LONGEST_NAME} characters.")));
    }
    Ok(name.to_owned())
}

pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dto::ApiError;

    fn endpoint_draft(host: &str) -> EndpointDraft {
        let password = PasswordDraft::Set { value: "hunter2".into(), this_run_only: false };
        EndpointDraft {
            host: host.into(),
            port: 6379,
            sentinel: None,
            tls: None,
            compression: false,
            username: Some(" ".into()),
            db: None,
            password,
        }
    }

    fn draft() -> ReplicaDraft {
        let source =
            |name: &str, host: &str| SourceDraft { id: None, name: name.into(), endpoint: endpoint_draft(host) };
        ReplicaDraft {
            name: " sessions ".into(),
            destination: endpoint_draft("d"),
            sources: vec![source("a", "s1"), source("b", "s2")],
            options: crate::dto::ReplicaOptions::default(),
        }
    }

    fn refusal(draft: &ReplicaDraft) -> (String, Option<String>) {
        let error: ApiError = check(draft, None, &["taken".into()]).err().unwrap().into();
        (error.code, error.field)
    }

    #[test]
    fn a_definition_holds_references_and_no_password() {
        let drafted = check(&draft(), None, &[]).unwrap();
        assert_eq!(drafted.definition.name, "sessions");
        assert_eq!(drafted.definition.destination.username, None);
        assert_eq!(drafted.secrets.len(), 3);
        let view = serde_json::to_string(&drafted.definition.view()).unwrap();
        assert!(!format!("{:?}{view}", drafted.definition).contains("hunter2"));
        assert!(!format!("{:?}{:?}", draft(), drafted.secrets).contains("hunter2"));
    }

    #[test]
    fn every_mistake_is_reported_at_its_field() {
        type Spoil = fn(&mut ReplicaDraft);
        let cases: [(&str, Spoil); 10] = [
            ("destination.compression", |d| d.destination.compression = true),
            ("name", |d| d.name = "  ".into()),
            ("name", |d| d.name = "taken".into()),
            ("destination.host", |d| d.destination.host = "redis://x".into()),
            ("destination.port", |d| d.destination.port = 0),
            ("sources[1].host", |d| d.sources[1].endpoint.host = String::new()),
            ("sources[1].name", |d| d.sources[1].name = "a".into()),
            ("sources[0].host", |d| d.sources[0].endpoint.host = "d".into()),
            ("sources", |d| d.sources.clear()),
            ("sources[0].password", |d| {
                d.sources[0].endpoint.password = PasswordDraft::Set { value: String::new(), this_run_only: true };
            }),
        ];
        for (field, spoil) in cases {
            let mut draft = draft();
            spoil(&mut draft);
            assert_eq!(refusal(&draft), ("invalid".into(), Some(field.into())));
        }
    }

    #[test]
    fn editing_keeps_ids_and_the_passwords_that_were_not_touched() {
        let before = check(&draft(), None, &[]).unwrap().definition;
        let mut edited = draft();
        edited.destination.password = PasswordDraft::Keep;
        edited.sources[0].id = Some(before.sources[0].id.clone());
        edited.sources[0].endpoint.password = PasswordDraft::None;
        let after = check(&edited, Some(&before), &[]).unwrap();
        assert_eq!(after.definition.id, before.id);
        assert_eq!(after.definition.destination, before.destination);
        assert_eq!(after.definition.sources[0].id, before.sources[0].id);
        assert_eq!(after.definition.sources[0].endpoint.credential, None);
        assert_ne!(after.definition.sources[1].id, before.sources[1].id);
    }
}
