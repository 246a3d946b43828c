//! What can be typed: each option of a run is declared here, once, with its help. Values are judged later, all of them at once, by
//! [`RunConfig::validate`](super::RunConfig::validate); here only words and whole numbers are.

pub(super) mod words;

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

/// The options as the flags give them, unjudged. `None` is "not given".
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct RawConfig {
    /// Target, such as http://localhost:8080/path or http://USER:PASSWORD@HOST/, or a plan, such as plan.toml or plan.json
    #[arg(value_name = "URL|PLAN", default_value = "", hide_default_value = true)]
    pub url: String,
    /// Open connections; without -R each is a loop of request and response [default: 50]
    #[arg(short, long, value_name = "N", help_heading = "Load")]
    pub connections: Option<u64>,
    /// How long to measure [default: 10s, unless -n is given]
    #[arg(short, long, value_name = "TIME", help_heading = "Load")]
    pub duration: Option<String>,
    /// How many requests to send; with -d, whichever comes first ends the run
    #[arg(short = 'n', long, value_name = "N", help_heading = "Load")]
    pub requests: Option<u64>,
    /// Arrivals per second, whatever the target does (open model)
    #[arg(short = 'R', long, value_name = "RATE", help_heading = "Load")]
    pub rate: Option<String>,
    /// How arrivals lie in time [default: uniform]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["uniform", "poisson"]), help_heading = "Load")]
    pub arrivals: Option<String>,
    /// Seed of everything random [default: taken from the clock, and reported]
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub seed: Option<u64>,
    /// Requests in flight on each connection [default: 1]
    #[arg(short, long, value_name = "N", help_heading = "Load")]
    pub pipeline: Option<u64>,
    /// Load before measuring begins [default: none]
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub warmup: Option<String>,
    /// How many arrivals may wait for a connection [default: the larger of 100000 and ten seconds' worth]
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub max_backlog: Option<u64>,
    /// Virtual users over time: TIME:USERS, or with -R TIME:RATE; may be given several times
    #[arg(long = "stage", value_name = "TIME:TARGET", help_heading = "Load")]
    pub stages: Vec<String>,
    /// Virtual users, each with its own connection; with --stage, how many there are at the start [default: 1]
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub vus: Option<u64>,
    /// Value for a plan's variable; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", help_heading = "Load")]
    pub vars: Vec<String>,
    /// Method [default: GET, or POST when there is a body]
    #[arg(short, long, value_name = "METHOD", help_heading = "Request")]
    pub method: Option<String>,
    /// Header; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", help_heading = "Request")]
    pub headers: Vec<String>,
    /// Body
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with = "body_file",
        allow_hyphen_values = true,
        help_heading = "Request"
    )]
    pub body: Option<String>,
    /// File with the body; - for standard input
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    pub body_file: Option<PathBuf>,
    /// How long a request may take [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "Request")]
    pub timeout: Option<String>,
    /// How much of a body checks and extractions look at [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Request")]
    pub max_body: Option<String>,
    /// Memory for the run; bodies that would take more fail as `memory` [default: half of what is free]
    #[arg(long, value_name = "SIZE", help_heading = "Generator")]
    pub max_memory: Option<String>,
    /// Longest head of a response [default: 256KiB]
    #[arg(long, value_name = "SIZE", help_heading = "Request")]
    pub max_head: Option<String>,
    /// How long responses are waited for after the end; what has none then is unanswered [default: as --timeout]
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub drain: Option<String>,
    /// How long opening a connection may take [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = "Connection")]
    pub connect_timeout: Option<String>,
    /// How connections are made.
    #[command(flatten)]
    pub connect: RawConnect,
    /// How TLS is spoken.
    #[command(flatten)]
    pub tls: RawTls,
    /// Proxy to go through, such as http://user:password@host:3128; https targets are tunnelled; '' for none [default: that of
    /// http_proxy, https_proxy or all_proxy, except for this host and those of no_proxy]
    #[arg(long, value_name = "URL", help_heading = "Connection")]
    pub proxy: Option<String>,
    /// Redirects to follow at most [default: 0]
    #[arg(long, value_name = "N", help_heading = "Request")]
    pub max_redirects: Option<u32>,
    /// Open a connection for each request
    #[arg(long, conflicts_with = "requests_per_connection", help_heading = "Request")]
    pub no_keepalive: bool,
    /// Send a request again that met a connection which the server was just closing; users do with GET, HEAD and OPTIONS
    #[arg(long, help_heading = "Request")]
    pub resend: bool,
    /// Close a connection after so many requests
    #[arg(long, value_name = "N", help_heading = "Request")]
    pub requests_per_connection: Option<u32>,
    /// Keep the cookies that the target gives
    #[arg(long, help_heading = "Request")]
    pub cookies: bool,
    /// What each response must be, such as 'status==200'; may be given several times
    #[arg(long = "check", value_name = "EXPRESSION", help_heading = "Judgement")]
    pub checks: Vec<String>,
    /// What must hold at the end, such as 'http_req_duration:p(95)<200'; may be given several times
    #[arg(long = "threshold", value_name = "METRIC:EXPRESSION", help_heading = "Judgement")]
    pub thresholds: Vec<String>,
    /// Workers, one thread and core each [default: all usable cores; half of them when the target is on this host]
    #[arg(short, long, value_name = "N", help_heading = "Generator")]
    pub threads: Option<u64>,
    /// Cores to pin the workers to, such as 1,3-5
    #[arg(long, value_name = "LIST", help_heading = "Generator")]
    pub cores: Option<String>,
    /// How workers wait; auto spins with -R when there are cores to spare [default: auto]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["auto", "spin", "sleep"]), help_heading = "Generator")]
    pub wait: Option<String>,
    /// What carries the bytes; auto is io_uring where it is allowed, else epoll [default: auto]
    #[arg(long, value_name = "DRIVER", value_parser = PossibleValuesParser::new(["auto", "uring", "epoll"]), help_heading = "Generator")]
    pub driver: Option<String>,
    /// How often figures are collected: a row of the timeline, and of the progress line [default: 1s]
    #[arg(long, value_name = "TIME", help_heading = "Output")]
    pub interval: Option<String>,
    /// Series that a flow's own metrics and tags may make; what is beyond goes together, and stays in all totals [default: 2000]
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub max_series: Option<u64>,
    /// Show secrets in all outputs, where *** stands for them otherwise
    #[arg(long, help_heading = "Output")]
    pub show_secrets: bool,
    /// Exit 0 although the verdict is INVALID
    #[arg(long, help_heading = "Output")]
    pub allow_invalid: bool,
}

