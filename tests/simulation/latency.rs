//! What is reported is what happened: known service times come back, and waiting is not left out.

use squall::driver::sim::Service;
use squall::stats::histogram::Histogram;
use squall::units::Nanos;

use crate::world::{World, ms, secs, us};

/// A percentile that is `share` of the truth away from `expected`, or the cost of two turns.
fn near(histogram: &Histogram, percent: f64, expected: Nanos, share: f64) {
    let found = histogram.percentile(percent);
    let slack = share * expected.0 as f64 + 2_000.0;
    let off = (found.0 as f64 - expected.0 as f64).abs();
    assert!(off <= slack, "p{percent}: {found} instead of {expected}");
}

#[test]
fn a_constant_service_time_comes_back() {
    for delay in [us(20), us(100), ms(5), ms(700)] {
        for world in [World::open(200).connections(200), World::closed().connections(1)] {
            let told = world.service(Service::Constant(delay)).lasting(secs(5)).run();
            let latency = &told.summary.latency;
            for percent in [0.0, 50.0, 99.0, 100.0] {
                near(&latency.service_time, percent, delay, 0.001);
                near(&latency.response_time, percent, delay, 0.001);
                near(&latency.first_byte, percent, delay, 0.001);
            }
            assert!(latency.start_lag.max() <= us(2), "{latency:?}");
            assert!(latency.pickup_lag.max() <= us(2), "{latency:?}");
        }
    }
}

#[test]
fn a_uniform_service_time_comes_back() {
    let world = World::open(5_000).connections(200).lasting(secs(20));
    let told = world.service(Service::Uniform(ms(2), ms(10))).run();
    for (percent, expected) in [(10.0, us(2_800)), (50.0, ms(6)), (90.0, us(9_200)), (99.0, us(9_920))] {
        near(&told.summary.latency.response_time, percent, expected, 0.02);
        near(&told.summary.latency.service_time, percent, expected, 0.02);
    }
    assert!(told.summary.latency.service_time.min() >= us(1_998));
    assert!(told.summary.latency.service_time.max() <= us(10_015));
}

#[test]
fn an_exponential_service_time_comes_back() {
    let world = World::open(5_000).connections(500).lasting(secs(20));
    let told = world.service(Service::Exponential(ms(3))).run();
    // The quantile function of the exponential distribution is -ln(1 - q) times the mean.
    for percent in [10.0, 50.0, 90.0, 99.0, 99.9] {
        let factor = -(1.0 - percent / 100.0f64).ln();
        let expected = Nanos((3e6 * factor) as u64);
        // 100,000 values: some five standard errors of each quantile.
        let share = if percent > 99.5 { 0.08 } else { 0.05 };
        near(&told.summary.latency.service_time, percent, expected, share);
    }
    let mean = told.summary.latency.service_time.mean();
    assert!((2.94e6..3.06e6).contains(&mean), "{mean}");
}

/// A peer that stands still for a second in every five. A request that should have started in the
/// stall has waited, whether it was sent or not.
#[test]
fn a_stall_shows_in_the_response_time_and_not_in_the_service_time() {
    let stall = Service::Stall { base: ms(1), every: secs(5), length: secs(1) };
    let world = World::open(2_000).service(stall).connections(50).lasting(secs(20));
    let told = world.run();
    told.check(&world).unwrap();
    let latency = &told.summary.latency;
    assert_eq!(told.counts().completed, 40_000);
    // A fifth of the arrivals wait evenly long up to a second: 1 % of all for more than 950 ms.
    near(&latency.response_time, 99.0, ms(950), 0.01);
    // Behind the stall the 1,000 arrivals before this one take another 20 ms.
    near(&latency.response_time, 90.0, ms(520), 0.01);
    assert!(latency.service_time.percentile(99.0) <= us(1_100), "{latency:?}");
    assert!(latency.service_time.max() >= ms(990));
    // Less than that by the 25 ms in which 50 connections took requests that were sent in time.
    near(&latency.start_lag, 99.0, ms(928), 0.01);
    assert!(latency.pickup_lag.max() <= us(5), "the worker itself was never late: {latency:?}");
    // Means add up: response time is start lag and service time.
    let sum = latency.start_lag.mean() + latency.service_time.mean();
    assert!((sum / latency.response_time.mean() - 1.0).abs() < 0.002, "{latency:?}");
}

/// The same stall in the closed model: each connection waits once, and nobody else does.
#[test]
fn the_closed_model_sees_a_stall_once_per_connection() {
    let stall = Service::Stall { base: ms(1), every: secs(5), length: secs(1) };
    let told = World::closed().service(stall).connections(50).lasting(secs(5)).run();
    let latency = &told.summary.latency;
    assert!(latency.response_time.percentile(99.0) <= us(3_100), "{latency:?}");
    assert!(latency.response_time.max() >= ms(998));
    assert_eq!(latency.response_time, latency.service_time);
}

/// Time that passes within a turn belongs to the worker's own lateness, and shows as such.
#[test]
fn a_slow_worker_is_late_by_its_own_figures() {
    let mut world = World::open(1_000).lasting(secs(1));
    world.script.turn_cost = us(1_300);
    let latency = world.run().summary.latency;
    assert!(latency.pickup_lag.max() >= ms(1), "{latency:?}");
    assert!(latency.start_lag.max() >= ms(1), "{latency:?}");
}

#[test]
fn spinning_and_sleeping_report_the_same() {
    let mut world = World::open(500).service(Service::Constant(us(300))).lasting(ms(100));
    let asleep = world.run();
    world.worker.spin = true;
    let spinning = world.run();
    spinning.check(&world).unwrap();
    assert_eq!(asleep.counts().completed, spinning.counts().completed);
    near(&spinning.summary.latency.response_time, 50.0, us(300), 0.001);
    assert!(spinning.finished.readings.turns > 100 * asleep.finished.readings.turns);
    assert!(spinning.finished.readings.busy < ms(1), "idle turns are not busy");
}
