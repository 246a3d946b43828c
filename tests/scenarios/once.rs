//! What is done once: for each user, for all of them, and in each cycle.

use super::common::recorder::Recorder;
use super::{Plan, count, squall};

/// Logs in with a token and a cookie of its own for each time.
fn server() -> Recorder {
    let logins = std::sync::atomic::AtomicU64::new(0);
    Recorder::start(move |asked| match asked.target() {
        "/login" => {
            let n = logins.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            (format!("Set-Cookie: sid={n}; Path=/\r\n"), format!("{{\"token\":\"t{n}\",\"n\":{n}}}"))
        }
        "/slow" => {
            squall::clock::sleep(squall::units::Nanos::from_millis(150));
            (String::new(), "{}".into())
        }
        _ => ("Set-Cookie: other=1; Path=/\r\n".into(), "{}".into()),
    })
}

/// Every user logs in once, whatever the executor; values and cookies are there in each of its iterations, and what an iteration
/// adds is not.
#[test]
fn each_user_is_set_up_once() {
    let server = server();
    for executor in [
        "per-vu-iterations\"\niterations = 3",
        "constant-arrival-rate\"\nrate = 20\nduration = \"1s\"\npreAllocatedVUs = 3",
    ] {
        let users = if executor.contains("rate") { "" } else { "vus = 3\n" };
        let plan = Plan::new(&format!(
            r#"
setup = ["login"]
origins.s = "http://{}"
data.own = {{ file = "own.csv", order = "unique" }}
[steps.login]
url = "/login"
json = {{ user = "{{{{ data.own.user }}}}" }}
extract.token = {{ json = "$.token" }}
[steps.use]
url = "/use?{{{{ token }}}}"
checks = ["status==200"]
[steps.again]
url = "/use?{{{{ token }}}}"
[scenarios.s]
executor = "{executor}
{users}"#,
            server.addr
        ))
        .with("own.csv", "user\nann\nbob\ncid\n");
        let (code, report) = plan.run(&["--allow-invalid", "-t", "2"]);
        assert_eq!(code, Some(0), "{report}");
        let asked = server.take();
        let mut logins: Vec<&str> = asked
            .iter()
            .filter(|asked| asked.target() == "/login")
            .map(|asked| asked.body.as_str())
            .collect();
        logins.sort_unstable();
        let iterations = count(&report, "/scenarios/0/iterations/completed");
        let users = count(&report, "/scenarios/0/vus_max").min(3);
        assert!(!logins.is_empty() && logins.len() as u64 <= users, "{logins:?}");
        assert!(logins.windows(2).all(|pair| pair[0] != pair[1]), "each once: {logins:?}");
        if executor.starts_with("per") {
            assert_eq!(logins, ["{\"user\":\"ann\"}", "{\"user\":\"bob\"}", "{\"user\":\"cid\"}"]);
            assert_eq!(iterations, 9);
        }
        let uses: Vec<_> = asked.iter().filter(|asked| asked.target().starts_with("/use")).collect();
        assert_eq!(uses.len() as u64, 2 * iterations);
        let token = |target: &str| target.strip_prefix("/use?t").unwrap().to_owned();
        let first =
            uses.iter().filter(|asked| asked.fields("cookie") == [format!("sid={}", token(asked.target()))]);
        let second = uses
            .iter()
            .filter(|asked| asked.fields("cookie") == [format!("sid={}; other=1", token(asked.target()))]);
        assert_eq!((first.count() as u64, second.count() as u64), (iterations, iterations));
        assert_eq!(count(&report, "/requests/completed"), 2 * iterations + logins.len() as u64);
    }
}

/// How long the iterations took is without what comes before them.
#[test]
fn a_setup_belongs_to_no_iteration() {
    let server = server();
    let plan = Plan::new(&format!(
        "vus = 2\niterations = 4\norigins.s = \"http://{}\"\nsetup = [\"slow\"]\nsteps.slow.url = \"/slow\"\nsteps.a.url = \"/a\"\n",
        server.addr
    ));
    let (code, report) = plan.run(&["--allow-invalid"]);
    assert_eq!((code, count(&report, "/steps/1/requests")), (Some(0), 4), "{report}");
    assert_eq!(
        (count(&report, "/steps/0/requests"), count(&report, "/scenarios/0/iterations/completed")),
        (2, 4)
    );
    let longest = report["scenarios"][0]["iteration_duration"]["max_us"].as_f64().unwrap();
    assert!(longest < 140_000.0, "{longest}");
}

