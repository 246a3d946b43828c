//! The seam between users and what they do, with a flow that is no plan: two requests that are open at once and begun at different
//! times, a timer between them, a branch on a response, and an end by interrupt. In virtual time and on both drivers.

#[path = "flow/tags.rs"]
mod tags;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use squall::driver::epoll::EpollDriver;
use squall::driver::sim::{Service, SimDriver, SimScript};
use squall::driver::uring::UringDriver;
use squall::driver::{DriverConfig, Endpoint, PayloadId};
use squall::http::response::Expect;
use squall::http::url::Url;
use squall::plan::request_template::{RenderError, RequestTemplate};
use squall::plan::response::Needs;
use squall::plan::status::StatusSet;
use squall::plan::workload::{
    ConnectionPolicy, CookiePolicy, Executor, Flow as Steps, Once, Origin, Scenario, Step, Think, Workload,
};
use squall::stats::layout::Layout;
use squall::stats::metrics;
use squall::stats::outcome::ErrorKind;
use squall::stats::registry::{Kind, SERIES_MAX};
use squall::stats::series::{Counter, Figures, Rate};
use squall::stats::snapshot::Snapshot;
use squall::stats::summary::{Summary, SummaryBuilder};
use squall::transport::AddRoute;
use squall::units::Nanos;
use squall::worker::channel::{Channel, Connected, Control, Message, ThreadReadings};
use squall::worker::flow::{Ending, ExchangeId, Flow, Moves, Request, Source, Then, TimerId, UserKey, What};
use squall::worker::shared::Shared;
use squall::worker::users::UsersConfig;
use squall::worker::{Clocks, OriginSpec, Worker, WorkerConfig};

#[path = "common/skip.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod skip;

use skip::skip;

const GET: &[u8] = b"GET /constant HTTP/1.1\r\nHost: peer\r\n\r\n";
const BEGIN_B: TimerId = TimerId(1);
const BEGIN_D: TimerId = TimerId(2);

/// What happened to a user, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Begin,
    TimerB,
    A(u16),
    B(u16),
    C(u16),
    TimerD,
    Interrupt,
}

/// Begins A, half a service time later B; behind A's response C if that was a 2xx; a while behind B's D; never ends by itself.
struct TwoAtOnce {
    service: Nanos,
    expected: Rc<StatusSet>,
    told: Arc<Mutex<Vec<Told>>>,
}

#[derive(Default)]
struct Own {
    a: Option<ExchangeId>,
    b: Option<ExchangeId>,
    /// In the middle of a computation.
    computing: bool,
}

impl TwoAtOnce {
    fn request(&self, source: Source, scheduled: Option<Nanos>) -> Request {
        Request {
            origin: 0,
            source,
            expect: Expect::Normal,
            limit: Nanos::from_secs(60),
            keeps: Needs { head: true, body: true },
            replayable: true,
            body_limit: 1 << 20,
            expected: Rc::clone(&self.expected),
            place: 0,
            scheduled,
        }
    }

    fn say(&self, told: Told) {
        self.told.lock().expect("not poisoned").push(told);
    }
}

impl Flow for TwoAtOnce {
    type State = Own;

    fn anew(&self, _: &squall::worker::flow::FlowSetup<'_>) -> TwoAtOnce {
        unreachable!("there is one window")
    }

    fn user(&self, _: &UserKey) -> Own {
        Own::default()
    }

    fn prepare(&mut self, _: &mut Own) -> bool {
        true
    }

    fn on(&mut self, own: &mut Own, what: What, moves: &mut Moves<'_>) -> Then {
        let constant = Source::Payload(PayloadId(0), GET.len() as u32);
        match what {
            What::Begin(iteration) => {
                self.say(Told::Begin);
                assert_eq!((iteration.number, iteration.in_scenario), (0, 0));
                // A slice of computing, then the rest in the next turn.
                own.computing = true;
                return Then::Yield;
            }
            What::GoOn => {
                assert!(std::mem::take(&mut own.computing));
                own.a = Some(moves.request(self.request(constant, None)));
                moves.timer(BEGIN_B, moves.now() + Nanos(self.service.0 / 2));
            }
            What::Timer(BEGIN_B, at) => {
                self.say(Told::TimerB);
                own.b = Some(moves.request(self.request(Source::Written, Some(at))));
            }
            What::Timer(_, at) => {
                self.say(Told::TimerD);
                moves.request(self.request(constant, Some(at)));
            }
            What::Answered(id, outcome) => {
                let status = outcome.result.map_or(0, |response| response.status);
                let parts = outcome.parts.expect("they were asked for");
                assert!(parts.head.starts_with(b"HTTP/1.1 ") && parts.body == b"ok", "{parts:?}");
                if Some(id) == own.a {
                    self.say(Told::A(status));
                    if (200..300).contains(&status) {
                        moves.request(self.request(constant, None));
                    }
                } else if Some(id) == own.b {
                    self.say(Told::B(status));
                    moves.timer(BEGIN_D, moves.now() + Nanos(self.service.0 * 3 / 10));
                } else {
                    self.say(Told::C(status));
                }
                moves.recycle(Some(parts));
            }
            What::Interrupt => {
                self.say(Told::Interrupt);
                return Then::End(Ending::Whole, Nanos::ZERO);
            }
        }
        Then::Wait
    }

