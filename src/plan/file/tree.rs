//! TOML and JSON as one tree that knows where everything stands.

use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions};
use serde_json::{Number, Value};
use toml_edit::{Document, Item, TableLike};

use super::error::{FileError, FileProblem};
use crate::plan::value::is_number;

/// How the text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// JSON (RFC 8259), nothing more.
    Json,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Offset of its first byte, or of its key where it has one.
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Anything else that holds nothing else.
    Scalar(Value),
    /// A number, and how it is written, as JSON has it.
    Number(Number, String),
    List(Vec<Node>),
    /// In the order of the file.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// What is under a key, or at an index.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Scalar(_) | Kind::Number(..) => None,
            Kind::List(items) => items.get(key.parse::<usize>().ok()?),
            Kind::Table(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, node)| node),
        }
    }

    /// The keys of a table, in the order of the file.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let entries = if let Kind::Table(entries) = &self.kind { entries.as_slice() } else { &[] };
        entries.iter().map(|(key, _)| key.as_str())
    }

    /// Without the places.
    pub(super) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Number(number, _) => Value::Number(number.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Kind::Table(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
        }
    }
}

/// A file's text with its name: makes lines of offsets.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// A problem at a byte offset.
    pub(super) fn problem(&self, at: usize, message: impl Into<String>) -> FileProblem {
        let (line, column) = self.line_column(at);
        FileProblem { path: self.path.to_owned(), line, column, message: message.into() }
    }

    pub(super) fn line_column(&self, at: usize) -> (usize, usize) {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &self.text[..at];
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }

    /// Reads the text.
    pub(super) fn parse(&self, format: Format) -> Result<Node, FileError> {
        let tree = match format {
            Format::Toml => self.parse_toml(),
            Format::Json => self.parse_json(),
        };
        tree.map_err(|problem| FileError { problems: vec![problem] })
    }

    fn parse_toml(&self) -> Result<Node, FileProblem> {
        let document = Document::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.problem(at, format!("not TOML: {}", error.message()))
        })?;
        Ok(of_table(document.as_table(), self.text, 0))
    }

    fn parse_json(&self) -> Result<Node, FileProblem> {
        let strict = ParseOptions {
            allow_comments: false,
            allow_loose_object_property_names: false,
            allow_trailing_commas: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        let parsed = jsonc_parser::parse_to_ast(self.text, &CollectOptions::default(), &strict)
            .map_err(|error| self.problem(error.range().start, format!("not JSON: {}", error.kind())))?;
        match parsed.value {
            Some(value) => self.of_json(&value, None),
            None => Err(self.problem(0, "the file is empty: see `docs/scenarios.md` for an example")),
        }
    }

    fn of_json(&self, value: &ast::Value<'_>, at: Option<usize>) -> Result<Node, FileProblem> {
        let kind = match value {
            ast::Value::StringLit(text) => Kind::Scalar(Value::String(text.value.to_string())),
            ast::Value::NumberLit(number) => {
                let parsed: Result<Number, _> = serde_json::from_str(number.value);
                let parsed = parsed.map_err(|_| {
                    self.problem(number.range.start, format!("`{}` is not a number", number.value))
                })?;
                Kind::Number(parsed, number.value.to_owned())
            }
            ast::Value::BooleanLit(word) => Kind::Scalar(Value::Bool(word.value)),
            ast::Value::NullKeyword(_) => Kind::Scalar(Value::Null),
            ast::Value::Array(array) => Kind::List(
                array.elements.iter().map(|item| self.of_json(item, None)).collect::<Result<_, _>>()?,
            ),
            ast::Value::Object(object) => {
                let mut entries: Vec<(String, Node)> = Vec::new();
                for property in &object.properties {
                    let (name, start) = (property.name.as_str(), property.range.start);
                    if entries.iter().any(|(key, _)| key == name) {
                        return Err(self.problem(start, format!("`{name}` is given twice: keep one")));
                    }
                    entries.push((name.to_owned(), self.of_json(&property.value, Some(start))?));
                }
                Kind::Table(entries)
            }
        };
        Ok(Node { at: at.unwrap_or(value.start()), kind })
    }
}

fn start(span: Option<Range<usize>>, otherwise: usize) -> usize {
    span.map_or(otherwise, |span| span.start)
}

fn of_table(table: &dyn TableLike, text: &str, at: usize) -> Node {
    let entries = table.iter().filter(|(_, item)| !item.is_none()).map(|(key, item)| {
        // A table's header stands for the table; its key's span is inside of it.
        let place = table.key(key).and_then(toml_edit::Key::span);
        (key.to_owned(), of_item(item, text, start(place.or_else(|| item.span()), at)))
    });
    Node { at, kind: Kind::Table(entries.collect()) }
}

fn of_item(item: &Item, text: &str, at: usize) -> Node {
    match item {
        Item::Value(value) => of_value(value, text, at),
        Item::Table(table) => of_table(table, text, at),
        Item::ArrayOfTables(tables) => {
            let items = tables.iter().map(|table| of_table(table, text, start(table.span(), at)));
            Node { at, kind: Kind::List(items.collect()) }
        }
        Item::None => Node { at, kind: Kind::Scalar(Value::Null) },
    }
}

fn of_value(value: &toml_edit::Value, text: &str, at: usize) -> Node {
    use toml_edit::Value as Toml;
    let number = |number: Number| {
        let written = value.span().and_then(|span| text.get(span)).unwrap_or_default();
        let written = written.strip_prefix('+').unwrap_or(written).replace('_', "");
        // Other bases are TOML's alone.
        let written = if is_number(written.as_bytes()) { written } else { number.to_string() };
        Kind::Number(number, written)
    };
    let kind = match value {
        Toml::String(text) => Kind::Scalar(Value::String(text.value().clone())),
        Toml::Integer(whole) => number(Number::from(*whole.value())),
        // Neither infinity nor NaN is a number of JSON; as text they are refused where numbers stand.
        Toml::Float(real) => Number::from_f64(*real.value())
            .map_or_else(|| Kind::Scalar(Value::String(real.value().to_string())), number),
        Toml::Boolean(word) => Kind::Scalar(Value::Bool(*word.value())),
        Toml::Datetime(time) => Kind::Scalar(Value::String(time.value().to_string())),
        Toml::Array(array) => {
            let items = array.iter().map(|item| of_value(item, text, start(item.span(), at)));
            Kind::List(items.collect())
        }
        Toml::InlineTable(table) => return of_table(table, text, at),
    };
    Node { at, kind }
}
