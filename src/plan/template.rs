//! Text with patch slots: `Bearer {{ token }}`, `/users/{{ random_int(1, 100) }}`.
//!
//! Compiled once into literal pieces and slots; filling one in is a few copies, never an engine. What can stand between the braces
//! is in [`help`]. Each slot knows the place it stands in, and what a value must not break there.

mod filter;
pub mod help;
mod slot;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::data::DataSet;
use super::scope::Scope;
use super::value::escape_json;

use filter::{Filled, Filter};
use slot::Slot;

/// Constants within constants at most; more are a circle.
const DEPTH_MAX: u32 = 16;

/// Why a request could not be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A value for a header holds CR, LF or NUL.
    #[error("a value for a header holds a line break or NUL")]
    LineBreak,
    /// A variable has no value: the step that extracts it has not been in this iteration. Its number.
    #[error("a variable has no value yet")]
    Unset(u32),
    /// A user name of basic authentication holds a colon (RFC 7617, section 2).
    #[error("a user name of basic authentication holds a colon")]
    Colon,
    /// A value for a method is no token (RFC 9110, section 9.1), or CONNECT.
    #[error("a value for the method is no method that can be sent")]
    Method,
    /// A URL that a value made is none that can be called.
    #[error("a value for the URL makes none that can be called")]
    Url,
    /// `| number` on something else.
    #[error("a value is not a number")]
    NotANumber,
    /// An origin that may not be added.
    #[error("the URL leads to one origin too many, or to one that is not allowed")]
    NotAllowed,
    /// There is no request.
    #[error("there is no request")]
    Nothing,
    /// The request is longer than 1 GiB.
    #[error("the request is longer than 1 GiB")]
    TooLong,
}

/// A value that is known before the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// As it is written; may hold templates.
    pub text: String,
    /// It is JSON (a number, `true`, `false`), not text.
    pub is_json: bool,
}

impl Constant {
    /// Text.
    pub fn text(text: impl Into<String>) -> Constant {
        Constant { text: text.into(), is_json: false }
    }
}

/// What templates may name.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// Variables that steps extract, by their number.
    pub variables: &'a [String],
    /// Data sets, by their number.
    pub data: &'a [Arc<DataSet>],
    /// Variables whose value is known.
    pub constants: &'a BTreeMap<String, Constant>,
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
    Slot(Slot, Vec<Filter>, Place),
    /// What another one comes to, in base64 (RFC 4648, section 4).
    Base64(Box<Template>),
}

/// Where a value goes: what it must not break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A request target: what is not visible ASCII is percent-encoded, and so is `#`, which would begin a fragment.
    Target,
    /// A whole URL: what is not visible ASCII is percent-encoded.
    Url,
    /// A header's value: CR, LF and NUL are refused.
    Header,
    /// A request's method: what is no token is refused.
    Method,
    /// A user name of basic authentication: colons are refused.
    User,
    /// A body: anything goes.
    Body,
    /// Between the quotes of a JSON string: escaped.
    JsonText,
    /// A JSON value: as it is if it is JSON, else a string.
    JsonValue,
}

/// What is read of a template so far.
struct Reading<'a> {
    names: &'a Names<'a>,
    place: Place,
    /// Applied to all that is filled in, behind what the slot asks for itself.
    outer: Vec<Filter>,
    depth: u32,
}

impl Template {
    /// Bytes without slots.
    pub fn of_bytes(bytes: &[u8]) -> Template {
        let mut template = Template::default();
        template.literal(bytes);
        template
    }

    /// Compiles `text`, which goes to `place`. Constants are filled in, fit for it.
    ///
    /// # Errors
    /// Unclosed `{{`, names that there are not (with the nearest one), wrong arguments, constants that would break the place.
    pub fn compile(text: &str, place: Place, names: &Names<'_>) -> Result<Template, TemplateError> {
        let mut template = Template::default();
        template.read(text, &Reading { names, place, outer: Vec::new(), depth: 0 })?;
        Ok(template)
    }

