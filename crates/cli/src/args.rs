use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tributary_engine::Unsupported;

use crate::relay::RelayArgs;

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
    /// End a replication that is stopped, for good: set exact expiries, put the destination's settings back, remove
    /// the checkpoints.
    Finish(FinishArgs),
    /// Look at the servers of a replica and tell what stands in the way of a sync, without changing anything.
    Check(CheckArgs),
    /// Load a dump file, once.
    Load(LoadArgs),
    /// Compare a destination with its sources, key by key, while they are written to.
    Verify(VerifyArgs),
    /// Run the replicas of a file until SIGINT or SIGTERM, with metrics and health for those who watch.
    Run(RunArgs),
    /// Write the definitions of the console as a file, without secrets.
    Export(ExportArgs),
    /// Take the definitions of a file into the console, stopped.
    Import(ImportArgs),
    /// Stand beside a Redis server as a proxy that compresses the replication link.
    Relay(RelayArgs),
    /// Start two local redis-servers with live traffic and replicate one to the other.
    Demo(DemoArgs),
}

/// How links are encrypted, for every endpoint with rediss:// that does not say it by parameters of its own.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Trust the authorities in this PEM file, and no others [URL: ?ca=].
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Our certificate, for servers that want one [URL: ?cert=].
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Its private key [URL: ?key=]. The passphrase of an encrypted one: TRIBUTARY_KEY_PASSPHRASE, or a file.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// A file that holds the passphrase of encrypted keys.
    #[arg(long, value_name = "FILE")]
    pub key_passphrase_file: Option<PathBuf>,
    /// The name that the certificate has to be for, instead of the host's [URL: ?sni=].
    #[arg(long, value_name = "NAME")]
    pub sni: Option<String>,
    /// The oldest version to speak, 1.2 or 1.3 [URL: ?tls-min=].
    #[arg(long, value_name = "VERSION", value_parser = ["1.2", "1.3"])]
    pub tls_min: Option<String>,
    /// Believe any certificate. The link is encrypted then, and may end at anybody [URL: ?insecure=true].
    #[arg(long)]
    pub insecure: bool,
}

