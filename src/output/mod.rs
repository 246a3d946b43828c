//! One file per format. Each turns a finished [`Report`] into text, and nothing else; only
//! [`progress`] speaks while a run goes on.

pub mod csv;
pub mod json;
pub mod k6;
pub mod ndjson;
mod paint;
pub mod progress;
mod spectrum;
pub mod text;

use std::io::{self, Write};

use clap::ValueEnum;

use crate::report::Report;

/// What a report is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A summary for people
    #[default]
    Text,
    /// The whole report, with stable keys
    Json,
    /// The timeline, a row per interval
    Csv,
}

/// A format, and how what is for people looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// As what.
    pub format: Format,
    /// Text: with ANSI colours.
    pub colours: bool,
    /// Text: with the full percentile spectrum.
    pub spectrum: bool,
}

/// Writes `report` to `out`, and flushes.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(report: &Report, style: Style, out: &mut dyn Write) -> io::Result<()> {
    match style.format {
        Format::Text => text::write(report, style.colours, style.spectrum, out)?,
        Format::Json => json::write(report, out)?,
        Format::Csv => csv::write(report, out)?,
    }
    out.flush()
}