    /// Compiles the value of an Authorization field for these (RFC 7617): what they come to, in UTF-8, then base64.
    ///
    /// # Errors
    /// As [`Template::compile`].
    pub fn basic(username: &str, password: &str, names: &Names<'_>) -> Result<Template, TemplateError> {
        let mut pair = Template::compile(username, Place::User, names)?;
        pair.literal(b":");
        pair.append(Template::compile(password, Place::Body, names)?);
        let mut template = Template::of_bytes(b"Basic ");
        match pair.constant() {
            Some(bytes) => template.literal(BASE64_STANDARD.encode(bytes).as_bytes()),
            None => template.pieces.push(Piece::Base64(Box::new(pair))),
        }
        Ok(template)
    }

    /// Appends a JSON string with templates in it: escaped; one that is nothing but a slot takes the type of its value.
    ///
    /// # Errors
    /// As [`Template::compile`].
    pub fn json_string(&mut self, text: &str, names: &Names<'_>) -> Result<(), TemplateError> {
        self.read(text, &Reading { names, place: Place::JsonValue, outer: Vec::new(), depth: 0 })
    }

    /// Appends another one.
    pub fn append(&mut self, other: Template) {
        for piece in other.pieces {
            match piece {
                Piece::Literal(bytes) => self.literal(&bytes),
                slot => self.pieces.push(slot),
            }
        }
    }

