//! The schedule is kept: exactly so many arrivals, none before the window, none lost to a bound
//! without being counted.

use proptest::prelude::*;
use squall::driver::sim::Service;
use squall::load::{Arrivals, share};
use squall::units::Nanos;

use crate::world::{World, ms, secs, us};

#[test]
fn as_many_arrivals_as_rate_times_duration() {
    for (rate, duration, expected) in
        [(2_000, secs(3), 6_000), (7_919, ms(1_000), 7_919), (3, secs(10), 30), (1_000, us(1_001), 2)]
    {
        let world = World::open(rate).lasting(duration);
        let told = world.run();
        told.check(&world).unwrap();
        assert_eq!(told.counts().scheduled, expected, "{rate}/s for {duration}");
        assert_eq!(told.counts().completed, expected, "{}", told.brief());
        // The window is as long as asked for, even when the last arrival was answered long before.
        assert_eq!(told.summary.duration, duration);
    }
}

#[test]
fn a_poisson_process_has_its_rate() {
    let mut world = World::open(10_000).lasting(secs(10)).connections(50);
    world.arrivals = Arrivals::Poisson;
    let told = world.run();
    told.check(&world).unwrap();
    // Five standard deviations of a Poisson count of 100,000.
    assert!(told.counts().scheduled.abs_diff(100_000) < 1_600, "{}", told.brief());
}

/// Scheduled arrivals of each interval. Its edge belongs to the turn that comes upon it.
fn per_interval(world: &World) -> Vec<u64> {
    let told = world.run();
    told.check(world).unwrap();
    told.intervals.iter().map(|(counts, _)| counts.scheduled).collect()
}

#[test]
fn the_workers_together_keep_the_schedule_of_one() {
    for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
        for requests in [None, Some(1_234)] {
            // No arrival falls on an edge, where the turn's cost would decide whose it is.
            let mut whole = World { arrivals, requests, ..World::open(1_999) }.lasting(ms(950));
            whole.worker.interval = ms(100);
            let mut sum = vec![0; 10];
            for worker in 0..5 {
                let mut part = whole.clone();
                (part.worker.worker, part.worker.workers) = (worker, 5);
                per_interval(&part).iter().zip(&mut sum).for_each(|(n, sum)| *sum += n);
            }
            let alone = per_interval(&whole);
            assert_eq!(sum.iter().sum::<u64>(), alone.iter().sum::<u64>(), "{arrivals:?} {requests:?}");
            for (together, alone) in sum.iter().zip(&alone) {
                assert!(together.abs_diff(*alone) <= 1, "{arrivals:?} {requests:?}: {sum:?}");
            }
        }
    }
}

#[test]
fn a_worker_takes_its_share_of_a_request_limit() {
    for (worker, workers) in [(0, 3), (1, 3), (2, 3)] {
        let mut world = World { requests: Some(1_000), ..World::open(5_000) };
        (world.worker.worker, world.worker.workers, world.worker.duration) = (worker, workers, None);
        let told = world.run();
        told.check(&world).unwrap();
        assert_eq!(told.counts().completed, share(1_000, worker, workers));
        // The last arrival is due after 200 ms; with room in the window, that is when the run ends.
        world.worker.duration = Some(secs(10));
        let told = world.run();
        told.check(&world).unwrap();
        assert!((ms(199)..ms(201)).contains(&told.summary.duration), "{}", told.summary.duration);
    }
}

#[test]
fn warm_up_and_connecting_are_not_measured() {
    let window = ms(300);
    let mut world = World::open(1_000).lasting(window);
    world.script.connect_delay = ms(90);
    let plain = world.run();
    world.worker.warmup = ms(700);
    let warm = world.run();
    for told in [&plain, &warm] {
        assert_eq!(told.counts().scheduled, 300, "{}", told.brief());
        assert_eq!(told.counts().completed, 300, "{}", told.brief());
        assert_eq!(told.summary.conserved(), Ok(()));
        assert_eq!(told.summary.duration, window);
        let wall = told.finished.readings.wall;
        assert!((window..window + us(2)).contains(&wall), "the readings are of the window alone: {wall}");
        assert!(told.summary.latency.response_time.max() < ms(1));
        assert!(told.summary.latency.connect.min() >= ms(89));
    }
    // The peer saw the warm-up all the same.
    assert_eq!((plain.books().requests, warm.books().requests), (300, 1_000));
}

#[test]
fn what_the_warm_up_has_left_over_is_sent_and_not_measured() {
    // The peer stands still over the edge of the window.
    let service = Service::Stall { base: us(100), every: ms(1_000), length: ms(300) };
    let mut world = World::open(1_000).service(service).lasting(ms(600));
    world.worker.warmup = ms(300); // from 600 ms after the peer's start to 900 ms
    let told = world.run();
    assert_eq!(told.counts().scheduled, 600);
    assert_eq!(told.summary.conserved(), Ok(()));
    assert_eq!(told.books().requests, 900, "{}", told.brief());
    assert!(told.summary.latency.response_time.max() <= ms(110));
}

/// A closed warm-up leaves nothing behind that would count, whether time stands still within a turn
/// or passes, and whether sends report late or not.
#[test]
fn a_request_limit_is_exact_behind_a_warm_up() {
    for tick in [0, 50, 5_000] {
        for (pipeline, sent_late) in [(1, 0), (3, 0), (3, 120), (16, 60), (16, 700)] {
            for connections in [1, 7, 300] {
                let mut world = World { pipeline, requests: Some(250), ..World::closed() };
                world.worker.connections = connections;
                world.worker.duration = None;
                world.worker.warmup = ms(10);
                world.quirks.tick = Nanos(tick);
                world.quirks.sent_late = us(sent_late);
                let told = world.run();
                let context =
                    format!("tick {tick}, pipeline {pipeline}, late {sent_late} us: {}", told.brief());
                assert_eq!(told.counts().started, 250, "{context}");
                assert_eq!(told.counts().completed, 250, "{context}");
                assert_eq!(told.summary.conserved(), Ok(()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// A peer that stands still: what does not fit into the backlog is dropped, and counted.
    #[test]
    fn a_full_backlog_drops_and_counts(max_backlog in 0..60u64, connections in 1..8u32, pipeline in 1..4u16) {
        let mut world = World { pipeline, ..World::open(1_000) };
        world.script.service = Service::Constant(secs(60));
        world.worker.max_backlog = max_backlog;
        world.worker.connections = connections;
        world.worker.drain = Nanos::ZERO;
        world.worker.interval = ms(10);
        let told = world.run();
        prop_assert_eq!(told.check(&world), Ok(()));
        let started = u64::from(connections) * u64::from(pipeline);
        let c = told.counts();
        prop_assert_eq!((c.scheduled, c.started, c.completed), (200, started, 0));
        prop_assert_eq!(c.dropped, 200 - started - max_backlog);
        prop_assert_eq!((c.failed, told.summary.backlog_at_end), (started, max_backlog));
        prop_assert!(told.intervals.iter().all(|(_, backlog)| *backlog <= max_backlog));
    }
}
