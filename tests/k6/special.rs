//! Rows of docs/k6.md that are about more than what a script sees: files, cores, signals, TLS.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use squall::clock;
use squall::units::Nanos;
use tempfile::TempDir;

use crate::common::nginx::launch;
use crate::common::pki::Pki;
use crate::common::process::{Group, find, free_port};
use crate::common::run::{alone, squall, start_command, together};
use crate::common::skip::or_skip;
use crate::common::yardstick::in_one_of_three;
use crate::document::Script;
use crate::tool::{self, Ran, Tool, has_k6};
use crate::{BASE, differences};

/// The rows that are held here, some of them by scripts, too.
pub(crate) const ROWS: [&str; 10] = [
    "HTTP/2",
    "http_req_duration",
    "--out",
    "workers",
    "exit codes",
    "outputs",
    "squall inspect",
    "squall inspect --execution-requirements",
    "console",
    "memory",
];

/// What of the rows' words is here.
pub(crate) const TEXT: &str = include_str!("special.rs");

/// In squall, and in k6 where that is there.
fn both(script: &Script, flags: &[&str]) -> (Ran, Option<Ran>) {
    let ours = tool::run(Tool::Squall, script, &BASE, flags);
    let theirs = or_skip(has_k6()).map(|()| tool::run(Tool::K6, script, &BASE, flags));
    (ours, theirs)
}

/// A script in a directory of its own.
fn script(text: &str) -> (TempDir, Script) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script.js");
    fs::write(&path, text).unwrap();
    (dir, Script::read(path))
}

fn points<'a>(ran: &'a Ran, metric: &str) -> Vec<&'a Value> {
    ran.samples.iter().filter(|line| line["type"] == "Point" && line["metric"] == metric).collect()
}

/// An nginx that agrees upon HTTP/2; its URL.
fn nginx_with_http_2(dir: &Path) -> Result<(Group, String), String> {
    let (program, pki, port) = (find("nginx")?, Pki::new("squall test authority"), free_port());
    let issued = pki.local();
    let config = format!(
        "daemon off; pid {dir}/pid; error_log {dir}/error.log; events {{ }}
         http {{ access_log off; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
         uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
         server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {}; ssl_certificate_key {};
         location / {{ return 200 'ok'; }} }} }}",
        issued.cert.display(),
        issued.key.display(),
        dir = dir.display(),
    );
    fs::write(dir.join("nginx.conf"), config).unwrap();
    Ok((launch(&program, dir, port), format!("https://127.0.0.1:{port}/")))
}

#[test]
fn http_1_1_is_spoken_where_k6_agrees_upon_http_2() {
    let _together = together();
    let nginx = tempfile::tempdir().unwrap();
    let Some((_nginx, url)) = or_skip(nginx_with_http_2(nginx.path())) else { return };
    let (_dir, script) = script(&format!(
        "import http from 'k6/http';
         export const options = {{ insecureSkipTLSVerify: true }};
         export default function () {{ const r = http.get('{url}'); console.log(r.status, r.proto); }}"
    ));
    let (ours, theirs) = both(&script, &[]);
    assert_eq!(ours.console, ["info 200 HTTP/1.1"], "{}", ours.stderr);
    let versions = |ran: &Ran| -> Vec<bool> {
        points(ran, "http_reqs").iter().map(|one| one["data"]["tags"]["tls_version"].is_string()).collect()
    };
    assert_eq!(versions(&ours), [false], "--out has no tls_version");
    if let Some(theirs) = theirs {
        assert_eq!(theirs.console, ["info 200 HTTP/2.0"], "{}", theirs.stderr);
        assert_eq!(versions(&theirs), [true]);
    }
}

