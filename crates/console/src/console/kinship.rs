//! Which servers the endpoints of all replicas are, so that no replica feeds what feeds it, under whatever name.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tributary_engine::{self as engine, Endpoint, Fed, ReplicaSpec};

use super::{Console, lock};
use crate::chain;
use crate::definition::Definition;
use crate::error::ConsoleError;

/// How long a server may take to say who it is. One that does not is told by its address alone.
const PATIENCE: Duration = Duration::from_secs(3);

/// A replica that may start. Until it runs, or this is dropped, it counts as one that does.
pub(super) struct Admission {
    console: Arc<Console>,
    id: String,
    /// What its destination feeds.
    pub fed: Vec<Fed>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        lock(&self.console.admitted).remove(&self.id);
    }
}

impl Console {
    /// Looks at a replica that is about to start, beside all others. `spec` is its own, with its passwords: what is being
    /// edited is not kept yet.
    ///
    /// # Errors
    /// When its data would come back to it, or its destination is another replica's.
    pub(super) async fn admit(
        self: &Arc<Self>,
        definition: &Definition,
        spec: &ReplicaSpec,
    ) -> Result<Admission, ConsoleError> {
        // Two that are looked at side by side would not see each other.
        let _one_by_one = self.admitting.lock().await;
        let all = lock(&self.definitions).clone();
        if all.len() > 1 {
            self.identify(spec, &all).await;
        }
        // A destination has one writer, running or not; what does not run brings no data back. Its own start finds that.
        let running = self.those_that_run(&all);
        let known = lock(&self.identities);
        chain::check_writer(definition, &all, &known)?;
        chain::check_return(definition, &running, &known)?;
        let fed = chain::fed(definition, &running, &known);
        lock(&self.admitted).insert(definition.id.clone());
        Ok(Admission { console: Arc::clone(self), id: definition.id.clone(), fed })
    }

    fn those_that_run(&self, definitions: &[Definition]) -> Vec<Definition> {
        let runs = |id: &str| self.is_running(id) || lock(&self.admitted).contains(id);
        definitions.iter().filter(|definition| runs(&definition.id)).cloned().collect()
    }

    /// Asks the servers of this replica who they are, and those of replicas that do not run; the others are known from
    /// their connections, but for the first moments.
    async fn identify(&self, candidate: &ReplicaSpec, all: &[Definition]) {
        let mut specs = vec![(candidate.clone(), false)];
        for other in all.iter().filter(|other| other.id != candidate.id) {
            // A locked keyring is no reason to refuse a start here.
            if let Ok(spec) = self.spec(other.clone()).await {
                specs.push((spec, self.is_running(&other.id)));
            }
        }
        let (mut asked, mut seen) = (JoinSet::new(), HashSet::new());
        for (spec, fresh) in specs {
            let sources = spec.sources.into_iter().map(|source| source.endpoint);
            for endpoint in sources.chain([spec.destination]) {
                let authority = endpoint.authority();
                if !(fresh && lock(&self.identities).knows(&authority)) && seen.insert(authority) {
                    asked.spawn(who_is(endpoint));
                }
            }
        }
        for (authority, run_id) in asked.join_all().await.into_iter().flatten() {
            lock(&self.identities).learn(authority, run_id);
        }
    }

    /// Takes over what the connections of running replicas have told, and tells each what its destination feeds by now.
    pub(super) fn learn_from_runs(&self, definitions: &[Definition]) {
        if definitions.len() < 2 {
            return;
        }
        let running = self.those_that_run(definitions);
        let runs = lock(&self.runs);
        let mut known = lock(&self.identities);
        for (authority, run_id) in runs.values().flat_map(crate::run::Run::identities) {
            known.learn(authority, run_id);
        }
        for definition in &running {
            if let Some(run) = runs.get(&definition.id) {
                run.feeds(chain::fed(definition, &running, &known));
            }
        }
    }
}

async fn who_is(endpoint: Endpoint) -> Option<(String, String)> {
    let found = tokio::time::timeout(PATIENCE, engine::examine(&endpoint, |_| {})).await.ok()?.ok()?;
    Some((endpoint.authority(), found.run_id))
}
