//! Text with `{{ name }}` slots, compiled once to literal pieces and values to put between them.
//!
//! A value is a built-in (`vu`, `uuid`, `random_int(1, 6)`, …), a column (`data.SET.COLUMN`), an
//! extracted variable, or a constant (`env.NAME`, the plan's variables), which becomes literal text.
//! `| url` and `| json` escape it. Two braces as such are written `\{{` or `{{ "{{" }}`.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use super::data::DataSet;
use super::request_template::RenderError;
use super::scope::Scope;

const BUILT_IN: [&str; 10] = [
    "vu",
    "iteration",
    "sequence",
    "uuid",
    "timestamp",
    "timestamp_ms",
    "timestamp_us",
    "now_rfc3339",
    "random_int",
    "random_string",
];

/// What a template may refer to.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// Variables that steps extract; the index is that of [`Scope::values`].
    pub variables: &'a [String],
    /// Data sets; the index is that of [`Scope::data`].
    pub data: &'a [DataSet],
    /// Variables whose value is known.
    pub constants: &'a BTreeMap<String, String>,
    /// Looks an environment variable up.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// Why a template cannot be used, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub String);

/// Where the text ends up, which decides what a value may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Any bytes.
    Body,
    /// Bytes that are not visible ASCII are percent-encoded.
    Target,
    /// Line breaks and NUL are refused.
    Header,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    None,
    Url,
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Vu,
    Iteration,
    Sequence,
    Uuid,
    /// Time since the epoch in units of so many nanoseconds.
    Timestamp(u64),
    Rfc3339,
    RandomInt(i64, i64),
    RandomString(u32),
    Data(u32, u32),
    Variable(u32),
    Constant(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Slot(Value, Filter, Place),
}

/// Compiled text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

impl Template {
    /// Compiles text that may hold any bytes once it is filled in, such as a body.
    ///
    /// # Errors
    /// A slot that is not closed, an unknown name or filter, arguments that do not fit.
    pub fn compile(text: &str, names: &Names<'_>) -> Result<Template, TemplateError> {
        Template::compile_for(text, names, Place::Body)
    }

    pub(super) fn compile_for(
        text: &str,
        names: &Names<'_>,
        place: Place,
    ) -> Result<Template, TemplateError> {
        let mut template = Template::default();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            if let Some(before) = rest[..at].strip_suffix('\\') {
                template.literal(before.as_bytes());
                template.literal(b"{{");
                rest = &rest[at + 2..];
                continue;
            }
            template.literal(&rest.as_bytes()[..at]);
            let inside = &rest[at + 2..];
            let end = slot_end(inside).ok_or_else(|| {
                TemplateError(format!(
                    "`{}` is not closed: end it with `}}}}`, or write `\\{{{{` for two braces",
                    rest[at..].chars().take(40).collect::<String>()
                ))
            })?;
            template.slot(inside[..end].trim(), names, place)?;
            rest = &inside[end + 2..];
        }
        template.literal(rest.as_bytes());
        Ok(template)
    }

    fn slot(&mut self, text: &str, names: &Names<'_>, place: Place) -> Result<(), TemplateError> {
        let mut parts = split_outside_quotes(text, '|').into_iter();
        let expression = parts.next().unwrap_or_default().trim();
        let mut filter = Filter::None;
        for name in parts {
            if filter != Filter::None {
                return Err(TemplateError(format!("`{text}` has more than one filter: keep one")));
            }
            filter = match name.trim() {
                "url" => Filter::Url,
                "json" => Filter::Json,
                other => {
                    return Err(TemplateError(format!(
                        "unknown filter `{other}`: there are `url` and `json`"
                    )));
                }
            };
        }
        match value(expression, names)? {
            Value::Constant(text) => {
                let mut bytes = text.into_bytes();
                finish(&mut bytes, 0, filter, if place == Place::Header { Place::Body } else { place })
                    .map_err(|e| TemplateError(e.to_string()))?;
                self.literal(&bytes);
            }
            value => self.pieces.push(Piece::Slot(value, filter, place)),
        }
        Ok(())
    }

    /// Appends bytes as they are.
    pub(super) fn literal(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Piece::Literal(last)) => last.extend_from_slice(bytes),
            _ => self.pieces.push(Piece::Literal(bytes.to_vec())),
        }
    }

    /// Appends another template.
    pub(super) fn append(&mut self, other: Template) {
        for piece in other.pieces {
            match piece {
                Piece::Literal(bytes) => self.literal(&bytes),
                slot => self.pieces.push(slot),
            }
        }
    }

    /// The text, if it is always the same.
    pub fn constant(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Literal(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// The text with `0` in each slot: to check what surrounds them.
    pub(super) fn sample(&self) -> Vec<u8> {
        let bytes = self.pieces.iter().map(|piece| match piece {
            Piece::Literal(bytes) => bytes.as_slice(),
            Piece::Slot(..) => b"0",
        });
        bytes.collect::<Vec<_>>().concat()
    }

    /// Takes blanks and tabs off both ends, as far as they are literal.
    pub(super) fn trim(&mut self) {
        let blank = |b: &u8| matches!(b, b' ' | b'\t');
        if let Some(Piece::Literal(first)) = self.pieces.first_mut() {
            let start = first.iter().position(|b| !blank(b)).unwrap_or(first.len());
            first.drain(..start);
        }
        if let Some(Piece::Literal(last)) = self.pieces.last_mut() {
            let end = last.iter().rposition(|b| !blank(b)).map_or(0, |at| at + 1);
            last.truncate(end);
        }
        self.pieces.retain(|piece| !matches!(piece, Piece::Literal(bytes) if bytes.is_empty()));
    }

    /// Appends the filled-in text to `out`.
    ///
    /// # Errors
    /// See [`RenderError`].
    #[inline]
    pub fn render(&self, out: &mut Vec<u8>, scope: &mut Scope<'_>) -> Result<(), RenderError> {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Slot(value, filter, place) => {
                    let from = out.len();
                    write_value(value, out, scope)?;
                    finish(out, from, *filter, *place)?;
                }
            }
        }
        Ok(())
    }
}

