use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Makes a Redis database a replica of up to 32 others and keeps it in step.
#[derive(Debug, Parser)]
#[command(name = "tributary", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load a destination from its sources and keep it in step until SIGINT or SIGTERM.
    Sync(SyncArgs),
    /// Look at the servers of a replica and tell what stands in the way of a sync, without changing anything.
    Check(CheckArgs),
    /// Start two local redis-servers with live traffic and replicate one to the other.
    Demo(DemoArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 stopped by the user, 2 wrong usage, 3 stopped by an error that needs a person.

A URL is redis://[user[:password]@]host[:port][/db], or rediss:// for TLS. Without /db all databases are copied, to the
same numbers. A password in a URL shows in the list of processes; TRIBUTARY_SOURCE_PASSWORD and
TRIBUTARY_DESTINATION_PASSWORD, the files or the prompt do not.")]
pub struct SyncArgs {
    /// A database to copy from; up to 32 times.
    #[arg(long, value_name = "URL", required = true)]
    pub source: Vec<String>,
    /// The database to write to.
    #[arg(long, value_name = "URL")]
    pub destination: String,
    /// The destination may be emptied first. A destination that holds this replica's checkpoint is resumed all
    /// the same, unless --flush=always.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "needed")]
    pub flush: Option<Flush>,
    /// A folder that keeps this replica's identity, so that it is known again under other host names.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// One JSON object a second on stdout instead of a progress line.
    #[arg(long)]
    pub json: bool,
    /// A file that holds the password of all sources that have none.
    #[arg(long, value_name = "FILE")]
    pub source_password_file: Option<PathBuf>,
    /// A file that holds the destination's password.
    #[arg(long, value_name = "FILE")]
    pub destination_password_file: Option<PathBuf>,
    /// Ask for the passwords that are still missing.
    #[arg(long)]
    pub ask_passwords: bool,
}

/// When the destination may be emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Flush {
    /// When there is no checkpoint to go on from.
    Needed,
    /// In any case.
    Always,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 nothing fails, 2 wrong usage, 3 something fails. Warnings and what is not known do not fail.

Nothing is written at any server. Permissions are asked for by ACL DRYRUN, or with a transaction that is thrown away.")]
pub struct CheckArgs {
    /// A database to copy from; up to 32 times.
    #[arg(long, value_name = "URL", required = true)]
    pub source: Vec<String>,
    /// The database to write to.
    #[arg(long, value_name = "URL")]
    pub destination: String,
    /// The folder that keeps this replica's identity, as for sync.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// One JSON object a line on stdout.
    #[arg(long)]
    pub json: bool,
    /// A file that holds the password of all sources that have none.
    #[arg(long, value_name = "FILE")]
    pub source_password_file: Option<PathBuf>,
    /// A file that holds the destination's password.
    #[arg(long, value_name = "FILE")]
    pub destination_password_file: Option<PathBuf>,
    /// Ask for the passwords that are still missing.
    #[arg(long)]
    pub ask_passwords: bool,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// One JSON object a second on stdout instead of a progress line.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flush_has_three_forms() {
        let parse = |extra: &[&str]| {
            let base = ["tributary", "sync", "--source", "redis://a", "--destination", "redis://b"];
            match Cli::try_parse_from(base.iter().chain(extra)).unwrap().command {
                Command::Sync(args) => args.flush,
                _ => panic!("sync"),
            }
        };
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&["--flush"]), Some(Flush::Needed));
        assert_eq!(parse(&["--flush=always"]), Some(Flush::Always));
        assert_eq!(parse(&["--flush", "--json"]), Some(Flush::Needed));
    }
}
