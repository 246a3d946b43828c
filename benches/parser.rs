//! Time per response of the parser, to read, not to gate on: `cargo bench --bench parser`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use squall::http::chunked::Chunked;
use squall::http::head;
use squall::http::response::{Event, Expect, HeadCache, ResponseParser};

/// 120 bytes, as the bundled target answers.
const SMALL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: squall-x\r\n\r\n{\"status\":\"ok\"}";

/// As nginx answers for a small file.
const NGINX: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.26.3\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\
    Last-Modified: Sun, 06 Nov 1994 08:00:00 GMT\r\nConnection: keep-alive\r\n\
    ETag: \"683d7b20-f\"\r\nAccept-Ranges: bytes\r\n\r\n<p>welcome</p>\n";

/// Reads every response in `stream`; returns how many there were.
fn read_all(cache: &mut HeadCache, parser: &mut ResponseParser, mut stream: &[u8]) -> u32 {
    let mut count = 0;
    while !stream.is_empty() {
        let fed = parser.feed(cache, Expect::Normal, black_box(stream), &mut ());
        let (used, event) = fed.expect("the stream is valid");
        count += u32::from(matches!(event, Event::Complete(_)));
        stream = &stream[used..];
    }
    count
}

fn responses(c: &mut Criterion) {
    let mut group = c.benchmark_group("response");
    for (name, response) in [("small", SMALL), ("nginx", NGINX)] {
        let (mut cache, mut parser) = (HeadCache::new(), ResponseParser::new());
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{name}/known_head"), |b| {
            b.iter(|| read_all(&mut cache, &mut parser, response))
        });
        group.bench_function(format!("{name}/parsed_head"), |b| {
            b.iter(|| head::parse(black_box(response), Expect::Normal, head::MAX_HEAD))
        });
        let sixteen = response.repeat(16);
        group.throughput(Throughput::Elements(16));
        group.bench_function(format!("{name}/pipelined_16"), |b| {
            b.iter(|| read_all(&mut cache, &mut parser, &sixteen))
        });
    }
    // Two heads in turn: the second place in the cache.
    let other = [b"HTTP/1.1 404 Not Found\r\n", &SMALL[17..]].concat();
    let both = [SMALL, &other].concat();
    let (mut cache, mut parser) = (HeadCache::new(), ResponseParser::new());
    group.throughput(Throughput::Elements(2));
    group.bench_function("small/alternating_heads", |b| b.iter(|| read_all(&mut cache, &mut parser, &both)));
    group.finish();
}

fn chunks(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunked");
    for (name, size, times) in [("16x4KiB", 4096, 16), ("1000x16B", 16, 1000)] {
        let chunk = format!("{size:x}\r\n{}\r\n", "x".repeat(size));
        let body = chunk.repeat(times) + "0\r\n\r\n";
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |b| b.iter(|| Chunked::new().feed(black_box(body.as_bytes()), |_| {})));
    }
    group.finish();
}

criterion_group!(benches, responses, chunks);
criterion_main!(benches);
