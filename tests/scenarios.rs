//! Plans through the real binary against the bundled target: counts, checks, thresholds, exit codes, on both drivers.

mod common;

#[path = "scenarios/bodies.rs"]
mod bodies;
#[path = "scenarios/cookies.rs"]
mod cookies;
#[path = "scenarios/once.rs"]
mod once;
#[path = "scenarios/rows.rs"]
mod rows;
#[path = "scenarios/urls.rs"]
mod urls;
#[path = "scenarios/values.rs"]
mod values;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use common::recorder::Recorder;
use common::skip::or_skip;
use common::target::Target;
use serde_json::Value;

/// The bundled target; none where the host does not let it run.
fn target() -> Option<Target> {
    or_skip(Target::start())
}

/// A plan in a directory of its own.
struct Plan {
    directory: tempfile::TempDir,
}

impl Plan {
    fn new(text: &str) -> Plan {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("plan.toml"), text).expect("written");
        Plan { directory }
    }

    fn with(self, name: &str, text: &str) -> Plan {
        fs::write(self.directory.path().join(name), text).expect("written");
        self
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("plan.toml")
    }

    fn run(&self, flags: &[&str]) -> (Option<i32>, Value) {
        let output =
            squall(&[&["run", self.path().to_str().unwrap(), "--format", "json", "-q"], flags].concat());
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), report)
    }

    /// Exit code and message of a plan that cannot be used.
    fn refused(&self) -> (Option<i32>, String) {
        let output = squall(&["run", self.path().to_str().unwrap(), "-q"]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn squall(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_squall")).args(args).output().expect("the binary runs")
}

fn count(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {report}"))
}

#[test]
fn a_flow_with_rows_and_extracted_values_is_exact() {
    let Some(target) = target() else { return };
    for driver in ["uring", "epoll"] {
        let plan = Plan::new(&format!(
            r#"
vus = 4
iterations = 40
[origins]
site = "{}"
[data.users]
file = "users.csv"
[steps.login]
method = "POST"
url = "/echo"
json = {{ user = "{{{{ data.users.name }}}}", n = "{{{{ sequence }}}}" }}
checks = ["status==200", "json $.user matches ^(ada|grace)$"]
extract.user = {{ json = "$.user" }}
[steps.echo]
method = "PUT"
url = "/echo"
body = "I am {{{{ user }}}}"
checks = ["body matches \"^I am (ada|grace)$\"", "body contains ada"]
[thresholds]
"checks{{check:status==200}}" = "rate==1"
"http_req_duration{{name:echo}}" = "p(99)<2000"
"#,
            target.url("")
        ))
        .with("users.csv", "name,x\nada,1\ngrace,2\n");
        let (code, report) = plan.run(&["--driver", driver, "--allow-invalid"]);
        assert_eq!(code, Some(0), "{driver}: {report}");
        assert_eq!(count(&report, "/scenarios/0/iterations/completed"), 40);
        assert_eq!(count(&report, "/requests/completed"), 80);
        let checks: Vec<_> = report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| (c["passes"].clone(), c["fails"].clone()))
            .collect();
        // Rows are taken in turn: every other user is ada.
        assert_eq!(
            checks,
            [(40, 0), (40, 0), (40, 0), (20, 20)].map(|(p, f)| (p.into(), f.into())),
            "{driver}"
        );
        let sample = &report["checks"][3]["samples"][0];
        assert_eq!((sample["status"].as_u64(), sample["excerpt"].as_str()), (Some(200), Some("I am grace")));
        assert_eq!(count(&report, "/steps/1/requests"), 40);
    }
}

#[test]
fn thresholds_that_fail_exit_99_and_may_end_the_run() {
    let Some(target) = target() else { return };
    let plan = |abort: bool| {
        Plan::new(&format!(
            "vus = 2\nduration = \"20s\"\nsteps.a.url = \"{}\"\nsteps.a.think = \"5ms\"\n\
             thresholds.http_req_failed = {{ threshold = \"rate<0.01\", abortOnFail = {abort} }}\n",
            target.url("/status/500")
        ))
    };
    let (code, report) = plan(true).run(&["--allow-invalid"]);
    assert_eq!(code, Some(99));
    assert_eq!(report["thresholds"][0]["ok"], false);
    assert_eq!(report["thresholds"][0]["aborted"], true);
    assert_eq!(report["thresholds"][0]["observed"], 1.0);
    assert_eq!(report["aborted"], false, "nobody has interrupted it");
    let lasted = report["duration_s"].as_f64().unwrap();
    assert!((1.9..10.0).contains(&lasted), "{lasted}");
}

#[test]
fn flags_alone_ramp_check_and_judge() {
    let Some(target) = target() else { return };
    let url = target.url("/load-test");
    let base = ["--format", "json", "-q", "--allow-invalid", "--cores", "0"];
    let run = |flags: &[&str]| {
        let output = squall(&[&[url.as_str()], &base[..], flags].concat());
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{flags:?}: {e}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), report)
    };
    let (code, report) = run(&["-n", "500", "--vus", "5", "--check", "status==200"]);
    assert_eq!((code, count(&report, "/requests/completed")), (Some(0), 500));
    assert_eq!(count(&report, "/checks/0/passes"), 500);
    let (code, report) =
        run(&["-n", "50", "--vus", "5", "--no-keepalive", "--threshold", "http_reqs:count==51"]);
    assert_eq!(code, Some(99));
    assert_eq!(count(&report, "/connections/established"), 50);
    let (code, report) = run(&["-R", "100/s", "--stage", "1s:100", "--stage", "1s:0", "-c", "20"]);
    assert_eq!((code, count(&report, "/requests/scheduled")), (Some(0), 150));
    assert_eq!(count(&report, "/scenarios/0/stages/1/requests"), 50);
    let (code, report) =
        run(&["-R", "200", "-n", "100", "-c", "20", "--threshold", "http_req_failed:rate==0"]);
    assert_eq!((code, count(&report, "/requests/completed")), (Some(0), 100));
    let (_, report) = run(&["--stage", "2s:20", "--stage", "1s:0", "--requests-per-connection", "10"]);
    let vus: Vec<u64> =
        report["timeline"].as_array().unwrap().iter().map(|p| p["vus"].as_u64().unwrap()).collect();
    assert!(vus[0].abs_diff(10) <= 1 && vus[1].abs_diff(20) <= 1, "{vus:?}");
}

