//! What users of k6 have reported, tried with scripts on ours. What is right is what k6 1.1 does with the same script.

mod common;

use std::fs;
use std::process::Output;

use common::recorder::{Asked, Recorder};
use common::run::{squall, together};

/// How a run of a script ended, and what it wrote to standard error.
struct Ran {
    code: Option<i32>,
    stderr: String,
}

impl Ran {
    /// Holds what it wrote against these words: all of `there`, none of `not`.
    #[track_caller]
    fn says(&self, code: i32, there: &[&str], not: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        let lacks: Vec<_> = there.iter().filter(|words| !self.stderr.contains(**words)).collect();
        let has: Vec<_> = not.iter().filter(|words| self.stderr.contains(**words)).collect();
        assert!(lacks.is_empty() && has.is_empty(), "lacks {lacks:?}, has {has:?}\n{}", self.stderr);
    }
}

const HEAD: &str = "import http from 'k6/http'; import { check, group, sleep, fail } from 'k6'; import exec from 'k6/execution';
import { Counter, Gauge, Rate, Trend } from 'k6/metrics'; const BASE = __ENV.BASE;\n";

fn run(name: &str, base: &str, body: &str) -> Ran {
    run_writing(name, base, body, &[]).0
}

/// The same with flags that name files, and what was written to these.
fn run_writing(name: &str, base: &str, body: &str, outs: &[(&str, &str)]) -> (Ran, String) {
    let dir = std::env::temp_dir().join(format!("squall-reports-{}-{name}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join("script.js");
    fs::write(&file, format!("{HEAD}{body}")).unwrap();
    let mut command = squall(&["run", file.to_str().unwrap(), "-q", "--allow-invalid"]);
    command.args(["-e", &format!("BASE={base}")]);
    for (flag, before) in outs {
        command.args([(*flag).to_owned(), format!("{before}{}", dir.join(&flag[2..]).display())]);
    }
    let Output { status, stderr, .. } = command.output().unwrap();
    let files = outs.iter().map(|(flag, _)| fs::read_to_string(dir.join(&flag[2..])).unwrap_or_default());
    let written = files.collect();
    let _ = fs::remove_dir_all(&dir);
    (Ran { code: status.code(), stderr: String::from_utf8_lossy(&stderr).into_owned() }, written)
}

/// `/status/N` has that status, `/to?PATH` leads there.
fn answer(asked: &Asked) -> (String, String) {
    let target = asked.target();
    let status = target.strip_prefix("/status/").unwrap_or("200");
    match target.strip_prefix("/to?") {
        Some(to) => (format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n"), String::new()),
        None => (format!("HTTP/1.1 {status} X\r\n"), "ok".into()),
    }
}

fn server() -> Recorder {
    Recorder::start(answer)
}

#[test]
fn failures_are_found_by_status_error_code_and_error() {
    let _together = together();
    let script = "export const options = { thresholds: { 'http_reqs{error_code:1404}': ['count==1'], 'http_reqs{error_code:1212}': ['count==1'], \
         'http_reqs{status:0}': ['count==1'], 'http_req_failed{error_code:1500}': ['rate==1'], 'http_reqs{status:500,error_code:1404}': ['count==0'] } };
         export default function () { http.get(`${BASE}/status/404`); http.get(`${BASE}/status/500`); http.get('http://127.0.0.1:1/'); }";
    let server = server();
    run("codes", &format!("http://{}", server.addr), script).says(0, &[], &["have been crossed"]);
}

/// Tags of a user stay until they are taken off.
#[test]
fn tags_of_a_user_stay_from_iteration_to_iteration() {
    let _together = together();
    let script = "export const options = { iterations: 2, thresholds: { 'http_reqs{of:first}': ['count==2'], 'http_reqs{group:::g}': ['count==2'] } };
         export default function () {
           if (__ITER === 0) exec.vu.tags.of = 'first';
           try { group('g', () => { http.get(`${BASE}/`); throw new Error('out of it'); }); } catch (e) { }
           console.log(`tag ${exec.vu.tags.of} group ${exec.vu.tags.group}.`);
         }";
    let server = server();
    let ran = run("tags", &format!("http://{}", server.addr), script);
    ran.says(0, &["tag first group ."], &["undefined", "have been crossed"]);
}

#[test]
fn what_nobody_judges_is_in_no_rate_of_failures() {
    let _together = together();
    let script = "export const options = { thresholds: { http_req_failed: ['rate==0.25'], http_reqs: ['count==6'], \
         'http_reqs{expected_response:true}': ['count==3'], 'http_reqs{expected_response:false}': ['count==1'] } };
         export default function () {
           http.setResponseCallback(http.expectedStatuses(404, { min: 200, max: 299 }));
           http.get(`${BASE}/status/404`); http.get(`${BASE}/status/302`); http.get(`${BASE}/`);
           http.setResponseCallback(null);
           http.get(`${BASE}/status/500`);
           http.get(`${BASE}/status/500`, { responseCallback: http.expectedStatuses(500) });
           http.get(`${BASE}/status/500`, { responseCallback: null });
         }";
    let server = server();
    run("unjudged", &format!("http://{}", server.addr), script).says(0, &[], &["have been crossed"]);
}

/// k6's `test.abort` is no exception: nothing catches it.
#[test]
fn nothing_catches_an_abort() {
    let _together = together();
    let script = "export default async function () {
           try { group('g', () => { try { exec.test.abort('enough'); } catch (e) { console.log('caught'); } finally { console.log('finally'); } }); }
           catch (e) { console.log('caught outside'); }
           await null;
           console.log('went on');
         }
         export function teardown() { console.log('torn down'); }";
    run("abort", "", script).says(
        108,
        &["test aborted: enough", "torn down"],
        &["caught", "finally", "went on"],
    );
}

/// grafana/k6#2318, #2693: a promise that is rejected, and nobody hears of it, is told, and ends its iteration; the next one begins as any other.
#[test]
fn rejections_that_nobody_hears_of_are_told_and_end_the_iteration() {
    let _together = together();
    let script = "export const options = { iterations: 3, thresholds: { iterations: ['count==3'] } };
         export default async function () {
           const n = exec.scenario.iterationInTest;
           setTimeout(() => console.log(`timer of ${n}`), 60);
           await Promise.reject(new Error('heard of')).catch(() => null);
           const late = Promise.reject(new Error('heard of late')); late.catch(() => null);
           if (n === 0) { Promise.reject(new Error('at once')); await new Promise((go) => setTimeout(go, 20)); console.log('went on'); }
           if (n === 1) new Promise((_, no) => setTimeout(() => no(new Error('in time')), 10));
           console.log(`end of ${n}`);
         }";
    let told = [
        "Uncaught (in promise) Error: at once",
        "Uncaught (in promise) Error: in time",
        "end of 1",
        "end of 2",
        "timer of 2",
    ];
    run("rejected", "", script).says(
        0,
        &told,
        &["heard of", "went on", "end of 0", "timer of 0", "timer of 1"],
    );
}

#[test]
fn jars_of_scripts_are_gos() {
    let _together = together();
    let server = Recorder::start(|asked| {
        let set = "Set-Cookie: sp=a b,c\r\nSet-Cookie: q=\"x y\"\r\nSet-Cookie: plain=\"p\"\r\nSet-Cookie: bad=a\"b\r\nSet-Cookie: s=1; Secure\r\n";
        (if asked.target() == "/set" { set.into() } else { String::new() }, "ok".into())
    });
    let script = "export default function () {
           const jar = http.cookieJar();
           http.get(`${BASE}/set`);
           http.get(`${BASE}/given`);
           jar.clear(BASE);
           jar.set(BASE, 'a', 'x; Domain=evil.org', { max_age: 0 });
           jar.set(BASE, 'n', null);
           jar.set(BASE, 'sec', '1', { secure: true });
           let refused; try { jar.set(BASE, 'd', '1', { expires: '2099-01-01' }); } catch (e) { refused = 'date'; }
           http.get(`${BASE}/own`, { cookies: { none: null, left: undefined, list: [1, 2] }, jar });
           http.get(`${BASE}/nojar`, { jar: {} });
           console.log(JSON.stringify(jar.cookiesForURL(BASE)), refused, JSON.stringify(jar.cookiesForURL(BASE.replace('http:', 'https:')).sec));
         }";
    let ran = run("jars", &format!("http://{}", server.addr), script);
    ran.says(0, &[r#"{"a":["x Domain=evil.org"],"n":[""]} date ["1"]"#], &["Request Failed"]);
    let sent: Vec<(String, String)> = server
        .take()
        .iter()
        .map(|asked| (asked.target().to_owned(), asked.fields("cookie").join("|")))
        .collect();
    let wanted = [
        ("/set", ""),
        ("/given", "sp=\"a b,c\"; q=\"x y\"; plain=p"),
        ("/own", "list=\"1,2\"; a=\"x Domain=evil.org\"; n="),
        ("/nojar", "a=\"x Domain=evil.org\"; n="),
    ];
    assert_eq!(sent, wanted.map(|(target, cookie)| (target.to_owned(), cookie.to_owned())));
}

/// The time limit of a request is one for all that its redirects lead to; of 0 nothing is waited for.
#[test]
fn a_time_limit_holds_for_all_redirects() {
    let _together = together();
    let script = "export default function () {
           const one = http.get(`${BASE}/to?/x`, { timeout: 400 });
           const two = http.get(`${BASE}/to?/x`, { timeout: 5000 });
           const none = http.get(`${BASE}/x`, { timeout: 0 });
           console.log(one.status, one.error_code, two.status, none.status, none.error_code);
         }";
    let server = Recorder::start(|asked| {
        squall::clock::sleep(squall::units::Nanos::from_millis(250));
        answer(asked)
    });
    run("limits", &format!("http://{}", server.addr), script).says(0, &["0 1050 200 0 1050"], &[]);
}

/// A figure is what JavaScript makes a number of; a metric without a name is none.
#[test]
fn figures_are_numbers_as_javascript_has_them() {
    let _together = together();
    let script = "const t = new Trend('of_mine'); const refused = [];
         for (const name of [undefined, null, '', 'a-b']) { try { new Counter(name); } catch (e) { refused.push(name); } }
         export const options = { thresholds: { of_mine: ['max>15.9', 'max<16.1', 'min==0', 'med>4.9', 'med<5.1'] } };
         export default function () {
           const taken = ['', '0x10', new Date(5), [5], true, '7'].map((value) => t.add(value));
           const not = [undefined, null, NaN, 'x', {}].map((value) => t.add(value));
           console.log(JSON.stringify([taken, not]), refused.length, check(1, { promise: Promise.resolve(false) }));
         }";
    let told = "[[true,true,true,true,true,true],[false,false,false,false,false]] 4 true";
    run("figures", "", script).says(0, &[told], &["have been crossed"]);
}

/// grafana/k6#2520: what has a threshold is in the summary without samples, and so is the whole of which it is a part.
#[test]
fn metrics_with_thresholds_are_in_the_summary() {
    let _together = together();
    let script = "export const options = { thresholds: { 'checks{type:read}': ['rate>0.9'], 'of_mine{a:b}': ['count==0'] } };
         new Counter('of_mine');
         export default function () { }
         export function handleSummary(data) {
           console.log(Object.keys(data.metrics).filter((name) => /^(checks|of_mine)/.test(name)).sort().join());
           console.log(JSON.stringify(data.metrics.checks.values));
         }";
    let told = ["checks,checks{type:read},of_mine,of_mine{a:b}", r#"{"fails":0,"passes":0,"rate":0}"#];
    run("empty", "", script).says(0, &told, &[]);
}

/// What a script has ended on purpose has dropped nothing.
#[test]
fn an_aborted_run_owes_no_iterations() {
    let _together = together();
    let script = "export const options = { vus: 3, iterations: 30 };
         export default function () { sleep(0.05); if (exec.scenario.iterationInTest === 5) exec.test.abort('enough'); sleep(0.1); }
         export function handleSummary(data) { console.log(`dropped ${data.metrics.dropped_iterations}`); }";
    run("owes", "", script).says(108, &["dropped undefined"], &["iterations that were asked for"]);
}

#[test]
fn nothing_is_known_of_the_user_in_init() {
    let _together = together();
    let script = "const told = [];
         for (const ask of [() => exec.scenario.name, () => exec.vu.idInTest, () => exec.instance.vusActive, () => exec.test.options.vus, () => exec.vu.tags.a,
                            () => { exec.vu.tags.a = '1'; }]) {
           try { ask(); told.push('known'); } catch (e) { told.push(e.message.split(' ')[1]); }
         }
         export default function () { console.log(told.join(), exec.vu.idInTest, exec.vu.tags.a); }";
    run("init", "", script).says(0, &["scenario,VU,instance,test,VU,VU 1 undefined"], &["known"]);
}

/// What names say that it is a secret is in no output: tags, data of setup, names of thresholds, URLs in messages.
#[test]
fn secrets_of_scripts_are_in_no_output() {
    let _together = together();
    let script = "const c = new Counter('of_mine');
         export const options = { thresholds: { 'http_reqs{name:http://127.0.0.1:1/?access_token=hunter2one}': ['count>=0'] } };
         export function setup() { return { token: 'hunter2two', pins: { password: [ 'hunter2three', 12345678 ] }, name: 'plain' }; }
         export default function () {
           http.get('http://127.0.0.1:1/?access_token=hunter2one'); http.get('http://u:hunter2four@127.0.0.1:1/');
           c.add(1, { api_key: 'hunter2five', kind: 'plain' });
         }";
    let outs = [("--out", "json="), ("--summary-export", ""), ("--output", "")];
    let (ran, written) = run_writing("secrets", "", script, &outs);
    ran.says(0, &["access_token=***"], &["hunter2"]);
    for there in ["of_mine", "plain", "\"api_key\":\"***\"", "\"token\": \"***\"", "access_token=***"] {
        assert!(written.contains(there), "{there}\n{written}");
    }
    assert!(!written.contains("hunter2") && !written.contains("12345678"), "{written}");
}
