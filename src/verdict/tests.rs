use proptest::prelude::*;

use super::*;
use crate::report::sample;

/// A run without blemish: one worker, half busy, 1,000 responses of about 500 µs.
fn sound(open_model: bool) -> (Readings, Summary) {
    let worker = WorkerReadings {
        core: 3,
        user_cpu: Nanos::from_millis(200),
        system_cpu: Nanos::from_millis(800),
        wall: Nanos::from_secs(2),
        busy: Nanos::from_millis(1_000),
        pinned: true,
        ..WorkerReadings::default()
    };
    let readings = Readings { workers: vec![worker], open_model, ..Readings::default() };
    (readings, sample::closed_summary())
}

#[test]
fn what_was_owed_and_not_begun_is_another_run() {
    let (mut readings, summary) = sound(false);
    let owed = Owed { what: "requests", asked: 1_000, begun: 1_000, all: true };
    readings.owed = Some(owed);
    assert_valid(&readings, &summary);
    readings.owed = Some(Owed { asked: 1_001, ..owed });
    let parts = ["only 1,000 of 1,001 requests", "99.9 %"];
    assert_only(&evaluate(&readings, &summary), Status::Invalid, &parts);
    readings.owed = Some(Owed { asked: 2_000, all: false, ..owed });
    let parts = ["only 1,000 of 2,000 requests", "50.0 %", "maxDuration"];
    assert_only(&evaluate(&readings, &summary), Status::Suspect, &parts);
}

#[test]
fn connections_that_did_not_stand_are_suspect() {
    let (mut readings, summary) = sound(false);
    let connections = Connections { asked: Some(50), least: 3, most: 50, mean: 45.0 };
    readings.connections = connections;
    assert_valid(&readings, &summary);
    readings.connections.mean = 7.2;
    let parts = ["7 of 50 connections", "3 to 50", "90.0 %"];
    assert_only(&evaluate(&readings, &summary), Status::Suspect, &parts);
    readings.connections.asked = None;
    assert_valid(&readings, &summary);
}

#[test]
fn what_was_never_answered_is_spoken_of() {
    let (mut readings, mut summary) = sound(false);
    let with = |summary: &mut Summary, kind, n: u64| {
        (0..n).for_each(|_| summary.counts.errors.add(kind));
        let counts = &mut summary.counts;
        (counts.failed, counts.started, counts.scheduled) =
            (counts.failed + n, counts.started + n, counts.scheduled + n);
    };
    with(&mut summary, ErrorKind::Unanswered, 1);
    assert_only(
        &evaluate(&readings, &summary),
        Status::Suspect,
        &["a request was still unanswered", "--drain"],
    );
    let (_, mut summary) = sound(false);
    readings.timeout = Some(Nanos::from_secs(10));
    readings.connections = Connections { asked: Some(50), least: 50, most: 50, mean: 50.0 };
    // Each of 50 connections has two seconds.
    with(&mut summary, ErrorKind::Timeout, 5);
    assert_valid(&readings, &summary);
    with(&mut summary, ErrorKind::Timeout, 40);
    let parts = ["within 10.00s", "90.0 %", "10.0 %"];
    assert_only(&evaluate(&readings, &summary), Status::Suspect, &parts);
    readings.timeout = Some(Nanos::from_millis(1));
    assert_valid(&readings, &summary);
    summary.duration = Nanos::ZERO;
    let of_no_time = evaluate(&readings, &summary);
    assert!(!of_no_time.reasons.iter().any(|reason| reason.contains("--timeout")), "{of_no_time:?}");
}

#[test]
fn the_words_are_those_of_the_text() {
    let labels = [Status::Valid, Status::Suspect, Status::Invalid].map(Status::label);
    assert_eq!(labels, ["VALID", "SUSPECT", "INVALID"]);
}

