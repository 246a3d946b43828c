use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::load::arrivals_seed;
use crate::plan::workload::{ArrivalPlan, Executor, Think};
use crate::units::{Nanos, Rate};

mod places;
mod whole;

fn around() -> Surroundings<'static> {
    let variables = BTreeMap::new();
    Surroundings { env: BTreeMap::new(), variables, base_dir: Path::new("."), seed: 7, seed_wins: false }
}

fn toml(text: &str) -> Compiled {
    compile("plan.toml", text, Format::Toml, &around()).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// (line, message) of each problem.
fn problems(text: &str, format: Format) -> Vec<(usize, String)> {
    match compile("plan", text, format, &around()) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.problems.into_iter().map(|p| (p.line, p.message)).collect(),
    }
}

#[track_caller]
fn refused(text: &str, wanted: &[(usize, &str)]) {
    let found = problems(text, Format::Toml);
    let fits =
        found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| f.0 == w.0 && f.1.contains(w.1));
    assert!(fits, "wanted {wanted:#?}\nfound {found:#?}\n{text}");
}

const STEP: &str = "steps.home.url = \"http://h/\"\n";

/// One scenario `s` behind [`STEP`], so that its first line is the third.
fn scenario(body: &str) -> String {
    format!("{STEP}[scenarios.s]\n{body}")
}

fn executor(body: &str) -> Executor {
    toml(&scenario(body)).workload.scenarios.remove(0).executor
}

#[test]
fn a_whole_plan_becomes_a_workload() {
    let plan = toml(
        r#"
seed = 3
maxRedirects = 2
requestsPerConnection = 100
userAgent = "me"
headers = { Accept = "*/*" }
auth.basic = { username = "u", password = "p" }
variables = { id = 5, lang = "en" }
origins = { api = "http://h:81", other = "http://g" }
thresholds.http_req_duration = ["p(95)<200", { threshold = "max<1000", abortOnFail = true, delayAbortEval = "5s" }]

[steps.read]
url = "/items/{{ id }}?l={{ lang }}#top"
origin = "api"
think = "1s..3s"
group = "g"
expectStatus = [200, 404]
checks = { fine = "status==200" }
extract = { token = { header = "x-token", default = "none" } }

[steps.write]
url = "http://h:81/items"
json = { b = 1, a = [true, "x"] }
timeout = 2

[flows]
both = ["read", "write"]
one = ["write"]

[scenarios.browse]
executor = "constant-vus"
vus = 3
duration = "1m"
startTime = "5s"
flows = { both = 3, one = 1 }
tags = { team = "a" }
"#,
    );
    assert_eq!(plan.seed, Some(3));
    let workload = plan.workload;
    let origins: Vec<&str> = workload.origins.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(origins, ["api", "other"]);
    let [read, write] = workload.steps.as_slice() else { panic!("two steps") };
    let bytes = String::from_utf8(read.request.constant().unwrap().to_vec()).unwrap();
    assert_eq!(
        bytes,
        "GET /items/5?l=en HTTP/1.1\r\nHost: h:81\r\nAccept: */*\r\nAuthorization: Basic dTpw\r\n\
         User-Agent: me\r\n\r\n"
    );
    assert_eq!(
        (&*read.url, &*read.method, read.redirects_max),
        ("http://h:81/items/{{ id }}?l={{ lang }}#top", "GET", 2)
    );
    assert_eq!(read.think, Think::Between(Nanos::from_secs(1), Nanos::from_secs(3)));
    assert!(read.expected.contains(404) && !read.expected.contains(201));
    assert_eq!((&*read.checks[0].name, read.extracts[0].variable), ("fine", 0));
    assert_eq!(workload.variables, ["token"]);
    let bytes = String::from_utf8(write.request.constant().unwrap().to_vec()).unwrap();
    assert!(bytes.starts_with("POST /items HTTP/1.1\r\n"), "{bytes}");
    assert!(bytes.ends_with("\r\n\r\n{\"b\":1,\"a\":[true,\"x\"]}"), "{bytes}");
    assert_eq!((write.origin, write.timeout), (0, Nanos::from_secs(2)));
    assert_eq!(workload.flows[0].steps, [0, 1]);
    let browse = &workload.scenarios[0];
    assert_eq!((browse.start, &browse.flows), (Nanos::from_secs(5), &vec![(0, 3), (1, 1)]));
    assert_eq!(workload.connections.requests_max, Some(100));
    assert_eq!(plan.thresholds.len(), 2);
    assert!(plan.thresholds[1].abort_on_fail);
    assert_eq!(plan.thresholds[1].delay_abort_eval, Nanos::from_secs(5));
}

