//! Sessions: several windows on the same threads, rings and connections, each with its own books.

mod common;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::rig::serve;
use common::run::drivers;
use squall::clock;
use squall::observer::{Phase, StopFlag};
use squall::run::config::{Change, RawConfig, RunConfig};
use squall::run::events::Events;
use squall::run::session::Session;
use squall::run::{RunError, RunResult};
use squall::stats::outcome::ErrorKind;
use squall::stats::samples::{Block, Legend, Sink};
use squall::units::Nanos;

/// What a server has seen, and how it behaves.
#[derive(Default)]
struct Server {
    connections: AtomicU64,
    requests: AtomicU64,
    /// Before each response, in milliseconds.
    delay: AtomicU64,
}

impl Server {
    fn start() -> (Arc<Server>, String) {
        let server = Arc::new(Server::default());
        let known = Arc::clone(&server);
        let addr = serve(move |stream| known.response(stream));
        (server, format!("http://{addr}/"))
    }

    fn response(&self, mut stream: TcpStream) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let mut head = Vec::new();
        let mut bytes = [0; 512];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            head.extend_from_slice(&bytes[..count]);
            if head.ends_with(b"\r\n\r\n") {
                head.clear();
                self.requests.fetch_add(1, Ordering::Relaxed);
                clock::sleep(Nanos::from_millis(self.delay.load(Ordering::Relaxed).max(1)));
                if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                    return;
                }
            }
        }
    }

    /// Connections and requests since this was last asked.
    fn seen(&self) -> (u64, u64) {
        (self.connections.swap(0, Ordering::Relaxed), self.requests.swap(0, Ordering::Relaxed))
    }
}

/// Two workers, four connections, for 300 ms, intervals of 100 ms.
fn config(url: &str, driver: &str, change: impl FnOnce(&mut RawConfig)) -> RunConfig {
    let mut raw = RawConfig {
        url: url.into(),
        threads: Some(2),
        connections: Some(4),
        duration: Some("300ms".into()),
        interval: Some("100ms".into()),
        driver: Some(driver.into()),
        ..RawConfig::default()
    };
    change(&mut raw);
    RunConfig::validate(raw).unwrap()
}

fn window(session: &mut Session, change: &Change) -> Result<RunResult, RunError> {
    let result = session.window(change, &mut Events::silent(), &StopFlag::new())?;
    result.summary.conserved().unwrap();
    Ok(result)
}

const SAME: Change = Change { rate: None, connections: None, users: None, duration: None, warmup: None };

fn ms(ms: u64) -> Nanos {
    Nanos::from_millis(ms)
}

#[test]
fn windows_share_connections_and_keep_their_own_books() {
    for driver in drivers() {
        let (server, url) = Server::start();
        let mut session = Session::new(config(&url, driver, |_| {}), None);

        let closed = window(&mut session, &SAME).unwrap().summary;
        let (connections, requests) = server.seen();
        assert_eq!((connections, closed.counts.connects), (4, 4));
        assert_eq!((closed.counts.started, closed.counts.failed), (requests, 0));

        // At a rate, with half of the connections: the others are closed.
        let rate = Some("200/s".parse().unwrap());
        let change = Change { rate, connections: Some(2), duration: Some(ms(500)), ..SAME };
        let result = window(&mut session, &change).unwrap();
        let open = &result.summary;
        // On a busy host the last arrival may find both connections in use still.
        let sent = open.counts.started;
        assert!(sent + open.backlog_at_end == 100 && sent >= 90, "{driver}: {sent}");
        assert_eq!(server.seen(), (0, sent), "{driver}: on the connections that there are");
        assert_eq!((open.counts.scheduled, open.counts.completed, open.counts.connects), (100, sent, 0));
        assert_eq!(open.duration, ms(500));
        assert_eq!(open.timeline.last().map(|point| point.connections), Some(2));
        assert_eq!((result.report.config.rate_per_s, result.report.config.connections), (Some(200.0), 2));

        // As at the beginning, with a warm-up of its own, which is in no book.
        let change = Change { warmup: Some(ms(200)), ..SAME };
        let again = window(&mut session, &change).unwrap().summary;
        let (connections, requests) = server.seen();
        assert_eq!((connections, again.counts.connects), (2, 2), "{driver}: two are new");
        assert_eq!(again.duration, ms(300));
        assert!(again.counts.started < requests, "{driver}: {} of {requests}", again.counts.started);
        assert!(again.counts.completed_in_window <= again.counts.completed + 4, "{driver}");
    }
}

