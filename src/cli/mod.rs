//! The command line: what was typed becomes a run, what came out becomes an exit code.

mod args;
mod demo;
pub mod dry_run;
mod exit;
mod hints;
mod import;
mod run;
mod samples;
mod script;
mod script_args;
mod signals;
mod sink;
mod stderr;
mod target;

use std::borrow::Cow;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory;

use self::args::{Cli, Command};
use self::exit::{Exit, Failure};
use crate::plan::template;
use crate::secrets::Redactor;

/// Parses the process's arguments, does what they ask, and chooses the exit code.
pub fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let exit = match args::parse(&argv) {
        Ok(cli) => dispatch(cli).unwrap_or_else(|failure| failure.tell(&secrets_of(&argv))),
        Err(error) => refuse(&error, &argv),
    };
    exit.into()
}

/// What is on the command line, for errors that quote it: also one that cannot be parsed.
fn secrets_of(argv: &[OsString]) -> Redactor {
    let words: Vec<_> = argv.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    if words.iter().any(|word| word == "--show-secrets") {
        return Redactor::showing();
    }
    let mut secrets = Redactor::default();
    for word in &words {
        let value = word.strip_prefix("--").and_then(|flag| flag.split_once('=')).map(|(_, value)| value);
        for text in value.into_iter().chain([&**word]) {
            secrets.learn_word(text);
            secrets.learn_url(text);
        }
    }
    secrets
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        None => run::execute(cli.run),
        Some(Command::Run(args)) => run::execute(*args),
        Some(Command::Script(args)) => script::execute(*args),
        Some(Command::Inspect(args)) => script::inspect::execute(*args),
        Some(Command::Target(args)) => target::execute(args),
        Some(Command::Demo(args)) => demo::execute(args),
        Some(Command::Import(args)) => import::execute(args),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "squall", &mut script);
            sink::to_stdout(&script)
        }
        Some(Command::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(Failure::run)?;
            sink::to_stdout(&page)
        }
        Some(Command::Templates) => sink::to_stdout(format!("{}\n", template::help::text()).as_bytes()),
    }
}

/// Prints what clap says, which is a response when help or the version was asked for, and a hint
/// where the user seems to come from another tool.
fn refuse(error: &clap::Error, argv: &[OsString]) -> Exit {
    let (secrets, message) = (secrets_of(argv), error.to_string());
    match secrets.text(&message) {
        Cow::Owned(hidden) if error.use_stderr() => stderr::say(&secrets, hidden.trim_end()),
        // With colours. Nothing can be told where standard error is closed.
        _ => drop(error.print()),
    }
    if !error.use_stderr() {
        return Exit::Fine;
    }
    if args::is_of_script(argv) {
        return Exit::Other;
    }
    if let Some(hint) = hints::hint(argv) {
        stderr::say(&secrets, &format!("\n  hint: {hint}"));
    }
    Exit::Usage
}
