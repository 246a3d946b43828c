//! Where a text stops being JSON (RFC 8259), and why, as Go's encoding/json says it.

/// What may come next.
#[derive(Clone, Copy)]
enum Next {
    Value,
    /// Behind `[`.
    ValueOrEnd,
    Key,
    /// Behind `{`.
    KeyOrEnd,
    Colon,
    /// Behind a value.
    More,
    /// Within a string; of a key or of a value.
    Text {
        is_key: bool,
    },
    Escape {
        is_key: bool,
    },
    Hex {
        is_key: bool,
        left: u8,
    },
    Minus,
    /// Behind a leading zero.
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    /// How many bytes of it were read.
    Word(&'static str, usize),
}

/// The byte behind the first that cannot stand where it does (the text's length, where that ends too early), and what is wrong; `None`
/// where all is JSON.
pub(super) fn fault(text: &[u8]) -> Option<(usize, String)> {
    let mut scanner = Scanner { next: Next::Value, open: Vec::new() };
    for (at, byte) in text.iter().enumerate() {
        if let Err(error) = scanner.take(*byte) {
            return Some((at + 1, error));
        }
    }
    // A blank ends what could go on.
    match scanner.take(b' ') {
        Err(error) => Some((text.len(), error)),
        Ok(()) if matches!(scanner.next, Next::More) && scanner.open.is_empty() => None,
        Ok(()) => Some((text.len(), "unexpected end of JSON input".into())),
    }
}

struct Scanner {
    next: Next,
    /// Objects (`{`) and arrays (`[`) that are not at their end.
    open: Vec<u8>,
}

impl Scanner {
    fn take(&mut self, byte: u8) -> Result<(), String> {
        let wrong = |context: &str| Err(format!("invalid character {} {context}", quoted(byte)));
        let is_blank = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.next = match (self.next, byte) {
            (Next::Value | Next::ValueOrEnd | Next::Key | Next::KeyOrEnd | Next::Colon, _) if is_blank => {
                self.next
            }
            (Next::ValueOrEnd, b']') | (Next::KeyOrEnd, b'}') => self.close(),
            (Next::Value | Next::ValueOrEnd, _) => match self.value(byte) {
                Some(next) => next,
                None => return wrong("looking for beginning of value"),
            },
            (Next::Key | Next::KeyOrEnd, b'"') => Next::Text { is_key: true },
            (Next::Key | Next::KeyOrEnd, _) => {
                return wrong("looking for beginning of object key string");
            }
            (Next::Colon, b':') => Next::Value,
            (Next::Colon, _) => return wrong("after object key"),
            (Next::More, _) => return self.more(byte, is_blank),
            (Next::Text { is_key: true }, b'"') => Next::Colon,
            (Next::Text { is_key: false }, b'"') => Next::More,
            (Next::Text { is_key }, b'\\') => Next::Escape { is_key },
            (Next::Text { .. }, 0..=0x1f) => return wrong("in string literal"),
            (Next::Text { .. }, _) => self.next,
            (Next::Escape { is_key }, b'u') => Next::Hex { is_key, left: 4 },
            (Next::Escape { is_key }, _) if b"bfnrt\\/\"".contains(&byte) => Next::Text { is_key },
            (Next::Escape { .. }, _) => return wrong("in string escape code"),
            (Next::Hex { .. }, _) if !byte.is_ascii_hexdigit() => {
                return wrong("in \\u hexadecimal character escape");
            }
            (Next::Hex { is_key, left: 1 }, _) => Next::Text { is_key },
            (Next::Hex { is_key, left }, _) => Next::Hex { is_key, left: left - 1 },
            (Next::Word(word, read), _) => {
                let expected = word.as_bytes()[read];
                if byte != expected {
                    let expected = quoted(expected);
                    return wrong(&format!("in literal {word} (expecting {expected})"));
                }
                if read + 1 == word.len() { Next::More } else { Next::Word(word, read + 1) }
            }
            _ => return self.number(byte, is_blank),
        };
        Ok(())
    }

    fn close(&mut self) -> Next {
        self.open.pop();
        Next::More
    }

    fn value(&mut self, byte: u8) -> Option<Next> {
        Some(match byte {
            b'{' | b'[' => {
                self.open.push(byte);
                if byte == b'{' { Next::KeyOrEnd } else { Next::ValueOrEnd }
            }
            b'"' => Next::Text { is_key: false },
            b'-' => Next::Minus,
            b'0' => Next::Zero,
            b'1'..=b'9' => Next::Digits,
            b't' => Next::Word("true", 1),
            b'f' => Next::Word("false", 1),
            b'n' => Next::Word("null", 1),
            _ => return None,
        })
    }

    /// Behind a value.
    fn more(&mut self, byte: u8, is_blank: bool) -> Result<(), String> {
        self.next = match (self.open.last(), byte) {
            _ if is_blank => Next::More,
            (Some(b'{'), b',') => Next::Key,
            (Some(b'['), b',') => Next::Value,
            (Some(b'{'), b'}') | (Some(b'['), b']') => self.close(),
            (within, _) => {
                let context = match within {
                    Some(b'{') => "after object key:value pair",
                    Some(_) => "after array element",
                    None => "after top-level value",
                };
                return Err(format!("invalid character {} {context}", quoted(byte)));
            }
        };
        Ok(())
    }

    /// Within a number, whose end is seen by what follows.
    fn number(&mut self, byte: u8, is_blank: bool) -> Result<(), String> {
        let wrong = |context: &str| Err(format!("invalid character {} {context}", quoted(byte)));
        let is_digit = byte.is_ascii_digit();
        self.next = match (self.next, byte) {
            (Next::Minus, b'0') => Next::Zero,
            (Next::Minus, _) if is_digit => Next::Digits,
            (Next::Minus, _) => return wrong("in numeric literal"),
            (Next::Digits, _) if is_digit => Next::Digits,
            (Next::Zero | Next::Digits, b'.') => Next::Point,
            (Next::Point | Next::Fraction, _) if is_digit => Next::Fraction,
            (Next::Point, _) => return wrong("after decimal point in numeric literal"),
            (Next::Zero | Next::Digits | Next::Fraction, b'e' | b'E') => Next::Exponent,
            (Next::Exponent, b'+' | b'-') => Next::ExponentSign,
            (Next::Exponent | Next::ExponentSign | Next::ExponentDigits, _) if is_digit => {
                Next::ExponentDigits
            }
            (Next::Exponent | Next::ExponentSign, _) => return wrong("in exponent of numeric literal"),
            _ => return self.more(byte, is_blank),
        };
        Ok(())
    }
}

/// As Go's `%q` has a byte.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".into(),
        b'\\' => "'\\\\'".into(),
        b'\t' => "'\\t'".into(),
        b'\n' => "'\\n'".into(),
        b'\r' => "'\\r'".into(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa0 => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}
