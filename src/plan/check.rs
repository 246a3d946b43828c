//! What an answer is judged by.

use std::sync::Arc;

use super::answer::{Answer, Needs};

/// A named predicate on one answer.
#[derive(Clone, Debug)]
pub struct Check {
    /// Shown in reports; k6's tag `check`.
    pub name: Arc<str>,
}

/// Why a check cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CheckError(pub String);

impl Check {
    /// Reads an expression such as `status==200`; its text is the name.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub fn parse(expression: &str) -> Result<Check, CheckError> {
        Ok(Check { name: expression.into() })
    }

    /// What of an answer must be kept for it.
    pub fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Whether the answer passes.
    pub fn judge(&self, answer: &Answer<'_>) -> bool {
        answer.status == 200
    }
}
