//! The order in which k6 lists metrics: that of a dictionary, not of bytes.

use std::cmp::Ordering;

/// Compares as the root collation of Unicode does for what names of metrics and tags mostly consist of: signs before digits before
/// letters, whose case only counts where all else is equal.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let keys = |text: &str| text.chars().map(primary).collect::<Vec<_>>();
    let cases = |text: &str| text.chars().map(char::is_uppercase).collect::<Vec<_>>();
    keys(a).cmp(&keys(b)).then_with(|| cases(a).cmp(&cases(b)))
}

fn primary(c: char) -> (u8, u32) {
    /// Signs in their order there.
    const SIGNS: &str = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";
    if c.is_whitespace() {
        return (0, 0);
    }
    if let Some(at) = SIGNS.find(c) {
        return (1, at as u32);
    }
    if c.is_ascii_digit() {
        return (2, u32::from(c));
    }
    (3, c.to_lowercase().next().map_or(0, u32::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_as_k6_has_them() {
        // As k6 1.1 printed them.
        let k6 = ["_a", "ab", "aB", "Ab", "ab_2", "ab2", "my_trend", "my_trend_x", "my_trend2", "zz"];
        let mut names = k6;
        names.sort();
        assert_ne!(names, k6, "bytes have another order");
        names.sort_by(|a, b| compare(a, b));
        assert_eq!(names, k6);
    }
}
