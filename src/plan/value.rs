//! Values that templates fill in: text, or JSON as it stood.

use std::cmp::Ordering;

use crate::escapes::without_halves;

/// A value, as it came: a number keeps its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its bytes.
    pub bytes: Box<[u8]>,
    /// They are JSON (a number, `true`, a list, …), not text.
    pub is_json: bool,
}

impl Value {
    /// Text.
    pub fn text(bytes: impl Into<Box<[u8]>>) -> Value {
        Value { bytes: bytes.into(), is_json: false }
    }

    /// What the JSON `raw` stands for: a string is text, all else goes on as it stands.
    pub fn of_json(raw: &str) -> Value {
        let halved = || serde_json::from_slice(&without_halves(raw.as_bytes()));
        match serde_json::from_str::<String>(raw).or_else(|_| halved()) {
            Ok(text) => Value::text(text.into_bytes()),
            Err(_) => Value { bytes: raw.as_bytes().into(), is_json: true },
        }
    }
}

/// Whether `bytes` are a number of JSON (RFC 8259, section 6).
pub fn is_number(bytes: &[u8]) -> bool {
    let begins = bytes.first().is_some_and(|b| *b == b'-' || b.is_ascii_digit());
    begins
        && serde_json::from_slice::<&serde_json::value::RawValue>(bytes)
            .is_ok_and(|raw| raw.get().len() == bytes.len())
}

/// A number as people and JSON write it: whole ones are compared exactly.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// Without a fraction.
    Whole(i128),
    /// Any other.
    Real(f64),
}

impl Number {
    /// Reads it, white space around it left out; `None` for what is no number.
    pub fn read(text: &[u8]) -> Option<Number> {
        let text = std::str::from_utf8(text).ok()?.trim();
        if let Ok(whole) = text.parse() {
            return Some(Number::Whole(whole));
        }
        text.parse().ok().filter(|real: &f64| real.is_finite()).map(Number::Real)
    }

    fn real(self) -> f64 {
        match self {
            Number::Whole(whole) => whole as f64,
            Number::Real(real) => real,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Whole(a), Number::Whole(b)) => Some(a.cmp(b)),
            _ => self.real().partial_cmp(&other.real()),
        }
    }
}

/// Appends text as it stands between the quotes of a JSON string; what is not UTF-8 becomes U+FFFD.
pub fn escape_json(text: &[u8], out: &mut Vec<u8>) {
    let plain = |b: &u8| *b >= 0x20 && *b != b'"' && *b != b'\\' && b.is_ascii();
    if text.iter().all(plain) {
        return out.extend_from_slice(text);
    }
    let quoted = serde_json::Value::from(String::from_utf8_lossy(text)).to_string();
    out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json() {
        for number in ["0", "-1", "1.10", "12345678901234567890123", "1E+5"] {
            assert!(is_number(number.as_bytes()), "{number}");
        }
        for other in ["", "01", "+1", "1.", " 1", "1 ", "\"1\"", "NaN", "0x1", "-"] {
            assert!(!is_number(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn numbers_compare_by_what_they_are() {
        let read = |text: &str| Number::read(text.as_bytes());
        assert_eq!(read("1.10"), read(" 1.1 "));
        assert_eq!(read("1e3"), read("1000"));
        assert!(read("12345678901234567890123") < read("12345678901234567890124"));
        assert!(read("-2") < read("-1.5"));
        for other in ["", "x", "NaN", "inf", "1 2"] {
            assert!(read(other).is_none(), "{other}");
        }
    }

    #[test]
    fn json_keeps_its_form_and_strings_are_text() {
        for (raw, bytes, is_json) in [
            ("1.10", "1.10", true),
            ("\"a\\n\\u00fc\"", "a\nü", false),
            // As JavaScript writes a text that was cut in the middle of a character.
            ("\"a\\ud83d\"", "a\u{fffd}", false),
            ("{ \"b\": 1, \"a\": 2 }", "{ \"b\": 1, \"a\": 2 }", true),
            ("null", "null", true),
        ] {
            assert_eq!(Value::of_json(raw), Value { bytes: bytes.as_bytes().into(), is_json });
        }
    }

    #[test]
    fn text_is_escaped_for_a_json_string() {
        let mut out = Vec::new();
        escape_json(b"a \"b\"\\\n\xff\xc3\xbc", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "a \\\"b\\\"\\\\\\n\u{fffd}ü");
    }
}
