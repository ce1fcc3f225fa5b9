//! Whether a destination holds what its sources hold: started, watched, listed, written to a file and repaired.
//!
//! One comparison of a replica at a time. It stays, with its list, until the next one or until the app quits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::{broadcast, watch};
use tributary_engine as engine;
use tributary_engine::{CompareProgress, CompareStage};

use super::{Console, blocking, lock, running};
use crate::definition::Definition;
use crate::dto::{
    DifferenceKind, DifferencePage, EventView, ExportFormat, ExportedFile, Intent, Severity, VerifyLive, VerifyMode,
    VerifyOptions,
};
use crate::error::ConsoleError;
use crate::export;
use crate::run::Run;
use crate::store::{NewEvent, Store};
use crate::time::now_ms;
use crate::verification::{self, Asked, Verification};

/// The most differences that are given at once.
const PAGE: u64 = 1_000;

impl Console {
    /// Begins to compare a replica's destination with its sources, whether it runs or not. What an earlier comparison found
    /// is forgotten. Gives the number of this one, which is in the live figures as soon as it has begun.
    ///
    /// # Errors
    /// When one is under way, the limit is 0, or a password cannot be read.
    pub async fn start_verify(&self, id: &str, options: VerifyOptions) -> Result<u64, ConsoleError> {
        let _changing = self.changing(id).await;
        let definition = self.definition(id)?;
        if options.keys_per_second == Some(0) {
            return Err(ConsoleError::invalid("keysPerSecond", "At least 1 key a second."));
        }
        if lock(&self.verifications).get(id).is_some_and(Verification::is_working) {
            return Err(ConsoleError::AlreadyRunning(format!("“{}” is already being verified.", definition.name)));
        }
        let spec = self.spec(definition.clone()).await?;
        self.end_verify(id).await;
        self.note(id, &began(options)).await?;
        let (applied, followed) = {
            let runs = lock(&self.runs);
            let known = runs.get(id);
            (known.and_then(Run::status), known.is_some_and(Run::is_working) && definition.intent == Intent::Running)
        };
        let names = definition.sources.iter().map(|source| (source.id.clone(), source.name.clone())).collect();
        let run = self.verified.fetch_add(1, Relaxed);
        let asked = Asked { run, options, followed, names };
        let teller = Teller { store: Arc::clone(&self.store), tell: self.events.clone(), replica: id.to_owned() };
        let mut verifications = lock(&self.verifications);
        if self.closing.load(Relaxed) {
            return Err(ConsoleError::NotRunning("The app is being closed.".into()));
        }
        let handle = engine::compare(spec, verification::options(options), applied);
        verifications.insert(id.to_owned(), Verification::new(asked, handle, |progress| teller.follow(progress)));
        Ok(run)
    }

    /// Ends the comparison of a replica soon; what it found stays.
    ///
    /// # Errors
    /// When there is none.
    pub fn stop_verify(&self, id: &str) -> Result<(), ConsoleError> {
        self.verification(id, |verification| verification.stop())
    }

    /// How the last comparison of a replica is doing, or how it ended.
    #[must_use]
    pub fn verify_status(&self, id: &str) -> Option<VerifyLive> {
        let now = std::time::Instant::now();
        lock(&self.verifications).get_mut(id).map(|verification| verification.live(now))
    }

    /// A part of the differences that were found so far, in the order in which they were; at most a thousand.
    ///
    /// # Errors
    /// When the replica was not verified since the app was opened.
    pub fn differences(
        &self,
        id: &str,
        kind: Option<DifferenceKind>,
        offset: u64,
        limit: u64,
    ) -> Result<DifferencePage, ConsoleError> {
        self.verification(id, |verification| verification.page(kind, offset, limit.min(PAGE)))
    }

    /// A file in `folder` that an export could have, named after the replica.
    ///
    /// # Errors
    /// When the replica is gone.
    pub async fn export_path(&self, id: &str, format: ExportFormat, folder: &Path) -> Result<PathBuf, ConsoleError> {
        let (folder, name) = (folder.to_owned(), self.definition(id)?.name);
        blocking(move || Ok(export::free_path(&folder, &name, format))).await
    }

