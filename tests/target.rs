//! The bundled server over real sockets.

// Tests time the server from outside: they are clients of the clock, not part of the engine.
#![allow(clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use squall::target::{Target, TargetConfig, TargetError, start};

#[path = "target/client.rs"]
mod client;
#[path = "common/skip.rs"]
mod skip;
#[path = "common/yardstick.rs"]
#[allow(dead_code, unreachable_pub, reason = "others use more of it")]
mod yardstick;

use client::{Client, get};
use skip::or_skip;
use yardstick::Sleepers;

fn config() -> TargetConfig {
    let cores = core_affinity::get_core_ids().expect("the affinity mask");
    TargetConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        cores: vec![cores[0].id],
        latency: None,
        error_rate: 0.0,
        stall: None,
        seed: 1,
    }
}

/// A target, unless the kernel refuses io_uring here.
fn started(config: TargetConfig) -> Option<Target> {
    match start(config) {
        Ok(target) => Some(target),
        Err(error @ TargetError::Ring { .. }) => or_skip(Err(error)),
        Err(error) => panic!("{error}"),
    }
}

/// Runs `test` against a target, if there can be one.
fn with(config: TargetConfig, test: impl FnOnce(&Target)) {
    if let Some(target) = started(config) {
        test(&target);
        target.stop().expect("no thread panicked");
    }
}

fn metric(target: &Target, name: &str) -> Option<f64> {
    let response = Client::connect(target.local_addr()).get("/metrics");
    let line = response.text().lines().find(|line| {
        line.strip_prefix("squall_target_")
            .is_some_and(|rest| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))
    })?;
    Some(line.rsplit(' ').next().unwrap().parse().unwrap())
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| b'a' + (i % 262_144 % 26) as u8).collect()
}

