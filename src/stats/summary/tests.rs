use proptest::prelude::*;

use super::*;
use crate::stats::histogram::Histogram;
use crate::stats::outcome::Sample;
use crate::stats::recorder::Recorder;

const SECOND: Nanos = Nanos(1_000_000_000);

/// An interval that ends at `end` and in which responses took these times.
fn interval(open_model: bool, end: Nanos, latencies: &[u64]) -> Snapshot {
    let mut recorder = Recorder::new(open_model);
    for &latency in latencies {
        let done = Nanos(latency);
        recorder.started(Nanos::ZERO, Nanos::ZERO);
        recorder.record(&Sample {
            scheduled: Nanos::ZERO,
            sent: Nanos(latency / 2),
            first_byte: if latency % 2 == 0 { done } else { Nanos(latency - 1) },
            done,
            status: 200,
        });
    }
    let mut snapshot = recorder.rotate(Snapshot::new(0));
    snapshot.end = end;
    snapshot.connections = end.0 % 7;
    snapshot
}

fn of(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|&v| histogram.record(Nanos(v)));
    histogram
}

fn point(i: u64, latencies: &[u64]) -> TimelinePoint {
    TimelinePoint {
        response_time: CompactHistogram::of(&of(latencies)),
        t: Nanos(i + 1),
        span: Nanos(1),
        requests: latencies.len() as u64,
        failed: i % 2,
        connections: i,
        vus: i,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However often the timeline was coarsened, each point says what one histogram of all its
    /// values says.
    #[test]
    fn percentiles_of_coarse_points_are_exact(
        runs in prop::collection::vec(prop::collection::vec(0u64..1_000_000_000, 0..4), 0..70),
        max in 1usize..9,
    ) {
        let mut timeline = Timeline::new(max);
        for (i, latencies) in runs.iter().enumerate() {
            let point = point(i as u64, latencies);
            timeline.push(&point);
        }
        let points = timeline.finish();
        prop_assert!(points.len() <= max);
        // Never coarser than need be.
        prop_assert!(runs.len() <= max || points.len() > max / 2);

        let mut start = 0;
        for point in &points {
            let end = point.t.0 as usize;
            let values = runs[start..end].concat();
            let expected = of(&values);
            prop_assert_eq!(point.span.0 as usize, end - start);
            prop_assert_eq!(point.requests as usize, values.len());
            prop_assert_eq!(point.failed as usize, (start..end).filter(|i| i % 2 == 1).count());
            prop_assert_eq!(&point.response_time, &CompactHistogram::of(&expected));
            prop_assert_eq!((point.connections, point.vus), (end as u64 - 1, end as u64 - 1));
            start = end;
        }
        prop_assert_eq!(start, runs.len());
    }

    #[test]
    fn the_summary_is_the_sum_of_its_intervals(
        runs in prop::collection::vec(prop::collection::vec(2u64..1_000_000_000, 0..6), 0..12),
        open_model: bool,
    ) {
        let mut builder = SummaryBuilder::new(open_model);
        let mut points = Vec::new();
        for (i, latencies) in runs.iter().enumerate() {
            let end = Nanos((i as u64 + 1) * SECOND.0);
            points.extend(builder.push(&interval(open_model, end, latencies)));
        }
        let all = runs.concat();
        prop_assert_eq!(builder.counts().completed, all.len() as u64);
        let summary = builder.finish(Nanos(runs.len() as u64 * SECOND.0), 0, 0);
        prop_assert_eq!(&summary.timeline, &points);

        let service: Vec<u64> = all.iter().map(|l| l - l / 2).collect();
        prop_assert_eq!(&summary.latency.service_time, &of(&service));
        let response = of(if open_model { &all } else { &service });
        prop_assert_eq!(&summary.latency.response_time, &response);
        prop_assert_eq!(summary.latency.start_lag.len(), all.len() as u64);
        prop_assert_eq!(summary.latency.first_byte.len(), all.len() as u64);
        for (point, latencies) in points.iter().zip(&runs) {
            let service: Vec<u64> = latencies.iter().map(|l| l - l / 2).collect();
            let expected = of(if open_model { latencies } else { &service });
            prop_assert_eq!(point.response_time.percentile(99.0), expected.percentile(99.0));
            prop_assert_eq!(point.span, SECOND);
        }
    }
}

#[test]
fn the_timeline_is_bounded_however_long_the_run() {
    const MAX: usize = 32;
    let mut timeline = Timeline::new(MAX);
    for i in 0..1_000 {
        timeline.push(&point(i, &[1_000_000]));
        let kept = timeline.points.len();
        assert!(kept <= MAX, "{kept} points after {i} intervals");
    }
    let points = timeline.finish();
    assert!((MAX / 2..=MAX).contains(&points.len()));
    assert_eq!(points.iter().map(|p| p.requests).sum::<u64>(), 1_000);
    assert_eq!(points.last().map(|p| p.t), Some(Nanos(1_000)));
}

#[test]
fn the_rate_is_that_of_the_window() {
    let mut builder = SummaryBuilder::new(false);
    let mut snapshot = interval(false, SECOND, &[1_000; 10]);
    snapshot.counts.completed_in_window = 8;
    builder.push(&snapshot);
    let summary = builder.finish(Nanos(SECOND.0 * 2), 0, 0);
    assert_eq!(summary.requests_per_s(), 4.0);
    assert_eq!(SummaryBuilder::new(false).finish(Nanos::ZERO, 0, 0).requests_per_s(), 0.0);
}

#[test]
fn an_empty_run_has_an_empty_summary() {
    let summary = SummaryBuilder::new(true).finish(SECOND, 0, 0);
    assert!(summary.timeline.is_empty() && summary.latency.response_time.is_empty());
    assert_eq!(summary.conserved(), Ok(()));
}

#[test]
fn what_was_lost_is_named_with_its_figures() {
    let mut builder = SummaryBuilder::new(true);
    let mut snapshot = Snapshot::new(0);
    let counts = &mut snapshot.counts;
    (counts.scheduled, counts.started, counts.dropped) = (100, 80, 15);
    (counts.completed, counts.failed) = (70, 7);
    builder.push(&snapshot);
    let mut summary = builder.finish(SECOND, 3, 5);
    assert_eq!(summary.conserved(), Ok(()));

    summary.in_flight_at_end = 2;
    let lost = summary.conserved().unwrap_err();
    assert_eq!(lost, "started 80 is not completed 70 + failed 7 + in flight at the end 2 = 79");

    (summary.in_flight_at_end, summary.backlog_at_end) = (3, 6);
    let invented = summary.conserved().unwrap_err();
    assert_eq!(invented, "scheduled 100 is not started 80 + dropped 15 + backlog at the end 6 = 101");
}