    /// Writes all differences that were found to a new file.
    ///
    /// # Errors
    /// When the replica was not verified, or the file cannot be written or is there already.
    pub async fn export_differences(
        &self,
        id: &str,
        format: ExportFormat,
        path: &Path,
    ) -> Result<ExportedFile, ConsoleError> {
        if !path.is_absolute() {
            return Err(ConsoleError::invalid("path", "Give the whole path of the file, from the root."));
        }
        let differences = self.verification(id, |verification| verification.differences())?;
        let path = path.to_owned();
        blocking(move || {
            export::write(&differences, format, &path).map_err(|error| not_written(&path, &error))?;
            Ok(ExportedFile { path: path.display().to_string(), differences: differences.len() as u64 })
        })
        .await
    }

    /// Gives the destination what the sources hold, of the differences with these places in the list, or of all: missing
    /// keys and other values are written, extra keys deleted. It goes on in the background.
    ///
    /// # Errors
    /// When the list is of another comparison than `run`, or nothing can be repaired now.
    pub async fn repair_differences(&self, id: &str, run: u64, chosen: Option<Vec<u32>>) -> Result<(), ConsoleError> {
        // Nothing is edited, deleted or compared anew meanwhile.
        let _changing = self.changing(id).await;
        let taken = self.verification(id, |verification| {
            (verification.run() == run).then(|| verification.repair(chosen.as_deref()))
        })?;
        match taken {
            Some(true) => Ok(()),
            Some(false) => Err(ConsoleError::NotRunning("This cannot be repaired now: verify again first.".into())),
            None => Err(ConsoleError::NotRunning("The list was of an earlier comparison; look at the new one.".into())),
        }
    }

    /// Ends the comparison of a replica, waits for it, and forgets what it found.
    pub(super) async fn end_verify(&self, id: &str) {
        let verification = lock(&self.verifications).remove(id);
        if let Some(verification) = verification {
            verification.end().await;
        }
    }

    /// The same after an edit: what was found is of other servers.
    pub(super) async fn end_outdated_verify(&self, before: &Definition) -> Result<(), ConsoleError> {
        let after = self.definition(&before.id)?;
        let endpoints = |of: &Definition| -> Vec<_> {
            let sources = of.sources.iter().map(|source| (source.id.clone(), source.endpoint.clone()));
            std::iter::once((String::new(), of.destination.clone())).chain(sources).collect()
        };
        if endpoints(before) != endpoints(&after) {
            self.end_verify(&before.id).await;
        }
        Ok(())
    }

    /// Ends all of them, side by side.
    pub(super) async fn end_verifications(&self) {
        let all: Vec<Verification> = lock(&self.verifications).drain().map(|(_, verification)| verification).collect();
        let ending: tokio::task::JoinSet<()> = all.into_iter().map(Verification::end).collect();
        ending.join_all().await;
    }

    fn verification<T>(&self, id: &str, ask: impl FnOnce(&Verification) -> T) -> Result<T, ConsoleError> {
        let verifications = lock(&self.verifications);
        let missing = || ConsoleError::NotRunning("This replica was not verified since Tributary was opened.".into());
        verifications.get(id).map(ask).ok_or_else(missing)
    }
}

pub(super) fn not_written(path: &Path, error: &std::io::Error) -> ConsoleError {
    let path = path.display();
    let message = match error.kind() {
        std::io::ErrorKind::AlreadyExists => format!("{path} is there already: choose another name."),
        std::io::ErrorKind::NotFound => format!("There is no such folder: {path}."),
        _ => format!("{path} could not be written: {error}."),
    };
    ConsoleError::invalid("path", message)
}

fn began(options: VerifyOptions) -> String {
    let mode = match options.mode {
        VerifyMode::Fast => "fast",
        VerifyMode::Full => "full",
    };
    match options.keys_per_second {
        Some(limit) => format!("Verify started by the user: {mode}, at most {} keys/s.", grouped(limit.into())),
        None => format!("Verify started by the user: {mode}, without a limit."),
    }
}

/// Keeps what comes of a comparison in the event log.
struct Teller {
    store: Arc<Store>,
    tell: broadcast::Sender<EventView>,
    replica: String,
}

impl Teller {
    /// Until the engine publishes nothing any more.
    async fn follow(self, mut progress: watch::Receiver<CompareProgress>) {
        let Ok(ended) = progress.wait_for(|progress| progress.stage.is_over()).await.map(|ended| ended.clone()) else {
            return;
        };
        self.keep(outcome(&ended)).await;
        let mut told = (0, 0);
        loop {
            let made = |progress: &CompareProgress| (progress.repaired, progress.not_repaired);
            let news = |progress: &CompareProgress| progress.stage.is_over() && made(progress) != told;
            let Ok(now) = progress.wait_for(news).await.map(|progress| made(&progress)) else { return };
            self.keep(repairs(now.0.saturating_sub(told.0), now.1)).await;
            told = now;
        }
    }

