//! `tributary check`: the engine's preflight for a terminal or as JSON.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;
use tributary_engine::{CheckLine, CheckVerdict};

use crate::args::CheckArgs;
use crate::run::NEEDS_A_PERSON;

/// `tributary check`.
///
/// # Errors
/// What is wrong with the command line.
pub async fn check(args: CheckArgs) -> Result<ExitCode, String> {
    let spec = args.servers.spec()?;
    let mut out = Output { json: args.json, colours: std::io::stdout().is_terminal(), heading: None };
    let mut counts = Counts::default();
    tributary_engine::check(&spec, |line| {
        counts.add(line.verdict);
        out.line(&line);
    })
    .await;
    if !args.json {
        out.put(&format!("\n{}", counts.sentence()));
    }
    Ok(if counts.fails == 0 { ExitCode::SUCCESS } else { ExitCode::from(NEEDS_A_PERSON) })
}

/// How many lines have which verdict.
#[derive(Debug, Default)]
struct Counts {
    ok: usize,
    warnings: usize,
    fails: usize,
    unknown: usize,
}

impl Counts {
    fn add(&mut self, verdict: CheckVerdict) {
        match verdict {
            CheckVerdict::Ok => self.ok += 1,
            CheckVerdict::Warning => self.warnings += 1,
            CheckVerdict::Fails => self.fails += 1,
            CheckVerdict::Unknown => self.unknown += 1,
        }
    }

    fn sentence(&self) -> String {
        let Self { ok, warnings, fails, unknown } = self;
        let verdict =
            if *fails == 0 { "Nothing stands in the way of a sync" } else { "A sync does not work like this" };
        format!("{verdict}: {ok} ok, {warnings} warning, {fails} fails, {unknown} unknown")
    }
}

struct Output {
    json: bool,
    colours: bool,
    /// The endpoint under which lines are being printed.
    heading: Option<(String, Option<String>)>,
}

impl Output {
    fn line(&mut self, line: &CheckLine) {
        if self.json {
            if let Ok(text) = serde_json::to_string(&Json::new(line)) {
                self.put(&text);
            }
            return;
        }
        let whose = (line.endpoint.clone(), line.source.clone());
        if self.heading.as_ref() != Some(&whose) {
            let role = if line.source.is_some() { "Source" } else { "Destination" };
            let gap = if self.heading.is_some() { "\n" } else { "" };
            self.put(&format!("{gap}{role} {}", line.endpoint));
            self.heading = Some(whose);
        }
        self.put(&text(line, self.colours));
    }

    /// A reader that is gone is no reason to fail.
    fn put(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

/// The verdict's word comes first; colour only underlines it.
fn text(line: &CheckLine, colours: bool) -> String {
    let word = line.verdict.code();
    let colour = match line.verdict {
        CheckVerdict::Ok => "32",
        CheckVerdict::Warning => "33",
        CheckVerdict::Fails => "31",
        CheckVerdict::Unknown => "36",
    };
    let word = if colours { format!("\x1b[{colour}m{word:<7}\x1b[0m") } else { format!("{word:<7}") };
    let mut text = format!("  {word}  {}: {}", line.what, line.found);
    if let Some(todo) = &line.todo {
        text.push_str("\n           ");
        text.push_str(todo);
    }
    text
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    endpoint: &'a str,
    role: &'static str,
    source: Option<&'a str>,
    what: &'a str,
    found: &'a str,
    verdict: &'static str,
    todo: Option<&'a str>,
}

impl<'a> Json<'a> {
    fn new(line: &'a CheckLine) -> Self {
        Self {
            endpoint: &line.endpoint,
            role: if line.source.is_some() { "source" } else { "destination" },
            source: line.source.as_deref(),
            what: line.what,
            found: &line.found,
            verdict: line.verdict.code(),
            todo: line.todo.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_its_verdict_in_a_word_with_and_without_colour() {
        let line = CheckLine {
            endpoint: "h:1".into(),
            source: None,
            what: "Eviction",
            found: "allkeys-lru".into(),
            verdict: CheckVerdict::Warning,
            todo: Some("change it".into()),
        };
        assert_eq!(text(&line, false), "  warning  Eviction: allkeys-lru\n           change it");
        assert!(text(&line, true).contains("warning"));
    }

    #[test]
    fn only_what_fails_makes_the_check_fail() {
        let mut counts = Counts::default();
        for verdict in [CheckVerdict::Ok, CheckVerdict::Warning, CheckVerdict::Unknown] {
            counts.add(verdict);
        }
        assert!(
            counts.sentence().starts_with("Nothing stands in the way of a sync: 1 ok, 1 warning, 0 fails, 1 unknown")
        );
        counts.add(CheckVerdict::Fails);
        assert!(counts.sentence().starts_with("A sync does not work like this: 1 ok, 1 warning, 1 fails"));
    }
}
