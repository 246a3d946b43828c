//! Rows from files: CSV, JSON lines, and arrays of JSON objects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csv_core::ReadFieldResult;
use serde_json::value::RawValue;

use super::mapped_file::MappedFile;
use super::value::Value;
use crate::rng::Rng;

/// What some programs write before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where rows come from, and in which order they are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSpec {
    /// Its name in templates.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// How it is written; by its ending when not given.
    pub format: Option<Format>,
    /// CSV: what stands between fields; by the format, or its ending, when not given.
    pub delimiter: Option<u8>,
    /// CSV: names of the columns, where no line of the file has them.
    pub columns: Option<Vec<String>>,
    /// Which row comes next.
    pub order: Order,
    /// What comes behind the last row.
    pub at_end: AtEnd,
}

/// How a file of rows is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180; the first line has the names of the columns unless the plan does.
    Csv,
    /// The same with tabs.
    Tsv,
    /// A JSON object in each line; the keys of the first one are the columns.
    JsonLines,
    /// One array of JSON objects; the keys of the first one are the columns.
    Json,
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
    Fields { text: Vec<u8>, fields: Vec<Field> },
}

/// Where a field of a row ends, and begins the next one.
#[derive(Clone, Copy, Debug)]
struct Field {
    end: u64,
    /// It is JSON, not text.
    is_json: bool,
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
        let format = spec.format.or_else(|| by_ending(&spec.path)).ok_or_else(|| {
            DataError(format!(
                "{shown}: the ending does not tell the format: give `format`, csv, tsv, jsonl or json"
            ))
        })?;
        if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = file.bytes() {
            return Err(DataError(format!("{shown} is UTF-16: save it as UTF-8")));
        }
        let (columns, rows) = match format {
            Format::Csv | Format::Tsv => csv_rows(file, spec, format)?,
            _ if spec.delimiter.is_some() || spec.columns.is_some() => {
                return Err(DataError(format!(
                    "{shown} is JSON: leave out `delimiter` and `columns`, which are for CSV"
                )));
            }
            Format::JsonLines | Format::Json => json_rows(&file, &spec.path, format)?,
        };
        let set = DataSet { name: spec.name.clone(), columns, order: spec.order, at_end: spec.at_end, rows };
        if set.rows() == 0 {
            return Err(DataError(format!("{shown} has no rows")));
        }
        Ok(set)
    }

    /// In the place of one that could not be read, so that nothing else is said of it.
    pub fn unknown(name: &str) -> DataSet {
        DataSet {
            name: name.to_owned(),
            columns: Vec::new(),
            order: Order::default(),
            at_end: AtEnd::default(),
            rows: Rows::Fields { text: Vec::new(), fields: Vec::new() },
        }
    }

    /// Whether it could be read.
    pub fn is_known(&self) -> bool {
        self.rows() > 0
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows there are, at least 1.
    pub fn rows(&self) -> u64 {
        match &self.rows {
            Rows::Csv { starts, .. } => starts.len() as u64,
            Rows::Fields { fields, .. } => (fields.len() / self.columns.len().max(1)) as u64,
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

    /// Appends a field of a row; nothing for one that does not exist. True where it is JSON, not text.
    pub fn field(&self, row: u64, column: u32, out: &mut Vec<u8>) -> bool {
        match &self.rows {
            Rows::Csv { file, starts, reader } => {
                if let Some(start) = starts.get(row as usize) {
                    reader.append(file.bytes().get(*start as usize..).unwrap_or_default(), column, out);
                }
                false
            }
            Rows::Fields { text, fields } => {
                let index = row as usize * self.columns.len() + column as usize;
                let Some(field) = fields.get(index) else { return false };
                let from = index.checked_sub(1).map_or(0, |before| fields[before].end);
                out.extend_from_slice(&text[from as usize..field.end as usize]);
                field.is_json
            }
        }
    }
}

fn by_ending(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "tsv" | "tab" => Some(Format::Tsv),
        "json" => Some(Format::Json),
        "jsonl" | "ndjson" => Some(Format::JsonLines),
        _ => None,
    }
}

fn csv_rows(file: MappedFile, spec: &DataSpec, format: Format) -> Result<(Vec<String>, Rows), DataError> {
    let shown = spec.path.display();
    let delimiter = spec.delimiter.unwrap_or(if format == Format::Tsv { b'\t' } else { b',' });
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(spec.columns.is_none())
        .from_reader(file.bytes());
    let columns: Vec<String> = match &spec.columns {
        Some(columns) => columns.clone(),
        None => {
            let names = reader.byte_headers().map_err(|e| DataError(format!("{shown}: {e}")))?;
            names.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect()
        }
    };
    unique(&columns, &spec.path)?;
    let (mut starts, mut last_line, mut record) = (Vec::new(), 0, csv::ByteRecord::new());
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                starts.push(record.position().map_or(0, csv::Position::byte));
                last_line = record.position().map_or(0, csv::Position::line);
            }
            Err(e) => return Err(DataError(format!("{shown}: {e}"))),
        }
        if record.len() != columns.len() {
            let (line, found, named) =
                (record.position().map_or(0, csv::Position::line), record.len(), columns.len());
            return Err(DataError(format!(
                "{shown}: line {line} has {found} fields, but `columns` has {named} names"
            )));
        }
    }
    drop(reader);
    let fields = FieldReader::new(delimiter);
    let last = starts.last().and_then(|start| file.bytes().get(*start as usize..));
    if last.is_some_and(|last| !fields.is_whole(last)) {
        return Err(DataError(format!(
            "{shown}: the row that begins in line {last_line} opens a quote that nothing closes"
        )));
    }
    // A row that begins the file is behind its byte order mark.
    if let Some(first @ 0) = starts.first_mut()
        && file.bytes().starts_with(BYTE_ORDER_MARK)
    {
        *first = BYTE_ORDER_MARK.len() as u64;
    }
    Ok((columns, Rows::Csv { file, starts, reader: Box::new(fields) }))
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
    fn new(delimiter: u8) -> FieldReader {
        // Without its table, which takes 20 µs to make and which a copy (of csv-core 0.1.13) has not.
        let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).nfa(true).build();
        // One that has read anything takes the bytes of a byte order mark as they are: only a file begins with one.
        reader.read_field(b"\n", &mut []);
        FieldReader(reader)
    }

    /// Whether the row is over where the file is: with a quote still open all of the rest is one field, which nobody means.
    fn is_whole(&self, mut row: &[u8]) -> bool {
        let (mut reader, mut piece, mut ends) = (self.0.clone(), [0; 256], false);
        loop {
            let (result, read, _) = reader.read_field(row, &mut piece);
            row = &row[read..];
            match result {
                ReadFieldResult::Field { record_end: true } | ReadFieldResult::End => return true,
                ReadFieldResult::InputEmpty if ends => return false,
                ReadFieldResult::InputEmpty => (row, ends) = (b"\n", true),
                ReadFieldResult::Field { .. } | ReadFieldResult::OutputFull => {}
            }
        }
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

/// Objects, and what each is called in messages: its place in the file.
struct Objects {
    columns: Vec<String>,
    text: Vec<u8>,
    fields: Vec<Field>,
}

impl Objects {
    /// Values go on as they stand in `json`, but for strings, which are text.
    fn add(&mut self, json: &str, place: &dyn Fn() -> String) -> Result<(), DataError> {
        let object: BTreeMap<String, &RawValue> = serde_json::from_str(json).map_err(|e| {
            let at = e.to_string().replace(" at line 1 column", " at column");
            DataError(format!("{}: not a JSON object: {at}", place()))
        })?;
        if self.columns.is_empty() {
            self.columns = object.keys().cloned().collect();
        }
        for column in &self.columns {
            let value = object.get(column);
            let value =
                value.ok_or_else(|| DataError(format!("{}: the key `{column}` is missing", place())))?;
            let value = Value::of_json(value.get());
            self.text.extend_from_slice(&value.bytes);
            self.fields.push(Field { end: self.text.len() as u64, is_json: value.is_json });
        }
        Ok(())
    }
}

/// A line with an object, or an array of objects; a byte order mark before them is nothing (RFC 8259, section 8.1).
fn json_rows(file: &MappedFile, path: &Path, format: Format) -> Result<(Vec<String>, Rows), DataError> {
    let shown = path.display();
    let bytes = file.bytes().strip_prefix(BYTE_ORDER_MARK).unwrap_or(file.bytes());
    let text = std::str::from_utf8(bytes)
        .map_err(|e| DataError(format!("{shown}: not UTF-8 at byte {}: save it as that", e.valid_up_to())))?;
    let mut objects = Objects { columns: Vec::new(), text: Vec::new(), fields: Vec::new() };
    if format == Format::Json {
        let rows: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|e| DataError(format!("{shown}: not a JSON array: {e}")))?;
        for (number, row) in rows.iter().enumerate() {
            objects.add(row.get(), &|| format!("{shown}: row {}", number + 1))?;
        }
    } else {
        let lines = text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty());
        for (number, line) in lines {
            objects.add(line, &|| format!("{shown}:{}", number + 1))?;
        }
    }
    Ok((objects.columns, Rows::Fields { text: objects.text, fields: objects.fields }))
}

#[cfg(test)]
mod tests;