#[test]
fn json_is_read_like_toml() {
    let text = r#"{"vus": 2, "duration": "3s", "steps": [{"url": "http://h/a"}, {"url": "http://h/b", "name": "b"}]}"#;
    let plan = compile("plan.json", text, Format::Json, &around()).unwrap();
    let names: Vec<&str> = plan.workload.steps.iter().map(|s| &*s.name).collect();
    assert_eq!(names, ["http://h/a", "b"]);
    assert!(matches!(plan.workload.scenarios[0].executor, Executor::ConstantVus { vus: 2, .. }));
    let comma = "{\n  \"vus\": 1,\n}";
    assert_eq!(problems(comma, Format::Json)[0].0, 2, "trailing commas are not JSON");
    let twice = "{\n\"vus\": 1,\n\"vus\": 2}";
    assert_eq!(problems(twice, Format::Json), [(3, "`vus` is given twice: keep one".into())]);
}

#[test]
fn k6s_executors_are_understood() {
    let ramp = executor("executor = \"ramping-vus\"\nstages = [{ duration = \"10s\", target = 5 }]");
    let Executor::RampingVus { stages, stage_ends, graceful_ramp_down } = ramp else { panic!() };
    assert_eq!((stages.at(Nanos::ZERO), stages.max()), (1, 5));
    assert_eq!((stage_ends, graceful_ramp_down), (vec![Nanos::from_secs(10)], Nanos::from_secs(30)));
    let shared = executor("executor = \"shared-iterations\"\nvus = 2\niterations = 9");
    assert!(
        matches!(shared, Executor::SharedIterations { vus: 2, iterations: 9, max_duration } if max_duration == Nanos::from_secs(600))
    );
    let rate = executor(
        "executor = \"constant-arrival-rate\"\nrate = 30\ntimeUnit = \"1m\"\nduration = \"10s\"\npreAllocatedVUs = 4",
    );
    let Executor::ArrivalRate {
        arrivals: ArrivalPlan::Constant { rate, seed, .. },
        max_vus,
        max_backlog,
        ..
    } = rate
    else {
        panic!()
    };
    assert_eq!(rate, Rate { count: 30, per: Nanos::from_secs(60) });
    assert_eq!((seed, max_vus, max_backlog), (arrivals_seed(7, 0), 4, 0));
    let ramp = executor(
        "executor = \"ramping-arrival-rate\"\nstages = [{ duration = 10, target = 4 }]\npreAllocatedVUs = 1\nmaxVUs = 9",
    );
    assert!(matches!(ramp, Executor::ArrivalRate { pre_allocated_vus: 1, max_vus: 9, .. }));
}

#[test]
fn shortcuts_are_k6s() {
    let of = |text: &str| toml(&format!("{text}\n{STEP}")).workload.scenarios.remove(0).executor;
    assert!(matches!(
        of("vus = 3\niterations = 6"),
        Executor::SharedIterations { vus: 3, iterations: 6, .. }
    ));
    assert!(matches!(of("duration = \"5s\""), Executor::ConstantVus { vus: 1, .. }));
    let Executor::RampingVus { stages, .. } = of("vus = 2\nstages = [{ duration = \"5s\", target = 0 }]")
    else {
        panic!()
    };
    assert_eq!(stages.at(Nanos::ZERO), 2);
    let Executor::RampingVus { stages, .. } = of("vus = 0\nstages = [{ duration = \"5s\", target = 3 }]")
    else {
        panic!()
    };
    assert_eq!((stages.at(Nanos::ZERO), stages.max()), (0, 3));
    refused(
        &format!("vus = 0\nstages = [{{ duration = 1, target = 0 }}]\n{STEP}"),
        &[(2, "never has any user")],
    );
    refused(&format!("vus = 0\nduration = \"5s\"\n{STEP}"), &[(1, "`vus` is 0: give at least 1")]);
    assert!(matches!(of(""), Executor::SharedIterations { vus: 1, iterations: 1, .. }));
    refused(&format!("{STEP}vus = 5"), &[(2, "alone sets no end")]);
    refused(
        &format!("duration = \"5s\"\nstages = [{{ duration = 1, target = 1 }}]\n{STEP}"),
        &[(1, "exclude each other")],
    );
    refused(
        &format!("vus = 1\n{}", scenario("executor = \"constant-vus\"\nduration = 1")),
        &[(1, "beside `scenarios`")],
    );
}