    /// Appends bytes as they are.
    pub fn literal(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Piece::Literal(last)) => last.extend_from_slice(bytes),
            _ => self.pieces.push(Piece::Literal(bytes.to_vec())),
        }
    }

    fn read(&mut self, text: &str, reading: &Reading<'_>) -> Result<(), TemplateError> {
        if reading.place != Place::JsonValue {
            return self.read_parts(text, reading);
        }
        if let Some(alone) = alone(text) {
            return self.expression(alone, reading);
        }
        self.literal(b"\"");
        let inside = Reading { place: Place::JsonText, outer: reading.outer.clone(), ..*reading };
        self.read_parts(text, &inside)?;
        self.literal(b"\"");
        Ok(())
    }

    fn read_parts(&mut self, text: &str, reading: &Reading<'_>) -> Result<(), TemplateError> {
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            if let Some(before) = rest[..at].strip_suffix('\\') {
                self.written(before, reading)?;
                self.written("{{", reading)?;
                rest = &rest[at + 2..];
                continue;
            }
            self.written(&rest[..at], reading)?;
            let inside = &rest[at + 2..];
            let end = inside.find("}}").ok_or_else(|| {
                TemplateError(format!(
                    "`{}`: it lacks its closing }}}} (write \\{{{{ for the braces themselves)",
                    &rest[at..]
                ))
            })?;
            self.expression(&inside[..end], reading)?;
            rest = &inside[end + 2..];
        }
        self.written(rest, reading)
    }

    /// Text outside of braces. What stands in the template itself is its writer's; that of a constant is held to the place.
    fn written(&mut self, text: &str, reading: &Reading<'_>) -> Result<(), TemplateError> {
        if reading.depth > 0 {
            return self.constant_value(&Constant::text(text), reading, &reading.outer, text);
        }
        if reading.place != Place::JsonText {
            self.literal(text.as_bytes());
            return Ok(());
        }
        let mut escaped = Vec::new();
        escape_json(text.as_bytes(), &mut escaped);
        self.literal(&escaped);
        Ok(())
    }

    fn expression(&mut self, text: &str, reading: &Reading<'_>) -> Result<(), TemplateError> {
        let refuse = |why: String| TemplateError(format!("`{{{{{text}}}}}`: {why}"));
        let mut parts = text.split('|').map(str::trim);
        let source = parts.next().unwrap_or_default();
        let mut filters: Vec<Filter> = parts.map(Filter::named).collect::<Result<_, _>>().map_err(refuse)?;
        filters.extend_from_slice(&reading.outer);
        match slot::parse(source, reading.names).map_err(refuse)? {
            slot::Parsed::Constant(constant) if !constant.text.contains("{{") => {
                self.constant_value(constant, reading, &filters, text)
            }
            slot::Parsed::Constant(_) if reading.depth == DEPTH_MAX => {
                Err(refuse("variables refer to each other in a circle".into()))
            }
            slot::Parsed::Constant(constant) => {
                let inner = Reading { outer: filters, depth: reading.depth + 1, ..*reading };
                self.read(&constant.text, &inner)
            }
            slot::Parsed::Env(value) => self.constant_value(&Constant::text(value), reading, &filters, text),
            slot::Parsed::Slot(slot) => {
                self.pieces.push(Piece::Slot(slot, filters, reading.place));
                Ok(())
            }
        }
    }

    /// Appends a value that is known, as it will be sent.
    fn constant_value(
        &mut self,
        constant: &Constant,
        reading: &Reading<'_>,
        filters: &[Filter],
        shown: &str,
    ) -> Result<(), TemplateError> {
        let mut bytes = constant.text.clone().into_bytes();
        let filled = Filled { from: 0, is_json: constant.is_json, is_escaped: false };
        filled
            .finish(filters, reading.place, &mut bytes)
            .map_err(|error| TemplateError(format!("`{{{{{shown}}}}}`: {error}")))?;
        self.literal(&bytes);
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
            Piece::Slot(..) | Piece::Base64(_) => b"x".to_vec(),
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

    /// The template without its first bytes, which stand before the first slot.
    pub fn without_prefix(mut self, len: usize) -> Template {
        if let Some(Piece::Literal(bytes)) = self.pieces.first_mut() {
            bytes.drain(..len.min(bytes.len()));
        }
        self.pieces.retain(|piece| *piece != Piece::Literal(Vec::new()));
        self
    }

    /// The template up to a byte that stands in it outside of its slots.
    pub fn until(mut self, byte: u8) -> Template {
        let found = |piece: &Piece| match piece {
            Piece::Literal(bytes) => bytes.iter().position(|b| *b == byte),
            _ => None,
        };
        if let Some((index, at)) =
            self.pieces.iter().enumerate().find_map(|(i, piece)| Some((i, found(piece)?)))
        {
            self.pieces.truncate(index + 1);
            if let Some(Piece::Literal(bytes)) = self.pieces.last_mut() {
                bytes.truncate(at);
            }
            self.pieces.retain(|piece| *piece != Piece::Literal(Vec::new()));
        }
        self
    }

    /// Whether it takes a value that a step extracts.
    pub fn uses_variables(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Slot(Slot::Variable(_), ..)))
    }

    /// The data sets that it takes values from.
    pub fn data_sets(&self) -> Vec<u32> {
        let sets = |piece: &Piece| match piece {
            Piece::Slot(Slot::Data { set, .. }, ..) => vec![*set],
            Piece::Base64(inner) => inner.data_sets(),
            _ => Vec::new(),
        };
        self.pieces.iter().flat_map(sets).collect()
    }

    /// Appends the text with its slots filled in.
    ///
    /// # Errors
    /// A variable without a value, or one that would break the place.
    pub fn render(&self, out: &mut Vec<u8>, scope: &mut Scope<'_>) -> Result<(), RenderError> {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Slot(slot, filters, place) => {
                    let from = out.len();
                    let is_json = slot.write(out, scope)?;
                    Filled { from, is_json, is_escaped: false }.finish(filters, *place, out)?;
                }
                Piece::Base64(inner) => {
                    let mut bytes = Vec::new();
                    inner.render(&mut bytes, scope)?;
                    out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
                }
            }
        }
        Ok(())
    }
}

/// What stands between the braces, if there is nothing else.
fn alone(text: &str) -> Option<&str> {
    let inside = text.strip_prefix("{{")?.strip_suffix("}}")?;
    (!inside.contains("}}") && !inside.contains("{{")).then_some(inside)
}

#[cfg(test)]
mod tests;