#[test]
fn small_routes_answer_on_one_connection() {
    with(config(), |target| {
        let mut client = Client::connect(target.local_addr());
        for _ in 0..3 {
            for path in ["/load-test", "/healthz", "http://test/load-test?q", "/delay/0"] {
                let response = client.get(path);
                assert_eq!(response.status, 200, "{path}");
                assert_eq!(response.text(), r#"{"status":"ok"}"#);
                assert_eq!(response.field("content-type"), Some("application/json"));
                assert!(response.field("date").unwrap().ends_with(" GMT"));
                assert_eq!(response.field("connection"), None);
            }
        }
        assert!(client.get("/").text().contains("/chunked/N"));
        assert_eq!(client.get("/nothing").status, 404);
        assert_eq!(client.get("/bytes/x").status, 400);
        let redirect = client.get("/status/302");
        assert_eq!((redirect.status, redirect.field("location")), (302, Some("/load-test")));
        for code in [200, 204, 304, 404, 503, 799] {
            let response = client.get(&format!("/status/{code}"));
            assert_eq!(response.status, code);
            let bodiless = matches!(code, 204 | 304);
            assert_eq!(response.field("content-length").is_none(), bodiless, "{code}");
        }
        assert_eq!(client.get("/load-test").status, 200, "the connection is still in step");
    });
}

#[test]
fn bodies_of_every_size_arrive_whole() {
    with(config(), |target| {
        let mut client = Client::connect(target.local_addr());
        for length in [0, 1, 3, 100, 16_384, 16_385, 262_144, 300_000, 5_000_000] {
            let response = client.get(&format!("/bytes/{length}"));
            assert_eq!(response.field("content-length"), Some(length.to_string().as_str()));
            assert!(response.body == pattern(length), "/bytes/{length}");

            let response = client.get(&format!("/chunked/{length}"));
            assert_eq!(response.field("content-length"), None);
            assert!(response.body == pattern(length), "/chunked/{length}");
            assert!(length < 4 || response.chunks.len() >= 4, "{length}: {:?}", response.chunks);
        }
    });
}

#[test]
fn head_has_the_fields_and_no_body() {
    with(config(), |target| {
        let mut client = Client::connect(target.local_addr());
        for path in ["/load-test", "/bytes/100000", "/chunked/100000", "/status/404", "/echo"] {
            client.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
            let head = client.receive_head();
            if path == "/bytes/100000" {
                assert_eq!(head.field("content-length"), Some("100000"));
            }
            // Whatever came after the head would be taken for this response.
            assert_eq!(client.get("/load-test").status, 200, "after HEAD {path}");
        }
    });
}

#[test]
fn pipelined_requests_come_back_in_order_and_in_one_write() {
    with(config(), |target| {
        let client = Client::connect(target.local_addr());
        let mut stream = client.stream();
        let mut buffer = [0; 64 * 1024];
        let mut read_after = |requests: String| {
            stream.write_all(requests.as_bytes()).unwrap();
            stream.read(&mut buffer).unwrap()
        };
        let one = read_after(get("/load-test"));
        assert_eq!(read_after(get("/load-test").repeat(16)), 16 * one);
        let mut client = Client::connect(target.local_addr());
        // A mixed batch: streams, waits and small responses keep their order.
        let paths = ["/bytes/3", "/delay/2", "/bytes/70000", "/status/404", "/chunked/9"];
        client.send(paths.map(get).concat());
        assert_eq!(client.receive().body, pattern(3));
        assert_eq!(client.receive().status, 200);
        assert!(client.receive().body == pattern(70_000));
        assert_eq!(client.receive().status, 404);
        assert_eq!(client.receive().body, pattern(9));
    });
}

#[test]
fn requests_may_be_split_anywhere() {
    with(config(), |target| {
        let mut client = Client::connect(target.local_addr());
        let request = "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\
                       Content-Type: text/x\r\n\r\n5\r\nhello\r\n3;x\r\n, w\r\n0\r\n\r\n";
        for byte in request.as_bytes() {
            client.send([*byte]);
        }
        let response = client.receive();
        assert_eq!(response.text(), "hello, w");
        assert_eq!(response.field("content-type"), Some("text/x"));
        for split in 1..request.len() {
            let (head, rest) = request.split_at(split);
            client.send(head);
            thread::sleep(Duration::from_micros(200));
            client.send(rest);
            assert_eq!(client.receive().text(), "hello, w", "split at {split}");
        }
    });
}

#[test]
fn bodies_are_echoed_or_read_over() {
    with(config(), |target| {
        let mut client = Client::connect(target.local_addr());
        let body = "x".repeat(300_000);
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            client.send(format!(
                "{method} /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            let response = client.receive();
            assert!(response.body == body.as_bytes());
            assert_eq!(response.field("x-request-method"), Some(method));
        }
        client.send(format!(
            "POST /load-test HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}{}",
            body.len(),
            get("/status/418"),
        ));
        assert_eq!(client.receive().status, 200);
        assert_eq!(client.receive().status, 418);
    });
}

#[test]
fn continue_is_sent_to_who_waits_for_it() {
    with(config(), |target| {
        let mut client = Client::connect(target.local_addr());
        client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.receive().status, 100);
        client.send("hello");
        assert_eq!(client.receive().text(), "hello");
        // The body is here already: no interim response is due (RFC 9110 section 10.1.1).
        client.send(
            "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        );
        assert_eq!(client.receive().status, 200);
    });
}

#[test]
fn connections_close_when_they_should() {
    with(config(), |target| {
        let end_after = |request: &str| {
            let mut client = Client::connect(target.local_addr());
            client.send(request);
            let response = client.receive();
            client.expect_end();
            response
        };
        for request in [
            get("/close"),
            "GET /load-test HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".into(),
            "GET /load-test HTTP/1.0\r\n\r\n".into(),
            // What follows a close is not answered, and does not make a reset of the end.
            get("/close") + &get("/load-test").repeat(500),
        ] {
            let response = end_after(&request);
            assert_eq!(response.status, 200, "{request}");
            assert_eq!(response.field("connection"), Some("close"));
        }
        // HTTP/1.0 gets the bytes without chunks, up to the end.
        assert!(end_after("GET /chunked/70000 HTTP/1.0\r\n\r\n").body == pattern(70_000));

        let mut client = Client::connect(target.local_addr());
        for _ in 0..2 {
            client.send("GET /load-test HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
            assert_eq!(client.receive().field("connection"), Some("keep-alive"));
        }
    });
}

#[test]
fn bad_requests_are_told_so_and_closed() {
    with(config(), |target| {
        let long = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(20_000));
        let large = format!(
            "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9000000\r\n\r\n{}",
            "z".repeat(9_000_000)
        );
        for (request, status) in [
            ("nonsense\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/3.0\r\n\r\n", 505),
            ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 400),
            (&long, 431),
            (&large, 413),
        ] {
            let mut client = Client::connect(target.local_addr());
            client.send(request);
            let response = client.receive();
            assert_eq!(response.status, status, "{:.40}", request);
            assert_eq!(response.field("connection"), Some("close"));
            if status != 413 {
                client.expect_end();
            }
        }
        let mut client = Client::connect(target.local_addr());
        for (method, path, status) in [
            ("POST", "/bytes/5", 405),
            ("OPTIONS", "/load-test", 405),
            ("BREW", "/echo", 405),
            ("POST", "/load-test", 200),
        ] {
            client.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
            let response = client.receive();
            assert_eq!(response.status, status, "{method} {path}");
            assert_eq!(response.field("allow").is_some(), status == 405);
        }
    });
}

/// The target's timers count in milliseconds.
const DELAY_SLACK: Duration = Duration::from_micros(1_200);

#[test]
fn delays_are_exact() {
    with(config(), |target| {
        let mut client = Client::connect(target.local_addr());
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            let sent = Instant::now();
            assert_eq!(client.get("/delay/5").status, 200);
            theirs.push(sent.elapsed());
            // By turns, the same with the delay on this side: what other tests and other builds cost is in both.
            let begun = Instant::now();
            thread::sleep(Duration::from_millis(5));
            client.get("/healthz");
            ours.push(begun.elapsed());
        }
        theirs.sort();
        ours.sort();
        let (least, p50, yardstick) = (theirs[0], theirs[100], ours[100]);
        eprintln!(
            "/delay/5: least {least:?}, p50 {p50:?}, p99 {:?}; by ourselves p50 {yardstick:?}",
            theirs[198]
        );
        assert!(least >= Duration::from_millis(5), "early: {least:?}");
        assert!(p50 < yardstick + DELAY_SLACK, "late: {p50:?}, by ourselves {yardstick:?}");
    });
}