    fn write(
        &mut self,
        _: &mut Own,
        _: ExchangeId,
        url: &Url,
        _: Nanos,
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        assert!(out.is_empty());
        // As long as the constant one, since the simulated peer counts bytes.
        let request = format!("GET /written2 HTTP/1.1\r\nHost: {}\r\n\r\n", url.host);
        assert_eq!(request.len(), GET.len());
        out.extend_from_slice(request.as_bytes());
        Ok(())
    }
}

fn workload(service: Nanos) -> Workload {
    let origin = Origin { name: "peer".into(), url: "http://peer/".parse().expect("a URL"), forward: None };
    let step = Step {
        name: "place".into(),
        origin: 0,
        open_url: None,
        method: "GET".into(),
        url: "http://peer/".into(),
        request: RequestTemplate::of_bytes(GET),
        expect: Expect::Normal,
        timeout: Nanos::from_secs(60),
        expected: StatusSet::default(),
        checks: Vec::new(),
        extracts: Vec::new(),
        redirects_max: 0,
        think: Think::None,
        tags: Vec::new(),
    };
    let tenths = |n: u64| Nanos(service.0 * n / 10);
    Workload {
        origins: vec![origin],
        steps: vec![step],
        flows: vec![Steps { name: "all".into(), steps: vec![0] }],
        scenarios: vec![Scenario {
            name: "only".into(),
            executor: Executor::ConstantVus { vus: 1, duration: tenths(23) },
            start: Nanos::ZERO,
            graceful_stop: tenths(1),
            flows: vec![(0, 1)],
            setup: None,
            think: Think::None,
            pacing: Think::None,
            tags: Vec::new(),
        }],
        data: Vec::new(),
        variables: Vec::new(),
        once: Once::default(),
        connections: ConnectionPolicy::default(),
        cookies: CookiePolicy::Off,
        body_limit: 1 << 20,
        open_ended: false,
    }
}

/// Carries the flow out over a driver made of a config; what the user was told, and the figures.
fn carry_out<D: AddRoute>(
    peer: SocketAddr,
    service: Nanos,
    start: impl FnOnce() -> Nanos,
    driver: impl FnOnce(DriverConfig) -> D,
) -> (Vec<Told>, Summary) {
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let flow = TwoAtOnce { service, expected: Rc::default(), told: Arc::clone(&told) };
    let summary = carry_out_flow(flow, peer, service, start, driver);
    let told = std::mem::take(&mut *told.lock().expect("not poisoned"));
    (told, summary)
}

/// The same with any flow.
fn carry_out_flow<F: Flow, D: AddRoute>(
    flow: F,
    peer: SocketAddr,
    service: Nanos,
    start: impl FnOnce() -> Nanos,
    driver: impl FnOnce(DriverConfig) -> D,
) -> Summary {
    let layout = workload(service).layout();
    let (snapshots, [measured, in_flight, backlog]) =
        snapshots_of(flow, peer, service, layout, start, driver);
    let mut builder = SummaryBuilder::new(true);
    snapshots.iter().for_each(|snapshot| drop(builder.push(snapshot)));
    builder.finish(Nanos(measured), in_flight, backlog)
}

