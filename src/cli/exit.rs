//! The one place where exit codes are chosen. Where k6 has a number for the case, it is k6's.

use std::process::ExitCode;

use anyhow::Error;

use super::stderr;
use crate::report::Report;
use crate::run::RunError;
use crate::run::config::ConfigError;
use crate::script::options::{self, OptionsError};
use crate::secrets::Redactor;
use crate::verdict::Status;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// All is well.
    Fine = 0,
    /// The request was sensible, but could not be carried out.
    CouldNotRun = 1,
    /// A usage or configuration error. clap's number, too.
    Usage = 2,
    /// The run's verdict is INVALID.
    Invalid = 96,
    /// A threshold failed. k6's number.
    Threshold = 99,
    /// A script's `setup` took too long. k6's number, as all below.
    SetupTimeout = 100,
    /// A script's `teardown` took too long.
    TeardownTimeout = 101,
    /// A script's options.
    Configuration = 104,
    /// Stopped by a signal.
    Interrupted = 105,
    /// A script threw where that ends the test.
    Exception = 107,
    /// A script called `exec.test.abort`.
    AbortedByScript = 108,
    /// A script called `exec.test.fail`.
    FailedByScript = 110,
    /// A script that is not there, or exports nothing; flags of its run that cannot be read.
    Other = 255,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// Of a script's options or flags.
    pub(super) fn of_options(error: &OptionsError) -> Exit {
        match error.exit {
            options::CONFIGURATION => Exit::Configuration,
            _ => Exit::Other,
        }
    }

    /// For a run that has a report. A failed threshold comes before an invalid verdict: it is what was asked for. Interrupted comes before invalid: a run that was cut short is
    /// often the latter too, and whoever interrupted it knows why.
    pub(super) fn of(report: &Report, allow_invalid: bool) -> Exit {
        if report.aborted {
            Exit::Interrupted
        } else if report.thresholds.iter().any(|threshold| !threshold.ok) {
            Exit::Threshold
        } else if report.verdict.status == Status::Invalid && !allow_invalid {
            Exit::Invalid
        } else {
            Exit::Fine
        }
    }
}

/// An error with the way in which it ends the process.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    error: Error,
}

impl Failure {
    pub(super) fn usage(error: impl Into<Error>) -> Failure {
        Failure { exit: Exit::Usage, error: error.into() }
    }

    pub(super) fn run(error: impl Into<Error>) -> Failure {
        Failure { exit: Exit::CouldNotRun, error: error.into() }
    }

    /// Of a script's options or flags, with k6's exit code.
    pub(super) fn of_options(error: OptionsError) -> Failure {
        Failure { exit: Exit::of_options(&error), error: error.into() }
    }

    /// Of what a script's run is made of, with k6's exit code.
    pub(super) fn of_script(error: ConfigError) -> Failure {
        match Failure::from(error) {
            Failure { exit: Exit::Usage, error } => Failure { exit: Exit::Configuration, error },
            other => other,
        }
    }

    /// Tells the user, in one line where the causes fit into one.
    pub(super) fn tell(self, secrets: &Redactor) -> Exit {
        stderr::say(secrets, &format!("squall: {:#}", self.error));
        self.exit
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        match error {
            ConfigError::Refused(_) | ConfigError::Plan(_) => Failure::usage(error),
            ConfigError::Resolve(_) => Failure::run(error),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        let exit = match error {
            RunError::Interrupted => Exit::Interrupted,
            RunError::MemoryAsked { .. } => Exit::Usage,
            _ => Exit::CouldNotRun,
        };
        Failure { exit, error: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn reports_choose_the_code() {
        let mut report = sample::closed();
        for (status, aborted, allow_invalid, exit) in [
            (Status::Valid, false, false, Exit::Fine),
            (Status::Suspect, false, false, Exit::Fine),
            (Status::Invalid, false, false, Exit::Invalid),
            (Status::Invalid, false, true, Exit::Fine),
            (Status::Invalid, true, false, Exit::Interrupted),
            (Status::Valid, true, true, Exit::Interrupted),
        ] {
            report.verdict.status = status;
            report.aborted = aborted;
            assert_eq!(Exit::of(&report, allow_invalid), exit);
        }
    }
}
