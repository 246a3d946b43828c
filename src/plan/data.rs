//! Rows from files: CSV with a line of column names, and JSON lines.

use std::path::{Path, PathBuf};

use csv_core::ReadFieldResult;

use super::mapped_file::MappedFile;
use crate::rng::Rng;

/// Where rows come from, and in which order they are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSpec {
    /// Its name in templates.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// How it is written; by its ending when not given.
    pub format: Option<Format>,
    /// Which row comes next.
    pub order: Order,
    /// What comes behind the last row.
    pub at_end: AtEnd,
}

/// How a file of rows is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180; the first line has the names of the columns.
    Csv,
    /// A JSON object in each line; the keys of the first one are the columns.
    JsonLines,
}

/// Which row an iteration gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// One after the other, over all users: each row once.
    #[default]
    Sequential,
    /// Any, with equal probability; seeded.
    Random,
    /// Each user has a row of its own, the same in all of its iterations.
    Unique,
}

/// What comes behind the last row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtEnd {
    /// The first one again.
    #[default]
    Wrap,
    /// Nothing: the user that finds none goes off.
    Stop,
}

/// Why there are no rows: the message names file, line and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DataError(pub String);

/// The rows of one file, and in which order they are taken.
#[derive(Debug)]
pub struct DataSet {
    /// Its name in templates.
    pub name: String,
    columns: Vec<String>,
    order: Order,
    at_end: AtEnd,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    /// Where each row begins.
    Csv { file: MappedFile, starts: Vec<u64>, reader: Box<FieldReader> },
    /// All fields in a row, and where each ends.
    Fields { text: Vec<u8>, ends: Vec<u64> },
}

impl DataSet {
    /// Reads, or maps, the file and finds its rows.
    ///
    /// # Errors
    /// A file that cannot be read or has no rows, columns that come twice, rows with more or fewer fields, lines that
    /// are no JSON objects or lack a key.
    pub fn load(spec: &DataSpec) -> Result<DataSet, DataError> {
        let shown = spec.path.display();
        let file =
            MappedFile::open(&spec.path).map_err(|e| DataError(format!("cannot read {shown}: {e}")))?;
        let (columns, rows) = match spec.format.or_else(|| by_ending(&spec.path)) {
            Some(Format::Csv) => csv_rows(file, &spec.path)?,
            Some(Format::JsonLines) => json_rows(&file, &spec.path)?,
            None => {
                return Err(DataError(format!(
                    "{shown}: the ending does not tell the format; name the file .csv or .jsonl, or give format"
                )));
            }
        };
        let set = DataSet { name: spec.name.clone(), columns, order: spec.order, at_end: spec.at_end, rows };
        if set.rows() == 0 {
            return Err(DataError(format!("{shown} has no rows")));
        }
        Ok(set)
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows there are, at least 1.
    pub fn rows(&self) -> u64 {
        match &self.rows {
            Rows::Csv { starts, .. } => starts.len() as u64,
            Rows::Fields { ends, .. } => (ends.len() / self.columns.len().max(1)) as u64,
        }
    }

    /// Which row an iteration gets.
    ///
    /// `number` is that of the iteration among all that take a row of this set in the whole run, and `user` that of the
    /// virtual user among all that take rows of it, both from 0.
    /// `None`: the rows have run out, and the set was told to stop then, or has no row for this user.
    pub fn row_for(&self, number: u64, user: u64, rng: &mut Rng) -> Option<u64> {
        let rows = self.rows();
        match self.order {
            Order::Random => return Some(rng.below(rows)),
            Order::Sequential => {}
            Order::Unique => return (user < rows).then_some(user),
        }
        match self.at_end {
            AtEnd::Wrap => Some(number % rows),
            AtEnd::Stop => (number < rows).then_some(number),
        }
    }

    /// Whether rows come in one order over all users.
    pub fn is_sequential(&self) -> bool {
        self.order == Order::Sequential
    }

    /// Whether no row is left behind so many, and none comes again.
    pub fn is_used_up(&self, taken: u64) -> bool {
        self.is_sequential() && self.at_end == AtEnd::Stop && taken >= self.rows()
    }

    /// Whether each user needs a row of its own.
    pub fn is_unique(&self) -> bool {
        self.order == Order::Unique
    }

    /// Appends a field of a row; nothing for one that does not exist.
    pub fn field(&self, row: u64, column: u32, out: &mut Vec<u8>) {
        match &self.rows {
            Rows::Csv { file, starts, reader } => {
                if let Some(start) = starts.get(row as usize) {
                    reader.append(file.bytes().get(*start as usize..).unwrap_or_default(), column, out);
                }
            }
            Rows::Fields { text, ends } => {
                let index = row as usize * self.columns.len() + column as usize;
                let from = index.checked_sub(1).map_or(0, |before| ends[before]);
                if let Some(to) = ends.get(index) {
                    out.extend_from_slice(&text[from as usize..*to as usize]);
                }
            }
        }
    }
}

fn by_ending(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::JsonLines),
        _ => None,
    }
}