#[test]
fn a_worker_that_is_kept_from_its_core_is_suspect_in_every_model() {
    for open_model in [false, true] {
        let (mut readings, summary) = sound(open_model);
        // A thousand wake-ups of 3 us are no fault of anybody's.
        readings.workers[0].slices = 1_000;
        readings.workers[0].run_delay = Nanos::from_millis(100);
        assert_valid(&readings, &summary);
        readings.workers[0].run_delay = Nanos::from_millis(503);
        let kept = ["others ran", "1 of 1 workers", "core 3", "25.0 %", "5.0 %", "--cores"];
        assert_only(&evaluate(&readings, &summary), Status::Suspect, &kept);
        // One that mostly sleeps waits for less, and is as late.
        let worker = &mut readings.workers[0];
        (worker.user_cpu, worker.system_cpu) = (Nanos::from_millis(20), Nanos::from_millis(40));
        worker.run_delay = Nanos::from_millis(18);
        assert_valid(&readings, &summary);
        readings.workers[0].run_delay = Nanos::from_millis(63);
        let kept =
            ["others ran", "core 3 for 3.0 % of the time", "50.0 % of that in which", "at most 20.0 %"];
        assert_only(&evaluate(&readings, &summary), Status::Suspect, &kept);
        // Also where another one waited for longer, of more.
        let busy = WorkerReadings {
            core: 4,
            run_delay: Nanos::from_millis(83),
            ..sound(open_model).0.workers.remove(0)
        };
        readings.workers.push(busy);
        let kept =
            ["others ran", "1 of 2 workers", "core 3 for 3.0 % of the time", "50.0 % of that in which"];
        assert_only(&evaluate(&readings, &summary), Status::Suspect, &kept);
        readings.workers.pop();
        // More delay than time is not more than all of it.
        readings.workers[0].run_delay = Nanos::from_secs(9);
        assert_only(&evaluate(&readings, &summary), Status::Suspect, &["100.0 %"]);
    }
}

#[test]
fn a_quota_that_is_used_up_is_named() {
    let (mut readings, summary) = sound(false);
    readings.wall = Nanos::from_secs(2);
    readings.throttling = Throttling { periods: 20, throttled: 19, time: Nanos::from_millis(1_400) };
    let quota = ["CPU quota", "70.0 %", "19 of 20 periods", "cpuset"];
    assert_only(&evaluate(&readings, &summary), Status::Suspect, &quota);
    // What the worker itself waited is nearer to the truth, and one reason is enough.
    readings.workers[0].run_delay = Nanos::from_millis(1_200);
    assert_only(&evaluate(&readings, &summary), Status::Suspect, &["CPU quota", "60.0 %"]);
    readings.workers[0].run_delay = Nanos::ZERO;
    readings.throttling.time = Nanos::from_millis(40);
    assert_valid(&readings, &summary);
}

#[test]
fn a_worker_on_another_core_is_suspect() {
    let (mut readings, summary) = sound(true);
    readings.workers[0].ended_on = Some(3);
    assert_valid(&readings, &summary);
    readings.workers[0].ended_on = Some(1);
    let astray = ["1 of 1 workers", "core 3 was on core 1", "taskset"];
    assert_only(&evaluate(&readings, &summary), Status::Suspect, &astray);
    (readings.workers[0].ended_on, readings.workers[0].pinned) = (Some(3), false);
    assert_only(&evaluate(&readings, &summary), Status::Suspect, &["core 3 could not be pinned"]);
}

#[test]
fn waiting_for_memory_is_suspect() {
    let (mut readings, summary) = sound(false);
    readings.wall = Nanos::from_secs(2);
    readings.memory_stall = Nanos::from_millis(40);
    readings.workers[0].major_faults = 50;
    assert_valid(&readings, &summary);
    readings.workers[0].major_faults = 51;
    let faults = ["waited for storage 51 times", "26 page faults a second", "at most 10"];
    assert_only(&evaluate(&readings, &summary), Status::Suspect, &faults);
    let wall = std::mem::replace(&mut readings.workers[0].wall, Nanos::ZERO);
    let of_no_time = evaluate(&readings, &summary);
    assert!(!of_no_time.reasons.iter().any(|reason| reason.contains("storage")), "{of_no_time:?}");
    readings.workers[0].wall = wall;
    (readings.workers[0].major_faults, readings.memory_stall) = (0, Nanos::from_millis(500));
    let stalled = ["waited for memory", "25.0 %", "2.0 %", "lower -c"];
    assert_only(&evaluate(&readings, &summary), Status::Suspect, &stalled);
}

