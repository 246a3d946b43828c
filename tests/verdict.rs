//! The verdict on real sockets, cores and control groups: each disturbance is found, and named with its figure. What a machine cannot be made to
//! (stolen time, memory pressure) is held by fed readings, in `src/verdict/tests.rs`.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use common::process::{Group, find};
use common::rig::serve;
use common::run::{Done, alone, drivers, squall, start_command, start_judged};
use common::skip::{or_skip, skip};
use common::target::Target;
use squall::clock;
use squall::units::Nanos;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Serves each connection by `peer`, with its number from 0; returns the URL.
fn server(peer: impl Fn(TcpStream, u64) + Send + Sync + 'static) -> String {
    let numbers = AtomicU64::new(0);
    format!("http://{}/", serve(move |stream| peer(stream, numbers.fetch_add(1, Ordering::SeqCst))))
}

/// Answers requests, each with `response`, until the peer goes.
fn answer(mut stream: TcpStream, response: &[u8]) {
    let mut last = [0; 4];
    while stream.read_exact(&mut last[3..]).is_ok() {
        if last == *b"\r\n\r\n" && stream.write_all(response).is_err() {
            return;
        }
        last.rotate_left(1);
    }
}

/// Reads and says nothing.
fn mute(mut stream: TcpStream) {
    let mut room = [0; 1024];
    while matches!(stream.read(&mut room), Ok(1..)) {}
}

fn reasons(done: &Done) -> Vec<&str> {
    done.at("/verdict/reasons").as_array().unwrap().iter().map(|reason| reason.as_str().unwrap()).collect()
}

/// One of the reasons has all of `parts`.
fn says(done: &Done, parts: &[&str]) {
    let found = reasons(done).iter().any(|reason| parts.iter().all(|part| reason.contains(part)));
    assert!(found, "no reason with {parts:?}: {:?}", reasons(done));
}

/// The core that the generator is put on, the last one: the target may be on the others.
fn last_core() -> String {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    cores.last().map_or(0, |core| core.id).to_string()
}

#[test]
fn a_core_that_others_run_on_is_named_in_both_models() {
    let _alone = alone();
    let Some(taskset) = or_skip(find("taskset")) else { return };
    let core = last_core();
    let url = server(|stream, _| answer(stream, RESPONSE));
    let hog = || {
        let mut command = Command::new(&taskset);
        Group::spawn(command.args(["-c", &core, "timeout", "20", "sh", "-c", "while :; do :; done"]))
    };
    let _hogs = [hog(), hog(), hog()];
    for driver in drivers() {
        for model in
            [&["-c", "8"][..], &["-c", "8", "-R", "500", "--wait", "sleep"], &["-R", "500", "--wait", "spin"]]
        {
            let args = [&["-d", "1500ms", "--cores", &core, "--driver", driver][..], model].concat();
            let done = start_judged(&url, &args).finish().exits_as_judged().balanced();
            says(
                &done,
                &[
                    "others ran on the workers' cores",
                    "1 of 1 workers",
                    &format!("core {core}"),
                    " % of the time",
                ],
            );
            assert!(done.number("/generator/run_delay_share") > 0.05, "{args:?}");
            assert_ne!(done.at("/verdict/status"), "valid");
        }
    }
}

/// A control group of its own, by either version; removed when dropped.
struct Quota(PathBuf);

impl Quota {
    /// `share` of a core.
    fn new(share: f64) -> Result<Quota, String> {
        let name = format!("squall-test-{}", std::process::id());
        let (period, quota) = (100_000, (share * 100_000.0) as u64);
        let legacy = PathBuf::from("/sys/fs/cgroup/cpu").join(&name);
        if legacy.parent().is_some_and(|dir| dir.join("cpu.cfs_quota_us").exists()) {
            fs::create_dir(&legacy).map_err(|e| format!("no control group can be made: {e}"))?;
            let group = Quota(legacy);
            fs::write(group.0.join("cpu.cfs_period_us"), period.to_string()).map_err(|e| e.to_string())?;
            fs::write(group.0.join("cpu.cfs_quota_us"), quota.to_string()).map_err(|e| e.to_string())?;
            return Ok(group);
        }
        let unified = PathBuf::from("/sys/fs/cgroup").join(&name);
        fs::create_dir(&unified).map_err(|e| format!("no control group can be made: {e}"))?;
        let group = Quota(unified);
        let limit = format!("{quota} {period}");
        fs::write(group.0.join("cpu.max"), limit)
            .map_err(|e| format!("the group has no cpu controller: {e}"))?;
        Ok(group)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // The last process in it may be on its way out still.
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            clock::sleep(Nanos::from_millis(20));
        }
    }
}

