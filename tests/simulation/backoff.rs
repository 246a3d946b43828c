//! A peer that refuses, or accepts and hangs up, is neither hammered nor lets the schedule slip.

use squall::driver::sim::SimFaults;
use squall::stats::outcome::ErrorKind;
use squall::units::Nanos;

use crate::world::{Told, World, ms, secs};

/// The most attempts that one slot made within any second.
fn attempts_in_a_second(told: &Told, slot: u32) -> usize {
    let times: Vec<Nanos> =
        told.seen.attempts.iter().filter(|(_, of)| *of == slot).map(|(at, _)| *at).collect();
    let within = |from: &Nanos| times.iter().filter(|at| **at >= *from && **at < *from + secs(1)).count();
    times.iter().map(within).max().unwrap_or(0)
}

fn bounded(told: &Told, world: &World) {
    for slot in 0..world.worker.connections {
        let most = attempts_in_a_second(told, slot);
        // 1, 2, 4, … 512 ms: ten pauses in the first second.
        assert!((1..=12).contains(&most), "slot {slot}: {most} attempts in a second");
    }
}

fn refusing() -> SimFaults {
    SimFaults { connect_refused: 1.0, ..SimFaults::default() }
}

#[test]
fn a_refusing_peer_does_not_stop_the_schedule() {
    let mut world = World::open(2_000).faults(refusing()).lasting(secs(3));
    world.worker.max_backlog = 1_000;
    let told = world.run();
    told.check(&world).unwrap();
    bounded(&told, &world);
    let c = told.counts();
    assert_eq!((c.scheduled, c.started, c.dropped), (6_000, 0, 5_000));
    assert_eq!(told.summary.backlog_at_end, 1_000);
    assert_eq!(c.connect_errors.of(ErrorKind::Connect), c.connect_failures);
    assert!(told.summary.latency.pickup_lag.max() <= ms(1));
}

#[test]
fn a_peer_that_hangs_up_is_not_hammered() {
    for mut world in [World::open(2_000), World::closed(), World { pipeline: 8, ..World::open(50) }] {
        world.quirks.hang_up = true;
        world.worker.duration = Some(secs(3));
        world.worker.max_backlog = 10;
        let told = world.run();
        told.check(&world).unwrap();
        bounded(&told, &world);
        assert_eq!(told.counts().completed, 0);
        assert_eq!(told.counts().scheduled, world.rate.map_or(0, |rate| 3 * rate.count));
    }
}

#[test]
fn a_peer_that_takes_requests_and_resets_is_not_hammered() {
    let faults = SimFaults { reset_before_response: 1.0, ..SimFaults::default() };
    for world in [World::open(100), World::closed()] {
        let world = world.faults(faults).lasting(secs(3));
        let told = world.run();
        told.check(&world).unwrap();
        bounded(&told, &world);
        assert_eq!(told.counts().errors.of(ErrorKind::Reset), told.counts().failed);
        assert!(told.counts().failed >= 40, "{}", told.brief());
    }
}

/// One response and a close is a peer that works: it is met again at once.
#[test]
fn a_peer_that_closes_after_each_response_keeps_its_rate() {
    let faults = SimFaults { close_after_n: Some(1), ..SimFaults::default() };
    let world = World::open(1_000).faults(faults).lasting(secs(1));
    let told = world.run();
    told.check(&world).unwrap();
    assert_eq!((told.counts().completed, told.counts().failed), (1_000, 0));
    assert!(told.counts().reconnects >= 999);
    assert!(told.summary.latency.response_time.max() < ms(1), "{:?}", told.summary.latency);
}

#[test]
fn without_an_end_in_time_a_peer_that_never_answers_is_given_up() {
    let mut world = World { requests: Some(100), ..World::closed().faults(refusing()) };
    world.worker.duration = None;
    let told = world.run();
    told.check(&world).unwrap();
    assert!(told.finished.gave_up);
    assert_eq!(told.counts().started, 0);
    assert!(told.seen.ended_at <= told.open + world.worker.connect_timeout.max(ms(1_000)) + ms(50));
}
