//! What holds for any bytes in the place of a chunked body.

use squall::http::chunked::{Chunked, MAX_CHUNK_LINE, MAX_TRAILER};
use squall::http::error::ParseError;

/// A body is read whole and in pieces of any size to the same payload, the same end and the same error,
/// and to what a decoder finds that has all of it before it.
pub(crate) fn holds(body: &[u8]) {
    let whole = read(body, usize::MAX);
    for piece in [1, 2, 3, 5, 17] {
        assert_eq!(read(body, piece), whole, "in pieces of {piece}");
    }
    match (decode(body), &whole) {
        (Decoded::Whole { payload, end }, Ok(read)) => {
            assert_eq!((&payload, end, true), (&read.0, read.1, read.2))
        }
        (Decoded::Partial, Ok((_, consumed, false))) => assert_eq!(*consumed, body.len()),
        (Decoded::Wrong, Err(_)) => {}
        (_, read) => panic!("{read:?} of {}", body.escape_ascii()),
    }
}

fn read(body: &[u8], piece: usize) -> Result<(Vec<u8>, usize, bool), ParseError> {
    let (mut chunked, mut payload, mut consumed) = (Chunked::new(), Vec::new(), 0);
    for bytes in body.chunks(piece) {
        let before = payload.len();
        let progress = chunked.feed(bytes, |piece| payload.extend_from_slice(piece))?;
        assert_eq!(progress.payload, (payload.len() - before) as u64);
        assert!(progress.consumed <= bytes.len());
        assert!(progress.payload <= progress.consumed as u64);
        consumed += progress.consumed;
        if progress.done {
            let after = chunked.feed(b"0\r\n\r\n", |_| panic!("payload behind the end"));
            assert_eq!(after.map(|progress| (progress.consumed, progress.done)), Ok((0, true)));
            return Ok((payload, consumed, true));
        }
        assert_eq!(progress.consumed, bytes.len(), "what is not done takes everything");
    }
    Ok((payload, consumed, false))
}

enum Decoded {
    Whole { payload: Vec<u8>, end: usize },
    Partial,
    Wrong,
}

/// The grammar of RFC 9112, 7.1, read line by line; slow, and shares nothing with the de-chunker.
fn decode(body: &[u8]) -> Decoded {
    let (mut at, mut payload) = (0, Vec::new());
    loop {
        let line = match line(&body[at..], MAX_CHUNK_LINE as usize) {
            Ok(Some(line)) => line,
            Ok(None) => return Decoded::Partial,
            Err(()) => return Decoded::Wrong,
        };
        at += line.len() + 2;
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let text = std::str::from_utf8(&line[..digits]).unwrap();
        let Ok(size) = u64::from_str_radix(text, 16) else { return Decoded::Wrong };
        if size == 0 {
            break;
        }
        let rest = &body[at..];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if rest.len() <= size {
            return Decoded::Partial;
        }
        payload.extend_from_slice(&rest[..size]);
        match &rest[size..] {
            [b'\r', b'\n', ..] => at += size + 2,
            [b'\r'] => return Decoded::Partial,
            _ => return Decoded::Wrong,
        }
    }
    match trailer(&body[at..]) {
        Ok(Some(len)) => Decoded::Whole { payload, end: at + len },
        Ok(None) => Decoded::Partial,
        Err(()) => Decoded::Wrong,
    }
}

/// A chunk-size line without its end; `None` if it may still become one.
fn line(bytes: &[u8], most: usize) -> Result<Option<&[u8]>, ()> {
    let end = bytes.iter().position(|b| *b == b'\r');
    let line = &bytes[..end.unwrap_or(bytes.len())];
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let blanks = line[digits..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let rest = &line[digits + blanks..];
    let text = |b: &u8| matches!(b, b'\t' | b' '..=b'~' | 0x80..);
    let fits = line.len() <= most
        && (digits > 0 || line.is_empty() && end.is_none())
        && std::str::from_utf8(&line[..digits]).unwrap().trim_start_matches('0').len() <= 16
        && (rest.is_empty() || rest[0] == b';' && rest.iter().all(text));
    match end.map(|end| bytes.get(end + 1)) {
        _ if !fits => Err(()),
        None | Some(None) => Ok(None),
        Some(Some(b'\n')) => Ok(Some(line)),
        Some(Some(_)) => Err(()),
    }
}

/// Length of the trailer section with the empty line that ends it.
fn trailer(bytes: &[u8]) -> Result<Option<usize>, ()> {
    let mut at = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let ends = line.ends_with(b"\n");
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let len = line.len() + usize::from(ends);
        if at + len > MAX_TRAILER as usize || !text.iter().all(|b| matches!(b, b'\t' | b' '..=b'~' | 0x80..))
        {
            return Err(());
        }
        at += len;
        if ends && text.is_empty() {
            return Ok(Some(at));
        }
    }
    Ok(None)
}
