//! Single sources of a replica that runs: stopped and started while the others go on.

use std::sync::Arc;

use super::{Console, lock};
use crate::error::ConsoleError;

impl Console {
    /// Stops one source: what it sent is applied, its link is closed, its checkpoint and its data stay.
    ///
    /// # Errors
    /// When it is gone, or the choice cannot be kept.
    pub async fn stop_source(&self, id: &str, source: &str) -> Result<(), ConsoleError> {
        let _changing = self.changing(id).await;
        let name = self.choose(id, source, true).await?;
        if let Some(run) = lock(&self.runs).get(id) {
            run.stop_source(source);
        }
        self.note(id, &format!("“{name}” stopped by the user; the other sources go on.")).await
    }

    /// Goes on with a source that was stopped, by the user or by an error. When nothing else of the replica runs, the
    /// replica is started.
    ///
    /// # Errors
    /// When it is gone, the choice cannot be kept, or the replica cannot be started.
    pub async fn start_source(self: &Arc<Self>, id: &str, source: &str) -> Result<(), ConsoleError> {
        let goes_on = {
            let _changing = self.changing(id).await;
            let name = self.choose(id, source, false).await?;
            let goes_on = lock(&self.runs).get(id).is_some_and(|run| run.is_working() && run.start_source(source));
            if goes_on {
                self.note(id, &format!("“{name}” started by the user.")).await?;
            }
            goes_on
        };
        if goes_on { Ok(()) } else { self.start(id, None).await }
    }

    /// Keeps whether the user wants a source stopped; gives its name.
    pub(super) async fn choose(&self, id: &str, source: &str, stopped: bool) -> Result<String, ConsoleError> {
        let definition = self.definition(id)?;
        let known = definition.sources.iter().find(|known| known.id == source).ok_or(ConsoleError::NotFound)?;
        let (kept, kept_source) = (id.to_owned(), source.to_owned());
        self.stored(move |store| store.save_stopped(&kept, &kept_source, stopped)).await?;
        let mut definitions = lock(&self.definitions);
        let sources = definitions.iter_mut().find(|d| d.id == id).map(|definition| &mut definition.sources);
        if let Some(changed) = sources.and_then(|sources| sources.iter_mut().find(|known| known.id == source)) {
            changed.stopped = stopped;
        }
        Ok(known.name.clone())
    }
}
