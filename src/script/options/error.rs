//! What is wrong with options, and where they came from.

use std::fmt;

/// k6's exit code for options that cannot be used.
pub const CONFIGURATION: u8 = 104;
/// k6's exit code for flags that cannot be read, and for some values that it looks at late.
pub const USAGE: u8 = 255;

/// Why options cannot be used: each line names the place and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct OptionsError {
    /// What k6 exits with: [`CONFIGURATION`] or [`USAGE`].
    pub exit: u8,
    /// What is wrong; never empty.
    pub problems: Vec<String>,
}

impl OptionsError {
    /// One thing is wrong with the configuration.
    pub fn configuration(problem: impl Into<String>) -> OptionsError {
        OptionsError { exit: CONFIGURATION, problems: vec![problem.into()] }
    }

    /// One thing is wrong with how it was called.
    pub fn usage(problem: impl Into<String>) -> OptionsError {
        OptionsError { exit: USAGE, problems: vec![problem.into()] }
    }
}

/// Where options came from; what comes later goes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The file of `--config`.
    File,
    /// What the script exports.
    Script,
    /// Variables that begin with `K6_`.
    Environment,
    /// The command line.
    Flags,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::File => "configuration file",
            Layer::Script => "script's options",
            Layer::Environment => "environment",
            Layer::Flags => "command line",
        })
    }
}