/// Asserts status and one reason, which has all of `parts`.
fn assert_only(verdict: &Verdict, status: Status, parts: &[&str]) {
    assert_eq!(verdict.status, status, "{verdict:?}");
    assert_eq!(verdict.reasons.len(), 1, "{verdict:?}");
    for part in parts {
        assert!(verdict.reasons[0].contains(part), "no `{part}` in {verdict:?}");
    }
}

fn assert_valid(readings: &Readings, summary: &Summary) {
    let verdict = evaluate(readings, summary);
    assert_eq!(verdict.status, Status::Valid, "{verdict:?}");
    assert!(verdict.reasons.is_empty());
}

#[test]
fn a_sound_run_is_valid() {
    for open_model in [false, true] {
        let (readings, summary) = sound(open_model);
        assert_valid(&readings, &summary);
    }
}

#[test]
fn a_failing_target_is_still_measured_validly() {
    let (readings, mut summary) = sound(true);
    (0..500).for_each(|_| summary.counts.errors.add(ErrorKind::Reset));
    summary.counts.failed += 500;
    summary.counts.started += 500;
    summary.counts.scheduled += 500;
    assert_valid(&readings, &summary);
}

#[test]
fn nothing_completed_is_invalid_and_names_the_cause() {
    let (readings, _) = sound(true);
    let mut summary = sample::empty_summary();
    assert_only(&evaluate(&readings, &summary), Status::Invalid, &["nothing completed", "longer"]);
    (0..9).for_each(|_| summary.counts.errors.add(ErrorKind::Timeout));
    let counts = &mut summary.counts;
    (counts.scheduled, counts.started, counts.failed) = (9, 9, 9);
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Invalid, &["nothing completed", "9 failed", "timeout"]);
}

#[test]
fn a_target_that_was_never_reached_is_named() {
    let (readings, _) = sound(false);
    let mut summary = sample::empty_summary();
    summary.counts.connect_failures = 1_200;
    (0..1_200).for_each(|_| summary.counts.connect_errors.add(ErrorKind::Connect));
    let never = ["no connection ever came about", "1,200 attempts failed", "connect", "running"];
    assert_only(&evaluate(&readings, &summary), Status::Invalid, &never);
    // The requests that wanted them do not hide it.
    (0..9).for_each(|_| summary.counts.errors.add(ErrorKind::Connect));
    let counts = &mut summary.counts;
    (counts.scheduled, counts.started, counts.failed) = (9, 9, 9);
    assert_only(&evaluate(&readings, &summary), Status::Invalid, &never);
    // Connections that came about and were of no use are another matter.
    summary.counts.connects = 1;
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Invalid, &["nothing completed: 9 requests", "9 of them: connect"]);
    let counts = &mut summary.counts;
    counts.errors = ErrorCounts::default();
    (counts.scheduled, counts.started, counts.failed) = (0, 0, 0);
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Invalid, &["0 requests started", "1,200 connections failed"]);
}

#[test]
fn requests_that_do_not_add_up_are_invalid() {
    let (readings, mut summary) = sound(false);
    summary.in_flight_at_end = 1;
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Invalid, &["lost or counted twice", "1000", "defect of squall"]);
}