#[test]
fn a_quota_that_is_used_up_is_named_with_its_share() {
    let _alone = alone();
    let Some(quota) = or_skip(Quota::new(0.1)) else { return };
    let url = server(|stream, _| answer(stream, RESPONSE));
    for driver in drivers() {
        for model in [&["-c", "8", "--wait", "spin"][..], &["-c", "8", "-R", "500", "--wait", "spin"]] {
            let args = [
                &[url.as_str(), "-d", "1500ms", "-t", "1", "--format", "json", "--driver", driver][..],
                model,
            ]
            .concat();
            let mut inside = Command::new("sh");
            let line = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", quota.0.display());
            let binary = squall(&args);
            inside.args(["-c", &line, "sh"]).arg(binary.get_program()).args(binary.get_args());
            let done = start_command(&mut inside).finish().exits_as_judged().balanced();
            says(&done, &["a CPU quota kept the generator from running for", "% of the time", "periods"]);
            assert!(done.number("/generator/throttled_share") > 0.02, "{}", done.at("/generator"));
        }
    }
}

#[test]
fn a_worker_that_was_moved_to_another_core_is_named() {
    let _alone = alone();
    let Some(taskset) = or_skip(find("taskset")) else { return };
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [first, .., last] = cores[..] else { return skip("there is one core only") };
    let url = server(|stream, _| answer(stream, RESPONSE));
    let core = last.id.to_string();
    let run = start_judged(&url, &["-d", "2s", "--cores", &core, "-c", "2"]);
    clock::sleep(Nanos::from_millis(700));
    let pid = run.pid().to_string();
    let moved = Command::new(taskset).args(["-a", "-cp", &first.id.to_string(), &pid]).output().unwrap();
    assert!(moved.status.success(), "{moved:?}");
    let done = run.finish().exits_as_judged().balanced();
    says(&done, &[&format!("the one for core {core} was on core {}", first.id)]);
}

#[test]
fn a_number_of_requests_that_could_not_be_sent_is_invalid() {
    let _alone = alone();
    for driver in drivers() {
        for users in [&[][..], &["--check", "status==200"]] {
            let Some(target) = or_skip(Target::start()) else { return };
            let url = target.url("/load-test");
            let limits = ["-n", "100000000", "-c", "4", "--connect-timeout", "1s", "--driver", driver];
            // Users go on with requests that fail, as in k6: theirs is over by its time.
            let time: &[&str] = if users.is_empty() { &[] } else { &["-d", "2s"] };
            let run = start_judged(&url, &[&limits[..], users, time].concat());
            clock::sleep(Nanos::from_millis(500));
            drop(target);
            let done = run.finish().balanced();
            if users.is_empty() {
                assert_eq!((done.code, done.at("/verdict/status").as_str()), (Some(96), Some("invalid")));
                says(&done, &["of 100,000,000 requests that were asked for were begun"]);
            } else {
                assert_ne!(done.at("/verdict/status"), "valid", "{:?}", reasons(&done));
            }
        }
    }
}

