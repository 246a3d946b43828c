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

    /// Reads codes, ranges and classes: `200,201,300-399,5xx`.
    ///
    /// # Errors
    /// The part that is none of them.
    pub fn parse(text: &str) -> Result<StatusSet, StatusSetError> {
        let mut set = StatusSet::empty();
        for part in text.split(',').map(str::trim) {
            let wrong = || StatusSetError(part.to_owned());
            let code = |text: &str| text.trim().parse().ok().filter(|c| (100..=999).contains(c));
            let (first, last) = match (part.split_once('-'), part.strip_suffix("xx")) {
                (Some((first, last)), _) => (code(first), code(last)),
                (_, Some(class)) => {
                    let class: Option<u16> = class.parse().ok().filter(|c| (1..=9).contains(c));
                    (class.map(|c| c * 100), class.map(|c| c * 100 + 99))
                }
                _ => (code(part), code(part)),
            };
            match first.zip(last) {
                Some((first, last)) if first <= last => set.insert_range(first, last),
                _ => return Err(wrong()),
            }
        }
        Ok(set)
    }
}

/// Text that is no set of status codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status: write codes, ranges or classes, such as 200,300-399,5xx")]
pub struct StatusSetError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read() {
        let set = StatusSet::parse("200, 300-302,5xx").expect("valid");
        assert!([200, 300, 302, 500, 599].iter().all(|c| set.contains(*c)));
        assert!([0, 201, 303, 499, 600].iter().all(|c| !set.contains(*c)));
        for bad in ["", "2", "x", "300-200", "200,", "0xx"] {
            assert!(StatusSet::parse(bad).is_err(), "{bad}");
        }
    }
}
