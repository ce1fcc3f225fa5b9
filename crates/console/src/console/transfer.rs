//! Definitions carried from one console to another: taken in from a file, written to one.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::verify::not_written;
use super::{Console, blocking, lock};
use crate::credentials::{Keyring, Vault};
use crate::declaration::{self, Declarations, Planned, PlannedSecret, SecretPlace};
use crate::definition::Definition;
use crate::demo;
use crate::dto::ImportReport;
use crate::error::ConsoleError;
use crate::export;
use crate::store::Store;

impl Console {
    /// Takes in the replicas of a file, stopped. With `replace`, those that are known already are changed; they must not
    /// run.
    ///
    /// # Errors
    /// What is wrong with the file, which of its replicas are known already, or that the data cannot be written. Nothing is
    /// changed then.
    pub async fn import(&self, file: &Declarations, replace: bool) -> Result<ImportReport, ConsoleError> {
        let mut changing = Vec::with_capacity(file.replicas.len());
        for next in plan_import(file, &self.kept_definitions(), replace)? {
            changing.push(self.changing(&next.definition.id).await);
        }
        let _keeping = self.keeping.lock().await;
        let planned = plan_import(file, &self.kept_definitions(), replace)?;
        if let Some(next) = planned.iter().find(|next| self.is_running(&next.definition.id)) {
            let message = format!("“{}” is running: stop it, then import.", next.definition.name);
            return Err(ConsoleError::AlreadyRunning(message));
        }
        let vault = Arc::clone(&self.vault);
        let (planned, report) = blocking(move || {
            let report = report(&planned, &vault);
            Ok((planned, report))
        })
        .await?;
        for next in planned {
            let definition = next.definition.clone();
            self.stored(move |store| store.save_definition(&definition)).await?;
            self.remember(next.definition.clone());
            if let Some(previous) = next.previous {
                self.end_outdated_verify(&previous).await?;
                self.forget_secrets(&previous, Some(&next.definition)).await?;
            }
        }
        Ok(report)
    }

    /// Writes the definitions, without secrets, to a file that is not there yet.
    ///
    /// # Errors
    /// When it is there already, or cannot be written.
    pub async fn export_definitions(&self, path: &Path) -> Result<(), ConsoleError> {
        let (path, text) = (path.to_owned(), declaration::write(&self.kept_definitions()));
        blocking(move || write_new(&path, &text)).await
    }

    /// Takes in the definitions of a file; see [`Console::import`].
    ///
    /// # Errors
    /// As [`Console::import`], and when the file cannot be read.
    pub async fn import_definitions(&self, path: &Path, replace: bool) -> Result<ImportReport, ConsoleError> {
        let path = path.to_owned();
        let file = blocking(move || Ok(Declarations::read(&path)?)).await?;
        self.import(&file, replace).await
    }

    /// The definitions in a folder as the text of a file, also beside a process that works with them.
    ///
    /// # Errors
    /// When they are not there or cannot be read.
    pub fn export_from(folder: &Path) -> Result<String, ConsoleError> {
        Ok(declaration::write(&stored_definitions(folder)?))
    }

    /// Writes the definitions in a folder to a file that is not there yet.
    ///
    /// # Errors
    /// When they cannot be read, or the file is there already or cannot be written.
    pub fn export_from_to(folder: &Path, path: &Path) -> Result<(), ConsoleError> {
        write_new(path, &Self::export_from(folder)?)
    }

    /// What importing a file into a folder would do. Nothing is changed.
    ///
    /// # Errors
    /// As [`Console::import`].
    pub fn preview_import(
        folder: &Path,
        file: &Declarations,
        replace: bool,
        keyring: Box<dyn Keyring>,
    ) -> Result<ImportReport, ConsoleError> {
        let known = if Store::exists(folder) { stored_definitions(folder)? } else { Vec::new() };
        Ok(report(&plan_import(file, &known, replace)?, &Vault::new(keyring)))
    }

    /// All but the demo, which is not kept.
    fn kept_definitions(&self) -> Vec<Definition> {
        lock(&self.definitions).iter().filter(|definition| definition.id != demo::ID).cloned().collect()
    }
}

fn write_new(path: &Path, text: &str) -> Result<(), ConsoleError> {
    let written = export::new_file(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| not_written(path, &error))
}

/// Compares a file with what is kept; what is known already is refused unless it is to be replaced.
fn plan_import(file: &Declarations, known: &[Definition], replace: bool) -> Result<Vec<Planned>, ConsoleError> {
    let mut planned = declaration::plan(file, known)?;
    planned.iter_mut().for_each(declaration::keep_entered);
    let there: Vec<String> = planned
        .iter()
        .filter(|next| next.previous.is_some())
        .map(|next| format!("“{}”", next.definition.name))
        .collect();
    if !there.is_empty() && !replace {
        return Err(ConsoleError::AlreadyThere(there.join(", ")));
    }
    Ok(planned)
}

fn report(planned: &[Planned], vault: &Vault) -> ImportReport {
    let names = |known: bool| {
        let those = planned.iter().filter(|next| next.previous.is_some() == known);
        those.map(|next| next.definition.name.clone()).collect()
    };
    let needed = planned.iter().flat_map(|next| &next.secrets);
    let missing = needed.filter_map(|secret| Some(format!("{}: {}", secret.owner, absent(secret, vault)?)));
    ImportReport { added: names(false), replaced: names(true), missing: missing.collect() }
}

/// Why a secret is not at hand here; none when it is.
fn absent(secret: &PlannedSecret, vault: &Vault) -> Option<String> {
    let (place, what) = (&secret.place, secret.what);
    match place {
        SecretPlace::Env(_) | SecretPlace::File(_) => {
            Some(format!("`tributary run` reads its {what} from {place}; the window needs it entered"))
        }
        SecretPlace::Keyring(account) => match vault.get(&place.credential(), account) {
            Ok(_) => None,
            Err(error) => Some(format!("{error}; enter its {what}")),
        },
    }
}

fn stored_definitions(folder: &Path) -> Result<Vec<Definition>, ConsoleError> {
    Ok(Store::read(folder)?.definitions()?)
}
