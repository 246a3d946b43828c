//! Bad input to the real binary: refused before anything is sent, with the cause and the way out
//! on stderr, nothing on stdout, and an exit code that scripts can tell apart.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use squall::clock;
use squall::units::Nanos;

/// Usage or configuration error.
const USAGE: i32 = 2;
/// The options are fine, but the run could not be made.
const COULD_NOT_RUN: i32 = 1;

/// What the binary said.
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs `command` to its end, which must come within 30 s.
fn finish(mut command: Command) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let (out, err) = (dir.path().join("out"), dir.path().join("err"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let deadline = clock::now() + Nanos::from_secs(30);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if clock::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} does not end");
        }
        clock::sleep(Nanos::from_millis(5));
    };
    Outcome {
        code: status.code(),
        stdout: fs::read_to_string(out).unwrap(),
        stderr: fs::read_to_string(err).unwrap(),
    }
}

fn squall(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.args(args);
    command
}

/// Asserts that `command` ends with `code`, says all of `parts` on stderr, and nothing on stdout.
fn assert_says(command: Command, code: i32, parts: &[&str]) {
    let shown = format!("{command:?}");
    let outcome = finish(command);
    let said = format!("{shown}\nstdout: {}\nstderr: {}", outcome.stdout, outcome.stderr);
    assert_eq!(outcome.code, Some(code), "{said}");
    assert_eq!(outcome.stdout, "", "{said}");
    assert!(!outcome.stderr.contains("panicked"), "{said}");
    for part in parts {
        assert!(outcome.stderr.contains(part), "no `{part}` in:\n{said}");
    }
}

/// A target that must not be called: it notices every connection.
struct Untouched {
    listener: TcpListener,
    url: String,
}

impl Untouched {
    fn new() -> Untouched {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        Untouched { listener, url }
    }

    /// Asserts a refusal as [`assert_says`] does, and that the target was left alone.
    fn assert_refused(&self, args: &[&str], parts: &[&str]) {
        let mut all = vec![self.url.as_str(), "-q"];
        all.extend(args);
        assert_says(squall(&all), USAGE, parts);
        self.assert_left_alone();
    }

    fn assert_left_alone(&self) {
        let error = self.listener.accept().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "the target was called");
    }
}

#[test]
fn urls_are_judged() {
    for (url, part) in [
        ("ftp://127.0.0.1/", "ftp"),
        ("127.0.0.1:8080/x", "http://"),
        ("http://", "host"),
        ("http://127.0.0.1:99999/", "99999"),
        ("http://127.0.0.1/a b", "%20"),
    ] {
        assert_says(squall(&[url, "-q", "-d", "1s"]), USAGE, &[part]);
    }
}

#[test]
fn counts_are_judged() {
    let target = Untouched::new();
    target.assert_refused(&["-c", "0"], &["-c", "at least one connection"]);
    target.assert_refused(&["-t", "0"], &["-t", "at least one worker"]);
    target.assert_refused(&["-n", "0"], &["-n", "at least one request"]);
    target.assert_refused(&["-p", "0"], &["-p", "1024"]);
    target.assert_refused(&["-p", "1025"], &["-p", "1024"]);
    target.assert_refused(&["-t", "8000"], &["-t", "8000 workers"]);
    target.assert_refused(&["--cores", "8000"], &["--cores", "core 8000"]);
    target.assert_refused(&["--cores", "x"], &["--cores", "`x`"]);
}

#[test]
fn names_during_the_run_are_judged() {
    let target = Untouched::new();
    target.assert_refused(&["--dns-ttl", "5s"], &["--dns-ttl", "`127.0.0.1` is an address", "leave it out"]);
    target.assert_refused(&["--allow-host", "a.example"], &["--allow-host", "--max-redirects"]);
    target.assert_refused(&["--max-redirects", "1", "--allow-host", "*"], &["--allow-host", "*.example"]);
    target.assert_refused(&["--max-redirects", "1", "--allow-host", "http://a/"], &["--allow-host", "a URL"]);
}

