//! Peers whose responses never end, or come before anybody has asked: a request is over at a limit or at
//! its time-out, memory stays bounded, no count is lost. Through the real binary, on both drivers, by the
//! plain engine and by users.

mod common;

use std::io::{Read, Write};

use common::parallel::judge_all;
use common::pki::{Over, Pki, serve_tls};
use common::rig;
use common::run::{Done, drivers, run, squall, start_command};
use serde_json::json;
use squall::clock;
use squall::units::Nanos;

const RSS_MAX: u64 = 64 << 20;
const TIMEOUT: &str = "250ms";
const REQUESTS: u64 = 4;

/// What a peer does with a request.
#[derive(Clone, Copy)]
struct Endless {
    name: &'static str,
    /// Sent once.
    first: &'static str,
    /// Sent over and over.
    again: &'static str,
    /// As fast as it is taken, or with pauses.
    pause: Nanos,
    /// How the request ends: a status or the kind of an error.
    end: &'static str,
}

const FAST: Nanos = Nanos::ZERO;
const SLOW: Nanos = Nanos::from_millis(10);
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

const fn peer(
    name: &'static str,
    first: &'static str,
    again: &'static str,
    pause: Nanos,
    end: &'static str,
) -> Endless {
    Endless { name, first, again, pause, end }
}

const PEERS: &[Endless] = &[
    peer("interim", "", "HTTP/1.1 103 X\r\nLink: </a>\r\n\r\n", FAST, "timeout"),
    peer("interim, slow", "", "HTTP/1.1 100 Continue\r\n\r\n", SLOW, "timeout"),
    peer("line of an interim", "HTTP/1.1 103 X\r\nLink: ", "x", FAST, "protocol"),
    peer("silence", "", "", SLOW, "timeout"),
    peer("silence behind the head", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "", SLOW, "timeout"),
    peer("head, slow", "HTTP/1.1 200 OK\r\nX: ", "x", SLOW, "timeout"),
    peer("fields, slow", "HTTP/1.1 200 OK\r\n", "X: x\r\n", SLOW, "timeout"),
    peer("line", "HTTP/1.1 200 OK\r\nX: ", "x", FAST, "protocol"),
    peer("reason", "HTTP/1.1 200 ", "x", FAST, "protocol"),
    peer("fields", "HTTP/1.1 200 OK\r\n", "X: x\r\n", FAST, "protocol"),
    peer("folds", "HTTP/1.1 200 OK\r\nX: x", "\r\n x", FAST, "protocol"),
    peer("body", "HTTP/1.1 200 OK\r\n\r\n", "x", FAST, "timeout"),
    peer("body, slow", "HTTP/1.1 200 OK\r\n\r\n", "x", SLOW, "timeout"),
    peer("length", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n", "x", FAST, "timeout"),
    peer("chunks", CHUNKED, "1\r\nx\r\n", FAST, "timeout"),
    peer("chunks, slow", CHUNKED, "1\r\nx\r\n", SLOW, "timeout"),
    peer(
        "chunk",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "x",
        FAST,
        "timeout",
    ),
    peer("chunk size", CHUNKED, "0", FAST, "protocol"),
    peer("chunk extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x", FAST, "protocol"),
    peer(
        "trailers",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        "X: x\r\n",
        FAST,
        "protocol",
    ),
    peer("responses", "", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", FAST, "200"),
];

impl Endless {
    /// A connection, of whatever kind: one request, and what comes of it until the client hangs up.
    fn serve<S: Read + Write>(&self, mut stream: S) {
        if !stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0)
            || stream.write_all(self.first.as_bytes()).is_err()
        {
            return;
        }
        let times = if self.pause == FAST { (16 << 10) / self.again.len() } else { 1 };
        let again = self.again.repeat(times);
        // Who has nothing to say goes away by himself, long after the client should have.
        for _ in 0..1_000_000 {
            if stream.write_all(again.as_bytes()).and_then(|()| stream.flush()).is_err() {
                return;
            }
            if self.pause > FAST {
                clock::sleep(self.pause);
            }
            if self.again.is_empty() {
                let _ = stream.read(&mut [0; 1]);
                return;
            }
        }
    }

    fn listen(&self, over: Over) -> String {
        let peer = *self;
        over.url(match over {
            Over::Tcp => rig::serve(move |stream| peer.serve(stream)),
            Over::Tls => serve_tls(Pki::new("authority").local().server(), move |tls| peer.serve(tls)),
        })
    }

    /// Only what is to be timed out must not wait long for it.
    fn timeout(&self) -> &'static str {
        if self.end == "timeout" { TIMEOUT } else { "10s" }
    }

    /// Says what is wrong with a run against it.
    fn judge(&self, what: &str, done: Done) -> Vec<String> {
        let done = done.exits(0).balanced();
        let mut wrong = Vec::new();
        let pointer = if self.end == "200" { "/status/200".into() } else { format!("/errors/{}", self.end) };
        if (done.count(&pointer), done.count("/requests/started")) != (REQUESTS, REQUESTS) {
            let keys = ["/requests", "/errors", "/status", "/connections", "/duration_s"];
            wrong.push(format!(
                "not {REQUESTS} {}: {}",
                self.end,
                keys.map(|key| done.at(key).to_string()).join(" ")
            ));
        }
        let rss = done.count("/generator/max_rss_bytes");
        if rss == 0 || rss > RSS_MAX {
            wrong.push(format!("{rss} bytes resident"));
        }
        // As many time-outs as there may be, the drain, and a busy machine.
        if done.number("/duration_s") > 8.0 {
            wrong.push(format!("took {} s", done.number("/duration_s")));
        }
        wrong.iter().map(|wrong| format!("{}, {what}: {wrong}", self.name)).collect()
    }

    fn plain(&self, driver: &str, over: Over) -> Vec<String> {
        let count = REQUESTS.to_string();
        let args = ["-c", "2", "-n", &count, "--timeout", self.timeout(), "--driver", driver];
        // The limit is the request's: a handshake on a busy machine may take longer.
        let args = [&args[..], &["--connect-timeout", "10s"], over.flags()].concat();
        self.judge(&format!("{driver}, {over:?}"), run(&self.listen(over), &args))
    }

    /// With a check that keeps the body.
    fn users(&self, driver: &str, over: Over) -> Vec<String> {
        let step = json!({ "url": self.listen(over), "timeout": self.timeout(), "checks": ["body contains nothing"] });
        let plan = json!({ "vus": 2, "iterations": REQUESTS, "steps": [step] });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.json");
        std::fs::write(&path, plan.to_string()).unwrap();
        let path = path.to_str().unwrap();
        let args = [
            "run",
            path,
            "--format",
            "json",
            "-q",
            "--allow-invalid",
            "--max-body",
            "1MiB",
            "--driver",
            driver,
        ];
        let args = [&args[..], over.flags()].concat();
        let what = format!("users, {driver}, {over:?}");
        self.judge(&what, start_command(&mut squall(&args)).finish())
    }
}

