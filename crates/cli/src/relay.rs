//! `tributary relay`: a proxy beside a Redis server that compresses the replication link.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tributary_engine::{ClientIdentity, TlsOptions, TlsVersion, Trust};
use tributary_metrics::{Health, Pages, Server};
use tributary_relay::{Limits, Relay, RelaySpec, ServerTls, Upstream};

use crate::args::LogFormat;
use crate::signals;

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 ended by SIGINT or SIGTERM, 2 wrong usage. A second signal ends it without delivering what was read.

With several pairs of --listen and --upstream, one process stands beside every node of a cluster. A console whose source has
compression turned on (?compress=gzip) gets gzip from it; any other client sees the server as if the relay were not there.")]
pub struct RelayArgs {
    /// Where to listen, as 0.0.0.0:7379; as often as --upstream.
    #[arg(long, value_name = "ADDR:PORT", required = true)]
    listen: Vec<String>,
    /// The server behind it, as 127.0.0.1:6379. No other is ever connected to.
    #[arg(long, value_name = "HOST:PORT", required = true)]
    upstream: Vec<String>,
    /// A PEM file with the certificate that clients are shown: they come by TLS then.
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS of clients")]
    tls_cert: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS of clients")]
    tls_key: Option<PathBuf>,
    /// A PEM file with authorities: a client has to show a certificate of theirs.
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS of clients")]
    client_ca: Option<PathBuf>,
    /// The oldest version to speak with clients.
    #[arg(long, value_name = "VERSION", default_value = "1.2", value_parser = ["1.2", "1.3"], help_heading = "TLS of clients")]
    tls_min: String,
    /// Speak TLS with the server.
    #[arg(long, help_heading = "TLS of the server")]
    upstream_tls: bool,
    /// A PEM file with the authorities that the server's certificate may be of.
    #[arg(long, value_name = "FILE", requires = "upstream_tls", help_heading = "TLS of the server")]
    upstream_ca: Option<PathBuf>,
    /// Our certificate, for a server that wants one.
    #[arg(long, value_name = "FILE", requires_all = ["upstream_tls", "upstream_key"], help_heading = "TLS of the server")]
    upstream_cert: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "FILE", requires_all = ["upstream_tls", "upstream_cert"], help_heading = "TLS of the server")]
    upstream_key: Option<PathBuf>,
    /// The name that the server's certificate has to be for, instead of the host's.
    #[arg(long, value_name = "NAME", requires = "upstream_tls", help_heading = "TLS of the server")]
    upstream_sni: Option<String>,
    /// Believe any certificate of the server.
    #[arg(long, requires = "upstream_tls", help_heading = "TLS of the server")]
    upstream_insecure: bool,
    /// Serve /metrics (Prometheus) and /health there.
    #[arg(long, value_name = "ADDR:PORT")]
    metrics: Option<SocketAddr>,
    /// Clients of one listener at a time; further ones are closed at once.
    #[arg(long, value_name = "NUMBER", default_value = "10000", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// How long TLS, and then a request for compression that has begun, may take.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = crate::args::seconds)]
    handshake_timeout: Duration,
    /// How long what was read may take to be delivered when the relay ends.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = crate::args::seconds)]
    drain_timeout: Duration,
    /// How the log on stderr is written.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// `tributary relay`.
///
/// # Errors
/// What is wrong with the command line.
pub async fn relay(args: RelayArgs) -> Result<ExitCode, String> {
    let specs = specs(&args)?;
    raise_file_limit();
    let relay = Relay::bind(specs).await.map_err(|error| error.to_string())?;
    for (address, upstream) in relay.addresses().iter().zip(&args.upstream) {
        match args.log_format {
            LogFormat::Text => eprintln!("Listening on {address} for {upstream}"),
            LogFormat::Json => tracing::info!(%address, upstream, "listening"),
        }
    }
    let serving = match args.metrics {
        Some(address) => Some(pages(&relay, address, args.log_format).await?),
        None => None,
    };
    let stop = CancellationToken::new();
    let running = tokio::spawn(relay.run(stop.clone()));
    let signalled = || async { signals::stop_requested().await.map_err(|e| format!("cannot receive signals: {e}")) };
    signalled().await?;
    stop.cancel();
    tokio::select! {
        ended = running => ended.map_err(|error| format!("the relay broke off: {error}"))?,
        again = signalled() => again?,
    }
    if let Some(serving) = serving {
        serving.stop().await;
    }
    Ok(ExitCode::SUCCESS)
}

async fn pages(relay: &Relay, address: SocketAddr, log: LogFormat) -> Result<tributary_metrics::Serving, String> {
    let server = Server::bind(address).await.map_err(|error| format!("--metrics {address}: {error}"))?;
    if let Ok(address) = server.address() {
        match log {
            LogFormat::Text => eprintln!("Metrics at http://{address}/metrics"),
            LogFormat::Json => tracing::info!(url = format!("http://{address}/metrics"), "metrics"),
        }
    }
    let (metrics, troubles) = (relay.metrics(), relay.troubles());
    let health = move |_: Option<&str>| {
        let troubles = troubles();
        let told: Vec<_> = troubles.iter().map(|(name, why)| json!({ "upstream": name, "error": why })).collect();
        Health { well: told.is_empty(), json: json!({ "well": told.is_empty(), "troubles": told }).to_string() }
    };
    Ok(server.serve(Pages { metrics: Box::new(move || metrics.page()), health: Box::new(health) }))
}

fn specs(args: &RelayArgs) -> Result<Vec<RelaySpec>, String> {
    if args.listen.len() != args.upstream.len() {
        return Err("give --listen and --upstream equally often: they are pairs".to_owned());
    }
    let limits = Limits {
        connections: args.max_connections as usize,
        handshake: args.handshake_timeout,
        drain: args.drain_timeout,
        ..Limits::default()
    };
    let identity = |certificate: &Option<PathBuf>, key: &Option<PathBuf>| {
        let (certificate, key) = certificate.clone().zip(key.clone())?;
        Some(ClientIdentity { certificate, key, passphrase: crate::endpoints::key_passphrase() })
    };
    let tls = identity(&args.tls_cert, &args.tls_key).map(|identity| ServerTls {
        identity,
        client_authorities: args.client_ca.clone(),
        oldest: TlsVersion::parse(&args.tls_min).unwrap_or_default(),
    });
    let of_upstream = args.upstream_tls.then(|| TlsOptions {
        trust: args.upstream_ca.clone().map_or(Trust::System, Trust::File),
        server_name: args.upstream_sni.clone(),
        identity: identity(&args.upstream_cert, &args.upstream_key),
        oldest: TlsVersion::default(),
        insecure: args.upstream_insecure,
    });
    let pair = |(listen, upstream): (&String, &String)| {
        if !listen.contains(':') {
            return Err(format!("--listen: {listen} is not ADDR:PORT, such as 0.0.0.0:7379"));
        }
        let parsed = Upstream::parse(upstream).ok_or_else(|| format!("--upstream: {upstream} is not HOST:PORT"))?;
        let upstream = Upstream { tls: of_upstream.clone(), ..parsed };
        Ok(RelaySpec { listen: listen.clone(), upstream, tls: tls.clone(), limits })
    };
    args.listen.iter().zip(&args.upstream).map(pair).collect()
}

/// Each client takes two files; the usual soft limit of 1,024 would be the first to be hit.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