#[test]
fn durations_are_judged_and_users_of_other_tools_get_a_hint() {
    let target = Untouched::new();
    target.assert_refused(&["-d", "{\"a\":1}"], &["not a duration", "--body"]);
    target.assert_refused(&["-d", "5x"], &["unknown unit `x`", "`1m30s`"]);
    target.assert_refused(&["-d", "0"], &["longer than zero"]);
    target.assert_refused(&["--timeout", "0"], &["--timeout", "above zero"]);
    target.assert_refused(&["--warmup", "soon"], &["--warmup", "`soon`"]);
    target.assert_refused(&["--interval", "50ms"], &["--interval", "50ms is too short", "at least 100ms"]);
    target.assert_refused(&["--max-series", "100001"], &["--max-series", "too many", "up to 100000"]);
    target.assert_refused(&["--max-series", "many"], &["--max-series", "many"]);
}

#[test]
fn rates_are_judged() {
    let target = Untouched::new();
    target.assert_refused(&["-R", "fast"], &["`fast` is not a rate", "`3000/m`"]);
    target.assert_refused(&["-R", "0"], &["above zero"]);
    target.assert_refused(&["--arrivals", "poisson"], &["--arrivals", "Add -R"]);
    target.assert_refused(&["--max-backlog", "5"], &["--max-backlog", "Add -R"]);
}

#[test]
fn requests_are_judged() {
    let target = Untouched::new();
    target.assert_refused(&["-m", "GE T"], &["-m", "is not a method"]);
    target.assert_refused(&["-H", "Accept"], &["-H", "has no colon"]);
    target.assert_refused(&["-H", "A: b\r\nC: d"], &["-H", "line break"]);
    target.assert_refused(&["--body-file", "/nonexistent/body"], &["/nonexistent/body", "No such file"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let target = Untouched::new();
    target.assert_refused(&["-c", "0", "-p", "0", "-H", "Accept"], &["3 problems", "-c: ", "-p: ", "-H: "]);
}

#[test]
fn more_connections_than_descriptors_are_refused_with_the_remedy() {
    let target = Untouched::new();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 128 && exec \"$@\"", "sh"]).arg(env!("CARGO_BIN_EXE_squall")).args([
        &target.url,
        "-q",
        "-c",
        "1000",
        "-d",
        "1s",
    ]);
    assert_says(command, USAGE, &["may open 128", "ulimit -n 1064", "LimitNOFILE=1064"]);
    target.assert_left_alone();
}

#[test]
fn a_name_without_address_cannot_be_run() {
    // Reserved never to exist (RFC 2606).
    let command = squall(&["http://squall-test.invalid/", "-q", "-d", "1s"]);
    assert_says(command, COULD_NOT_RUN, &["squall-test.invalid"]);
}

#[test]
fn a_target_that_refuses_every_connection_cannot_be_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let command = squall(&[&url, "-q", "-d", "1s", "-c", "2"]);
    assert_says(command, COULD_NOT_RUN, &["refused"]);
}

#[test]
fn an_output_file_that_cannot_be_written_is_found_before_the_run() {
    let target = Untouched::new();
    let path = "/nonexistent/report.json";
    let outcome = finish(squall(&[&target.url, "-q", "-d", "1s", "-o", path]));
    assert!(matches!(outcome.code, Some(COULD_NOT_RUN | USAGE)), "{:?}", outcome.code);
    assert!(outcome.stderr.contains(path), "{}", outcome.stderr);
    target.assert_left_alone();
}

#[test]
fn a_refused_run_leaves_an_older_report_alone() {
    let target = Untouched::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.json");
    fs::write(&path, "older").unwrap();
    target.assert_refused(&["-c", "0", "-o", path.to_str().unwrap()], &["-c"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "older");
}
