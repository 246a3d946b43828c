//! URLs, paths and methods that are known only when a request begins.

use super::common::recorder::Recorder;
use super::{Plan, count};

fn server() -> Recorder {
    Recorder::start(|asked| {
        let port = asked.fields("host")[0].rsplit(':').next().unwrap().to_owned();
        match asked.target() {
            "/to" => (
                format!(
                    "HTTP/1.1 302 Found\r\nLocation: /cb?a b\r\nX-Away: http://localhost:{port}/away\r\n"
                ),
                String::new(),
            ),
            "/list/first" => {
                ("X-Next: second\r\nX-Bad: ftp://h/\r\nSet-Cookie: c=1; Path=/list\r\n".into(), String::new())
            }
            "/moved/7/old" => ("HTTP/1.1 302 Found\r\nLocation: new\r\n".into(), String::new()),
            _ => (String::new(), "{\"method\":\"DELETE\",\"path\":\"/x/y\"}".into()),
        }
    })
}

/// C7: to where a Location said, as it would be followed; to another host, which is looked up while load is sent.
#[test]
fn a_url_may_come_from_a_response() {
    for driver in ["uring", "epoll"] {
        let server = server();
        let plan = Plan::new(&format!(
            r#"
iterations = 2
origins.s = "http://{}"
headers.X-A = "b"
auth.bearer = "t"
[[steps]]
name = "to"
url = "/to"
maxRedirects = 0
extract = {{ loc = {{ header = "Location" }}, away = {{ header = "X-Away" }} }}
[[steps]]
name = "there"
url = "{{{{ loc }}}}"
extract = {{ method = {{ json = "$.method" }}, path = {{ json = "$.path" }} }}
[[steps]]
name = "first"
url = "/list/first"
extract.next = {{ header = "X-Next" }}
[[steps]]
name = "second"
url = "{{{{ next }}}}"
[[steps]]
name = "away"
url = "{{{{ away }}}}/{{{{ vu }}}}?x"
[[steps]]
name = "method"
url = "{{{{ path }}}}#part"
method = "{{{{ method }}}}"
origin = "s"
[[steps]]
name = "moved"
url = "/moved/{{{{ vu }}}}7/old"
"#,
            server.addr
        ));
        let (code, report) = plan.run(&["--allow-invalid", "--driver", driver]);
        assert_eq!(code, Some(0), "{report}");
        let asked = server.take();
        let lines: Vec<&str> = asked.iter().map(|asked| asked.head.split(" HTTP").next().unwrap()).collect();
        let once = [
            "GET /to",
            "GET /cb?a%20b",
            "GET /list/first",
            "GET /list/second",
            "GET /away/1?x",
            "DELETE /x/y",
            "GET /moved/17/old",
        ];
        assert_eq!(lines, [once, once].concat(), "{driver}");
        assert_eq!(asked[4].fields("host"), [format!("localhost:{}", server.addr.port())]);
        assert!(asked.iter().all(|asked| asked.fields("x-a") == ["b"]));
        assert_eq!((asked[3].fields("cookie"), asked[4].fields("cookie")), (vec!["c=1"], vec![]));
        assert_eq!(report["origins"][1]["requests"], 2, "{}", report["origins"]);
    }
}

/// A relative Location goes by the path that was asked for, not by how the plan writes it.
#[test]
fn a_redirect_goes_by_the_path_that_was_sent() {
    let server = server();
    let plan = Plan::new(&format!(
        "steps.a.url = \"http://{}/moved/{{{{ random_int(7, 7) }}}}/old\"\n",
        server.addr
    ));
    let (code, _) = plan.run(&["--allow-invalid"]);
    let asked = server.take();
    let targets: Vec<&str> = asked.iter().map(|asked| asked.target()).collect();
    assert_eq!((code, targets), (Some(0), vec!["/moved/7/old", "/moved/7/new"]));
}

/// All URLs from a file: there is no other origin.
#[test]
fn a_list_of_urls_is_a_plan() {
    let server = server();
    let plan = Plan::new(
        "iterations = 4\ndata.list.file = \"list.csv\"\n\
         [steps.a]\nurl = \"{{ data.list.url }}\"\nmethod = \"{{ data.list.method }}\"\nbody = \"x\"\n",
    )
    .with(
        "list.csv",
        &format!(
            "method,url\nHEAD,http://{0}/a?b#c\nPUT,http://localhost:{1}\nGET,nonsense:\nCONNECT,http://{0}/\n",
            server.addr,
            server.addr.port()
        ),
    );
    let (code, report) = plan.run(&["--allow-invalid"]);
    assert_eq!(code, Some(0), "{report}");
    let asked = server.take();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.head.split(" HTTP").next().unwrap()).collect();
    assert_eq!(lines, ["HEAD /a?b", "PUT /"]);
    assert_eq!(count(&report, "/errors/template"), 2, "{}", report["errors"]);
}

/// Also the first request to an origin that turns up is one that a proxy can forward, and so is what follows a redirect.
#[test]
fn what_turns_up_is_put_for_the_proxy() {
    let proxy = Recorder::start(|asked| match asked.target() {
        "http://one.test/leave" => {
            ("HTTP/1.1 302 Found\r\nLocation: http://three.test/x\r\n".into(), String::new())
        }
        _ => (String::new(), "ok".into()),
    });
    let plan = Plan::new(
        "iterations = 2\ndata.list = { file = \"list.csv\", columns = [\"url\"] }\nsteps.a.url = \"{{ data.list.url }}\"\n",
    )
    .with("list.csv", "http://one.test/leave\nhttp://two.test:81/y\n");
    let (code, report) = plan.run(&["--allow-invalid", "--proxy", &format!("http://{}", proxy.addr)]);
    assert_eq!(code, Some(0), "{report}");
    let asked = proxy.take();
    let targets: Vec<&str> = asked.iter().map(|asked| asked.target()).collect();
    assert_eq!(targets, ["http://one.test/leave", "http://three.test/x", "http://two.test:81/y"]);
}

#[test]
fn a_url_that_can_never_be_called_is_refused() {
    for (text, part) in [
        ("steps.a.url = \"ftp://{{ vu }}/\"\n", "unknown scheme `ftp`"),
        ("steps.a.url = \"{{ vu }}\"\n", "no step has a URL before the run, and there are no `origins`"),
        ("[steps.a]\nurl = \"http://127.0.0.1/\"\nmethod = \"{{ env.NONE_OF_THESE }}\"\n", "NONE_OF_THESE"),
        (
            "variables.m = \"G T\"\n[steps.a]\nurl = \"http://127.0.0.1/\"\nmethod = \"{{ m }}\"\n",
            "no method that can be sent",
        ),
    ] {
        let (code, message) = Plan::new(text).refused();
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(part), "{message}");
    }
}
