use proptest::prelude::*;

use super::*;
use crate::stats::outcome::ErrorKind;
use crate::stats::outcome::Sample;
use crate::stats::recorder::Recorder;

/// Something that can happen to a worker.
#[derive(Clone, Debug)]
enum Happening {
    Response(Sample),
    Start(Nanos, Nanos),
    PickUp(Nanos),
    Failure(ErrorKind),
    Drop,
    Connection(Nanos),
    NoConnection(ErrorKind),
    Bytes(u64, u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let span = || (0u64..10_000_000_000).prop_map(Nanos);
    let kind = || prop::sample::select(ErrorKind::ALL.to_vec());
    let response = (span(), span(), span(), any::<bool>(), 100u16..600).prop_map(
        |(lag, service, first, whole, status)| {
            let sent = lag;
            let done = sent + service;
            let first_byte = if whole { done } else { sent + first.min(service) };
            Happening::Response(Sample { scheduled: Nanos::ZERO, sent, first_byte, done, status })
        },
    );
    prop_oneof![
        6 => response,
        2 => (span(), span()).prop_map(|(at, lag)| Happening::Start(at, at + lag)),
        1 => span().prop_map(Happening::PickUp),
        1 => kind().prop_map(Happening::Failure),
        1 => Just(Happening::Drop),
        1 => span().prop_map(Happening::Connection),
        1 => kind().prop_map(Happening::NoConnection),
        1 => (any::<u16>(), any::<u16>())
            .prop_map(|(out, back)| Happening::Bytes(out.into(), back.into())),
    ]
}

fn put(recorder: &mut Recorder, happening: &Happening) {
    match *happening {
        Happening::Response(ref sample) => recorder.record(sample),
        Happening::Start(scheduled, sent) => recorder.started(scheduled, sent),
        Happening::PickUp(lag) => recorder.picked_up(lag),
        Happening::Failure(kind) => recorder.failed(kind),
        Happening::Drop => recorder.dropped(),
        Happening::Connection(took) => {
            recorder.reached(took);
            recorder.secured(took);
            recorder.connected();
        }
        Happening::NoConnection(kind) => recorder.connect_failed(kind),
        Happening::Bytes(out, back) => {
            recorder.bytes_out(out);
            recorder.bytes_in(back);
        }
    }
}

proptest! {
    // Each case allocates and compares tens of histograms.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn merging_the_parts_is_recording_all_into_one(
        happenings in prop::collection::vec((happening(), 0usize..3, any::<bool>()), 0..80),
    ) {
        let mut whole = Recorder::new(true);
        let mut parts: Vec<Recorder> = (0..3).map(|_| Recorder::new(true)).collect();
        let mut merged = Snapshot::new(0);
        let mut shell = Snapshot::new(9);
        for (happening, worker, edge) in &happenings {
            put(&mut whole, happening);
            put(&mut parts[*worker], happening);
            // Intervals end wherever they like; one shell travels back and forth for all.
            if *edge {
                shell = parts[*worker].rotate(shell);
                merged.merge(&shell);
                shell.clear();
            }
        }
        for part in &mut parts {
            merged.merge(&part.rotate(Snapshot::new(9)));
        }
        prop_assert_eq!(merged, whole.rotate(Snapshot::new(0)));
    }

    #[test]
    fn cleared_is_new(happenings in prop::collection::vec(happening(), 0..40)) {
        let mut recorder = Recorder::new(true);
        happenings.iter().for_each(|h| put(&mut recorder, h));
        let mut used = recorder.rotate(Snapshot::new(3));
        used.connections = 1;
        used.vus = 2;
        used.in_flight = 3;
        used.backlog = 4;
        used.end = Nanos(5);
        used.clear();
        prop_assert_eq!(used, Snapshot::new(3));
    }
}

#[test]
fn gauges_add_up_over_workers() {
    let worker = |connections, end| Snapshot {
        connections,
        vus: 2,
        in_flight: 3,
        backlog: 4,
        end: Nanos(end),
        ..Snapshot::new(1)
    };
    let mut merged = worker(10, 7);
    merged.merge(&worker(20, 6));
    assert_eq!((merged.connections, merged.vus), (30, 4));
    assert_eq!((merged.in_flight, merged.backlog), (6, 8));
    assert_eq!((merged.end, merged.worker), (Nanos(7), 1));
}

#[test]
fn counts_by_status_and_kind_list_what_occurred() {
    let mut counts = Counts::default();
    for code in [200, 503, 200, 999, 100] {
        counts.status.add(code);
    }
    let status: Vec<_> = counts.status.iter().collect();
    assert_eq!(status, [(100, 1), (200, 2), (503, 1), (999, 1)]);
    assert_eq!((counts.status.of(200), counts.status.of(404)), (2, 0));
    assert_eq!(counts.status.total(), 5);

    for kind in ErrorKind::ALL {
        counts.errors.add(kind);
    }
    counts.errors.add(ErrorKind::Reset);
    assert_eq!(counts.errors.of(ErrorKind::Reset), 2);
    assert_eq!(counts.errors.total(), ErrorKind::ALL.len() as u64 + 1);
    let kinds: Vec<_> = counts.errors.iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ErrorKind::ALL);
}