/// Which databases, and how to enter them.
#[derive(Debug, Args)]
pub struct ServersArgs {
    /// A database to copy from; up to 32 times.
    #[arg(long, value_name = "URL", required = true)]
    pub source: Vec<String>,
    /// The database to write to.
    #[arg(long, value_name = "URL")]
    pub destination: String,
    /// A folder that keeps this replica's identity, so that it is known again under other host names.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// A file that holds the password of all sources that have none.
    #[arg(long, value_name = "FILE")]
    pub source_password_file: Option<PathBuf>,
    /// A file that holds the destination's password.
    #[arg(long, value_name = "FILE")]
    pub destination_password_file: Option<PathBuf>,
    /// Ask for the passwords that are still missing.
    #[arg(long)]
    pub ask_passwords: bool,
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// The same, for commands that run a replica.
#[derive(Debug, Args)]
pub struct ReplicaArgs {
    #[command(flatten)]
    pub servers: ServersArgs,
    /// Where the spool goes when it outgrows memory [default: spool in the state folder, or
    /// $XDG_STATE_HOME/tributary/spool].
    #[arg(long, value_name = "DIR")]
    pub spool_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 stopped by the user, 2 wrong usage, 3 stopped by an error that needs a person.

SIGUSR1 pauses: links stay open and fill the spool, nothing is applied. SIGUSR2 goes on.

A URL is redis://[user[:password]@]host[:port][/db], or rediss:// for TLS. Without /db all databases are copied, to the
same numbers. Parameters say what differs for one endpoint: rediss://host?ca=FILE&cert=FILE&key=FILE&sni=NAME&tls-min=1.3,
and for a source behind a relay (tributary relay) ?compress=gzip. A password in a URL shows in the list of processes; TRIBUTARY_SOURCE_PASSWORD and
TRIBUTARY_DESTINATION_PASSWORD, the files or the prompt do not.")]
pub struct SyncArgs {
    #[command(flatten)]
    pub replica: ReplicaArgs,
    /// The destination may be emptied first. A destination that holds this replica's checkpoint is resumed all
    /// the same, unless --flush=always.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "needed")]
    pub flush: Option<Flush>,
    /// Load sources that have no checkpoint yet beside the others, deleting nothing.
    #[arg(long, conflicts_with = "flush")]
    pub add_sources: bool,
    /// Stop instead of deleting and loading everything again when a source can no longer be gone on with.
    #[arg(long)]
    pub ask_before_resync: bool,
    /// Go on behind a command that failed in an earlier run.
    #[arg(long)]
    pub skip_failed: bool,
    /// Make the destination's other users read-only by ACL until SIGINT, SIGTERM or `tributary finish`.
    #[arg(long)]
    pub lock_down: bool,
    /// What the spool may take up on disk, as 512mb or 4gb; 0 keeps it in memory.
    #[arg(long, value_name = "SIZE", default_value = "4gb", value_parser = size)]
    pub spool_quota: u64,
    /// `guard`: keys wait for the source's own deletion (in import mode, or with expiries held back by 100 years
    /// until `tributary finish`). `exact`: keys carry the source's times, and may be gone too early after an outage.
    #[arg(long, value_name = "HOW", default_value = "guard")]
    pub expiry: ExpiryArg,
    #[command(flatten)]
    pub unsupported: UnsupportedArgs,
    /// One JSON object a second on stdout instead of a progress line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 done, 2 wrong usage, 3 stopped by an error that needs a person; it can be repeated then.")]
pub struct FinishArgs {
    #[command(flatten)]
    pub replica: ReplicaArgs,
    /// Of a replica of the window or of `tributary run`: its ID, as `tributary export` shows it.
    #[arg(long, value_name = "ID")]
    pub replica_id: Option<String>,
}

/// How expiries are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExpiryArg {
    /// Keys wait for the source's own deletion.
    Guard,
    /// Keys carry the source's times.
    Exact,
}

/// Reads `512mb`, `4gb`, `64kb` or a number of bytes; units are powers of 1024, as in Redis' configuration.
fn size(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = match lower.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => lower.split_at(at),
        None => (lower.as_str(), ""),
    };
    let factor = match unit {
        "" | "b" => 1,
        "kb" => 1 << 10,
        "mb" => 1 << 20,
        "gb" => 1 << 30,
        _ => return Err("write a number of bytes, or one with kb, mb or gb".to_owned()),
    };
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or_else(|| "not a size".to_owned())
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
    #[command(flatten)]
    pub servers: ServersArgs,
    /// One JSON object a line on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 all of it is loaded, 2 wrong usage, 3 an error, or stopped before the end.

Keys whose time is over and the checkpoints of replicas are left out. With --flush a file is read to its end before anything \
is deleted, so that nothing goes for a damaged one; that is not possible for standard input. A destination that belongs to \
a replica is refused in any case.")]
pub struct LoadArgs {
    /// The dump, as SAVE, BGSAVE or redis-cli --rdb write it; - is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The database to write to. With a number, as in redis://host:6379/3, the one of --db lands there.
    #[arg(long, value_name = "URL")]
    pub destination: String,
    /// Delete what the destination holds first: the one database, or all and the function libraries.
    #[arg(long, conflicts_with = "replace")]
    pub flush: bool,
    /// Load beside what the destination holds, replacing keys of the same name.
    #[arg(long)]
    pub replace: bool,
    /// Load this one database of the file only.
    #[arg(long, value_name = "N")]
    pub db: Option<u32>,
    /// Of an append only file that begins with a dump, load the dump alone, without the commands behind it.
    #[arg(long)]
    pub dump_only: bool,
    #[command(flatten)]
    pub unsupported: UnsupportedArgs,
    /// One JSON object a second on stdout instead of a progress line.
    #[arg(long)]
    pub json: bool,
    /// A file that holds the destination's password.
    #[arg(long, value_name = "FILE")]
    pub destination_password_file: Option<PathBuf>,
    /// Ask for the password if it is still missing.
    #[arg(long)]
    pub ask_passwords: bool,
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// What may be lost where the destination cannot hold it.
#[derive(Debug, Args)]
pub struct UnsupportedArgs {
    /// Keep fields of hashes that expire without their expiry where the destination knows none.
    #[arg(long)]
    pub drop_field_expiry: bool,
    /// Leave out keys of modules that the destination does not have.
    #[arg(long)]
    pub skip_module_keys: bool,
    /// Leave out function libraries that the destination cannot hold.
    #[arg(long)]
    pub skip_functions: bool,
}

impl UnsupportedArgs {
    /// The same for the engine.
    pub fn choices(&self) -> Unsupported {
        Unsupported {
            drop_field_expiry: self.drop_field_expiry,
            skip_module_keys: self.skip_module_keys,
            skip_functions: self.skip_functions,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 equal, or all differences were repaired; 1 differences; 2 wrong usage; 3 stopped by an error that needs a
person, or by the user before any difference was found.

Types, lengths, values and expiries are compared, of every key of the sources, and the destination is searched for keys of
no source. The servers may be written to meanwhile: what differs is looked at again until --settle is over, while the source
stands still and, where a replica runs, after it has applied what the source had executed. Expiries may be 1 s apart, 2 s
with servers before 7.0. Tributary's own keys are left out.

Without --full, strings above 1 KiB and collections above 64 elements are compared by type, length, expiry and a few
elements. With it, every element is, with the expiry of fields and the groups of streams.

Nothing is written without --repair.")]
pub struct VerifyArgs {
    #[command(flatten)]
    pub servers: ServersArgs,
    /// Compare every element of every value.
    #[arg(long)]
    pub full: bool,
    /// Keys per second to look at, at most, over all sources and the destination [default: no limit].
    #[arg(long, value_name = "KEYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// How long a difference has to last before it is reported.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub settle: Duration,
    /// Give the destination what the source holds, of each difference that is found, and delete keys of no source. Right
    /// also while a sync runs.
    #[arg(long)]
    pub repair: bool,
    /// Write the differences to a file: as CSV when its name ends with .csv, otherwise as one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// Differences to list, repair and export, at most; all are counted.
    #[arg(long, value_name = "NUMBER", default_value = "10000")]
    pub list: usize,
    /// One JSON object a second on stdout, the last with the differences, instead of a progress line and a table.
    #[arg(long)]
    pub json: bool,
}

/// Reads seconds, with a fraction where one is wanted.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "not a time that can be waited for".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 stopped by the user, 2 wrong usage or a file that is wrong, 3 the data folder or the address of the metrics cannot
be used. A replica that stops by an error does not end the process: /health tells, and the log.

The file is described in docs/HEADLESS.md. It holds no secret, but says where each is: in the environment, in a file, or in the
keyring.")]
pub struct RunArgs {
    /// The file of the replicas, TOML.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    #[command(flatten)]
    pub data: DataArgs,
    /// Where /metrics and /health are served, instead of where the file says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// How the log on stderr is written.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Which database of the console.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// The folder of the console's database [default: $TRIBUTARY_DATA_DIR, or the window's].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 done, 2 wrong usage, 3 the data or the file cannot be used.")]
pub struct ExportArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// A file that is not there yet, instead of stdout.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 done, 2 wrong usage or a file that is wrong, 3 the data cannot be used, or a replica is there already.

Nothing is started. What `data` and `metrics` say in the file is for `tributary run`.")]
pub struct ImportArgs {
    /// The file, as `tributary export` writes it.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub data: DataArgs,
    /// Change replicas that are there already, known by their id or name.
    #[arg(long)]
    pub replace: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
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

    #[test]
    fn a_file_is_loaded_beside_what_is_there_or_in_its_place_but_not_both() {
        let parse = |extra: &[&str]| {
            let base = ["tributary", "load", "-", "--destination", "redis://b"];
            Cli::try_parse_from(base.iter().chain(extra))
        };
        assert!(parse(&["--flush", "--db", "3"]).is_ok());
        assert!(parse(&["--replace", "--skip-functions"]).is_ok());
        assert!(parse(&["--replace", "--flush"]).is_err());
    }

    #[test]
    fn a_time_to_settle_is_a_number_of_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "-1", "inf", "1s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_as_redis_reads_them() {
        assert_eq!(size("4gb"), Ok(4 << 30));
        assert_eq!(size("64MB"), Ok(64 << 20));
        assert_eq!(size("1000"), Ok(1000));
        for bad in ["", "gb", "4 gb", "-1", "1tb", "99999999999gb"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
