//! The full percentile spectrum in HdrHistogram's classic form, which its plotters read.

use std::fmt::{self, Write};

use crate::stats::histogram::Histogram;

/// Points for each halving of the distance to 100 %, as HdrHistogram's own default.
const TICKS_PER_HALF: u32 = 5;

/// Appends one distribution; values in milliseconds.
pub(super) fn write(title: &str, histogram: &Histogram, page: &mut String) -> fmt::Result {
    writeln!(page, "{title}, full spectrum (values in ms)")?;
    if histogram.is_empty() {
        return writeln!(page, "  no values");
    }
    writeln!(page, "{:>14} {:>14} {:>12} {:>16}", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    for point in histogram.spectrum(TICKS_PER_HALF) {
        let share = point.percentile / 100.0;
        write!(page, "{:>14.6} {share:>14.12} {:>12}", ms(point.value.0 as f64), point.count)?;
        if share < 1.0 {
            write!(page, " {:>16.2}", 1.0 / (1.0 - share))?;
        }
        page.push('\n');
    }
    writeln!(
        page,
        "#[Mean    = {:>12.6}, StdDeviation   = {:>12.6}]",
        ms(histogram.mean()),
        ms(histogram.stddev())
    )?;
    writeln!(
        page,
        "#[Max     = {:>12.6}, Total count    = {:>12}]",
        ms(histogram.max().0 as f64),
        histogram.len()
    )
}

fn ms(nanos: f64) -> f64 {
    nanos / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Nanos;

    #[test]
    fn rows_ascend_to_the_whole() {
        let mut histogram = Histogram::new();
        for us in 1..=10_000 {
            histogram.record(Nanos::from_micros(us));
        }
        let mut page = String::new();
        write("service time", &histogram, &mut page).unwrap();
        let rows: Vec<Vec<f64>> = page
            .lines()
            .filter(|line| line.starts_with(' ') && !line.contains("Value"))
            .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
            .collect();
        assert!(rows.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1] && a[2] <= b[2]));
        let last = rows.last().unwrap();
        assert_eq!(last[1..], [1.0, 10_000.0], "100 % has no 1/(1-percentile)");
        assert!((last[0] - 10.0).abs() < 0.01);
        for row in &rows {
            // The values are 1 to 10,000 µs, evenly: each percentile is known.
            assert!(row[2] >= row[1] * 10_000.0 - 1e-6);
            assert!((row[0] * 1_000.0 - row[2]).abs() <= 0.016 + row[2] * 0.001, "{row:?}");
        }
    }

    #[test]
    fn nothing_is_said_about_no_values() {
        let mut page = String::new();
        write("service time", &Histogram::new(), &mut page).unwrap();
        assert!(page.ends_with("no values\n") && !page.contains("NaN"));
    }
}
