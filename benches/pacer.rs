//! What one arrival costs: uniform, Poisson (alone and as one of eight workers), and the inverse of a
//! ramp's integral.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use squall::load::{Arrivals, Pacer, RateStages, Schedule};
use squall::units::{Nanos, Rate};

const SECOND: Nanos = Nanos::from_secs(1);

fn schedule(arrivals: Arrivals) -> Schedule {
    Schedule {
        // Does not divide a second, so that the remainder is carried.
        rate: Rate { count: 1_000_007, per: SECOND },
        arrivals,
        seed: 1,
        end: None,
        limit: None,
    }
}

fn due(c: &mut Criterion) {
    let mut group = c.benchmark_group("pacer");
    group.throughput(Throughput::Elements(1));
    for (name, arrivals, workers) in [
        ("uniform", Arrivals::Uniform, 1),
        ("poisson", Arrivals::Poisson, 1),
        ("poisson, one of 8", Arrivals::Poisson, 8),
    ] {
        let mut pacer = Pacer::new(&schedule(arrivals), 0, workers);
        group.bench_function(name, |b| b.iter(|| pacer.due(black_box(Nanos(u64::MAX - 1)))));
    }
    let mut idle = Pacer::new(&schedule(Arrivals::Uniform), 1, 2);
    group.bench_function("nothing due", |b| b.iter(|| idle.due(black_box(Nanos::ZERO))));
    group.finish();
}

fn ramp(c: &mut Criterion) {
    let stages =
        [(Nanos::from_secs(30), 1_000_000), (Nanos::from_secs(60), 1_000_000), (Nanos::from_secs(30), 0)];
    let rates = RateStages::new(SECOND, 0, &stages).expect("a valid ramp");
    let mut k = 0;
    c.bench_function("stages/time_of", |b| {
        b.iter(|| {
            k = (k + 7_919) % rates.total();
            rates.time_of(black_box(k))
        });
    });
}

criterion_group!(benches, due, ramp);
criterion_main!(benches);