#[test]
fn what_the_schema_forbids_is_told_with_its_line() {
    for (text, wanted) in [
        ("a = = 1", vec![(1, "not TOML")]),
        ("vsu = 1\n", vec![(1, "unknown key `vsu` in the file: did you mean `vus`?")]),
        (
            "[steps.a]\nurl = 5\nbodi = \"\"\n",
            vec![(2, "`url` is 5, but must be a text"), (3, "did you mean `body`?")],
        ),
        ("[steps.a]\nmethod = \"GET\"", vec![(1, "`a` lacks `url`")]),
        ("vus = \"many\"", vec![(1, "`vus` is the text \"many\", but must be a whole number")]),
        ("vus = -1", vec![(1, "must not be below 0")]),
        ("vus = 1.5", vec![(1, "but must be a whole number")]),
        ("duration = true", vec![(1, "but must be a text or a number")]),
        ("[scenarios.s]\nexecutor = \"constant-vu\"", vec![(2, "did you mean `constant-vus`?")]),
        ("[scenarios.s]\nexecutor = 5", vec![(2, "must be one of constant-vus")]),
        ("[[stages]]\nduration = 1\ntarget = 1\n[[stages]]\nduration = 1\n", vec![(4, "lacks `target`")]),
        ("[flows]\nx = [\n \"a\",\n 7 ]", vec![(4, "each of `x` is 7")]),
    ] {
        refused(text, &wanted);
    }
}

#[test]
fn what_makes_no_sense_is_told_with_its_line() {
    let all =
        "[steps.a]\nurl = \"/x\"\n[steps.b]\nurl = \"http://h:x/\"\n[flows]\nf = [\"a\", \"c\"]\ng = []\n";
    refused(all, &[(2, "no `origins`"), (4, "not a port"), (6, "no step `c`"), (7, "has no steps")]);
    for (text, wanted) in [
        ("vus = 1\nduration = 1", vec![(1, "there are no steps")]),
        (
            "[steps.a]\nurl = \"/\"\norigin = \"aip\"\n[origins]\napi = \"http://h\"\nb = \"http://g\"",
            vec![(3, "did you mean `api`?")],
        ),
        (
            "[steps.a]\nurl = \"/\"\n[origins]\napi = \"http://h\"\nb = \"http://g\"",
            vec![(2, "which origin?")],
        ),
        ("[steps.a]\nurl = \"http://h/\"\n[origins]\napi = \"http://h/v1\"", vec![(4, "no path")]),
        (
            "[steps.a]\nurl = \"http://h/{{ nmae }}\"\n[variables]\nname = 1",
            vec![(2, "did you mean `name`?")],
        ),
        ("[steps.a]\nurl = \"http://h/\"\nbody = \"x\"\njson = 1", vec![(1, "more than one of")]),
        ("[steps.a]\nurl = \"http://h/\"\nbodyFile = \"/nowhere\"", vec![(3, "cannot read")]),
        ("[steps.a]\nurl = \"http://h/\"\n[steps.a.headers]\n\"a b\" = \"\"", vec![(3, "not a header name")]),
        ("[steps.a]\nurl = \"http://h/\"\nmethod = \"G T\"", vec![(3, "not a method")]),
        ("[steps.a]\nurl = \"http://h/\"\nexpectStatus = \"2x\"", vec![(3, "is not a status")]),
        ("[steps.a]\nurl = \"http://h/\"\ntimeout = 0", vec![(3, "at least")]),
        ("[steps.a]\nurl = \"http://h/\"\nthink = \"3s..1s\"", vec![(3, "ends before it begins")]),
        ("[steps.a]\nurl = \"http://h/\"\nthink = \"3 parsecs\"", vec![(3, "unknown unit")]),
        ("[steps.a]\nurl = \"http://h/\"\n[steps.a.extract]\nx = {}", vec![(4, "exactly one")]),
        ("[steps.a]\nurl = \"http://h/\"\nauth = {}", vec![(3, "exactly one")]),
        ("requestsPerConnection = 0\nsteps.a.url = \"http://h/\"", vec![(1, "at least 1")]),
        ("[[steps]]\nurl = \"http://h/\"\n[[steps]]\nurl = \"http://h/\"", vec![(3, "is called")]),
        (
            "steps.a.url = \"http://h/\"\n[data.users]\nfile = \"/nowhere.csv\"",
            vec![(3, "cannot read /nowhere.csv")],
        ),
    ] {
        refused(text, &wanted);
    }
}

