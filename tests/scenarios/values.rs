//! Values on their way from a file, a response or the environment into requests.

use std::process::Command;

use super::Plan;
use super::common::recorder::Recorder;

const GIVEN: &str = "{\"v\":1.10,\"big\":12345678901234567890123,\"s\":\"say \\\"hi\\\"\",\"o\":{\"b\": 1, \"a\":[2.50]},\"none\":null}";

fn server() -> Recorder {
    Recorder::start(|asked| {
        let body = if asked.target() == "/given" { GIVEN } else { "ok" };
        ("X-Number: 007\r\n".into(), body.into())
    })
}

/// C5: what a response said goes on as it stood, also through a path that is a query.
#[test]
fn extracted_values_stay_as_they_stood() {
    let server = server();
    let plan = Plan::new(&format!(
        r#"
origins.s = "http://{}"
[[steps]]
name = "given"
url = "/given"
checks = ["json $.v == 1.10", "json $.v == 1.1", "json $.v >= 1.1", "json $.big > 12345678901234567890122"]
[steps.extract]
v = {{ json = "$.v" }}
big = {{ json = "$..big" }}
s = {{ json = "$.s" }}
o = {{ json = "$.o" }}
deep = {{ json = "$.o.a[?@ > 2]" }}
none = {{ json = "$.none" }}
h = {{ header = "x-number" }}
d = {{ json = "$.nowhere", default = 0.50 }}
[[steps]]
name = "text"
method = "POST"
url = "/text?v={{{{ v }}}}&d={{{{ d }}}}"
body = "{{{{ v }}}} {{{{ big }}}} {{{{ o }}}} {{{{ deep }}}} {{{{ h }}}}"
[[steps]]
name = "json"
url = "/json"
json = {{ v = "{{{{ v }}}}", big = "{{{{ big }}}}", s = "{{{{ s }}}}", o = "{{{{ o }}}}", none = "{{{{ none }}}}", h = "{{{{ h }}}}", n = "{{{{ h | string }}}}", d = "{{{{ d }}}}", both = "{{{{ v }}}}: {{{{ s }}}}" }}
"#,
        server.addr
    ));
    let (code, report) = plan.run(&["--allow-invalid"]);
    assert_eq!(code, Some(0), "{report}");
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["fails"], 0, "{check}");
    }
    let asked = server.take();
    assert_eq!(asked[1].target(), "/text?v=1.10&d=0.50");
    assert_eq!(asked[1].body, "1.10 12345678901234567890123 {\"b\": 1, \"a\":[2.50]} 2.50 007");
    assert_eq!(
        asked[2].body,
        "{\"v\":1.10,\"big\":12345678901234567890123,\"s\":\"say \\\"hi\\\"\",\"o\":{\"b\": 1, \"a\":[2.50]},\
         \"none\":null,\"h\":\"007\",\"n\":\"007\",\"d\":0.50,\"both\":\"1.10: say \\\"hi\\\"\"}"
    );
}

/// C4: fields of CSV are text, and numbers where the plan says so; those of JSON have their types.
#[test]
fn rows_are_escaped_and_have_types() {
    let server = server();
    let plan = Plan::new(&format!(
        r#"
iterations = 1
[data]
c.file = "c.csv"
j.file = "j.jsonl"
a.file = "a.json"
s = {{ file = "s.csv", delimiter = ";", columns = ["x", "y"] }}
[steps.a]
url = "http://{}/?{{{{ data.c.name }}}}"
json = {{ name = "{{{{ data.c.name }}}}", n = "{{{{ data.c.n }}}}", number = "{{{{ data.c.n | number }}}}", j = "{{{{ data.j.n }}}}", l = "{{{{ data.j.l }}}}", t = "{{{{ data.j.t }}}}", a = "{{{{ data.a.n }}}}", s = "{{{{ data.s.x }}}}{{{{ data.s.y }}}}", vu = "{{{{ vu }}}}" }}
"#,
        server.addr
    ))
    .with("c.csv", "name,n\n\"a \"\"b\"\"\nü#\",42\n")
    .with("j.jsonl", "\u{feff}{\"n\":1.0,\"l\":[1, 2],\"t\":\"x\"}\n")
    .with("a.json", "[{\"n\": true}]")
    .with("s.csv", "1,5;z\n");
    let (code, report) = plan.run(&["--allow-invalid"]);
    assert_eq!(code, Some(0), "{report}");
    let asked = server.take();
    assert_eq!(asked[0].target(), "/?a%20\"b\"%0A%C3%BC%23");
    assert_eq!(
        asked[0].body,
        "{\"name\":\"a \\\"b\\\"\\nü#\",\"n\":\"42\",\"number\":42,\"j\":1.0,\"l\":[1, 2],\"t\":\"x\",\"a\":true,\
         \"s\":\"1,5z\",\"vu\":1}"
    );
}

