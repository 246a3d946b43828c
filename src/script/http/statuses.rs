//! The statuses that a script expects: what it gives to `http.expectedStatuses`.

use crate::plan::status::StatusSet;

/// One argument. Numbers that are whole are whole, `200.0` too; text is no number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    /// A number.
    Number(f64),
    /// An object with `min` and `max`; each `None` where it is no whole number.
    Range(Option<f64>, Option<f64>),
    /// An object without one of them, or anything else.
    Other,
}

/// The set of these statuses; what is no status is in none.
///
/// # Errors
/// k6's message.
pub fn expected(arguments: &[Argument]) -> Result<StatusSet, String> {
    if arguments.is_empty() {
        return Err("no arguments".into());
    }
    let mut set = StatusSet::empty();
    for (at, argument) in arguments.iter().enumerate() {
        let (first, last) = match *argument {
            Argument::Number(status) if status.fract() == 0.0 => (status, status),
            Argument::Range(Some(first), Some(last)) => (first, last),
            Argument::Range(..) => {
                return Err(format!("both min and max need to be integers for argument number {}", at + 1));
            }
            _ => {
                return Err(format!(
                    "argument number {} to expectedStatuses was neither an integer nor an object like {{min:100, max:329}}",
                    at + 1
                ));
            }
        };
        /// The highest that a set can have.
        const MOST: f64 = 999.0;
        if first <= last && last >= 0.0 && first <= MOST {
            set.insert_range(first.max(0.0) as u16, last.min(MOST) as u16);
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::Argument::{Number, Other, Range};
    use super::*;

    #[test]
    fn numbers_and_ranges_are_statuses() {
        let set = expected(&[Number(200.0), Range(Some(300.0), Some(302.0)), Number(404.0)]).unwrap();
        let inside: Vec<u16> = (0..1_000).filter(|status| set.contains(*status)).collect();
        assert_eq!(inside, [200, 300, 301, 302, 404]);
        assert!(
            expected(&[Range(Some(300.0), Some(100.0)), Number(-1.0), Number(4_294_967_296.0)])
                .unwrap()
                .is_empty()
        );
        let wide = expected(&[Range(Some(-5.0), Some(1_000.0))]).unwrap();
        assert!(wide.contains(0) && wide.contains(999));
    }

    /// In the words of k6 1.1.0.
    #[test]
    fn what_is_no_status_is_refused() {
        let neither = |at: u8| {
            format!(
                "argument number {at} to expectedStatuses was neither an integer nor an object like {{min:100, max:329}}"
            )
        };
        for (arguments, wanted) in [
            (vec![], "no arguments".to_owned()),
            (vec![Number(200.5)], neither(1)),
            (vec![Number(f64::NAN)], neither(1)),
            (vec![Number(200.0), Range(Some(300.0), Some(310.0)), Other], neither(3)),
            (
                vec![Range(None, Some(300.0))],
                "both min and max need to be integers for argument number 1".to_owned(),
            ),
        ] {
            assert_eq!(expected(&arguments).unwrap_err(), wanted);
        }
    }
}