    async fn keep(&self, (severity, message, hint): Told) {
        let replica_id = self.replica.clone();
        let event = NewEvent { replica_id, source: None, at: now_ms(), severity, message, hint };
        let store = Arc::clone(&self.store);
        match blocking(move || Ok(store.add_event(event)?)).await {
            Ok(event) => running::tell(&self.tell, event),
            Err(error) => tracing::error!(%error, "the outcome of a comparison could not be kept"),
        }
    }
}

type Told = (Severity, String, Option<String>);

fn outcome(progress: &CompareProgress) -> Told {
    let skipped: u64 = progress.skipped.iter().map(|skipped| skipped.keys).sum();
    let found = match progress.differences {
        0 => String::new(),
        n => format!(" {} so far.", counted(n, "difference", "differences")),
    };
    match (progress.stage, &progress.failure) {
        (CompareStage::Failed, Some(failure)) => {
            (Severity::Error, format!("Verify stopped: {}{found}", failure.message), Some(failure.hint.clone()))
        }
        (CompareStage::Failed, None) => (Severity::Error, format!("Verify stopped.{found}"), None),
        (CompareStage::Stopped, _) => {
            let done = grouped(progress.keys_done);
            let message =
                format!("Verify stopped by the user after {done} of {} keys.{found}", grouped(progress.keys_total));
            (Severity::Info, message, None)
        }
        _ if progress.differences > 0 => {
            let message = format!("Verify found {}.", counted(progress.differences, "difference", "differences"));
            (Severity::Warning, message, Some("The Verify tab lists them.".into()))
        }
        _ if skipped > 0 => {
            let skipped = counted(skipped, "key", "keys");
            let message = format!("Verified: {} equal; {skipped} could not be judged.", keys(progress.equal));
            (Severity::Warning, message, Some("The Verify tab says why.".into()))
        }
        _ => (Severity::Info, format!("Verified: {} equal.", keys(progress.equal)), None),
    }
}

/// What came of the last order; a difference that is right once stays so.
fn repairs(repaired: u64, left: u64) -> Told {
    let repaired = counted(repaired, "difference", "differences");
    match left {
        0 => (Severity::Info, format!("Repaired {repaired} at the destination."), None),
        left => {
            let message = format!("Repaired {repaired} at the destination; {} could not be.", grouped(left));
            (Severity::Warning, message, Some("The Verify tab says why.".into()))
        }
    }
}

fn keys(n: u64) -> String {
    counted(n, "key", "keys")
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

/// 1000000 → 1,000,000, as the window writes it.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_engine::{ErrorKind, Failure, Skipped};

    fn ended(stage: CompareStage, equal: u64, differences: u64) -> CompareProgress {
        CompareProgress { stage, equal, differences, ..CompareProgress::default() }
    }

    #[test]
    fn the_event_log_reads_how_a_comparison_ended() {
        let told = |progress: &CompareProgress| outcome(progress).1;
        assert_eq!(told(&ended(CompareStage::Done, 1_000_000, 0)), "Verified: 1,000,000 keys equal.");
        assert_eq!(told(&ended(CompareStage::Done, 1, 0)), "Verified: 1 key equal.");
        assert_eq!(told(&ended(CompareStage::Done, 5, 12)), "Verify found 12 differences.");
        let skipped = vec![Skipped { why: "of a module".into(), keys: 3, example: b"k".to_vec() }];
        let judged = CompareProgress { skipped, ..ended(CompareStage::Done, 5, 0) };
        assert_eq!(told(&judged), "Verified: 5 keys equal; 3 keys could not be judged.");
        let stopped =
            CompareProgress { keys_done: 1_500, keys_total: 20_000, ..ended(CompareStage::Stopped, 1_400, 1) };
        assert_eq!(told(&stopped), "Verify stopped by the user after 1,500 of 20,000 keys. 1 difference so far.");
        let failure = Some(Failure::new(ErrorKind::WrongPassword, "a:1", "a:1 refused the password."));
        let failed = CompareProgress { failure, ..ended(CompareStage::Failed, 0, 0) };
        assert_eq!(told(&failed), "Verify stopped: a:1 refused the password.");
        assert_eq!(outcome(&failed).0, Severity::Error);
    }

    #[test]
    fn figures_are_grouped_by_thousands() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678"), (100_000, "100,000")] {
            assert_eq!(grouped(n), text);
        }
    }
}
