//! A de-chunker that counts (RFC 9112, 7.1): payload passes by as slices of the input, never copied.
//!
//! Policies, where the RFC leaves room or servers differ:
//! - The size is 1*HEXDIG and must fit 64 bits; leading zeros are fine within the line limit.
//! - Chunk-size lines and chunk data end in CRLF exactly. A bare LF is an error there: RFC 9112, 2.2
//!   allows it for the start line and fields only, and a guess here would shift every later byte.
//! - Blanks between size and CRLF or `;` are read over (7.1.1 allows them before `;`, and old servers
//!   pad with them).
//! - Extensions are read over; control bytes in them are errors.
//! - Trailer fields are read over, bare LF allowed (2.2); control bytes and a CR without LF are errors.

use super::error::ParseError;

/// Longest chunk-size line with its extensions, in bytes without CRLF.
pub const MAX_CHUNK_LINE: u32 = 4 * 1024;

/// Longest trailer section, in bytes with its line ends.
pub const MAX_TRAILER: u32 = 64 * 1024;

/// Where in the chunked coding the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// First digit of a chunk size.
    SizeStart,
    /// Further digits.
    Size,
    /// Blanks after the size.
    SizeBlank,
    /// Within extensions.
    Extension,
    /// The LF of the chunk-size line.
    SizeLf,
    /// Chunk data, `left` bytes of it.
    Data,
    /// CR after chunk data.
    DataCr,
    /// LF after chunk data.
    DataLf,
    /// First byte of a trailer line.
    TrailerStart,
    /// Within a trailer line.
    Trailer,
    /// LF of a trailer line.
    TrailerLf,
    /// LF of the empty line that ends it all.
    EndLf,
    /// All read.
    Done,
}

/// State of one chunked body between two pieces of input; 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunked {
    /// The size being read, or the data bytes left of the chunk.
    left: u64,
    /// Bytes spent on the current chunk-size line, or on the trailer section.
    spent: u32,
    at: At,
}

/// What one piece of input held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that belong to the chunked body. All of them, unless `done`.
    pub consumed: usize,
    /// Payload bytes among them.
    pub payload: u64,
    /// The body, trailer section included, is complete.
    pub done: bool,
}

impl Default for Chunked {
    fn default() -> Self {
        Self::new()
    }
}

impl Chunked {
    /// Before the first chunk.
    pub const fn new() -> Self {
        Chunked { left: 0, spent: 0, at: At::SizeStart }
    }

