//! Servers whose connections break: resets in the middle, half-closed ends, drips, silence, unasked bytes.

use squall::clock;
use squall::rng::Rng;
use squall::units::Nanos;

use crate::common::process::within;
use crate::common::run::{Done, alone, together};
use crate::peer::{self, RESPONSE};
use crate::ways::{Model, errors, finish, send, send_judged};

/// A run of 2 s with a drain of 1 s ends well before, whatever the server does; the rest is for a host that is busy.
const LIMIT: Nanos = Nanos::from_secs(8);

#[test]
fn resets_at_random_cost_what_was_in_flight() {
    let _together = together();
    let (url, seen) = peer::start(|mut peer| {
        let mut rng = Rng::stream(7, peer.number);
        let lives = rng.below(20);
        for _ in 0..lives {
            if !peer.request() || !peer.response() {
                return;
            }
        }
        if peer.request() {
            // In the head, between head and body, or in the body.
            let cut = 1 + rng.below(RESPONSE.len() as u64 - 1) as usize;
            peer.write(&RESPONSE[..cut]);
            peer.reset();
        }
    });
    let mut completed = 0;
    for (name, _, done) in finish(send(&url, &Model::ALL, &["-d", "1s", "--timeout", "1s"]), LIMIT) {
        let done = done.exits(0).balanced();
        completed += done.completed();
        assert!(done.completed() > 0 && done.failed() > 0, "{name}: {}", done.at("/requests"));
        // Bytes that a reset overtakes are lost; what is sent behind it meets a broken pipe or an end.
        assert_eq!(errors(&done, &["reset", "closed"]), done.failed(), "{name}: {}", done.at("/errors"));
        assert!(errors(&done, &["reset"]) > 0, "{name}: {}", done.at("/errors"));
    }
    // A response can be cut off by the reset behind it, and none can be counted that was not sent.
    assert!(completed <= seen.responses(), "{completed} of {}", seen.responses());
}

#[test]
fn a_server_that_half_closes_is_left() {
    let _together = together();
    let (url, seen) = peer::start(|mut peer| {
        for _ in 0..3 {
            if !peer.request() || !peer.response() {
                return;
            }
        }
        let _ = peer.stream.shutdown(std::net::Shutdown::Write);
        peer.linger();
    });
    for (name, _, done) in finish(send(&url, &Model::ALL, &["-d", "1s", "--timeout", "1s"]), LIMIT) {
        let done = done.exits(0).balanced();
        assert!(done.completed() > 0, "{name}");
        assert_eq!(errors(&done, &["closed"]), done.failed(), "{name}: {}", done.at("/errors"));
    }
    let all = within(Nanos::from_secs(2), || seen.ends() == seen.connections());
    assert!(all, "each end of a connection was closed: {} of {}", seen.ends(), seen.connections());
}

#[test]
fn a_request_that_is_answered_behind_a_half_close_counts() {
    let _together = together();
    // A body that ends with the connection: its writing side is shut, it goes on reading.
    let (url, seen) = peer::start(|mut peer| {
        if peer.request() && peer.write(b"HTTP/1.1 200 OK\r\n\r\nto the end") {
            let _ = peer.stream.shutdown(std::net::Shutdown::Write);
            peer.linger();
        }
    });
    let models = [Model::Closed, Model::Open, Model::Users, Model::Check];
    let (mut completed, mut failed) = (0, 0);
    for (name, _, done) in finish(send(&url, &models, &["-d", "1s"]), LIMIT) {
        let done = done.exits(0).balanced();
        assert!(done.completed() > 0, "{name}");
        assert_eq!(done.failed(), 0, "{name}: {}", done.at("/errors"));
        completed += done.completed() + done.count("/requests/in_flight_at_end");
        failed += done.failed();
    }
    assert_eq!(completed + failed, seen.requests());
}

#[test]
fn a_drip_slower_than_the_time_limit_times_out() {
    let _alone = alone();
    for head in [true, false] {
        let (url, seen) = peer::start(move |mut peer| {
            let long = [RESPONSE, &[b'x'; 400]].concat();
            while peer.request() {
                let text = String::from_utf8_lossy(&long).replace(": 16", ": 416");
                let (fast, slow) = if head { ("", &text[..]) } else { text.split_at(40) };
                if !peer.write(fast.as_bytes()) {
                    return;
                }
                for byte in slow.as_bytes().chunks(3) {
                    clock::sleep(Nanos::from_millis(60));
                    if !peer.write(byte) {
                        return;
                    }
                }
            }
        });
        for (name, _, done) in
            finish(send_judged(&url, &Model::ALL, &["-d", "2s", "--timeout", "400ms"]), LIMIT)
        {
            let done = done.exits_as_judged().balanced();
            assert_eq!(done.completed(), 0, "{name}");
            assert!(done.failed() > 0, "{name}");
            assert_eq!(errors(&done, &["timeout"]), done.failed(), "{name}: {}", done.at("/errors"));
            assert_eq!(done.at("/verdict/status"), "invalid", "{name}");
            assert!(done.at("/verdict/reasons/0").as_str().unwrap().contains("timeout"), "{name}");
        }
        assert!(seen.requests() > 0);
    }
}

