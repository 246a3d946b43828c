//! Where requests end, and what the peer reads off them: from the very bytes that the worker sends.

/// What the peer wants to know of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// A hash of the Host field; 0 without one.
    pub(super) host: u64,
    /// Whose request it is, by its X-User field.
    pub(super) user: Option<u32>,
    pub(super) cookie: Cookie,
}

/// What a request's Cookie fields hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cookie {
    #[default]
    None,
    /// One cookie of the kind that the peer gives, `s=NUMBER`.
    Own(u32),
    /// Anything else, or more than one.
    Other,
}

/// A request that is not one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotHttp;

/// Follows one connection's requests.
#[derive(Debug, Default)]
pub(super) struct Framer {
    /// Length of each request, where they are not HTTP.
    fixed: Option<u64>,
    state: State,
    /// The beginning of a head or of a chunk's line.
    carry: Vec<u8>,
    asked: Asked,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Body(u64),
    ChunkLine,
    ChunkData(u64),
    Trailer,
}

impl Framer {
    /// `fixed`: the length of each request; `None` for HTTP/1.1.
    pub(super) fn new(fixed: Option<u64>) -> Framer {
        Framer { fixed, ..Framer::default() }
    }

    /// True between requests.
    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Head && self.carry.is_empty()
    }

    /// Reads on; `ended` hears of each request that ends, how many of `bytes` were read by then.
    pub(super) fn feed(&mut self, bytes: &[u8], ended: &mut impl FnMut(u64, Asked)) -> Result<(), NotHttp> {
        let mut at = 0;
        while at < bytes.len() {
            let (used, whole) = self.step(&bytes[at..])?;
            at += used;
            if whole {
                self.state = State::Head;
                ended(at as u64, std::mem::take(&mut self.asked));
            }
        }
        Ok(())
    }

    /// Reads some of `rest`, which is not empty: how much, and whether a request ended with it.
    fn step(&mut self, rest: &[u8]) -> Result<(usize, bool), NotHttp> {
        match self.state {
            State::Head => self.head(rest),
            State::Body(left) => {
                let used = left.min(rest.len() as u64);
                self.state = State::Body(left - used);
                Ok((used as usize, used == left))
            }
            State::ChunkData(left) => {
                let used = left.min(rest.len() as u64);
                self.state = if used == left { State::ChunkLine } else { State::ChunkData(left - used) };
                Ok((used as usize, false))
            }
            State::ChunkLine | State::Trailer => self.line(rest),
        }
    }

    fn head(&mut self, rest: &[u8]) -> Result<(usize, bool), NotHttp> {
        if let Some(len) = self.fixed {
            self.state = State::Body(len);
            return self.step(rest);
        }
        if self.carry.is_empty()
            && let Some(end) = end_of_head(rest, 0)
        {
            let whole = self.read_head(&rest[..end])?;
            return Ok((end, whole));
        }
        let before = self.carry.len();
        self.carry.extend_from_slice(rest);
        let Some(end) = end_of_head(&self.carry, before.saturating_sub(3)) else {
            return Ok((rest.len(), false));
        };
        let head = std::mem::take(&mut self.carry);
        let whole = self.read_head(&head[..end])?;
        Ok((end - before, whole))
    }

    /// Takes a whole head in. True when the request ends with it.
    fn read_head(&mut self, head: &[u8]) -> Result<bool, NotHttp> {
        let (asked, framing) = read(head)?;
        self.asked = asked;
        self.state = match framing {
            Framing::Length(0) => return Ok(true),
            Framing::Length(len) => State::Body(len),
            Framing::Chunked => State::ChunkLine,
        };
        Ok(false)
    }

    /// A chunk's size, or a line of the trailers.
    fn line(&mut self, rest: &[u8]) -> Result<(usize, bool), NotHttp> {
        let Some(end) = rest.iter().position(|b| *b == b'\n') else {
            self.carry.extend_from_slice(rest);
            return Ok((rest.len(), false));
        };
        self.carry.extend_from_slice(&rest[..end]);
        let line = std::mem::take(&mut self.carry);
        let line = line.trim_ascii();
        if self.state == State::Trailer {
            return Ok((end + 1, line.is_empty()));
        }
        let size = line.split(|b| *b == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size.trim(), 16).ok());
        self.state = match size.ok_or(NotHttp)? {
            0 => State::Trailer,
            len => State::ChunkData(len + 2), // the line's end behind it
        };
        Ok((end + 1, false))
    }
}

