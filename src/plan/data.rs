//! Rows from files: CSV with a header row, or JSON lines.

use std::fs;
use std::path::{Path, PathBuf};

use crate::driver::mapped_file::FileBytes;
use crate::rng::Rng;

/// In which order rows are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// One after the other over all virtual users.
    #[default]
    Sequential,
    /// Any, each as likely.
    Random,
    /// Each virtual user has one row of its own.
    Unique,
}

/// What follows the last row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtEnd {
    /// The first.
    #[default]
    Wrap,
    /// Nothing.
    Stop,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, the first row names the columns (RFC 4180).
    Csv,
    /// An object a line; the first one's keys are the columns.
    JsonLines,
}

/// Which file, and how to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSpec {
    /// Its name in templates.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Otherwise by the file's ending: `.csv`, or `.jsonl` and `.ndjson`.
    pub format: Option<Format>,
    /// In which order rows are taken.
    pub order: Order,
    /// What follows the last row.
    pub at_end: AtEnd,
}

/// Why a file cannot be used: file, line where there is one, and what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DataError(pub String);

/// The rows of one file, and in which order they are taken.
#[derive(Debug)]
pub struct DataSet {
    /// Its name in templates.
    pub name: String,
    columns: Vec<String>,
    /// Where each row starts, and where the last one ends.
    offsets: Vec<u64>,
    bytes: FileBytes,
    format: Format,
    order: Order,
    at_end: AtEnd,
}

impl DataSet {
    /// Opens a file and looks at every row of it.
    ///
    /// # Errors
    /// No such file, no rows, ragged rows, invalid JSON, a column missing or given twice.
    pub fn load(spec: &DataSpec) -> Result<DataSet, DataError> {
        let path = spec.path.display();
        let file = fs::File::open(&spec.path).map_err(|e| DataError(format!("{path}: {e}")))?;
        let bytes = FileBytes::read(&file).map_err(|e| DataError(format!("{path}: {e}")))?;
        let format = match spec.format {
            Some(format) => format,
            None => format_of(&spec.path).ok_or_else(|| {
                DataError(format!(
                    "{path}: the format is not known: end the name in .csv or .jsonl, or name it"
                ))
            })?,
        };
        let (columns, offsets) = match format {
            Format::Csv => index_csv(&bytes),
            Format::JsonLines => index_json(&bytes),
        }
        .map_err(|(line, what)| DataError(format!("{path}:{line}: {what}")))?;
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].contains(column) {
                return Err(DataError(format!("{path}:1: column `{column}` is there twice: rename one")));
            }
        }
        if offsets.len() < 2 {
            return Err(DataError(format!("{path}: there are no rows")));
        }
        let (order, at_end) = (spec.order, spec.at_end);
        Ok(DataSet { name: spec.name.clone(), columns, offsets, bytes, format, order, at_end })
    }

    /// How many rows there are; at least one.
    pub fn rows(&self) -> u64 {
        self.offsets.len() as u64 - 1
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The index of a column.
    pub fn column(&self, name: &str) -> Option<u32> {
        self.columns.iter().position(|column| column == name).map(|at| at as u32)
    }

    /// Which row an iteration gets.
    ///
    /// `ticket` is the number of the iteration among all that ask for a row of this set in the whole
    /// run (worker i of n counts i, i + n, …); `vu` is the virtual user's number over all scenarios, from 0.
    /// `None`: the rows have run out, and the set was told to stop then; or there is no row for the user.
    pub fn row_for(&self, ticket: u64, vu: u64, rng: &mut Rng) -> Option<u64> {
        let rows = self.rows();
        match (self.order, self.at_end) {
            (Order::Unique, _) => (vu < rows).then_some(vu),
            (_, AtEnd::Stop) if ticket >= rows => None,
            (Order::Sequential, _) => Some(ticket % rows),
            (Order::Random, _) => Some(rng.below(rows)),
        }
    }

    /// Appends a field to `out`; nothing where there is no such row or column.
    pub fn field(&self, row: u64, column: u32, out: &mut Vec<u8>) {
        let Some(&[from, to]) = self.offsets.get(row as usize..row as usize + 2) else { return };
        let line = &self.bytes[from as usize..to as usize];
        match self.format {
            Format::Csv => csv_field(line, column, out),
            Format::JsonLines => json_field(line, &self.columns[column as usize], out),
        }
    }
}

fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::JsonLines),
        _ => None,
    }
}

type Index = Result<(Vec<String>, Vec<u64>), (u64, String)>;

fn index_csv(bytes: &[u8]) -> Index {
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let wrong = |e: csv::Error| {
        let line = e.position().map_or(1, csv::Position::line);
        match e.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                (line, format!("the row has {len} fields, the header {expected_len}: make them equal"))
            }
            _ => (line, e.to_string()),
        }
    };
    let header = reader.headers().map_err(wrong)?;
    let columns: Vec<String> =
        header.iter().map(|c| c.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    let mut record = csv::ByteRecord::new();
    let mut offsets = Vec::new();
    while reader.read_byte_record(&mut record).map_err(wrong)? {
        offsets.push(record.position().map_or(0, csv::Position::byte));
    }
    offsets.push(bytes.len() as u64);
    Ok((columns, offsets))
}

fn index_json(bytes: &[u8]) -> Index {
    let mut columns: Vec<String> = Vec::new();
    let (mut offsets, mut at) = (Vec::new(), 0);
    for (number, line) in (1..).zip(bytes.split_inclusive(|b| *b == b'\n')) {
        if !line.trim_ascii().is_empty() {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line)
                .map_err(|e| (number, format!("not a JSON object on one line: {e}")))?;
            if columns.is_empty() {
                columns = object.keys().cloned().collect();
            }
            if let Some(missing) = columns.iter().find(|column| !object.contains_key(*column)) {
                return Err((number, format!("`{missing}` is missing, which the first line has: add it")));
            }
            offsets.push(at);
        }
        at += line.len() as u64;
    }
    offsets.push(bytes.len() as u64);
    Ok((columns, offsets))
}

/// Field `wanted` of a row that is known to be well-formed.
fn csv_field(line: &[u8], wanted: u32, out: &mut Vec<u8>) {
    let (mut column, mut quoted, mut start, mut at) = (0, false, true, 0);
    // The reader gives blank lines to the row before or behind: skip those in front.
    while matches!(line.get(at), Some(b'\r' | b'\n')) {
        at += 1;
    }
    while let Some(&byte) = line.get(at) {
        at += 1;
        match byte {
            b'"' if start => quoted = true,
            b'"' if quoted && line.get(at) == Some(&b'"') => {
                at += 1;
                if column == wanted {
                    out.push(b'"');
                }
            }
            b'"' if quoted => quoted = false,
            b',' if !quoted => {
                column += 1;
                if column > wanted {
                    return;
                }
                start = true;
                continue;
            }
            b'\r' | b'\n' if !quoted => return,
            _ if column == wanted => out.push(byte),
            _ => {}
        }
        start = false;
    }
}

/// A string without its quotes; anything else as compact JSON.
fn json_field(line: &[u8], column: &str, out: &mut Vec<u8>) {
    let Ok(object) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line) else {
        return;
    };
    match object.get(column) {
        Some(serde_json::Value::String(text)) => out.extend_from_slice(text.as_bytes()),
        Some(value) => {
            let _ = serde_json::to_writer(out, value);
        }
        None => {}
    }
}