/// Where the slot's `}}` is, quoted text skipped.
fn slot_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'}' if !quoted && text.as_bytes().get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
    }
    None
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .collect()
}

fn value(text: &str, names: &Names<'_>) -> Result<Value, TemplateError> {
    if let Some(quoted) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        return Ok(Value::Constant(quoted.to_owned()));
    }
    if let Some(name) = text.strip_prefix("env.") {
        let missing = || TemplateError(format!("the environment has no variable `{name}`: set it"));
        return (names.env)(name).map(Value::Constant).ok_or_else(missing);
    }
    if let Some(path) = text.strip_prefix("data.") {
        return column(path, names);
    }
    if let Some((name, arguments)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) {
        return call(name.trim(), arguments);
    }
    Ok(match text {
        "vu" => Value::Vu,
        "iteration" => Value::Iteration,
        "sequence" => Value::Sequence,
        "uuid" => Value::Uuid,
        "timestamp" => Value::Timestamp(1_000_000_000),
        "timestamp_ms" => Value::Timestamp(1_000_000),
        "timestamp_us" => Value::Timestamp(1_000),
        "now_rfc3339" => Value::Rfc3339,
        "random_int" => return call("random_int", ""),
        "random_string" => return call("random_string", ""),
        _ => {
            if let Some(at) = names.variables.iter().position(|name| name == text) {
                return Ok(Value::Variable(at as u32));
            }
            let known = names.constants.get(text).cloned().map(Value::Constant);
            return known.ok_or_else(|| unknown(text, names));
        }
    })
}

fn call(name: &str, arguments: &str) -> Result<Value, TemplateError> {
    let numbers: Option<Vec<i64>> = arguments.split(',').map(|n| n.trim().parse().ok()).collect();
    let wrong = |right: &str| Err(TemplateError(format!("`{name}({arguments})`: write {right}")));
    match (name, numbers.as_deref()) {
        ("random_int", Some(&[a, b])) if a <= b => Ok(Value::RandomInt(a, b)),
        ("random_int", _) => wrong("`random_int(a, b)` with whole numbers, a not above b"),
        ("random_string", Some(&[n])) if (1..=1 << 20).contains(&n) => Ok(Value::RandomString(n as u32)),
        ("random_string", _) => wrong("`random_string(n)` with a length from 1 to 1048576"),
        _ => Err(TemplateError(format!(
            "unknown function `{name}`: there are `random_int(a, b)` and `random_string(n)`"
        ))),
    }
}

