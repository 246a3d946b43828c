//! Exact decimal numbers: what people type, without a detour through floating point.

/// A non-negative decimal number: `mantissa / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    /// All digits, the point left out.
    pub(super) mantissa: u64,
    /// How many of them stand behind the point, at most 18.
    pub(super) scale: u32,
}

impl Decimal {
    /// Takes digits with at most one point (`1`, `1.5`, `.5`) from the front of `text`.
    ///
    /// Returns the number and the rest; `Err` says what is wrong.
    pub(super) fn take(text: &str) -> Result<(Decimal, &str), String> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(match text.chars().next() {
                None => "it is empty".into(),
                Some('-' | '\u{2212}') => "it is negative".into(),
                Some(c) => format!("a number is missing before `{c}`"),
            });
        }
        if fraction.contains('.') {
            return Err(format!("`{number}` has two decimal points"));
        }
        // Zeros at the end say nothing, but would use up the digits that a u64 can hold.
        let fraction = fraction.trim_end_matches('0');
        let mantissa = whole
            .bytes()
            .chain(fraction.bytes())
            .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
            .ok_or_else(|| format!("`{number}` has too many digits"))?;
        if fraction.len() > 18 {
            return Err(format!("`{number}` has too many digits"));
        }
        let scale = fraction.len() as u32;
        Ok((Decimal { mantissa, scale }, rest))
    }

    /// `self * factor`; `None` when that is not a whole number or exceeds `u64`.
    pub(super) fn times(self, factor: u64) -> Option<u64> {
        let product = u128::from(self.mantissa) * u128::from(factor);
        let divisor = self.divisor();
        if !product.is_multiple_of(divisor) {
            return None;
        }
        u64::try_from(product / divisor).ok()
    }

    /// True when `self * factor` is above `u64`, whole or not.
    pub(super) fn overflows(self, factor: u64) -> bool {
        u128::from(self.mantissa) * u128::from(factor) / self.divisor() > u128::from(u64::MAX)
    }

    /// `10^scale`.
    pub(super) fn divisor(self) -> u128 {
        10u128.pow(self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_a_point_are_taken_and_the_rest_is_returned() {
        let take = |text| Decimal::take(text).map(|(d, rest)| (d.mantissa, d.scale, rest));
        assert_eq!(take("15ms"), Ok((15, 0, "ms")));
        assert_eq!(take("1.50s"), Ok((15, 1, "s")));
        assert_eq!(take(".5"), Ok((5, 1, "")));
        assert_eq!(take("2."), Ok((2, 0, "")));
        assert_eq!(take("18446744073709551615"), Ok((u64::MAX, 0, "")));
        for bad in ["", "-1", ".", "s", "1.2.3", "18446744073709551616", "0.0000000000000000001"] {
            assert!(take(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn products_are_exact_or_refused() {
        let half = Decimal { mantissa: 5, scale: 1 };
        assert_eq!(half.times(10), Some(5));
        assert_eq!(half.times(1), None);
        let huge = Decimal { mantissa: u64::MAX, scale: 0 };
        assert_eq!(huge.times(2), None);
        assert!(huge.overflows(2) && !huge.overflows(1));
    }
}