#[test]
fn injected_latency_is_added_and_may_be_asked_around() {
    let latency = Some("const:20ms".parse().unwrap());
    with(TargetConfig { latency, ..config() }, |target| {
        let mut client = Client::connect(target.local_addr());
        let mut timed = |path: &str| {
            let sent = Instant::now();
            client.get(path);
            sent.elapsed()
        };
        assert!(timed("/load-test") >= Duration::from_millis(20));
        assert!(timed("/delay/10") >= Duration::from_millis(30));
        let both = (0..5).map(|_| (timed("/healthz"), timed("/load-test"))).collect::<Vec<_>>();
        let (health, load) = both.iter().copied().reduce(|a, b| (a.0.min(b.0), a.1.min(b.1))).unwrap();
        assert!(health + Duration::from_millis(10) < load, "{both:?}");
    });
}

#[test]
fn errors_come_at_their_rate_and_repeat_with_the_seed() {
    let statuses = |seed| {
        let mut statuses = Vec::new();
        with(TargetConfig { error_rate: 0.25, seed, ..config() }, |target| {
            let mut client = Client::connect(target.local_addr());
            for _ in 0..8 {
                client.send(get("/load-test").repeat(50));
                statuses.extend((0..50).map(|_| client.receive().status));
            }
            let errors = statuses.iter().filter(|status| **status == 500).count();
            assert_eq!(metric(target, "injected_errors_total"), Some(errors as f64));
            // 100 expected; the deviation is 8.7, so this is five of them.
            assert!((56..=144).contains(&errors), "{errors} of 400");
        });
        statuses
    };
    let first = statuses(7);
    assert_eq!(first, statuses(7));
    assert!(first.is_empty() || first != statuses(8));
}

#[test]
fn a_stall_holds_everything_until_it_ends() {
    let stall = Some("300ms/600ms".parse().unwrap());
    with(TargetConfig { stall, ..config() }, |target| {
        let mut client = Client::connect(target.local_addr());
        let sleepers = Sleepers::start();
        let begun = Instant::now();
        let mut longest = Duration::ZERO;
        let mut quick = 0;
        while begun.elapsed() < Duration::from_millis(1_300) {
            let sent = Instant::now();
            assert_eq!(client.get("/load-test").status, 200);
            longest = longest.max(sent.elapsed());
            quick += u32::from(sent.elapsed() < Duration::from_millis(50));
        }
        assert!(longest > Duration::from_millis(250), "no stall: {longest:?}");
        // The stall is 300 ms; what the machine may have added, those who slept meanwhile know.
        let late = Duration::from_nanos(sleepers.worst().0);
        assert!(longest < Duration::from_millis(350) + late, "too long: {longest:?}, late by {late:?}");
        assert!(quick > 50, "it serves between the stalls: {quick}");
    });
}

