//! Keeps secrets out of what people read and share: the one redactor that reports, samples, dry runs, notices and
//! errors go through.
//!
//! A secret is found in two ways. By structure: a header, a parameter, a key of JSON or a cookie whose name says so, and
//! user information in URLs; texts need not be well-formed, since errors quote what is not. And by value: what the options
//! and the plan hold in such places ([`Redactor::learn`]) is found wherever else it stands, for example in a response that
//! echoes it.

mod names;
mod places;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub use self::names::{is_secret_header, is_secret_name, is_secret_parameter};

/// What stands in a secret's place.
pub const HIDDEN: &str = "***";

/// Shorter values are hidden where their name stands, and nowhere else.
const KNOWN_MIN: usize = 4;
/// Shorter ones are hidden elsewhere as whole words only: `test` is no secret in `load-test`.
const ANYWHERE_MIN: usize = 8;

/// What cookies and the like hold that is no secret, and would be missed elsewhere.
const COMMON: [&str; 8] = ["localhost", "127.0.0.1", "true", "false", "null", "none", "undefined", "default"];

/// Hides secrets, or with `--show-secrets` nothing.
#[derive(Clone, Default)]
pub struct Redactor {
    shows: bool,
    known: BTreeSet<String>,
    /// Made of `known` when it is first needed.
    finder: OnceLock<AhoCorasick>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor {{ shows: {}, known: {} }}", self.shows, self.known.len())
    }
}

impl Redactor {
    /// One that hides nothing.
    pub fn showing() -> Redactor {
        Redactor { shows: true, ..Redactor::default() }
    }

    /// Remembers all secrets that `text` shows by its structure.
    pub fn learn(&mut self, text: &str) {
        if self.shows {
            return;
        }
        places::secrets(text).into_iter().for_each(|span| self.learn_value(&text[span]));
    }

    /// Remembers what `name` stands for, if that is a secret's name: a header's, a variable's.
    pub fn learn_named(&mut self, name: &str, value: &str) {
        if is_secret_header(name) {
            let line = format!("{name}: {value}");
            self.learn(&line);
        } else if is_secret_name(name) {
            self.learn_value(value);
        }
    }

    /// Remembers what a word of a command line holds: a header, which may lack its colon, or `NAME=VALUE`.
    pub fn learn_word(&mut self, word: &str) {
        self.learn(word);
        if let Some((name, value)) = word.split_once([':', '=', ' ']) {
            self.learn_named(name.trim(), value.trim());
        }
    }

    /// Remembers the secrets of a URL, which may lack its scheme.
    pub fn learn_url(&mut self, url: &str) {
        let whole = if url.contains("://") { Cow::Borrowed(url) } else { format!("http://{url}").into() };
        for span in places::secrets(&whole) {
            let value = &whole[span.clone()];
            self.learn_value(value);
            // A reserved character that is not encoded ends the authority early: errors then quote the parts.
            if whole[span.end..].starts_with('@') && value.contains(['/', '?', '#']) {
                value.split(['/', '?', '#']).for_each(|part| self.remember(part, 2));
            }
        }
    }