#[test]
fn arrivals_must_be_sent() {
    let (readings, mut summary) = sound(true);
    summary.counts.scheduled = 1_010;
    summary.counts.dropped = 10;
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Suspect, &["10 of 1,010", "dropped", "-R"]);
    summary.counts.scheduled = 1_011;
    summary.counts.dropped = 11;
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Invalid, &["1,000 of 1,011", "98.9 %", "99.0 %", "11 were dropped"]);
    summary.counts.dropped = 0;
    summary.backlog_at_end = 11;
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Invalid, &["11 still waited"]);
}

/// As [`sound`], from a plan: 1,000 iterations of one request each.
fn flows() -> (Readings, Summary) {
    let (mut readings, summary) = sound(true);
    readings.iterations = Some(Arrivals { scheduled: 1_000, started: 1_000, ..Arrivals::default() });
    readings.keys = Keys::PLAN;
    (readings, summary)
}

/// A10: iterations were lost, while each request of the others was sent.
#[test]
fn scenarios_are_judged_in_iterations() {
    let (mut readings, mut summary) = flows();
    assert_valid(&readings, &summary);
    // 30 % dropped, and ten requests in each of the rest: 300 of 7,300 requests.
    readings.iterations = Some(Arrivals { scheduled: 1_000, started: 700, dropped: 300, waiting: 0 });
    let counts = &mut summary.counts;
    (counts.scheduled, counts.started, counts.completed, counts.dropped) = (7_300, 7_000, 7_000, 300);
    let verdict = evaluate(&readings, &summary);
    let parts =
        ["700 of 1,000 scheduled iterations", "70.0 %", "300 were dropped", "maxVUs", "preAllocatedVUs"];
    assert_only(&verdict, Status::Invalid, &parts);
    assert!(!verdict.reasons[0].contains("-c") && !verdict.reasons[0].contains("-R"), "{verdict:?}");
    // One per cent is borne, and told.
    readings.iterations = Some(Arrivals { scheduled: 1_000, started: 990, dropped: 10, waiting: 0 });
    let verdict = evaluate(&readings, &summary);
    assert_only(
        &verdict,
        Status::Suspect,
        &["10 of 1,000 scheduled iterations", "no user was free", "maxVUs"],
    );
    readings.iterations = Some(Arrivals { scheduled: 1_000, started: 980, dropped: 0, waiting: 20 });
    assert_only(&evaluate(&readings, &summary), Status::Invalid, &["20 still waited"]);
    readings.keys = Keys { users: "--vus", rate: "-R" };
    assert_only(&evaluate(&readings, &summary), Status::Invalid, &["lower -R, or raise --vus"]);
}

/// What executors without a schedule leave undone at their end no arrival has asked for.
#[test]
fn what_no_schedule_calls_for_is_no_arrival() {
    let (mut readings, mut summary) = flows();
    readings.iterations = Some(Arrivals::default());
    (summary.counts.scheduled, summary.counts.dropped) = (1_300, 300);
    assert_valid(&readings, &summary);
}

/// A11: the first request of a user waits for its connection and for TLS.
#[test]
fn connecting_is_no_lateness_of_users() {
    let late = Nanos::from_millis(20);
    let (mut readings, mut summary) = flows();
    summary.latency.start_lag = lags(600, late);
    assert_valid(&readings, &summary);
    // Their arrivals are picked up late all the same.
    summary.latency.pickup_lag = lags(20, late);
    assert_only(
        &evaluate(&readings, &summary),
        Status::Suspect,
        &["the generator was late", "the plan's rate"],
    );
    readings.iterations = None;
    readings.keys = Keys::default();
    summary.latency.pickup_lag = lags(0, late);
    assert_only(&evaluate(&readings, &summary), Status::Suspect, &["raise -c, or lower -R"]);
}

#[test]
fn exhaustion_is_invalid_wherever_it_was_met() {
    let (readings, mut summary) = sound(false);
    summary.counts.connect_errors.add(ErrorKind::PortExhausted);
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Invalid, &["local ports once", "ip_local_port_range"]);
    let (readings, mut summary) = sound(false);
    (0..2).for_each(|_| summary.counts.connect_errors.add(ErrorKind::FdExhausted));
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Invalid, &["descriptors 2 times", "ulimit -n"]);
}

