//! Words for the user.

use std::io::{self, Write};

use crate::secrets::Redactor;

/// Writes a line of words for the user, without `secrets`.
///
/// `eprintln!` would panic where standard error is a pipe that nobody reads any more, and a panic has
/// an exit code of its own.
pub(super) fn say(secrets: &Redactor, line: &str) {
    let _ = writeln!(io::stderr(), "{}", secrets.text(line));
}
