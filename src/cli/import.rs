//! `squall import`: plans from curl commands and recordings.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand, ValueEnum};

use super::exit::{Exit, Failure};
use super::sink::Sink;
use super::stderr;
use crate::import::{self, HarOptions, ImportError, Imported};
use crate::secrets::Redactor;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// From a curl command, such as a browser's "Copy as cURL (bash)"
    #[command(arg_required_else_help = true)]
    Curl {
        /// The whole command as one word; - reads it from standard input
        #[arg(value_name = "COMMAND", allow_hyphen_values = true)]
        command: String,
        /// File for the plan [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// From a browser's recording
    #[command(arg_required_else_help = true)]
    Har {
        /// The recording (HAR 1.2)
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// File for the plan [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Pauses between requests
        #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
        think: Think,
        /// Take only requests to this host; may be given several times
        #[arg(long = "only-host", value_name = "HOST")]
        only_hosts: Vec<String>,
        /// Leave out images, fonts, styles and scripts
        #[arg(long)]
        no_static: bool,
    },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Think {
    /// As long as they were
    #[default]
    Keep,
    /// None
    Drop,
}

pub(super) fn execute(args: ImportArgs) -> Result<Exit, Failure> {
    let mut secrets = Redactor::default();
    match args.source {
        Source::Curl { command, output } => {
            let text = if command == "-" { standard_input()? } else { command };
            secrets.learn(&text);
            write(import::curl(&text), output.as_deref(), &secrets)
        }
        Source::Har { file, output, think, only_hosts, no_static } => {
            let bytes = read(&file)?;
            let think = match think {
                Think::Keep => import::Think::Keep,
                Think::Drop => import::Think::Drop,
            };
            let options = HarOptions { think, only_hosts, no_static };
            write(import::har(&file.display().to_string(), &bytes, &options), output.as_deref(), &secrets)
        }
    }
}

fn standard_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let most = import::COMMAND_MAX as u64 + 1; // one more is refused later
    io::stdin().lock().take(most).read_to_end(&mut bytes).context("standard input").map_err(Failure::run)?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::usage(anyhow!("the command on standard input is not UTF-8")))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(import::FILE_MAX + 1).read_to_end(&mut bytes));
    file.with_context(|| format!("cannot read {}", path.display())).map_err(Failure::usage)?;
    Ok(bytes)
}

fn write(
    imported: Result<Imported, ImportError>,
    output: Option<&Path>,
    secrets: &Redactor,
) -> Result<Exit, Failure> {
    // A command that came on standard input is known here alone.
    let imported = imported.map_err(|e| Failure::usage(anyhow!("{}", secrets.text(&e.to_string()))))?;
    let beside = output.filter(|path| *path != Path::new("-")).map(|path| path.with_file_name(""));
    if beside.is_none() && !imported.files.is_empty() {
        return Err(Failure::usage(anyhow!(
            "a body is no text and needs a file of its own: give -o FILE, and it is written beside the plan"
        )));
    }
    let sink = Sink::open(output)?;
    for (name, bytes) in &imported.files {
        let path = beside.clone().unwrap_or_default().join(name);
        let written = fs::OpenOptions::new().write(true).create_new(true).open(&path);
        let written = written.and_then(|mut file| io::Write::write_all(&mut file, bytes));
        written.with_context(|| format!("cannot write {}", path.display())).map_err(Failure::run)?;
        stderr::say(secrets, &format!("squall: wrote {}", path.display()));
    }
    sink.write(|out| {
        out.write_all(imported.plan.as_bytes())?;
        out.flush()
    })?;
    for warning in &imported.warnings {
        stderr::say(secrets, &format!("squall: {warning}"));
    }
    Ok(Exit::Fine)
}
