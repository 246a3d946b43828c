//! Escapes of JSON that no text can have.

use std::borrow::Cow;

/// The JSON `text` with U+FFFD in the place of halves of surrogate pairs that stand alone (`\ud83d`), which JavaScript writes and no text in UTF-8 can hold;
/// as long as it was, so that places in it stay.
pub fn without_halves(text: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(next) = text[at..].iter().position(|b| *b == b'\\') {
        at += next;
        match escaped(text, at) {
            // What is behind a backslash is no beginning of an escape.
            None => at = text.len().min(at + 2),
            Some(0xD800..=0xDBFF) if matches!(escaped(text, at + 6), Some(0xDC00..=0xDFFF)) => at += 12,
            Some(0xD800..=0xDFFF) => {
                out.to_mut()[at + 2..at + 6].copy_from_slice(b"fffd");
                at += 6;
            }
            Some(_) => at += 6,
        }
    }
    out
}

/// The number of the `\uXXXX` that stands there.
fn escaped(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|all| all.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_that_stand_alone_are_replaced() {
        for (given, wanted) in [
            (r#""a""#, r#""a""#),
            (r"\ud83d\ude00", r"\ud83d\ude00"),
            (r"\ud83d", r"\ufffd"),
            (r"\ud83dx\ude00", r"\ufffdx\ufffd"),
            (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
            (r"\uDE00\uD83D", r"\ufffd\ufffd"),
            (r"\\ud83d", r"\\ud83d"),
            (r"\\\ud83d", r"\\\ufffd"),
            (r"\u00fc\ud8", r"\u00fc\ud8"),
            (r"\ud83d\", r"\ufffd\"),
        ] {
            assert_eq!(without_halves(given.as_bytes()), wanted.as_bytes(), "{given}");
        }
    }

    proptest! {
        #[test]
        fn what_json_can_read_stays_and_the_rest_can_be_read(text in "([a\\\\u\"]|\\\\u(d83d|DE00|0041|fffd)){0,12}") {
            let json = format!("\"{text}\"");
            let mended = without_halves(json.as_bytes());
            prop_assert_eq!(mended.len(), json.len());
            if serde_json::from_str::<String>(&json).is_ok() {
                prop_assert_eq!(&*mended, json.as_bytes());
            }
        }
    }
}
