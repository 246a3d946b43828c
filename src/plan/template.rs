//! Text with patch slots: `Bearer {{ token }}`, `/users/{{ random_int(1, 100) }}`.
//!
//! Compiled once into literal pieces and slots; filling one in is a few copies, never an engine.
//!
//! | name | value |
//! |---|---|
//! | `vu`, `iteration`, `sequence` | the virtual user's number (from 1), its iterations before this one, the iteration's number in the scenario (from 0) |
//! | `uuid`, `random_int(a, b)`, `random_string(n)` | seeded: the same seed gives the same values |
//! | `timestamp`, `timestamp_ms`, `timestamp_us` | since the Unix epoch |
//! | `env.NAME`, and the plan's variables | constants |
//! | `data.SET.COLUMN` | of the iteration's row |
//! | a variable that a step extracts | of the response |
//!
//! Behind the name `| url` percent-encodes all but unreserved characters (RFC 3986, 2.3), `| json` escapes for the
//! inside of a JSON string. `\{{` is a literal `{{`.

mod slot;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::data::DataSet;
use super::scope::Scope;

use slot::Slot;

/// Why a request could not be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A value for a header holds CR, LF or NUL.
    #[error("a value for a header holds a line break or NUL")]
    LineBreak,
    /// A variable has no value: the step that extracts it has not been in this iteration.
    #[error("a variable has no value yet")]
    Unset,
    /// The request is longer than 1 GiB.
    #[error("the request is longer than 1 GiB")]
    TooLong,
}

/// What templates may name.
pub struct Names<'a> {
    /// Variables that steps extract, by their number.
    pub variables: &'a [String],
    /// Data sets, by their number.
    pub data: &'a [Arc<DataSet>],
    /// Variables whose value is known.
    pub constants: &'a BTreeMap<String, String>,
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// Why a template cannot be used: the message names the place and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub String);

/// Text with slots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Literal(Vec<u8>),
    Slot(Slot, Filter),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    None,
    Url,
    Json,
}

/// Where a value goes: what it must not break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A request target: what is not visible ASCII is percent-encoded.
    Target,
    /// A header's value: CR, LF and NUL are refused.
    Header,
    /// A body: anything goes.
    Body,
}

impl Template {
    /// Bytes without slots.
    pub fn of_bytes(bytes: &[u8]) -> Template {
        let mut template = Template::default();
        template.literal(bytes);
        template
    }

    /// Compiles `text`.
    ///
    /// # Errors
    /// Unclosed `{{`, names that there are not (with the nearest one), wrong arguments.
    pub fn compile(text: &str, names: &Names<'_>) -> Result<Template, TemplateError> {
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
            let end = inside.find("}}").ok_or_else(|| {
                TemplateError(format!(
                    "`{}`: it lacks its closing }}}} (write \\{{{{ for the braces themselves)",
                    &rest[at..]
                ))
            })?;
            template.expression(&inside[..end], names)?;
            rest = &inside[end + 2..];
        }
        template.literal(rest.as_bytes());
        Ok(template)
    }

    /// Puts another one behind it.
    pub fn append(&mut self, other: Template) {
        for piece in other.pieces {
            match piece {
                Piece::Literal(bytes) => self.literal(&bytes),
                slot => self.pieces.push(slot),
            }
        }
    }

    fn literal(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Piece::Literal(last)) => last.extend_from_slice(bytes),
            _ => self.pieces.push(Piece::Literal(bytes.to_vec())),
        }
    }

    fn expression(&mut self, text: &str, names: &Names<'_>) -> Result<(), TemplateError> {
        let refuse = |why: String| TemplateError(format!("`{{{{{text}}}}}`: {why}"));
        let mut parts = text.split('|').map(str::trim);
        let source = parts.next().unwrap_or_default();
        let mut filter = Filter::None;
        for part in parts {
            filter = match part {
                "url" => Filter::Url,
                "json" => Filter::Json,
                _ => return Err(refuse(format!("there is no filter `{part}`; there are url and json"))),
            };
        }
        match slot::parse(source, names).map_err(refuse)? {
            slot::Parsed::Constant(value) => {
                let mut bytes = value.into_bytes();
                apply(filter, &mut bytes, 0);
                self.literal(&bytes);
            }
            slot::Parsed::Slot(slot) => self.pieces.push(Piece::Slot(slot, filter)),
        }
        Ok(())
    }

    /// The text, if it is always the same.
    pub fn constant(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Literal(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// The text with `x` in the place of each slot: what it is like whatever they are filled with.
    pub fn example(&self) -> Vec<u8> {
        let bytes = |piece: &Piece| match piece {
            Piece::Literal(bytes) => bytes.clone(),
            Piece::Slot(..) => b"x".to_vec(),
        };
        self.pieces.iter().flat_map(bytes).collect()
    }

    /// What stands before the first slot.
    pub fn prefix(&self) -> &[u8] {
        match self.pieces.first() {
            Some(Piece::Literal(bytes)) => bytes,
            _ => b"",
        }
    }

    /// The data sets that it takes values from.
    pub fn data_sets(&self) -> impl Iterator<Item = u32> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot(Slot::Data { set, .. }, _) => Some(*set),
            _ => None,
        })
    }

    /// Appends the text with its slots filled in.
    ///
    /// # Errors
    /// A variable without a value, or one that would break the place.
    pub fn render(&self, place: Place, out: &mut Vec<u8>, scope: &mut Scope<'_>) -> Result<(), RenderError> {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Slot(slot, filter) => {
                    let from = out.len();
                    slot.write(out, scope)?;
                    apply(*filter, out, from);
                    fit(place, out, from)?;
                }
            }
        }
        Ok(())
    }
}

fn apply(filter: Filter, out: &mut Vec<u8>, from: usize) {
    match filter {
        Filter::None => {}
        Filter::Url => encode(out, from, |b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
        Filter::Json => {
            let plain = |b: &u8| *b >= 0x20 && *b != b'"' && *b != b'\\';
            if !out[from..].iter().all(plain) {
                let value = out.split_off(from);
                let quoted = serde_json::Value::from(String::from_utf8_lossy(&value)).to_string();
                out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
            }
        }
    }
}

fn fit(place: Place, out: &mut Vec<u8>, from: usize) -> Result<(), RenderError> {
    match place {
        Place::Body => {}
        Place::Target => encode(out, from, |b| b.is_ascii_graphic()),
        Place::Header if out[from..].iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) => {
            return Err(RenderError::LineBreak);
        }
        Place::Header => {}
    }
    Ok(())
}

/// Percent-encodes what may not stay (RFC 3986, 2.1).
fn encode(out: &mut Vec<u8>, from: usize, stays: impl Fn(u8) -> bool) {
    if out[from..].iter().all(|b| stays(*b)) {
        return;
    }
    let value = out.split_off(from);
    for b in value {
        if stays(b) {
            out.push(b);
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.extend_from_slice(&[b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests;
