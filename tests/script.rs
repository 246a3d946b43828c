//! k6 scripts through the binary, against the bundled target: what they count, how they end. Figures and codes are k6's (1.1, tried on it).

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use common::run::{alone, squall, together};
use common::skip::or_skip;
use common::target::Target;
use serde_json::Value;

/// What a run of a script left.
struct Ran {
    code: Option<i32>,
    stderr: String,
    report: Value,
}

impl Ran {
    fn at(&self, pointer: &str) -> &Value {
        self.report.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn count(&self, pointer: &str) -> u64 {
        self.at(pointer).as_u64().unwrap_or_else(|| panic!("{pointer}: {}\n{}", self.report, self.stderr))
    }

    /// The sum of a counter of the script's own.
    fn custom(&self, name: &str) -> f64 {
        self.at(&format!("/metrics/{name}/values/count")).as_f64().unwrap_or(0.0)
    }
}

/// A directory of its own, removed when dropped.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("squall-script-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a script with these flags; `BASE` is where the target is.
fn run(name: &str, base: &str, script: &str, flags: &[&str]) -> Ran {
    let dir = Dir::new(name);
    let file = dir.write("script.js", script);
    run_file(&dir, &file, base, flags)
}

fn run_file(dir: &Dir, file: &str, base: &str, flags: &[&str]) -> Ran {
    let report = dir.0.join("report.json");
    let base = format!("BASE={base}");
    let own = ["run", file, "-q", "-e", &base, "--output", report.to_str().unwrap(), "--allow-invalid"];
    let mut command = squall(&[&own[..], flags].concat());
    let Output { status, stderr, .. } = command.output().unwrap();
    let report = fs::read(&report).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap());
    Ran { code: status.code(), stderr: String::from_utf8_lossy(&stderr).into_owned(), report }
}

const HEAD: &str = "import http from 'k6/http'; import { check, group, sleep, fail } from 'k6'; import exec from 'k6/execution';
import { Counter } from 'k6/metrics'; const count = new Counter('count_of_mine'); const BASE = __ENV.BASE;\n";

fn with_head(body: &str) -> String {
    format!("{HEAD}{body}")
}

