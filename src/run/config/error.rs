//! What is wrong with the options, and the way out.

use std::fmt;
use std::str::FromStr;

use crate::plan::file::FileError;
use crate::run::resolve::ResolveError;
use crate::secrets::Redactor;

/// One option that cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The option, such as `-c`; `URL` for the target.
    pub option: &'static str,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.message)
    }
}

/// Why there is nothing to run.
#[derive(Debug)]
pub enum ConfigError {
    /// The options are not usable (a usage error: exit code 2). Never empty.
    Refused(Vec<Problem>),
    /// The options are fine, but the target's name has no address (could not run: exit code 1).
    Resolve(ResolveError),
    /// The plan's file is not usable (a usage error: exit code 2).
    Plan(FileError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Resolve(error) => error.fmt(f),
            ConfigError::Plan(error) => error.fmt(f),
            ConfigError::Refused(problems) => match problems.as_slice() {
                [only] => only.fmt(f),
                several => {
                    write!(f, "{} problems with the options:", several.len())?;
                    several.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
                }
            },
        }
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// Takes secrets out of the messages, which quote what was given.
    pub(super) fn without(mut self, secrets: &Redactor) -> ConfigError {
        let hide = |message: &mut String| *message = secrets.text(message).into_owned();
        match &mut self {
            ConfigError::Refused(problems) => problems.iter_mut().for_each(|p| hide(&mut p.message)),
            ConfigError::Plan(file) => file.problems.iter_mut().for_each(|p| hide(&mut p.message)),
            ConfigError::Resolve(_) => {} // has names of hosts only
        }
        self
    }
}

/// Collects problems, so that all of them can be told at once.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    pub(super) fn add(&mut self, option: &'static str, message: impl Into<String>) {
        self.0.push(Problem { option, message: message.into() });
    }

    /// The value, or `None` with its error noted.
    pub(super) fn note<T, E: fmt::Display>(
        &mut self,
        option: &'static str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.add(option, error.to_string())).ok()
    }

    /// Parses an option that has a default; notes the error and goes on with the default.
    pub(super) fn choice<T>(&mut self, option: &'static str, text: Option<&str>) -> T
    where
        T: FromStr<Err: fmt::Display> + Default,
    {
        text.and_then(|text| self.note(option, text.parse())).unwrap_or_default()
    }
}
