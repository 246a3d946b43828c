use proptest::prelude::*;

use super::*;
use crate::load::{Arrivals, Pacer, Schedule};
use crate::units::Rate;

const SECOND: Nanos = Nanos(1_000_000_000);

fn stages(spans: u64, targets: u64) -> impl Strategy<Value = Vec<(Nanos, u64)>> {
    // Jumps, flat stretches and zeros are the interesting ones: make them common.
    let span = prop_oneof![1 => Just(0), 6 => 0..=spans];
    let target = prop_oneof![1 => Just(0), 1 => Just(targets), 4 => 0..=targets];
    let stage = (span, target).prop_map(|(span, target)| (Nanos(span), target));
    prop::collection::vec(stage, 1..6)
}

/// The k that are worth a look: the first, the last, the first of each stage, some in between.
fn arrivals_of(rates: &RateStages) -> Vec<u64> {
    let total = rates.total();
    let edges = rates.lines.iter().map(|l| rates.arrivals_before(Nanos(l.start)));
    let mut all: Vec<u64> = edges
        .flat_map(|k| [k.saturating_sub(1), k, k + 1])
        .chain((0..50).map(|i| total / 50 * i))
        .chain([total.saturating_sub(1)])
        .filter(|&k| k < total)
        .collect();
    all.sort_unstable();
    all
}

proptest! {
    /// Rates below one per ns: every arrival has a time of its own.
    #[test]
    fn the_integral_of_the_inverse_is_the_identity(
        start in 0u64..2_000_000,
        stages in stages(1_000_000_000_000, 2_000_000),
    ) {
        let rates = RateStages::new(SECOND, start, &stages).unwrap();
        for k in arrivals_of(&rates) {
            let t = rates.time_of(k).unwrap();
            prop_assert_eq!(rates.arrivals_before(t), k);
            prop_assert!(rates.arrivals_before(t + Nanos(1)) > k);
            prop_assert!(t < rates.end());
        }
        prop_assert_eq!(rates.time_of(rates.total()), None);
    }

    /// Whatever the rate: arrival k is due in the nanosecond in which the integral passes k.
    #[test]
    fn the_inverse_is_exact_to_the_nanosecond(
        per in 1u64..u64::MAX,
        start in 0u64..1 << 40,
        stages in stages(1 << 50, 1 << 40),
    ) {
        let Ok(rates) = RateStages::new(Nanos(per), start, &stages) else {
            return Ok(());
        };
        let mut last = Nanos::ZERO;
        for k in arrivals_of(&rates) {
            let t = rates.time_of(k).unwrap();
            prop_assert!(rates.arrivals_before(t) <= k);
            prop_assert!(rates.arrivals_before(t + Nanos(1)) > k);
            prop_assert!(t >= last);
            last = t;
        }
    }

    #[test]
    fn a_constant_rate_is_the_uniform_schedule(count in 1u64..100_000, per in 1u64..1_000_000_000) {
        let rates = RateStages::new(Nanos(per), count, &[(Nanos(per), count)]).unwrap();
        let schedule = Schedule {
            rate: Rate { count, per: Nanos(per) },
            arrivals: Arrivals::Uniform,
            seed: 0,
            end: Some(Nanos(per)),
            limit: None,
        };
        let mut pacer = Pacer::new(&schedule, 0, 1);
        prop_assert_eq!(rates.total(), count);
        for k in 0..count.min(200) {
            prop_assert_eq!(rates.time_of(k), pacer.due(Nanos(per)));
        }
    }

    /// The integral against a sum over every nanosecond, computed in halves to stay in integers.
    #[test]
    fn the_integral_is_the_area(start in 0u64..50, stages in stages(300, 50)) {
        let per = 1_000;
        let rates = RateStages::new(Nanos(per), start, &stages).unwrap();
        // Twice the area up to each ns, times every span: a common denominator.
        let common: i128 = rates.lines.iter().map(|l| i128::from(l.span)).product();
        let mut doubled = 0i128;
        for line in &rates.lines {
            let value = |x: u64| {
                let (from, to) = (i128::from(line.from), i128::from(line.to));
                from * common + (to - from) * i128::from(x) * (common / i128::from(line.span))
            };
            for x in 0..line.span {
                doubled += value(x) + value(x + 1);
                let unit = 2 * i128::from(per) * common;
                let expected = (doubled + unit - 1) / unit;
                let got = rates.arrivals_before(Nanos(line.start + x + 1));
                prop_assert_eq!(i128::from(got), expected);
            }
        }
    }

    #[test]
    fn fractions_lie_between_their_neighbours(
        start in 0u64..1_000,
        stages in stages(100_000_000_000, 1_000),
        part: u32,
    ) {
        let rates = RateStages::new(SECOND, start, &stages).unwrap();
        for k in arrivals_of(&rates) {
            let between = rates.time_at((u128::from(k) << 32) + u128::from(part));
            if let Some(between) = between {
                prop_assert!(rates.time_of(k).unwrap() <= between);
                prop_assert!(rates.time_of(k + 1).is_none_or(|next| between <= next));
            }
        }
    }

    #[test]
    fn users_change_one_by_one_within_a_stage(
        start in 0u64..40,
        stages in stages(400, 40),
    ) {
        let vus = VuStages::new(start, &stages).unwrap();
        for line in &vus.lines {
            for x in 0..line.span - 1 {
                let (now, then) = (vus.at(Nanos(line.start + x)), vus.at(Nanos(line.start + x + 1)));
                let steepest = line.to.abs_diff(line.from).div_ceil(line.span);
                prop_assert!(now.abs_diff(then) <= steepest);
                prop_assert!(now >= line.from.min(line.to) && now <= line.from.max(line.to));
            }
            prop_assert_eq!(vus.at(Nanos(line.start)), line.from);
        }
        prop_assert_eq!(vus.at(vus.end()), stages.last().unwrap().1);
        let max = (0..=vus.end().0).map(|t| vus.at(Nanos(t))).max().unwrap();
        prop_assert!(vus.max() >= max);
    }

    #[test]
    fn next_change_is_the_next_change(start in 0u64..40, stages in stages(80, 40)) {
        let vus = VuStages::new(start, &stages).unwrap();
        for t in 0..=vus.end().0 {
            let later = (t + 1..=vus.end().0).find(|&u| vus.at(Nanos(u)) != vus.at(Nanos(t)));
            prop_assert_eq!(vus.next_change(Nanos(t)), later.map(Nanos), "at {}", t);
        }
    }
}