/// What the worker handed over; how long it measured, and what was in flight and waited at the end.
fn snapshots_of<F: Flow, D: AddRoute>(
    flow: F,
    peer: SocketAddr,
    service: Nanos,
    layout: Layout,
    start: impl FnOnce() -> Nanos,
    driver: impl FnOnce(DriverConfig) -> D,
) -> (Vec<Snapshot>, [u64; 3]) {
    let workload = Arc::new(workload(service));
    let layout = Arc::new(layout);
    let users = UsersConfig {
        shared: Shared::new(&workload, u64::MAX),
        // Two of a user's requests are open at once, each on a connection of its own.
        connections: 3,
        workload,
        layout,
        seed: 1,
        keeps_connections: false,
    };
    let config = WorkerConfig {
        worker: 0,
        workers: 1,
        origins: vec![OriginSpec {
            url: "http://peer/".parse().expect("a URL"),
            forward: None,
            endpoints: (0, 1),
        }],
        warmup: Nanos::ZERO,
        connect_timeout: Nanos::from_secs(5),
        tls_timeout: Nanos::ZERO,
        dns_ttl: Nanos::MAX,
        drain: Nanos::from_secs(3),
        interval: Nanos::from_secs(3_600),
        spin: false,
        head_most: squall::http::head::MAX_HEAD,
    };
    let driver = driver(DriverConfig {
        slots: 3,
        payloads: vec![GET.into()],
        endpoints: vec![Endpoint { addr: peer.into(), source: None, congestion: None }],
        expect_large: true,
    });
    let (out, messages) = crossbeam_channel::unbounded();
    let (_give, emptied) = crossbeam_channel::bounded::<Snapshot>(1);
    let channel = Channel { out, emptied };
    let control = Control::new();
    let begin = start();
    control.start(begin);
    let clocks = Clocks { thread: ThreadReadings::default, wall: || Nanos::ZERO };
    Worker::with_flow(driver, config, users, flow, None, &channel, clocks).run(&control);
    drop(channel);
    let (mut snapshots, mut finished) = (Vec::new(), None);
    for (_, message) in messages {
        match message {
            Message::Connected(connected) => assert!(matches!(connected, Connected::Lazy)),
            Message::Interval(snapshot) => snapshots.push(snapshot),
            Message::Finished(said) => finished = Some(said),
            Message::Broken(cause) => panic!("{cause}"),
        }
    }
    let finished = finished.expect("a last word");
    (snapshots, [(finished.measured_until - begin).0, finished.in_flight, finished.backlog])
}

/// D was on the way when the user was interrupted: it is unanswered.
fn holds(told: &[Told], summary: &Summary) {
    use Told::{A, B, Begin, C, Interrupt, TimerB, TimerD};
    assert_eq!(told, [Begin, TimerB, A(200), B(200), TimerD, C(200), Interrupt]);
    summary.conserved().expect("balanced books");
    let counts = &summary.counts;
    assert_eq!((counts.started, counts.completed, counts.failed), (4, 3, 1));
    assert_eq!((counts.errors.of(ErrorKind::Unanswered), summary.in_flight_at_end), (1, 0));
    assert_eq!((counts.connects, counts.reconnects), (2, 0), "C and D found one that was free");
    let iterations = &summary.tally.scenarios[0];
    assert_eq!((iterations.started, iterations.completed, iterations.interrupted), (1, 0, 1));
    // B was meant to start when its timer was to fire, D too.
    assert_eq!((summary.latency.response_time.len(), summary.latency.censored), (4, 1));
}

/// A request, and for each response metrics of its own: with far more tags than there may be series.
struct Measuring(Rc<StatusSet>);

impl Flow for Measuring {
    type State = u32;

    fn anew(&self, _: &squall::worker::flow::FlowSetup<'_>) -> Measuring {
        unreachable!("there is one window")
    }

    fn user(&self, _: &UserKey) -> u32 {
        0
    }

    fn prepare(&mut self, _: &mut u32) -> bool {
        true
    }

    fn on(&mut self, turn: &mut u32, what: What, moves: &mut Moves<'_>) -> Then {
        match what {
            What::Answered(_, outcome) => {
                let refused = moves.series("http_reqs", Kind::Counter, &[]).unwrap_err();
                assert_eq!(
                    refused.to_string(),
                    "there is a metric `http_reqs` already, a counter: a counter needs another name"
                );
                for _ in 0..1_000 {
                    *turn += 1;
                    let page = format!("/item/{turn}");
                    let series = moves.series("items", Kind::Counter, &[("url", &page)]).unwrap();
                    moves.add(series, 2.0);
                }
                assert!(moves.series("items", Kind::Trend, &[]).is_err(), "one metric is of one kind");
                for (metric, kind, value) in [
                    ("size", Kind::Trend, 250.0),
                    ("size", Kind::Trend, -1.0),
                    ("depth", Kind::Gauge, f64::from(*turn)),
                    ("good", Kind::Rate, 1.0),
                    ("good", Kind::Rate, 0.0),
                ] {
                    let series = moves.series(metric, kind, &[]).unwrap();
                    moves.add(series, value);
                }
                assert!(outcome.result.is_ok());
                Then::End(Ending::Whole, Nanos::ZERO)
            }
            What::Begin(_) => {
                moves.request(Request {
                    origin: 0,
                    source: Source::Payload(PayloadId(0), GET.len() as u32),
                    expect: Expect::Normal,
                    limit: Nanos::from_secs(60),
                    keeps: Needs::default(),
                    replayable: false,
                    body_limit: 0,
                    expected: Rc::clone(&self.0),
                    place: 0,
                    scheduled: None,
                });
                Then::Wait
            }
            _ => Then::Wait,
        }
    }

