use super::*;

const PLAIN: &[u8] = b"plain text, plain text";
const GZIP: &str = "1f8b080088d80b6b02ff2bc849cccc532849ad28d1512880b3012fca77dd16000000";
const ZLIB: &str = "789c2bc849cccc532849ad28d1512880b3015e86083f";
const RAW: &str = "2bc849cccc532849ad28d1512880b301";
const BR: &str = "1b1500f88d946edeaaa46301a932bc1a049e5a001bd5d001";
const ZSTD: &str = "28b52ffd201695000060706c61696e20746578742c200100df4a12";
const SUMMED: &str = "28b52ffd241695000060706c61696e20746578742c200100df4a121895e02c";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).unwrap()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(plain, flate2::Compression::fast()).read_to_end(&mut out).unwrap();
    out
}

fn undone(codings: &str, body: &[u8]) -> Result<Option<Vec<u8>>, Undecoded> {
    undo(codings, body, PLAIN_MOST)
}

fn cut(hex: &str, len: usize) -> Vec<u8> {
    let mut coded = bytes(hex);
    coded.truncate(coded.len() - len);
    coded
}

fn and(hex: &str, more: &[u8]) -> Vec<u8> {
    [&bytes(hex), more].concat()
}

/// With a bit of the byte at `from_end` flipped.
fn flipped(hex: &str, from_end: usize) -> Vec<u8> {
    let mut coded = bytes(hex);
    let at = coded.len() - from_end;
    coded[at] ^= 1;
    coded
}

/// k6 1.1.0 read each of them like this.
#[test]
fn what_k6_reads_is_read() {
    let twice = [PLAIN, PLAIN].concat();
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9][..], &bytes(ZSTD)].concat();
    for (codings, body, plain) in [
        ("gzip", bytes(GZIP), PLAIN),
        ("deflate", bytes(ZLIB), PLAIN),
        ("br", bytes(BR), PLAIN),
        ("zstd", bytes(ZSTD), PLAIN),
        ("zstd", bytes(SUMMED), PLAIN),
        ("gzip, gzip", gzip(&bytes(GZIP)), PLAIN),
        ("deflate, gzip", gzip(&bytes(ZLIB)), PLAIN),
        ("deflate,gzip", gzip(&bytes(ZLIB)), PLAIN),
        ("identity, gzip", bytes(GZIP), PLAIN),
        ("other, gzip", bytes(GZIP), PLAIN),
        ("gzip, other", bytes(GZIP), PLAIN),
        ("gzip,", bytes(GZIP), PLAIN),
        ("gzip", and(GZIP, &gzip(b"!second")), b"plain text, plain text!second"),
        ("deflate", and(ZLIB, b"garbage"), PLAIN),
        ("zstd", and(ZSTD, &bytes(ZSTD)), &twice),
        ("zstd", skipped, PLAIN),
        ("br", vec![], b""),
        ("zstd", vec![], b""),
    ] {
        assert_eq!(undone(codings, &body).unwrap().as_deref(), Some(plain), "{codings}");
    }
    for codings in ["", "identity", "other", "GZIP", "x-gzip"] {
        assert_eq!(undone(codings, &bytes(GZIP)), Ok(None), "{codings}");
    }
}

/// Error, code and body as k6 1.1.0 had them.
#[test]
fn what_k6_refuses_is_refused_in_its_words() {
    let wrapped = |text: &str| {
        format!("error decompressing response body (error decompressing response body ({text}))")
    };
    let ends = || "unexpected EOF".to_owned();
    for (codings, body, text, code, plain) in [
        ("deflate", bytes(RAW), wrapped("zlib: invalid header"), 1_701, None),
        ("deflate", b"this is not zlib at all".to_vec(), wrapped("zlib: invalid header"), 1_701, None),
        ("gzip", b"this is not gzip at all".to_vec(), wrapped("gzip: invalid header"), 1_701, None),
        ("gzip", vec![], "error decompressing response body (EOF)".to_owned(), 1_701, None),
        ("deflate", vec![], "error decompressing response body (unexpected EOF)".to_owned(), 1_701, None),
        ("gzip", flipped(GZIP, 5), wrapped("gzip: invalid checksum"), 1_701, Some(PLAIN)),
        ("gzip", cut(GZIP, 6), ends(), 1_000, Some(PLAIN)),
        ("gzip", and(GZIP, b"garbage"), ends(), 1_000, Some(PLAIN)),
        ("deflate", cut(ZLIB, 2), ends(), 1_000, Some(PLAIN)),
        ("br", cut(BR, 3), ends(), 1_000, None),
        (
            "br",
            and(BR, b"x"),
            "error decompressing response body (brotli: excessive input)".to_owned(),
            1_701,
            Some(PLAIN),
        ),
        ("zstd", cut(ZSTD, 3), ends(), 1_000, None),
        ("zstd", and(ZSTD, b"garbage"), wrapped("invalid input: magic number mismatch"), 1_701, Some(PLAIN)),
        ("zstd", flipped(SUMMED, 1), wrapped("CRC check failed"), 1_701, Some(PLAIN)),
        (
            "zstd",
            b"this is not zstd".to_vec(),
            wrapped("invalid input: magic number mismatch"),
            1_701,
            Some(b""),
        ),
    ] {
        let undecoded = undone(codings, &body).unwrap_err();
        assert_eq!((undecoded.text, undecoded.code), (text, code), "{codings} {body:x?}");
        // k6 has what it had read when an end came too early, which depends on its buffers.
        if let Some(plain) = plain {
            assert_eq!(undecoded.plain.as_deref(), Some(plain), "{codings} {body:x?}");
        }
    }
}

#[test]
fn what_is_no_coding_is_an_error_of_decoding() {
    for (codings, body) in
        [("br", b"\xff\xff\xffthis is not br".to_vec()), ("deflate", flipped(ZLIB, 1)), ("gzip", vec![0; 20])]
    {
        let undecoded = undone(codings, &body).unwrap_err();
        assert_eq!(undecoded.code, 1_701, "{codings}");
        assert!(undecoded.text.starts_with("error decompressing response body ("), "{}", undecoded.text);
    }
}

/// In whatever coding it comes, and behind whichever other.
#[test]
fn a_bomb_is_an_error() {
    let zeros = gzip(&vec![0; 100_000]);
    for (codings, body, most) in [
        ("gzip", &zeros, 99_999),
        ("gzip, gzip", &gzip(&zeros), 99_999),
        ("deflate", &bytes(ZLIB), 21),
        ("br", &bytes(BR), 21),
        ("zstd", &bytes(ZSTD), 21),
        ("zstd", &and(ZSTD, &bytes(ZSTD)), 43),
    ] {
        let undecoded = undo(codings, body, most).unwrap_err();
        assert!(undecoded.text.contains(&format!("more than {most} bytes")), "{codings}: {}", undecoded.text);
        assert_eq!((undecoded.code, undecoded.plain.map(|plain| plain.len() as u64)), (1_701, Some(most)));
        assert!(undo(codings, body, most + 1).is_ok(), "{codings}");
    }
}
