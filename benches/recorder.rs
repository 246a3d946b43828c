//! What recording one response costs, and what the collector's side costs per interval.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use squall::rng::Rng;
use squall::stats::outcome::Sample;
use squall::stats::recorder::Recorder;
use squall::stats::snapshot::Snapshot;
use squall::stats::summary::SummaryBuilder;
use squall::units::Nanos;

/// Exponential service times around 50 µs: they touch as many counters as a real run does.
fn samples(whole: bool) -> Vec<Sample> {
    let mut rng = Rng::new(1);
    let sample = |i: u64| {
        let scheduled = Nanos(i * 1_000);
        let sent = scheduled + Nanos(700);
        let done = sent + Nanos((-rng.unit().ln() * 50_000.0) as u64 + 10_000);
        Sample {
            scheduled,
            sent,
            first_byte: if whole { done } else { done - Nanos(5_000) },
            done,
            status: 200,
        }
    };
    (0..4096).map(sample).collect()
}

fn record(c: &mut Criterion) {
    let mut group = c.benchmark_group("recorder");
    group.throughput(Throughput::Elements(1));
    for (name, open_model, whole) in [
        ("closed, whole answer", false, true),
        ("closed, answer in pieces", false, false),
        ("open, whole answer", true, true),
    ] {
        let samples = samples(whole);
        let mut recorder = Recorder::new(open_model);
        let mut next = samples.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                let sample = next.next().expect("a cycle has no end");
                if open_model {
                    recorder.picked_up(black_box(Nanos(300)));
                }
                recorder.started(sample.scheduled, sample.sent);
                recorder.record(black_box(sample));
            });
        });
    }
    group.finish();
}

fn filled() -> Snapshot {
    let mut recorder = Recorder::new(true);
    for sample in &samples(true) {
        recorder.picked_up(Nanos(300));
        recorder.started(sample.scheduled, sample.sent);
        recorder.record(sample);
    }
    recorder.rotate(Snapshot::new(0))
}

fn interval(c: &mut Criterion) {
    let full = filled();
    let mut group = c.benchmark_group("interval");
    let mut merged = filled();
    group.bench_function("merge", |b| b.iter(|| merged.merge(black_box(&full))));
    group.bench_function("clear", |b| {
        b.iter_batched_ref(filled, |snapshot| snapshot.clear(), BatchSize::LargeInput);
    });
    let mut builder = SummaryBuilder::new(true);
    group.bench_function("summary push", |b| b.iter(|| builder.push(black_box(&full)).t));
    let mut recorder = Recorder::new(true);
    let mut shell = Some(Snapshot::new(0));
    group.bench_function("rotate", |b| {
        b.iter(|| shell = shell.take().map(|empty| recorder.rotate(empty)));
    });
    group.finish();
}

criterion_group!(benches, record, interval);
criterion_main!(benches);
