//! Which replica this is: the name under which its checkpoints are found again in the destination.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tributary_engine::{Endpoint, ReplicaOptions, ReplicaSpec, SourceSpec};

/// What the state folder keeps.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    replica: String,
    /// Those that were given last, in their order, then those of before.
    sources: Vec<Known>,
}

/// A source that was given before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
struct Known {
    id: String,
    /// Where it was last; unknown in a file of an earlier version.
    address: Option<String>,
}

/// A source in the file: earlier versions wrote the ID alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Id(String),
    Known { id: String, address: Option<String> },
}

impl From<Written> for Known {
    fn from(written: Written) -> Self {
        match written {
            Written::Id(id) => Self { id, address: None },
            Written::Known { id, address } => Self { id, address },
        }
    }
}

impl Known {
    fn is_at(&self, endpoint: &Endpoint) -> bool {
        self.address.as_ref().map_or_else(|| self.id == name(endpoint), |address| *address == endpoint.address())
    }
}

/// The definition that the command line stands for.
///
/// # Errors
/// When it is impossible, or the state folder cannot be used.
pub fn spec(sources: Vec<Endpoint>, destination: Endpoint, state: Option<&Path>) -> Result<ReplicaSpec, String> {
    let path = state.map(|dir| dir.join("replica.json"));
    let mut kept = match &path {
        Some(path) => read(path)?,
        None => None,
    }
    .unwrap_or_else(|| State { replica: name(&destination), sources: Vec::new() });
    kept.sources = identified(&sources, &kept.sources);
    let sources = sources.into_iter().zip(&kept.sources).map(|(endpoint, known)| SourceSpec {
        id: known.id.clone(),
        name: endpoint.address(),
        endpoint,
        stopped: false,
    });
    let (sources, name, options) = (sources.collect(), destination.address(), ReplicaOptions::default());
    let spec = ReplicaSpec { id: kept.replica.clone(), name, sources, destination, options };
    // What cannot run leaves the file as it was.
    spec.validate().map_err(|error| error.sentence)?;
    if let Some(path) = &path {
        write(path, &kept)?;
    }
    Ok(spec)
}

/// Without a state folder the addresses are the identity.
fn name(endpoint: &Endpoint) -> String {
    endpoint.address().replace(':', "-")
}

/// Who the sources are, in their order, then all others that are known. One at an address that is known is the one that
/// was there, wherever it stands now; at another address it is the one that stood in its place, with a new name of its
/// host, or else a new one.
fn identified(sources: &[Endpoint], known: &[Known]) -> Vec<Known> {
    let mut left: Vec<Option<&Known>> = Vec::with_capacity(known.len());
    for (index, one) in known.iter().enumerate() {
        // An earlier version may have written an ID twice.
        let again = known.iter().take(index).any(|earlier| earlier.id == one.id);
        left.push((!again).then_some(one));
    }
    let mut ids: Vec<Option<String>> = Vec::with_capacity(sources.len());
    for endpoint in sources {
        let there = left.iter_mut().find(|one| one.is_some_and(|known| known.is_at(endpoint)));
        ids.push(there.and_then(Option::take).map(|known| known.id.clone()));
    }
    for (id, place) in ids.iter_mut().zip(&mut left).filter(|(id, _)| id.is_none()) {
        *id = place.take().map(|known| known.id.clone());
    }
    let others: Vec<Known> = left.into_iter().flatten().cloned().collect();
    let mut identified: Vec<Known> = Vec::with_capacity(sources.len());
    for (index, endpoint) in sources.iter().enumerate() {
        let taken = |id: &str| {
            ids.iter().flatten().any(|other| other == id)
                || others.iter().chain(&identified).any(|other| other.id == id)
        };
        let id = match ids.get(index).cloned().flatten() {
            Some(id) => id,
            None => unused(&name(endpoint), taken),
        };
        identified.push(Known { id, address: Some(endpoint.address()) });
    }
    identified.extend(others);
    identified
}

/// This name, with a number where it is taken.
fn unused(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2u32..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|id| !taken(id)).unwrap_or_default()
}

