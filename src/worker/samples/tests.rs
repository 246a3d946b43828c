use std::thread;

use crossbeam_channel::bounded;

use super::*;
use crate::stats::registry::{KeyRef, Kind, Registry, Role};
use crate::stats::samples::Judgement;

fn record(number: u32) -> Record {
    Record::Check(Judgement { check: number, stage: 0, passed: true, at: Nanos::ZERO })
}

fn numbers(block: &Block) -> impl Iterator<Item = u32> + '_ {
    block.records.iter().map(|record| match record {
        Record::Check(judgement) => judgement.check,
        other => panic!("{other:?}"),
    })
}

/// A stream of `blocks` blocks, and the writer's ends.
fn stream(blocks: usize) -> (Samples, Receiver<Block>, Sender<Block>, Arc<Control>) {
    let (full, filled) = bounded(blocks);
    let (give, emptied) = bounded(blocks);
    (0..blocks).for_each(|_| give.send(Block::of(7)).unwrap());
    let control = Arc::new(Control::new());
    let samples = Samples::to(SampleEnds { full, emptied, control: Arc::clone(&control) });
    (samples, filled, give, control)
}

#[test]
fn a_full_stream_waits_and_loses_nothing() {
    const COUNT: u32 = 20 * RECORDS as u32 + 17;
    let (mut samples, filled, give, _) = stream(2);
    let worker = thread::spawn(move || {
        samples.begin(Nanos(5));
        (0..COUNT).for_each(|number| samples.push(record(number)));
        let waited = samples.take_waited();
        let readings = samples.end();
        assert_eq!(readings.waited, waited);
        readings
    });
    let mut seen = Vec::new();
    for mut block in filled {
        assert_eq!((block.worker, block.open), (7, Nanos(5)));
        seen.extend(numbers(&block));
        clock::sleep(Nanos::from_millis(5)); // slower than the worker
        block.records.clear();
        let _ = give.send(block);
    }
    let readings = worker.join().unwrap();
    assert_eq!(seen, (0..COUNT).collect::<Vec<_>>());
    assert_eq!(readings.lost, 0);
    assert!(readings.waited > Nanos::from_millis(50), "{readings:?}");
}

#[test]
fn a_writer_that_has_gone_keeps_nobody() {
    // Before the first block is full, while the worker waits for an empty one, and with blocks left to give.
    for (blocks, after) in [(1, Nanos::ZERO), (1, Nanos::from_millis(60)), (4, Nanos::ZERO)] {
        let (mut samples, filled, give, _) = stream(blocks);
        let gone = thread::spawn(move || {
            clock::sleep(after);
            drop(filled);
            drop(give);
        });
        if after == Nanos::ZERO {
            gone.join().unwrap();
        }
        let count = 10 * RECORDS as u32;
        (0..count).for_each(|number| samples.push(record(number)));
        samples.hand_over();
        let readings = samples.end();
        assert!(readings.lost > 0 && readings.lost <= u64::from(count), "{readings:?}");
    }
}

#[test]
fn a_run_that_is_stopped_waits_only_so_long_for_a_writer_that_stands_still() {
    let (mut samples, filled, _give, control) = stream(1);
    control.stop();
    let since = clock::now();
    (0..RECORDS as u32 + 5).for_each(|number| samples.push(record(number)));
    let readings = samples.end();
    let took = clock::now() - since;
    assert_eq!(readings.lost, 5);
    assert!(took > PATIENCE && took < PATIENCE + Nanos::from_secs(2), "{took}");
    assert_eq!(filled.try_iter().map(|block| block.records.len()).sum::<usize>(), RECORDS);
}

#[test]
fn at_an_interval_s_edge_nobody_waits() {
    let (mut samples, filled, give, _) = stream(2);
    samples.hand_over();
    assert!(filled.try_recv().is_err(), "nothing is not worth a block");
    samples.push(record(1));
    samples.hand_over();
    assert_eq!(filled.try_recv().map(|block| numbers(&block).collect()), Ok(vec![1]));
    samples.push(record(2));
    samples.hand_over();
    assert!(filled.try_recv().is_err(), "there is no other block: it goes on with this one");
    give.send(Block::of(7)).unwrap();
    samples.push(record(3));
    samples.hand_over();
    assert_eq!(filled.try_recv().map(|block| numbers(&block).collect()), Ok(vec![2, 3]));
    assert_eq!(samples.take_waited(), Nanos::ZERO);
}

#[test]
fn without_a_stream_nothing_is_kept() {
    let mut samples = Samples::default();
    assert!(!samples.are_wanted());
    samples.push(record(1));
    samples.hand_over();
    assert_eq!(samples.end(), SampleReadings::default());
    assert_eq!(size_of::<Samples>(), size_of::<usize>());
    // A record must stay small: a worker writes one for each request.
    assert!(size_of::<Record>() <= 96, "{}", size_of::<Record>());
}

#[test]
fn a_series_is_announced_once_in_a_window_and_before_its_values() {
    let (mut samples, filled, give, _) = stream(2);
    let mut registry = Registry::new(10);
    let tags = [("scenario", "shop")];
    let key = KeyRef { metric: "sold", kind: Kind::Counter, tags: &tags, role: Role::Plain };
    registry.append(key);
    let key = &registry.keys()[0];
    for window in 0..2 {
        samples.make_ready();
        samples.begin(Nanos(5));
        for value in [1.0, 2.0] {
            samples.add(Added { series: 0, value, at: Nanos(6) }, key);
        }
        samples.edge(ScenarioEdge {
            scenario: 0,
            vus: 2,
            vus_max: 3,
            sent_bytes: 4,
            received_bytes: 5,
            at: Nanos(7),
        });
        assert_eq!(samples.end().lost, 0);
        let mut block = filled.try_recv().unwrap();
        assert_eq!(block.series, [NewSeries { number: 0, key: key.clone() }], "window {window}");
        assert_eq!((block.records.len(), block.edges.len()), (2, 1));
        block.clear();
        assert!(block.series.is_empty() && block.edges.is_empty());
        give.send(block).unwrap();
    }
}