#[test]
fn connections_that_do_not_stand_are_told() {
    let _alone = alone();
    for driver in drivers() {
        // All but five are closed at once.
        let url = server(|stream, number| {
            if number < 5 {
                answer(stream, RESPONSE)
            }
        });
        let done = start_judged(&url, &["-c", "50", "-d", "1s", "--driver", driver])
            .finish()
            .exits_as_judged()
            .balanced();
        says(&done, &[" of 50 connections stood on average"]);
        assert_eq!(done.count("/connections/asked"), 50);
        assert!(done.number("/connections/open_mean") < 10.0 && done.count("/connections/open_min") >= 1);
        assert_ne!(done.at("/verdict/status"), "valid");
    }
    // A server that ends each connection behind its response leaves no place empty.
    let url = server(|mut stream, _| {
        let mut room = [0; 1024];
        let _ = stream.read(&mut room);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    let done = start_judged(&url, &["-c", "4", "-d", "1s"]).finish().balanced();
    assert!(!reasons(&done).iter().any(|reason| reason.contains("stood on average")), "{:?}", reasons(&done));
}

#[test]
fn requests_that_hang_are_spoken_of() {
    let _alone = alone();
    let hangs = || server(|stream, number| if number < 5 { answer(stream, RESPONSE) } else { mute(stream) });
    for driver in drivers() {
        for rate in [&[][..], &["-R", "200"]] {
            let args = [&["-c", "20", "-d", "1s", "--driver", driver][..], rate].concat();
            // They are waited for as long as each may take, unless less is asked for.
            let done = start_judged(&hangs(), &[&args[..], &["--timeout", "2s"]].concat());
            let done = done.finish().exits_as_judged().balanced();
            assert_eq!((done.failed(), done.count("/errors/timeout")), (15, 15), "{args:?}");
            says(&done, &["not answered within 2.000s", "75.0 % of the connections' time"]);
            let done =
                start_judged(&hangs(), &[&args[..], &["--timeout", "20s", "--drain", "300ms"]].concat());
            let done = done.finish().exits_as_judged().balanced();
            assert_eq!((done.failed(), done.count("/requests/unanswered")), (15, 15), "{args:?}");
            assert_eq!(done.count("/requests/in_flight_at_end"), 0);
            assert_eq!(done.count("/latency/response_time/censored"), 15);
            assert_eq!(done.count("/latency/response_time/count"), done.completed() + 15);
            assert_eq!(done.count("/latency/service_time/count"), done.completed());
            assert!(done.percentile_ms("response_time", "99.999") >= 300.0);
            says(&done, &["15 requests were still unanswered", "--drain"]);
        }
    }
}

#[test]
fn bytes_that_nobody_asked_for_have_a_reason_and_empty_lines_are_passed_over() {
    let _alone = alone();
    let behind: Vec<u8> = [RESPONSE, b"and more"].concat();
    let blank: Vec<u8> = [RESPONSE, b"\r\n"].concat();
    let (behind, blank) = (server(move |s, _| answer(s, &behind)), server(move |s, _| answer(s, &blank)));
    for driver in drivers() {
        let args = ["-c", "2", "-d", "500ms", "--driver", driver];
        let done = start_judged(&behind, &args).finish().exits_as_judged().balanced();
        let lost = done.count("/connections/errors/protocol");
        assert!(lost > 0 && lost <= done.completed(), "{lost} of {}", done.completed());
        let told = done.count("/connections/reasons/bytes that nobody had asked for");
        assert_eq!((told, done.failed()), (lost, 0), "the responses before them stand");
        let done = start_judged(&blank, &args).finish().exits_as_judged().balanced();
        assert_eq!(
            (done.count("/connections/established"), done.failed()),
            (2, 0),
            "{}",
            done.at("/connections")
        );
    }
}

#[test]
fn what_is_no_http_is_shown() {
    let _alone = alone();
    let url = server(|stream, _| answer(stream, b"SSH-2.0-OpenSSH_9.6\r\n"));
    for driver in drivers() {
        let done = start_judged(&url, &["-c", "1", "-d", "300ms", "--driver", driver])
            .finish()
            .exits_as_judged()
            .balanced();
        assert_eq!(done.at("/error_samples/0/kind"), "protocol");
        assert_eq!(done.at("/error_samples/0/reason"), "no HTTP status line where one is due");
        assert_eq!(done.at("/error_samples/0/excerpt"), r"SSH-2.0-OpenSSH_9.6\r\n");
        assert_eq!(done.count("/error_samples/0/count"), done.failed());
    }
}

#[test]
fn arrivals_that_find_nobody_to_send_them_are_told() {
    let _alone = alone();
    let slow = || {
        server(|mut stream, _| {
            let mut room = [0; 1024];
            while matches!(stream.read(&mut room), Ok(1..)) {
                clock::sleep(Nanos::from_millis(100));
                if stream.write_all(RESPONSE).is_err() {
                    return;
                }
            }
        })
    };
    for driver in drivers() {
        // One connection sends ten a second: forty wait, longer and longer.
        let args = ["-c", "1", "-R", "50", "-d", "1s", "--driver", driver];
        let done = start_judged(&slow(), &args).finish().exits_as_judged().balanced();
        assert_eq!((done.code, done.at("/verdict/status").as_str()), (Some(96), Some("invalid")));
        says(&done, &["scheduled arrivals were sent"]);
        // One user likewise: what finds it at work is dropped.
        let plan = format!(
            "[scenarios.a]\nexecutor = \"constant-arrival-rate\"\nrate = 50\nduration = \"1s\"\npreAllocatedVUs = 1\n\
             [steps.s]\nurl = \"{}\"\n",
            slow()
        );
        let file = std::env::temp_dir().join(format!("squall-verdict-{}-{driver}.toml", std::process::id()));
        fs::write(&file, plan).unwrap();
        let args = ["run", file.to_str().unwrap(), "--format", "json", "--driver", driver];
        let done = start_command(&mut squall(&args)).finish().exits_as_judged().balanced();
        fs::remove_file(file).unwrap();
        assert_eq!((done.code, done.at("/verdict/status").as_str()), (Some(96), Some("invalid")));
        assert!(done.count("/scenarios/0/iterations/dropped") > 30, "{}", done.at("/scenarios"));
    }
}