#[test]
fn a_dead_target_fails_requests_and_loses_none() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let plan = Plan::new(&format!(
        "vus = 2\niterations = 6\nsteps.a.url = \"http://{addr}/\"\nsteps.a.checks = [\"status==200\"]\n"
    ));
    let (_, report) = plan.run(&["--allow-invalid"]);
    assert_eq!(count(&report, "/requests/failed"), 6);
    assert_eq!(count(&report, "/errors/connect"), 6);
    assert_eq!(
        (count(&report, "/checks/0/fails"), count(&report, "/scenarios/0/iterations/completed")),
        (6, 6)
    );
}

#[test]
fn everything_wrong_with_a_plan_is_said_before_load_is_sent() {
    let plan =
        Plan::new("vsu = 1\n[steps.a]\nurl = \"http://127.0.0.1:9/{{ nmae }}\"\nchecks = [\"status=200\"]\n");
    let output = squall(&["run", plan.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("plan.toml:1") && text.contains("did you mean `vus`"), "{text}");
    let plan = Plan::new(
        "vus = 1\nduration = 1\n[steps.a]\nurl = \"http://127.0.0.1:9/{{ nmae }}\"\nchecks = [\"status=200\"]\n\
         [thresholds]\nhttp_req_durations = \"p(95)<1\"\n",
    );
    let output = squall(&["run", plan.path().to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("plan.toml:4") && text.contains("nmae"), "{text}");
    assert!(text.contains("plan.toml:5") && text.contains("write =="), "{text}");
    assert!(text.contains("plan.toml:7") && text.contains("did you mean http_req_duration"), "{text}");
}

#[test]
fn a_dry_run_shows_the_first_requests() {
    let plan = Plan::new(
        "vus = 1\niterations = 2\n[steps.a]\nurl = \"http://127.0.0.1:9/?n={{ iteration }}\"\nheaders = { X-A = \"b\" }\n",
    );
    let output = squall(&["run", plan.path().to_str().unwrap(), "--dry-run=2"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["shared-iterations", "GET /?n=0 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nX-A: b", "GET /?n=1 "] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Answers each request by its path.
fn scripted() -> Recorder {
    Recorder::start(|asked| {
        let (status, fields) = match asked.target() {
            "/login" => {
                ("302 Found", "Location: inner/../home?x=1#part\r\nSet-Cookie: sid=7; Path=/\r\n".to_owned())
            }
            "/away" => {
                // The same server by another name, which no plan has.
                let host = asked.fields("host")[0].to_owned();
                let (_, port) = host.rsplit_once(':').expect("a port");
                ("302 Found", format!("Location: http://localhost:{port}/home\r\n"))
            }
            "/loop" => ("307 Temporary Redirect", "Location: /loop\r\n".to_owned()),
            "/nowhere" => ("302 Found", "Location: \r\n".to_owned()),
            "/slow" => {
                squall::clock::sleep(squall::units::Nanos::from_millis(20));
                ("200 OK", String::new())
            }
            _ => ("200 OK", String::new()),
        };
        (format!("HTTP/1.1 {status}\r\n{fields}"), "ok".into())
    })
}

#[test]
fn cookies_are_kept_and_redirects_followed_hop_by_hop() {
    for driver in ["uring", "epoll"] {
        let server = scripted();
        let addr = server.addr;
        let plan = Plan::new(&format!(
            "vus = 1\niterations = 2\nmaxRedirects = 3\ncookies = \"user\"\nauth.bearer = \"t\"\n\
             [steps.login]\nmethod = \"POST\"\nurl = \"http://{addr}/login\"\nchecks = [\"status==200\"]\n\
             [steps.away]\nurl = \"http://{addr}/away\"\nchecks = [\"status==200\"]\n\
             [steps.loop]\nurl = \"http://{addr}/loop\"\nchecks = [\"status==307\"]\n"
        ));
        let (code, report) = plan.run(&["--allow-invalid", "--driver", driver]);
        assert_eq!(code, Some(0), "{report}");
        // Two hops for /login, two for /away, four for /loop: each counts, the last one is judged.
        assert_eq!(
            count(&report, "/requests/completed"),
            16,
            "{driver}: {} {}",
            report["requests"],
            report["status"]
        );
        assert_eq!(count(&report, "/scenarios/0/redirects_refused"), 2, "the last hop of /loop, twice");
        let failed: u64 = (0..3).map(|n| count(&report, &format!("/checks/{n}/fails"))).sum();
        assert_eq!(failed, 0, "{driver}: {report}");
        let seen: Vec<String> = server.take().into_iter().map(|asked| asked.head).collect();
        assert!(seen[0].starts_with("POST /login HTTP/1.1") && !seen[0].contains("Cookie"), "{}", seen[0]);
        assert!(
            seen[1].starts_with("GET /home?x=1 HTTP/1.1") && !seen[1].contains("Content-Length"),
            "{}",
            seen[1]
        );
        assert!(seen[8].starts_with("POST /login") && seen[8].contains("Cookie: sid=7\r\n"), "{}", seen[8]);
        // What authenticates to one host is not shown to another; nor are its cookies.
        for head in seen.iter() {
            let own = !head.contains("Host: localhost");
            assert_eq!(head.contains("Authorization: Bearer t\r\n"), own, "{head}");
            assert!(own || !head.contains("Cookie"), "{head}");
        }
        let away = &report["origins"][1];
        assert_eq!((away["planned"].as_bool(), away["requests"].as_u64()), (Some(false), Some(2)), "{away}");
    }
}

/// Go's client, and so k6, takes a redirect with an empty Location as it is: it is not refused either.
#[test]
fn a_redirect_to_nowhere_is_the_response() {
    let server = scripted();
    let addr = server.addr;
    let plan = Plan::new(&format!(
        "vus = 1\niterations = 1\n[steps.a]\nurl = \"http://{addr}/nowhere\"\nchecks = [\"status==302\"]\n"
    ));
    let (code, report) = plan.run(&["--allow-invalid"]);
    assert_eq!(code, Some(0), "{report}");
    let refused = count(&report, "/scenarios/0/redirects_refused");
    assert_eq!((server.take().len(), count(&report, "/checks/0/fails"), refused), (1, 0, 0), "{report}");
}

/// A10: half of the iterations find no free user, though each request of the others is answered.
#[test]
fn iterations_that_are_dropped_make_a_run_invalid() {
    let addr = scripted().addr;
    let plan = Plan::new(&format!(
        "[steps.slow]\nurl = \"http://{addr}/slow\"\n[steps.more]\nurl = \"http://{addr}/more\"\n\
         [scenarios.s]\nexecutor = \"constant-arrival-rate\"\nrate = 100\nduration = \"1s\"\n\
         preAllocatedVUs = 1\nmaxVUs = 1\n"
    ));
    let (code, report) = plan.run(&[]);
    assert_eq!(code, Some(96), "{}", report["verdict"]);
    assert!(count(&report, "/scenarios/0/iterations/dropped") > 20, "{}", report["scenarios"]);
    let reason = report["verdict"]["reasons"][0].as_str().unwrap();
    assert!(reason.contains("of 100 scheduled iterations") && reason.contains("raise maxVUs"), "{reason}");
}

#[test]
fn rows_run_out_and_values_are_missing_as_documented() {
    let Some(target) = target() else { return };
    let base = target.url("");
    // Three rows, each once: then the users go off, long before the iterations are done.
    let plan = Plan::new(&format!(
        "vus = 2\niterations = 10\n[data.rows]\nfile = \"rows.csv\"\natEnd = \"stop\"\n\
         [steps.a]\nurl = \"{base}/load-test?n={{{{ data.rows.n }}}}\"\n"
    ))
    .with("rows.csv", "n\n1\n2\n3\n");
    let (code, report) = plan.run(&["--allow-invalid", "--cores", "0"]);
    assert_eq!((code, count(&report, "/requests/completed")), (Some(0), 3), "{report}");
    // Nothing to extract and no default: the iteration ends there. With a default it goes on.
    let plan = |default: &str| {
        Plan::new(&format!(
            "vus = 1\niterations = 4\n[[steps]]\nname = \"a\"\nurl = \"{base}/load-test\"\n\
             extract.id = {{ json = \"$.none\"{default} }}\n[[steps]]\nname = \"b\"\nurl = \"{base}/load-test?id={{{{ id }}}}\"\n"
        ))
    };
    let (_, report) = plan("").run(&["--allow-invalid"]);
    assert_eq!((count(&report, "/steps/0/requests"), count(&report, "/steps/1/requests")), (4, 0));
    assert_eq!(count(&report, "/scenarios/0/iterations/completed"), 4, "as k6 counts iterations that throw");
    assert_eq!(count(&report, "/scenarios/0/iterations/broken"), 4);
    let (_, report) = plan(", default = \"7\"").run(&["--allow-invalid"]);
    assert_eq!((count(&report, "/steps/0/requests"), count(&report, "/steps/1/requests")), (4, 4));
    // Used before any step has extracted it: the request is never sent, and counts as failed.
    let plan = Plan::new(&format!(
        "vus = 1\niterations = 2\n[[steps]]\nname = \"b\"\nurl = \"{base}/load-test?id={{{{ id }}}}\"\n\
         [[steps]]\nname = \"a\"\nurl = \"{base}/load-test\"\nextract.id = {{ json = \"$.status\" }}\n"
    ));
    let (_, report) = plan.run(&["--allow-invalid"]);
    assert_eq!((count(&report, "/errors/template"), count(&report, "/requests/completed")), (2, 2));
}

#[test]
fn a_flag_that_a_plan_says_itself_is_refused() {
    let plan = Plan::new("vus = 1\niterations = 1\nsteps.a.url = \"http://127.0.0.1:9/\"\n");
    for flags in [&["--cookies"][..], &["-c", "5"], &["--check", "status==200"]] {
        let output = squall(&[&["run", plan.path().to_str().unwrap()], flags].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {text}");
        assert!(text.contains(&format!("leave {} out", flags[0])), "{text}");
    }
}

#[test]
fn a_warm_up_is_in_no_figure() {
    let Some(target) = target() else { return };
    let url = target.url("/load-test");
    let flags = [
        "--warmup",
        "1s",
        "-d",
        "1s",
        "--vus",
        "2",
        "--format",
        "json",
        "-q",
        "--allow-invalid",
        "--cores",
        "0",
    ];
    let output = squall(&[&[url.as_str()], &flags[..]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lasted = report["duration_s"].as_f64().unwrap();
    assert!((0.9..1.2).contains(&lasted), "{lasted}");
    let worker = &report["generator"]["workers"][0];
    let cpu = worker["user_cpu_s"].as_f64().unwrap() + worker["system_cpu_s"].as_f64().unwrap();
    assert!(cpu <= lasted * 1.05, "CPU time of the measured window alone: {cpu} s in {lasted} s");
}