/// `late` of the 1,000 arrivals are late by `lag`, the others by 1 µs.
fn lags(late: u64, lag: Nanos) -> crate::stats::histogram::Histogram {
    let mut histogram = crate::stats::histogram::Histogram::new();
    histogram.record_n(Nanos::from_micros(1), 1_000 - late);
    histogram.record_n(lag, late);
    histogram
}

#[test]
fn the_generators_own_lateness_counts_against_it() {
    let late = Nanos::from_millis(2);
    let (readings, mut summary) = sound(true);
    summary.latency.pickup_lag = lags(600, late);
    summary.latency.start_lag = lags(600, late);
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Invalid, &["late throughout", "2.0", "1.000ms", "--wait spin"]);
    summary.latency.pickup_lag = lags(20, late);
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Suspect, &["the generator was late", "2.0", "1.000ms"]);
    summary.latency.pickup_lag = lags(0, late);
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Suspect, &["free connection", "slower than the rate", "raise -c"]);
    summary.latency.start_lag = lags(5, late);
    assert_valid(&readings, &summary);
}

#[test]
fn the_remedy_for_lateness_fits_the_way_of_waiting() {
    let (mut readings, mut summary) = sound(true);
    summary.latency.pickup_lag = lags(20, Nanos::from_millis(2));
    readings.spinning = true;
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Suspect, &["only 50.0 % of its core", "--cores"]);
    readings.workers[0].user_cpu = Nanos::from_millis(1_200);
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Suspect, &["more workers"]);
    assert!(!verdict.reasons[0].contains("--wait spin") && !verdict.reasons[0].contains("core:"));
}

#[test]
fn lateness_is_judged_against_the_response_time() {
    let (readings, mut summary) = sound(true);
    summary.latency.response_time.clear();
    summary.latency.response_time.record_n(Nanos::from_millis(50), 1_000);
    summary.latency.start_lag = lags(600, Nanos::from_millis(2));
    summary.latency.pickup_lag = lags(600, Nanos::from_millis(2));
    assert_valid(&readings, &summary);
    summary.latency.pickup_lag = lags(600, Nanos::from_millis(6));
    assert_eq!(evaluate(&readings, &summary).status, Status::Invalid);
}

#[test]
fn lateness_is_nothing_in_the_closed_model() {
    let (readings, mut summary) = sound(false);
    summary.latency.pickup_lag = lags(1_000, Nanos::from_secs(1));
    assert_valid(&readings, &summary);
}

#[test]
fn saturation_is_judged_by_model_and_way_of_waiting() {
    for (open_model, bound_ms) in [(true, 1_900), (false, 1_979)] {
        for spinning in [true, false] {
            let (mut readings, summary) = sound(open_model);
            readings.spinning = spinning;
            let load = |readings: &mut Readings, ms| {
                let worker = &mut readings.workers[0];
                let (measure, other) = (Nanos::from_millis(ms), Nanos::from_secs(2));
                // The measure that does not apply stands at its limit all the time.
                (worker.busy, worker.user_cpu) = if spinning { (measure, other) } else { (other, measure) };
                worker.system_cpu = Nanos::ZERO;
            };
            load(&mut readings, bound_ms);
            assert_valid(&readings, &summary);
            load(&mut readings, bound_ms + 1);
            let word = if open_model { "no room to spare" } else { "generator-bound" };
            assert_only(&evaluate(&readings, &summary), Status::Suspect, &[word, "core 3", "1 of 1"]);
        }
    }
}

