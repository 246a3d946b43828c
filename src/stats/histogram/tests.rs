use proptest::prelude::*;

use super::*;

fn of(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|&v| histogram.record(Nanos(v)));
    histogram
}

/// Latencies of all magnitudes, the uninteresting and the impossible ones included.
fn latency() -> impl Strategy<Value = u64> {
    (0u32..50).prop_flat_map(|bits| 0..(2u64 << bits))
}

/// How far a reported value may be from the true one.
fn close(reported: Nanos, truth: u64) -> bool {
    let truth = truth.min(HIGHEST);
    reported.0.abs_diff(truth) <= (truth / 1_000).max(LOWEST)
}

#[test]
fn ranks_are_exact_where_binary_fractions_are_not() {
    for (percent, count, expected) in [
        (99.9, 1_000, 999),
        (99.9, 10_000, 9_990),
        (99.99, 10_000, 9_999),
        (99.0, 100, 99),
        (28.0, 25, 7),
        (50.0, 3, 2),
        (99.9, 1_001, 1_000),
        (0.0, 10, 1),
        (100.0, 10, 10),
        (99.999, 3, 3),
    ] {
        assert_eq!(rank(percent, count), expected, "{percent} % of {count}");
    }
    // 999 values of 1 ms, and one of 100 ms.
    let mut values = vec![1_000_000; 999];
    values.push(100_000_000);
    let (dense, slow) = (of(&values), Nanos(50_000_000));
    let compact = crate::stats::compact::CompactHistogram::of(&dense);
    assert!(dense.percentile(99.9) < slow && dense.percentile(99.91) > slow);
    assert_eq!(compact.percentile(99.9), dense.percentile(99.9));
}

proptest! {
    // Reading a histogram walks 29,696 counters, slowly in a debug build.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn percentiles_are_those_of_the_sorted_values(
        mut values in prop::collection::vec(latency(), 1..300),
        percent in 0.0f64..=100.0,
    ) {
        let histogram = of(&values);
        values.sort_unstable();
        let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
        prop_assert!(close(histogram.percentile(percent), values[rank.max(1) - 1]));
        prop_assert!(close(histogram.min(), values[0]));
        prop_assert!(close(histogram.max(), values[values.len() - 1]));
        prop_assert_eq!(histogram.len(), values.len() as u64);
        prop_assert_eq!(histogram.percentile(100.0), histogram.max());
    }

    #[test]
    fn mean_and_deviation_are_close(values in prop::collection::vec(0u64..HIGHEST, 1..100)) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
        let variance = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n;
        let histogram = of(&values);
        prop_assert!((histogram.mean() - mean).abs() <= mean * 0.0006 + 16.0);
        let largest = *values.iter().max().unwrap() as f64;
        prop_assert!((histogram.stddev() - variance.sqrt()).abs() <= largest * 0.001 + 16.0);
    }

    #[test]
    fn merging_is_recording_into_one(
        a in prop::collection::vec(latency(), 0..100),
        b in prop::collection::vec(latency(), 0..100),
    ) {
        let mut merged = of(&a);
        merged.merge(&of(&b));
        let both = of(&[a, b].concat());
        prop_assert_eq!(&merged, &both);
        prop_assert_eq!((merged.min(), merged.max()), (both.min(), both.max()));
    }

    #[test]
    fn base64_brings_it_back(values in prop::collection::vec(latency(), 0..200)) {
        let histogram = of(&values);
        let back = Histogram::from_base64(&histogram.to_base64()).unwrap();
        prop_assert_eq!(&back, &histogram);
        prop_assert_eq!((back.min(), back.max()), (histogram.min(), histogram.max()));
    }

    #[test]
    fn garbage_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), text: String) {
        prop_assert!(Histogram::from_base64(&BASE64.encode(bytes)).is_err());
        prop_assert!(Histogram::from_base64(&text).is_err());
    }

    #[test]
    fn the_spectrum_counts_everything_once(values in prop::collection::vec(latency(), 1..200)) {
        let histogram = of(&values);
        let points: Vec<_> = histogram.spectrum(5).collect();
        prop_assert!(points.is_sorted_by(|a, b| a.percentile <= b.percentile && a.value <= b.value));
        let last = points.last().unwrap();
        prop_assert_eq!((last.percentile, last.value), (100.0, histogram.max()));
        prop_assert_eq!(last.count, histogram.len());
        prop_assert_eq!(histogram.iter().map(|(_, n)| n).sum::<u64>(), histogram.len());
    }
}

#[test]
fn an_empty_one_is_all_zero() {
    let empty = Histogram::new();
    assert!(empty.is_empty());
    assert_eq!((empty.min(), empty.max()), (Nanos::ZERO, Nanos::ZERO));
    assert_eq!(empty.percentile(99.0), Nanos::ZERO);
    assert_eq!((empty.mean(), empty.stddev()), (0.0, 0.0));
    assert_eq!(empty.iter().count(), 0);
    assert_eq!(Histogram::from_base64(&empty.to_base64()).unwrap(), empty);
}

#[test]
fn clearing_leaves_nothing_behind() {
    let mut histogram = of(&[0, 5_000, HIGHEST]);
    histogram.clear();
    assert_eq!(histogram, Histogram::new());
    histogram.record(Nanos(1_000_000));
    assert_eq!(histogram.min(), of(&[1_000_000]).min());
    assert_eq!(histogram.max(), of(&[1_000_000]).max());
}

#[test]
fn resolution_is_16_ns_and_then_three_digits() {
    for (a, b) in [(0, 16), (15_984, 16_000), (100_000, 100_100), (HIGHEST / 1_001 * 1_000, HIGHEST)] {
        let both = of(&[a, b]);
        assert_eq!(both.iter().count(), 2, "{a} and {b} differ");
    }
}

#[test]
fn no_time_at_all_reads_as_zero() {
    let lag = of(&[0, 0, 7]);
    assert_eq!((lag.percentile(50.0), lag.max()), (Nanos::ZERO, Nanos::ZERO));
}

#[test]
fn above_an_hour_is_an_hour() {
    let beyond = of(&[HIGHEST + 1, u64::MAX]);
    assert_eq!(beyond, of(&[HIGHEST, HIGHEST]));
    assert!(close(beyond.max(), HIGHEST));
}

#[test]
fn many_at_once_are_many_one_by_one() {
    let mut at_once = Histogram::new();
    at_once.record_n(Nanos(1_000), 3);
    at_once.record_n(Nanos(9_999_999), 0);
    assert_eq!(at_once, of(&[1_000; 3]));
    assert_eq!(at_once.max(), of(&[1_000]).max());
}

#[test]
fn other_bounds_are_taken_and_values_above_ours_refused() {
    let encode = |value: u64| {
        let mut foreign = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1 << 50, 2).unwrap();
        foreign.record(value).unwrap();
        let mut bytes = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        serializer.serialize(&foreign, &mut bytes).unwrap();
        BASE64.encode(bytes)
    };
    let taken = Histogram::from_base64(&encode(5_000_000)).unwrap();
    assert_eq!(taken.len(), 1);
    assert!(taken.max().0.abs_diff(5_000_000) < 50_000);
    let refused = Histogram::from_base64(&encode(1 << 49));
    assert!(matches!(refused, Err(HistogramError::Range)));
}
