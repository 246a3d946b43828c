//! Raw responses and what each of them must be taken for: the files of `tests/data/responses/`, and those
//! that are too large to be files.

use std::fs;
use std::path::PathBuf;

use squall::http::chunked::{MAX_CHUNK_LINE, MAX_TRAILER};
use squall::http::head::{MAX_HEAD, MAX_HEADERS};
use squall::http::response::Expect;

/// What a connection brings, up to its end.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) expect: Expect,
    pub(crate) raw: Vec<u8>,
    /// In the notation of `EXPECTED.tsv`.
    pub(crate) outcomes: Vec<String>,
}

/// The files, in the order of the table.
pub(crate) fn corpus() -> Vec<Case> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/responses");
    let table = fs::read_to_string(dir.join("EXPECTED.tsv")).expect("the table is in the repository");
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let cases: Vec<Case> = lines
        .map(|line| {
            let mut columns = line.split('\t');
            let mut column = || columns.next().unwrap_or_else(|| panic!("3 columns: {line}"));
            let name = column().to_owned();
            Case {
                expect: match column() {
                    "normal" => Expect::Normal,
                    "head" => Expect::Head,
                    other => panic!("{name}: asked {other}?"),
                },
                outcomes: column().split(" ; ").map(str::to_owned).collect(),
                raw: fs::read(dir.join(format!("{name}.http"))).expect("a file for each line"),
                name,
            }
        })
        .collect();
    let files = fs::read_dir(&dir).expect("the directory exists");
    let files = files.filter(|f| f.as_ref().is_ok_and(|f| f.path().extension() == Some("http".as_ref())));
    assert_eq!(files.count(), cases.len(), "a line for each file");
    cases
}

/// Answers at the limits and far beyond them.
pub(crate) fn oversized() -> Vec<Case> {
    [heads(), chunks(), bodies()].concat()
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const LENGTH_2: &str = "Content-Length: 2\r\n\r\nok";
const MIB: usize = 1 << 20;

fn case(name: &str, outcome: &str, parts: &[&str]) -> Case {
    Case {
        name: format!("oversized-{name}"),
        expect: Expect::Normal,
        raw: parts.concat().into_bytes(),
        outcomes: vec![outcome.into()],
    }
}

fn heads() -> Vec<Case> {
    let x = |n: usize| "x".repeat(n);
    let fill = |head_len: usize| x(head_len - OK.len() - "A: \r\n".len() - (LENGTH_2.len() - 2));
    let folds = |n: usize| "\r\n x".repeat(n);
    let digits = "9".repeat(MIB);
    let lines = |n: usize| "A: b\r\n".repeat(n);
    vec![
        case("head-at-limit", "200 keep \"ok\"", &[OK, "A: ", &fill(MAX_HEAD), "\r\n", LENGTH_2]),
        case("head-above-limit", "error HeadTooLarge", &[OK, "A: ", &fill(MAX_HEAD + 1), "\r\n", LENGTH_2]),
        case("value", "error HeadTooLarge", &[OK, "A: ", &x(MIB)]),
        case("name", "error HeadTooLarge", &[OK, &x(MIB)]),
        case("reason", "error HeadTooLarge", &["HTTP/1.1 200 ", &x(MIB)]),
        case("length", "error HeadTooLarge", &[OK, "Content-Length: ", &digits, "\r\n\r\n"]),
        case("fields", "error TooManyFields", &[OK, &lines(10_000), LENGTH_2]),
        case("fields-above-limit", "error TooManyFields", &[OK, &lines(MAX_HEADERS), LENGTH_2]),
        case("fields-at-limit", "200 keep \"ok\"", &[OK, &lines(MAX_HEADERS - 1), LENGTH_2]),
        case("fields-of-an-interim", "error TooManyFields", &["HTTP/1.1 103 X\r\n", &lines(10_000)]),
        case("folds-at-limit", "200 keep \"ok\"", &[OK, "A: b", &folds(MAX_HEADERS), "\r\n", LENGTH_2]),
        case("folds", "error Field", &[OK, "A: b", &folds(10_000), "\r\n", LENGTH_2]),
        case("blanks", "error HeadTooLarge", &[OK, "A:", &" ".repeat(MIB)]),
        case("empty-lines", "200 keep \"ok\"", &[&"\r\n".repeat(MIB), OK, LENGTH_2]),
        case("garbage", "error StatusLine", &[&"\u{1}".repeat(MIB)]),
        case("interim", "200 keep \"ok\"", &[&"HTTP/1.1 103 X\r\nA: b\r\n\r\n".repeat(5_000), OK, LENGTH_2]),
    ]
}

fn chunks() -> Vec<Case> {
    let x = |n: usize| "x".repeat(n);
    let line = |n: usize| format!("3;{}\r\nabc\r\n0\r\n\r\n", x(n - 2));
    let trailer = |n: usize| format!("0\r\n{}\r\n\r\n", x(n - 4));
    let most = MAX_TRAILER as usize;
    let bytes = |n: usize| "1\r\nx\r\n".repeat(n);
    let padded = format!("1;{}\r\nx\r\n", x(4_000)).repeat(100);
    vec![
        case("chunk-line-at-limit", "200 keep \"abc\"", &[CHUNKED, &line(MAX_CHUNK_LINE as usize)]),
        case("chunk-line", "error ChunkLineTooLong", &[CHUNKED, &line(MAX_CHUNK_LINE as usize + 1)]),
        case("chunk-zeros", "error ChunkLineTooLong", &[CHUNKED, &"0".repeat(MIB)]),
        case("chunk-blanks", "error ChunkLineTooLong", &[CHUNKED, "3", &" ".repeat(MIB)]),
        case("chunk-extension", "error ChunkLineTooLong", &[CHUNKED, "3;", &x(MIB)]),
        case("chunk-extensions", &all_x(100), &[CHUNKED, &padded, "0\r\n\r\n"]),
        case("chunks-of-a-byte", &all_x(65_536), &[CHUNKED, &bytes(65_536), "0\r\n\r\n"]),
        case("chunk-announced", "error Truncated", &[CHUNKED, "ffffffffff\r\n", &x(MIB)]),
        case("trailer-at-limit", "200 keep \"\"", &[CHUNKED, &trailer(most)]),
        case("trailer", "error TrailerTooLarge", &[CHUNKED, &trailer(most + 1)]),
        case("trailers", "error TrailerTooLarge", &[CHUNKED, "0\r\n", &"A: b\r\n".repeat(100_000)]),
    ]
}

fn bodies() -> Vec<Case> {
    let x = "x".repeat(MIB);
    let length = format!("Content-Length: {MIB}\r\n\r\n");
    let close = format!("200 close \"{x}\"");
    vec![
        case("body", &all_x(MIB), &[OK, &length, &x]),
        case("body-in-a-chunk", &all_x(MIB), &[CHUNKED, "100000\r\n", &x, "\r\n0\r\n\r\n"]),
        case("body-until-close", &close, &[OK, "\r\n", &x]),
        case("body-truncated", "error Truncated", &[OK, &length, &x[1..]]),
        case("body-announced", "error Truncated", &[OK, "Content-Length: 18446744073709551615\r\n\r\n", &x]),
    ]
}

/// The outcome of a response whose payload is so many `x`.
fn all_x(count: usize) -> String {
    format!("200 keep \"{}\"", "x".repeat(count))
}
