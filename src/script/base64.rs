//! Base64 as `k6/encoding` has it: four alphabets, and what Go's encoding/base64 takes (RFC 4648).

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Whatever the last character's spare bits are: Go does not look at them.
const PADDED: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const RAW: GeneralPurposeConfig =
    PADDED.with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::RequireNone);

const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDED);
const STANDARD_RAW: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, RAW);
const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PADDED);
const URL_RAW: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, RAW);

/// One of the alphabets, with or without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `std`.
    Standard,
    /// `rawstd`.
    StandardRaw,
    /// `url`.
    Url,
    /// `rawurl`.
    UrlRaw,
}

impl Alphabet {
    /// By its name: whatever else is asked for is the standard one, as in k6.
    pub fn named(name: &str) -> Alphabet {
        match name {
            "rawstd" => Alphabet::StandardRaw,
            "url" => Alphabet::Url,
            "rawurl" => Alphabet::UrlRaw,
            _ => Alphabet::Standard,
        }
    }

    fn engine(self) -> &'static GeneralPurpose {
        match self {
            Alphabet::Standard => &STANDARD,
            Alphabet::StandardRaw => &STANDARD_RAW,
            Alphabet::Url => &URL,
            Alphabet::UrlRaw => &URL_RAW,
        }
    }

    /// Bytes as text.
    pub fn encode(self, bytes: &[u8]) -> String {
        self.engine().encode(bytes)
    }

    /// Text as bytes; line ends in it are passed over.
    ///
    /// # Errors
    /// Go's message, with the offset that Go counts.
    pub fn decode(self, text: &str) -> Result<Vec<u8>, String> {
        let plain: Vec<u8> = text.bytes().filter(|b| !is_line_end(*b)).collect();
        let decoded = self.engine().decode(&plain);
        decoded.map_err(|_| format!("illegal base64 data at input byte {}", self.fault(text.as_bytes())))
    }

    /// Where Go sees that it is none.
    fn fault(self, text: &[u8]) -> usize {
        let is_raw = matches!(self, Alphabet::StandardRaw | Alphabet::UrlRaw);
        let is_url = matches!(self, Alphabet::Url | Alphabet::UrlRaw);
        let fits = |b: u8| b.is_ascii_alphanumeric() || if is_url { b"-_" } else { b"+/" }.contains(&b);
        let mut left = (0..text.len()).filter(|&at| !is_line_end(text[at]));
        // Characters of the present four.
        let mut read = 0;
        while let Some(at) = left.next() {
            if fits(text[at]) {
                read = (read + 1) % 4;
            } else if text[at] != b'=' || is_raw || read < 2 {
                return at;
            } else {
                let second = if read == 2 { left.next() } else { Some(at) };
                return match second {
                    None => text.len(),
                    Some(second) if text[second] != b'=' => second - 1,
                    Some(_) => left.next().unwrap_or(text.len()),
                };
            }
        }
        text.len() - read
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `b64encode` of k6 1.1.0 gave them.
    #[test]
    fn bytes_are_encoded_as_by_k6() {
        for (name, text, bytes) in [
            ("std", "Pj4+Pz8/YQ==", "+//+AQ=="),
            ("rawstd", "Pj4+Pz8/YQ", "+//+AQ"),
            ("url", "Pj4-Pz8_YQ==", "-__-AQ=="),
            ("rawurl", "Pj4-Pz8_YQ", "-__-AQ"),
            ("other", "Pj4+Pz8/YQ==", "+//+AQ=="),
            ("STD", "Pj4+Pz8/YQ==", "+//+AQ=="),
        ] {
            let alphabet = Alphabet::named(name);
            assert_eq!(alphabet.encode(b">>>???a"), text, "{name}");
            assert_eq!(alphabet.encode(&[251, 255, 254, 1]), bytes, "{name}");
            assert_eq!(alphabet.decode(text).unwrap(), b">>>???a", "{name}");
        }
        assert_eq!(Alphabet::Standard.encode("é€😀".as_bytes()), "w6nigqzwn5iA");
    }

    /// As `b64decode` of k6 1.1.0 took them.
    #[test]
    fn text_is_decoded_as_by_k6() {
        for (text, name, wanted) in [
            ("YQ==", "std", Ok("a")),
            ("YQ", "std", Err(0)),
            ("YQ", "rawstd", Ok("a")),
            ("YQ==", "rawstd", Err(2)),
            ("YQ=", "std", Err(3)),
            ("Y", "std", Err(0)),
            ("Y", "rawstd", Err(0)),
            ("YR==", "std", Ok("a")),
            ("YR", "rawstd", Ok("a")),
            ("Pj4-", "url", Ok(">>>")),
            ("Pj4-", "std", Err(3)),
            ("Pj4+", "url", Err(3)),
            ("YW\nJj\r\n", "std", Ok("abc")),
            ("YW Jj", "std", Err(2)),
            ("YWJj=", "std", Err(4)),
            ("YWJjYQ==YQ==", "std", Err(8)),
            ("", "std", Ok("")),
            ("===", "std", Err(0)),
            ("YWJ=", "std", Ok("ab")),
            ("YWJ=", "rawstd", Err(3)),
            ("é", "std", Err(0)),
            ("YQ==\n", "std", Ok("a")),
            ("YQ=\n=", "std", Ok("a")),
            ("Y=Q=", "std", Err(1)),
            ("YQ==", "other", Ok("a")),
        ] {
            let wanted = match wanted {
                Ok(plain) => Ok(plain.as_bytes().to_vec()),
                Err(at) => Err(format!("illegal base64 data at input byte {at}")),
            };
            assert_eq!(Alphabet::named(name).decode(text), wanted, "{text:?} {name}");
        }
    }
}
