use proptest::prelude::*;

use super::*;
use crate::stats::counts::Counts;

const INTERVAL: Nanos = Nanos(1_000);

/// What a worker has to say, in its order: the intervals that it hands over, what came behind the window, and that it is done.
#[derive(Clone, Debug)]
struct Script {
    /// Ends of its intervals, with what was measured in each. Some are left out, as when no emptied snapshot has come back.
    intervals: Vec<(Nanos, u64)>,
    /// Whole responses of the drain.
    drain: u64,
}

#[derive(Clone, Copy, Debug)]
enum Said {
    Interval(Nanos, u64),
    Drain(u64),
    Finished,
}

impl Script {
    fn words(&self) -> Vec<Said> {
        let intervals = self.intervals.iter().map(|(end, responses)| Said::Interval(*end, *responses));
        intervals.chain([Said::Drain(self.drain), Said::Finished]).collect()
    }
}

/// Up to `intervals` edges, of which any may be missing, and the window's end somewhere behind the last one.
fn script() -> impl Strategy<Value = Script> {
    let edges = prop::collection::vec(prop::option::weighted(0.8, 0u64..50), 0..8);
    (edges, 1..=INTERVAL.0, 0u64..50, 0u64..50).prop_map(|(edges, beyond, last, drain)| {
        let close = Nanos(edges.len() as u64 * INTERVAL.0 + beyond);
        let edges = (1u64..).zip(edges).filter_map(|(k, put)| put.map(|put| (Nanos(k * INTERVAL.0), put)));
        Script { intervals: edges.chain([(close, last)]).collect(), drain }
    })
}

/// One worker's interval with so many responses, each with a time of its own, and as many connections.
fn snapshot(worker: u32, end: Nanos, responses: u64, drain: bool) -> Snapshot {
    let mut snapshot = Snapshot::new(worker);
    let counts = &mut snapshot.counts;
    (counts.scheduled, counts.started, counts.completed) = (responses, responses, responses);
    counts.completed_in_window = if drain { 0 } else { responses };
    (0..responses).for_each(|_| snapshot.counts.status.add(200));
    snapshot.latencies.whole.record_n(Nanos(1_000 * (u64::from(worker) + 1)), responses);
    (snapshot.connections, snapshot.end, snapshot.drain) = (responses, end, drain);
    snapshot
}

fn number(end: Nanos) -> u64 {
    end.0.div_ceil(INTERVAL.0)
}

/// A collector, and what it must have come to by what it was told.
struct Rig {
    collector: Collector,
    /// By worker: the last interval that it has said something of.
    marks: Vec<u64>,
    /// Responses of intervals that are not handed on, by number.
    waiting: BTreeMap<u64, u64>,
    points: Vec<TimelinePoint>,
    handed_on: u64,
    drained: u64,
    /// Most intervals that waited at a time.
    most_waiting: usize,
}

impl Rig {
    fn new(workers: usize) -> Rig {
        Rig {
            collector: Collector::new(workers, INTERVAL, false),
            marks: vec![0; workers],
            waiting: BTreeMap::new(),
            points: Vec::new(),
            handed_on: 0,
            drained: 0,
            most_waiting: 0,
        }
    }

    fn hear(&mut self, worker: usize, said: Said) -> Result<(), TestCaseError> {
        let mut snapshot = match said {
            Said::Interval(end, responses) => {
                self.marks[worker] = number(end);
                *self.waiting.entry(number(end)).or_default() += responses;
                snapshot(worker as u32, end, responses, false)
            }
            Said::Drain(responses) => {
                self.drained += responses;
                snapshot(worker as u32, Nanos(1), responses, true)
            }
            Said::Finished => {
                self.marks[worker] = u64::MAX;
                self.collector.finished(worker as u32);
                return Ok(());
            }
        };
        self.collector.add(&mut snapshot);
        self.most_waiting = self.most_waiting.max(self.waiting.len());
        prop_assert_eq!(snapshot, Snapshot::new(worker as u32), "it goes back to its worker empty");
        Ok(())
    }

    /// Takes what is over: exactly what nobody will add anything to.
    fn take(&mut self) -> Result<(), TestCaseError> {
        while let Some((point, snapshot)) = self.collector.next() {
            let (expected, responses) = self.waiting.pop_first().expect("nothing is handed on twice");
            prop_assert!(self.marks.iter().all(|mark| *mark >= expected), "somebody was still at it");
            prop_assert_eq!(self::number(point.t), expected, "in order, none left out");
            prop_assert_eq!((point.requests, point.connections), (responses, responses));
            prop_assert_eq!(point.span, point.t - self.points.last().map_or(Nanos::ZERO, |last| last.t));
            prop_assert_eq!(snapshot.counts.completed, responses);
            prop_assert_eq!(snapshot.latencies.whole.len(), responses);
            self.handed_on += responses;
            prop_assert_eq!(self.collector.so_far().counts().completed, self.handed_on);
            self.points.push(point);
            self.collector.recycle(snapshot);
        }
        let over = self.waiting.keys().find(|number| self.marks.iter().all(|mark| mark >= number));
        prop_assert_eq!(over, None, "all that is over is handed on at once");
        Ok(())
    }

