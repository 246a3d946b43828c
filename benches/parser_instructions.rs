//! Instructions per response of the parser's hot functions: `cargo bench --bench parser_instructions`.
//!
//! Counts under valgrind do not depend on the machine's mood: these are the figures to gate on.
//! Needs valgrind and `gungraun-runner` of the version in Cargo.toml on PATH (or its path in
//! `GUNGRAUN_RUNNER` at build time); without them it says so and passes.

use std::process::{Command, Stdio};

/// Why nothing can be counted here, if so.
fn obstacle() -> Option<&'static str> {
    let responses = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok()
    };
    if !std::env::args().any(|arg| arg == "--bench") {
        return Some("not run by `cargo bench`; counts of an unoptimised build mean nothing");
    }
    if !responses("valgrind") {
        return Some("valgrind is not installed");
    }
    if !responses(option_env!("GUNGRAUN_RUNNER").unwrap_or("gungraun-runner")) {
        return Some("gungraun-runner is not on PATH: cargo install gungraun-runner --version 0.20.0");
    }
    None
}

fn main() {
    // The runner calls this program again for each count.
    let counted = std::env::args().nth(1).is_some_and(|arg| arg == "--gungraun-run");
    match obstacle() {
        Some(why) if !counted => println!("skipped: {why}"),
        _ => counts::run(),
    }
}

mod counts {
    use std::hint::black_box;

    use gungraun::{library_benchmark, library_benchmark_group};
    use squall::http::chunked::{Chunked, Progress};
    use squall::http::error::ParseError;
    use squall::http::head::{self, Head};
    use squall::http::response::{Event, Expect, HeadCache, ResponseParser};

    const SMALL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\
        Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: squall-x\r\n\r\n{\"status\":\"ok\"}";

    struct Input {
        cache: HeadCache,
        parser: ResponseParser,
        stream: Vec<u8>,
    }

    /// `times` responses, and a cache that knows their head.
    fn known(times: usize) -> Input {
        let (mut cache, mut parser) = (HeadCache::new(), ResponseParser::new());
        let fed = parser.feed(&mut cache, Expect::Normal, SMALL, &mut ());
        assert!(matches!(fed, Ok((_, Event::Complete(_)))));
        Input { cache, parser, stream: SMALL.repeat(times) }
    }

    #[library_benchmark]
    #[bench::one(known(1))]
    #[bench::pipelined_16(known(16))]
    fn known_head(mut input: Input) -> (u32, Input) {
        let (mut rest, mut count) = (&input.stream[..], 0);
        while !rest.is_empty() {
            let fed = (input.parser).feed(&mut input.cache, Expect::Normal, black_box(rest), &mut ());
            let (used, _) = fed.expect("the stream is valid");
            rest = &rest[used..];
            count += 1;
        }
        // Given back, so that freeing is not counted.
        (count, input)
    }

    #[library_benchmark]
    fn parsed_head() -> Result<Option<Head>, ParseError> {
        black_box(head::parse(black_box(SMALL), Expect::Normal, head::MAX_HEAD))
    }

    #[library_benchmark]
    fn sixteen_chunks() -> Result<Progress, ParseError> {
        const BODY: &[u8] = b"4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n\
            4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n\
            4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n0\r\n\r\n";
        black_box(Chunked::new().feed(black_box(BODY), |_| {}))
    }

    library_benchmark_group!(name = parser, benchmarks = [known_head, parsed_head, sixteen_chunks]);
    gungraun::main!(library_benchmark_groups = parser);

    pub(super) fn run() {
        main();
    }
}