#[test]
fn executors_refuse_what_k6_refuses() {
    for (body, wanted) in [
        ("executor = \"constant-vus\"", vec![(2, "`duration` is missing")]),
        (
            "executor = \"constant-vus\"\nduration = \"1s\"\nrate = 1",
            vec![(5, "does not belong to constant-vus")],
        ),
        ("executor = \"constant-vus\"\nduration = \"1s\"\nvus = 0", vec![(5, "`vus` is 0: give at least 1")]),
        ("executor = \"constant-vus\"\nduration = \"100ms\"", vec![(4, "at least 1s")]),
        ("executor = \"ramping-vus\"\nstages = []", vec![(4, "has no stages")]),
        (
            "executor = \"ramping-vus\"\nstartVUs = 0\nstages = [{ duration = 1, target = 0 }]",
            vec![(5, "never has any user")],
        ),
        ("executor = \"ramping-vus\"\nstages = [{ duration = 0, target = 5 }]", vec![(4, "take no time")]),
        ("executor = \"shared-iterations\"\nvus = 3\niterations = 2", vec![(5, "fewer than")]),
        ("executor = \"per-vu-iterations\"\niterations = 0", vec![(4, "at least 1")]),
        ("executor = \"constant-arrival-rate\"\nduration = 1", vec![(2, "`rate`"), (2, "`preAllocatedVUs`")]),
        (
            "executor = \"constant-arrival-rate\"\nduration = 1\nrate = 0\npreAllocatedVUs = 1",
            vec![(5, "is 0")],
        ),
        (
            "executor = \"constant-arrival-rate\"\nduration = 1\nrate = 1\npreAllocatedVUs = 5\nmaxVUs = 4",
            vec![(7, "below `preAllocatedVUs`")],
        ),
        (
            "executor = \"ramping-arrival-rate\"\npreAllocatedVUs = 5\nstages = [{ duration = 1, target = 0 }]",
            vec![(5, "nothing ever arrives")],
        ),
        (
            "executor = \"constant-vus\"\nduration = 1\nflow = \"defualt\"",
            vec![(5, "did you mean `default`?")],
        ),
        ("executor = \"constant-vus\"\nduration = 1\nflows = { default = 0 }", vec![(5, "weight 0")]),
    ] {
        refused(&scenario(body), &wanted);
    }
}

/// C8: what follows from a problem that was told is not told again as another.
#[test]
fn only_what_is_true_is_told() {
    for (text, wanted) in [
        (
            "[data.u]\nfile = \"/nowhere.csv\"\norder = \"unique\"\n[steps.a]\nurl = \"http://h/{{ data.u.name }}\"",
            vec![(2, "cannot read /nowhere.csv")],
        ),
        (
            "[data.u]\nfile = \"x.csv\"\ndelimiter = \";;\"\n[steps.a]\nurl = \"http://h/{{ data.u.name }}\"",
            vec![(3, "one character")],
        ),
        (
            "[variables]\na = \"{{ b }}\"\nb = \"{{ a }}\"\n[steps.s]\nurl = \"http://h/{{ a }}\"\nbody = \"{{ b }}\"",
            vec![(2, "in a circle"), (3, "in a circle")],
        ),
        (
            "[variables]\na = \"{{ nowhere }}\"\n[steps.s]\nurl = \"http://h/{{ a }}\"\nbody = \"{{ a }}\"",
            vec![(2, "nothing has the name `nowhere`")],
        ),
        (
            "[origins]\ns = \"http://h:x\"\n[steps.a]\nurl = \"/x\"\n[thresholds]\n\"http_reqs{name:a}\" = \"count>1\"",
            vec![(2, "not a port")],
        ),
        (
            "[origins]\ns = \"http://{{ v }}\"\n[steps.a]\nurl = \"/x\"\nextract.v = { header = \"X\" }",
            vec![(2, "differs from request to request")],
        ),
        (
            "[steps.a]\nurl = \"http://h/{{ nmae }}\"\nheaders.X = \"{{ naem }}\"\nbody = \"{{ name\"\n[variables]\nname = 1",
            vec![(2, "did you mean `name`?"), (3, "did you mean `name`?"), (4, "closing")],
        ),
        (
            "[steps.a]\nurl = \"http://h/\"\nauth.basic = { username = \"{{ u }}\", password = \"p\" }\nvariables.u = 1",
            vec![(4, "unknown key `variables`")],
        ),
        (
            "variables.u = \"a:b\"\n[steps.a]\nurl = \"http://h/\"\nauth.basic = { username = \"{{ u }}\", password = \"p\" }",
            vec![(4, "a user name of basic authentication holds a colon")],
        ),
        (
            "steps.a.url = \"{{ data.urls.url }}\"\n[data.urls]\nfile = \"/nowhere.csv\"",
            vec![(3, "cannot read /nowhere.csv")],
        ),
        ("[steps.a]\nurl = \"htp://{{ vu }}/\"", vec![(2, "unknown scheme `htp`")]),
        (
            "[steps.a]\nurl = \"http://h/\"\nchecks = [\"body contains {{ vu }}\"]",
            vec![(3, "differs from request")],
        ),
    ] {
        refused(text, &wanted);
    }
}

