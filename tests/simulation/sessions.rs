//! Several windows of one worker: each has its own books, whatever the ones before have left.

use std::cell::RefCell;
use std::rc::Rc;

use crossbeam_channel::{bounded, unbounded};
use proptest::prelude::*;
use squall::driver::sim::{Outage, PeerBooks, SimDriver};
use squall::stats::snapshot::Snapshot;
use squall::stats::summary::{Summary, SummaryBuilder};
use squall::units::Nanos;
use squall::worker::channel::{Channel, Connected, Control, Finished, Message, NextWindow};

use crate::conservation::world;
use crate::harness::probe::{Probe, Quirks};
use crate::harness::workers;
use crate::world::{World, ms, secs};

/// What came of one window.
struct Told {
    summary: Summary,
    finished: Finished,
    /// When its load began.
    start: Nanos,
    /// The peer's books when it was over.
    peer: PeerBooks,
}

/// Runs the windows of `worlds` one after the other on one worker, whose peer is the first one's.
fn run(worlds: &[World]) -> Vec<Told> {
    let first = &worlds[0];
    let plan = first.plan();
    let most = worlds.iter().map(|world| world.worker.connections).max().unwrap();
    let base = workers::WorkerConfig { connections: most, ..first.worker_config() };
    let driver = SimDriver::new(workers::plain_driver_config(&plan, &base), first.sim_script(&plan));
    let (control, report) = (Control::new(), Rc::default());
    let (out, messages) = unbounded();
    let (give, emptied) = unbounded();
    let (orders, windows) = bounded(1);
    let channel = Channel { out, emptied };
    let told = RefCell::new(Vec::<Told>::new());
    let quirks = Quirks { end_by: None, stop_at: None, spins: true, ..first.quirks };
    let mut orders = Some(orders);
    let mut builder = SummaryBuilder::new(first.rate.is_some());
    let mut start = Nanos::ZERO;
    let lead = |now: Nanos, peer: PeerBooks| {
        for (_, message) in messages.try_iter() {
            let at = told.borrow().len();
            match message {
                Message::Connected(Connected::Tried(tried)) => {
                    assert_eq!(
                        tried.tried, worlds[at].worker.connections,
                        "all of this window, and no other"
                    );
                    start = now + ms(1);
                    control.start(start);
                }
                Message::Connected(Connected::Lazy) => panic!("a pool opens its connections first"),
                Message::Interval(mut snapshot) => {
                    builder.push(&snapshot);
                    snapshot.clear();
                    let _ = give.send(snapshot);
                }
                Message::Finished(finished) => {
                    let next = worlds.get(at + 1);
                    let open = next.is_some_and(|next| next.rate.is_some());
                    let builder = std::mem::replace(&mut builder, SummaryBuilder::new(open));
                    let measured = finished.measured_until - start - worlds[at].worker.warmup;
                    let summary = builder.finish(measured, finished.in_flight, finished.backlog);
                    told.borrow_mut().push(Told { summary, finished: *finished, start, peer });
                    control.rewind();
                    match next {
                        Some(next) => {
                            let config = next.worker_config();
                            let load = workers::pool_config(&config, most);
                            let next = NextWindow { load, warmup: config.warmup, spin: config.spin };
                            orders.as_ref().unwrap().send(next).unwrap();
                        }
                        None => orders = None,
                    }
                }
                Message::Broken(cause) => panic!("the driver broke: {cause}"),
            }
        }
    };
    for _ in 0..3 {
        give.send(Snapshot::new(0)).unwrap();
    }
    let probe = Probe::new(driver, quirks, &control, &report).led_by(lead);
    let config = first.worker_config();
    workers::plain_worker(probe, plan, &config, most, &channel).serve(&control, &windows);
    told.into_inner()
}

fn check(worlds: &[World]) -> Result<(), TestCaseError> {
    let told = run(worlds);
    prop_assert_eq!(told.len(), worlds.len());
    let mut delivered = 0;
    for (world, told) in worlds.iter().zip(&told) {
        let (c, s) = (&told.summary.counts, &told.summary);
        prop_assert_eq!(s.conserved(), Ok(()));
        let (request_len, warm) = (u64::from(world.plan().request_len), world.worker.warmup > Nanos::ZERO);
        let own = told.peer.delivered - delivered;
        delivered = told.peer.delivered;
        if warm {
            prop_assert!(c.completed <= own, "{} of {own}", c.completed);
        } else {
            prop_assert_eq!(c.completed, own, "what the peer delivered in this window");
            prop_assert_eq!(c.sent_bytes, (c.started + c.resent) * request_len);
            prop_assert!(c.completed_in_window <= c.completed);
        }
        // Whatever was begun before could only be older than the window.
        let age = told.finished.measured_until + world.worker.drain + ms(40) - told.start;
        prop_assert!(s.latency.response_time.max() <= age, "{} in {age}", s.latency.response_time.max());
        prop_assert_eq!(s.latency.service_time.len(), c.completed);
        prop_assert_eq!(s.latency.start_lag.len(), c.started);
        prop_assert_eq!(c.status.total(), c.completed);
        prop_assert_eq!(c.errors.total(), c.failed);
        if let Some(limit) = world.requests {
            prop_assert!(c.scheduled <= limit);
        }
        if let (Some(_), Some(duration), None) = (world.rate, world.worker.duration, world.requests) {
            prop_assert!(told.finished.gave_up || s.duration == duration, "{} of {duration}", s.duration);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_window_has_its_own_books_whatever_goes_wrong(
        mut worlds in prop::collection::vec(world(), 2..5), warmups in prop::collection::vec(0..60u64, 5),
    ) {
        let first = worlds[0].clone();
        for (world, warmup) in worlds.iter_mut().zip(warmups) {
            // The worker and its peer are the same throughout.
            world.pipeline = first.pipeline;
            world.worker.drain = first.worker.drain;
            world.worker.warmup = ms(warmup.saturating_sub(30));
            world.script = first.script.clone();
        }
        check(&worlds)?;
    }
}

/// A second of back-off, left by a window in which nothing could be connected to, outlasts the time of the next one's first attempts.
#[test]
fn a_window_tries_each_connection_whatever_back_off_the_one_before_has_left() {
    let mut world = World::closed().lasting(ms(1_100));
    world.worker.connect_timeout = ms(150);
    world.worker.drain = ms(10);
    world.script.outages = vec![Outage { from: Nanos::ZERO, length: ms(1_100) }];
    let told = run(&[world.clone(), world]);
    assert_eq!(told[0].summary.counts.completed, 0);
    assert_eq!(told[1].summary.counts.connects, 4);
    assert_eq!(told[1].summary.counts.connect_failures, 0);
}

/// Responses that take longer than the drain, to a window that is followed by one whose requests are answered at once.
#[test]
fn a_late_response_is_in_no_window() {
    let mut slow = World::closed().lasting(ms(100));
    slow.worker.drain = ms(10);
    slow.script.faults.late_responses = 0.5;
    slow.worker.timeout = secs(30);
    let told = run(&[slow.clone(), slow.clone(), slow]);
    for told in &told {
        assert_eq!(told.summary.latency.censored, 4, "every connection hits one sooner or later");
        assert_eq!(told.summary.counts.connects + told.finished.tls.handshakes, 4);
        assert!(told.summary.latency.service_time.max() < ms(110));
    }
}
