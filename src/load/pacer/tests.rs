use proptest::prelude::*;

use super::*;

fn schedule(count: u64, per: u64, arrivals: Arrivals) -> Schedule {
    let per = Nanos(per);
    Schedule { rate: Rate { count, per }, arrivals, seed: 42, end: None, limit: None }
}

/// The first `n` arrivals of one worker.
fn take(schedule: &Schedule, worker: u32, workers: u32, n: usize) -> Vec<Nanos> {
    let mut pacer = Pacer::new(schedule, worker, workers);
    std::iter::from_fn(|| pacer.due(Nanos(u64::MAX - 1))).take(n).collect()
}

fn any_arrivals() -> impl Strategy<Value = Arrivals> {
    prop_oneof![Just(Arrivals::Uniform), Just(Arrivals::Poisson)]
}

proptest! {
    /// Large numbers of workers make the steps large, so that this reaches years into a run.
    #[test]
    fn uniform_is_the_closed_formula(
        count in 1u64..,
        per in 1u64..,
        (workers, worker) in (1u32..).prop_flat_map(|n| (Just(n), 0..n)),
    ) {
        let got = take(&schedule(count, per, Arrivals::Uniform), worker, workers, 50);
        let formula = (0u128..50).map(|j| {
            let k = u128::from(worker) + j * u128::from(workers);
            k * u128::from(per) / u128::from(count)
        });
        let expected: Vec<u128> = formula.take_while(|&t| t < u128::from(u64::MAX)).collect();
        let got: Vec<u128> = got.iter().map(|t| u128::from(t.0)).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn workers_together_are_the_single_worker(
        count in 1u64..2_000_000,
        arrivals in any_arrivals(),
        workers in 1u32..9,
        limit in 0u64..300,
    ) {
        let mut whole = schedule(count, 1_000_000_000, arrivals);
        whole.limit = Some(limit);
        let single = take(&whole, 0, 1, 1_000);
        prop_assert_eq!(single.len() as u64, limit);
        for worker in 0..workers {
            let part = take(&whole, worker, workers, 1_000);
            let turn = single.iter().skip(worker as usize).step_by(workers as usize);
            prop_assert_eq!(part, turn.copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn time_never_goes_back(count in 1u64..u64::MAX, per in 1u64.., arrivals in any_arrivals()) {
        prop_assert!(take(&schedule(count, per, arrivals), 0, 1, 200).is_sorted());
    }

    #[test]
    fn every_window_holds_rate_times_time(
        count in 1u64..1_000,
        per in 1u64..10_000,
        from in 0u64..20_000,
        span in 0u64..5_000,
    ) {
        let mut s = schedule(count, per, Arrivals::Uniform);
        s.end = Some(Nanos(from + span));
        let all = take(&s, 0, 1, usize::MAX);
        let inside = all.iter().filter(|t| t.0 >= from).count() as u64;
        // Within one arrival of rate x time, in units of 1/per arrival.
        prop_assert!((inside * per).abs_diff(span * count) < per);
    }

    #[test]
    fn due_and_next_agree(
        count in 1u64..1_000,
        arrivals in any_arrivals(),
        pauses in prop::collection::vec(0u64..5_000_000, 1..100),
    ) {
        let mut pacer = Pacer::new(&schedule(count, 1_000_000_000, arrivals), 0, 1);
        let mut now = Nanos::ZERO;
        for pause in pauses {
            now += Nanos(pause);
            while let Some(next) = pacer.next().filter(|&t| t <= now) {
                prop_assert_eq!(pacer.due(next - Nanos(1)), (next == Nanos::ZERO).then_some(next));
                if next != Nanos::ZERO {
                    prop_assert_eq!(pacer.due(now), Some(next));
                }
            }
            prop_assert_eq!(pacer.due(now), None);
            prop_assert!(pacer.next().is_some_and(|t| t > now));
        }
    }

    #[test]
    fn end_is_exclusive(count in 1u64..1_000, arrivals in any_arrivals(), end in 0u64..100_000) {
        let endless = schedule(count, 1_000, arrivals);
        let expected: Vec<_> = take(&endless, 0, 1, 110_000)
            .into_iter()
            .take_while(|t| t.0 < end)
            .collect();
        let ending = Schedule { end: Some(Nanos(end)), ..endless };
        prop_assert_eq!(take(&ending, 0, 1, usize::MAX), expected);
    }
}

#[test]
fn a_day_at_a_rate_that_does_not_divide_a_second() {
    // One of 2^30 workers: its arrival 80 is number 85,899,345,920 of a schedule of a million and
    // seven per second, most of a day into the run.
    let s = schedule(1_000_007, 1_000_000_000, Arrivals::Uniform);
    let last = take(&s, 0, 1 << 30, 81)[80];
    let k = 80u128 << 30;
    assert_eq!(u128::from(last.0), k * 1_000_000_000 / 1_000_007);
}

#[test]
fn nothing_is_due_without_a_rate_or_after_the_limit() {
    for (count, per) in [(0, 1), (1, 0), (0, 0)] {
        for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
            let mut pacer = Pacer::new(&schedule(count, per, arrivals), 0, 1);
            assert_eq!((pacer.due(Nanos::MAX), pacer.next()), (None, None));
        }
    }
    let mut s = schedule(1, 1, Arrivals::Uniform);
    s.limit = Some(2);
    let mut second = Pacer::new(&s, 1, 4);
    assert_eq!(second.due(Nanos::MAX), Some(Nanos(1)));
    assert_eq!((second.due(Nanos::MAX), second.next()), (None, None));
    assert_eq!(Pacer::new(&s, 2, 4).next(), None);
}

#[test]
fn poisson_depends_on_its_seed_only() {
    let s = schedule(1, 1_000, Arrivals::Poisson);
    let other = Schedule { seed: 43, ..s };
    assert_eq!(take(&s, 0, 1, 100), take(&s, 0, 1, 100));
    assert_ne!(take(&s, 0, 1, 100), take(&other, 0, 1, 100));
}

#[test]
fn poisson_gaps_are_exponential() {
    const N: usize = 100_000;
    let mean = 50_000.0;
    for seed in 0..5 {
        let mut s = schedule(20_000, 1_000_000_000, Arrivals::Poisson);
        s.seed = seed;
        let times = take(&s, 0, 1, N);
        let mut last = 0;
        let mut gaps: Vec<f64> =
            times.iter().map(|t| (t.0 - std::mem::replace(&mut last, t.0)) as f64 / mean).collect();

        // The mean of N exponential gaps has a standard error of 1/sqrt(N): four of them.
        let average = gaps.iter().sum::<f64>() / N as f64;
        assert!((average - 1.0).abs() < 4.0 / (N as f64).sqrt(), "{average}");

        // Kolmogorov-Smirnov: 1.95 / sqrt(N) is exceeded by one in a thousand true samples.
        gaps.sort_by(f64::total_cmp);
        let distance = gaps.iter().enumerate().map(|(i, gap)| {
            let expected = 1.0 - (-gap).exp();
            let (below, above) = (i as f64 / N as f64, (i + 1) as f64 / N as f64);
            (expected - below).abs().max((above - expected).abs())
        });
        let distance = distance.fold(0.0, f64::max);
        assert!(distance < 1.95 / (N as f64).sqrt(), "{distance}");

        // Neighbouring gaps have nothing to do with each other.
        let counts = times.chunk_by(|a, b| a.0 / 1_000_000 == b.0 / 1_000_000);
        let counts: Vec<f64> = counts.map(|c| c.len() as f64).collect();
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / counts.len() as f64;
        // Counts per window of a Poisson process: variance = mean (here 20 arrivals, 5,000 windows).
        assert!((variance / mean - 1.0).abs() < 0.1, "{variance} {mean}");
    }
}

#[test]
fn slow_poisson_rates_do_not_overflow() {
    // One arrival in 500 years: most gaps end after the end of time.
    let s = schedule(1, u64::MAX, Arrivals::Poisson);
    assert!(take(&s, 0, 1, 100).len() < 10);
}