enum Framing {
    Length(u64),
    Chunked,
}

/// The length of the head that `bytes` begin with, empty line included; nothing before `from` ends it.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes[at..].iter().position(|b| *b == b'\n')? + 1;
        if bytes[at..].starts_with(b"\r\n") {
            return Some(at + 2);
        }
    }
}

fn read(head: &[u8]) -> Result<(Asked, Framing), NotHttp> {
    let mut lines = head.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if !lines.next().is_some_and(|line| line.ends_with(b" HTTP/1.1")) {
        return Err(NotHttp);
    }
    let (mut asked, mut framing) = (Asked::default(), Framing::Length(0));
    for line in lines {
        // Most fields interest nobody; their first letter says so.
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'h') => {
                if let Some(host) = field(line, b"host") {
                    asked.host = hash(host);
                }
            }
            Some(b'x') => {
                if let Some(user) = field(line, b"x-user") {
                    asked.user = number(user).and_then(|user| u32::try_from(user).ok());
                }
            }
            Some(b't') if field(line, b"transfer-encoding").is_some() => framing = Framing::Chunked,
            Some(b'c') => {
                if let Some(len) = field(line, b"content-length") {
                    framing = Framing::Length(number(len).ok_or(NotHttp)?);
                } else if let Some(value) = field(line, b"cookie") {
                    asked.cookie = match own(value) {
                        Some(own) if asked.cookie == Cookie::None => Cookie::Own(own),
                        _ => Cookie::Other,
                    };
                }
            }
            _ => {}
        }
    }
    Ok((asked, framing))
}

/// The value of a line, if it is the field of this (lower-case) name.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (begin, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    begin.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn own(cookie: &[u8]) -> Option<u32> {
    number(cookie.strip_prefix(b"s=")?).and_then(|own| u32::try_from(own).ok())
}

/// FNV-1a; never 0 for what is not empty.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: s=7\r\n\r\n\
        POST /x HTTP/1.1\r\nhost: b\r\nCONTENT-LENGTH: 5\r\nX-User: 3\r\n\r\n\r\n\r\nz\
        PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\na\r\n\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n\
        GET / HTTP/1.1\r\nCookie: s=7; t=1\r\n\r\n\
        GET / HTTP/1.1\r\nCookie: s=7\r\nCookie: s=8\r\n\r\n";

    fn read_in(pieces: &[&[u8]]) -> Vec<(u64, Asked)> {
        let (mut framer, mut all, mut before) = (Framer::new(None), Vec::new(), 0);
        for piece in pieces {
            framer.feed(piece, &mut |at, asked| all.push((before + at, asked))).unwrap();
            before += piece.len() as u64;
        }
        assert!(framer.is_idle());
        all
    }

    #[test]
    fn requests_end_where_they_do_however_they_are_cut() {
        let whole = read_in(&[MANY]);
        let cookies: Vec<Cookie> = whole.iter().map(|(_, asked)| asked.cookie).collect();
        assert_eq!(cookies, [Cookie::Own(7), Cookie::None, Cookie::None, Cookie::Other, Cookie::Other]);
        assert_eq!(whole.last().map(|(end, _)| *end), Some(MANY.len() as u64));
        assert_eq!((whole[1].1.user, whole[1].1.host), (Some(3), hash(b"b")));
        for cut in 1..MANY.len() {
            assert_eq!(read_in(&[&MANY[..cut], &MANY[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = MANY.chunks(1).collect();
        assert_eq!(read_in(&bytes), whole);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in
            [&b"GET / HTTP/1.0\r\n\r\n"[..], b"x\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
        {
            assert_eq!(Framer::new(None).feed(bad, &mut |_, _| {}), Err(NotHttp));
        }
    }

    #[test]
    fn requests_of_a_fixed_length_may_be_anything() {
        let mut ends = Vec::new();
        let mut framer = Framer::new(Some(4));
        framer.feed(b"abcdef", &mut |at, _| ends.push(at)).unwrap();
        framer.feed(b"ghabcd", &mut |at, _| ends.push(at)).unwrap();
        assert_eq!(ends, [4, 2, 6]);
        assert!(framer.is_idle());
    }
}