    /// Remembers a secret, however it may be written.
    pub fn learn_value(&mut self, value: &str) {
        let value = value.trim();
        let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
        let value = if names::is_scheme(scheme) { rest.trim_start() } else { value };
        self.remember(value, KNOWN_MIN);
        let decoded: Vec<u8> = percent_decode_str(value).collect();
        if let Ok(plain) = str::from_utf8(&decoded) {
            self.remember(plain, KNOWN_MIN);
        }
        // Credentials as RFC 7617 has them: the password is the secret.
        let pair = BASE64_STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((_, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
            self.remember(password, KNOWN_MIN);
        }
    }

    fn remember(&mut self, value: &str, least: usize) {
        let is_number = value.len() < 6 && value.bytes().all(|b| b.is_ascii_digit());
        if value.len() < least || is_number || COMMON.contains(&value) {
            return;
        }
        if value.contains(HIDDEN) || value.contains("{{") {
            return;
        }
        let json = serde_json::Value::from(value).to_string();
        let forms = [
            utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            value.escape_debug().to_string(),
            value.as_bytes().escape_ascii().to_string(),
            json.trim_matches('"').to_owned(),
            value.to_owned(),
        ];
        self.known.extend(forms);
        self.finder = OnceLock::new();
    }

    /// `text` without its secrets; the rest of it as it was.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.shows {
            return text.into();
        }
        let mut spans = places::secrets(text);
        spans.extend(self.begun_at_the_end_of(text));
        let (anywhere, words): (Vec<_>, Vec<_>) =
            self.known_in(text).into_iter().partition(|span| span.len() >= ANYWHERE_MIN);
        spans.extend(anywhere);
        spans.retain(|span| text[span.clone()] != *HIDDEN);
        let mut spans = apart(spans);
        let words: Vec<_> = words.into_iter().filter(|word| is_word(text, word, &spans)).collect();
        spans.extend(words);
        let (mut out, mut from) = (String::new(), 0);
        for span in apart(spans) {
            out.push_str(&text[from..span.start]);
            out.push_str(HIDDEN);
            from = span.end;
        }
        if out.is_empty() {
            return text.into();
        }
        out.push_str(&text[from..]);
        out.into()
    }

    /// The value of something of this name; nothing of it where the name says that it is a secret.
    pub fn named<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        let is_secret = !self.shows && !value.is_empty() && is_secret_name(name);
        if is_secret { HIDDEN.into() } else { self.text(value) }
    }

    /// [`text`](Redactor::text) of the parts that are UTF-8; the others stay.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            out.extend_from_slice(self.text(chunk.valid()).as_bytes());
            out.extend_from_slice(chunk.invalid());
        }
        out
    }

    /// Where the values that are known stand, as parts of words too.
    fn known_in(&self, text: &str) -> Vec<Range<usize>> {
        if self.known.is_empty() {
            return Vec::new();
        }
        let finder = self.finder.get_or_init(|| {
            let builder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&self.known);
            builder.expect("the values of a plan fit into an automaton")
        });
        finder.find_iter(text).map(|found| found.range()).collect()
    }

    /// The beginning of a secret that an excerpt has cut.
    fn begun_at_the_end_of(&self, text: &str) -> Option<Range<usize>> {
        let cut = |value: &String| {
            let tail = &text.as_bytes()[text.len().saturating_sub(value.len())..];
            if !tail.contains(&value.as_bytes()[0]) {
                return None;
            }
            let ends = (KNOWN_MIN..value.len()).rev().filter(|end| value.is_char_boundary(*end));
            ends.into_iter().find(|end| text.ends_with(&value[..*end]))
        };
        let longest = self.known.iter().filter(|value| value.len() > ANYWHERE_MIN).filter_map(cut).max()?;
        Some(text.len() - longest..text.len())
    }
}

/// `spans` in their order; those that overlap are one.
fn apart(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| (span.start, span.end));
    spans.dedup_by(|next, last| {
        let overlap = next.start < last.end;
        if overlap {
            last.end = last.end.max(next.end);
        }
        overlap
    });
    spans
}

/// Whether `span` of `text` is a whole word once `hidden`, which is [`apart`], has its mark: that is part of no word.
fn is_word(text: &str, span: &Range<usize>, hidden: &[Range<usize>]) -> bool {
    let is_hidden = |at: usize| {
        let before = hidden.partition_point(|span| span.start <= at);
        hidden[..before].last().is_some_and(|span| at < span.end)
    };
    let goes_on = |at: usize| {
        let byte = text.as_bytes().get(at);
        byte.is_some_and(|b| b.is_ascii_alphanumeric() || b"-_".contains(b)) && !is_hidden(at)
    };
    !span.start.checked_sub(1).is_some_and(goes_on) && !goes_on(span.end)
}

#[cfg(test)]
mod tests;
