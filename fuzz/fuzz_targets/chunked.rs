//! Any bytes as a chunked body, whole and in pieces: the same payload and the same error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall::http::chunked::Chunked;
use squall::http::error::ParseError;

fn read(body: &[u8], piece: usize) -> Result<(Vec<u8>, usize, bool), ParseError> {
    let (mut chunked, mut payload, mut consumed, mut done) = (Chunked::new(), Vec::new(), 0, false);
    for bytes in body.chunks(piece) {
        let before = payload.len();
        let progress = chunked.feed(bytes, |piece| payload.extend_from_slice(piece))?;
        assert_eq!(progress.payload, (payload.len() - before) as u64);
        assert!(progress.consumed <= bytes.len());
        assert!(progress.done || progress.consumed == bytes.len());
        consumed += progress.consumed;
        done = progress.done;
    }
    Ok((payload, consumed, done))
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, body) = input;
    assert_eq!(
        read(body, usize::from(piece).max(1)),
        read(body, usize::MAX)
    );
});
