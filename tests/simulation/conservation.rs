//! No request is lost or counted twice, whatever goes wrong.

use proptest::prelude::*;
use squall::driver::sim::{Service, SimFaults, SimScript};
use squall::load::{Arrivals, Pacer};
use squall::stats::outcome::ErrorKind;
use squall::units::{Nanos, Rate};

use crate::harness::probe::Quirks;
use crate::world::{Told, World, ms, secs, us};

/// What a turn may take beyond its limit: the simulation's turn cost, and rounding.
const TURN: Nanos = us(50);

fn faults() -> impl Strategy<Value = SimFaults> {
    let rare = || prop_oneof![3 => Just(0.0), 2 => 0.0..0.03f64, 1 => 0.0..0.3f64];
    (
        (rare(), rare(), rare(), rare(), rare(), rare()),
        (rare(), rare(), rare(), rare(), rare()),
        prop::option::weighted(0.3, 1..50u64),
    )
        .prop_map(|(a, b, close_after_n)| SimFaults {
            connect_refused: a.0,
            connect_slow: a.1,
            short_sends: a.2,
            reset_before_response: a.3,
            reset_mid_response: a.4,
            eof_mid_response: a.5,
            garbage: b.0,
            late_responses: b.1,
            split_responses: b.2,
            buffer_starvation: b.3,
            stale_completions: b.4,
            close_after_n,
            ..SimFaults::default()
        })
}

fn service() -> impl Strategy<Value = Service> {
    prop_oneof![
        (1..5_000u64).prop_map(|n| Service::Constant(us(n))),
        (1..500u64, 500..5_000u64).prop_map(|(low, high)| Service::Uniform(us(low), us(high))),
        (10..5_000u64).prop_map(|n| Service::Exponential(us(n))),
        (20..80u64).prop_map(|n| Service::Stall { base: us(200), every: ms(100), length: ms(n) }),
    ]
}

fn script() -> impl Strategy<Value = SimScript> {
    let responses = || {
        let response = |body: usize| {
            let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {body}\r\n\r\n").into_bytes();
            bytes.resize(bytes.len() + body, b'x');
            bytes
        };
        let chunked = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let last = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        prop_oneof![
            4 => Just(vec![response(2)]),
            1 => Just(vec![response(2), response(900), chunked.to_vec()]),
            1 => Just(vec![response(2), response(5_000), response(40_000)]),
            1 => Just(vec![response(2), response(10), last.to_vec()]),
        ]
    };
    (any::<u64>(), faults(), service(), responses(), 1..64u16).prop_map(
        |(seed, faults, service, responses, buffers)| SimScript {
            seed,
            faults,
            service,
            responses,
            buffers,
            ..SimScript::default()
        },
    )
}

/// Requests and time: one of them, or both.
fn end() -> impl Strategy<Value = (Option<u64>, Option<Nanos>)> {
    let (requests, duration) = (1..600u64, 20..300u64);
    prop_oneof![
        duration.clone().prop_map(|d| (None, Some(ms(d)))),
        requests.clone().prop_map(|n| (Some(n), None)),
        (requests, duration).prop_map(|(n, d)| (Some(n), Some(ms(d)))),
    ]
}

fn load() -> impl Strategy<Value = (Option<Rate>, Arrivals)> {
    let arrivals = prop_oneof![Just(Arrivals::Uniform), Just(Arrivals::Poisson)];
    (prop::option::weighted(0.6, (100..8_000u64).prop_map(Rate::per_sec)), arrivals)
}

/// Any world that the command line can ask for, in small.
pub(crate) fn world() -> impl Strategy<Value = World> {
    let limits = (prop_oneof![Just(100_000), 0..50u64], 5..200u64, 0..400u64);
    (script(), load(), end(), 1..=16u16, 1..=40u32, limits, quirks()).prop_map(
        |(script, (rate, arrivals), (requests, duration), pipeline, connections, limits, quirks)| {
            let mut world = World { script, rate, arrivals, pipeline, requests, ..World::closed() };
            let (max_backlog, timeout, drain) = limits;
            world.worker.connections = connections;
            world.worker.duration = duration;
            world.worker.max_backlog = max_backlog;
            world.worker.timeout = ms(timeout);
            world.worker.drain = ms(drain);
            world.worker.interval = ms(100);
            world.worker.connect_timeout = ms(150);
            world.quirks = quirks;
            world.quirks.stop_at = quirks.stop_at.map(|after| world.start() + after);
            world
        },
    )
}

/// `stop_at` counts from the start of the load.
fn quirks() -> impl Strategy<Value = Quirks> {
    let tick = prop_oneof![2 => Just(0), 1 => 1..2_000u64];
    let late = prop_oneof![3 => Just(0), 1 => 1..500u64];
    let stop = prop::option::weighted(0.2, 0..250_000u64);
    (tick, late, stop).prop_map(|(tick, late, stop)| Quirks {
        stop_at: stop.map(us),
        tick: Nanos(tick),
        sent_late: us(late),
        ..Quirks::default()
    })
}