/// C5, C4: numbers as they are written, texts escaped, keys always strings.
#[test]
fn json_bodies_are_as_they_are_written() {
    let plan = toml(
        "variables = { n = 1.10, t = true, s = \"a\\\"b\", hex = 0x10, big = 1_000 }\n[steps.a]\nurl = \"http://h/\"\n\
         json = { n = 1.10, e = 1e3, x = \"{{ n }}\", t = \"{{ t }}\", s = \"{{ s }}\", both = \"{{ s }}{{ n }}\", \"{{ t }}\" = [], h = \"{{ hex }}\", b = \"{{ big }}\", o = {} }",
    );
    let bytes = String::from_utf8(plan.workload.steps[0].request.constant().unwrap().to_vec()).unwrap();
    let body = bytes.split("\r\n\r\n").nth(1).unwrap();
    let wanted = r#"{"n":1.10,"e":1e3,"x":1.10,"t":true,"s":"a\"b","both":"a\"b1.10","true":[],"h":16,"b":1000,"o":{}}"#;
    assert_eq!(body, wanted);
    let text = r#"{"variables": {"n": 12345678901234567890123}, "steps": [{"url": "http://h/{{ n }}", "json": [1.0e2, "{{ n }}"]}]}"#;
    let plan = compile("plan.json", text, Format::Json, &around()).unwrap();
    let bytes = String::from_utf8(plan.workload.steps[0].request.constant().unwrap().to_vec()).unwrap();
    assert!(bytes.starts_with("POST /12345678901234567890123 "), "{bytes}");
    assert!(bytes.ends_with("\r\n\r\n[1.0e2,12345678901234567890123]"), "{bytes}");
}

#[test]
fn every_problem_is_listed() {
    let error = compile("p.toml", "x = 1\ny = 2", Format::Toml, &around()).unwrap_err().to_string();
    assert!(error.starts_with("2 problems with the plan:\n  p.toml:1:1: "), "{error}");
}

#[test]
fn variables_come_from_the_command_line_too() {
    let mut with = around();
    with.variables.insert("id".into(), "9".into());
    with.variables.insert("x".into(), String::new());
    let text = "variables.id = 1\nsteps.a.url = \"http://h/{{ id }}\"";
    let error = compile("p", text, Format::Toml, &with).unwrap_err();
    assert!(error.problems[0].message.contains("--var x"), "{error}");
    with.variables.remove("x");
    let plan = compile("p", text, Format::Toml, &with).unwrap();
    assert!(plan.workload.steps[0].request.constant().unwrap().starts_with(b"GET /9 "));
}

