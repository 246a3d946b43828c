//! `--samples`, through the real binary: as many lines as the report counts, whoever takes them and however slowly; and what
//! becomes of a run when nobody does.

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use common::rig::serve;
use common::run::{Done, drivers, run, squall, start, start_command, start_judged};
use serde_json::Value;
use squall::clock;
use squall::units::Nanos;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n0123456789abcdef";
const MISSING: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

fn workers() -> &'static str {
    if squall::run::machine::usable_cores().mask.len() > 1 { "2" } else { "1" }
}

/// Answers requests, which have no bodies, as `responses` says for each connection and how many it has had.
fn server(responses: impl Fn(u64, u64) -> Option<&'static [u8]> + Send + Sync + 'static) -> String {
    let connections = AtomicU64::new(0);
    let talk = move |mut stream: TcpStream| {
        let number = connections.fetch_add(1, Ordering::Relaxed);
        let (mut buffer, mut at, mut had) = ([0; 16 * 1024], 0, 0);
        while let Ok(read @ 1..) = stream.read(&mut buffer[at..]) {
            at += read;
            let mut response = Vec::new();
            while let Some(end) = buffer[..at].windows(4).position(|four| four == b"\r\n\r\n") {
                let Some(bytes) = responses(number, had) else {
                    let _ = stream.write_all(&response);
                    return;
                };
                had += 1;
                response.extend_from_slice(bytes);
                buffer.copy_within(end + 4..at, 0);
                at -= end + 4;
            }
            if stream.write_all(&response).is_err() {
                return;
            }
        }
    };
    format!("http://{}/", serve(talk))
}

/// Every connection breaks after some responses, of which some are no success.
fn brittle() -> String {
    server(|number, had| match had {
        had if had >= 20 + number % 7 => None,
        had if had % 5 == 4 => Some(MISSING),
        _ => Some(RESPONSE),
    })
}

fn reliable() -> String {
    server(|_, _| Some(RESPONSE))
}

/// The lines of a file of samples.
struct Lines(Vec<Value>);

impl Lines {
    fn read(path: &Path) -> Lines {
        Lines::of(File::open(path).unwrap())
    }

    fn of(from: impl Read) -> Lines {
        let lines = BufReader::new(from).lines().map(Result::unwrap);
        Lines(
            lines.map(|line| serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect(),
        )
    }

    fn of_type(&self, name: &'static str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |line| line["type"] == name)
    }

    fn count(&self, name: &'static str, fits: impl Fn(&Value) -> bool) -> u64 {
        self.of_type(name).filter(|line| fits(line)).count() as u64
    }

    /// Asserts that requests are those of the report, in each way in which it counts them.
    fn are_those_of(&self, done: &Done, what: &str) {
        assert_eq!(self.count("request", |_| true), done.completed() + done.failed(), "{what}");
        assert_eq!(done.count("/samples/written"), self.0.len() as u64, "{what}");
        assert_eq!(done.at("/samples/error"), &Value::Null, "{what}");
        for (status, count) in done.at("/status").as_object().unwrap() {
            let status: u64 = status.parse().unwrap();
            let found = self.count("request", |line| line["status"] == status && line["error"].is_null());
            assert_eq!(found, count.as_u64().unwrap(), "{what}: {status}");
        }
        for (kind, count) in done.at("/errors").as_object().unwrap() {
            let found = self.count("request", |line| line["error"] == *kind && line["status"].is_null());
            assert_eq!(found, count.as_u64().unwrap(), "{what}: {kind}");
        }
        let started_at = done.at("/started_at").as_str().unwrap();
        for line in &self.0 {
            let ended = line["t_s"].as_f64().unwrap();
            let took = line["response_time_us"].as_f64().unwrap_or(0.0) / 1e6;
            // It began in the window. Figures are rounded to a microsecond.
            assert!(took >= 0.0 && ended - took > -2e-6, "{what}: {line}");
            // RFC 3339 sorts as text.
            assert!(line["time"].as_str().unwrap() >= started_at.trim_end_matches('Z'), "{what}: {line}");
        }
    }
}

/// A directory, and a file in it that is not there yet.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("samples");
    (directory, path)
}

fn fifo() -> (tempfile::TempDir, PathBuf) {
    let (directory, path) = place();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    (directory, path)
}