#[test]
fn durations_are_from_the_send_to_the_last_byte() {
    let _alone = alone();
    let (_dir, script) = script(
        "import http from 'k6/http';
         export const options = { vus: 5, iterations: 25 };
         export default function () { http.get(`${__ENV.BASE}/delay/20`); }",
    );
    in_one_of_three(|| {
        let (ours, theirs) = both(&script, &[]);
        let of =
            |ran: &Ran, metric: &str, value: &str| ran.summary["metrics"][metric][value].as_f64().unwrap();
        let own = of(&ours, "http_req_duration", "med");
        let in_parts = of(&ours, "http_req_waiting", "avg") + of(&ours, "http_req_receiving", "avg");
        assert!(of(&ours, "http_req_duration", "min") >= 20.0 && own < 40.0, "{own} ms");
        assert!((in_parts - of(&ours, "http_req_duration", "avg")).abs() < 0.1, "nothing else is in it");
        assert!(of(&ours, "http_req_sending", "max") < 0.01, "a send is over when it is submitted");
        let Some(theirs) = theirs else { return Ok(()) };
        let other = of(&theirs, "http_req_duration", "med");
        assert!(of(&theirs, "http_req_duration", "min") >= 20.0, "{other} ms");
        (own <= other + 0.5).then_some(()).ok_or_else(|| format!("squall {own} ms, k6 {other} ms"))
    });
}

#[test]
fn samples_of_bytes_are_of_seconds_and_scenarios() {
    let _together = together();
    let (_dir, script) = script(
        "import http from 'k6/http';
         export const options = { vus: 1, iterations: 20 };
         export default function () { http.get(`${__ENV.BASE}/json`, { tags: { n: String(__ITER) } }); }",
    );
    let (ours, theirs) = both(&script, &[]);
    let seconds = points(&ours, "data_sent").len();
    assert!((1..=3).contains(&seconds), "{seconds} points for one scenario");
    if let Some(theirs) = theirs {
        assert_eq!(points(&theirs, "data_sent").len(), 20, "{}", theirs.stderr);
        let sum = |ran: &Ran| {
            points(ran, "data_sent").iter().map(|p| p["data"]["value"].as_f64().unwrap()).sum::<f64>()
        };
        assert_eq!(sum(&ours), sum(&theirs), "the same bytes");
    }
    let few = tool::run(Tool::Squall, &script, &BASE, &["--max-series", "5"]);
    let tags =
        points(&few, "http_reqs").into_iter().filter(|one| one["data"]["tags"]["n"].is_string()).count();
    assert!(points(&few, "http_reqs").len() == 20 && tags < 20, "{tags} of 20 have their own tags");
}

#[test]
fn workers_are_half_of_the_cores_unless_asked() {
    let _together = together();
    let (_dir, script) = script("export default function () {}");
    let workers = |flags: &[&str]| {
        let ran = tool::run(Tool::Squall, &script, &BASE, flags);
        ran.report["generator"]["workers"].as_array().unwrap_or_else(|| panic!("{}", ran.stderr)).len()
    };
    let cores = core_affinity::get_core_ids().unwrap();
    assert_eq!(workers(&[]), cores.len().div_ceil(2));
    assert_eq!(workers(&["--threads", "1"]), 1);
    assert_eq!(workers(&["--cores", &cores[0].id.to_string()]), 1);
}

#[test]
fn an_interrupted_test_and_one_that_says_nothing_have_codes() {
    let _together = together();
    let (_dir, script) = script(
        "import { sleep } from 'k6';
         export const options = { vus: 1, duration: '20s', gracefulStop: '0s' };
         export default function () { console.log('at it'); sleep(0.1); }",
    );
    let path = script.path.display().to_string();
    let mut programs = vec![squall(&["run", &path, "--quiet", "--no-summary"])];
    if or_skip(has_k6()).is_some() {
        let mut k6 = Command::new("env");
        k6.arg("--default-signal").arg(tool::k6_program());
        k6.args(["run", "--quiet", "--no-summary", "--no-usage-report", "--address", "", &path]);
        programs.push(k6);
    }
    for command in &mut programs {
        let running = start_command(command);
        clock::sleep(Nanos::from_millis(700));
        running.signal("INT");
        let done = running.finish().exits(105);
        assert!(done.stderr.contains("at it"), "{}", done.stderr);
    }
    // 96: the verdict is INVALID, since nothing was ever answered.
    let (_other, script) = self::script(
        "import http from 'k6/http';
         export default function () { http.get('http://127.0.0.1:1/'); }",
    );
    let path = script.path.display().to_string();
    for (flags, code) in [(&[][..], 96), (&["--allow-invalid"], 0)] {
        start_command(squall(&["run", &path, "-q", "--no-summary"]).args(flags)).finish().exits(code);
    }
}