    fn write(
        &mut self,
        _: &mut u32,
        _: ExchangeId,
        _: &Url,
        _: Nanos,
        _: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        unreachable!("its requests are constant")
    }
}

#[test]
fn metrics_of_a_flow_are_bounded_and_none_of_their_values_is_lost() {
    let service = Nanos::from_millis(10);
    let script = script(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", service);
    let start = script.start + Nanos::from_millis(1);
    let peer = SocketAddr::from(([127, 0, 0, 1], 80));
    let driver = |config| SimDriver::new(config, script);
    let summary = carry_out_flow(Measuring(Rc::default()), peer, service, || start, driver);
    let tally = &summary.tally;
    let bound = SERIES_MAX as usize;
    assert!(
        (bound..bound + 10).contains(&tally.registry().keys().len()),
        "{}",
        tally.registry().keys().len()
    );
    let custom = metrics::custom(tally);
    // Two whole iterations, in each 1,000 twos; and what went to others is said.
    assert_eq!(summary.counts.completed, 2);
    assert_eq!(custom[&("items", Kind::Counter)], Figures::Counter(Counter { sum: 4_000.0, samples: 2_000 }));
    let Figures::Trend(size) = &custom[&("size", Kind::Trend)] else { panic!("{custom:?}") };
    assert_eq!((size.len(), size.min, size.max), (4, -1.0, 250.0));
    let Figures::Gauge(depth) = &custom[&("depth", Kind::Gauge)] else { panic!("{custom:?}") };
    assert_eq!(depth.value, 2_000.0);
    assert_eq!(custom[&("good", Kind::Rate)], Figures::Rate(Rate { passes: 2, fails: 2 }));
}

fn script(response: &[u8], service: Nanos) -> SimScript {
    SimScript {
        service: Service::Constant(service),
        responses: vec![response.to_vec()],
        request_len: Some(GET.len() as u32),
        ..SimScript::default()
    }
}

fn in_virtual_time(response: &[u8], service: Nanos) -> (Vec<Told>, Summary) {
    let script = script(response, service);
    let start = script.start + Nanos::from_millis(1);
    let peer = SocketAddr::from(([127, 0, 0, 1], 80));
    carry_out(peer, service, || start, |config| SimDriver::new(config, script))
}

#[test]
fn two_requests_at_once_a_timer_a_branch_and_an_interrupt_in_virtual_time() {
    let service = Nanos::from_millis(10);
    let (told, summary) = in_virtual_time(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", service);
    holds(&told, &summary);
}

#[test]
fn the_branch_depends_on_the_response() {
    use Told::{A, B, Begin, Interrupt, TimerB, TimerD};
    let response = b"HTTP/1.1 503 Later\r\nContent-Length: 2\r\n\r\nok";
    let (told, summary) = in_virtual_time(response, Nanos::from_millis(10));
    assert_eq!(told, [Begin, TimerB, A(503), B(503), TimerD, Interrupt]);
    assert_eq!((summary.counts.started, summary.counts.completed), (3, 2));
}

/// Answers each request after `service`, one thread for each connection.
fn serve(service: Nanos) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = listener.local_addr().expect("an address");
    let connection = move |mut stream: TcpStream| {
        let mut room = [0; GET.len()];
        while stream.read_exact(&mut room).is_ok() {
            squall::clock::sleep(service);
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || connection(stream));
        }
    });
    peer
}

/// Long against what a busy machine may be late by.
const SERVICE: Nanos = Nanos::from_millis(400);

#[test]
fn the_same_on_epoll() {
    let peer = serve(SERVICE);
    let driver = |config| EpollDriver::new(config).expect("epoll");
    let (told, summary) = carry_out(peer, SERVICE, squall::clock::now, driver);
    holds(&told, &summary);
}

#[test]
fn the_same_on_io_uring() {
    let peer = serve(SERVICE);
    let config = |config: DriverConfig| UringDriver::new(config);
    let probe =
        config(DriverConfig { slots: 1, payloads: Vec::new(), endpoints: Vec::new(), expect_large: false });
    if let Err(reason) = probe {
        return skip(reason);
    }
    let driver = |c| config(c).expect("a ring, as a moment ago");
    let (told, summary) = carry_out(peer, SERVICE, squall::clock::now, driver);
    holds(&told, &summary);
}
