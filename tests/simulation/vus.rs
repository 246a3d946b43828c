//! Scenarios in virtual time: k6's executors to the letter, and books that balance whatever the peer does.

use std::cell::RefCell;
use std::rc::Rc;

use crossbeam_channel::unbounded;
use proptest::prelude::*;
use squall::driver::sim::{Service, SimDriver, SimFaults, SimScript};
use squall::http::response::Expect;
use squall::load::{Arrivals, RateStages, VuStages};
use squall::plan::check::Check;
use squall::plan::executors::{self, Pool};
use squall::plan::request_template::RequestTemplate;
use squall::plan::status::StatusSet;
use squall::plan::workload::{
    ArrivalPlan, ConnectionPolicy, CookiePolicy, Executor, Flow, Once, Origin, Scenario, Step, Think,
    Workload,
};
use squall::stats::outcome::ErrorKind;
use squall::stats::series::Figures;
use squall::stats::snapshot::Snapshot;
use squall::stats::summary::{Summary, SummaryBuilder};
use squall::stats::tally::ScenarioTally;
use squall::units::{Nanos, Rate};
use squall::worker::channel::{Channel, Control, Message};

use crate::harness::books::sum;
use crate::harness::probe::{Probe, Quirks};
use crate::harness::workers::{self, Scenarios};
use crate::world::{ms, secs, us};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n";

