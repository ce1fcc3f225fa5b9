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
    /// IDs of the sources, in the order in which they were given.
    sources: Vec<String>,
}

/// The definition that the command line stands for.
///
/// # Errors
/// When the state folder cannot be used.
pub fn spec(sources: Vec<Endpoint>, destination: Endpoint, state: Option<&Path>) -> Result<ReplicaSpec, String> {
    let derived = State { replica: name(&destination), sources: sources.iter().map(name).collect() };
    let state = match state {
        None => derived,
        Some(dir) => kept(dir, derived)?,
    };
    let sources = sources.into_iter().zip(state.sources).map(|(endpoint, id)| SourceSpec {
        id,
        name: endpoint.address(),
        endpoint,
        stopped: false,
    });
    let (sources, name, options) = (sources.collect(), destination.address(), ReplicaOptions::default());
    Ok(ReplicaSpec { id: state.replica, name, sources, destination, options })
}

/// Without a state folder the addresses are the identity.
fn name(endpoint: &Endpoint) -> String {
    endpoint.address().replace(':', "-")
}

/// The identity that the folder keeps; the derived one is kept when it is new. More sources than before get their own.
fn kept(dir: &Path, derived: State) -> Result<State, String> {
    let path = dir.join("replica.json");
    let fail = |what: &str, error: &dyn std::fmt::Display| format!("{what} {}: {error}", path.display());
    fs::create_dir_all(dir).map_err(|e| fail("cannot create the folder of", &e))?;
    let mut state: State = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| fail("cannot understand", &e))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            State { replica: derived.replica, sources: Vec::new() }
        }
        Err(error) => return Err(fail("cannot read", &error)),
    };
    let missing = derived.sources.into_iter().skip(state.sources.len());
    state.sources.extend(missing);
    let text = serde_json::to_vec_pretty(&state).map_err(|e| fail("cannot write", &e))?;
    // Written beside and renamed, so that a crash leaves the old file or the new one.
    let beside = path.with_extension("new");
    let written = fs::File::create(&beside).and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&beside, &path)).map_err(|e| fail("cannot write", &e))?;
    Ok(state)
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
}
