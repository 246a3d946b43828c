//! Servers, and the generator itself, that stand still.

use std::ops::Range;
use std::thread;

use squall::clock;
use squall::units::Nanos;

use crate::common::nginx::Nginx;
use crate::common::process::within;
use crate::common::run::{Done, alone, drivers, start_judged};
use crate::common::skip::or_skip;
use crate::common::yardstick::{Sleepers, Still, in_one_of_three, still};
use crate::peer;
use crate::ways::{Model, errors, finish, logged, send, send_judged, under_way};

const SECOND: Nanos = Nanos::from_secs(1);

/// The longest that a worker says that it stood still, in the reason that says so.
fn standstill(done: &Done) -> Option<String> {
    let reasons = done.at("/verdict/reasons").as_array().unwrap();
    reasons.iter().map(|reason| reason.as_str().unwrap()).find(|r| r.contains("stood still")).map(Into::into)
}

/// What waited for something that stood still for so long waited so many milliseconds, on a machine where one who is to go on
/// may be this late. Twelve runs then catch up side by side.
fn as_long_as((least, most): Still, late: Nanos) -> Range<f64> {
    let millis = |span: Nanos| span.0 as f64 / 1e6;
    0.85 * millis(least)..millis(most + late) + 800.0
}

#[test]
fn a_frozen_server_costs_timeouts_and_is_met_again() {
    let _alone = alone();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    let runs = send(&nginx.url("/small"), &Model::ALL, &["-d", "4s", "--timeout", "300ms"]);
    under_way(&runs, &nginx);
    nginx.signal("STOP");
    clock::sleep(SECOND);
    nginx.signal("CONT");
    for (name, _, done) in finish(runs, Nanos::from_secs(12)) {
        let done = done.exits(0).balanced();
        assert!(errors(&done, &["timeout"]) > 0, "{name}: {}", done.at("/errors"));
        assert_eq!(errors(&done, &["timeout", "closed"]), done.failed(), "{name}: {}", done.at("/errors"));
        assert!(done.timeline("requests")[3] > 0, "{name}: {:?}", done.timeline("requests"));
    }
}

#[test]
fn a_stall_shows_in_the_response_time_of_every_schedule() {
    let _alone = alone();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    let models = [Model::Open, Model::Arrivals];
    let runs = send(&nginx.url("/small"), &models, &["-d", "4s"]);
    under_way(&runs, &nginx);
    let sleepers = Sleepers::start();
    let stood = still(SECOND, |name| nginx.signal(name));
    let mut completed = 0;
    let done = finish(runs, Nanos::from_secs(12));
    let as_long = as_long_as(stood, sleepers.worst());
    for (name, _, done) in done {
        let done = done.exits(0).balanced();
        assert_eq!((done.failed(), done.count("/requests/scheduled")), (0, 800), "{name}");
        completed += done.completed();
        // A third of the arrivals came while it stood: the first of them waited for all of it.
        let response = done.percentile_ms("response_time", "99");
        assert!(as_long.contains(&response), "{name}: response time p99 {response} ms, not {as_long:?}");
        let service = done.percentile_ms("service_time", "90");
        assert!(service < 0.25 * as_long.start, "{name}: service time p90 {service} ms, of {as_long:?}");
    }
    assert_eq!(logged(&nginx, completed), completed);
}

#[test]
fn a_server_that_is_frozen_to_the_end_does_not_hold_the_run() {
    let _alone = alone();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    let runs = send(&nginx.url("/small"), &Model::ALL, &["-d", "3s", "--timeout", "1s"]);
    under_way(&runs, &nginx);
    nginx.signal("STOP");
    for (name, model, done) in finish(runs, Nanos::from_secs(12)) {
        let done = done.exits(0).balanced();
        assert!(done.completed() > 0, "{name}");
        // Its kernel goes on accepting: the time limit is the requests'.
        assert_eq!(errors(&done, &["timeout"]), done.failed(), "{name}: {}", done.at("/errors"));
        let left = done.count("/requests/in_flight_at_end");
        assert!(done.failed() + left >= 4, "{name}: {}", done.at("/requests"));
        assert_eq!(done.count("/requests/backlog_at_end") > 0, model.is_open(), "{name}");
    }
    nginx.signal("CONT");
}