/// The options about connections, likewise.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct RawConnect {
    /// Connect to this Unix socket, whatever host and port the URL has; @NAME for an abstract one
    #[arg(long, value_name = "PATH", help_heading = "Connection")]
    pub unix_socket: Option<PathBuf>,
    /// Addresses for a host and port, in place of the resolver's; may be given several times
    #[arg(long, value_name = "HOST:PORT:ADDR[,ADDR]", help_heading = "Connection")]
    pub resolve: Vec<String>,
    /// Local addresses that share the connections, such as 10.0.0.7,10.0.0.8 or 127.0.1.0/28; may be given several times
    #[arg(long = "source", value_name = "ADDR[,ADDR]", help_heading = "Connection")]
    pub sources: Vec<String>,
    /// TCP congestion control, such as cubic [default: the system's]
    #[arg(long = "tcp-congestion", value_name = "NAME", help_heading = "Connection")]
    pub congestion: Option<String>,
    /// How long the addresses of a name are believed; 0: each connection has them looked up [default: the whole run]
    #[arg(long, value_name = "TIME", help_heading = "Connection")]
    pub dns_ttl: Option<String>,
    /// Public host, or *.HOST for all below it, that a target on this host or in a private network may redirect to; may be given several times
    #[arg(long = "allow-host", value_name = "HOST", help_heading = "Connection")]
    pub allow_hosts: Vec<String>,
}

/// The options about TLS, likewise.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct RawTls {
    /// Trust any certificate
    #[arg(short = 'k', long, help_heading = "Connection")]
    pub insecure: bool,
    /// File with the certificates to trust (PEM or DER) [default: the system's]
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub cacert: Option<PathBuf>,
    /// File with a certificate to show to the server, and its issuers' (PEM, DER, or PKCS#12 with its key)
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub cert: Option<PathBuf>,
    /// File with the private key of --cert (PEM or DER) [default: the file of --cert]
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub key: Option<PathBuf>,
    /// File whose first line is the password of that key, or of a PKCS#12 file
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub key_password: Option<PathBuf>,
    /// Oldest version of TLS, 1.2 or 1.3 [default: 1.2]
    #[arg(long = "tls-min", value_name = "VERSION", help_heading = "Connection")]
    pub min_version: Option<String>,
    /// Let connections resume the TLS sessions of earlier ones; without it each does a whole handshake
    #[arg(long = "tls-resumption", help_heading = "Connection")]
    pub resumption: bool,
    /// How long a TLS handshake may take; as --connect-timeout when not given
    #[arg(id = "tls_timeout", long = "tls-timeout", value_name = "TIME", help_heading = "Connection")]
    pub timeout: Option<String>,
}