fn column(path: &str, names: &Names<'_>) -> Result<Value, TemplateError> {
    for (at, set) in names.data.iter().enumerate() {
        let Some(name) = path.strip_prefix(&set.name).and_then(|p| p.strip_prefix('.')) else { continue };
        return match set.column(name) {
            Some(column) => Ok(Value::Data(at as u32, column)),
            None => Err(TemplateError(format!(
                "`data.{path}`: the data set `{}` has no column `{name}`; it has {}",
                set.name,
                list(set.columns().iter().map(String::as_str))
            ))),
        };
    }
    let sets = list(names.data.iter().map(|set| set.name.as_str()));
    Err(TemplateError(format!("`data.{path}` is no column: write `data.SET.COLUMN`; data sets: {sets}")))
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all = names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if all.is_empty() { "none".into() } else { all }
}

fn unknown(text: &str, names: &Names<'_>) -> TemplateError {
    let variables = names.variables.iter().chain(names.constants.keys()).map(String::as_str);
    let mut all: Vec<&str> = BUILT_IN.into_iter().chain(variables).collect();
    all.dedup();
    let near = all.iter().map(|name| (strsim::damerau_levenshtein(name, text), *name)).min();
    let hint = match near {
        Some((distance, name)) if distance <= 1 + text.len() / 4 => format!(", did you mean `{name}`?"),
        _ => String::new(),
    };
    let all = list(all.into_iter());
    TemplateError(format!("unknown name `{text}`{hint}; there are {all}, `env.NAME` and `data.SET.COLUMN`"))
}

fn write_value(value: &Value, out: &mut Vec<u8>, scope: &mut Scope<'_>) -> Result<(), RenderError> {
    match value {
        Value::Vu => number(out, scope.vu),
        Value::Iteration => number(out, scope.iteration),
        Value::Sequence => number(out, scope.sequence),
        Value::Timestamp(unit) => number(out, scope.wall.0 / unit),
        Value::Uuid => uuid(out, scope),
        Value::Rfc3339 => {
            let time = UNIX_EPOCH + Duration::from_nanos(scope.wall.0);
            let _ = write!(out, "{}", humantime::format_rfc3339_millis(time));
        }
        Value::RandomInt(a, b) => {
            let span = b.wrapping_sub(*a) as u64;
            let drawn = if span == u64::MAX { scope.rng.next_u64() } else { scope.rng.below(span + 1) };
            let _ = write!(out, "{}", a.wrapping_add(drawn as i64));
        }
        Value::RandomString(n) => {
            const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
            out.extend((0..*n).map(|_| LETTERS[scope.rng.below(62) as usize]));
        }
        Value::Data(set, column) => {
            let row = scope.rows.get(*set as usize).ok_or(RenderError::Unset)?;
            let data = scope.data.get(*set as usize).ok_or(RenderError::Unset)?;
            data.field(*row, *column, out);
        }
        Value::Variable(at) => match scope.values.get(*at as usize) {
            Some(Some(bytes)) => out.extend_from_slice(bytes),
            _ => return Err(RenderError::Unset),
        },
        Value::Constant(text) => out.extend_from_slice(text.as_bytes()),
    }
    Ok(())
}

/// Decimal digits without leading zeros.
pub(super) fn number(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A random UUID (RFC 9562, 5.4).
fn uuid(out: &mut Vec<u8>, scope: &mut Scope<'_>) {
    let random = u128::from(scope.rng.next_u64()) << 64 | u128::from(scope.rng.next_u64());
    let bits = random & !(0xf << 76) & !(3 << 62) | 4 << 76 | 2 << 62;
    for (at, byte) in bits.to_be_bytes().into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&hex(byte).map(|b| b.to_ascii_lowercase()));
    }
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Makes what stands from `from` on fit its place.
fn finish(out: &mut Vec<u8>, from: usize, filter: Filter, place: Place) -> Result<(), RenderError> {
    match filter {
        Filter::None => {}
        Filter::Url => percent(out, from, |b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
        Filter::Json => json(out, from),
    }
    match place {
        Place::Body => {}
        Place::Target => percent(out, from, |b| b.is_ascii_graphic()),
        Place::Header if out[from..].iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) => {
            return Err(RenderError::LineBreak);
        }
        Place::Header => {}
    }
    Ok(())
}

fn percent(out: &mut Vec<u8>, from: usize, keep: fn(u8) -> bool) {
    if out[from..].iter().all(|b| keep(*b)) {
        return;
    }
    for byte in out.split_off(from) {
        if keep(byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            out.extend_from_slice(&hex(byte));
        }
    }
}

fn json(out: &mut Vec<u8>, from: usize) {
    if !out[from..].iter().any(|b| matches!(b, 0..=0x1f | b'"' | b'\\')) {
        return;
    }
    for byte in out.split_off(from) {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&hex(byte));
            }
            _ => out.push(byte),
        }
    }
}
