//! The command line.

use std::env;
use std::path::PathBuf;

/// What `--help` prints.
pub const HELP: &str = "\
Usage: tributary-bench [--rounds N] [--quick] [--decode-only] [--tributary PATH]

  --rounds N         how often each measurement is taken, native and Tributary in turn (default 3)
  --quick            a tenth of the size and one round, unless --rounds says otherwise
  --decode-only      only how fast dumps are decoded, which needs no binary
  --tributary PATH   the binary to measure; or TRIBUTARY_BIN, or `tributary` beside this program";

/// How much work one measurement is.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Strings of 100 bytes in the full sync.
    pub strings: usize,
    /// Lists, sets, sorted sets and hashes of 20 in the full sync, a quarter each.
    pub collections: usize,
    /// Lists, sets, hashes, sorted sets and streams in the dump that is only decoded.
    pub mixed: usize,
    /// Commands in one stream.
    pub commands: u64,
    /// Writes whose way to the destination is timed.
    pub probes: usize,
}

impl Scale {
    const FULL: Self =
        Self { strings: 1_000_000, collections: 50_000, mixed: 10_000, commands: 1_000_000, probes: 2_000 };
    const QUICK: Self = Self { strings: 100_000, collections: 5_000, mixed: 1_000, commands: 100_000, probes: 200 };

    /// Keys in the full sync.
    pub fn keys(&self) -> usize {
        self.strings + self.collections
    }
}

/// What was asked for.
#[derive(Debug)]
pub struct Args {
    pub rounds: usize,
    pub scale: Scale,
    /// The binary to measure; none where only the decoder is.
    pub tributary: Option<PathBuf>,
}

/// What the command line says to do.
#[derive(Debug)]
pub enum Request {
    Run(Args),
    Help,
}

impl Args {
    /// Reads the arguments that follow the program's name.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Request, String> {
        let (mut rounds, mut quick, mut decode_only, mut tributary) = (None, false, false, None);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--help" | "-h" => return Ok(Request::Help),
                "--quick" => quick = true,
                "--decode-only" => decode_only = true,
                "--rounds" => rounds = Some(positive(words.next())?),
                "--tributary" => tributary = Some(words.next().ok_or("--tributary needs a path")?.into()),
                other => return Err(format!("{other:?} is not an option")),
            }
        }
        let tributary = if decode_only { None } else { Some(tributary.map_or_else(default_binary, Ok)?) };
        if let Some(missing) = tributary.as_ref().filter(|path| !path.is_file()) {
            let path = missing.display();
            return Err(format!(
                "{path} is not there: run `cargo build --release -p tributary-cli` or name the binary"
            ));
        }
        let (scale, usual) = if quick { (Scale::QUICK, 1) } else { (Scale::FULL, 3) };
        Ok(Request::Run(Self { rounds: rounds.unwrap_or(usual), scale, tributary }))
    }
}

fn positive(word: Option<String>) -> Result<usize, String> {
    word.and_then(|word| word.parse().ok())
        .filter(|&rounds| rounds > 0)
        .ok_or_else(|| "--rounds needs a number above 0".to_owned())
}

fn default_binary() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("TRIBUTARY_BIN") {
        return Ok(path.into());
    }
    let own = env::current_exe().map_err(|e| format!("cannot tell where this program is: {e}; use --tributary"))?;
    Ok(own.with_file_name("tributary"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Request, String> {
        Args::parse(words.iter().map(|&word| word.to_owned()))
    }

    #[test]
    fn quick_is_one_round_unless_rounds_says_otherwise() {
        // Any file stands for the binary: only its presence is checked.
        let binary = env::current_exe().unwrap().to_str().unwrap().to_owned();
        let rounds = |extra: &[&str]| match parse(&[&["--tributary", &binary], extra].concat()).unwrap() {
            Request::Run(args) => args.rounds,
            Request::Help => panic!("a run"),
        };
        assert_eq!(rounds(&[]), 3);
        assert_eq!(rounds(&["--quick"]), 1);
        assert_eq!(rounds(&["--rounds", "5", "--quick"]), 5);
    }

    #[test]
    fn the_decoder_alone_needs_no_binary() {
        let Request::Run(args) = parse(&["--decode-only", "--tributary", "/no/such"]).unwrap() else { panic!("a run") };
        assert_eq!(args.tributary, None);
    }

    #[test]
    fn a_wrong_argument_or_a_missing_binary_is_refused() {
        for words in [&["--rounds", "0"][..], &["--rounds"], &["--tributary"], &["--tributary", "/no/such"], &["x"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