#[test]
fn a_drip_faster_than_the_time_limit_completes() {
    let _alone = alone();
    let (url, seen) = peer::start(|mut peer| {
        while peer.request() {
            for byte in RESPONSE.chunks(4) {
                clock::sleep(Nanos::from_millis(10));
                if !peer.write(byte) {
                    return;
                }
            }
        }
    });
    let models = [Model::Closed, Model::Users, Model::Check];
    let mut sent = 0;
    for (name, _, done) in finish(send(&url, &models, &["-d", "1s", "--timeout", "2s"]), LIMIT) {
        let done = done.exits(0).balanced();
        assert!(done.completed() > 0 && done.failed() == 0, "{name}: {}", done.at("/errors"));
        // From the first byte to the last: 13 pauses.
        let median = done.percentile_ms("service_time", "50");
        assert!(median > 130.0, "{name}: {median} ms");
        sent += done.count("/requests/started");
    }
    assert_eq!(sent, seen.requests());
}

#[test]
fn a_server_that_accepts_and_closes_is_named() {
    let _alone = alone();
    let (url, seen) = peer::start(drop);
    let mut established = 0;
    for (name, model, done) in finish(send_judged(&url, &Model::ALL, &["-d", "2s", "--timeout", "1s"]), LIMIT)
    {
        let done = done.exits_as_judged().balanced();
        established += done.count("/connections/established");
        of_no_use(&name, model, &done, &["reset", "closed"]);
    }
    assert!(
        within(Nanos::from_secs(2), || seen.connections() == established),
        "{} and {established}",
        seen.connections()
    );
}

/// As nginx behind keepalive_requests, Apache behind MaxKeepAliveRequests and HTTP/1.0 servers end connections.
#[test]
fn requests_behind_an_announced_end_are_sent_again() {
    let _alone = alone();
    for closing in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        for every in [1, 3] {
            let (url, seen) = peer::start(move |mut peer| {
                for n in 1..=every {
                    if !peer.request() {
                        return;
                    }
                    if n < every {
                        peer.response();
                    } else {
                        peer.write(closing.as_bytes());
                        let _ = peer.stream.shutdown(std::net::Shutdown::Write);
                        peer.linger();
                    }
                }
            });
            for driver in crate::common::run::drivers() {
                for (load, count) in [
                    (&["-n", "500"][..], Some(500)),
                    (&["-R", "300", "-n", "200"], Some(200)),
                    (&["-d", "500ms"], None),
                ] {
                    let args = [&["-c", "4", "-p", "4", "--driver", driver][..], load].concat();
                    let done =
                        crate::common::run::start_judged(&url, &args).finish().exits_as_judged().balanced();
                    assert_eq!(
                        (done.failed(), done.count("/requests/in_flight_at_end")),
                        (0, 0),
                        "{args:?}: {}",
                        done.at("/errors")
                    );
                    assert_eq!(done.completed(), count.unwrap_or(done.completed()), "{args:?}");
                    assert!(
                        done.completed() > 0 && (done.count("/requests/resent") > 0 || load[0] == "-R"),
                        "{args:?}"
                    );
                }
            }
            assert!(seen.requests() > 0);
        }
    }
}

/// A server whose patience with a connection that stands by is over just as the next request comes.
#[test]
fn a_request_that_meets_a_closing_connection_is_sent_again_where_it_may_be() {
    let _alone = alone();
    let (url, _) = peer::start(|mut peer| {
        // It is answered once; the second request crosses the end.
        if peer.request() && peer.response() && peer.request() {
            let _ = peer.stream.shutdown(std::net::Shutdown::Both);
        }
    });
    for driver in crate::common::run::drivers() {
        for (args, again) in [
            (&["--vus", "2", "-n", "20", "--check", "status==200"][..], true),
            (&["--vus", "2", "-n", "20", "--check", "status==200", "-m", "POST"], false),
            (&["-c", "2", "-n", "20", "--resend"], true),
            (&["-c", "2", "-n", "20"], false),
            (&["-c", "2", "-n", "20", "-R", "100"], false),
        ] {
            let args = [&["--driver", driver][..], args].concat();
            let done = crate::common::run::start_judged(&url, &args).finish().balanced();
            let lost = done.failed();
            assert_eq!(done.completed() + lost, 20, "{args:?}");
            if again {
                assert_eq!(
                    (lost, done.count("/requests/resent") > 5),
                    (0, true),
                    "{args:?}: {}",
                    done.at("/errors")
                );
            } else {
                assert!(lost > 5 && done.count("/requests/resent") == 0, "{args:?}");
            }
            if args.contains(&"-R") {
                let idle = done.count("/errors/closed_idle");
                // On a busy host the end may come too late to be taken for one that crossed the request.
                assert!(idle > 0 && idle <= lost, "{}", done.at("/errors"));
            }
        }
    }
}