/// Steps of constant bytes, one flow of all of them, one scenario.
fn workload(executor: Executor, steps: usize, think: Think) -> Workload {
    let step = |n: usize| Step {
        name: format!("step-{n}").into(),
        origin: 0,
        open_url: None,
        method: "GET".into(),
        url: "http://peer/".into(),
        request: RequestTemplate::of_bytes(REQUEST),
        expect: Expect::Normal,
        timeout: secs(2),
        expected: StatusSet::default(),
        checks: vec![Check::parse("status==200").expect("a good one")],
        extracts: Vec::new(),
        redirects_max: 0,
        think,
        tags: Vec::new(),
    };
    Workload {
        origins: vec![Origin {
            name: "peer".into(),
            url: "http://peer/".parse().expect("a URL"),
            forward: None,
        }],
        steps: (0..steps).map(step).collect(),
        flows: vec![Flow { name: "all".into(), steps: (0..steps as u32).collect() }],
        scenarios: vec![Scenario {
            name: "only".into(),
            executor,
            start: Nanos::ZERO,
            graceful_stop: secs(30),
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

struct Course {
    summary: Summary,
    /// Users at the end of each interval of 100 ms.
    vus: Vec<u64>,
    delivered: u64,
}

impl Course {
    fn tally(&self) -> ScenarioTally {
        sum(&self.summary.tally.scenarios)
    }
}

/// Carries a workload out on `workers` workers, one after the other: they share nothing but the pots.
fn carry_out(workload: Workload, script: &SimScript, workers: u32) -> Course {
    let scenarios = Scenarios::new(workload);
    let (mut builder, mut in_flight, mut backlog) = (SummaryBuilder::new(true), 0, 0);
    let (mut vus, mut until, mut delivered) = (Vec::new(), Nanos::ZERO, 0);
    let start = script.start + ms(10);
    for worker in 0..workers {
        let config = scenarios.config(worker, workers);
        let driver = scenarios.driver_config(&config);
        let script = SimScript { request_len: Some(REQUEST.len() as u32), ..script.clone() };
        let (control, report) = (Control::new(), Rc::default());
        control.start(start);
        let (out, messages) = unbounded();
        let (give, emptied) = unbounded();
        for _ in 0..64 {
            give.send(Snapshot::new(worker)).expect("the receiver lives");
        }
        let channel = Channel { out, emptied };
        // N1: a worker without users spins until the load begins.
        let probe = Probe::new(SimDriver::new(driver, script), Quirks::default(), &control, &report);
        workers::run_users(probe, config, &channel, &control);
        drop(channel);
        delivered += RefCell::take(&report).books.delivered;
        for (_, message) in messages {
            match message {
                Message::Connected(_) => {}
                Message::Interval(snapshot) => {
                    vus.push(snapshot.vus);
                    builder.push(&snapshot);
                }
                Message::Finished(said) => {
                    in_flight += said.in_flight;
                    backlog += said.backlog;
                    until = until.max(said.measured_until);
                }
                Message::Broken(cause) => panic!("the driver broke: {cause}"),
            }
        }
    }
    Course { summary: builder.finish(until - start, in_flight, backlog), vus, delivered }
}

fn quiet(service: Nanos) -> SimScript {
    SimScript { service: Service::Constant(service), ..SimScript::default() }
}

/// Holds the books of requests and of iterations.
fn balance(course: &Course) -> Result<(), String> {
    course.summary.conserved()?;
    let (counts, tally) = (&course.summary.counts, course.tally());
    let judged = course.summary.tally.series().map(|(_, figures)| match figures {
        Figures::Rate(rate) => rate.passes + rate.fails,
        _ => 0,
    });
    let checks: u64 = judged.sum();
    let series: u64 = course.summary.tally.all_requests().map(|s| s.completed + s.failed).sum();
    let cut_off = counts.errors.of(ErrorKind::Unanswered);
    let judged = counts.completed + counts.failed - cut_off;
    let facts = [
        ("a response that was handed over counts", counts.completed == course.delivered),
        ("every response and failure is in a series", series == judged),
        ("and is judged", checks == judged),
        ("iterations end or are cut off", tally.started == tally.completed + tally.interrupted),
        ("latencies are complete", course.summary.latency.response_time.len() == counts.completed + cut_off),
        ("start lags too", course.summary.latency.start_lag.len() == counts.started),
    ];
    match facts.iter().find(|(_, holds)| !holds) {
        Some((fact, _)) => {
            Err(format!("not so: {fact}: {counts:?} {tally:?} {checks} {series} {}", course.delivered))
        }
        None => Ok(()),
    }
}

#[test]
fn shared_iterations_are_exact_over_any_number_of_workers() {
    for workers in [1, 2, 3, 7] {
        let executor = Executor::SharedIterations { vus: 5, iterations: 101, max_duration: secs(600) };
        let course = carry_out(workload(executor, 2, Think::None), &quiet(ms(3)), workers);
        balance(&course).unwrap();
        assert_eq!((course.tally().completed, course.tally().dropped), (101, 0), "{workers} workers");
        assert_eq!(course.summary.counts.completed, 202);
    }
}

#[test]
fn per_vu_iterations_are_exact_and_what_the_end_cuts_off_is_dropped() {
    let executor = |max_duration| Executor::PerVuIterations { vus: 4, iterations: 10, max_duration };
    for workers in [1, 3] {
        let course = carry_out(workload(executor(secs(600)), 1, Think::None), &quiet(ms(10)), workers);
        balance(&course).unwrap();
        assert_eq!((course.tally().completed, course.tally().dropped), (40, 0));
        // 10 ms and a little each: the fifth iteration is running when 45 ms are over, and is finished.
        let course = carry_out(workload(executor(ms(45)), 1, Think::None), &quiet(ms(10)), workers);
        balance(&course).unwrap();
        assert_eq!((course.tally().completed, course.tally().dropped), (20, 20));
    }
}

#[test]
fn constant_users_loop_until_the_end_and_finish_what_they_began() {
    let executor = Executor::ConstantVus { vus: 10, duration: secs(1) };
    let course = carry_out(workload(executor, 1, Think::Fixed(ms(90))), &quiet(ms(10)), 1);
    balance(&course).unwrap();
    // 100 ms and the cost of a few turns per iteration.
    assert!((90..=100).contains(&course.tally().completed), "{:?}", course.tally());
    assert_eq!(course.tally().interrupted, 0);
    assert!(course.vus[..9].iter().all(|vus| *vus == 10), "{:?}", course.vus);
}

#[test]
fn arrivals_are_exact_and_those_without_a_user_are_dropped() {
    let executor = |vus| Executor::ArrivalRate {
        arrivals: ArrivalPlan::Constant { rate: Rate::per_sec(1_000), process: Arrivals::Uniform, seed: 0 },
        duration: secs(2),
        stage_ends: vec![secs(2)],
        pre_allocated_vus: 1,
        max_vus: vus,
        max_backlog: 0,
        limit: None,
    };
    for workers in [1, 2] {
        let course = carry_out(workload(executor(50), 1, Think::None), &quiet(ms(10)), workers);
        balance(&course).unwrap();
        assert_eq!((course.tally().completed, course.tally().dropped), (2_000, 0));
        // 10 ms each: one user holds less than 100/s.
        let course = carry_out(workload(executor(workers), 1, Think::None), &quiet(ms(10)), workers);
        balance(&course).unwrap();
        let tally = course.tally();
        assert_eq!((tally.scheduled, tally.completed + tally.dropped), (2_000, 2_000));
        let held = 200 * u64::from(workers);
        assert!((held * 8 / 10..=held).contains(&tally.completed), "{tally:?}");
    }
}

#[test]
fn a_backlog_keeps_the_scheduled_time() {
    let executor = Executor::ArrivalRate {
        arrivals: ArrivalPlan::Constant { rate: Rate::per_sec(200), process: Arrivals::Uniform, seed: 0 },
        duration: secs(1),
        stage_ends: vec![secs(1)],
        pre_allocated_vus: 1,
        max_vus: 1,
        max_backlog: 1_000,
        limit: None,
    };
    let course = carry_out(workload(executor, 1, Think::None), &quiet(ms(10)), 1);
    balance(&course).unwrap();
    let summary = &course.summary;
    assert_eq!(course.tally().scheduled, 200);
    assert!(summary.backlog_at_end > 90, "{}", summary.backlog_at_end);
    assert!(summary.latency.response_time.max() > ms(400), "{:?}", summary.latency.response_time);
    assert!(summary.latency.service_time.max() < ms(12), "{:?}", summary.latency.service_time);
}

#[test]
fn a_ramping_rate_follows_its_integral() {
    let stages = RateStages::new(secs(1), 0, &[(secs(2), 1_000), (secs(1), 1_000), (secs(2), 0)]).unwrap();
    for workers in [1, 2, 5] {
        let executor = Executor::ArrivalRate {
            arrivals: ArrivalPlan::Ramping(stages.clone()),
            duration: stages.end(),
            stage_ends: vec![secs(2), secs(3), secs(5)],
            pre_allocated_vus: 50,
            max_vus: 50,
            max_backlog: 0,
            limit: None,
        };
        let course = carry_out(workload(executor, 1, Think::None), &quiet(ms(1)), workers);
        balance(&course).unwrap();
        let by_stage: Vec<u64> = course.summary.tally.scenarios.iter().map(|s| s.scheduled).collect();
        assert_eq!(by_stage, [1_000, 1_000, 1_000], "{workers} workers");
        assert_eq!(course.tally().completed, 3_000);
    }
}

/// k6 1.1.0: 20/s for a second are 21 iterations, 7 in 2 s are 4 within one, 3/s are 7 in two; a ramp from 10/s to nothing is 5.
#[test]
fn arrivals_of_scripts_are_as_many_as_in_k6() {
    let pool = Pool { pre_allocated: 5, max: 5, max_backlog: 0 };
    let constant = |count, per, span| {
        let arrivals =
            ArrivalPlan::Constant { rate: Rate { count, per }, process: Arrivals::Uniform, seed: 0 };
        executors::arrival_rate(arrivals, vec![span], pool)
    };
    for (executor, count) in [
        (constant(20, secs(1), secs(1)), 21),
        (constant(7, secs(2), secs(1)), 4),
        (constant(3, secs(1), secs(2)), 7),
        (executors::ramping_rate(secs(1), 10, &[(secs(1), 0)], pool).unwrap(), 5),
        (executors::ramping_rate(secs(1), 20, &[(secs(1), 20)], pool).unwrap(), 20),
    ] {
        for workers in [1, 2] {
            let executor = executors::with_k6_arrivals(executor.clone());
            let course = carry_out(workload(executor, 1, Think::None), &quiet(ms(1)), workers);
            balance(&course).unwrap();
            assert_eq!((course.tally().completed, course.tally().dropped), (count, 0), "{workers} workers");
        }
    }
}

#[test]
fn ramping_users_follow_the_line() {
    let stages = VuStages::new(0, &[(secs(2), 100), (secs(1), 100), (secs(2), 0)]).unwrap();
    let executor = Executor::RampingVus {
        stages: stages.clone(),
        stage_ends: vec![secs(2), secs(3), secs(5)],
        graceful_ramp_down: secs(30),
    };
    let course = carry_out(workload(executor, 1, Think::Fixed(ms(10))), &quiet(ms(1)), 1);
    balance(&course).unwrap();
    for (n, vus) in course.vus.iter().enumerate().take(49) {
        let wanted = stages.at(ms(100 * (n as u64 + 1)));
        assert!(vus.abs_diff(wanted) <= 2, "interval {n}: {vus} users, the line has {wanted}");
    }
    assert_eq!(course.tally().interrupted, 0, "all had time to finish");
}

#[test]
fn what_outlasts_the_graceful_stop_is_cut_off() {
    let executor = Executor::ConstantVus { vus: 3, duration: ms(100) };
    let mut workload = workload(executor, 1, Think::None);
    workload.scenarios[0].graceful_stop = ms(50);
    let course = carry_out(workload, &quiet(secs(1)), 1);
    balance(&course).unwrap();
    assert_eq!((course.tally().completed, course.tally().interrupted), (0, 3));
    assert_eq!((course.summary.in_flight_at_end, course.summary.latency.censored), (0, 3));
    assert_eq!(course.summary.counts.errors.of(ErrorKind::Unanswered), 3);
    assert!(course.summary.duration < ms(160), "{}", course.summary.duration);
}

#[test]
fn scenarios_run_side_by_side_each_from_its_start() {
    let executor = || Executor::PerVuIterations { vus: 2, iterations: 5, max_duration: secs(600) };
    let mut all = workload(executor(), 1, Think::None);
    let later = workload(executor(), 1, Think::None).scenarios.remove(0);
    all.scenarios.push(Scenario { name: "later".into(), start: secs(1), ..later });
    let course = carry_out(all, &quiet(ms(10)), 1);
    balance(&course).unwrap();
    assert_eq!(course.tally().completed, 20);
    assert!(course.vus[2] == 0 && course.vus[8] == 0, "{:?}", course.vus);
    assert!(course.summary.duration > secs(1));
}

fn faults() -> impl Strategy<Value = SimFaults> {
    let rare = || prop_oneof![3 => Just(0.0), 2 => 0.0..0.03f64, 1 => 0.0..0.3f64];
    let first = (rare(), rare(), rare(), rare(), rare(), rare());
    let second = (rare(), rare(), rare(), rare(), prop::option::weighted(0.3, 1..50u64));
    (first, second).prop_map(|(a, b)| SimFaults {
        connect_refused: a.0,
        connect_slow: a.1,
        reset_before_response: a.2,
        reset_mid_response: a.3,
        eof_mid_response: a.4,
        garbage: a.5,
        late_responses: b.0,
        split_responses: b.1,
        buffer_starvation: b.2,
        stale_completions: b.3,
        close_after_n: b.4,
        ..SimFaults::default()
    })
}

fn executors() -> impl Strategy<Value = Executor> {
    let some = || 1..20u32;
    prop_oneof![
        (some(), 20..300u64).prop_map(|(vus, d)| Executor::ConstantVus { vus, duration: ms(d) }),
        (some(), 1..200u64, 20..300u64).prop_map(|(vus, iterations, d)| Executor::SharedIterations {
            vus,
            iterations,
            max_duration: ms(d)
        }),
        (some(), 1..30u64, 20..300u64).prop_map(|(vus, iterations, d)| Executor::PerVuIterations {
            vus,
            iterations,
            max_duration: ms(d)
        }),
        (prop::collection::vec((10..100u64, 0..20u64), 1..5), 0..100u64).prop_map(|(stages, down)| {
            let stages: Vec<_> = stages.into_iter().map(|(d, to)| (ms(d), to)).collect();
            let (mut at, mut stage_ends) = (Nanos::ZERO, Vec::new());
            for (span, _) in &stages {
                at += *span;
                stage_ends.push(at);
            }
            let stages = VuStages::new(1, &stages).expect("good stages");
            Executor::RampingVus { stages, stage_ends, graceful_ramp_down: ms(down) }
        }),
        (1..5_000u64, 20..300u64, some(), some(), 0..100u64).prop_map(|(rate, d, vus, more, max_backlog)| {
            Executor::ArrivalRate {
                arrivals: ArrivalPlan::Constant {
                    rate: Rate::per_sec(rate),
                    process: Arrivals::Poisson,
                    seed: rate,
                },
                duration: ms(d),
                stage_ends: vec![ms(d)],
                pre_allocated_vus: vus,
                max_vus: vus + more,
                max_backlog,
                limit: None,
            }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn the_books_balance_whatever_happens(
        faults in faults(),
        executor in executors(),
        seed: u64,
        steps in 1..4usize,
        think in 0..20_000u64,
        service in 1..20_000u64,
        graceful in 0..200u64,
        keep in prop::option::weighted(0.3, 1..4u32),
        workers in 1..4u32,
    ) {
        let mut workload = workload(executor, steps, Think::Between(Nanos::ZERO, us(think)));
        workload.scenarios[0].graceful_stop = ms(graceful);
        workload.connections.requests_max = keep;
        let script = SimScript { seed, faults, service: Service::Exponential(us(service)), ..SimScript::default() };
        let course = carry_out(workload, &script, workers);
        prop_assert_eq!(balance(&course), Ok(()));
    }
}