/// Done once for all, before the load: the values are there for all users, the requests in no other figure.
#[test]
fn what_is_done_once_is_there_for_all() {
    let server = server();
    let plan = Plan::new(&format!(
        r#"
vus = 3
iterations = 6
once = ["login", "more"]
origins.s = "http://{}"
[steps.login]
method = "POST"
url = "/login"
extract = {{ token = {{ json = "$.token" }}, n = {{ json = "$.n" }} }}
[steps.more]
url = "/more?{{{{ token }}}}"
[steps.use]
url = "/use"
json = {{ token = "{{{{ token }}}}", n = "{{{{ n }}}}" }}
"#,
        server.addr
    ));
    let (code, report) = plan.run(&["--allow-invalid", "-t", "2"]);
    assert_eq!(code, Some(0), "{report}");
    let asked = server.take();
    let targets: Vec<&str> = asked.iter().map(|asked| asked.target()).collect();
    assert_eq!(targets, ["/login", "/more?t0", "/use", "/use", "/use", "/use", "/use", "/use"]);
    assert!(asked[2..].iter().all(|asked| asked.body == "{\"token\":\"t0\",\"n\":0}"), "{asked:?}");
    assert_eq!(count(&report, "/requests/completed"), 6);
    assert_eq!(
        (count(&report, "/once/requests"), count(&report, "/once/failed")),
        (2, 0),
        "{}",
        report["once"]
    );
}

#[test]
fn what_cannot_be_done_once_keeps_load_from_being_sent() {
    let server = server();
    let plan = Plan::new(&format!(
        "iterations = 1\nonce = [\"login\"]\norigins.s = \"http://{}\"\n\
         steps.use.url = \"/use?{{{{ id }}}}\"\n[steps.login]\nurl = \"/login\"\nextract.id = {{ json = \"$.id\" }}\n",
        server.addr
    ));
    let output = squall(&["run", plan.path().to_str().unwrap(), "-q"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let wanted = "squall: what the plan does `once` failed, so that no load was sent: step login: nothing was found for `id`: \
                  the iteration ended\n";
    assert_eq!((text.as_str(), server.take().len()), (wanted, 1));
}

/// A cycle of a fixed length, whatever the iteration takes of it; one that takes longer is followed at once.
#[test]
fn iterations_are_paced() {
    let server = server();
    let plan = |url: &str| {
        Plan::new(&format!(
            "steps.a.url = \"http://{}{url}\"\n[scenarios.s]\nexecutor = \"per-vu-iterations\"\niterations = 5\n\
             pacing = \"120ms\"\nthink = \"10ms\"\n",
            server.addr
        ))
    };
    // Five cycles of 120 ms; five iterations of 150 ms and their pause.
    for (url, least, most) in [("/quick", 0.6, 1.5), ("/slow", 0.8, 2.0)] {
        let (code, report) = plan(url).run(&["--allow-invalid"]);
        let lasted = report["duration_s"].as_f64().unwrap();
        assert_eq!(code, Some(0));
        assert!((least..most).contains(&lasted), "{url}: {lasted}");
    }
    let plan = Plan::new(
        "steps.a.url = \"http://127.0.0.1:9/\"\n[scenarios.s]\nexecutor = \"constant-arrival-rate\"\nrate = 1\nduration = \"1s\"\n\
         preAllocatedVUs = 1\npacing = \"1s\"\n",
    );
    let (code, text) = plan.refused();
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("`pacing` does not belong to constant-arrival-rate"), "{text}");
}

/// C10: which step, and which value.
#[test]
fn what_broke_an_iteration_is_said() {
    let server = server();
    let plan = Plan::new(&format!(
        r#"
vus = 2
iterations = 4
origins.s = "http://{}"
[[steps]]
name = "early"
url = "/early?{{{{ late }}}}"
[[steps]]
name = "login"
url = "/login"
extract.late = {{ json = "$.nowhere" }}
[[steps]]
name = "never"
url = "/never"
"#,
        server.addr
    ));
    let (code, report) = plan.run(&["--allow-invalid", "-t", "2"]);
    assert_eq!(code, Some(0), "{report}");
    let causes = &report["scenarios"][0]["causes"];
    let wanted = serde_json::json!([
        {"step": "early", "what": "`late` has no value yet: the request was not sent", "count": 4},
        {"step": "login", "what": "nothing was found for `late`: the iteration ended", "count": 4},
    ]);
    assert_eq!(causes, &wanted);
    let output = squall(&["run", plan.path().to_str().unwrap(), "-q", "--allow-invalid"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("step login: nothing was found for `late`: the iteration ended (4 times)"),
        "{text}"
    );
}