/// The identity that the file keeps; `None` when there is no file.
fn read(path: &Path) -> Result<Option<State>, String> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| failed("cannot understand", path, &e)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("cannot read", path, &error)),
    }
}

fn write(path: &Path, state: &State) -> Result<(), String> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|e| failed("cannot create the folder of", path, &e))?;
    }
    let text = serde_json::to_vec_pretty(state).map_err(|e| failed("cannot write", path, &e))?;
    // Written beside and renamed, so that a crash leaves the old file or the new one.
    let beside = path.with_extension("new");
    let written = fs::File::create(&beside).and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&beside, path)).map_err(|e| failed("cannot write", path, &e))
}

fn failed(what: &str, path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{what} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_keeps_the_identity_when_the_hosts_are_renamed() {
        let dir = std::env::temp_dir().join(format!("tributary-identity-{}", std::process::id()));
        let at = |url: &str| Endpoint::parse(url).unwrap();
        let first = spec(vec![at("redis://a:1")], at("redis://b:2"), Some(&dir)).unwrap();
        let renamed = spec(vec![at("redis://c:3"), at("redis://d:4")], at("redis://e:5"), Some(&dir)).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!((first.id.as_str(), first.sources[0].id.as_str()), ("b-2", "a-1"));
        assert_eq!((renamed.id.as_str(), renamed.sources[0].id.as_str()), ("b-2", "a-1"));
        assert_eq!(renamed.sources[1].id, "d-4");
    }
    fn known(id: &str, address: Option<&str>) -> Known {
        Known { id: id.into(), address: address.map(str::to_owned) }
    }

    fn ids(urls: &[&str], before: &[Known]) -> Vec<String> {
        let sources: Vec<Endpoint> = urls.iter().map(|url| Endpoint::parse(url).unwrap()).collect();
        identified(&sources, before).into_iter().map(|known| known.id).collect()
    }

    #[test]
    fn a_source_keeps_its_identity_wherever_it_stands_and_a_new_one_gets_its_own() {
        let a = [known("a-1", Some("a:1"))];
        assert_eq!(ids(&["redis://b:2", "redis://a:1"], &a), ["b-2", "a-1"]);
        let both = [known("a-1", Some("a:1")), known("b-2", Some("b:2"))];
        assert_eq!(ids(&["redis://b:2", "redis://a:1"], &both), ["b-2", "a-1"]);
        // Not given now, and known when it is given again.
        assert_eq!(ids(&["redis://b:2"], &both), ["b-2", "a-1"]);
        // A host with a new name, and a new source where it was before.
        let moved = [known("a-1", Some("c:3"))];
        assert_eq!(ids(&["redis://c:3", "redis://a:1"], &moved), ["a-1", "a-1-2"]);
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read_also_where_it_names_one_twice() {
        let state: State = serde_json::from_str(r#"{"replica":"r","sources":["a-1","a-1"]}"#).unwrap();
        assert_eq!(state.sources, [known("a-1", None), known("a-1", None)]);
        assert_eq!(ids(&["redis://b:2", "redis://a:1"], &state.sources), ["b-2", "a-1"]);
        let text = serde_json::to_string(&known("a-1", Some("a:1"))).unwrap();
        assert_eq!(serde_json::from_str::<Known>(&text).unwrap(), known("a-1", Some("a:1")));
    }

    #[test]
    fn what_cannot_run_leaves_the_file_as_it_was() {
        let dir = std::env::temp_dir().join(format!("tributary-identity-refused-{}", std::process::id()));
        let at = |url: &str| Endpoint::parse(url).unwrap();
        spec(vec![at("redis://a:1")], at("redis://b:2"), Some(&dir)).unwrap();
        let before = fs::read(dir.join("replica.json")).unwrap();
        spec(vec![at("redis://a:1"), at("redis://b:2")], at("redis://b:2"), Some(&dir)).unwrap_err();
        let after = fs::read(dir.join("replica.json")).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(before, after);
    }
}
