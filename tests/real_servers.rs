//! The real binary against real servers: every response that squall counts stands in the server's
//! access log, and nothing hangs or is lost when the server dies or freezes.

mod common;

use common::haproxy::Haproxy;
use common::nginx::{LIMIT, Line, Nginx};
use common::plain::{self, Framing};
use common::run::{Done, Running, alone, drivers, run, start, together};
use common::skip::or_skip;
use common::target::Target;
use common::yardstick::{Client, Sleepers, still};
use squall::clock;
use squall::units::Nanos;

fn millis(span: Nanos) -> f64 {
    span.0 as f64 / 1e6
}

/// A query that marks the requests of one run in the log.
fn marked(path: &str, mark: &str) -> String {
    format!("{path}?run={mark}.")
}

/// Asserts that the log has a line for each response that `done` counted, and no other, status by
/// status. Returns the lines.
fn matches_log(done: &Done, nginx: &Nginx, mark: &str) -> Vec<Line> {
    let lines = nginx.log(&format!("?run={mark}."), done.completed());
    assert_eq!(lines.len() as u64, done.completed(), "{mark}: responses in the log and counted");
    for (status, count) in done.at("/status").as_object().unwrap() {
        let logged = lines.iter().filter(|line| line.status.to_string() == *status).count();
        assert_eq!(logged as u64, count.as_u64().unwrap(), "{mark}: responses with {status}");
    }
    lines
}

/// [`matches_log`] for a run without a failure: the bytes are the same to the last one, too.
fn equals_log(done: &Done, nginx: &Nginx, mark: &str) -> Vec<Line> {
    assert_eq!((done.failed(), done.count("/requests/in_flight_at_end")), (0, 0), "{mark}: {}", done.stdout);
    let lines = matches_log(done, nginx, mark);
    let bytes: u64 = lines.iter().map(|line| line.bytes_sent).sum();
    assert_eq!(done.count("/throughput/received_bytes"), bytes, "{mark}: bytes");
    lines
}

#[test]
fn counts_equal_the_access_log_in_every_model() {
    let _together = together();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    for driver in drivers() {
        for (name, args) in [
            ("n", &["-n", "5000", "-c", "20"][..]),
            ("n-deep", &["-n", "5000", "-c", "7", "-p", "8"]),
            ("n-two", &["-n", "5001", "-c", "9", "-t", "2"]),
            ("n-open", &["-n", "1001", "-c", "20", "-R", "4000"]),
            ("d", &["-d", "500ms", "-c", "20"]),
            ("d-deep", &["-d", "500ms", "-c", "7", "-p", "8"]),
            ("d-open", &["-d", "1s", "-c", "20", "-R", "2000"]),
            ("d-poisson", &["-d", "1s", "-c", "9", "-R", "2000", "--arrivals", "poisson", "-t", "2"]),
        ] {
            let mark = format!("{driver}-{name}");
            let args = [args, &["--driver", driver]].concat();
            let done = run(&nginx.url(&marked("/small", &mark)), &args).exits(0).balanced();
            let lines = equals_log(&done, &nginx, &mark);
            assert_eq!(done.at("/environment/driver"), driver);
            assert!(lines.iter().all(|line| line.request.starts_with("GET ") && line.status == 200));
            if let Some(wanted) = done.at("/config/requests").as_u64() {
                assert_eq!(done.completed(), wanted, "{mark}");
            }
            if name == "d-open" {
                assert_eq!(done.count("/requests/scheduled"), 2_000, "{mark}");
            }
        }
    }
}

