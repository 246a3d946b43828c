//! When requests were sent and answered, and the pauses between them.

use super::fields::{Entry, Field};
use crate::units::Nanos;

/// Pauses below this are not a person's.
const THINK_MIN: Nanos = Nanos::from_millis(10);

/// When a request began and ended, since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) start: Nanos,
    end: Nanos,
}

impl Times {
    pub(super) fn of(entry: &Entry) -> Option<Times> {
        let start = match &entry.started_date_time {
            Field::Text(text) => instant(text)?,
            // Some write what JavaScript counts in.
            Field::Number(ms) if ms.is_finite() && *ms > 0.0 => Nanos((ms * 1e6) as u64),
            _ => return None,
        };
        let took = entry.time.number().filter(|ms| ms.is_finite() && *ms > 0.0).unwrap_or(0.0);
        Some(Times { start, end: Nanos(start.0.saturating_add((took * 1e6) as u64)) })
    }
}

/// ISO 8601 with any offset, since the epoch.
fn instant(text: &str) -> Option<Nanos> {
    let at = text.rfind(['Z', 'z', '+', '-']).filter(|at| *at >= 19)?;
    let (local, zone) = text.split_at(at);
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let local = local.duration_since(std::time::UNIX_EPOCH).ok()?.as_nanos() as i128;
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let offset: i128 = match (zone.as_bytes().first(), digits.len()) {
        (Some(b'Z' | b'z'), _) => 0,
        (Some(sign), 4) => {
            let minutes = digits[..2].parse::<i128>().ok()? * 60 + digits[2..].parse::<i128>().ok()?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    u64::try_from(local - offset * 60_000_000_000).ok().map(Nanos)
}

/// The pause behind each request: from the last response of all that came before the next one, which browsers ask for side by
/// side, until that is sent.
pub(super) fn pauses(times: &[Option<Times>]) -> Vec<Nanos> {
    let mut pauses = vec![Nanos::ZERO; times.len()];
    let mut last_end: Option<Nanos> = None;
    for (i, pair) in times.windows(2).enumerate() {
        last_end = last_end.max(pair[0].map(|this| this.end));
        if let (Some(end), Some(next)) = (last_end, pair[1]) {
            let gap = Nanos(next.start.0.saturating_sub(end.0));
            pauses[i] = if gap >= THINK_MIN { gap } else { Nanos::ZERO };
        }
    }
    pauses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_any_offset() {
        let second = |text: &str| instant(text).map(|at| at.0 / 1_000_000);
        assert_eq!(second("1970-01-01T00:00:01.500Z"), Some(1_500));
        assert_eq!(second("1970-01-01T02:00:01+02:00"), Some(1_000));
        assert_eq!(second("1969-12-31T19:00:01.25-0500"), None, "humantime begins in 1970");
        assert_eq!(second("1970-01-01T19:00:01.25-05:00"), Some(86_401_250));
        for bad in ["", "Z", "1970-01-01", "1970-01-01T00:00:01", "1970-01-01T00:00:01+1", "ü+00:00"] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn pauses_begin_with_the_last_response_of_a_group() {
        let times = |start: u64, took: u64| {
            Some(Times { start: Nanos::from_millis(start), end: Nanos::from_millis(start + took) })
        };
        let pauses = |times: &[Option<Times>]| -> Vec<u64> {
            pauses(times).iter().map(|pause| pause.0 / 1_000_000).collect()
        };
        assert_eq!(
            pauses(&[times(0, 1000), times(10, 10), times(3000, 5), times(3500, 1)]),
            [0, 2000, 495, 0]
        );
        assert_eq!(pauses(&[times(0, 100), None, times(150, 5)]), [0, 50, 0]);
        assert_eq!(pauses(&[times(0, 100), times(105, 5)]), [0, 0]);
        assert!(pauses(&[]).is_empty());
    }
}