#[test]
fn what_comes_late_is_not_in_the_next_window() {
    for driver in drivers() {
        let (server, url) = Server::start();
        server.delay.store(700, Ordering::Relaxed);
        let mut config = config(&url, driver, |_| {});
        config.drain = ms(100);
        let mut session = Session::new(config, None);
        let slow = window(&mut session, &SAME).unwrap().summary;
        assert_eq!(
            (slow.counts.started, slow.counts.completed, slow.counts.errors.of(ErrorKind::Unanswered)),
            (4, 0, 4)
        );

        server.delay.store(1, Ordering::Relaxed);
        server.seen();
        let next = window(&mut session, &Change { duration: Some(ms(800)), ..SAME }).unwrap().summary;
        let (connections, requests) = server.seen();
        // What was unanswered went with its connection.
        assert_eq!((connections, next.counts.connects), (4, 4), "{driver}");
        assert_eq!(next.counts.started, requests, "{driver}");
        assert_eq!((next.counts.completed, next.counts.failed), (requests, 0), "{driver}");
        assert!(next.latency.response_time.max() < ms(300), "{driver}: {}", next.latency.response_time.max());
    }
}

#[test]
fn users_of_the_next_window_have_the_connections_of_those_before() {
    for driver in drivers() {
        let (server, url) = Server::start();
        let users = |raw: &mut RawConfig| (raw.vus, raw.connections) = (Some(5), None);
        let mut session = Session::new(config(&url, driver, users), None);
        let first = window(&mut session, &SAME).unwrap();
        let (connections, requests) = server.seen();
        assert_eq!((connections, first.summary.counts.started), (5, requests), "{driver}");

        let fewer = window(&mut session, &Change { users: Some(2), ..SAME }).unwrap();
        let (connections, requests) = server.seen();
        assert_eq!((connections, fewer.summary.counts.started), (0, requests), "{driver}");
        assert_eq!(fewer.summary.counts.connects, 0, "{driver}");
        assert_eq!(fewer.summary.timeline.iter().map(|point| point.vus).max(), Some(2), "{driver}");

        let all = window(&mut session, &SAME).unwrap();
        let (connections, requests) = server.seen();
        assert_eq!(
            (connections, all.summary.counts.started),
            (0, requests),
            "{driver}: all five are still there"
        );
        let series = all.summary.tally.registry().keys().len();
        assert_eq!(series, first.summary.tally.registry().keys().len(), "{driver}");
    }
}

#[test]
fn a_window_that_cannot_be_is_refused_and_the_session_goes_on() {
    let (_, url) = Server::start();
    let mut session = Session::new(config(&url, "auto", |_| {}), None);
    let more = Change { connections: Some(5), ..SAME };
    let refused = window(&mut session, &more).unwrap_err();
    assert!(refused.to_string().contains("connections: 5 do not fit"), "{refused}");
    assert!(window(&mut session, &SAME).is_ok());
    assert!(matches!(window(&mut session, &more), Err(RunError::Window(_))));
    assert!(window(&mut session, &SAME).is_ok());
}