/// What must be known before the run may come from constants: sources of extractions, checks, defaults, files.
#[test]
fn constants_stand_wherever_text_does() {
    let server = server();
    let plan = Plan::new(&format!(
        r#"
variables = {{ path = "$.v", name = "X-Number", file = "c", wanted = "1.10", d = "{{{{ wanted }}}}0" }}
data.c.file = "{{{{ file }}}}.csv"
[[steps]]
name = "given"
url = "http://{0}/given"
checks = ["json {{{{ path }}}} == {{{{ wanted }}}}", "header {{{{ name }}}} exists"]
extract = {{ v = {{ json = "{{{{ path }}}}" }}, h = {{ header = "{{{{ name }}}}" }}, n = {{ json = "$.no", default = "{{{{ d }}}}" }} }}
[[steps]]
name = "send"
url = "http://{0}/?{{{{ v }}}}-{{{{ h }}}}-{{{{ n }}}}-{{{{ data.c.word }}}}"
bodyFile = "{{{{ file }}}}.csv"
"#,
        server.addr
    ))
    .with("c.csv", "word\nyes\n");
    let (code, report) = plan.run(&["--allow-invalid"]);
    assert_eq!(code, Some(0), "{report}");
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["passes"], 1, "{check}");
    }
    let asked = server.take();
    assert_eq!((asked[1].target(), asked[1].body.as_str()), ("/?1.10-007-1.100-yes", "word\nyes\n"));
}

/// C1, C6: the environment, rows and variables in credentials, and variables in variables.
#[test]
fn credentials_and_constants_are_filled_in() {
    let server = server();
    let plan = Plan::new(&format!(
        r#"
variables = {{ base = "http://{}/a b", path = "{{{{ base }}}}/v1", who = "{{{{ env.SQUALL_TEST_USER }}}}-{{{{ vu }}}}" }}
auth.basic = {{ username = "{{{{ who }}}}", password = "{{{{ data.c.word }}}}" }}
data.c.file = "c.csv"
[[steps]]
name = "one"
url = "{{{{ path }}}}?q={{{{ base }}}}"
tags = {{ who = "{{{{ env.SQUALL_TEST_USER }}}}" }}
[[steps]]
name = "two"
url = "{{{{ path }}}}"
body = "{{{{ path }}}} \\{{{{ who }}}}"
auth.bearer = "{{{{ who }}}}"
"#,
        server.addr
    ))
    .with("c.csv", "word\np:ä\n");
    let run = |name: &str, value: &str| {
        let path = plan.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        let command = command.args(["run", path.to_str().unwrap(), "-q", "--allow-invalid"]).env(name, value);
        command.output().expect("the binary runs")
    };
    let output = run("SQUALL_TEST_USER", "mü");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let asked = server.take();
    // mü-1:p:ä
    assert_eq!(asked[0].fields("authorization"), ["Basic bcO8LTE6cDrDpA=="]);
    assert_eq!(asked[0].target(), format!("/a%20b/v1?q=http://{}/a%20b", server.addr));
    assert_eq!(asked[1].fields("authorization"), ["Bearer mü-1"]);
    assert_eq!(asked[1].body, format!("http://{}/a b/v1 {{{{ who }}}}", server.addr));
    let output = run("OTHER", "");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("the environment has no variable SQUALL_TEST_USER: set it"), "{text}");
}
