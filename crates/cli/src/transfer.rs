//! Definitions as files: `tributary export` and `tributary import`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tributary_console::credentials::SystemKeyring;
use tributary_console::declaration::Declarations;
use tributary_console::dto::ImportReport;
use tributary_console::{Console, ConsoleError, data_folder};

use crate::args::{DataArgs, ExportArgs, ImportArgs};
use crate::run::NEEDS_A_PERSON;

/// The folder that an argument, a file or else the environment names.
///
/// # Errors
/// When none does.
pub fn folder(args: &DataArgs, of_file: Option<&Path>) -> Result<PathBuf, String> {
    let named = args.data.clone().or_else(|| of_file.map(Path::to_owned)).or_else(data_folder);
    named.ok_or_else(|| "there is no home to keep data in: name a folder with --data DIR".to_owned())
}

/// `tributary export`.
///
/// # Errors
/// What is wrong with the command line.
pub fn export(args: ExportArgs) -> Result<ExitCode, String> {
    let folder = folder(&args.data, None)?;
    let done = match &args.output {
        Some(path) => Console::export_from_to(&folder, path),
        None => Console::export_from(&folder).map(|text| {
            // A reader that has seen enough is no error.
            let _ = std::io::stdout().write_all(text.as_bytes());
        }),
    };
    Ok(done.map_or_else(|error| refused(&error), |()| ExitCode::SUCCESS))
}

/// `tributary import`.
///
/// # Errors
/// What is wrong with the command line or the file.
pub async fn import(args: ImportArgs) -> Result<ExitCode, String> {
    let file = Declarations::read(&args.file).map_err(|error| error.to_string())?;
    let folder = folder(&args.data, None)?;
    let done = if args.dry_run {
        Console::preview_import(&folder, &file, args.replace, Box::new(SystemKeyring))
    } else {
        match Console::open(&folder, Box::new(SystemKeyring)).await {
            Ok(console) => console.import(&file, args.replace).await,
            Err(error) => Err(error),
        }
    };
    match done {
        Ok(report) => {
            print!("{}", told(&report, args.dry_run));
            Ok(ExitCode::SUCCESS)
        }
        Err(ConsoleError::Declaration(error)) => Err(error.to_string()),
        Err(error) => Ok(refused(&error)),
    }
}

fn told(report: &ImportReport, dry_run: bool) -> String {
    let would = if dry_run { "would be " } else { "" };
    let mut text = String::new();
    for (names, done) in [(&report.added, "added, stopped"), (&report.replaced, "replaced")] {
        names.iter().for_each(|name| text.push_str(&format!("“{name}” {would}{done}\n")));
    }
    if !report.missing.is_empty() {
        text.push_str("Passwords that are not at hand:\n");
        report.missing.iter().for_each(|one| text.push_str(&format!("  {one}\n")));
    }
    text
}

/// Says what happened and what to do about it.
pub fn refused(error: &ConsoleError) -> ExitCode {
    eprintln!("tributary: {error}");
    if let ConsoleError::AlreadyThere(_) = error {
        eprintln!("  Give them other names in the file, or change those that are there with --replace.");
    } else if let Some(hint) = error.hint() {
        eprintln!("  {hint}");
    }
    ExitCode::from(NEEDS_A_PERSON)
}
