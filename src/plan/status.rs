//! Sets of status codes.

/// A set of status codes, 0 (no answer) to 999.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet([u64; 16]);

impl Default for StatusSet {
    /// What k6 takes for an expected response: 200 to 399.
    fn default() -> StatusSet {
        let mut set = StatusSet::empty();
        set.insert_range(200, 399);
        set
    }
}

impl StatusSet {
    /// No code.
    pub fn empty() -> StatusSet {
        StatusSet([0; 16])
    }

    /// Adds the codes from `first` to `last`, both included; codes above 999 do not exist.
    pub fn insert_range(&mut self, first: u16, last: u16) {
        for code in first..=last.min(999) {
            self.0[usize::from(code) / 64] |= 1 << (code % 64);
        }
    }

    /// Whether the code is in the set.
    #[inline]
    pub fn contains(&self, code: u16) -> bool {
        self.0.get(usize::from(code) / 64).is_some_and(|word| word >> (code % 64) & 1 == 1)
    }

    /// True when no code is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}
