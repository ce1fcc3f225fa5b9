//! `tributary verify`: the engine's comparison for a terminal or as JSON.

mod export;
mod render;

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tributary_engine::{CompareHandle, CompareMode, CompareOptions, CompareProgress, CompareStage, Repair, compare};

use crate::args::VerifyArgs;
use crate::run::NEEDS_A_PERSON;
use crate::signals;

/// There are differences.
const DIFFERENCES: u8 = 1;
/// How often the progress is printed.
const PERIOD: Duration = Duration::from_secs(1);

/// `tributary verify`.
///
/// # Errors
/// What is wrong with the command line.
pub async fn verify(args: VerifyArgs) -> Result<ExitCode, String> {
    let spec = args.servers.spec()?;
    // A file that cannot be written is noticed before anything is compared.
    let export = args.export.as_deref().map(create).transpose()?;
    let options = CompareOptions {
        mode: if args.full { CompareMode::Full } else { CompareMode::Fast },
        keys_per_second: args.rate,
        settle: args.settle,
        list_limit: args.list,
    };
    let mut handle = compare(spec, options, None);
    let screen = Screen { json: args.json, tty: std::io::stderr().is_terminal() };
    let mut end = watch(&mut handle, &screen).await?;
    if args.repair && end.stage == CompareStage::Done && end.differences > 0 && handle.repair(Repair::All) {
        end = watch(&mut handle, &screen).await?;
    }
    screen.end(&end, &handle);
    if let (Some(file), Some(path)) = (export, &args.export) {
        export::write(file, path, &handle.differences())
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(exit_code(&end))
}

fn create(path: &Path) -> Result<File, String> {
    File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Differences that were all repaired are none any more.
fn exit_code(end: &CompareProgress) -> ExitCode {
    let left = end.differences.saturating_sub(end.repaired);
    match end.stage {
        CompareStage::Failed => ExitCode::from(NEEDS_A_PERSON),
        _ if left > 0 => ExitCode::from(DIFFERENCES),
        CompareStage::Done => ExitCode::SUCCESS,
        _ => ExitCode::from(NEEDS_A_PERSON),
    }
}

/// Shows the progress until it is over or the user stops it.
async fn watch(handle: &mut CompareHandle, screen: &Screen) -> Result<CompareProgress, String> {
    let progress = handle.progress();
    let mut tick = tokio::time::interval(PERIOD);
    let mut stop = std::pin::pin!(signals::stop_requested());
    let mut stopped = false;
    loop {
        tokio::select! {
            end = handle.finished() => return Ok(end),
            asked = &mut stop, if !stopped => {
                asked.map_err(|e| format!("cannot receive signals: {e}"))?;
                handle.stop();
                stopped = true;
            }
            _ = tick.tick() => {
                let progress = progress.borrow().clone();
                screen.progress(&progress);
            }
        }
    }
}

/// stdout for JSON and the table, stderr for the progress and errors.
struct Screen {
    json: bool,
    tty: bool,
}

impl Screen {
    fn progress(&self, progress: &CompareProgress) {
        if self.json {
            self.put(&render::json(progress, None));
        } else if self.tty {
            eprint!("\r\x1b[2K{}", render::line(progress));
        }
    }

    fn end(&self, end: &CompareProgress, handle: &CompareHandle) {
        if self.tty && !self.json {
            eprint!("\r\x1b[2K");
        }
        let differences = handle.differences();
        if self.json {
            self.put(&render::json(end, Some(&differences)));
        } else {
            for difference in &differences {
                self.put(&render::row(difference));
            }
            self.put(&render::summary(end, differences.len()));
        }
        if let Some(failure) = &end.failure {
            eprintln!("tributary: {}\n  {}", failure.message, failure.hint);
        }
    }

    /// A reader that is gone is no reason to fail.
    fn put(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_compared_whole_is_equal() {
        let code = |stage, differences, repaired| {
            format!("{:?}", exit_code(&CompareProgress { stage, differences, repaired, ..CompareProgress::default() }))
        };
        let exit = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(CompareStage::Done, 0, 0), exit(0));
        assert_eq!(code(CompareStage::Done, 3, 3), exit(0));
        assert_eq!(code(CompareStage::Done, 3, 2), exit(1));
        assert_eq!(code(CompareStage::Stopped, 3, 0), exit(1));
        assert_eq!(code(CompareStage::Stopped, 0, 0), exit(3));
        assert_eq!(code(CompareStage::Failed, 3, 0), exit(3));
    }
}
