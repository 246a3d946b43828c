//! Reading over, or collecting, the body of a request. No I/O.

use super::scan::{Framing, Refusal};

/// The largest body that is kept for `/echo`: 8 MiB. A larger one is answered with 413.
pub(super) const ECHO_MAX: usize = 8 << 20;
/// The longest chunk-size line with its extensions, and the longest trailer section, in bytes.
const LINE_MAX: usize = 8 * 1024;

/// Takes one request body apart, however it is split.
#[derive(Debug)]
pub(super) struct BodyReader {
    state: State,
    /// Where the bytes are kept, if anyone wants them.
    kept: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// This many bytes, then the end.
    Plain(u64),
    /// In a chunk-size line: size and digits so far, length of the line, whether the digits
    /// are over.
    Size {
        size: u64,
        digits: u32,
        line: usize,
        extension: bool,
    },
    /// This many bytes of the chunk are left.
    Chunk(u64),
    /// Between a chunk's data and the next size line: whether CR was met.
    ChunkEnd {
        cr: bool,
    },
    /// In the trailer section: its length, and the length of its current line.
    Trailer {
        total: usize,
        line: usize,
    },
    Done,
}

const LINE_START: State = State::Size { size: 0, digits: 0, line: 0, extension: false };

impl BodyReader {
    /// A reader for a body with this framing; `keep` asks for its bytes.
    pub(super) fn new(framing: Framing, keep: bool) -> BodyReader {
        let state = match framing {
            Framing::None => State::Done,
            Framing::Length(length) => State::Plain(length),
            Framing::Chunked => LINE_START,
        };
        BodyReader { state, kept: keep.then(Vec::new) }
    }

    /// Whether the body is over.
    pub(super) fn done(&self) -> bool {
        matches!(self.state, State::Done | State::Plain(0))
    }

    /// The bytes that were kept.
    pub(super) fn into_kept(self) -> Vec<u8> {
        self.kept.unwrap_or_default()
    }