/// Failures of kinds for which the peer has given no cause.
fn without_cause(told: &Told, world: &World) -> Option<String> {
    let (errors, books) = (&told.counts().errors, told.books());
    let depth = u64::from(world.pipeline);
    // Everything in flight on a connection fails with it.
    let at_most = |connections: u64| connections * depth;
    let closing = world.script.responses.iter().any(|r| r.windows(5).any(|w| w == b"close"));
    let bounds = [
        (ErrorKind::Reset, at_most(books.resets)),
        (ErrorKind::Protocol, if world.script.faults.garbage > 0.0 { u64::MAX } else { 0 }),
        (ErrorKind::Closed, if closing { u64::MAX } else { at_most(books.eofs) }),
        (ErrorKind::ClosedIdle, at_most(books.resets + books.eofs)),
        (ErrorKind::Timeout, u64::MAX),
        // What is in flight when the drain is over.
        (ErrorKind::Unanswered, u64::MAX),
    ];
    for (kind, failed) in errors.iter() {
        let bound = bounds.iter().find(|(of, _)| *of == kind).map_or(0, |(_, bound)| *bound);
        if failed > bound {
            return Some(format!("{failed} of {kind:?}, at most {bound}: {books:?}"));
        }
    }
    None
}

fn check(world: &World) -> Result<(), TestCaseError> {
    let told = world.run();
    told.check(world).map_err(TestCaseError::fail)?;
    prop_assert_eq!(without_cause(&told, world), None);
    // A request limit ends the window with the last response; after that, many may fail one by one.
    let overtime = if world.requests.is_some() { secs(3_000) } else { world.worker.drain + ms(20) + TURN };
    prop_assert!(told.overtime() <= overtime, "{}", told.overtime());
    if let Some(duration) = world.worker.duration {
        prop_assert!(told.finished.measured_until <= told.open + duration);
    }
    if let Some(limit) = world.requests {
        prop_assert!(told.counts().scheduled <= limit);
    }
    // Arrivals that were given to a connection which was lost before it sent them come back.
    let returned = u64::from(world.worker.connections) * u64::from(world.pipeline);
    for (_, backlog) in &told.intervals {
        prop_assert!(*backlog <= world.worker.max_backlog + returned, "{backlog}");
    }
    Ok(())
}

/// Also where `-n` arrivals come sooner than their rate says, and their schedule would last beyond it.
#[test]
fn a_window_is_no_longer_than_asked() {
    for rate in (900..1_100).step_by(10) {
        let mut world = World::open(rate).lasting(ms(100));
        (world.requests, world.arrivals) = (Some(100), Arrivals::Poisson);
        let told = world.run();
        assert!(
            told.finished.measured_until <= told.open + ms(100),
            "{rate}/s: {}",
            told.finished.measured_until
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn books_balance_whatever_goes_wrong(world in world()) {
        check(&world)?;
    }
}

/// What the schedule has for the measured window, by the pacer itself.
fn scheduled(world: &World) -> u64 {
    let mut pacer = Pacer::new(&world.schedule().expect("an open world"), 0, 1);
    std::iter::from_fn(|| pacer.due(Nanos(u64::MAX - 1))).count() as u64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing of the warm-up counts, and everything of the window does.
    #[test]
    fn the_window_has_the_whole_schedule_whatever_goes_wrong(mut world in world(), warmup in 1..120u64) {
        world.worker.warmup = ms(warmup);
        world.quirks.stop_at = None;
        let told = world.run();
        prop_assert_eq!(told.summary.conserved(), Ok(()));
        if world.rate.is_some() && !told.finished.gave_up {
            prop_assert_eq!(told.counts().scheduled, scheduled(&world), "{}", told.brief());
        } else if let (Some(limit), None) = (world.requests, world.worker.duration) {
            prop_assert!(told.finished.gave_up || told.counts().started == limit, "{}", told.brief());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn same_seed_same_books_bit_for_bit(world in world()) {
        let (once, again) = (world.run(), world.run());
        prop_assert_eq!(once.summary, again.summary);
        prop_assert_eq!(once.intervals, again.intervals);
        prop_assert_eq!(once.seen, again.seen);
    }
}

/// More connections than are sent on in one turn, cut off in the middle, with no time to drain.
#[test]
fn books_balance_when_the_end_cuts_a_burst_in_two() {
    for connections in [100, 300, 1_000] {
        for rate in [None, Some(Rate::per_sec(2_000_000))] {
            for pipeline in [1, 4] {
                for drain in [Nanos::ZERO, secs(1)] {
                    let mut world = World { rate, pipeline, ..World::closed() };
                    world.worker.connections = connections;
                    world.script.turn_cost = us(200);
                    world.worker.duration = Some(us(601));
                    world.worker.drain = drain;
                    let told = world.run();
                    told.check(&world).unwrap_or_else(|e| panic!("{connections} {rate:?} {pipeline}: {e}"));
                }
            }
        }
    }
}