    /// When all have finished.
    fn end(mut self) -> Result<(), TestCaseError> {
        prop_assert!(self.waiting.is_empty());
        let made = self.collector.spare.len();
        prop_assert_eq!(made, self.most_waiting, "snapshots are used again");
        prop_assert!(self.collector.spare.iter().all(|spare| *spare == Snapshot::default()), "emptied");
        let rest = self.collector.take_rest();
        prop_assert_eq!((rest.counts.completed, rest.counts.completed_in_window), (self.drained, 0));
        let summary = self.collector.finish(Nanos(1), 0, 0);
        let all = self.handed_on + self.drained;
        prop_assert_eq!((summary.counts.started, summary.counts.completed), (all, all));
        prop_assert_eq!(
            (summary.counts.completed_in_window, summary.counts.status.of(200)),
            (self.handed_on, all)
        );
        prop_assert_eq!(summary.latency.service_time.len(), all);
        // What came behind the window is in the totals and in no point.
        prop_assert_eq!(summary.timeline, self.points);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_order_workers_come_in_intervals_are_handed_on_in_order_and_whole(
        scripts in prop::collection::vec(script(), 1..5),
        turns in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 64),
    ) {
        let mut rig = Rig::new(scripts.len());
        let mut words: Vec<_> = scripts.iter().map(|script| script.words().into_iter()).collect();
        let mut open: Vec<usize> = (0..scripts.len()).collect();
        let mut turns = turns.into_iter().cycle();
        // Each worker's own words keep their order, as in the channel; between workers there is none.
        while !open.is_empty() {
            let (who, looks) = turns.next().expect("it goes round");
            let at = who.index(open.len());
            match words[open[at]].next() {
                Some(said) => rig.hear(open[at], said)?,
                None => _ = open.swap_remove(at),
            }
            if looks {
                rig.take()?;
            }
        }
        rig.take()?;
        rig.end()?;
    }
}

/// Hands on what is over, as numbers of responses.
fn taken(collector: &mut Collector) -> Vec<u64> {
    std::iter::from_fn(|| collector.next()).map(|(point, _)| point.requests).collect()
}

#[test]
fn an_interval_waits_for_the_slowest_worker_and_for_none_that_is_done() {
    let mut collector = Collector::new(3, INTERVAL, false);
    for (worker, end) in [(0, 1_000), (1, 1_000), (0, 2_000), (0, 3_000)] {
        collector.add(&mut snapshot(worker, Nanos(end), 1, false));
        assert!(taken(&mut collector).is_empty());
    }
    // It has measured nothing at all, and holds nobody up.
    collector.finished(2);
    assert_eq!(taken(&mut collector), [2]);
    collector.finished(1);
    assert_eq!(taken(&mut collector), [1, 1]);
}

#[test]
fn one_that_left_an_interval_out_holds_nobody_up() {
    let mut collector = Collector::new(2, INTERVAL, false);
    collector.add(&mut snapshot(0, Nanos(1_000), 1, false));
    // No emptied snapshot had come back: its first interval is as long as two.
    collector.add(&mut snapshot(1, Nanos(2_000), 5, false));
    assert_eq!(taken(&mut collector), [1]);
    collector.add(&mut snapshot(0, Nanos(2_000), 1, false));
    assert_eq!(taken(&mut collector), [6]);
}

#[test]
fn what_comes_after_its_interval_was_handed_on_joins_the_next_one() {
    let mut collector = Collector::new(2, INTERVAL, false);
    (0..2).for_each(|worker| collector.add(&mut snapshot(worker, Nanos(1_000), 1, false)));
    assert_eq!(taken(&mut collector), [2]);
    // The window was over before the edge: the last response lay there.
    collector.add(&mut snapshot(0, Nanos(999), 3, false));
    collector.add(&mut snapshot(1, Nanos(1_500), 4, false));
    let (point, _) = collector.next().unwrap();
    assert_eq!((point.requests, point.t, point.span), (7, Nanos(1_500), Nanos(500)));
    (0..2).for_each(|worker| collector.finished(worker));
    assert!(collector.next().is_none());
    // One that comes alone has a point without length: time does not go backwards.
    collector.add(&mut snapshot(0, Nanos(1_400), 2, false));
    let (point, _) = collector.next().unwrap();
    assert_eq!((point.requests, point.t, point.span), (2, Nanos(1_500), Nanos::ZERO));
}

#[test]
fn what_came_behind_the_window_waits_for_its_end() {
    let mut collector = Collector::new(2, INTERVAL, true);
    collector.add(&mut snapshot(0, Nanos(1_000), 7, true));
    assert!(collector.next().is_none(), "it is no interval");
    assert_eq!(collector.so_far().counts(), &Counts::default());
    collector.add(&mut snapshot(1, Nanos(1_000), 3, true));
    let rest = collector.take_rest();
    assert_eq!((rest.counts.completed, rest.connections, rest.drain), (10, 10, true));
    assert_eq!(collector.so_far().counts().completed, 10);
    assert_eq!(collector.take_rest().counts, Counts::default(), "once");
    assert_eq!(collector.finish(Nanos(1), 4, 5).timeline, []);
}

#[test]
fn recycled_snapshots_are_empty() {
    let mut collector = Collector::new(1, INTERVAL, false);
    collector.recycle(snapshot(0, Nanos(1_000), 7, true));
    assert_eq!(collector.empty(), Snapshot::default());
    assert_eq!(collector.empty(), Snapshot::default(), "there is always one");
    // What was handed on is merged into nothing of an earlier interval.
    collector.recycle(snapshot(0, Nanos(9_000), 7, false));
    collector.add(&mut snapshot(0, Nanos(1_000), 2, false));
    let (point, merged) = collector.next().unwrap();
    assert_eq!((point.requests, point.t, merged.connections), (2, Nanos(1_000), 2));
}