#[test]
fn nothing_is_due_while_the_rate_is_zero() {
    let (zero, ten) = ((SECOND, 0), (SECOND, 10));
    let jump = (Nanos::ZERO, 10);
    // Nothing for 1 s, 10 in the next, nothing for 1 s, 10 more.
    let all = [zero, jump, ten, (Nanos::ZERO, 0), zero, jump, ten];
    let rates = RateStages::new(SECOND, 0, &all).unwrap();
    assert_eq!(rates.total(), 20);
    assert_eq!(rates.time_of(0), Some(Nanos(1_000_000_000)));
    assert_eq!(rates.time_of(9), Some(Nanos(1_900_000_000)));
    assert_eq!(rates.time_of(10), Some(Nanos(3_000_000_000)));
    assert_eq!(rates.rate_at(Nanos(500_000_000)), 0.0);
    assert_eq!(rates.rate_at(Nanos(1_500_000_000)), 10.0);
    assert_eq!(rates.rate_at(Nanos(4_000_000_000)), 0.0);

    let never = RateStages::new(SECOND, 0, &[zero]).unwrap();
    assert_eq!((never.total(), never.time_of(0)), (0, None));
}

#[test]
fn users_ramp_as_in_k6() {
    // k6 2.x, ramping_vus.go, getRawExecutionSteps: VU g of a ramp up to `end` starts at
    // timeTillEnd - duration * (end - g) / (end - from); downwards alike.
    let vus = VuStages::new(1, &[(Nanos(4), 5), (Nanos(8), 1), (Nanos(0), 3), (Nanos(2), 3)]);
    let vus = vus.unwrap();
    let got: Vec<u64> = (0..16).map(|t| vus.at(Nanos(t))).collect();
    assert_eq!(got, [1, 2, 3, 4, 5, 5, 4, 4, 3, 3, 2, 2, 3, 3, 3, 3]);
    assert_eq!(vus.max(), 5);
    assert_eq!(vus.end(), Nanos(14));
}

