//! What becomes of a value on its way into a text.

use super::{Place, RenderError};
use crate::http::request::is_token_byte;
use crate::plan::value::{escape_json, is_number};

/// What a template asks for behind `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Url,
    Json,
    Number,
    String,
}

/// Their names, and what they do.
pub(super) const FILTERS: [(&str, Filter, &str); 4] = [
    ("url", Filter::Url, "percent-encodes all but unreserved characters (RFC 3986, 2.3)"),
    ("json", Filter::Json, "escapes for the inside of a JSON string; in `json = …` that is done anyway"),
    ("number", Filter::Number, "in `json = …`: a number, as it stands; what is none fails the request"),
    ("string", Filter::String, "in `json = …`: a string, whatever the type of the value"),
];

impl Filter {
    pub(super) fn named(name: &str) -> Result<Filter, String> {
        let found = FILTERS.iter().find(|(own, ..)| *own == name).map(|(_, filter, _)| *filter);
        let names: Vec<&str> = FILTERS.iter().map(|(own, ..)| *own).collect();
        found.ok_or_else(|| format!("there is no filter `{name}`; there are {}", names.join(", ")))
    }
}

/// A value that was written: all from `from` on.
pub(super) struct Filled {
    pub(super) from: usize,
    /// It is JSON, not text.
    pub(super) is_json: bool,
    /// It was escaped for the inside of a JSON string.
    pub(super) is_escaped: bool,
}

impl Filled {
    /// Applies the filters, then what the place asks for.
    #[inline]
    pub(super) fn finish(
        mut self,
        filters: &[Filter],
        place: Place,
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        for filter in filters {
            self.apply(*filter, out)?;
        }
        self.fit(place, out)
    }

    fn apply(&mut self, filter: Filter, out: &mut Vec<u8>) -> Result<(), RenderError> {
        match filter {
            Filter::Url => {
                encode(out, self.from, |b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
                self.is_json = false;
            }
            Filter::Json => {
                self.escape(out);
                (self.is_json, self.is_escaped) = (false, true);
            }
            Filter::Number if !is_number(&out[self.from..]) => return Err(RenderError::NotANumber),
            Filter::Number => self.is_json = true,
            Filter::String => self.is_json = false,
        }
        Ok(())
    }

    fn escape(&self, out: &mut Vec<u8>) {
        if !self.is_escaped {
            let value = out.split_off(self.from);
            escape_json(&value, out);
        }
    }

    fn fit(&self, place: Place, out: &mut Vec<u8>) -> Result<(), RenderError> {
        let value = &out[self.from..];
        match place {
            Place::Target => encode(out, self.from, |b| b.is_ascii_graphic() && b != b'#'),
            Place::Url => encode(out, self.from, |b| b.is_ascii_graphic()),
            Place::Header if value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) => {
                return Err(RenderError::LineBreak);
            }
            Place::Method if !value.iter().all(|b| is_token_byte(*b)) => return Err(RenderError::Method),
            Place::User if value.contains(&b':') => return Err(RenderError::Colon),
            Place::Header | Place::Method | Place::User | Place::Body => {}
            Place::JsonText => self.escape(out),
            Place::JsonValue if self.is_json => {}
            Place::JsonValue => {
                let value = out.split_off(self.from);
                out.push(b'"');
                if self.is_escaped {
                    out.extend_from_slice(&value)
                } else {
                    escape_json(&value, out)
                }
                out.push(b'"');
            }
        }
        Ok(())
    }
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
