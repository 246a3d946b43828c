use proptest::prelude::*;

use super::*;
use crate::stats::layout::{Layout, Tags};
use crate::stats::recorder::Recorder;

/// Two scenarios, one with stages, a check and a watch.
fn layout() -> Layout {
    let tags = |name: &str| -> Tags { [("scenario".to_owned(), name.to_owned())].into() };
    let mut layout = Layout::default();
    for (scenario, ends) in [("a", vec![Nanos(10), Nanos(20)]), ("b", Vec::new())] {
        let index = layout.add_scenario(scenario, "constant-vus", tags(scenario), ends);
        layout.add_place(index, 0, tags(scenario), &["status==200"]);
    }
    layout.watch(0, crate::stats::layout::Condition::Status(503));
    layout
}

/// Something that can be in a snapshot.
#[derive(Clone, Debug)]
enum Put {
    Requests(usize, usize, u64),
    Custom(u8, u8, f64, u64),
    Check(usize, bool),
    Iteration(usize, u64),
    Plain(u64, u16),
    Failed(usize),
}

fn put() -> impl Strategy<Value = Put> {
    let value = || (0u32..45, any::<u64>()).prop_map(|(shift, value)| value >> (shift + 18));
    prop_oneof![
        4 => (0usize..12, 0usize..11, value()).prop_map(|(series, table, value)| Put::Requests(series, table, value)),
        2 => (0u8..4, 0u8..40, -1e9..1e9, 0u64..1 << 40).prop_map(|(kind, tag, value, at)| Put::Custom(kind, tag, value, at)),
        1 => (0usize..12, any::<bool>()).prop_map(|(series, passed)| Put::Check(series, passed)),
        1 => (0usize..3, value()).prop_map(|(scenario, took)| Put::Iteration(scenario, took)),
        2 => (value(), 0u16..1000).prop_map(|(took, status)| Put::Plain(took, status)),
        1 => (0usize..ErrorKind::ALL.len()).prop_map(Put::Failed),
    ]
}

fn snapshot(puts: &[Put]) -> Snapshot {
    let mut layout = layout();
    layout.bound_series(20);
    let mut recorder = Recorder::of_scenarios(&layout);
    for put in puts {
        let tally = &mut recorder.tally;
        match *put {
            Put::Requests(series, table, value) => {
                if let Some(requests) = tally.requests_mut(series) {
                    requests.completed += 1;
                    requests.tables_mut()[table].record(Nanos(value));
                }
            }
            Put::Custom(kind, tag, value, at) => {
                let kinds = [Kind::Counter, Kind::Gauge, Kind::Rate, Kind::Trend];
                let (kind, tag) = (kinds[usize::from(kind)], tag.to_string());
                let (metric, tags) = (format!("{kind:?}"), [("n", tag.as_str())]);
                let key = KeyRef { metric: &metric, kind, tags: &tags, role: Role::Plain };
                let id = tally.series_of(key).expect("of one kind");
                tally.add(id, value, Nanos(at));
            }
            Put::Check(series, passed) => {
                if let Some(rate) = tally.rate_mut(series as u32) {
                    if passed { rate.passes += 1 } else { rate.fails += 1 }
                }
            }
            Put::Iteration(scenario, took) => {
                tally.scenarios[scenario].completed += 1;
                tally.scenarios[scenario].iteration_duration.record(Nanos(took));
            }
            Put::Plain(took, status) => {
                recorder.picked_up(Nanos(took));
                recorder.reached(Nanos(took));
                recorder.counts.status.add(status);
            }
            Put::Failed(kind) => recorder.failed(ErrorKind::ALL[kind]),
        }
    }
    let mut snapshot = recorder.rotate(Snapshot::new(3));
    (snapshot.connections, snapshot.end) = (puts.len() as u64, Nanos(puts.len() as u64));
    snapshot
}

fn puts() -> impl Strategy<Value = Vec<Put>> {
    prop::collection::vec(put(), 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_what_was_read_is_merging_what_was_written(a in puts(), b in puts()) {
        let (a, b) = (snapshot(&a), snapshot(&b));
        let (mut read_a, read_b) = (read(&write(&a)).unwrap(), read(&write(&b)).unwrap());
        prop_assert_eq!(&read_a, &a);
        let mut merged = a.clone();
        merged.merge(&b);
        read_a.merge(&read_b);
        prop_assert_eq!(&read_a, &merged);
        let known = layout().registry().keys().len();
        // Beside those: of each kind one for metrics that were new when there was no more room, and one for each metric's others.
        prop_assert!(merged.tally.registry().keys().len() <= known + 20 + 4 + 4, "bounded over workers too");
    }

    #[test]
    fn damage_is_an_error_or_another_snapshot(puts in puts(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut bytes = write(&snapshot(&puts));
        prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(mut read) = read(&bytes) {
            let again = read.clone();
            read.merge(&again);
        }
    }
}

#[test]
fn what_is_no_snapshot_is_refused_by_name() {
    assert_eq!(read(b"{}"), Err(WireError::Foreign));
    assert_eq!(read(b"SQSN"), Err(damaged("it ends behind its first bytes")));
    let mut bytes = write(&Snapshot::new(0));
    bytes[4] = 9;
    let error = read(&bytes).unwrap_err().to_string();
    assert!(error.contains("format 9") && error.contains(&format!("reads format {VERSION}")), "{error}");
    bytes[4] = VERSION;
    bytes.push(0);
    assert_eq!(read(&bytes), Err(damaged("1 bytes behind its end")));
}

/// A second of 5,000 requests, spread over 50 series.
#[test]
fn a_snapshot_of_fifty_series_is_small() {
    let mut layout = Layout::default();
    let scenario = layout.add_scenario("main", "constant-vus", Tags::new(), Vec::new());
    for step in 0..25 {
        let tags: Tags = [("name".to_owned(), format!("step {step}"))].into();
        layout.add_place(scenario, step, tags, &[]);
    }
    let mut recorder = Recorder::of_scenarios(&layout);
    let mut rng = crate::rng::Rng::new(1);
    for n in 0..5_000usize {
        let took = Nanos((-rng.unit().ln() * 2e6) as u64 + 300_000);
        recorder.noticed(Nanos(took.0 / 100));
        let requests = recorder.tally.requests_mut(n % 50).expect("a series of requests");
        requests.completed += 1;
        for table in [&mut requests.service_time, &mut requests.first_byte, &mut requests.response_time] {
            table.record(took);
        }
        requests.start_lag.record(Nanos(took.0 / 50));
    }
    let bytes = write(&recorder.rotate(Snapshot::new(0))).len();
    assert!(bytes <= 40_000, "{bytes}");
}