#[test]
fn lines_and_memory_have_bounds() {
    let _together = together();
    let (dir, loud) =
        script("export default function () { for (let n = 0; n < 20000; n += 1) console.log('line', n); }");
    let (ours, theirs) = both(&loud, &[]);
    // The bound is for each second, of which there may be some.
    let shown = ours.console.len();
    assert!((2_000..20_000).contains(&shown), "{shown} lines");
    let told = ours
        .stderr
        .lines()
        .filter_map(|line| line.split_once("] ")?.1.split_once(" lines of the script were left out"));
    let told: usize = told.map(|(number, _)| number.parse::<usize>().unwrap()).sum();
    assert_eq!(shown + told, 20_000, "what is left out is told");
    assert!(theirs.is_none_or(|theirs| theirs.console.len() == 20_000));
    // But for the time of each, the same.
    let lines = |tool: Tool| -> Vec<String> {
        let file = dir.path().join(format!("{tool:?}.txt")).display().to_string();
        tool::run(tool, &loud, &BASE, &["--console-output", &file]);
        let text = fs::read_to_string(&file).unwrap();
        text.lines().map(|line| line.split_once(" level=").unwrap().1.to_owned()).collect()
    };
    let ours = lines(Tool::Squall);
    assert!(ours.len() == 20_000 && ours[19_999] == "info msg=\"line 19999\"", "{}", ours.len());
    if has_k6().is_ok() {
        assert_eq!(ours, lines(Tool::K6));
    }
    // tests/script.rs has the bound on what all scripts take together.
    let (_dir, large) = script(
        "export default function () { const all = []; for (;;) all.push(new Array(1000000).fill(0.5)); }",
    );
    let ran = tool::run(Tool::Squall, &large, &BASE, &["--max-memory", "200MiB"]);
    assert!(
        ran.code == Some(1) && ran.stderr.contains("--max-memory: the run's scripts took"),
        "{}",
        ran.stderr
    );
}

#[test]
fn flags_that_mean_nothing_have_k6s_code() {
    let _together = together();
    let (_dir, script) = script("export default function () { console.log('runs'); }");
    for flags in [&["--nothing"][..], &["--out", "nothing=1"], &["--summary-mode", "nothing"], &["--vus"]] {
        let (ours, theirs) = both(&script, flags);
        assert_eq!((ours.code, ours.console.len()), (Some(255), 0), "{flags:?}: {}", ours.stderr);
        assert!(theirs.is_none_or(|theirs| theirs.code == Some(255)), "{flags:?}");
    }
}

#[test]
fn what_a_run_without_users_needs_is_told() {
    let _together = together();
    let (_dir, script) = script("export const options = { duration: '1s' }; export default function () {}");
    let flags = ["inspect", "--execution-requirements", &script.path.display().to_string()];
    let ours = start_command(&mut squall(&flags)).finish();
    let told: Value = serde_json::from_str(&ours.stdout).unwrap_or_else(|e| panic!("{e}: {}", ours.stderr));
    assert_eq!((ours.code, &told["maxVUs"]), (Some(0), &Value::from(1)), "{told}");
    if or_skip(has_k6()).is_some() {
        let theirs = Command::new(tool::k6_program()).args(flags).stderr(Stdio::null()).output().unwrap();
        assert_eq!(theirs.status.code(), Some(104));
    }
}

