//! The timeline as comma-separated values (RFC 4180 with LF line ends): a header and one row per
//! interval.
//!
//! Totals are not in it: rows of another kind would have to be told apart by everything that reads
//! the file, and `--format json` has them all. The header is written even when there is no row.

use std::io::{self, Write};

use crate::report::{Report, TimelineEntry};

const HEADER: [&str; 8] = ["t_s", "requests", "failed", "p50_us", "p99_us", "max_us", "connections", "vus"];

/// Writes the timeline.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    rows.write_record(HEADER).map_err(io_error)?;
    for entry in &report.timeline {
        rows.serialize(row(entry)).map_err(io_error)?;
    }
    rows.flush()
}

fn row(entry: &TimelineEntry) -> (f64, u64, u64, f64, f64, f64, u64, u64) {
    (
        entry.t_s,
        entry.requests,
        entry.failed,
        entry.p50_us,
        entry.p99_us,
        entry.max_us,
        entry.connections,
        entry.vus,
    )
}

/// Keeps the kind of an I/O error, so that a closed pipe can be told apart.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn one_header_and_a_row_per_interval() {
        let mut written = Vec::new();
        write(&sample::closed(), &mut written).unwrap();
        insta::assert_snapshot!(String::from_utf8(written).unwrap());
    }

    #[test]
    fn an_empty_run_has_the_header_only() {
        let mut written = Vec::new();
        write(&sample::empty(), &mut written).unwrap();
        assert_eq!(written, (HEADER.join(",") + "\n").as_bytes());
    }

    #[test]
    fn the_header_names_the_keys_of_the_json_report() {
        let entry = serde_json::to_value(TimelineEntry::default()).unwrap();
        let entry = entry.as_object().unwrap();
        assert_eq!(entry.len(), HEADER.len());
        assert!(HEADER.iter().all(|key| entry.contains_key(*key)));
    }
}