#[test]
fn a_frozen_generator_says_so_and_loses_nothing() {
    let _alone = alone();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    let runs = send_judged(&nginx.url("/small"), &Model::ALL, &["-d", "4s"]);
    under_way(&runs, &nginx);
    let sleepers = Sleepers::start();
    let stood = still(SECOND, |name| runs.iter().for_each(|run| run.running().signal(name)));
    let mut answered = 0;
    let done = finish(runs, Nanos::from_secs(12));
    let as_long = as_long_as(stood, sleepers.worst());
    for (name, model, done) in done {
        let done = done.exits_as_judged().balanced();
        assert_eq!(
            (done.failed(), done.count("/requests/in_flight_at_end")),
            (0, 0),
            "{name}: {}",
            done.at("/errors")
        );
        answered += done.completed();
        assert_ne!(done.at("/verdict/status"), "valid", "{name}");
        let reason = standstill(&done).unwrap_or_else(|| panic!("{name}: {}", done.at("/verdict")));
        assert!(reason.contains("SIGSTOP"), "{name}: {reason}");
        if model.is_open() {
            assert_eq!(done.count("/requests/scheduled"), 800, "{name}");
            let response = done.percentile_ms("response_time", "99");
            assert!(as_long.contains(&response), "{name}: response time p99 {response} ms, not {as_long:?}");
            let noticed = done.number("/latency/pickup_lag/max_us") / 1_000.0;
            assert!(as_long.contains(&noticed), "{name}: pickup lag up to {noticed} ms, not {as_long:?}");
        }
    }
    assert_eq!(logged(&nginx, answered), answered);
}

#[test]
fn responses_that_came_while_the_generator_stood_still_are_no_timeouts() {
    let _alone = alone();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    // On a busy host one may be stopped between stamping a request and sending it: that one is late, and no response was there.
    in_one_of_three(|| {
        // Few of them, so that the signals reach all within their time.
        let models = [Model::Closed, Model::Users];
        let runs = send_judged(&nginx.url("/small"), &models, &["-d", "4s", "--timeout", "500ms"]);
        under_way(&runs, &nginx);
        still(SECOND, |name| runs.iter().for_each(|run| run.running().signal(name)));
        let mut late = String::new();
        for (name, _, done) in finish(runs, Nanos::from_secs(12)) {
            let done = done.exits_as_judged().balanced();
            assert!(standstill(&done).is_some(), "{name}: {}", done.at("/verdict"));
            if done.failed() > 0 {
                late += &format!("{name}: they were there: {}; ", done.at("/errors"));
            }
        }
        if late.is_empty() { Ok(()) } else { Err(late) }
    });
}

#[test]
fn a_generator_that_is_frozen_over_its_end_says_so() {
    let _alone = alone();
    let mut tries = Vec::new();
    for freeze in [700, 1_300] {
        for driver in drivers() {
            for model in [&["-c", "4"][..], &["-c", "4", "-R", "20"], &["--vus", "4"]] {
                tries.push(thread::spawn(move || {
                    frozen_over_its_end(driver, model, Nanos::from_millis(freeze))
                }));
            }
        }
    }
    tries.into_iter().for_each(|one| one.join().unwrap());
}

fn frozen_over_its_end(driver: &str, model: &[&str], freeze: Nanos) {
    // Responses take 900 ms: those in flight at the end of the window come while it stands still.
    let (url, seen) = peer::start(|mut peer| {
        while peer.request() {
            clock::sleep(Nanos::from_millis(900));
            if !peer.response() {
                return;
            }
        }
    });
    let args = [model, &["-d", "1s", "--timeout", "3s", "-t", "1", "--driver", driver]].concat();
    let running = start_judged(&url, &args);
    assert!(within(Nanos::from_secs(10), || seen.requests() > 0));
    clock::sleep(freeze);
    running.signal("STOP");
    clock::sleep(SECOND);
    running.signal("CONT");
    let done = running.finish().exits_as_judged().balanced();
    assert_eq!((done.failed(), done.count("/requests/in_flight_at_end")), (0, 0), "{args:?}");
    assert!(standstill(&done).is_some(), "{args:?}, at {freeze}: {}", done.at("/verdict"));
    assert_eq!(done.completed(), seen.responses(), "{args:?}, at {freeze}");
}
