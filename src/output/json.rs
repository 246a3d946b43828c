//! The whole report as JSON, indented, with a line feed at the end.

use std::io::{self, Write};

use crate::report::Report;

/// Writes the report.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_is_written_can_be_read_back() {
        for report in [sample::closed(), sample::open(), sample::empty()] {
            let mut written = Vec::new();
            write(&report, &mut written).unwrap();
            assert!(written.ends_with(b"}\n"));
            let read: Report = serde_json::from_slice(&written).unwrap();
            assert_eq!(read, report);
        }
    }
}