#[test]
fn stages_that_cannot_be_used_are_refused() {
    let refuse = |stages: &[(Nanos, u64)]| RateStages::new(SECOND, 0, stages).unwrap_err();
    assert_eq!(refuse(&[]), StageError::Empty);
    assert_eq!(refuse(&[(Nanos::MAX, 1)]), StageError::TooLong);
    let long = (Nanos(BOUND), 1);
    assert_eq!(refuse(&[long, (Nanos(1), 1)]), StageError::TooLong);
    assert_eq!(refuse(&[(Nanos(1), u64::MAX)]), StageError::TooMany);
    assert_eq!(refuse(&[(Nanos(BOUND), BOUND)]), StageError::TooMany);
    let no_unit = RateStages::new(Nanos::ZERO, 0, &[(SECOND, 1)]);
    assert_eq!(no_unit.unwrap_err(), StageError::ZeroUnit);
    assert_eq!(VuStages::new(0, &[]).unwrap_err(), StageError::Empty);
}

/// k6 1.1.0, `ramping-arrival-rate`: how many iterations it began, and when after the first one (in ms, to some ms).
#[test]
fn arrivals_when_reached_are_those_of_k6() {
    let second = |target| (SECOND, target);
    for (per, start, stages, total, after_first) in [
        (SECOND, 20, vec![second(20)], 20, vec![(1, 50), (2, 100), (19, 950)]),
        (SECOND, 10, vec![second(0)], 5, vec![(1, 120), (2, 262), (3, 447), (4, 894)]),
        (SECOND, 0, vec![(Nanos(0), 10), second(10)], 10, vec![(1, 100), (9, 900)]),
        (SECOND, 10, vec![second(10), second(0)], 15, vec![(1, 100), (13, 1453), (14, 1900)]),
        (SECOND, 3, vec![second(7)], 5, vec![(1, 219), (2, 405), (4, 719)]),
        (Nanos::from_secs(2), 7, vec![second(7)], 3, vec![(1, 286), (2, 571)]),
        (SECOND, 0, vec![second(20)], 10, vec![(1, 131), (2, 231), (9, 684)]),
        // The tenth comes with the end of the ramp, and not behind the second at zero. Whether the twelfth, at the very end, begins
        // is a race in k6.
        (SECOND, 0, vec![second(10), second(0), second(0), second(4)], 12, vec![(9, 1553), (10, 3260)]),
    ] {
        let rates = RateStages::new(per, start, &stages).unwrap().when_reached();
        assert_eq!(rates.total(), total, "{stages:?}");
        assert_eq!(rates.time_of(total), None);
        let first = rates.time_of(0).unwrap();
        for (k, ms) in after_first {
            let after = (rates.time_of(k).unwrap() - first).0 as f64 / 1e6;
            assert!((after - f64::from(ms)).abs() < 1.0, "{stages:?}: {k} at {after}");
        }
    }
}

proptest! {
    #[test]
    fn the_integral_has_reached_what_is_due_and_not_a_nanosecond_before(
        start in 0u64..2_000_000,
        stages in stages(1_000_000_000_000, 2_000_000),
    ) {
        let rates = RateStages::new(SECOND, start, &stages).unwrap();
        let reached = rates.clone().when_reached();
        prop_assert!(rates.total() - reached.total() <= 1);
        for k in arrivals_of(&rates).into_iter().filter(|k| *k < reached.total()) {
            let t = reached.time_of(k).unwrap();
            prop_assert_eq!(reached.arrivals_before(t), k, "{}", k);
            prop_assert!(reached.arrivals_before(t + Nanos(1)) > k);
            prop_assert!(t > rates.time_of(k).unwrap() && t <= rates.end());
        }
    }
}