#[test]
fn outputs_are_as_in_k6() {
    let _together = together();
    let text = "import http from 'k6/http';
         import { check, group } from 'k6';
         import { Counter, Gauge } from 'k6/metrics';
         const mine = new Counter('mine'); const of_mine = new Gauge('of_mine');
         export const options = { vus: 1, iterations: 3, thresholds: { mine: ['count==3'], 'http_reqs{kind:a}': ['count<9'] } };
         export function setup() { return { n: 1 }; }
         export default function () {
           group('g', () => check(http.get(`${__ENV.BASE}/json`, { tags: { kind: 'a' } }), { 'is 200': (r) => r.status === 200, no: () => __ITER > 0 }));
           mine.add(1); of_mine.add(__ITER);
         }";
    let (dir, plain) = script(text);
    for mode in ["compact", "full", "legacy"] {
        let (ours, theirs) = both(&plain, &["--summary-mode", mode]);
        assert_eq!(ours.code, Some(0), "{mode}: {}", ours.stderr);
        let apart = theirs.map_or(Vec::new(), |theirs| differences(&plain, &ours, &theirs));
        assert!(apart.is_empty(), "{mode}: {}", apart.join("\n"));
    }
    // handleSummary: its files, and its data.
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(
        &plain.path,
        format!(
            "{text}
             const kinds = (value) => value === null ? null : Array.isArray(value) ? value.map(kinds) : typeof value === 'object'
               ? Object.fromEntries(Object.entries(value).sort().map(([name, of]) => [name, kinds(of)])) : typeof value;
             export function handleSummary(data) {{
               return {{ '{}': JSON.stringify(kinds(data)), stdout: 'out\\n', stderr: 'err\\n' }};
             }}",
            at("summary.txt")
        ),
    )
    .unwrap();
    let (ours, theirs) =
        (tool::run(Tool::Squall, &plain, &BASE, &[]), fs::read_to_string(at("summary.txt")).unwrap());
    assert!(ours.stdout == "out\n" && ours.stderr.contains("err\n"), "{}{}", ours.stdout, ours.stderr);
    assert!(ours.report["requests"]["completed"] == 3, "--output FILE has squall's own report");
    let of_squall: Value = serde_json::from_str(&theirs).unwrap();
    if has_k6().is_ok() {
        let k6 = tool::run(Tool::K6, &plain, &BASE, &[]);
        let mut of_k6: Value = serde_json::from_str(&fs::read_to_string(at("summary.txt")).unwrap()).unwrap();
        // A run of less than a second has no samples of its users there.
        for (name, values) in of_squall["metrics"].as_object().unwrap() {
            let k6s = of_k6["metrics"].as_object_mut().unwrap();
            k6s.entry(name.as_str())
                .or_insert_with(|| if name.starts_with("vus") { values.clone() } else { Value::Null });
        }
        assert_eq!(of_squall, of_k6, "{}", k6.stderr);
    }
    // Columns and times of --out csv=FILE, compressed.
    let fields = |tool: Tool, file: &str| -> Vec<String> {
        let out = format!("csv=fileName={file},timeFormat=rfc3339");
        let ran = tool::run(tool, &plain, &BASE, &["--out", &out]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let rows =
            std::io::read_to_string(flate2::read::GzDecoder::new(fs::File::open(file).unwrap())).unwrap();
        let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
        let kept = |row: &&str| {
            ["metric_name,", "http_reqs,", "checks,", "mine,"].iter().any(|start| row.starts_with(start))
        };
        rows.lines().filter(kept).map(|row| time.replace(row, "TIME").replace(&*BASE, "$BASE")).collect()
    };
    let ours = fields(Tool::Squall, &at("ours.csv.gz"));
    assert!(ours.len() == 1 + 3 + 6 + 3 && ours[1].contains(",TIME,"), "{ours:#?}");
    if has_k6().is_ok() {
        let theirs = fields(Tool::K6, &at("theirs.csv.gz"));
        assert_eq!(tool::sorted(&ours), tool::sorted(&theirs));
    }
}