    /// Takes what belongs to the body off the front of `input`; returns how much that was.
    pub(super) fn feed(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        let mut at = 0;
        while at < input.len() && !self.done() {
            match self.state {
                State::Plain(left) => {
                    let taken = self.take(&input[at..], left)?;
                    at += taken;
                    self.state = State::Plain(left - taken as u64);
                }
                State::Chunk(left) => {
                    let taken = self.take(&input[at..], left)?;
                    at += taken;
                    self.state = match left - taken as u64 {
                        0 => State::ChunkEnd { cr: false },
                        rest => State::Chunk(rest),
                    };
                }
                _ => {
                    self.state = self.state.step(input[at])?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    fn take(&mut self, input: &[u8], left: u64) -> Result<usize, Refusal> {
        let taken = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if let Some(kept) = &mut self.kept {
            if kept.len() + taken > ECHO_MAX {
                return Err(Refusal { status: 413, why: "at most 8 MiB are echoed\n" });
            }
            kept.extend_from_slice(&input[..taken]);
        }
        Ok(taken)
    }
}

impl State {
    /// One byte of the chunked framing (RFC 9112 section 7.1). Line ends are CRLF or LF
    /// (section 2.2); extensions and trailers are read over.
    fn step(self, byte: u8) -> Result<State, Refusal> {
        const BAD: Refusal = Refusal::bad("the chunked body is malformed\n");
        match self {
            State::Size { size, digits, line, extension } => {
                if line >= LINE_MAX {
                    return Err(BAD);
                }
                let line = line + 1;
                match byte {
                    b'\n' if digits > 0 && size == 0 => Ok(State::Trailer { total: 0, line: 0 }),
                    b'\n' if digits > 0 => Ok(State::Chunk(size)),
                    _ if extension => Ok(State::Size { size, digits, line, extension }),
                    b';' | b' ' | b'\t' | b'\r' if digits > 0 => {
                        Ok(State::Size { size, digits, line, extension: true })
                    }
                    _ => {
                        let digit = (byte as char).to_digit(16).ok_or(BAD)?;
                        if digits >= 16 {
                            return Err(BAD);
                        }
                        let size = size << 4 | u64::from(digit);
                        Ok(State::Size { size, digits: digits + 1, line, extension })
                    }
                }
            }
            State::ChunkEnd { cr: false } if byte == b'\r' => Ok(State::ChunkEnd { cr: true }),
            State::ChunkEnd { .. } if byte == b'\n' => Ok(LINE_START),
            State::ChunkEnd { .. } => Err(BAD),
            State::Trailer { total, .. } if total >= LINE_MAX => Err(BAD),
            State::Trailer { line: 0, .. } if byte == b'\n' => Ok(State::Done),
            State::Trailer { total, line } => Ok(State::Trailer {
                total: total + 1,
                line: match byte {
                    b'\n' => 0,
                    b'\r' => line,
                    _ => line + 1,
                },
            }),
            State::Plain(_) | State::Chunk(_) | State::Done => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = b"5;name=\"v\"\r\nhello\r\n00c \r\n, wide world\r\n0\r\nTrailer: x\r\n\r\n";

    fn read(input: &[u8], step: usize) -> Result<(usize, Vec<u8>, bool), Refusal> {
        let mut reader = BodyReader::new(Framing::Chunked, true);
        let mut consumed = 0;
        for piece in input.chunks(step) {
            let taken = reader.feed(piece)?;
            consumed += taken;
            if taken < piece.len() {
                break;
            }
        }
        let done = reader.done();
        Ok((consumed, reader.into_kept(), done))
    }

    #[test]
    fn chunks_decode_at_every_step() {
        for step in 1..=BODY.len() {
            let (consumed, kept, done) = read(BODY, step).unwrap();
            assert_eq!((consumed, done), (BODY.len(), true), "step {step}");
            assert_eq!(kept, b"hello, wide world");
        }
    }

    #[test]
    fn prefixes_are_not_done_and_the_rest_is_left() {
        for end in 0..BODY.len() {
            assert!(!read(&BODY[..end], 7).unwrap().2, "prefix of {end}");
        }
        let mut two = BODY.to_vec();
        two.extend_from_slice(b"GET / HTTP/1.1");
        assert_eq!(read(&two, two.len()).unwrap().0, BODY.len());
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for bad in ["x\r\n", "\r\n", "-1\r\n", "5\r\nhelloX", "11111111111111111\r\n", ";\r\n"] {
            assert!(read(bad.as_bytes(), 1).is_err(), "{bad:?}");
        }
        let endless = [b"1;".as_slice(), &[b'e'; LINE_MAX]].concat();
        assert!(read(&endless, endless.len()).is_err());
        let trailers = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(LINE_MAX / 6 + 1)].concat();
        assert!(read(&trailers, trailers.len()).is_err());
    }

    #[test]
    fn lengths_are_counted() {
        let mut reader = BodyReader::new(Framing::Length(5), true);
        assert_eq!(reader.feed(b"hel"), Ok(3));
        assert!(!reader.done());
        assert_eq!(reader.feed(b"loGET"), Ok(2));
        assert!(reader.done());
        assert_eq!(reader.into_kept(), b"hello");
    }

    #[test]
    fn echo_bodies_are_bounded_others_are_not() {
        let block = vec![0u8; ECHO_MAX];
        let mut kept = BodyReader::new(Framing::Length(u64::MAX), true);
        assert_eq!(kept.feed(&block), Ok(ECHO_MAX));
        assert_eq!(kept.feed(b"x").unwrap_err().status, 413);
        let mut skipped = BodyReader::new(Framing::Length(u64::MAX), false);
        assert_eq!(skipped.feed(&block), Ok(ECHO_MAX));
        assert_eq!(skipped.feed(b"x"), Ok(1));
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..256), step in 1usize..9) {
            let _ = read(&noise, step);
        }
    }
}