/// Each peer in each way.
fn all(judge: impl Fn(&Endless, &str, Over) -> Vec<String> + Sync) {
    let ways: Vec<_> =
        drivers().into_iter().flat_map(|driver| Over::BOTH.map(|over| (driver, over))).collect();
    let jobs: Vec<_> = ways.iter().flat_map(|way| PEERS.iter().map(move |peer| (peer, *way))).collect();
    judge_all(&jobs, |(peer, (driver, over))| judge(peer, driver, *over));
}

#[test]
fn what_never_ends_is_ended() {
    all(Endless::plain);
}

#[test]
fn what_never_ends_is_ended_for_users() {
    all(Endless::users);
}

#[test]
fn a_response_before_the_request_is_none_or_the_requests() {
    // Which of the two depends on what the client sees first; what counts is that each request is counted once.
    for driver in drivers() {
        let addr = rig::serve(|mut stream| {
            let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            let _ = stream.write_all(response);
            while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
        });
        let url = format!("http://{addr}/");
        let args = ["-c", "4", "-d", "500ms", "--timeout", TIMEOUT, "--driver", driver];
        let done = run(&url, &args).exits(0).balanced();
        let (completed, failed) = (done.completed(), done.failed());
        assert_eq!(done.count("/status/200"), completed);
        let timeouts = done.count("/errors/timeout");
        assert_eq!(timeouts + done.count("/errors/protocol"), failed);
        assert!(completed + failed > 0, "something was tried");
        // A connection brings one response at most.
        assert!(completed <= done.count("/connections/established"));
        assert!(done.count("/generator/max_rss_bytes") <= RSS_MAX);
    }
}
