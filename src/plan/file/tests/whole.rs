//! Plans that say everything, and what becomes of each word: the workload as text, held by a snapshot.

use std::fmt::Write;

use super::*;
use crate::plan::data::DataSet;
use crate::plan::scope::Scope;
use crate::plan::template::Template;
use crate::plan::value::Value;
use crate::plan::workload::{Step, Workload};
use crate::rng::Rng;

/// A plan in which each key of the form stands once at least.
const PLAN: &str = r#"
"$schema" = "../docs/scenario.schema.json"
seed = 11
once = ["first"]
setup = ["login"]
cookies = "user"
maxRedirects = 4
requestsPerConnection = 100
noVUConnectionReuse = true
auth.bearer = "{{ env.TOKEN }}"
timeout = "4s"
userAgent = ""
headers = { Accept = "*/*", X-Team = ["a", "b"] }
variables = { team = "blue", count = 3, on = false }
origins = { api = "http://h:81", other = "https://g" }

[data.users]
file = "users.csv"
order = "unique"
[data.words]
file = "words.txt"
format = "csv"
delimiter = ";"
columns = ["word", "weight"]
order = "random"
[data.items]
file = "items.jsonl"
atEnd = "stop"

[steps.first]
origin = "api"
url = "/first?{{ team }}#part"
extract = { seen = { regex = "seen=(\\w+)", default = "none" } }

[steps.login]
url = "https://g/login"
auth.basic = { username = "{{ data.users.name }}", password = "p" }
multipart = [
  { name = "a", value = "{{ data.users.name }}" },
  { name = "f", file = "users.csv", fileName = "u.csv", contentType = "text/csv" },
]
extract = { token = { json = "$.token" }, trace = { header = "X-Trace", default = 7 } }

[steps.buy]
origin = "api"
url = "/buy/{{ data.items.id }}/{{ data.words.word | url }}"
method = "PUT"
headers = { X-Team = "own", X-Token = "{{ token }}" }
json = { item = "{{ data.items.id }}", count = "{{ count }}", on = "{{ on }}", deep = { seen = "{{ seen }} \" {{ team }}" }, yes = true }
expectStatus = [200, 201]
timeout = "250ms"
maxRedirects = 0
think = "1s..3s"
tags = { kind = "buy", team = "{{ team }}" }
group = "shop"
checks = { created = "status==201", quick = "time<1s", "has id" = "json $.id exists" }

[steps.leave]
origin = "other"
url = "/leave"
method = "{{ trace }}"
body = "bye {{ data.users.name }} {{ team }}"
expectStatus = "2xx,404"
think = "5ms"
checks = ["body contains {{ team }}", "header X-A == b"]

[flows]
short = ["leave"]
long = ["buy", "leave"]

[thresholds]
http_req_duration = ["p(95)<200", { threshold = "max<1000", abortOnFail = true, delayAbortEval = "5s" }]
"http_reqs{name:buy,status:201}" = "count>1"
checks = { threshold = "rate>0.9", abortOnFail = true }

[scenarios.a]
executor = "constant-vus"
vus = 3
duration = "1m"
startTime = "5s"
gracefulStop = "2s"
flows = { long = 3, short = 1 }
tags = { team = "a" }
think = "10ms"
[scenarios.b]
executor = "ramping-vus"
startVUs = 2
stages = [{ duration = "10s", target = 5 }, { duration = 5, target = 0 }]
gracefulRampDown = "1s"
flow = "short"
setup = ["first", "login"]
[scenarios.c]
executor = "shared-iterations"
vus = 2
iterations = 9
maxDuration = "30s"
flow = "short"
pacing = "1s..2s"
[scenarios.d]
executor = "per-vu-iterations"
vus = 4
iterations = 2
flow = "short"
[scenarios.e]
executor = "constant-arrival-rate"
rate = 30
timeUnit = "1m"
duration = "10s"
preAllocatedVUs = 2
maxVUs = 5
maxBacklog = 7
arrivals = "poisson"
flow = "short"
[scenarios.f]
executor = "ramping-arrival-rate"
startRate = 1
timeUnit = "2s"
stages = [{ duration = "10s", target = 4 }]
preAllocatedVUs = 1
flow = "short"
"#;

fn around(dir: &Path) -> Surroundings<'_> {
    let env = BTreeMap::from([("TOKEN".to_owned(), "t0k".to_owned())]);
    Surroundings { env, variables: BTreeMap::new(), base_dir: dir, seed: 7, seed_wins: false }
}

fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let users: String = (0..20).map(|n| format!("user{n}\n")).collect();
    for (name, text) in [
        ("users.csv", format!("name\n{users}")),
        ("words.txt", "tea time;2\ncake;1\n".into()),
        ("items.jsonl", "{\"id\": 41}\n{\"id\": 42}\n".into()),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// A template with the second row of each set, and its own name for each extracted value.
fn filled(render: impl FnOnce(&mut Vec<u8>, &mut Scope<'_>), workload: &Workload) -> String {
    let values: Vec<_> =
        workload.variables.iter().map(|name| Some(Value::text(format!("{name}-value").as_bytes()))).collect();
    let mut out = Vec::new();
    let mut scope = Scope {
        vu: 1,
        iteration: 2,
        sequence: 3,
        wall: Nanos::ZERO,
        rng: &mut Rng::new(1),
        values: &values,
        rows: &vec![1; workload.data.len()],
        data: &workload.data,
    };
    render(&mut out, &mut scope);
    String::from_utf8(out).unwrap().replace('\r', "")
}

fn step(step: &Step, workload: &Workload, out: &mut String) {
    let sent = filled(|out, scope| step.request.render(None, out, scope).unwrap_or_default(), workload);
    let constant = step.request.constant().is_some();
    writeln!(out, "\n== step {} at {} ({})", step.name, step.origin, step.url).unwrap();
    writeln!(out, "constant {constant}, method {}, expect {:?}", step.method, step.expect).unwrap();
    let statuses: Vec<u16> = (100..1000).filter(|code| step.expected.contains(*code)).collect();
    let edges = (statuses.first(), statuses.last(), statuses.len());
    writeln!(out, "expected {edges:?}, timeout {:?}, redirects {}", step.timeout, step.redirects_max)
        .unwrap();
    writeln!(out, "think {:?}, tags {:?}", step.think, step.tags).unwrap();
    for check in &step.checks {
        writeln!(out, "check {:?}", check.name).unwrap();
    }
    for extract in &step.extracts {
        let variable = &workload.variables[extract.variable as usize];
        writeln!(out, "extract {variable}, else {:?}", extract.default.as_ref().map(|value| &value.bytes))
            .unwrap();
    }
    let open =
        |template: &Template| filled(|out, scope| template.render(out, scope).unwrap_or_default(), workload);
    writeln!(out, "open {:?}", step.open_url.as_ref().map(|url| (open(&url.template), url.origin))).unwrap();
    writeln!(out, "{sent}").unwrap();
}

fn shown(workload: &Workload) -> String {
    let mut out = String::new();
    for origin in &workload.origins {
        writeln!(out, "origin {} {}", origin.name, origin.url.authority()).unwrap();
    }
    let set = |set: &DataSet| {
        format!("{} {:?} {} {}{}", set.name, set.columns(), set.rows(), set.is_sequential(), set.is_unique())
    };
    workload.data.iter().for_each(|one| writeln!(out, "data {}", set(one)).unwrap());
    writeln!(out, "variables {:?}", workload.variables).unwrap();
    for flow in &workload.flows {
        writeln!(out, "flow {} {:?}", flow.name, flow.steps).unwrap();
    }
    writeln!(out, "once {:?}", workload.once.flow).unwrap();
    writeln!(out, "{:?} {:?} {}", workload.connections, workload.cookies, workload.open_ended).unwrap();
    workload.steps.iter().for_each(|one| step(one, workload, &mut out));
    for scenario in &workload.scenarios {
        writeln!(
            out,
            "== scenario {} from {:?}, grace {:?}",
            scenario.name, scenario.start, scenario.graceful_stop
        )
        .unwrap();
        writeln!(out, "flows {:?}, setup {:?}, tags {:?}", scenario.flows, scenario.setup, scenario.tags)
            .unwrap();
        writeln!(out, "think {:?}, pacing {:?}", scenario.think, scenario.pacing).unwrap();
        writeln!(out, "{:?}", scenario.executor).unwrap();
    }
    let sets: Vec<Vec<u32>> = (0..workload.flows.len() as u32).map(|flow| workload.sets_of(flow)).collect();
    writeln!(out, "rows of {sets:?}").unwrap();
    out
}

#[test]
fn every_word_of_a_plan_is_in_its_workload() {
    let dir = directory();
    let plan =
        compile("plan.toml", PLAN, Format::Toml, &around(dir.path())).unwrap_or_else(|e| panic!("{e}"));
    let mut out = format!("seed {:?}\n", plan.seed);
    for threshold in &plan.thresholds {
        writeln!(out, "{threshold}, abort {} {:?}", threshold.abort_on_fail, threshold.delay_abort_eval)
            .unwrap();
    }
    out += &shown(&plan.workload);
    // What separates the parts of a form is drawn from them.
    let boundary = regex::Regex::new("-{24,}[0-9a-f]{16}").unwrap();
    insta::assert_snapshot!(boundary.replace_all(&out, "BOUNDARY"));
}
