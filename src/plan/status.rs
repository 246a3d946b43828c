//! Sets of status codes.

/// A set of status codes, 0 (no response) to 999.
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

    /// The codes from 100 to 999 that are not in it.
    pub fn others(&self) -> StatusSet {
        let mut set = StatusSet::empty();
        (100..1000).filter(|code| !self.contains(*code)).for_each(|code| set.insert_range(code, code));
        set
    }

    /// True when no code is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

impl std::str::FromStr for StatusSet {
    type Err = String;

    /// Reads `200,201,300-399` and `2xx`.
    ///
    /// # Errors
    /// Which part of the list is no status, or that there is none.
    fn from_str(text: &str) -> Result<StatusSet, String> {
        let mut set = StatusSet::empty();
        for part in text.split(',').map(str::trim) {
            let (first, last) = range(part).ok_or_else(|| {
                format!("`{part}` is not a status or a range of them; write 200,201,300-399 or 2xx")
            })?;
            set.insert_range(first, last);
        }
        Ok(set)
    }
}

fn range(part: &str) -> Option<(u16, u16)> {
    let code = |text: &str| text.trim().parse().ok().filter(|code| (100..1000).contains(code));
    if let Some(class) = part.strip_suffix("xx") {
        let first = code(&format!("{class}00"))?;
        return Some((first, first + 99));
    }
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (code(first)?, code(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_ranges_and_classes() {
        let set: StatusSet = "200, 204,300-302,5xx".parse().unwrap();
        for (code, inside) in
            [(200, true), (201, false), (204, true), (301, true), (303, false), (599, true), (0, false)]
        {
            assert_eq!(set.contains(code), inside, "{code}");
        }
        for bad in ["", "20", "200-", "399-300", "xx", "1000", "200,,201"] {
            assert!(bad.parse::<StatusSet>().is_err(), "{bad}");
        }
        assert!(StatusSet::empty().is_empty() && !set.is_empty());
        let others = set.others();
        assert!((100..1000).all(|code| set.contains(code) != others.contains(code)));
        assert!(StatusSet::default().contains(302) && !StatusSet::default().contains(400));
    }
}