fn csv_rows(file: MappedFile, path: &Path) -> Result<(Vec<String>, Rows), DataError> {
    let shown = path.display();
    let mut reader = csv::ReaderBuilder::new().from_reader(file.bytes());
    let names = reader.byte_headers().map_err(|e| DataError(format!("{shown}: {e}")))?;
    let columns: Vec<String> =
        names.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    unique(&columns, path)?;
    let (mut starts, mut record) = (Vec::new(), csv::ByteRecord::new());
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => starts.push(record.position().map_or(0, csv::Position::byte)),
            Err(e) => return Err(DataError(format!("{shown}: {e}"))),
        }
    }
    drop(reader);
    Ok((columns, Rows::Csv { file, starts, reader: Box::new(FieldReader::new()) }))
}

fn unique(columns: &[String], path: &Path) -> Result<(), DataError> {
    let twice = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name));
    match twice {
        Some((_, name)) => Err(DataError(format!("{}: the column `{name}` comes twice", path.display()))),
        None => Ok(()),
    }
}

/// Reads fields by the grammar that the `csv` crate finds rows by, from where a row begins.
#[derive(Debug)]
struct FieldReader(csv_core::Reader);

impl FieldReader {
    fn new() -> FieldReader {
        // Without its table, which takes 20 µs to make and which a copy (of csv-core 0.1.13) has not.
        let mut reader = csv_core::ReaderBuilder::new().nfa(true).build();
        // One that has read anything takes the bytes of a byte order mark as they are: only a file begins with one.
        reader.read_field(b"\n", &mut []);
        FieldReader(reader)
    }

    /// The `column`-th field of the row that `row` begins with; nothing when it has no such field.
    fn append(&self, mut row: &[u8], column: u32, out: &mut Vec<u8>) {
        let (mut reader, mut left, mut piece) = (self.0.clone(), column, [0; 256]);
        loop {
            let (result, read, written) = reader.read_field(row, &mut piece);
            row = &row[read..];
            if left == 0 {
                out.extend_from_slice(&piece[..written]);
            }
            match result {
                // What is asked again with no input left is told that the row is over.
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
                ReadFieldResult::Field { record_end: false } if left > 0 => left -= 1,
                ReadFieldResult::Field { .. } | ReadFieldResult::End => return,
            }
        }
    }
}

fn json_rows(file: &MappedFile, path: &Path) -> Result<(Vec<String>, Rows), DataError> {
    let (mut columns, mut text, mut ends): (Vec<String>, _, _) = (Vec::new(), Vec::new(), Vec::new());
    for (number, line) in file.bytes().split(|b| *b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let place = || format!("{}:{}", path.display(), number + 1);
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line)
            .map_err(|e| DataError(format!("{}: not a JSON object in one line: {e}", place())))?;
        if columns.is_empty() {
            columns = object.keys().cloned().collect();
        }
        for column in &columns {
            let value = object.get(column);
            let value =
                value.ok_or_else(|| DataError(format!("{}: the key `{column}` is missing", place())))?;
            match value {
                serde_json::Value::String(value) => text.extend_from_slice(value.as_bytes()),
                other => text.extend_from_slice(other.to_string().as_bytes()),
            }
            ends.push(text.len() as u64);
        }
    }
    Ok((columns, Rows::Fields { text, ends }))
}

#[cfg(test)]
mod tests;
