//! What times are compared with: how long this machine takes, at this very moment, for something as simple. Another build beside
//! a test, or a sanitizer inside it, makes both slow; a mistake of squall's makes only one slow.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use core_affinity::CoreId;
use squall::clock;
use squall::units::Nanos;

/// Takes the same measure over and over on a thread of its own, until it is asked for what came of it.
struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Nanos>>,
}

impl Watch {
    /// On one core: whoever is bound to a busy one waits longer than who may go to another, and workers are bound.
    fn start(core: CoreId, mut measure: impl FnMut() -> Nanos + Send + 'static) -> Watch {
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = thread::spawn(move || {
            core_affinity::set_for_current(core);
            let mut spans = vec![measure()];
            while !until.load(Ordering::Relaxed) {
                spans.push(measure());
            }
            spans.sort_unstable();
            spans
        });
        Watch { over, thread }
    }

    /// In ascending order.
    fn finish(self) -> Vec<Nanos> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("what it measures goes well")
    }
}

/// Somebody on each core who sleeps for a millisecond over and over.
pub struct Sleepers(Vec<Watch>);

impl Sleepers {
    pub fn start() -> Sleepers {
        let cores = core_affinity::get_core_ids().expect("the affinity mask");
        let one = |core| Watch::start(core, || lateness(Nanos::from_millis(1)));
        Sleepers(cores.into_iter().map(one).collect())
    }

    /// By how much one of them woke too late at worst: that long anybody may have been kept waiting meanwhile.
    pub fn worst(self) -> Nanos {
        let worst = self.0.into_iter().map(|watch| *watch.finish().last().expect("one at least"));
        worst.max().expect("there is a core")
    }
}

/// By how much a sleep of this length is too long.
pub fn lateness(span: Nanos) -> Nanos {
    let due = clock::now() + span;
    clock::sleep(span);
    clock::now() - due
}

/// A client of a few lines of std that asks the same thing over and over on one connection, as one of squall's does.
pub struct Client(Watch);

impl Client {
    /// `core` should be that of squall's worker. `url` must be answered with a length and a small body.
    pub fn start(url: &str, core: CoreId) -> Client {
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Client(Watch::start(core, move || {
            let sent = clock::now();
            stream.write_all(request.as_bytes()).unwrap();
            response(&mut stream);
            clock::now() - sent
        }))
    }

    /// The median of its response times.
    pub fn median(self) -> Nanos {
        let spans = self.0.finish();
        spans[spans.len() / 2]
    }
}

/// Reads one response to its end.
fn response(stream: &mut TcpStream) {
    let (mut got, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut piece).unwrap();
        assert!(n > 0, "the server hangs up");
        got.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&got).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        if body.len() >= length.parse::<usize>().expect("a number") {
            return;
        }
    }
}

/// For how long something stood still: at least the first, at most the second.
pub type Still = (Nanos, Nanos);

/// Stops something, lets it go on after `span`, and measures how long that was: a busy machine takes its time for each of the three.
pub fn still(span: Nanos, signal: impl Fn(&str)) -> Still {
    let before = clock::now();
    signal("STOP");
    let stopped = clock::now();
    clock::sleep(span);
    let going = clock::now();
    signal("CONT");
    (going - stopped, clock::now() - before)
}

/// What a host that keeps one of two from its core spoils now and then, and a mistake each time: it must come out in one of three attempts.
pub fn in_one_of_three(attempt: impl Fn() -> Result<(), String>) {
    let failed: Vec<String> = (0..3).map_while(|_| attempt().err()).collect();
    assert!(failed.len() < 3, "three times:\n{}", failed.join("\n"));
}
