//! What a file means for the definitions that are kept: which of its replicas are known, and what each becomes.

use std::path::Path;

use super::{DeclarationError, Declarations, DeclaredEndpoint, DeclaredReplica, DeclaredSource, Flush, SecretPlace};
use crate::chain;
use crate::definition::{Definition, EndpointSecrets, Place, StoredEndpoint, StoredSource};
use crate::drafting::new_id;
use crate::drafting::tls::check_pem;
use crate::dto::{Intent, TrustChoice};
use crate::error::ConsoleError;
use crate::identities::Identities;
use crate::time::now_ms;
use crate::tls::StoredTls;

/// What one replica of a file becomes.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub definition: Definition,
    /// What is kept of it now.
    pub previous: Option<Definition>,
    pub flush: Flush,
    pub secrets: Vec<PlannedSecret>,
}

/// A secret that a replica needs.
#[derive(Debug, Clone)]
pub(crate) struct PlannedSecret {
    pub place: SecretPlace,
    /// What it is, as a message names it.
    pub what: &'static str,
    /// The line of the endpoint it belongs to.
    pub line: usize,
    /// That endpoint, as a message names it.
    pub owner: String,
}

/// Compares a file with what is kept. Nothing is changed.
///
/// # Errors
/// The first replica that cannot be, with its line.
pub(crate) fn plan(file: &Declarations, known: &[Definition]) -> Result<Vec<Planned>, DeclarationError> {
    let latest = known.iter().map(|definition| definition.created_at).max();
    // Definitions are listed by their age: those of a file stay in its order.
    let first = now_ms().max(latest.map_or(0, |at| at + 1));
    let mut planned: Vec<Planned> = Vec::with_capacity(file.replicas.len());
    for (replica, created_at) in file.replicas.iter().zip(first..) {
        let next = plan_one(file, replica, known, created_at)?;
        let wrong = |message: String| file.wrong(replica.line, message);
        if planned.iter().any(|other| other.definition.name == next.definition.name) {
            return Err(wrong(format!("another replica of this file is already called “{}”", next.definition.name)));
        }
        if planned.iter().any(|other| other.definition.id == next.definition.id) {
            return Err(wrong(format!("another replica of this file has the id {} as well", next.definition.id)));
        }
        planned.push(next);
    }
    let stay = known.iter().filter(|kept| planned.iter().all(|next| next.definition.id != kept.id));
    let of_file: Vec<Definition> = planned.iter().map(|next| next.definition.clone()).collect();
    let all: Vec<Definition> = stay.cloned().chain(of_file.iter().cloned()).collect();
    let identities = Identities::default();
    for (definition, replica) in of_file.iter().zip(&file.replicas) {
        let Err(error) = chain::check(definition, &all, &identities) else { continue };
        let mut wrong = told(file, replica, &error);
        if chain::check(definition, &of_file, &identities).is_ok() {
            wrong.message += " That one is kept and not in this file: `tributary export` shows its id, and a replica with \
                              that id takes its place";
        }
        return Err(wrong);
    }
    Ok(planned)
}

/// Keeps the secrets that were entered here where the file only says what a run without a window reads them from.
pub(crate) fn keep_entered(next: &mut Planned) {
    let Some(previous) = &next.previous else { return };
    let Planned { definition, secrets, .. } = next;
    let of_sources = definition.sources.iter_mut().filter_map(|source| {
        let known = previous.sources.iter().find(|known| known.id == source.id)?;
        Some((&mut source.endpoint, &known.endpoint))
    });
    for (now, before) in of_sources.chain([(&mut definition.destination, &previous.destination)]) {
        if now.address() != before.address() {
            continue;
        }
        let passphrase = before.tls.as_ref().and_then(StoredTls::passphrase);
        let ours = now.tls.as_mut().and_then(|tls| tls.identity.as_mut());
        for (now, before) in [(Some(&mut now.credential), before.credential.as_ref())]
            .into_iter()
            .chain([(ours.map(|identity| &mut identity.passphrase), passphrase)])
        {
            let (Some(Some(now)), Some(before)) = (now, before) else { continue };
            if now.place == Place::Memory && SecretPlace::was_entered(before) {
                let at = secrets.iter().position(|secret| secret.place.credential() == *now);
                at.map(|at| secrets.remove(at));
                now.clone_from(before);
            }
        }
    }
}