#[test]
fn stopping_finishes_what_is_in_flight() {
    let Some(target) = started(config()) else { return };
    let addr = target.local_addr();
    let mut idle = Client::connect(addr);
    idle.get("/load-test");
    let mut busy: Vec<Client> = (0..8).map(|_| Client::connect(addr)).collect();
    for client in &mut busy {
        client.send(get("/delay/300"));
    }
    let mut stuck = Client::connect(addr);
    stuck.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nab");
    // Until all requests are read.
    while metric(&target, "in_flight") != Some(10.0) {
        thread::sleep(Duration::from_millis(5));
    }
    let begun = Instant::now();
    let stopper = thread::spawn(move || target.stop());
    idle.expect_end();
    assert!(begun.elapsed() < Duration::from_millis(250), "idle ones end at once");
    for client in &mut busy {
        assert_eq!(client.receive().status, 200);
        client.expect_end();
    }
    stuck.send("cd");
    assert_eq!(stuck.receive().text(), "abcd");
    drop((stuck, busy));
    stopper.join().unwrap().expect("no thread panicked");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(std::net::TcpStream::connect(addr).is_err(), "nothing listens any more");
}

#[test]
fn stopping_is_bounded_when_clients_never_finish() {
    let Some(target) = started(config()) else { return };
    let mut slow = Client::connect(target.local_addr());
    slow.send(get("/bytes/1073741824"));
    let mut waiting = Client::connect(target.local_addr());
    waiting.send(get("/delay/600000"));
    while metric(&target, "in_flight") != Some(3.0) {
        thread::sleep(Duration::from_millis(5));
    }
    let begun = Instant::now();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| target.wait(&stop));
        stop.store(true, Ordering::Relaxed);
        waiter.join().unwrap().expect("no thread panicked");
    });
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn clients_that_die_leave_nothing_behind() {
    with(config(), |target| {
        for round in 0..40 {
            let mut client = Client::connect(target.local_addr());
            match round % 5 {
                0 => {}
                1 => client.send("GET /load-te"),
                2 => client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab"),
                3 => client.send(get("/bytes/50000000")),
                _ => client.send(get("/delay/20").repeat(3)),
            }
            if round % 2 == 0 {
                let socket = socket2::SockRef::from(client.stream());
                socket.set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
        let begun = Instant::now();
        // What asks is itself one connection with one request.
        while metric(target, "connections") != Some(1.0) {
            assert!(begun.elapsed() < Duration::from_secs(5), "connections leak");
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(metric(target, "in_flight"), Some(1.0));
    });
}

#[test]
fn metrics_count_what_was_asked() {
    let cores = core_affinity::get_core_ids().expect("the affinity mask");
    let two = vec![cores[0].id, cores[cores.len() - 1].id];
    with(TargetConfig { cores: two, ..config() }, |target| {
        let addr = target.local_addr();
        for _ in 0..20 {
            let mut client = Client::connect(addr);
            client.send(get("/load-test").repeat(5));
            (0..5).for_each(|_| drop(client.receive()));
            client.get("/status/404");
        }
        assert_eq!(metric(target, "requests_total{status=\"200\"}"), Some(100.0));
        assert_eq!(metric(target, "requests_total{status=\"404\"}"), Some(20.0));
        // Both earlier looks at the metrics are answered requests, too.
        assert_eq!(metric(target, "request_duration_seconds_count"), Some(122.0));
        assert_eq!(metric(target, "connections_total"), Some(24.0));
        assert_eq!(metric(target, "in_flight"), Some(1.0));
    });
}

#[test]
fn refusals_to_start_name_the_remedy() {
    let cores = config().cores;
    let message = |config| match start(config) {
        Ok(_) => panic!("started"),
        Err(error) => error.to_string(),
    };
    assert!(message(TargetConfig { cores: vec![], ..config() }).contains("--cores"));
    assert!(message(TargetConfig { error_rate: 1.5, ..config() }).contains("0 (never)"));
    assert!(message(TargetConfig { cores: vec![900], ..config() }).contains("core 900"));
    let far = "192.0.2.1:8080".parse().unwrap();
    assert!(message(TargetConfig { listen: far, ..config() }).contains("no interface"));
    for count in [1, 2] {
        let sharing = TargetConfig { cores: cores.repeat(count), ..config() };
        with(sharing.clone(), |target| {
            let listen = target.local_addr();
            let error = message(TargetConfig { listen, ..sharing.clone() });
            assert!(error.contains("is in use"), "{count}: {error}");
        });
    }
}
