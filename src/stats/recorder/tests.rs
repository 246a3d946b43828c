use super::*;
use crate::stats::histogram::Histogram;
use crate::stats::latencies::LatencySet;

const MS: u64 = 1_000_000;

/// Scheduled at 0; all other points in ms.
fn sample(sent: u64, first_byte: u64, done: u64) -> Sample {
    Sample {
        scheduled: Nanos::ZERO,
        sent: Nanos(sent * MS),
        first_byte: Nanos(first_byte * MS),
        done: Nanos(done * MS),
        status: 200,
    }
}

fn of_ms(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|&v| histogram.record(Nanos(v * MS)));
    histogram
}

/// Two whole responses and two in pieces, all started.
fn filled(open_model: bool) -> Snapshot {
    let mut recorder = Recorder::new(open_model);
    for (sent, first_byte, done) in [(1, 5, 5), (2, 7, 7), (3, 4, 9), (0, 6, 8)] {
        if open_model {
            recorder.picked_up(Nanos(MS));
        }
        recorder.started(Nanos::ZERO, Nanos(sent * MS));
        recorder.record(&sample(sent, first_byte, done));
    }
    recorder.rotate(Snapshot::new(0))
}

#[test]
fn open_model_measures_from_the_schedule() {
    let snapshot = filled(true);
    assert_eq!(snapshot.counts.scheduled, 4);
    let expected = LatencySet {
        response_time: of_ms(&[5, 7, 9, 8]),
        censored: 0,
        service_time: of_ms(&[4, 5, 6, 8]),
        start_lag: of_ms(&[1, 2, 3, 0]),
        pickup_lag: of_ms(&[1; 4]),
        connect: of_ms(&[]),
        tls_handshake: of_ms(&[]),
        first_byte: of_ms(&[4, 5, 1, 6]),
    };
    assert_eq!(snapshot.latencies.finish(true, 4), expected);
}

#[test]
fn what_was_begun_before_is_in_the_throughput_up_to_the_windows_end() {
    let mut recorder = Recorder::new(false);
    recorder.close_window_at(Nanos(10));
    [9, 10, 11].into_iter().for_each(|done| recorder.carried_over(Nanos(done)));
    recorder.secured(Nanos(MS));
    let snapshot = recorder.rotate(Snapshot::new(0));
    assert_eq!((snapshot.counts.completed_in_window, snapshot.counts.completed), (1, 0));
    assert_eq!(snapshot.latencies.finish(false, 0).tls_handshake, of_ms(&[1]));
}

#[test]
fn closed_model_has_one_latency_and_no_lag() {
    let snapshot = filled(false);
    assert_eq!(snapshot.counts.scheduled, 4);
    let expected = LatencySet {
        response_time: of_ms(&[4, 5, 6, 8]),
        censored: 0,
        service_time: of_ms(&[4, 5, 6, 8]),
        start_lag: of_ms(&[0; 4]),
        pickup_lag: of_ms(&[]),
        connect: of_ms(&[]),
        tls_handshake: of_ms(&[]),
        first_byte: of_ms(&[4, 5, 1, 6]),
    };
    assert_eq!(snapshot.latencies.finish(false, 4), expected);
}

#[test]
fn what_is_never_answered_has_an_age_and_no_service_time() {
    for open_model in [false, true] {
        let mut recorder = Recorder::new(open_model);
        recorder.started(Nanos::ZERO, Nanos(MS));
        recorder.unanswered(Nanos(70 * MS));
        let snapshot = recorder.rotate(Snapshot::new(0));
        assert_eq!((snapshot.counts.failed, snapshot.counts.errors.of(ErrorKind::Unanswered)), (1, 1));
        let set = snapshot.latencies.finish(open_model, 1);
        assert_eq!((set.response_time, set.censored), (of_ms(&[70]), 1));
        assert!(set.service_time.is_empty() && set.first_byte.is_empty());
    }
}

#[test]
fn a_whole_response_is_recorded_once_in_the_closed_model() {
    let mut recorder = Recorder::new(false);
    recorder.record(&sample(1, 5, 5));
    let latencies = recorder.rotate(Snapshot::new(0)).latencies;
    assert_eq!(latencies.whole.len(), 1);
    assert!(latencies.split_service.is_empty() && latencies.split_first_byte.is_empty());
    assert!(latencies.response_time.is_empty());
}

#[test]
fn the_window_ends_before_its_end() {
    let mut recorder = Recorder::new(false);
    recorder.close_window_at(Nanos(5 * MS));
    for done in [4, 5, 6] {
        recorder.record(&sample(0, done, done));
    }
    assert_eq!(recorder.counts.completed, 3);
    assert_eq!(recorder.counts.completed_in_window, 1);
    // The next interval knows of it as well.
    recorder.rotate(Snapshot::new(0));
    recorder.record(&sample(0, 7, 7));
    assert_eq!(recorder.counts.completed_in_window, 0);
}

#[test]
fn everything_has_its_counter() {
    let mut recorder = Recorder::new(true);
    recorder.failed(ErrorKind::Timeout);
    recorder.dropped();
    recorder.reached(Nanos(MS));
    recorder.secured(Nanos(2 * MS));
    recorder.connected();
    recorder.connect_failed(ErrorKind::PortExhausted);
    recorder.bytes_out(52);
    recorder.bytes_in(100);
    let counts = &recorder.counts;
    assert_eq!((counts.failed, counts.errors.of(ErrorKind::Timeout)), (1, 1));
    assert_eq!(counts.dropped, 1);
    assert_eq!(counts.connects, 1);
    assert_eq!(counts.connect_failures, 1);
    assert_eq!(counts.connect_errors.of(ErrorKind::PortExhausted), 1);
    assert_eq!((counts.sent_bytes, counts.received_bytes), (52, 100));
    let latencies = recorder.rotate(Snapshot::new(0)).latencies;
    assert_eq!(latencies.connect, of_ms(&[1]));
}

#[test]
fn rotating_starts_afresh_and_keeps_the_shell() {
    let mut recorder = Recorder::new(false);
    recorder.record(&sample(0, 1, 1));
    let first = recorder.rotate(Snapshot::new(7));
    assert_eq!((first.worker, first.counts.completed), (7, 1));
    assert_eq!(recorder.counts, Counts::default());
    assert_eq!(recorder.rotate(Snapshot::new(7)), Snapshot::new(7));
}

#[test]
fn points_in_the_wrong_order_are_zero_not_centuries() {
    let mut recorder = Recorder::new(true);
    recorder.started(Nanos(5), Nanos(3));
    recorder.record(&Sample {
        scheduled: Nanos(9),
        sent: Nanos(8),
        first_byte: Nanos(7),
        done: Nanos(7),
        status: 200,
    });
    let set = recorder.rotate(Snapshot::new(0)).latencies.finish(true, 1);
    for histogram in [set.response_time, set.service_time, set.first_byte, set.start_lag] {
        assert_eq!(histogram, of_ms(&[0]));
    }
}
