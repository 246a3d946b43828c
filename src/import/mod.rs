//! Plans from what people have at hand: a `curl` command, or a browser's recording (HAR).
//!
//! A source becomes a list of [`Recorded`] requests, in plain text; [`writer`] makes a plan of it, and is the only
//! one that knows the plan's language. Secrets stay out of the plan.

mod curl;
mod har;
mod recorded;
mod secrets;
mod shell;
mod writer;

pub use self::curl::{COMMAND_MAX, curl};
pub use self::har::{FILE_MAX, HarOptions, Think, har};

/// A plan, ready to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// TOML.
    pub plan: String,
    /// Bodies that are no text, by the names that the plan has for them.
    pub files: Vec<(String, Vec<u8>)>,
    /// What the user should know: what was left out, and what has to be set.
    pub warnings: Vec<String>,
}

/// What cannot be imported, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ImportError {
    /// Such as `line 3, column 9`, or `entry 12`.
    pub place: String,
    /// What is wrong there, and what would be right.
    pub what: String,
}

impl ImportError {
    fn new(place: impl Into<String>, what: impl Into<String>) -> ImportError {
        ImportError { place: place.into(), what: what.into() }
    }
}