#[test]
fn a_target_that_goes_away_between_windows_ends_the_session() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        // Four connections are served until they are idle for a while, and nobody else.
        let streams: Vec<TcpStream> = (0..4).map(|_| listener.accept().unwrap().0).collect();
        drop(listener);
        let server = Arc::new(Server::default());
        let threads: Vec<_> = streams
            .into_iter()
            .map(|stream| {
                stream.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
                let server = Arc::clone(&server);
                std::thread::spawn(move || server.response(stream))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let mut session = Session::new(config(&url, "auto", |_| {}), None);
    assert!(window(&mut session, &SAME).is_ok());
    served.join().unwrap();
    // Until the workers have seen that their connections are closed: else they begin the window with them, and it is INVALID.
    clock::sleep(ms(200));
    let gone = window(&mut session, &SAME).unwrap_err();
    assert!(matches!(gone, RunError::NothingConnected { .. }), "{gone}");
    assert!(matches!(window(&mut session, &SAME), Err(RunError::SessionIsOver)));
}

/// Counts records, by the window that they are of.
struct Counting(Arc<Mutex<Vec<(Nanos, u64)>>>);

impl Sink for Counting {
    fn place(&self) -> String {
        "a list".into()
    }

    fn begin(&mut self, _: &Legend) -> io::Result<()> {
        Ok(())
    }

    fn take(&mut self, block: &Block) -> io::Result<()> {
        let mut list = self.0.lock().unwrap();
        let count = block.records.len() as u64;
        match list.iter_mut().find(|(open, _)| *open == block.open) {
            Some((_, sum)) => *sum += count,
            None => list.push((block.open, count)),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_window_s_samples_are_written_when_it_is_over() {
    let (_, url) = Server::start();
    let list = Arc::default();
    let mut session = Session::new(config(&url, "auto", |_| {}), Some(Box::new(Counting(Arc::clone(&list)))));
    for windows in 1..=3 {
        let result = window(&mut session, &SAME).unwrap();
        let list = list.lock().unwrap();
        assert_eq!(list.len(), windows);
        let samples = result.readings.samples.unwrap();
        assert_eq!(samples.error, None);
        assert_eq!(
            (samples.written, result.summary.counts.completed),
            (list[windows - 1].1, samples.written)
        );
    }
}

#[test]
fn a_stop_ends_the_window_and_there_is_no_other() {
    let (_, url) = Server::start();
    let config = config(&url, "auto", |raw| raw.duration = Some("30s".into()));
    let mut session = Session::new(config, None);
    let stop = StopFlag::new();
    let soon = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            clock::sleep(ms(300));
            stop.set();
        })
    };
    let aborted = session.window(&SAME, &mut Events::silent(), &stop).unwrap();
    soon.join().unwrap();
    assert!(aborted.report.aborted && aborted.summary.duration < Nanos::from_secs(5));
    let none = session.window(&SAME, &mut Events::silent(), &stop).unwrap_err();
    assert!(matches!(none, RunError::Interrupted), "{none}");
}

/// Writes phases and reports down.
#[derive(Clone, Default)]
struct Watching(Arc<Mutex<Vec<String>>>);

impl squall::observer::Observer for Watching {
    fn on_phase(&mut self, phase: Phase) {
        self.0.lock().unwrap().push(format!("{phase:?}"));
    }
    fn on_report(&mut self, report: &Arc<squall::report::Report>) {
        self.0.lock().unwrap().push(format!("{:?}", report.config.duration_s));
    }
}

#[test]
fn observers_are_told_of_each_window() {
    let (_, url) = Server::start();
    let mut session = Session::new(config(&url, "auto", |_| {}), None);
    let watching = Watching::default();
    let mut events = Events::start(vec![Box::new(watching.clone())]).unwrap();
    let longer = Change { duration: Some(ms(400)), ..SAME };
    for change in [SAME, longer] {
        session.window(&change, &mut events, &StopFlag::new()).unwrap();
    }
    events.finish(Nanos::from_secs(5));
    let one = |seconds: &str| ["Connect", "Measure", "Drain", &format!("Some({seconds})")].map(str::to_owned);
    assert_eq!(*watching.0.lock().unwrap(), [one("0.3"), one("0.4")].concat());
}
