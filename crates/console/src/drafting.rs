//! From what a form holds to what is kept: every field checked, every password turned into a reference.

use std::collections::HashSet;

use tributary_engine::{Endpoint, Secret};

use crate::credentials::{CredentialError, Vault};
use crate::definition::{Credential, Definition, Place, StoredEndpoint, StoredSource};
use crate::dto::{EndpointDraft, Intent, PasswordDraft, ReplicaDraft, SourceDraft};
use crate::error::ConsoleError;
use crate::time::now_ms;

const LONGEST_NAME: usize = 80;

/// A checked draft.
pub(crate) struct Drafted {
    /// What would be kept.
    pub definition: Definition,
    /// The new passwords, each with the place it goes to.
    pub secrets: Vec<(Credential, Secret)>,
}

impl Drafted {
    /// The password of an endpoint: the new one, or the one that is kept.
    pub fn password(
        &self,
        vault: &Vault,
        endpoint: &StoredEndpoint,
        field: &str,
    ) -> Result<Option<Secret>, ConsoleError> {
        let Some(credential) = &endpoint.credential else { return Ok(None) };
        match self.secrets.iter().find(|(place, _)| place == credential) {
            Some((_, secret)) => Ok(Some(secret.clone())),
            None => kept_password(vault, endpoint, field),
        }
    }
}

/// The password that is kept for an endpoint.
pub(crate) fn kept_password(
    vault: &Vault,
    endpoint: &StoredEndpoint,
    field: &str,
) -> Result<Option<Secret>, ConsoleError> {
    let Some(credential) = &endpoint.credential else { return Ok(None) };
    let place = Some(format!("{field}.password"));
    vault
        .get(credential, &endpoint.address())
        .map(Some)
        .map_err(|error: CredentialError| ConsoleError::Credential { field: place, error })
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
    let kept = previous.and_then(|definition| definition.destination.credential.as_ref());
    let account = format!("{id}/destination");
    let destination = check_endpoint(&draft.destination, "destination", kept, account, &mut secrets)?;
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
    definition.spec(|_, _| Ok::<_, ConsoleError>(None))?.validate()?;
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
    let kept = known.and_then(|source| source.endpoint.credential.as_ref());
    let endpoint = check_endpoint(&draft.endpoint, field, kept, format!("{replica}/{id}"), secrets)?;
    Ok(StoredSource { id, name, endpoint, stopped: known.is_some_and(|source| source.stopped) })
}

fn check_endpoint(
    draft: &EndpointDraft,
    field: &str,
    kept: Option<&Credential>,
    account: String,
    secrets: &mut Vec<(Credential, Secret)>,
) -> Result<StoredEndpoint, ConsoleError> {
    let mut endpoint = address_of(draft, field)?;
    endpoint.credential = match &draft.password {
        PasswordDraft::None => None,
        PasswordDraft::Keep => kept.cloned(),
        PasswordDraft::Set { value, this_run_only } => {
            let secret = check_password(value, field)?;
            let place = if *this_run_only { Place::Memory } else { Place::Keyring };
            let credential = Credential { reference: account, place };
            secrets.push((credential.clone(), secret));
            Some(credential)
        }
    };
    Ok(endpoint)
}

/// The endpoint of a form without its password.
fn address_of(draft: &EndpointDraft, field: &str) -> Result<StoredEndpoint, ConsoleError> {
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
    Ok(StoredEndpoint {
        host: host.to_owned(),
        port: draft.port,
        sentinel,
        tls: draft.tls,
        username: draft.username.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned),
        db: draft.db,
        credential: None,
    })
}

fn check_password(value: &str, field: &str) -> Result<Secret, ConsoleError> {
    if value.is_empty() {
        let message = "Enter the password, or choose that there is none.";
        return Err(ConsoleError::invalid(format!("{field}.password"), message));
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

/// The endpoint of a form as the engine takes it. `kept` is what is kept for it now.
pub(crate) fn endpoint(
    draft: &EndpointDraft,
    field: &str,
    kept: Option<&StoredEndpoint>,
    vault: &Vault,
) -> Result<Endpoint, ConsoleError> {
    let address = address_of(draft, field)?;
    let password = match &draft.password {
        PasswordDraft::None => None,
        PasswordDraft::Keep => match kept {
            Some(endpoint) => kept_password(vault, endpoint, field)?,
            None => None,
        },
        PasswordDraft::Set { value, .. } => Some(check_password(value, field)?),
    };
    Ok(address.with_password(password))
}

/// A pasted URL as the fields of a form.
pub(crate) fn parse_url(url: &str) -> Result<EndpointDraft, ConsoleError> {
    let endpoint = Endpoint::parse(url)?;
    let password = match endpoint.password {
        Some(secret) => PasswordDraft::Set { value: secret.expose().to_owned(), this_run_only: false },
        None => PasswordDraft::None,
    };
    Ok(EndpointDraft {
        host: endpoint.host,
        port: endpoint.port,
        sentinel: endpoint.sentinel,
        tls: endpoint.tls.is_some(),
        username: endpoint.username,
        db: endpoint.db,
        password,
    })
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
            tls: false,
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
        let cases: [(&str, Spoil); 9] = [
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

    #[test]
    fn a_pasted_url_fills_every_field() {
        let draft = parse_url("rediss://ann:s3cret@db.example:7000/4").unwrap();
        assert_eq!((draft.host.as_str(), draft.port, draft.tls, draft.db), ("db.example", 7000, true, Some(4)));
        assert_eq!(draft.password, PasswordDraft::Set { value: "s3cret".into(), this_run_only: false });
        let error: ApiError = parse_url("http://x").err().unwrap().into();
        assert_eq!((error.code.as_str(), error.field.as_deref()), ("invalid", Some("url")));
    }
}
