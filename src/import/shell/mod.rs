//! Takes a command line apart, as a POSIX shell does, or as cmd.exe where it is written for that.

mod cmd;
mod posix;

use super::ImportError;

/// What a text comes to.
#[derive(Debug, Default)]
pub(super) struct Commands {
    pub(super) commands: Vec<Command>,
    /// What was read otherwise than a shell would.
    pub(super) warnings: Vec<String>,
}

/// One command.
#[derive(Debug, Default)]
pub(super) struct Command {
    /// Not always UTF-8: a shell knows bytes.
    pub(super) words: Vec<Vec<u8>>,
    /// What stands between it and the one before.
    pub(super) after: Option<char>,
}

/// The commands of a script.
///
/// # Errors
/// A quote without its end; anything that would need a running shell.
pub(super) fn commands(text: &str) -> Result<Commands, ImportError> {
    match posix::commands(text) {
        Ok(commands) => Ok(commands),
        Err(posix::Stop::Windows) => cmd::commands(text),
        // What is a variable to one is text to the other.
        Err(posix::Stop::Error(_)) if cmd::goes_on_over_lines(text) => cmd::commands(text),
        Err(posix::Stop::Error(error)) => Err(error),
    }
}

/// The line and column behind `before`.
fn place(before: &str) -> String {
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}

#[cfg(test)]
mod tests;
