//! The original story, scaled down: the FastAPI target under uvicorn, the plan, and the same script in the real k6. Counts,
//! checks, users and exit codes are held against each other. So are the executors' iterations.

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::process::Group;
use common::skip::{or_skip, skip};
use common::target::Target;
use common::yardstick::in_one_of_three;
use serde_json::Value;

/// A program of the tests' Python environment, or of the PATH.
fn program(name: &str) -> PathBuf {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin").join(name);
    if venv.is_file() { venv } else { name.into() }
}

/// Whether the program is there and runs; says so if not.
fn runs(name: &str, args: &[&str]) -> bool {
    let found = Command::new(program(name)).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = found.is_ok_and(|status| status.success());
    if !there {
        skip(format!("{name} {} does not run here (scripts/test installs it)", args.join(" ")));
    }
    there
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

struct Uvicorn {
    _group: Group,
    base: String,
}

impl Uvicorn {
    fn start() -> Uvicorn {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program("python3"));
        command.args([
            "-m",
            "uvicorn",
            "main:app",
            "--no-access-log",
            "--port",
            &port.to_string(),
            "--app-dir",
        ]);
        command.arg(repository("examples/load-test/target")).stdout(Stdio::null()).stderr(Stdio::null());
        let group = Group::spawn(&mut command);
        let listens = (0..200).any(|_| {
            thread::park_timeout(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(listens, "uvicorn does not listen within 10 s");
        Uvicorn { _group: group, base: format!("http://127.0.0.1:{port}") }
    }
}

/// Runs a plan; its exit code and report.
fn squall(plan: &str) -> (Option<i32>, Value) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.toml");
    fs::write(&path, plan).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["run", path.to_str().unwrap(), "--format", "json", "-q", "--allow-invalid"])
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

/// Runs a script in k6; its exit code and exported summary, with its samples of `vus` as `vus_curve`.
fn k6(script: &str) -> (Option<i32>, Value) {
    let directory = tempfile::tempdir().unwrap();
    let (path, summary) = (directory.path().join("script.js"), directory.path().join("summary.json"));
    fs::write(&path, script).unwrap();
    let output = Command::new(program("k6"))
        .args(["run", "--quiet", "--no-usage-report", "--summary-export"])
        .args([&summary, &path])
        .arg("--out")
        .arg(format!("json={}", directory.path().join("samples.json").display()))
        .output()
        .unwrap();
    let text = fs::read_to_string(&summary)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let mut summary: Value = serde_json::from_str(&text).unwrap();
    let samples = fs::read_to_string(directory.path().join("samples.json")).unwrap();
    let samples = samples.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let vus = samples.filter(|sample| sample["type"] == "Point" && sample["metric"] == "vus");
    summary["vus_curve"] = vus.map(|sample| sample["data"]["value"].clone()).collect();
    (output.status.code(), summary)
}

fn metric(summary: &Value, name: &str, value: &str) -> f64 {
    summary["metrics"][name][value].as_f64().unwrap_or(0.0)
}

fn squall_metric(report: &Value, name: &str, value: &str) -> f64 {
    report["metrics"][name]["values"][value].as_f64().unwrap_or(0.0)
}

fn close(what: &str, ours: f64, theirs: f64, share: f64) {
    near(what, ours, theirs, share).unwrap();
}

/// Says what they are where they are further apart than this share.
fn near(what: &str, ours: f64, theirs: f64, share: f64) -> Result<(), String> {
    let is_near = (ours - theirs).abs() <= theirs * share + 1.0;
    is_near.then_some(()).ok_or_else(|| format!("{what}: squall {ours}, k6 {theirs}"))
}

/// Both scaled down: 20 users, 2 s up, 2 s there, 2 s down, 50 ms between iterations.
fn scaled(text: &str) -> String {
    let text = text.replace("= 1000", "= 20").replace(": 1000", ": 20");
    let text = text.replace("'5m'", "'2s'").replace("\"5m\"", "\"2s\"");
    let text = text.replace("'2m'", "'2s'").replace("\"2m\"", "\"2s\"");
    text.replace("think = \"1s\"", "think = \"50ms\"").replace("sleep(1)", "sleep(0.05)")
}

#[test]
fn the_story_comes_out_as_in_k6() {
    if !runs("python3", &["-c", "import fastapi, uvicorn"]) || !runs("k6", &["version"]) {
        return;
    }
    let target = Uvicorn::start();
    let base = |text: String| text.replace("http://127.0.0.1:8000", &target.base);
    let plan = base(scaled(&fs::read_to_string(repository("examples/load-test/plan.toml")).unwrap()));
    let script = base(scaled(&fs::read_to_string(repository("examples/load-test/script.js")).unwrap()));
    let ((our_code, ours), (their_code, theirs)) = (squall(&plan), k6(&script));
    assert_eq!((our_code, their_code), (Some(0), Some(0)), "{ours}");
    for name in ["iterations", "http_reqs"] {
        close(name, squall_metric(&ours, name, "count"), metric(&theirs, name, "count"), 0.15);
    }
    let checks = squall_metric(&ours, "checks", "passes");
    close("checks", checks, metric(&theirs, "checks", "passes"), 0.15);
    assert_eq!(squall_metric(&ours, "checks", "fails"), metric(&theirs, "checks", "fails"));
    assert_eq!(checks, squall_metric(&ours, "http_reqs", "count"), "each response is checked");
    assert_eq!(squall_metric(&ours, "vus_max", "value"), metric(&theirs, "vus_max", "value"));
    let vus: Vec<u64> =
        ours["timeline"].as_array().unwrap().iter().map(|p| p["vus"].as_u64().unwrap()).collect();
    // Both sample once a second: up, there, down.
    let curve: Vec<u64> = theirs["vus_curve"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert!(vus.len() >= 5 && curve.len() >= 5, "squall {vus:?}, k6 {curve:?}");
    let apart = vus.iter().zip(&curve).take(5).map(|(ours, theirs)| ours.abs_diff(*theirs)).max();
    assert!(apart <= Some(3), "squall {vus:?}, k6 {curve:?}");

    let impossible = plan.replace("p(99)<500", "p(99)<0.001");
    let as_impossible = script.replace("p(99)<500", "p(99)<0.001");
    assert_eq!((squall(&impossible).0, k6(&as_impossible).0), (Some(99), Some(99)));
}

/// Iterations and dropped ones of one executor in both, against the bundled target.
fn counts(target: &Target, ours: &str, theirs: &str) -> ([f64; 2], [f64; 2]) {
    let url = target.url("/delay/20");
    let plan = format!("steps.a.url = \"{url}\"\n[scenarios.s]\n{ours}\n");
    let script = format!(
        "import http from 'k6/http';\nexport const options = {{ scenarios: {{ s: {{ {theirs} }} }} }};\n\
         export default function () {{ http.get('{url}'); }}\n"
    );
    // At the same time, so that whatever else the host does is in both.
    let ((_, report), (_, summary)) = thread::scope(|scope| {
        let theirs = scope.spawn(|| k6(&script));
        (squall(&plan), theirs.join().unwrap())
    });
    let names = ["iterations", "dropped_iterations"];
    (
        names.map(|name| squall_metric(&report, name, "count")),
        names.map(|name| metric(&summary, name, "count")),
    )
}

/// Holds one executor against k6's; `exact` where k6's iterations are exact.
fn same(target: &Target, ours: &str, theirs: &str, exact: bool) {
    in_one_of_three(|| {
        let ([iterations, dropped], [expected, expected_dropped]) = counts(target, ours, theirs);
        if exact {
            assert_eq!((iterations, dropped), (expected, expected_dropped), "{ours}");
            return Ok(());
        }
        near(&format!("{ours}, iterations"), iterations, expected, 0.15)?;
        near(&format!("{ours}, dropped"), dropped, expected_dropped, 0.2)
    });
}

#[test]
fn executors_count_as_in_k6() {
    if !runs("k6", &["version"]) {
        return;
    }
    let Some(target) = or_skip(Target::start()) else { return };
    for (ours, theirs, exact) in [
        (
            "executor = \"shared-iterations\"\nvus = 4\niterations = 50",
            "executor: 'shared-iterations', vus: 4, iterations: 50",
            true,
        ),
        (
            "executor = \"per-vu-iterations\"\nvus = 3\niterations = 11",
            "executor: 'per-vu-iterations', vus: 3, iterations: 11",
            true,
        ),
        (
            "executor = \"constant-vus\"\nvus = 5\nduration = \"2s\"",
            "executor: 'constant-vus', vus: 5, duration: '2s'",
            false,
        ),
        (
            "executor = \"ramping-vus\"\nstages = [{ duration = \"1s\", target = 10 }, { duration = \"1s\", target = 0 }]",
            "executor: 'ramping-vus', stages: [{ duration: '1s', target: 10 }, { duration: '1s', target: 0 }]",
            false,
        ),
        (
            "executor = \"constant-arrival-rate\"\nrate = 50\nduration = \"2s\"\npreAllocatedVUs = 20",
            "executor: 'constant-arrival-rate', rate: 50, duration: '2s', preAllocatedVUs: 20",
            false,
        ),
        (
            "executor = \"ramping-arrival-rate\"\nstartRate = 10\npreAllocatedVUs = 20\nstages = [{ duration = \"2s\", target = 90 }]",
            "executor: 'ramping-arrival-rate', startRate: 10, preAllocatedVUs: 20, stages: [{ duration: '2s', target: 90 }]",
            false,
        ),
        (
            "executor = \"constant-arrival-rate\"\nrate = 200\nduration = \"2s\"\npreAllocatedVUs = 1",
            "executor: 'constant-arrival-rate', rate: 200, duration: '2s', preAllocatedVUs: 1",
            false,
        ),
    ] {
        same(&target, ours, theirs, exact);
    }
}

#[test]
fn what_the_time_was_too_short_for_is_dropped_as_in_k6() {
    if !runs("k6", &["version"]) {
        return;
    }
    let Some(target) = or_skip(Target::start()) else { return };
    for (executor, iterations) in [("shared-iterations", 500), ("per-vu-iterations", 250)] {
        let ours =
            format!("executor = \"{executor}\"\nvus = 2\niterations = {iterations}\nmaxDuration = \"2s\"");
        let theirs = format!("executor: '{executor}', vus: 2, iterations: {iterations}, maxDuration: '2s'");
        in_one_of_three(|| {
            let ([done, dropped], [k6_done, k6_dropped]) = counts(&target, &ours, &theirs);
            let all = (done + dropped, k6_done + k6_dropped);
            assert_eq!(all, (500.0, 500.0), "{executor}: {dropped}, {k6_dropped}");
            near(executor, done, k6_done, 0.15)
        });
    }
}
