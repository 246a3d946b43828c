//! Rows from files.

use crate::rng::Rng;

/// The rows of one file, and in which order they are taken.
#[derive(Debug)]
pub struct DataSet {
    /// Its name in templates.
    pub name: String,
}

impl DataSet {
    /// Which row an iteration gets.
    ///
    /// `ticket` is the number of the iteration among all that ask for a row of this set in the whole
    /// run (worker i of n counts i, i + n, …); `vu` is the virtual user's number over all scenarios, from 0.
    /// `None`: the rows have run out, and the set was told to stop then.
    pub fn row_for(&self, _ticket: u64, _vu: u64, _rng: &mut Rng) -> Option<u64> {
        None
    }
}