#[test]
fn every_kind_of_response_equals_the_access_log() {
    let _together = together();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    let body = "0123456789".repeat(1_000);
    for driver in drivers() {
        for (path, method, status, more) in [
            ("/missing", "GET", 404, &[][..]),
            ("/moved", "GET", 302, &[]),
            ("/small", "HEAD", 200, &["-m", "HEAD"]),
            ("/64k", "HEAD", 200, &["-m", "HEAD", "-p", "4"]),
            ("/made", "POST", 201, &["--body", &body]),
            ("/made", "PUT", 201, &["-m", "PUT", "--body", &body, "-p", "8"]),
            ("/small", "GET", 304, &["-H", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"]),
            ("/small", "GET", 206, &["-H", "Range: bytes=2-5"]),
        ] {
            let mark = format!("{driver}-{method}-{status}-{}", &path[1..]);
            let mut args = vec!["-n", "1000", "-c", "5", "--driver", driver];
            args.extend(more);
            let done = run(&nginx.url(&marked(path, &mark)), &args).exits(0).balanced();
            let lines = equals_log(&done, &nginx, &mark);
            assert_eq!(done.count(&format!("/status/{status}")), 1_000, "{mark}");
            assert!(lines.iter().all(|line| line.request.starts_with(&format!("{method} "))), "{mark}");
        }
    }
}

#[test]
fn a_keep_alive_limit_costs_reconnects_and_no_request() {
    let _together = together();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    for driver in drivers() {
        for (name, args) in
            [("n", &["-n", "5000", "-c", "8"][..]), ("open", &["-d", "1s", "-R", "2000", "-c", "8"])]
        {
            let mark = format!("{driver}-{name}");
            let args = [args, &["--driver", driver]].concat();
            let done = run(&nginx.url(&marked("/limited", &mark)), &args).exits(0).balanced();
            let lines = equals_log(&done, &nginx, &mark);
            let full = lines.iter().filter(|line| line.nth == LIMIT).count() as u64;
            assert!(lines.iter().all(|line| line.nth <= LIMIT));
            assert!(full >= 10, "{mark}: {full} connections reached the limit");
            let reconnects = done.count("/connections/reconnects");
            // Those that reached it at the very end need not be replaced any more.
            assert!((full - 8..=full).contains(&reconnects), "{mark}: {reconnects} for {full}");
        }
    }
}

#[test]
fn what_was_pipelined_beyond_the_limit_is_sent_again() {
    let _together = together();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    for driver in drivers() {
        let mark = format!("{driver}-deep");
        let args = ["-n", "5000", "-c", "4", "-p", "8", "--driver", driver];
        let done = run(&nginx.url(&marked("/limited", &mark)), &args).exits(0).balanced();
        matches_log(&done, &nginx, &mark);
        assert!(done.count("/requests/resent") > 0, "{mark}: the limit is no multiple of 8");
        assert_eq!((done.completed(), done.failed()), (5_000, 0), "{mark}: {}", done.at("/errors"));
        assert!(done.count("/connections/reconnects") > 0, "{mark}");
    }
}

#[test]
fn large_bodies_are_counted_to_the_last_byte() {
    let _together = together();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    for driver in drivers() {
        for (path, size, args) in [
            ("/64k", 64 << 10, &["-n", "500", "-c", "10"][..]),
            ("/64k", 64 << 10, &["-n", "400", "-c", "3", "-p", "8"]),
            ("/64k", 64 << 10, &["-d", "1s", "-c", "5", "-R", "300"]),
            ("/3m", 3 << 20, &["-n", "50", "-c", "5"]),
            ("/3m", 3 << 20, &["-n", "24", "-c", "2", "-p", "4"]),
        ] {
            let mark = format!("{driver}-{}-{}", &path[1..], args.concat());
            let args = [args, &["--driver", driver]].concat();
            let done = run(&nginx.url(&marked(path, &mark)), &args).exits(0).balanced();
            let lines = equals_log(&done, &nginx, &mark);
            assert!(lines.iter().all(|line| line.status == 200 && line.bytes_sent > size), "{mark}");
        }
    }
}

#[test]
fn bodies_that_end_with_the_connection_are_whole() {
    let _together = together();
    for length in [0, 1_000, 200_000] {
        let (url, bytes) = plain::start(Framing::Close, length);
        for driver in drivers() {
            let args = ["-n", "200", "-c", "4", "--driver", driver];
            let done = run(&url, &args).exits(0).balanced();
            assert_eq!((done.completed(), done.failed()), (200, 0), "{driver}, {length} bytes");
            assert_eq!(done.count("/throughput/received_bytes"), 200 * bytes, "{driver}, {length} bytes");
            assert!((196..=200).contains(&done.count("/connections/reconnects")), "{driver}");
        }
    }
}

#[test]
fn counts_equal_the_log_behind_haproxy() {
    let _together = together();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    let Some(haproxy) = or_skip(Haproxy::start(nginx.port())) else { return };
    for driver in drivers() {
        for (name, path, args) in [
            ("small", "/small", &["-n", "3000", "-c", "10"][..]),
            ("deep", "/small", &["-n", "3000", "-c", "5", "-p", "8"]),
            ("time", "/small", &["-d", "1s", "-c", "10"]),
            ("open", "/small", &["-d", "1s", "-c", "10", "-R", "1000"]),
            ("missing", "/missing", &["-n", "1000", "-c", "10"]),
            ("head", "/small", &["-n", "1000", "-c", "10", "-m", "HEAD"]),
            ("limited", "/limited", &["-n", "1000", "-c", "4"]),
        ] {
            let mark = format!("{driver}-{name}");
            let args = [args, &["--driver", driver]].concat();
            let done = run(&haproxy.url(&marked(path, &mark)), &args).exits(0).balanced();
            assert_eq!(done.failed(), 0, "{mark}");
            matches_log(&done, &nginx, &mark);
        }
    }
}

#[test]
fn chunked_and_large_responses_come_whole_through_haproxy() {
    let _together = together();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    let Some(haproxy) = or_skip(Haproxy::start(nginx.port())) else { return };
    for driver in drivers() {
        for (name, path, body, args) in [
            ("chunked", "/included.shtml", 30_000, &["-n", "1000", "-c", "10"][..]),
            ("chunked-deep", "/included.shtml", 30_000, &["-n", "1000", "-c", "5", "-p", "4"]),
            ("chunked-open", "/included.shtml", 30_000, &["-d", "1s", "-c", "5", "-R", "300"]),
            ("large", "/3m", 3 << 20, &["-n", "30", "-c", "3"]),
            ("64k", "/64k", 64 << 10, &["-n", "500", "-c", "10"]),
        ] {
            let mark = format!("{driver}-{name}");
            let args = [args, &["--driver", driver]].concat();
            let done = run(&haproxy.url(&marked(path, &mark)), &args).exits(0).balanced();
            assert_eq!(done.failed(), 0, "{mark}: {}", done.at("/errors"));
            matches_log(&done, &nginx, &mark);
            // Head and framing: at least the status line, at most a few hundred bytes.
            let each = done.count("/throughput/received_bytes") / done.completed();
            assert!((body + 15..body + 600).contains(&each), "{mark}: {each} bytes each");
        }
    }
}

/// Every model under every driver, side by side against the same server.
fn in_every_way(url: &str, more: &[&str]) -> Vec<(String, Running)> {
    let models: [&[&str]; 3] = [&["-c", "5"], &["-c", "5", "-R", "500"], &["-c", "3", "-p", "4"]];
    let mut runs = Vec::new();
    for driver in drivers() {
        for model in models {
            let args = [model, &["--driver", driver, "-t", "1"], more].concat();
            runs.push((args.join(" "), start(url, &args)));
        }
    }
    runs
}

/// How many arrivals may find that the run is over before they were sent, where somebody may wake up so late.
fn last_moment(rate: u64, late: Nanos) -> u64 {
    10 + rate * late.0 / 1_000_000_000
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_met_again() {
    let _alone = alone();
    let Some(mut nginx) = or_skip(Nginx::start()) else { return };
    let (begun, sleepers) = (clock::now(), Sleepers::start());
    let runs = in_every_way(&nginx.url("/small"), &["-d", "4s"]);
    clock::sleep(Nanos::from_millis(1_000));
    nginx.kill();
    clock::sleep(Nanos::from_millis(1_000));
    nginx.restart();
    let mut lost = 0;
    let done: Vec<_> = runs.into_iter().map(|(name, running)| (name, running.finish())).collect();
    let late = sleepers.worst();
    for (name, done) in done {
        let done = done.exits(0).balanced();
        lost += done.failed();
        let broken = ["reset", "closed", "closed_idle"].map(|kind| done.count(&format!("/errors/{kind}")));
        assert_eq!(broken.iter().sum::<u64>(), done.failed(), "{name}: {}", done.at("/errors"));
        assert!(done.failed() <= 24, "{name}: what was in flight failed, once: {}", done.failed());
        assert!(done.count("/connections/failed_attempts") > 0, "{name}");
        // Refused; or taken by the dying server, and broken before a request was on it.
        let refused: u64 = ["connect", "reset", "closed"]
            .iter()
            .map(|kind| done.count(&format!("/connections/errors/{kind}")))
            .sum();
        assert_eq!(refused, done.count("/connections/failed_attempts"), "{name}");
        assert!(done.count("/connections/errors/connect") > 0, "{name}");
        assert!(done.count("/connections/reconnects") >= 3, "{name}");
        let requests = done.timeline("requests");
        assert!(requests[0] > 0 && *requests.last().unwrap() > 0, "{name}: {requests:?}");
        if name.contains("-R") {
            // The schedule waited in the backlog while nobody was there, and was caught up with.
            assert_eq!(done.count("/requests/scheduled"), 2_000, "{name}");
            let waiting = done.count("/requests/backlog_at_end");
            assert_eq!(done.completed() + done.failed() + waiting, 2_000, "{name}");
            assert!(waiting < last_moment(500, late), "{name}: {waiting} wait, one may be {late} late");
            assert!(done.percentile_ms("response_time", "90") > 300.0, "{name}");
        }
    }
    // One of them may have had nothing in flight: a worker that was not running reads the last responses and the
    // end of the connections in one turn.
    assert!(lost > 0, "something was in flight when it was killed");
    assert!(clock::now() - begun < Nanos::from_secs(8) + late, "they end in time");
}

#[test]
fn a_server_that_stays_away_does_not_hold_the_run() {
    let _alone = alone();
    let Some(mut nginx) = or_skip(Nginx::start()) else { return };
    let runs = in_every_way(&nginx.url("/small"), &["-d", "2s"]);
    clock::sleep(Nanos::from_millis(800));
    nginx.kill();
    let killed = clock::now();
    let mut lost = 0;
    for (name, running) in runs {
        let done = running.finish().exits(0).balanced();
        assert!(done.completed() > 0, "{name}");
        lost += done.failed();
        let attempts = done.count("/connections/failed_attempts");
        assert!((1..200).contains(&attempts), "{name}: {attempts} attempts, with a back-off");
        let waiting = done.count("/requests/backlog_at_end");
        assert_eq!(waiting > 0, name.contains("-R"), "{name}: {waiting} still wait");
    }
    assert!(lost > 0, "something was in flight when it was killed");
    assert!(clock::now() - killed < Nanos::from_secs(4), "they end in time");
}

#[test]
fn a_frozen_server_shows_in_the_response_time() {
    let _alone = alone();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    for driver in drivers() {
        let args = ["-d", "3s", "-c", "16", "-R", "2000", "--driver", driver, "-t", "1"];
        let running = start(&nginx.url(&marked("/small", driver)), &args);
        let sleepers = Sleepers::start();
        clock::sleep(Nanos::from_millis(1_000));
        let (least, most) = still(Nanos::from_millis(1_000), |name| nginx.signal(name));
        let done = running.finish().exits(0).balanced();
        let late = sleepers.worst();
        let (least, most) = (millis(least), millis(most + late));
        equals_log(&done, &nginx, driver);
        // An arrival in the last moment may find that the run is over; it is not lost.
        let waiting = done.count("/requests/backlog_at_end");
        assert_eq!(done.completed() + waiting, 6_000, "{driver}");
        assert!(waiting < last_moment(2_000, late), "{driver}: {waiting} wait, one may be {late} late");
        let response = done.percentile_ms("response_time", "99");
        let service = done.percentile_ms("service_time", "99");
        let stood = format!("{driver}: it stood still for {least:.0} to {most:.0} ms");
        // Of 6,000 arrivals 60 waited longer: those of the first 30 ms, and what came before the end of the wait is behind it.
        assert!((0.85 * least..most + 200.0).contains(&response), "{stood}, response time p99 {response} ms");
        assert!(service < 0.2 * least, "{stood}, service time p99 {service} ms");
        let longest = done.number("/latency/service_time/max_us") / 1_000.0;
        assert!((0.9 * least..most + 300.0).contains(&longest), "{stood}, longest service time {longest} ms");
    }
}

#[test]
fn a_frozen_server_costs_timeouts() {
    let _alone = alone();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    let runs = in_every_way(&nginx.url("/small"), &["-d", "3s", "--timeout", "300ms"]);
    clock::sleep(Nanos::from_millis(1_000));
    nginx.signal("STOP");
    clock::sleep(Nanos::from_millis(1_000));
    nginx.signal("CONT");
    for (name, running) in runs {
        let done = running.finish().exits(0).balanced();
        let timeouts = done.count("/errors/timeout");
        assert!(timeouts > 0, "{name}");
        assert!(timeouts + done.count("/errors/closed") >= done.failed(), "{name}: {}", done.at("/errors"));
        assert!(*done.timeline("requests").last().unwrap() > 0, "{name}: it is met again");
    }
}

#[test]
fn a_refused_connection_is_named() {
    for driver in drivers() {
        let port = common::process::free_port();
        let done = run(&format!("http://127.0.0.1:{port}/"), &["-d", "1s", "--driver", driver]).exits(1);
        assert_eq!(done.stdout, "");
        for part in ["Connection refused", &format!("127.0.0.1:{port}")] {
            assert!(done.stderr.contains(part), "no `{part}` in {}", done.stderr);
        }
    }
}

#[test]
fn an_interrupted_run_reports_what_the_log_has() {
    let _together = together();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    for (name, model) in [("closed", &["-c", "9"][..]), ("open", &["-c", "9", "-R", "1000"])] {
        let args = [model, &["-d", "60s"]].concat();
        let running = start(&nginx.url(&marked("/small", name)), &args);
        clock::sleep(Nanos::from_millis(1_200));
        running.signal("INT");
        let done = running.finish().exits(105).balanced();
        assert_eq!(done.at("/aborted"), true);
        assert!(done.completed() > 0 && done.number("/duration_s") < 10.0, "{name}");
        equals_log(&done, &nginx, name);
    }
}

#[test]
fn the_second_interrupt_does_not_wait_for_a_frozen_server() {
    let _alone = alone();
    let Some(nginx) = or_skip(Nginx::start()) else { return };
    let running = start(&nginx.url("/small"), &["-c", "4", "-d", "60s"]);
    clock::sleep(Nanos::from_millis(700));
    nginx.signal("STOP");
    clock::sleep(Nanos::from_millis(100));
    let asked = clock::now();
    running.signal("INT");
    clock::sleep(Nanos::from_millis(300));
    running.signal("INT");
    let done = running.finish().exits(105);
    assert!(clock::now() - asked < Nanos::from_secs(2), "it waits for the responses");
    assert_eq!(done.stdout, "", "no report from a run that was left");
}

#[test]
fn the_target_answers_as_its_routes_say() {
    let _alone = alone();
    let Some(target) = or_skip(Target::start()) else { return };
    let core = *core_affinity::get_core_ids().unwrap().last().unwrap();
    for driver in drivers() {
        let runs = |path: &str, args: &[&str]| {
            let done = run(&target.url(path), &[args, &["--driver", driver]].concat()).exits(0).balanced();
            assert_eq!(done.failed(), 0, "{driver} {path}: {}", done.at("/errors"));
            done
        };
        // A plain client asks the same at the same time on the same core. Never early, and a tenth above it in the best of a few runs.
        let delays = [(); 3].map(|()| {
            let client = Client::start(&target.url("/delay/5"), core);
            let done = runs("/delay/5", &["-d", "400ms", "-c", "4", "--cores", &core.id.to_string()]);
            (done.percentile_ms("service_time", "50"), millis(client.median()))
        });
        assert!(delays.iter().all(|(ours, _)| *ours >= 5.0), "{driver}: medians {delays:?} ms");
        assert!(delays.iter().any(|(ours, theirs)| *ours < 1.1 * theirs), "{driver}: medians {delays:?} ms");

        let done = runs("/status/503", &["-n", "500", "-c", "5"]);
        assert_eq!(done.count("/status/503"), 500, "{driver}");

        let done = runs("/close", &["-n", "200", "-c", "4"]);
        assert!((196..=200).contains(&done.count("/connections/reconnects")), "{driver}");

        for (path, length) in [("/chunked/100000", 100_000), ("/bytes/100000", 100_000), ("/bytes/0", 0)] {
            let done = runs(path, &["-n", "300", "-c", "5"]);
            assert_eq!(done.count("/status/200"), 300, "{driver} {path}");
            let each = done.count("/throughput/received_bytes") / 300;
            assert!((length + 15..length + 600).contains(&each), "{driver} {path}: {each} bytes each");
            assert_eq!(done.count("/throughput/received_bytes"), 300 * each, "{driver} {path}: all alike");
        }
    }
}