/// The one request of a plan whose only step posts this to `http://h/`.
fn posted(step: &str) -> String {
    let plan = toml(&format!("userAgent = \"\"\n[[steps]]\nurl = \"http://h/\"\n{step}"));
    let bytes = plan.workload.steps[0].request.constant().expect("no slots").to_vec();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_multipart_body_is_put_together_of_its_parts() {
    let parts = r#"multipart = [
        { name = "a\"\n", value = "\\{{ v }} b" },
        { value = "", contentType = "text/x; y=z" },
        { name = "f", file = "tests/data/tiny.txt", fileName = "t.txt" },
    ]
"#;
    let own = posted(parts);
    let (head, body) = own.split_once("\r\n\r\n").unwrap();
    let boundary = head.split("boundary=").nth(1).and_then(|rest| rest.lines().next()).expect(head);
    assert_eq!((boundary.len(), &boundary[..24]), (40, "------------------------"));
    let file = std::fs::read_to_string("tests/data/tiny.txt").unwrap();
    let wanted = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"a%22%0A\"\r\n\r\n{{{{ v }}}} b\r\n\
         --{boundary}\r\nContent-Disposition: form-data\r\nContent-Type: text/x; y=z\r\n\r\n\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"t.txt\"\r\n\r\n{file}\r\n\
         --{boundary}--\r\n"
    );
    assert_eq!(body, wanted);
    assert_eq!(
        head,
        format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n\
             Content-Length: {}",
            wanted.len()
        )
    );
    let part = "multipart = [{ name = \"a\", value = \"b\" }]\n";
    for (given, sent, used) in [
        ("multipart/form-data; boundary=\\\"x y\\\"", "multipart/form-data; boundary=\"x y\"", Some("x y")),
        ("multipart/form-data; Boundary=q; a=b", "multipart/form-data; Boundary=q; a=b", Some("q")),
        ("multipart/form-data;", "multipart/form-data; boundary=-----", None),
    ] {
        let sent_whole = posted(&format!("{part}headers = {{ content-type = \"{given}\", A = \"b\" }}"));
        assert!(sent_whole.contains(&format!("\r\ncontent-type: {sent}")), "{sent_whole}");
        assert!(used.is_none_or(|used| sent_whole.contains(&format!("\r\n\r\n--{used}\r\nContent-"))));
        assert!(used.is_none_or(|used| sent_whole.ends_with(&format!("\r\nb\r\n--{used}--\r\n"))));
    }
    let slots = "[[steps]]\nurl = \"http://h/\"\nmultipart = [{ name = \"a\", value = \"{{ uuid }}\" }]";
    assert!(toml(slots).workload.steps[0].request.constant().is_none(), "values are templates");
}

#[test]
fn parts_that_cannot_be_sent_are_refused() {
    let step = "[[steps]]\nurl = \"http://h/\"\n";
    for (parts, wanted) in [
        ("multipart = []", "has no part: give one"),
        ("multipart = [{ name = \"a\" }]", "exactly one of `value` and `file`"),
        ("multipart = [{ value = \"a\", file = \"b\" }]", "exactly one of `value` and `file`"),
        ("multipart = [{ file = \"/nowhere/x\" }]", "cannot read `/nowhere/x`: "),
        ("multipart = [{ value = \"\", contentType = \"a\\n\" }]", "holds a line break"),
        ("multipart = [{ value = \"\" }]\nbody = \"\"", "`bodyFile`, `json` and `multipart`: keep one"),
        ("multipart = [{ value = \"{{ x }}\" }]", "nothing has the name `x`"),
    ] {
        let found = problems(&format!("{step}{parts}"), Format::Toml);
        assert!(found.len() == 1 && found[0].1.contains(wanted), "{parts}: {found:?}");
    }
}

#[test]
fn a_header_may_have_several_lines() {
    let sent = posted(r#"headers = { A = ["1", "\\{{ 2", ""], B = "x", a = "never" }"#);
    assert_eq!(sent, "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nA: {{ 2\r\nA:\r\nB: x\r\n\r\n");
    let common =
        "headers = { A = [\"1\", \"2\"] }\n[[steps]]\nurl = \"http://h/\"\nheaders = { a = \"own\" }";
    let bytes = toml(common).workload.steps[0].request.constant().unwrap().to_vec();
    assert!(
        String::from_utf8_lossy(&bytes).contains("\r\na: own\r\nUser-Agent"),
        "a step's own come instead"
    );
}

/// `UPDATE=1 cargo test` writes the schema anew.
#[test]
fn the_schema_in_docs_is_the_forms() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenario.schema.json");
    let wanted = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == wanted,
        "UPDATE=1 writes {}",
        path.display()
    );
}

/// C9: editors write one before UTF-8; in JSON it may be there, too.
#[test]
fn a_byte_order_mark_is_nothing() {
    for (ending, text) in
        [("toml", "steps.a.url = \"http://h/\"\n"), ("json", "{\"steps\": [{\"url\": \"http://h/\"}]}")]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(format!("plan.{ending}"));
        std::fs::write(&path, format!("\u{feff}{text}")).unwrap();
        load(&path, &around(), &mut Redactor::default()).unwrap_or_else(|error| panic!("{ending}: {error}"));
    }
}

#[test]
fn the_examples_are_plans() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let with = Surroundings { base_dir: &directory, ..around() };
    let entries = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let plans: Vec<_> = entries.filter(|path| format_of(path).is_some()).collect();
    assert!(plans.len() >= 4, "{plans:?}");
    for path in plans {
        load(&path, &with, &mut Redactor::default()).unwrap_or_else(|error| panic!("{error}"));
    }
}
