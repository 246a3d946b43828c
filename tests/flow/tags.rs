//! Requests whose tags a flow makes: far more sets of tags than there may be series.

use std::cell::Cell;

use squall::stats::registry::Role;
use squall::threshold::Threshold;

use super::*;

/// Requests of a worker; each has tags of its own but for every hundredth.
const REQUESTS: u32 = 50_000;
/// From here on every hundredth is a login: when there is no room for its series any more.
const LOGINS_FROM: u32 = 10_000;
const LOGINS: u32 = (REQUESTS - LOGINS_FROM) / 100;
/// How far the tags of the second worker are from those of the first.
const APART: u32 = 25_000;

/// One request behind the other, each with its tags.
struct Tagging {
    expected: Rc<StatusSet>,
    first: u32,
    /// The largest number of a place.
    last_place: Rc<Cell<u32>>,
}

impl Tagging {
    fn request(&self, number: u32, moves: &mut Moves<'_>) {
        let (name, url) = match number >= LOGINS_FROM && number.is_multiple_of(100) {
            true => ("login", "/login".to_owned()),
            false => ("item", format!("/item/{}", self.first + number)),
        };
        let tags = [("method", "GET"), ("name", name), ("scenario", "only"), ("url", &url)];
        let place = moves.place(&tags);
        assert_eq!(moves.place(&tags), place, "it is found again");
        self.last_place.set(self.last_place.get().max(place));
        moves.request(Request {
            origin: 0,
            source: Source::Payload(PayloadId(0), GET.len() as u32),
            expect: Expect::Normal,
            limit: Nanos::from_secs(60),
            keeps: Needs::default(),
            replayable: false,
            body_limit: 0,
            expected: Rc::clone(&self.expected),
            place,
            scheduled: None,
        });
    }
}

impl Flow for Tagging {
    type State = u32;

    fn anew(&self, _: &squall::worker::flow::FlowSetup<'_>) -> Tagging {
        unreachable!("there is one window")
    }

    fn user(&self, _: &UserKey) -> u32 {
        0
    }

    fn prepare(&mut self, _: &mut u32) -> bool {
        true
    }

    fn on(&mut self, next: &mut u32, what: What, moves: &mut Moves<'_>) -> Then {
        match what {
            What::Begin(_) => {
                let refused = moves.series("http_req", Kind::Counter, &[]).unwrap_err().to_string();
                assert!(refused.starts_with("there is a metric `http_req` already"), "{refused}");
            }
            What::Answered(..) => {}
            _ => return Then::Wait,
        }
        if *next < REQUESTS {
            self.request(*next, moves);
            *next += 1;
        }
        Then::Wait
    }

    fn write(
        &mut self,
        _: &mut u32,
        _: ExchangeId,
        _: &Url,
        _: Nanos,
        _: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        unreachable!("its requests are constant")
    }
}

/// All that a worker measured whose tags begin with number `first`.
fn measure(layout: &Layout, first: u32) -> Snapshot {
    // Long enough for all of them, one behind the other.
    let length = Nanos::from_secs(1);
    let script = script(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Nanos::from_micros(10));
    let start = script.start + Nanos::from_millis(1);
    let peer = SocketAddr::from(([127, 0, 0, 1], 80));
    let last_place = Rc::new(Cell::new(0));
    let flow = Tagging { expected: Rc::default(), first, last_place: Rc::clone(&last_place) };
    let driver = |config| SimDriver::new(config, script);
    let (snapshots, _) = snapshots_of(flow, peer, length, layout.clone(), || start, driver);
    // Twice the bound, and what stands for others: those named `login`, and the rest.
    let places = layout.places.len() as u32 + 2 * SERIES_MAX + 2;
    assert!(last_place.get() < places, "{} places", last_place.get());
    let mut all = Snapshot::new(0);
    snapshots.iter().for_each(|snapshot| all.merge(snapshot));
    all
}

fn observed(threshold: &Threshold, layout: &Layout, all: &Snapshot) -> f64 {
    threshold.evaluate(layout, &all.tally, Nanos::from_secs(1)).observed
}

/// The series that samples have made.
fn made(layout: &Layout, all: &Snapshot, role: Role) -> usize {
    let beyond = all.tally.registry().keys().iter().skip(layout.registry().keys().len());
    beyond.filter(|key| key.role() == role).count()
}

#[test]
fn requests_with_a_hundred_thousand_sets_of_tags_are_bounded_and_thresholds_on_them_exact() {
    let mut layout = workload(Nanos::from_secs(1)).layout();
    layout.expect_any_tags();
    let thresholds = [
        "http_reqs",
        "http_reqs{name:login}",
        "http_reqs{name:login,status:200}",
        "http_reqs{name:login,expected_response:false}",
        "http_reqs{name:item,stage:0}",
        "http_reqs{scenario:only}",
    ];
    let thresholds = thresholds.map(|selector| Threshold::parse(selector, "count>0").unwrap());
    let longest = Threshold::parse("http_req_duration{name:login}", "max>0").unwrap();
    thresholds.iter().chain([&longest]).for_each(|threshold| threshold.prepare(&mut layout).unwrap());
    let workers = [measure(&layout, 0), measure(&layout, APART)];
    let bound = SERIES_MAX as usize;
    let expect = |all: &Snapshot, times: u32| {
        let (requests, logins) = (times * REQUESTS, times * LOGINS);
        let expected = [requests, logins, logins, 0, requests - logins, requests].map(f64::from);
        let found = thresholds.each_ref().map(|threshold| observed(threshold, &layout, all));
        assert_eq!(found, expected);
        assert!(observed(&longest, &layout, all) >= 0.01);
        assert_eq!(all.counts.completed, u64::from(requests));
        let in_series: u64 = all.tally.all_requests().map(|series| series.completed).sum();
        assert_eq!(in_series, u64::from(requests));
        // Each set of tags that has a series was seen once.
        assert_eq!(all.tally.in_others(), u64::from(requests) - bound as u64);
        let [plain, other, watch] =
            [Role::Plain, Role::Other, Role::Watch].map(|role| made(&layout, all, role));
        assert_eq!((plain, other, watch), (bound, 2, 1));
    };
    workers.iter().for_each(|worker| expect(worker, 1));
    for [a, b] in [[0, 1], [1, 0]] {
        let mut all = workers[a].clone();
        all.merge(&workers[b]);
        expect(&all, 2);
    }
}