#[test]
fn there_is_a_line_for_each_request_that_the_report_counts() {
    let (_directory, path) = place();
    let samples = path.to_str().unwrap();
    let engines: [&[&str]; 6] = [
        &["-c", "12", "-d", "400ms"],
        &["-c", "5", "-n", "1001"],
        &["-c", "12", "-p", "8", "-d", "400ms"],
        &["-c", "12", "-R", "3000", "-d", "400ms"],
        &["-c", "12", "-d", "300ms", "--warmup", "150ms"],
        &["--vus", "12", "-d", "400ms", "--warmup", "100ms"],
    ];
    for driver in drivers() {
        for engine in engines {
            let url = brittle();
            let fixed = ["--driver", driver, "-t", workers(), "--samples", samples];
            let done = run(&url, &[&fixed, engine].concat()).exits(0).balanced();
            let what = format!("{driver} {engine:?}");
            // Users send again what met the end of a connection.
            let broken = done.failed() + done.count("/requests/resent");
            assert!(done.completed() > 100 && broken > 0, "{what}: {}", done.stdout);
            assert_eq!(done.at("/samples/file"), samples);
            let lines = Lines::read(&path);
            lines.are_those_of(&done, &what);
            let users = engine[0] == "--vus";
            for line in lines.of_type("request") {
                assert_eq!((&line["method"], &line["url"]), (&"GET".into(), &url.as_str().into()), "{line}");
                assert_eq!(line.get("scenario").is_some(), users, "{line}");
                assert_eq!(line.get("expected").is_some(), users, "{line}");
                if users {
                    assert_eq!(line["expected"] == true, line["status"] == 200, "{line}");
                }
                let bytes = if line["status"] == 200 { 16 } else { 0 };
                assert_eq!(line["body_bytes"], bytes, "{line}");
            }
        }
    }
}

#[test]
fn connections_that_never_come_about_are_lines_too() {
    let (_directory, path) = place();
    let dead = serve(|_| {});
    for driver in drivers() {
        let args = ["--driver", driver, "--vus", "3", "-n", "30", "--samples", path.to_str().unwrap()];
        let done = run(&format!("http://{dead}/"), &args).exits(0).balanced();
        assert_eq!((done.completed(), done.failed()), (0, 30));
        Lines::read(&path).are_those_of(&done, driver);
    }
}

#[test]
fn scenarios_have_lines_for_checks_and_iterations() {
    let (directory, path) = place();
    let plan = directory.path().join("plan.toml");
    let url = server(|_, had| Some(if had % 3 == 2 { MISSING } else { RESPONSE }));
    let text = format!(
        r#"
        [steps.home]
        url = "{url}"
        tags = {{ team = "shop" }}
        checks = ["status == 200"]
        think = "20ms"
        [scenarios.shared]
        executor = "shared-iterations"
        vus = 2
        iterations = 5000
        maxDuration = "1s"
        gracefulStop = "0s"
        [scenarios.rate]
        executor = "constant-arrival-rate"
        rate = 300
        duration = "1s"
        preAllocatedVUs = 2
        "#
    );
    fs::write(&plan, text).unwrap();
    for driver in drivers() {
        let args = ["--driver", driver, "-t", workers(), "--samples", path.to_str().unwrap()];
        let done = run(plan.to_str().unwrap(), &args).exits(0).balanced();
        let lines = Lines::read(&path);
        lines.are_those_of(&done, driver);
        for (at, scenario) in ["shared", "rate"].into_iter().enumerate() {
            assert_eq!(done.at(&format!("/scenarios/{at}/name")), scenario);
            let counted = |key: &str| done.count(&format!("/scenarios/{at}/iterations/{key}"));
            let found = |outcome: &str| -> u64 {
                let all = lines.of_type("iteration").filter(|line| line["scenario"] == scenario);
                all.filter(|line| line["outcome"] == outcome)
                    .map(|line| line["count"].as_u64().unwrap())
                    .sum()
            };
            for outcome in ["completed", "interrupted", "dropped"] {
                assert_eq!(found(outcome), counted(outcome), "{driver} {scenario} {outcome}");
            }
            assert!(counted("completed") > 0 && counted("dropped") > 0, "{}", done.stdout);
            let check = |passed: bool| {
                lines.count("check", |line| {
                    line["scenario"] == scenario
                        && line["passed"] == passed
                        && line["check"] == "status == 200"
                })
            };
            let counted = |key: &str| done.count(&format!("/checks/{at}/{key}"));
            assert_eq!((check(true), check(false)), (counted("passes"), counted("fails")), "{driver}");
        }
        for line in lines.of_type("request") {
            assert_eq!((&line["name"], &line["tags"]["team"]), (&"home".into(), &"shop".into()), "{line}");
        }
    }
}

#[test]
fn a_slow_reader_is_waited_for_and_said_in_the_verdict() {
    const COUNT: u64 = 200_000;
    let (_directory, path) = fifo();
    let url = reliable();
    for driver in drivers() {
        let pipe = path.clone();
        let reader = thread::spawn(move || {
            let pipe = File::open(pipe).unwrap();
            // Longer than what the blocks hold lasts.
            clock::sleep(Nanos::from_secs(3));
            Lines::of(pipe)
        });
        let (samples, count) = (path.to_str().unwrap(), COUNT.to_string());
        let args = ["--driver", driver, "-t", "1", "-c", "4", "-p", "64", "-n", &count, "--samples", samples];
        let done = start_judged(&url, &args).finish().exits_as_judged().balanced();
        let lines = reader.join().unwrap();
        lines.are_those_of(&done, driver);
        assert_eq!(done.completed(), COUNT, "nothing is lost");
        let waited = done.number("/generator/workers/0/samples_wait_s");
        assert!(waited > 0.5, "{}", done.stdout);
        let reasons = done.at("/verdict/reasons").to_string();
        assert!(reasons.contains("workers waited until samples were written (--samples)"), "{reasons}");
        assert!(!reasons.contains("incomplete"), "{reasons}");
        // That is no standstill of the machine, which would be as long as the wait, nearly all of which is one piece.
        let stood = done.number("/generator/longest_standstill_s");
        assert!(
            stood < f64::max(1.0, 0.7 * waited),
            "stood still for {stood} s of {waited}: {}",
            done.stdout
        );
    }
}

