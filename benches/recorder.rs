//! What recording one response costs, and what the collector's side costs per interval.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use squall::rng::Rng;
use squall::stats::layout::{Layout, Tags};
use squall::stats::outcome::Sample;
use squall::stats::recorder::Recorder;
use squall::stats::snapshot::Snapshot;
use squall::stats::summary::SummaryBuilder;
use squall::stats::wire;
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
        ("closed, whole response", false, true),
        ("closed, response in pieces", false, false),
        ("open, whole response", true, true),
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

/// A second of 5,000 requests of a plan, over 50 series.
fn of_a_plan() -> Snapshot {
    let mut layout = Layout::default();
    let scenario = layout.add_scenario("main", "constant-vus", Tags::new(), Vec::new());
    for step in 0..25 {
        layout.add_place(scenario, step, [("name".to_owned(), step.to_string())].into(), &[]);
    }
    let mut recorder = Recorder::of_scenarios(&layout);
    for (n, sample) in samples(true).iter().cycle().take(5_000).enumerate() {
        recorder.noticed(Nanos(300));
        let requests = recorder.tally.requests_mut(n % 50).expect("a series of requests");
        requests.completed += 1;
        requests.alike.record(sample.done - sample.sent);
        requests.blocked.record(sample.sent - sample.scheduled);
    }
    recorder.rotate(Snapshot::new(0))
}

fn on_the_wire(c: &mut Criterion) {
    let snapshot = of_a_plan();
    let bytes = wire::write(&snapshot);
    let mut group = c.benchmark_group("snapshot of 50 series");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("write", |b| b.iter(|| wire::write(black_box(&snapshot))));
    group.bench_function("read", |b| b.iter(|| wire::read(black_box(&bytes))));
    group.finish();
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
    group.bench_function("summary push", |b| b.iter(|| builder.push(black_box(&full))));
    let mut recorder = Recorder::new(true);
    let mut shell = Some(Snapshot::new(0));
    group.bench_function("rotate", |b| {
        b.iter(|| shell = shell.take().map(|empty| recorder.rotate(empty)));
    });
    group.finish();
}

criterion_group!(benches, record, on_the_wire, interval);
criterion_main!(benches);