#[test]
fn bytes_that_nobody_asked_for_are_no_response() {
    let _alone = alone();
    let (url, seen) = peer::start(|mut peer| {
        peer.write(b"220 mail.example.org ESMTP\r\n");
        peer.linger();
    });
    let mut established = 0;
    for (name, model, done) in finish(send_judged(&url, &Model::ALL, &["-d", "2s", "--timeout", "1s"]), LIMIT)
    {
        let done = done.exits_as_judged().balanced();
        established += done.count("/connections/established");
        of_no_use(&name, model, &done, &["protocol"]);
    }
    assert!(
        within(Nanos::from_secs(2), || seen.connections() == established),
        "{} and {established}",
        seen.connections()
    );
}

/// Every connection came about, and none brought a response: each failed request and each connection that did not
/// even carry one is told by what broke it, and no loop reconnects as fast as it can.
fn of_no_use(name: &str, model: Model, done: &Done, kinds: &[&str]) {
    assert_eq!(done.completed(), 0, "{name}");
    assert!(done.failed() > 0, "{name}");
    assert_eq!(errors(done, kinds), done.failed(), "{name}: {}", done.at("/errors"));
    let unused: u64 = kinds.iter().map(|kind| done.count(&format!("/connections/errors/{kind}"))).sum();
    assert_eq!(unused, done.count("/connections/failed_attempts"), "{name}: {}", done.at("/connections"));
    let established = done.count("/connections/established");
    let depth = if model == Model::Deep { 4 } else { 1 };
    // The last ones may stand idle at the end.
    let used = if model.has_users() { done.failed() } else { done.failed() / depth + unused };
    assert!((used..=used + 4).contains(&established), "{name}: {established} came about, {used} were lost");
    assert!(established <= 4 * 60, "{name}: {established} connections, without a back-off");
    assert_eq!(done.at("/verdict/status"), "invalid", "{name}");
    let reason = done.at("/verdict/reasons/0").as_str().unwrap();
    assert!(
        reason.contains("nothing completed") && kinds.iter().any(|kind| reason.contains(kind)),
        "{name}: {reason}"
    );
}

#[test]
fn a_response_without_an_end_is_a_timeout() {
    let _alone = alone();
    for head in [&b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\n\r\n"]
    {
        let (url, _) = peer::start(move |mut peer| {
            if peer.request() && peer.write(head) {
                while peer.write(&[b'x'; 16 << 10]) {
                    clock::sleep(Nanos::from_millis(2));
                }
            }
        });
        for (name, _, done) in finish(send(&url, &Model::ALL, &["-d", "1s", "--timeout", "500ms"]), LIMIT) {
            let done = done.exits(0).balanced();
            assert_eq!(done.completed(), 0, "{name}");
            assert!(done.failed() > 0, "{name}");
            assert_eq!(errors(&done, &["timeout"]), done.failed(), "{name}: {}", done.at("/errors"));
            assert!(done.count("/throughput/received_bytes") > 100_000, "{name}");
        }
    }
}

#[test]
fn a_head_without_an_end_is_no_response() {
    let _alone = alone();
    let (url, _) = peer::start(|mut peer| {
        if peer.request() && peer.write(b"HTTP/1.1 200 OK\r\n") {
            while peer.write(b"Name: a value that is one of very many\r\n") {}
        }
    });
    for (name, _, done) in finish(send(&url, &Model::ALL, &["-d", "1s", "--timeout", "1s"]), LIMIT) {
        let done = done.exits(0).balanced();
        assert_eq!(done.completed(), 0, "{name}");
        assert!(done.failed() > 0, "{name}");
        assert_eq!(errors(&done, &["protocol"]), done.failed(), "{name}: {}", done.at("/errors"));
    }
}

#[test]
fn a_server_that_reads_nothing_times_out() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let body = directory.path().join("body");
    std::fs::write(&body, vec![b'b'; 8 << 20]).unwrap();
    // Far more than the sockets' buffers hold: the requests are never wholly sent.
    let (url, _) = peer::start(|peer| {
        clock::sleep(Nanos::from_secs(10));
        drop(peer);
    });
    let models = [Model::Closed, Model::Open, Model::Users, Model::Check];
    let args = ["-d", "1s", "--timeout", "500ms", "--body-file", body.to_str().unwrap()];
    for (name, _, done) in finish(send(&url, &models, &args), LIMIT) {
        let done = done.exits(0).balanced();
        assert_eq!(done.completed(), 0, "{name}");
        assert!(done.failed() > 0, "{name}");
        assert_eq!(errors(&done, &["timeout"]), done.failed(), "{name}: {}", done.at("/errors"));
    }
}
