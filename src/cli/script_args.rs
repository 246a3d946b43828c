//! The flags of what takes a script: k6's, and squall's own beside them.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::script::options::ScriptFlags;
use crate::script::options::flags::{Global, Runtime};

/// The flags of a run of a script.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ScriptArgs {
    /// k6 script; - for standard input
    #[arg(value_name = "SCRIPT")]
    pub(crate) script: String,
    /// k6's.
    #[command(flatten)]
    pub(crate) flags: ScriptFlags,
    /// Squall's own.
    #[command(flatten)]
    pub(crate) own: Own,
}

/// Flags that k6 has not.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Own {
    /// Take away what k6 1.1 has not, so that a script that runs here runs there
    #[arg(long, help_heading = "Generator")]
    pub(crate) k6_strict: bool,
    /// Seed of everything random that is not the script's
    #[arg(long, value_name = "N", help_heading = "Generator")]
    pub(crate) seed: Option<u64>,
    /// Workers, one thread and core each [default: half of the usable cores]
    #[arg(long, value_name = "N", help_heading = "Generator")]
    pub(crate) threads: Option<u64>,
    /// Cores to pin the workers to, such as 1,3-5
    #[arg(long, value_name = "LIST", help_heading = "Generator")]
    pub(crate) cores: Option<String>,
    /// How workers wait: auto, spin or sleep
    #[arg(long, value_name = "HOW", help_heading = "Generator")]
    pub(crate) wait: Option<String>,
    /// What carries the bytes: auto, uring or epoll
    #[arg(long, value_name = "DRIVER", help_heading = "Generator")]
    pub(crate) driver: Option<String>,
    /// Memory for the run
    #[arg(long, value_name = "SIZE", help_heading = "Generator")]
    pub(crate) max_memory: Option<String>,
    /// How much of a body scripts see [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Generator")]
    pub(crate) max_body: Option<String>,
    /// Series that tags may make [default: 2000]
    #[arg(long, value_name = "N", help_heading = "Generator")]
    pub(crate) max_series: Option<u64>,
    /// Proxy to go through
    #[arg(long, value_name = "URL", help_heading = "Generator")]
    pub(crate) proxy: Option<String>,
    /// File with the certificates to trust
    #[arg(long, value_name = "FILE", help_heading = "Generator")]
    pub(crate) cacert: Option<PathBuf>,
    /// File with a certificate to show to servers
    #[arg(long, value_name = "FILE", help_heading = "Generator")]
    pub(crate) cert: Option<PathBuf>,
    /// File with its key
    #[arg(long, value_name = "FILE", help_heading = "Generator")]
    pub(crate) key: Option<PathBuf>,
    /// File for squall's own report, as JSON
    #[arg(long, value_name = "FILE", help_heading = "Generator")]
    pub(crate) output: Option<PathBuf>,
    /// Show secrets in squall's own report
    #[arg(long, help_heading = "Generator")]
    pub(crate) show_secrets: bool,
    /// Exit 0 although the verdict is INVALID
    #[arg(long, help_heading = "Generator")]
    pub(crate) allow_invalid: bool,
}

/// The flags of `inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// k6 script; - for standard input
    #[arg(value_name = "SCRIPT")]
    pub(crate) script: String,
    /// With the options of all places, the scenarios that they make, how long these take and how many users there are
    #[arg(long)]
    pub(crate) execution_requirements: bool,
    /// Take away what k6 1.1 has not, so that a script that runs here runs there
    #[arg(long)]
    pub(crate) k6_strict: bool,
    /// k6's for all that take a script.
    #[command(flatten)]
    pub(crate) runtime: Runtime,
    /// k6's for all commands.
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Whether `word` names a script.
pub(super) fn is_script(word: &str) -> bool {
    let ending = Path::new(word).extension().and_then(|ending| ending.to_str());
    word == "-" || matches!(ending, Some("js" | "mjs" | "cjs" | "ts"))
}