fn plan_one(
    file: &Declarations,
    replica: &DeclaredReplica,
    known: &[Definition],
    created_at: u64,
) -> Result<Planned, DeclarationError> {
    let previous = previous(replica, known).map_err(|message| file.wrong(replica.line, message))?;
    let id = match (previous, &replica.id) {
        (Some(kept), _) => kept.id.clone(),
        (None, Some(id)) => id.clone(),
        (None, None) => new_id(),
    };
    let mut secrets = Vec::new();
    let destination = stored(file, &replica.destination, &replica.name, &mut secrets)?;
    let mut sources: Vec<StoredSource> = Vec::with_capacity(replica.sources.len());
    for source in &replica.sources {
        let owner = format!("{}, source {}", replica.name, source.name);
        let endpoint = stored(file, &source.endpoint, &owner, &mut secrets)?;
        let id = id_of(source, previous);
        sources.push(StoredSource { id, name: source.name.clone(), endpoint, stopped: source.stopped });
    }
    let definition = Definition {
        id,
        name: replica.name.clone(),
        intent: previous.map_or(Intent::Stopped, |kept| kept.intent),
        created_at: previous.map_or(created_at, |kept| kept.created_at),
        options: replica.options.clone(),
        destination,
        sources,
    };
    let spec = definition.spec(|_, _| Ok::<_, ConsoleError>(EndpointSecrets::default()));
    let valid = spec.and_then(|spec| spec.validate().map_err(ConsoleError::from));
    valid.map_err(|error| told(file, replica, &error))?;
    Ok(Planned { definition, previous: previous.cloned(), flush: replica.flush, secrets })
}

/// What is kept of a replica: by its id, where the file says one, else by its name.
fn previous<'a>(replica: &DeclaredReplica, known: &'a [Definition]) -> Result<Option<&'a Definition>, String> {
    let namesake = known.iter().find(|kept| kept.name == replica.name);
    match (&replica.id, namesake) {
        (None, namesake) => Ok(namesake),
        (Some(id), Some(kept)) if kept.id != *id => Err(format!(
            "“{}” is kept under another identity: write id = \"{}\" to go on with it, or give this one another name",
            replica.name, kept.id
        )),
        (Some(id), _) => Ok(known.iter().find(|kept| kept.id == *id)),
    }
}

/// The same for a source, within its replica.
fn id_of(source: &DeclaredSource, previous: Option<&Definition>) -> String {
    let namesake = previous.and_then(|kept| kept.sources.iter().find(|known| known.name == source.name));
    let kept = || namesake.map(|known| known.id.clone());
    source.id.clone().or_else(kept).unwrap_or_else(new_id)
}

/// An endpoint as it is kept; its secrets are added to those of the replica.
fn stored(
    file: &Declarations,
    declared: &DeclaredEndpoint,
    owner: &str,
    secrets: &mut Vec<PlannedSecret>,
) -> Result<StoredEndpoint, DeclarationError> {
    let mut endpoint = StoredEndpoint::from(&declared.endpoint);
    if let Some(tls) = &endpoint.tls {
        check_tls(tls).map_err(|message| file.wrong(declared.line, message))?;
    }
    let owner = format!("“{owner}” ({})", declared.endpoint.address());
    let mut need = |place: &Option<SecretPlace>, what| {
        let place = place.as_ref()?;
        secrets.push(PlannedSecret { place: place.clone(), what, line: declared.line, owner: owner.clone() });
        Some(place.credential())
    };
    endpoint.credential = need(&declared.password, "password");
    if let Some(identity) = endpoint.tls.as_mut().and_then(|tls| tls.identity.as_mut()) {
        identity.passphrase = need(&declared.key_passphrase, "key passphrase");
    }
    Ok(endpoint)
}

/// What is kept must mean the same wherever Tributary is started from, and hold no secret. The files are not read: they may
/// be on another machine.
fn check_tls(tls: &StoredTls) -> Result<(), String> {
    let ca = match &tls.trust {
        TrustChoice::System => None,
        TrustChoice::File { path } => Some(("ca", path)),
        TrustChoice::Certificate { pem } => {
            check_pem(pem).map_err(|message| format!("certificate: {message}"))?;
            None
        }
    };
    let ours = tls.identity.iter().flat_map(|identity| [("cert", &identity.certificate), ("key", &identity.key)]);
    match ca.into_iter().chain(ours).find(|(_, path)| !Path::new(path).is_absolute()) {
        Some((name, _)) => Err(format!("?{name}= is a whole path, from / on")),
        None => Ok(()),
    }
}

/// A refusal by the field of a form, at the line of the file.
fn told(file: &Declarations, replica: &DeclaredReplica, error: &ConsoleError) -> DeclarationError {
    let field = match error {
        ConsoleError::Invalid { field, .. } | ConsoleError::Refused { field, .. } => field.as_str(),
        _ => "",
    };
    let index = field.strip_prefix("sources[").and_then(|rest| rest.split(']').next()?.parse::<usize>().ok());
    let source = index.and_then(|index| replica.sources.get(index)).map(|source| source.endpoint.line);
    let destination = field.starts_with("destination").then_some(replica.destination.line);
    file.wrong(source.or(destination).unwrap_or(replica.line), error.to_string())
}