#[test]
fn a_reader_that_goes_away_makes_the_run_invalid_and_does_not_end_it() {
    let (_directory, path) = fifo();
    for driver in drivers() {
        let pipe = path.clone();
        let reader = thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(File::open(pipe).unwrap()).read_line(&mut line).unwrap();
            line
        });
        let mut command = squall(&[&reliable(), "--format", "json", "-c", "4", "-d", "1s", "-t", workers()]);
        command.args(["--driver", driver, "--samples", path.to_str().unwrap()]);
        let done = start_command(&mut command).finish().exits(96).balanced();
        assert!(reader.join().unwrap().starts_with("{\"type\":\"request\""));
        assert!(done.number("/duration_s") > 0.99, "the load goes on");
        assert!(done.stderr.contains("cannot write samples to"), "{}", done.stderr);
        let error = done.at("/samples/error").as_str().unwrap();
        assert!(error.contains("Broken pipe"), "{error}");
        let reasons = done.at("/verdict/reasons").to_string();
        assert!(reasons.contains("incomplete") && reasons.contains("Broken pipe"), "{reasons}");
    }
}

#[test]
fn a_full_disk_makes_the_run_invalid_and_does_not_end_it() {
    let url = reliable();
    for engine in [["-c", "4"], ["--vus", "4"]] {
        let fixed = [&url, "--format", "json", "-n", "50000", "--samples", "/dev/full"];
        let done = start_command(&mut squall(&[&fixed, &engine[..]].concat())).finish().exits(96).balanced();
        assert_eq!(done.completed(), 50_000, "{engine:?}");
        assert!(done.stderr.contains("cannot write samples to /dev/full"), "{}", done.stderr);
        assert!(done.at("/samples/error").as_str().unwrap().contains("No space left"), "{}", done.stdout);
    }
}

#[test]
fn a_reader_that_stands_still_does_not_survive_a_signal() {
    let (_directory, path) = fifo();
    let pipe = path.clone();
    let reader = thread::spawn(move || File::open(pipe).unwrap());
    let args = ["-c", "4", "-p", "64", "-t", "1", "-d", "60s", "--samples", path.to_str().unwrap()];
    let running = start(&reliable(), &args);
    let _never_read = reader.join().unwrap();
    clock::sleep(Nanos::from_secs(3));
    running.signal("INT");
    let done = running.finish().exits(105);
    assert!(done.at("/samples/error").is_string(), "{}", done.stdout);
    assert!(done.at("/verdict/reasons").to_string().contains("incomplete"), "{}", done.stdout);
}

#[test]
fn standard_output_takes_them_where_the_report_goes_elsewhere() {
    let (_directory, path) = place();
    let url = reliable();
    let report = path.to_str().unwrap();
    let mut command = squall(&[&url, "-n", "500", "-c", "3", "--format", "json", "--allow-invalid"]);
    let done = start_command(command.args(["--samples", "-", "-o", report])).finish().exits(0);
    assert_eq!(Lines::of(done.stdout.as_bytes()).count("request", |line| line["status"] == 200), 500);
    let report: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(report["samples"]["written"], 500);

    for more in [&["--samples", "-"][..], &["--samples", "-", "-o", "-"]] {
        let done = run(&url, more).exits(2);
        assert!(done.stderr.contains("--samples -") && done.stderr.contains("-o FILE"), "{}", done.stderr);
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn what_cannot_be_written_is_told_before_any_load() {
    let done = run("http://127.0.0.1:9/", &["--samples", "/nonexistent/samples"]).exits(1);
    assert!(done.stderr.contains("--samples: cannot write /nonexistent/samples"), "{}", done.stderr);
    let (_directory, path) = place();
    let both = path.to_str().unwrap();
    let done = run("http://127.0.0.1:9/", &["--samples", both, "-o", both]).exits(1);
    assert!(done.stderr.contains("the report goes there, too"), "{}", done.stderr);
    assert!(!path.exists());
}

#[test]
fn a_run_that_never_sends_leaves_the_file_alone() {
    let (_directory, path) = place();
    fs::write(&path, "older").unwrap();
    let samples = path.to_str().unwrap();
    run("http://127.0.0.1:9/", &["--samples", samples, "-n", "1"]).exits(1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "older");
    let done = run(&reliable(), &["--samples", samples, "-n", "3", "-c", "1"]).exits(0);
    Lines::read(&path).are_those_of(&done, "what was there has gone");
}
