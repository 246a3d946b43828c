//! One file per format. Each turns a finished [`Report`] into text, and nothing else; only
//! [`progress`] speaks while a run goes on.

pub mod csv;
pub mod json;
pub mod ndjson;
mod paint;
pub mod progress;
mod spectrum;
pub mod text;

use std::io::{self, Write};

use crate::report::Report;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people, see [`text`].
    Text {
        /// With ANSI colours.
        colours: bool,
        /// With the full percentile spectrum.
        spectrum: bool,
    },
    /// The whole report, see [`json`].
    Json,
    /// The timeline, see [`csv`].
    Csv,
}

/// Writes `report` to `out`, and flushes.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(report: &Report, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text { colours, spectrum } => text::write(report, colours, spectrum, out)?,
        Format::Json => json::write(report, out)?,
        Format::Csv => csv::write(report, out)?,
    }
    out.flush()
}