#[test]
fn iterations_requests_and_checks_are_counted() {
    let _together = together();
    let Some(target) = or_skip(Target::start()) else { return };
    let script = with_head(
        "export const options = { vus: 2, iterations: 10, thresholds: { checks: ['rate==0.5'], http_reqs: ['count==20'], \
         'http_reqs{kind:b}': ['count==10'], 'http_req_failed{expected_response:false}': ['rate==1'], count_of_mine: ['count==30'], \
         'http_reqs{status:404}': ['count==10'] } };
         export default function () {
           const res = http.get(`${BASE}/load-test`);
           check(res, { one: (r) => r.status === 200 && r.json('status') === 'ok', two: (r) => r.body === 'no' });
           const other = http.post(`${BASE}/status/404`, null, { tags: { kind: 'b' } });
           count.add(3, { a: 'b' });
         }",
    );
    let ran = run("counts", &target.url(""), &script, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!((ran.count("/requests/completed"), ran.count("/scenarios/0/iterations/completed")), (20, 10));
    assert_eq!(ran.count("/status/404"), 10);
    let thresholds = ran.at("/thresholds").as_array().unwrap();
    assert!(thresholds.len() == 6 && thresholds.iter().all(|one| one["ok"] == true), "{thresholds:?}");
}

#[test]
fn exit_codes_are_k6s() {
    let _together = together();
    let Some(target) = or_skip(Target::start()) else { return };
    for (name, body, flags, code, words) in [
        (
            "threshold",
            "export const options = { thresholds: { checks: ['rate==1'] } }; export default () => { check(1, { no: false }); };",
            &[][..],
            99,
            "thresholds",
        ),
        ("syntax", "export default function ( {", &[], 107, "SyntaxError"),
        ("throws", "throw new Error('broken'); export default () => {};", &[], 107, "Error: broken"),
        ("missing", "import x from './missing.js'; export default () => {};", &[], 107, "missing.js"),
        ("bare", "import x from 'lodash'; export default () => {};", &[], 107, "lodash"),
        ("refused", "import x from 'k6/x/sql'; export default () => {};", &[], 107, "extensions of k6"),
        ("at init", "http.get('http://127.0.0.1/'); export default () => {};", &[], 107, "init context"),
        (
            "options",
            "export const options = { vus: 1.5, duration: '1s' }; export default () => {};",
            &[],
            104,
            "`vus`",
        ),
        (
            "metric",
            "export const options = { thresholds: { nothing: ['rate<1'] } }; export default () => {};",
            &[],
            104,
            "nothing",
        ),
        (
            "exec",
            "export const options = { scenarios: { a: { executor: 'shared-iterations', exec: 'other' } } }; export default () => {};",
            &[],
            104,
            "exports no function `other`",
        ),
        ("nothing", "const a = 1; export { a };", &[], 255, "no exported functions"),
        ("flag", "export default () => {};", &["--vus", "many"], 255, "--vus"),
        ("statistic", "export const options = { summaryTrendStats: ['p95'] }; export default () => {};", &[], 255, "`summaryTrendStats`"),
        ("paused", "export const options = { paused: true, vus: 1, iterations: 1 }; export default () => {};", &[], 104, "`paused`"),
        ("config", "export default () => {};", &["--config", "/nowhere.json"], 104, "/nowhere.json"),
        ("threads", "export default () => {};", &["--threads", "0"], 104, "-t"),
        (
            "blocked",
            "export const options = { blockHostnames: ['*.blocked.test'] };
             export default () => { const res = http.get('http://a.blocked.test/'); if (res.error_code !== 1111 || res.error !== 'hostname is blocked') throw res; \
             console.log('it is blocked'); };",
            &[],
            0,
            "it is blocked",
        ),
        ("setup", "export function setup() { fail('no'); } export default () => {};", &[], 107, "Error: no"),
        (
            "teardown",
            "export function teardown() { fail('late'); } export default () => {};",
            &[],
            107,
            "Error: late",
        ),
        (
            "setup time",
            "export const options = { setupTimeout: '300ms' }; export function setup() { sleep(9); } export default () => {};",
            &[],
            100,
            "setup()",
        ),
        (
            "teardown time",
            "export const options = { teardownTimeout: '300ms' }; export function teardown() { while (true) {} } export default () => {};",
            &[],
            101,
            "teardown()",
        ),
        (
            "abort",
            "export default () => { exec.test.abort('enough'); };",
            &["-i", "50"],
            108,
            "test aborted: enough",
        ),
        ("failed", "export default () => { exec.test.fail('not good'); };", &[], 110, "not good"),
        (
            "an iteration",
            "export default () => { throw new Error('of one'); };",
            &["-i", "3"],
            0,
            "Error: of one",
        ),
        (
            "no setup",
            "export function setup() { fail('no'); } export default () => {};",
            &["--no-setup"],
            0,
            "",
        ),
        (
            "no thresholds",
            "export const options = { thresholds: { checks: ['rate==1'] } }; export default () => { check(1, { no: false }); };",
            &["--no-thresholds"],
            0,
            "",
        ),
    ] {
        let ran = run(name, &target.url(""), &with_head(body), flags);
        assert_eq!(ran.code, Some(code), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{name}: {}", ran.stderr);
    }
    let dir = Dir::new("none");
    let ran = run_file(&dir, "nowhere.js", "x", &[]);
    assert!(ran.code == Some(255) && ran.stderr.contains("nowhere.js"), "{}", ran.stderr);
}

#[test]
fn setup_hands_its_data_to_users_and_teardown() {
    let _together = together();
    let Some(target) = or_skip(Target::start()) else { return };
    let script = with_head(
        "export const options = { scenarios: { a: { executor: 'per-vu-iterations', vus: 2, iterations: 2 } }, \
         thresholds: { checks: ['rate==1'], http_reqs: ['count==2'], 'http_reqs{group:::setup}': ['count==1'], iterations: ['count==4'] } };
         export function setup() { http.get(`${BASE}/load-test`); return { when: new Date(0), gap: undefined, list: [undefined] }; }
         export default function (data) {
           check(data, { date: (d) => d.when === '1970-01-01T00:00:00Z', gap: (d) => d.gap === null && d.list[0] === null,
             kept: (d) => d.last === (__ITER === 0 ? undefined : __ITER - 1) });
           data.last = __ITER;
         }
         export function teardown(data) { http.get(`${BASE}/load-test`); check(data, { fresh: (d) => d.last === undefined }); }",
    );
    let ran = run("setup", &target.url(""), &script, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.count("/requests/completed"), 0, "the load itself sends nothing");
}

#[test]
fn scenarios_have_their_functions_variables_and_tags() {
    let _together = together();
    let Some(target) = or_skip(Target::start()) else { return };
    let script = with_head(
        "export const options = { scenarios: {
           a: { executor: 'shared-iterations', vus: 2, iterations: 9, exec: 'one', tags: { team: 'x' } },
           b: { executor: 'per-vu-iterations', vus: 2, iterations: 3, exec: 'two', env: { SIZE: '40' }, startTime: '100ms' },
           c: { executor: 'constant-arrival-rate', rate: 20, duration: '1s', preAllocatedVUs: 3 } },
           thresholds: { checks: ['rate==1'], 'iterations{scenario:a}': ['count==9'], 'http_reqs{team:x}': ['count==9'],
             'iterations{scenario:c}': ['count==21'], dropped_iterations: ['count==0'] } };
         export const one = () => { http.get(`${BASE}/load-test`); check(__ENV, { alone: (e) => e.SIZE === undefined }); };
         export function two() { const r = http.get(`${BASE}/bytes/${__ENV.SIZE}`);
           check(r, { size: (r) => r.body.length === 40, name: () => exec.scenario.name === 'b' && exec.vu.idInTest > 0 }); }
         export default () => { exec.vu.tags.mine = 'yes'; check(exec.vu.tags, { tags: (t) => t.mine === 'yes' && t.scenario === 'c' }); };",
    );
    let ran = run("scenarios", &target.url(""), &script, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    // From the command line one scenario comes instead.
    let ran = run("overridden", &target.url(""), &script, &["-i", "3", "--no-thresholds"]);
    assert_eq!((ran.code, ran.count("/scenarios/0/iterations/completed")), (Some(0), 3), "{}", ran.stderr);
}

#[test]
fn batches_promises_timers_and_files_work() {
    let _together = together();
    let Some(target) = or_skip(Target::start()) else { return };
    let dir = Dir::new("modules");
    dir.write("data/rows.json", "[{\"id\": 1}, {\"id\": 2}, {\"id\": 3}]");
    dir.write("lib/deep.js", "import { SharedArray } from 'k6/data'; export const rows = new SharedArray('rows', () => JSON.parse(open('../data/rows.json'))); export default 7;");
    let script = with_head(
        "import seven, { rows } from './lib/deep.js'; import encoding from 'k6/encoding'; import crypto from 'k6/crypto';
         export const options = { vus: 2, iterations: 4, thresholds: { checks: ['rate==1'], http_reqs: ['count==44'], count_of_mine: ['count==12'] } };
         export default async function () {
           const all = http.batch([...Array(8).keys()].map((n) => ['GET', `${BASE}/bytes/${n + 1}`]));
           check(all, { order: (a) => a.every((r, n) => r.body.length === n + 1) });
           const named = http.batch({ x: `${BASE}/load-test`, y: { method: 'post', url: `${BASE}/echo`, body: { a: [1, 'b c'], z: null } } });
           check(named, { named: (n) => n.x.status === 200 && n.y.body === 'a=1&a=b+c&z=%3Cnil%3E' });
           const late = await http.asyncRequest('GET', `${BASE}/load-test`);
           await new Promise((done) => setTimeout(done, 5));
           setTimeout(() => count.add(3), 1);
           check(late, { late: (r) => r.json().status === 'ok', seven: () => seven === 7 });
           check(rows, { rows: (r) => r.length === 3 && r[1].id === 2 && r.map((x) => x.id).join() === '1,2,3' && [...r].length === 3 && Array.isArray(r),
             frozen: (r) => { try { r[0].id = 9; } catch (e) { return r[0].id === 1; } return false; } });
           check(crypto, { md5: (c) => c.md5('squall', 'hex').length === 32 && c.hmac('sha256', 'key', 'data', 'hex').startsWith('5031fe3d'),
             b64: () => encoding.b64encode('??>>', 'url') === 'Pz8-Pg==' && encoding.b64decode('YWJj', 'std', 's') === 'abc' });
         }",
    );
    let file = dir.write("script.js", &script);
    let ran = run_file(&dir, &file, &target.url(""), &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.count("/scenarios/0/iterations/completed"), 4);
}

#[test]
fn what_is_still_at_it_when_its_time_is_over_is_cut_off() {
    let _together = together();
    for (name, body) in [
        ("spins", "while (true) {}"),
        ("sleeps", "sleep(100);"),
        ("catches", "for (;;) { try { sleep(100); } catch (e) {} finally { count.add(1); } }"),
        ("recurses", "const f = () => { f(); }; for (;;) { try { f(); } catch (e) {} }"),
        ("promises", "return new Promise(() => setTimeout(() => {}, 100000));"),
    ] {
        let script = with_head(&format!(
            "export const options = {{ scenarios: {{ a: {{ executor: 'constant-vus', vus: 2, duration: '1s', gracefulStop: '200ms' }} }} }};
             export default function () {{ {body} }}"
        ));
        let ran = run(name, "http://127.0.0.1:1", &script, &[]);
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
        let done = (
            ran.count("/scenarios/0/iterations/completed"),
            ran.count("/scenarios/0/iterations/interrupted"),
        );
        assert_eq!(done, (0, 2), "{name}");
        assert_eq!(ran.custom("count_of_mine"), 0.0, "{name}");
    }
}

#[test]
fn one_user_that_computes_leaves_the_others_half_of_their_rate() {
    let _alone = alone();
    let Some(target) = or_skip(Target::start()) else { return };
    let load = |spinners: &str| {
        let script = with_head(&format!(
            "export const options = {{ scenarios: {{ {spinners} a: {{ executor: 'constant-vus', vus: 9, duration: '1500ms', exec: 'asks', gracefulStop: '1s' }} }} }};
             export function asks() {{ http.get(`${{BASE}}/delay/2`); }}
             export function spins() {{ while (true) {{}} }}"
        ));
        let ran = run("fair", &target.url(""), &script, &["--threads", "1"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran
    };
    let quiet = load("").count("/requests/completed");
    let spin =
        "b: { executor: 'constant-vus', vus: 1, duration: '1500ms', exec: 'spins', gracefulStop: '0s' },";
    let busy = load(spin);
    let completed = busy.count("/requests/completed");
    assert!(completed * 2 >= quiet, "{completed} beside one that spins, {quiet} without");
    assert!(busy.at("/generator/script_share").as_f64().unwrap() > 0.3, "{}", busy.at("/generator"));
}

#[test]
fn a_host_of_the_options_is_where_they_say() {
    let _together = together();
    let Some(target) = or_skip(Target::start()) else { return };
    let base = target.url("");
    let address = base.trim_start_matches("http://");
    let script = with_head(&format!(
        "export const options = {{ hosts: {{ 'api.example': '{address}' }}, thresholds: {{ checks: ['rate==1'] }} }};
         export default function () {{
           const r = http.post('http://api.example/echo', 'x');
           check(r, {{ ok: (r) => r.status === 200 && r.body === 'x' && r.url === 'http://api.example/echo' && r.request.method === 'POST' }});
         }}"
    ));
    let ran = run("hosts", &base, &script, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn requests_that_fail_have_k6s_codes() {
    let _together = together();
    let script = with_head(
        "export const options = { thresholds: { checks: ['rate==1'], http_req_failed: ['rate==1'], http_reqs: ['count==1'] } };
         export default function () {
           const refused = http.get('http://127.0.0.1:1/');
           check(refused, { refused: (r) => r.status === 0 && r.error_code === 1212 && r.body === null && r.error !== '' });
           const bad = http.get('http://h:x/');
           check(bad, { bad: (r) => r.status === 0 && r.error_code === 1020 });
           check(http.post('http://127.0.0.1:1/', 5), { body: (r) => r.status === 0 });
         }",
    );
    let ran = run("fails", "", &script, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_request_that_may_go_nowhere_holds_no_batch_and_no_promise() {
    let _together = together();
    // A worker knows a thousand origins; what is beyond is refused before there is anything to wait for.
    let script = with_head(
        "export const options = { thresholds: { checks: ['rate==1'] } };
         export default async function () {
           for (let port = 20000; port < 21000; port += 1) http.get(`http://127.0.0.1:${port}/`);
           check(http.batch(['http://127.0.0.1:21000/']), { batch: ([r]) => r.status === 0 && r.error_code === 1111 });
           check(await http.asyncRequest('GET', 'http://127.0.0.1:21000/'), { promise: (r) => r.error_code === 1111 });
         }",
    );
    let ran = run("nowhere", "", &script, &["--threads", "1"]);
    assert_eq!((ran.code, ran.count("/scenarios/0/iterations/completed")), (Some(0), 1), "{}", ran.stderr);
}

#[test]
fn odd_arguments_are_taken_as_by_k6() {
    let _together = together();
    let Some(target) = or_skip(Target::start()) else { return };
    let script = with_head(
        "import encoding from 'k6/encoding';
         export const options = { thresholds: { checks: ['rate==1'] } };
         export default function () {
           check(http.get(`${__ENV.BASE}/healthz`, { responseCallback: undefined }), { callback: (r) => r.status === 200 });
           check(encoding.b64encode('\\ud800'), { half: (text) => text === '77+9' });
         }",
    );
    let ran = run("odd", &target.url(""), &script, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn every_sample_is_written_as_k6_writes_it() {
    let _together = together();
    let Some(target) = or_skip(Target::start()) else { return };
    let (base, dir) = (target.url(""), Dir::new("outs"));
    let script = "import http from 'k6/http'; import { check, group } from 'k6'; import { Trend } from 'k6/metrics';
         const t = new Trend('sizes');
         export const options = { vus: 1, iterations: 2, tags: { run: 'x' }, thresholds: { sizes: ['max<9'] } };
         export function setup() { http.get(`${__ENV.BASE}/healthz`); }
         export default function () {
           group('g', () => check(http.get(`${__ENV.BASE}/status/404`), { 'is 404': (r) => r.status === 404 }));
           t.add(4.5, { kind: 'a' });
         }";
    let file = dir.write("script.js", script);
    let [json, csv] = ["points.json", "points.csv.gz"].map(|name| dir.0.join(name).display().to_string());
    let ran =
        run_file(&dir, &file, &base, &["--out", &format!("json={json}"), "--out", &format!("csv={csv}")]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let rows = std::io::read_to_string(flate2::read::GzDecoder::new(fs::File::open(&csv).unwrap())).unwrap();
    // Without the time, and without what took time or was counted on the socket.
    let untimed = |row: &str| {
        let (metric, rest) = row.split_once(',')?;
        let kept = ["checks", "http_reqs", "http_req_failed", "iterations", "sizes"].contains(&metric);
        kept.then(|| format!("{metric},{}", rest.split_once(',').unwrap().1).replace(&base, "$BASE"))
    };
    let mut found: Vec<String> = rows.lines().filter_map(untimed).collect();
    found.sort();
    found.dedup();
    // k6 1.1 wrote these, of this script.
    let k6 = [
        "checks,1.000000,is 404,,,,::g,,,,default,,,,,,run=x,",
        "http_req_failed,0.000000,,,,true,::setup,GET,$BASE/healthz,HTTP/1.1,,,200,,,$BASE/healthz,run=x,",
        "http_req_failed,1.000000,,,1404,false,::g,GET,$BASE/status/404,HTTP/1.1,default,,404,,,$BASE/status/404,run=x,",
        "http_reqs,1.000000,,,,true,::setup,GET,$BASE/healthz,HTTP/1.1,,,200,,,$BASE/healthz,run=x,",
        "http_reqs,1.000000,,,1404,false,::g,GET,$BASE/status/404,HTTP/1.1,default,,404,,,$BASE/status/404,run=x,",
        "iterations,1.000000,,,,,,,,,default,,,,,,run=x,",
        "sizes,4.500000,,,,,,,,,default,,,,,,kind=a&run=x,",
    ];
    assert_eq!(found, k6);
    let lines = fs::read_to_string(&json).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let points = |metric: &str| {
        lines.iter().filter(|line| line["type"] == "Point" && line["metric"] == metric).count()
    };
    assert_eq!(["http_reqs", "http_req_waiting", "iterations", "sizes", "vus"].map(points), [3, 3, 2, 2, 0]);
    let sizes = lines.iter().find(|line| line["metric"] == "sizes").unwrap();
    assert_eq!(sizes["data"]["thresholds"], serde_json::json!(["max<9"]));
    // What cannot be written is told before anything is sent.
    let ran = run_file(&dir, &file, &base, &["--out", "bogus=1"]);
    assert_eq!(ran.code, Some(255), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--out bogus=1: `bogus` is no output: there are json and csv"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_example_runs_against_the_bundled_target() {
    let _together = together();
    let Some(target) = or_skip(Target::start()) else { return };
    let dir = Dir::new("story");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/story.js");
    let address = format!("TARGET={}", target.url("").trim_start_matches("http://"));
    // The same users in seconds: up, there, down.
    let stages = ["--stage", "1s:10", "--stage", "1s:10", "--stage", "500ms:0"];
    let flags = [&["-e", &address][..], &stages].concat();
    let ran = run_file(&dir, example, "", &flags);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let requests = ran.count("/status/200");
    assert!((10..=40).contains(&requests), "{requests} requests of 10 users that sleep for a second");
    assert_eq!(
        ran.at("/metrics/checks/values/passes").as_f64(),
        Some(2.0 * requests as f64),
        "{}",
        ran.at("/metrics")
    );
    assert_eq!(ran.at("/metrics/vus_max/values/value").as_f64(), Some(10.0));
    // A bound that no target keeps: k6's exit code.
    let strict =
        dir.write("strict.js", &fs::read_to_string(example).unwrap().replace("p(99)<500", "p(99)<0.001"));
    assert_eq!(run_file(&dir, &strict, "", &flags).code, Some(99));
}

#[test]
fn the_console_is_bounded_on_standard_error_and_whole_in_a_file() {
    let _together = together();
    let script = "export const options = { scenarios: {
           loud: { executor: 'shared-iterations', vus: 1, iterations: 20, exec: 'loud' },
           quiet: { executor: 'shared-iterations', vus: 1, iterations: 3, exec: 'quiet' } } };
         console.log('at init');
         export function loud() { for (let n = 0; n < 1000; n += 1) console.log('loud', n); }
         export function quiet() { console.warn('quiet \"one\"'); }
         export function teardown() { console.log('torn'); }";
    let dir = Dir::new("console");
    let file = dir.write("script.js", script);
    let ran = run_file(&dir, &file, "", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let count = |text: &str, part: &str| text.lines().filter(|line| line.contains(part)).count();
    // A scenario that writes much takes nothing from the others.
    let shown = count(&ran.stderr, " loud ");
    assert!((2_000..20_000).contains(&shown), "{shown} lines");
    assert_eq!([count(&ran.stderr, "quiet \"one\""), count(&ran.stderr, " torn ")], [3, 1], "{}", ran.stderr);
    let left_out = ran
        .stderr
        .lines()
        .filter_map(|line| line.split_once("] ")?.1.split_once(" lines of the script were left out"));
    let left_out: usize = left_out.map(|(number, _)| number.parse::<usize>().unwrap()).sum();
    assert_eq!(shown + left_out, 20_000, "what is left out is told");

    let out = dir.0.join("console.txt");
    let ran = run_file(&dir, &file, "", &["--console-output", out.to_str().unwrap()]);
    let lines = fs::read_to_string(&out).unwrap();
    assert_eq!((count(&lines, "level=info msg=\"loud "), count(&lines, "level=info msg=torn")), (20_000, 1));
    assert_eq!(
        count(&lines, "level=warning msg=\"quiet \\\"one\\\"\""),
        3,
        "{}",
        &lines[lines.len() - 300..]
    );
    assert!(lines.lines().all(|line| line.starts_with("time=\"20")), "as k6 writes it");
    // What module code says is on standard error, as in k6.
    assert!(
        count(&ran.stderr, "at init") >= 2
            && count(&ran.stderr, " loud ") == 0
            && count(&lines, "at init") == 0
    );
    let ran = run_file(&dir, &file, "", &["--console-output", "/nowhere/console.txt"]);
    assert!(
        ran.code == Some(1) && ran.stderr.contains("--console-output: cannot write /nowhere"),
        "{}",
        ran.stderr
    );
}

#[test]
fn scripts_that_take_too_much_memory_together_end_the_run() {
    let _together = together();
    let script = "import { sleep } from 'k6';
         const kept = new Array(Number(__ENV.EACH)).fill(0.5);
         export const options = { scenarios: { a: { executor: 'per-vu-iterations', vus: 60, iterations: 1 } } };
         export default function () { sleep(0.05); console.log('length', kept.length); }
         export function teardown() { console.log('torn'); }";
    // 60 users of 8 MB each are too many for 256 MB, and of some KB are not.
    for (each, code) in [("500000", 1), ("1000", 0)] {
        let each = format!("EACH={each}");
        let ran = run("memory", "", script, &["-e", &each, "--max-memory", "256MiB"]);
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        let says = ["--max-memory: the run's scripts took", "users, and may have 268"]
            .map(|part| ran.stderr.contains(part));
        assert_eq!((says, ran.stderr.contains("torn")), ([code == 1; 2], code == 0), "{}", ran.stderr);
    }
    // In an iteration too: what is under way is cut off.
    let grows = "const kept = []; export const options = { vus: 2, duration: '15s' };
         export default function () { for (;;) kept.push(new Array(10000).fill(1.5)); }";
    let ran = run("grows", "", grows, &["--max-memory", "256MiB"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("--max-memory"), "{:?} {}", ran.code, ran.stderr);
}
