//! Responses that come too late.

use squall::driver::sim::{Service, SimFaults};
use squall::stats::outcome::ErrorKind;

use crate::world::{World, ms, secs, us};

#[test]
fn a_late_response_is_a_timeout_at_the_right_time() {
    // Responses take 200 ms, and 50 ms is the limit: each loop gets one failure per 50 ms, and a back-off.
    let mut world = World::closed().service(Service::Constant(ms(200)));
    world.worker.timeout = ms(50);
    world.worker.interval = ms(10);
    world.script.faults.stale_completions = 1.0;
    let told = world.run();
    told.check(&world).unwrap();
    let c = told.counts();
    assert_eq!(c.completed, 0);
    assert_eq!(c.errors.of(ErrorKind::Timeout), c.failed);
    let mut at = Vec::new();
    for (k, (counts, _)) in told.intervals.iter().enumerate() {
        at.extend(std::iter::repeat_n(k, counts.failed as usize));
    }
    // Sent at 0, at 51 (a back-off of 1 ms), at 103 (2 ms), at 157 (4 ms): all four connections alike.
    assert_eq!(at[..12], [4, 4, 4, 4, 10, 10, 10, 10, 15, 15, 15, 15], "{at:?}");
    assert_eq!(c.failed, 16, "the last ones fail in the drain");
    // Each connection that timed out was closed and replaced, and what came of the old one is stale.
    assert_eq!(c.reconnects, 12, "the last ones come too late");
    assert!(c.stale >= 12, "{}", c.stale);
    assert_eq!(told.summary.in_flight_at_end, 0);
}

#[test]
fn requests_behind_a_late_one_fail_with_it_and_the_run_goes_on() {
    let faults = SimFaults { late_responses: 0.01, stale_completions: 0.5, ..SimFaults::default() };
    let mut world = World::open(4_000).faults(faults).connections(20).lasting(secs(2));
    world.pipeline = 4;
    world.worker.timeout = ms(100);
    let told = world.run();
    told.check(&world).unwrap();
    let c = told.counts();
    assert_eq!(c.scheduled, 8_000);
    assert_eq!(c.errors.of(ErrorKind::Timeout), c.failed);
    assert!(c.failed >= told.books().late && c.failed <= 4 * told.books().late, "{}", told.brief());
    assert!(c.completed > 7_500 && c.reconnects > 40, "{}", told.brief());
    // No response is older than the limit, by the time the worker counts.
    assert!(told.summary.latency.service_time.max() <= ms(101));
}

#[test]
fn a_connection_attempt_has_its_own_limit() {
    let faults = SimFaults { connect_slow: 1.0, ..SimFaults::default() };
    let mut world = World::open(1_000).faults(faults);
    world.worker.connect_timeout = ms(30);
    let told = world.run();
    told.check(&world).unwrap();
    let c = told.counts();
    assert_eq!((c.connects, c.started, c.completed), (0, 0, 0));
    assert_eq!(c.connect_errors.of(ErrorKind::ConnectTimeout), c.connect_failures);
    assert_eq!(told.summary.backlog_at_end, 200);
    assert_eq!(told.connected.came_about, 0);
    assert_eq!(told.connected.last_failure, Some((ErrorKind::ConnectTimeout, None)));
    assert!(told.overtime() < us(1_000), "nothing to drain");
}
