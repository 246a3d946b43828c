//! Comparisons as people write them: `==`, `<=`, …

/// How two values must stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`, or `===` as in JavaScript
    Equal,
    /// `!=`
    NotEqual,
}

/// Longer operators before their prefixes.
const OPERATORS: [(&str, Relation); 7] = [
    ("===", Relation::Equal),
    ("==", Relation::Equal),
    ("!=", Relation::NotEqual),
    ("<=", Relation::LessOrEqual),
    (">=", Relation::GreaterOrEqual),
    ("<", Relation::Less),
    (">", Relation::Greater),
];

impl Relation {
    /// The operator at the start of `text`, and what is behind it.
    pub fn take(text: &str) -> Option<(Relation, &str)> {
        OPERATORS.into_iter().find_map(|(operator, relation)| Some((relation, text.strip_prefix(operator)?)))
    }

    /// The first operator in `text`, with what stands before and behind it.
    pub fn split(text: &str) -> Option<(&str, Relation, &str)> {
        text.char_indices().find_map(|(at, _)| {
            let (relation, behind) = Relation::take(&text[at..])?;
            Some((&text[..at], relation, behind))
        })
    }

    /// Whether `left` and `right` stand so.
    pub fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Relation::Less => left < right,
            Relation::LessOrEqual => left <= right,
            Relation::Greater => left > right,
            Relation::GreaterOrEqual => left >= right,
            Relation::Equal => left == right,
            Relation::NotEqual => left != right,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_operator_is_meant() {
        for (text, relation, behind) in [
            ("===1", Relation::Equal, "1"),
            ("== 1", Relation::Equal, " 1"),
            ("<=1", Relation::LessOrEqual, "1"),
            ("<1", Relation::Less, "1"),
            (">=1", Relation::GreaterOrEqual, "1"),
            ("!=1", Relation::NotEqual, "1"),
        ] {
            assert_eq!(Relation::take(text), Some((relation, behind)));
        }
        assert_eq!(Relation::take("=1"), None);
        assert_eq!(Relation::split("p(95) <= 2"), Some(("p(95) ", Relation::LessOrEqual, " 2")));
        assert_eq!(Relation::split("ü"), None);
    }

    #[test]
    fn nothing_stands_in_any_order_to_nan_but_apart_from_it() {
        let nan = f64::NAN;
        assert!(!Relation::Less.holds(nan, 1.0) && !Relation::Equal.holds(nan, nan));
        assert!(Relation::NotEqual.holds(nan, nan));
    }
}
