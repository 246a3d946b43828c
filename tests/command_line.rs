//! The real binary: formats, files, signals and exit codes, against its own target.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use squall::clock;
use squall::units::Nanos;

const INTERRUPTED: i32 = 105;

fn squall(args: &[&str]) -> Command {
    // A shell that runs the tests in the background has them begin with SIGINT ignored.
    squall_with("--default-signal", args)
}

/// The binary, started by `env` with this option on signals, such as `--ignore-signal=HUP`.
fn squall_with(signals: &str, args: &[&str]) -> Command {
    let mut command = Command::new("env");
    command
        .args(["--default-signal", signals])
        .arg(env!("CARGO_BIN_EXE_squall"))
        .args(args)
        .stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    squall(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Waits for at most 30 s, then kills it.
fn code_of(child: &mut Child) -> Option<i32> {
    let deadline = clock::now() + Nanos::from_secs(30);
    while clock::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        clock::sleep(Nanos::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("it does not end");
}

/// `squall target` on a free port, killed when dropped.
struct Target {
    child: Child,
    url: String,
}

impl Target {
    fn start(args: &[&str]) -> Target {
        let mut command = squall(&["target", "--listen", "127.0.0.1:0", "--threads", "1"]);
        let mut child = command.args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let url = url.unwrap_or_else(|| panic!("the target says `{line}`"));
        Target { child, url }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_run_reports_in_every_format() {
    let target = Target::start(&[]);
    let run = |more: &[&str]| {
        let mut args = vec![target.url.as_str(), "-n", "500", "-c", "5"];
        args.extend(more);
        output(&args)
    };

    let plain = run(&[]);
    assert_eq!(plain.status.code(), Some(0), "{}", text(&plain.stderr));
    assert!(plain.stderr.is_empty(), "no progress without a terminal");
    let summary = text(&plain.stdout);
    assert!(!summary.contains('\x1b'), "no colours without a terminal");
    for part in ["closed: 5 connections", "completed     500", "Verdict"] {
        assert!(summary.contains(part), "no `{part}` in {summary}");
    }

    let json = run(&["--format", "json"]);
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["requests"]["completed"], 500);
    assert_eq!(report["status"]["200"], 500);
    assert_eq!(report["config"]["connections"], 5);
    assert_eq!(report["config"]["model"], "closed");
    assert_eq!(report["latency"]["service_time"]["count"], 500);

    let csv = run(&["--format", "csv"]);
    let mut rows = csv::Reader::from_reader(&csv.stdout[..]);
    let columns = rows.headers().unwrap();
    assert_eq!((&columns[0], &columns[1]), ("t_s", "requests"));
    let requests = rows.records().map(|row| row.unwrap()[1].parse::<u64>().unwrap());
    assert_eq!(requests.sum::<u64>(), 500);

    let spectrum = run(&["-L"]);
    assert!(text(&spectrum.stdout).contains("1/(1-Percentile)"));
}

#[test]
fn a_file_gets_the_report_and_nothing_else_does() {
    let target = Target::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.json");
    fs::write(&path, "x".repeat(1 << 20)).unwrap();
    let file = path.to_str().unwrap();
    let done = output(&["run", "-n", "50", "-c", "2", "--format", "json", "-o", file, &target.url]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(done.stdout.is_empty());
    let report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(report["requests"]["completed"], 50);
}

#[test]
fn a_run_that_cannot_start_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.json");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let done = output(&[&url, "-d", "1s", "-c", "1", "-o", path.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(1), "{}", text(&done.stderr));
    assert!(!path.exists());
}

#[test]
fn ctrl_c_ends_a_run_early_with_its_report() {
    let target = Target::start(&[]);
    for name in ["INT", "TERM", "HUP"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        let file = path.to_str().unwrap();
        let args = [&target.url, "-d", "60s", "-c", "2", "--format", "json", "-o", file];
        let mut child = squall(&args).spawn().unwrap();
        clock::sleep(Nanos::from_millis(1_500));
        signal(&child, name);
        assert_eq!(code_of(&mut child), Some(INTERRUPTED), "{name}");
        let report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(report["aborted"], true);
        assert!(report["requests"]["completed"].as_u64().unwrap() > 0);
        assert!(report["duration_s"].as_f64().unwrap() < 30.0);
    }
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_so() {
    let target = Target::start(&[]);
    // nohup; a shell's job in the background; both, and what is not ignored still ends the run.
    for (ignored, sent, code) in [
        ("HUP", "HUP", 0),
        ("INT", "INT", 0),
        ("TERM", "TERM", 0),
        ("HUP,INT", "HUP", 0),
        ("HUP,INT", "TERM", INTERRUPTED),
        ("HUP", "INT", INTERRUPTED),
    ] {
        let args = [&target.url, "-d", "2500ms", "-c", "2", "--allow-invalid"];
        let mut command = squall_with(&format!("--ignore-signal={ignored}"), &args);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        clock::sleep(Nanos::from_millis(1_000));
        signal(&child, sent);
        assert_eq!(code_of(&mut child), Some(code), "{ignored} ignored, {sent} sent");
    }
}

#[test]
fn the_second_ctrl_c_does_not_wait() {
    // The responses take an hour, and the drain after the first signal 5 s.
    let target = Target::start(&["--latency", "const:1h"]);
    let args = [&target.url, "-d", "60s", "-c", "2", "--timeout", "50s"];
    let mut child = squall(&args).stdout(Stdio::null()).spawn().unwrap();
    clock::sleep(Nanos::from_millis(1_000));
    let start = clock::now();
    signal(&child, "INT");
    clock::sleep(Nanos::from_millis(500));
    signal(&child, "INT");
    assert_eq!(code_of(&mut child), Some(INTERRUPTED));
    assert!(clock::now() - start < Nanos::from_secs(4));
}

#[test]
fn an_invalid_run_fails_unless_that_is_allowed() {
    // Nothing completes within the time limit.
    let target = Target::start(&["--latency", "const:1h"]);
    let args = [&target.url, "-d", "300ms", "-c", "2", "--timeout", "100ms"];
    let done = output(&args);
    assert_eq!(done.status.code(), Some(96), "{}", text(&done.stdout));
    assert!(text(&done.stdout).contains("INVALID"));
    assert!(text(&done.stdout).contains("nothing completed"));
    let mut allowed = args.to_vec();
    allowed.push("--allow-invalid");
    assert_eq!(output(&allowed).status.code(), Some(0));
}

#[test]
fn the_target_ends_well_when_asked_to() {
    for name in ["TERM", "INT"] {
        let mut target = Target::start(&[]);
        signal(&target.child, name);
        assert_eq!(code_of(&mut target.child), Some(0), "{name}");
    }
}

#[test]
fn the_demo_says_what_to_try_next() {
    let done = output(&["demo", "-d", "500ms", "-c", "4"]);
    let said = text(&done.stdout);
    assert_eq!(done.status.code(), Some(0), "{said}{}", text(&done.stderr));
    assert!(said.contains("Verdict") && said.contains("Try next: `squall target`"));
}

#[test]
fn completions_and_the_manual_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let done = output(&["completions", shell]);
        assert!(done.status.success() && text(&done.stdout).contains("max-backlog"), "{shell}");
    }
    let done = output(&["man"]);
    assert!(done.status.success() && text(&done.stdout).contains(".TH squall 1"));
}

/// C11: the same by either way, and all that there is.
#[test]
fn what_templates_can_hold_is_printed() {
    let printed = output(&["templates"]);
    assert!(printed.status.success());
    let all = text(&printed.stdout).trim_end();
    for part in
        ["{{ data.SET.COLUMN }}", "{{ random_int(a, b) }}", "{{ … | url }}", "\\{{", "json PATH TEST", "> N"]
    {
        assert!(all.contains(part), "{part}: {all}");
    }
    let helped = output(&["help", "templates"]);
    assert!(helped.status.success());
    let first = all.lines().next().unwrap();
    assert!(text(&helped.stdout).contains(first), "{}", text(&helped.stdout));
}

#[test]
fn the_exit_code_does_not_depend_on_whether_standard_error_is_read() {
    for args in [&["http://h/", "-z", "5s"][..], &["http://h/", "-c", "0"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(squall(args).stderr(writer).status().unwrap().code(), Some(2), "{args:?}");
    }
}

#[test]
fn users_of_other_tools_get_a_hint() {
    for (args, part) in [
        (&["http://h/", "-t", "10s"][..], "--timeout 10s"),
        (&["-q", "100", "http://h/"], "-R 100"),
        (&["-z", "5s", "http://h/"], "-d 5s"),
        (&["-c", "5", "demo"], "squall demo"),
    ] {
        let done = output(args);
        assert_eq!(done.status.code(), Some(2), "{args:?}");
        assert!(done.stdout.is_empty());
        assert!(text(&done.stderr).contains(part), "{args:?}: {}", text(&done.stderr));
    }
}
