//! How many series figures were kept apart in.

use serde::{Deserialize, Serialize};

use crate::stats::registry::Role;
use crate::stats::tally::Tally;

/// How finely figures were kept apart. All zero in plain runs but for the bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesSection {
    /// Series, those of the plan and those that samples made.
    pub count: u64,
    /// Most that samples may make: in a worker, and in what is merged of all.
    pub bound: u32,
    /// Samples that are with all others of their metric, since theirs would have been one series too many. They are in all totals, and in
    /// what thresholds ask for.
    pub other_samples: u64,
}

impl SeriesSection {
    pub(super) fn of(tally: &Tally, bound: u32) -> SeriesSection {
        let own = tally.registry().keys().iter().filter(|key| key.role() == Role::Plain).count();
        SeriesSection { count: own as u64, bound, other_samples: tally.in_others() }
    }
}
