//! Values taken from answers, for later steps.

use super::answer::{Answer, Needs};

/// Takes one value from an answer.
#[derive(Clone, Debug)]
pub struct Extract {
    /// Index into [`Workload::variables`](super::workload::Workload::variables).
    pub variable: u32,
    /// Used when nothing is found; without it the iteration ends there.
    pub default: Option<Box<[u8]>>,
}

impl Extract {
    /// What of an answer must be kept for it.
    pub fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The value; `None` when the answer has none (the caller then takes `default`).
    pub fn take(&self, _answer: &Answer<'_>) -> Option<Box<[u8]>> {
        None
    }
}
