//! Words for the user.

use std::fmt;
use std::io::{self, Write};

/// Writes a line of words for the user.
///
/// `eprintln!` would panic where standard error is a pipe that nobody reads any more, and a panic has
/// an exit code of its own.
pub(super) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