    /// Reads on in `bytes` and hands each run of payload to `payload`.
    ///
    /// # Errors
    /// One of the `Chunk…` and `Trailer…` errors. The state is then of no further use.
    pub fn feed(&mut self, bytes: &[u8], mut payload: impl FnMut(&[u8])) -> Result<Progress, ParseError> {
        let mut consumed = 0;
        let mut counted = 0u64;
        while self.at != At::Done && consumed < bytes.len() {
            if self.at == At::Data {
                let rest = &bytes[consumed..];
                let n = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
                payload(&rest[..n]);
                consumed += n;
                counted += n as u64;
                self.left -= n as u64;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            self.at = self.step(bytes[consumed])?;
            consumed += 1;
        }
        Ok(Progress { consumed, payload: counted, done: self.at == At::Done })
    }

    /// One byte of anything but chunk data.
    fn step(&mut self, byte: u8) -> Result<At, ParseError> {
        match self.at {
            At::SizeStart | At::Size | At::SizeBlank | At::Extension | At::SizeLf => self.size_line(byte),
            At::DataCr if byte == b'\r' => Ok(At::DataLf),
            At::DataLf if byte == b'\n' => Ok(At::SizeStart),
            At::DataCr | At::DataLf => Err(ParseError::ChunkEnd),
            At::TrailerStart | At::Trailer | At::TrailerLf | At::EndLf => self.trailer(byte),
            At::Data | At::Done => unreachable!("handled by feed"),
        }
    }

    fn size_line(&mut self, byte: u8) -> Result<At, ParseError> {
        if self.at == At::SizeLf {
            if byte != b'\n' {
                return Err(ParseError::ChunkSize);
            }
            self.spent = 0;
            return Ok(if self.left == 0 { At::TrailerStart } else { At::Data });
        }
        if byte == b'\r' && self.at != At::SizeStart {
            return Ok(At::SizeLf);
        }
        self.spent += 1;
        if self.spent > MAX_CHUNK_LINE {
            return Err(ParseError::ChunkLineTooLong);
        }
        match (self.at, byte) {
            (At::SizeStart | At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if self.left >> 60 != 0 {
                    return Err(ParseError::ChunkOverflow);
                }
                let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                self.left = self.left << 4 | digit;
                Ok(At::Size)
            }
            (At::Size | At::SizeBlank, b' ' | b'\t') => Ok(At::SizeBlank),
            (At::Size | At::SizeBlank, b';') => Ok(At::Extension),
            (At::Extension, b'\t' | b' '..=b'~' | 0x80..) => Ok(At::Extension),
            _ => Err(ParseError::ChunkSize),
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<At, ParseError> {
        self.spent += 1;
        if self.spent > MAX_TRAILER {
            return Err(ParseError::TrailerTooLarge);
        }
        match (self.at, byte) {
            (At::TrailerStart | At::EndLf, b'\n') => Ok(At::Done),
            (At::TrailerStart, b'\r') => Ok(At::EndLf),
            (At::Trailer | At::TrailerLf, b'\n') => Ok(At::TrailerStart),
            (At::Trailer, b'\r') => Ok(At::TrailerLf),
            (At::TrailerStart | At::Trailer, b'\t' | b' '..=b'~' | 0x80..) => Ok(At::Trailer),
            _ => Err(ParseError::Trailer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), ParseError> {
        let (mut chunked, mut payload, mut consumed) = (Chunked::new(), Vec::new(), 0);
        let mut done = false;
        for piece in pieces {
            let before = payload.len();
            let progress = chunked.feed(piece, |bytes| payload.extend_from_slice(bytes))?;
            assert_eq!(progress.payload, (payload.len() - before) as u64);
            consumed += progress.consumed;
            done = progress.done;
            assert!(done || progress.consumed == piece.len());
        }
        Ok((payload, consumed, done))
    }

    #[test]
    fn state_is_small() {
        assert!(size_of::<Chunked>() <= 16);
    }

    #[test]
    fn stops_at_the_end() {
        let body = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n";
        let mut with_more = body.to_vec();
        with_more.extend_from_slice(b"HTTP/1.1");
        assert_eq!(read(&[&with_more]), Ok((b"abcde".to_vec(), body.len(), true)));
        let mut chunked = Chunked::new();
        assert_eq!(chunked.feed(body, |_| {}).map(|p| p.done), Ok(true));
        let after = chunked.feed(b"more", |_| {});
        assert_eq!(after.map(|p| (p.consumed, p.done)), Ok((0, true)));
    }

    #[test]
    fn any_three_pieces() {
        let body = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n";
        for a in 0..=body.len() {
            for b in a..=body.len() {
                let pieces = [&body[..a], &body[a..b], &body[b..]];
                assert_eq!(read(&pieces), Ok((b"abcde".to_vec(), body.len(), true)));
            }
        }
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let line = |len: u32| format!("3;{}\r\n", "x".repeat(len as usize - 2));
        assert!(read(&[line(MAX_CHUNK_LINE).as_bytes()]).is_ok());
        let long = line(MAX_CHUNK_LINE + 1);
        assert_eq!(read(&[long.as_bytes()]), Err(ParseError::ChunkLineTooLong));
        let zeros = "0".repeat(MAX_CHUNK_LINE as usize + 1);
        assert_eq!(read(&[zeros.as_bytes()]), Err(ParseError::ChunkLineTooLong));

        let trailer = |len: u32| format!("0\r\n{}\r\n\r\n", "x".repeat(len as usize - 4));
        let fits = trailer(MAX_TRAILER);
        assert_eq!(read(&[fits.as_bytes()]).map(|r| r.2), Ok(true));
        let long = trailer(MAX_TRAILER + 1);
        assert_eq!(read(&[long.as_bytes()]), Err(ParseError::TrailerTooLarge));
    }

    #[test]
    fn the_line_limit_is_per_chunk() {
        let chunk = format!("1;{}\r\na\r\n", "x".repeat(3000));
        let body = chunk.repeat(100) + "0\r\n\r\n";
        assert_eq!(read(&[body.as_bytes()]).map(|r| (r.0.len(), r.2)), Ok((100, true)));
    }

    #[test]
    fn sizes_up_to_64_bits() {
        assert!(read(&[b"ffffffffffffffff\r\nabc"]).is_ok());
        assert!(read(&[b"0000ffffffffffffffff\r\nabc"]).is_ok());
        assert_eq!(read(&[b"10000000000000000"]), Err(ParseError::ChunkOverflow));
    }
}
