//! How a run ends: after exactly so many requests, or when it is told to.

use proptest::prelude::*;
use squall::driver::sim::{Service, SimFaults};
use squall::stats::outcome::ErrorKind;
use squall::units::Nanos;

use crate::world::{World, ms, secs, us};

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_limit_is_exact(
        n in 1..500u64, connections in 1..30u32, pipeline in 1..=16u16, tick in 0..900u64, late in 0..400u64,
    ) {
        let mut world = World { pipeline, requests: Some(n), ..World::closed().connections(connections) };
        world.worker.duration = None;
        world.quirks.tick = Nanos(tick);
        world.quirks.sent_late = us(late);
        let told = world.run();
        prop_assert_eq!(told.check(&world), Ok(()));
        prop_assert_eq!((told.counts().started, told.counts().completed), (n, n));
        prop_assert_eq!((told.books().requests, told.books().responses), (n, n));
        prop_assert_eq!(told.counts().completed_in_window, n);
    }

    /// What was given to a connection that was lost before it could send is not used up.
    #[test]
    fn a_request_limit_is_exact_when_connections_are_lost(
        seed: u64, n in 1..500u64, pipeline in 1..=16u16, open: bool, late in 0..400u64,
    ) {
        let faults = SimFaults {
            short_sends: 0.2,
            reset_before_response: 0.03,
            reset_mid_response: 0.03,
            eof_mid_response: 0.03,
            garbage: 0.02,
            late_responses: 0.01,
            split_responses: 0.2,
            stale_completions: 0.3,
            close_after_n: Some(20),
            ..SimFaults::default()
        };
        let world = if open { World::open(5_000) } else { World::closed() };
        let mut world = World { pipeline, requests: Some(n), ..world.faults(faults) };
        world.script.seed = seed;
        world.worker.duration = None;
        world.worker.timeout = ms(100);
        world.quirks.sent_late = us(late);
        let told = world.run();
        prop_assert_eq!(told.check(&world), Ok(()));
        prop_assert_eq!(told.counts().started, n, "{}", told.brief());
        prop_assert_eq!(told.counts().completed + told.counts().failed, n, "{}", told.brief());
    }

    /// Told to stop at any point of any phase, the worker sends no more, waits for what is in
    /// flight, and its books balance.
    #[test]
    fn a_stop_is_followed_at_once(
        at_us in 0..900_000u64, open: bool, pipeline in 1..4u16, warmup in 0..2u64, limit: bool, service in 1..40u64,
    ) {
        let world = if open { World::open(3_000) } else { World::closed() };
        let mut world = World { pipeline, ..world.service(Service::Constant(ms(service))) };
        world.worker.connect_timeout = ms(100); // the load begins after 200 ms, warm-up or not
        world.worker.warmup = ms(200 * warmup);
        world.worker.duration = Some(ms(500));
        world.requests = limit.then_some(1_000_000);
        let stop_at = world.script.start + us(at_us);
        world.quirks.stop_at = Some(stop_at);
        let told = world.run();
        prop_assert_eq!(told.summary.conserved(), Ok(()));
        if warmup == 0 {
            prop_assert_eq!(told.check(&world), Ok(()));
        }
        prop_assert!(told.seen.last_send <= stop_at + ms(21), "{} after", told.seen.last_send - stop_at);
        prop_assert!(told.seen.ended_at <= stop_at + ms(21 + 20 + service), "{:?}", told.seen.ended_at);
        prop_assert_eq!(told.summary.in_flight_at_end, 0);
        // It is seen within 20 ms.
        if stop_at + ms(21) < told.open {
            prop_assert_eq!(told.counts().scheduled, 0);
        }
    }
}

#[test]
fn a_request_that_the_drain_does_not_wait_for_is_unanswered() {
    let mut world = World::closed().service(Service::Constant(ms(150))).connections(10);
    world.worker.drain = ms(10);
    let told = world.run();
    told.check(&world).unwrap();
    // Answered at 150 ms, sent again, and the run ends at 210 ms.
    let latency = &told.summary.latency;
    assert_eq!((told.counts().completed, told.summary.in_flight_at_end), (10, 0));
    assert_eq!((told.counts().errors.of(ErrorKind::Unanswered), latency.censored), (10, 10));
    assert!(
        latency.response_time.min() >= ms(59) && latency.service_time.len() == 10,
        "{}",
        latency.response_time.min()
    );
    assert!(told.seen.ended_at <= told.open + ms(211));
    world.worker.drain = secs(1);
    let told = world.run();
    assert_eq!((told.counts().completed, told.counts().completed_in_window), (20, 10));
    assert!(told.seen.ended_at <= told.open + ms(321), "the drain ends with the last response");
}
