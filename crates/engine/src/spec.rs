use crate::expiry::ExpiryPolicy;
use crate::{Downstream, Endpoint, SpoolSpec};

/// The most sources of one replica.
pub const MAX_SOURCES: usize = 32;

/// One database to copy from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// Identity that stays when the source is renamed or moved; part of the checkpoint's key.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Stopped by the user: its data and its checkpoint stay, and it is not followed. A load of all takes it along where it
    /// had data, and then stops it again.
    pub stopped: bool,
}

/// How a replica is run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplicaOptions {
    /// Where the spools may be on disk; without it they stay in memory.
    pub spool: Option<SpoolSpec>,
    /// What is done with expiries.
    pub expiry: ExpiryPolicy,
    /// A full resync that becomes necessary stops the replica, so that the user is asked first.
    pub ask_before_resync: bool,
    /// Goes on behind a command that failed in an earlier run, once.
    pub skip_failed: bool,
    /// Begins paused.
    pub paused: bool,
    /// Makes the other users of the destination read-only while it runs.
    pub lock_down: bool,
    /// What the destination feeds through other replicas.
    pub downstream: Downstream,
    /// What becomes of data that the destination cannot hold.
    pub unsupported: Unsupported,
}

/// What the user has agreed to lose where the destination cannot hold it. Without that it stops the sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unsupported {
    /// Fields of hashes that expire are kept without their expiry.
    pub drop_field_expiry: bool,
    /// Keys of modules that the destination does not have are left out.
    pub skip_module_keys: bool,
    /// Function libraries are left out.
    pub skip_functions: bool,
}

/// One destination and its sources: all that the engine needs to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSpec {
    /// Identity of the replica; part of the checkpoint's key.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// The database written to.
    pub destination: Endpoint,
    /// 1 to [`MAX_SOURCES`] databases to copy from.
    pub sources: Vec<SourceSpec>,
    /// How it is run.
    pub options: ReplicaOptions,
}

/// What is wrong with a definition, and at which field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct SpecError {
    /// The field, such as `sources[1].host`.
    pub field: String,
    /// What the user reads.
    pub sentence: String,
}

impl ReplicaSpec {
    /// Checks what can be known without a connection.
    ///
    /// # Errors
    /// The first thing that makes the definition impossible.
    pub fn validate(&self) -> Result<(), SpecError> {
        let fail = |field: String, sentence: String| Err(SpecError { field, sentence });
        if self.sources.is_empty() {
            return fail("sources".into(), "Name at least one source.".into());
        }
        if self.sources.len() > MAX_SOURCES {
            let sentence =
                format!("A replica takes at most {MAX_SOURCES} sources; this one has {}.", self.sources.len());
            return fail("sources".into(), sentence);
        }
        for (i, source) in self.sources.iter().enumerate() {
            let address = source.endpoint.address();
            if source.endpoint.same_database(&self.destination) {
                let sentence = format!("{address} is the destination itself: a database cannot be its own source.");
                return fail(format!("sources[{i}].host"), sentence);
            }
            let earlier = self.sources.iter().take(i).find(|other| other.endpoint.same_database(&source.endpoint));
            if let Some(other) = earlier {
                let sentence = format!("{address} is already a source, as “{}”.", other.name);
                return fail(format!("sources[{i}].host"), sentence);
            }
            // Each has a checkpoint of its own.
            if let Some(other) = self.sources.iter().take(i).find(|other| other.id == source.id) {
                let sentence = format!(
                    "{address} would be taken for “{}”, which goes by the same identity: keep the order in which sources were \
                     named before.",
                    other.name
                );
                return fail(format!("sources[{i}].host"), sentence);
            }
            if let (Some(db), None) = (self.destination.db, source.endpoint.db) {
                let sentence =
                    format!("The destination is the one database {db}: say which database of {address} goes there.");
                return fail(format!("sources[{i}].db"), sentence);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(destination: &str, sources: &[&str]) -> ReplicaSpec {
        let source = |(i, url): (usize, &&str)| SourceSpec {
            id: format!("s{i}"),
            name: format!("source {i}"),
            endpoint: Endpoint::parse(url).unwrap(),
            stopped: false,
        };
        ReplicaSpec {
            id: "r".into(),
            name: "r".into(),
            destination: Endpoint::parse(destination).unwrap(),
            sources: sources.iter().enumerate().map(source).collect(),
            options: ReplicaOptions::default(),
        }
    }

    #[test]
    fn impossible_definitions_are_refused_at_the_field() {
        let many: Vec<String> = (0..33).map(|i| format!("redis://h:{}", 7000 + i)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (spec, field) in [
            (spec("redis://a", &[]), "sources"),
            (spec("redis://a", &many), "sources"),
            (spec("redis://a", &["redis://b", "redis://A"]), "sources[1].host"),
            (spec("redis://a", &["redis://b", "redis://b/2"]), "sources[1].host"),
            (spec("redis://a/2", &["redis://b"]), "sources[0].db"),
        ] {
            assert_eq!(spec.validate().unwrap_err().field, field);
        }
        spec("redis://a/2", &["redis://b/1", "redis://b/2"]).validate().unwrap();
        spec("redis://a", &many[..32]).validate().unwrap();
    }
}
