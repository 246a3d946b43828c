//! Servers that die in mid-run, and come back or do not.

use squall::clock;
use squall::units::Nanos;

use crate::common::nginx::Nginx;
use crate::common::process::free_port;
use crate::common::run::{alone, drivers, run, squall, start_command, together};
use crate::common::skip::or_skip;
use crate::common::yardstick::Sleepers;
use crate::ways::{Model, errors, finish, logged, send, send_judged, under_way};

#[test]
fn a_killed_server_costs_what_was_in_flight_and_the_run_ends_in_time() {
    let _alone = alone();
    let Some(mut nginx) = or_skip(Nginx::start()) else { return };
    let runs = send_judged(&nginx.url("/small"), &Model::ALL, &["-d", "3s", "--timeout", "1s"]);
    under_way(&runs, &nginx);
    nginx.kill();
    for (name, model, done) in finish(runs, Nanos::from_secs(10)) {
        let done = done.exits_as_judged().balanced();
        assert!(done.completed() > 0, "{name}");
        let attempts = done.count("/connections/failed_attempts");
        assert!(attempts > 0, "{name}");
        let broken = errors(&done, &["reset", "closed", "closed_idle"]);
        // A dying process closes its connections one by one: a new one may be taken, and reset, meanwhile.
        assert!(broken <= 24, "{name}: what was in flight failed, once: {}", done.at("/errors"));
        if model.has_users() {
            // Each user asks on and on; each attempt is a request that failed.
            assert_eq!(errors(&done, &["connect"]) + broken, done.failed(), "{name}: {}", done.at("/errors"));
        } else {
            assert_eq!(broken, done.failed(), "{name}: {}", done.at("/errors"));
        }
        let waiting = done.count("/requests/backlog_at_end");
        assert_eq!(waiting > 0, model.is_open(), "{name}: {waiting} still wait");
        if model.is_open() {
            assert_eq!(done.at("/verdict/status"), "invalid", "{name}: arrivals were not sent");
        }
    }
}

#[test]
fn a_server_that_comes_back_is_met_within_a_back_off() {
    let _alone = alone();
    let Some(mut nginx) = or_skip(Nginx::start()) else { return };
    let sleepers = Sleepers::start();
    let runs = send(&nginx.url("/small"), &Model::ALL, &["-d", "5s", "--timeout", "1s"]);
    under_way(&runs, &nginx);
    nginx.kill();
    clock::sleep(Nanos::from_millis(1_000));
    nginx.restart();
    let mut completed = 0;
    let done = finish(runs, Nanos::from_secs(12));
    let late = sleepers.worst();
    for (name, model, done) in done {
        let done = done.exits(0).balanced();
        completed += done.completed();
        // Met again at most a back-off (a good second; of users 64 ms) after it is back.
        let requests = done.timeline("requests");
        assert!(requests.len() >= 5, "{name}: {requests:?}");
        assert!(requests[0] > 0 && requests[4] > 0, "{name}: {requests:?}");
        assert!(done.count("/connections/failed_attempts") > 0, "{name}");
        if model == Model::Open {
            // The schedule waited and was caught up with.
            let waiting = done.count("/requests/backlog_at_end");
            assert_eq!(done.completed() + done.failed() + waiting, 1_000, "{name}");
            // 200 a second, and the last moment is as long as somebody may wake up late.
            assert!(waiting < 10 + late.0 / 5_000_000, "{name}: {waiting} wait, one may be {late} late");
        }
    }
    // nginx writes its log behind its responses: the last ones before it was killed may not stand there.
    let logged = logged(&nginx, completed);
    assert!(logged <= completed + 80 && logged + 80 >= completed, "{logged} logged, {completed} counted");
}

#[test]
fn a_target_that_is_never_there_is_told_at_once_and_in_the_report() {
    let _together = together();
    let url = format!("http://127.0.0.1:{}/", free_port());
    for driver in drivers() {
        // The plain loop does not begin; users do, as with k6.
        let done = run(&url, &["-d", "1s", "--driver", driver]).exits(1);
        assert!(done.stderr.contains("Connection refused"), "{}", done.stderr);
        for (more, code) in [
            (&["--threshold", "http_req_failed:rate<0.01"][..], 99),
            (&["--threshold", "http_req_failed:rate<0.01", "--allow-invalid"], 99),
            (&[], 96),
            (&["--allow-invalid"], 0),
        ] {
            let args = [&[&url, "--vus", "3", "-d", "1s", "--driver", driver], more].concat();
            let begun = clock::now();
            let done = start_command(&mut squall(&args)).finish().exits(code);
            assert!(clock::now() - begun < Nanos::from_secs(6), "{driver}");
            for part in ["INVALID", "no connection ever came about", "the target was never reached"] {
                assert!(done.stdout.contains(part), "{driver}: no `{part}` in {}", done.stdout);
            }
            assert!(done.stderr.contains("no connection has come about yet"), "{driver}: {}", done.stderr);
        }
        let done = run(&url, &["--vus", "3", "-d", "1s", "--driver", driver]).exits(0).balanced();
        assert_eq!(errors(&done, &["connect"]), done.failed(), "{driver}");
        assert_eq!(done.count("/connections/failed_attempts"), done.failed(), "{driver}");
        // Three users, 64 ms and less between two attempts of each.
        assert!((30..400).contains(&done.failed()), "{driver}: {}", done.failed());
        assert_eq!(done.count("/connections/established"), 0, "{driver}");
    }
}