#[test]
fn the_machine_is_judged() {
    type Change = fn(&mut Readings);
    let cases: [(Change, &[&str]); 5] = [
        (|r| r.workers[0].cq_overflows = 4, &["completion queues", "4 times"]),
        (|r| r.workers[0].buffer_starvations = 1, &["no free buffer once"]),
        (|r| r.steal_share = 0.031, &["hypervisor", "3.1 %", "2.0 %"]),
        (|r| r.shared_cores = vec![0, 1], &["cores 0, 1", "taskset"]),
        (|r| r.stopped_for = Nanos::from_millis(1_200), &["stood still for 1.200s", "100.0ms"]),
    ];
    for (change, parts) in cases {
        let (mut readings, summary) = sound(true);
        change(&mut readings);
        assert_only(&evaluate(&readings, &summary), Status::Suspect, parts);
    }
    let (mut readings, summary) = sound(true);
    readings.steal_share = 0.02;
    readings.stopped_for = Nanos::from_millis(100);
    assert_valid(&readings, &summary);
}

#[test]
fn the_worst_comes_first() {
    let (mut readings, mut summary) = sound(false);
    readings.shared_cores = vec![0];
    summary.counts.errors.add(ErrorKind::FdExhausted);
    summary.counts.failed = 1;
    summary.counts.started += 1;
    summary.counts.scheduled += 1;
    let verdict = evaluate(&readings, &summary);
    assert_eq!(verdict.status, Status::Invalid);
    assert!(verdict.reasons[0].contains("descriptors") && verdict.reasons[1].contains("core 0"));
}

#[test]
fn samples_that_the_load_waited_for_are_told() {
    let (mut readings, summary) = sound(false);
    readings.workers[0].samples_wait = Nanos::from_millis(500);
    assert_valid(&readings, &summary); // nobody asked for any: there is no such wait
    readings.samples = Some(Samples { place: "all.ndjson".into(), written: 1_000, error: None });
    let verdict = evaluate(&readings, &summary);
    assert_only(&verdict, Status::Suspect, &["--samples", "core 3", "25.0 %", "1.0 %", "faster disk"]);
    readings.workers[0].samples_wait = Nanos::from_millis(20);
    assert_valid(&readings, &summary);
}

#[test]
fn samples_that_are_incomplete_are_not_what_was_asked_for() {
    let (mut readings, summary) = sound(false);
    let error = Some("No space left on device".into());
    readings.samples = Some(Samples { place: "all.ndjson".into(), written: 1_234, error });
    let parts = ["all.ndjson", "incomplete", "1,234", "No space left", "--samples"];
    assert_only(&evaluate(&readings, &summary), Status::Invalid, &parts);
}

proptest! {
    /// No readings, however absurd, make it panic, print NaN, or give a verdict without reasons.
    #[test]
    fn any_readings_can_be_judged(
        times in prop::array::uniform4(any::<u64>()),
        counts in prop::array::uniform5(0..1u64 << 40),
        flags in prop::array::uniform2(any::<bool>()),
        steal_share in prop_oneof![Just(f64::NAN), Just(f64::INFINITY), 0.0..1.0f64],
    ) {
        let [user_cpu, system_cpu, wall, busy] = times.map(Nanos);
        let worker = WorkerReadings { user_cpu, system_cpu, wall, busy, ..WorkerReadings::default() };
        let readings = Readings {
            workers: vec![worker.clone(), WorkerReadings { wall: Nanos::ZERO, ..worker }],
            spinning: flags[0],
            open_model: flags[1],
            steal_share,
            ..Readings::default()
        };
        let mut summary = sample::empty_summary();
        let c = &mut summary.counts;
        [c.scheduled, c.started, c.completed, c.failed, c.dropped] = counts;
        let verdict = evaluate(&readings, &summary);
        prop_assert_eq!(verdict.status == Status::Valid, verdict.reasons.is_empty());
        for reason in &verdict.reasons {
            prop_assert!(!reason.contains("NaN") && !reason.contains("inf "), "{}", reason);
            prop_assert!(reason.contains(|c: char| c.is_ascii_digit()), "no figure: {}", reason);
        }
    }
}
