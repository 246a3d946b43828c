//! Plans made from curl commands and recordings: what they send, byte for byte, and what is refused.

#[path = "import/curl.rs"]
mod commands;
mod common;
#[path = "import/compared.rs"]
mod compared;
#[path = "import/har.rs"]
mod recordings;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{recorder, skip};
use proptest::prelude::*;
use squall::import::{HarOptions, ImportError, Imported, Think, curl, har};
use squall::plan::file::{Compiled, Format, Surroundings, compile};
use squall::plan::workload;
use squall::units::Nanos;

const HAR: &str = include_str!("data/shop.har");

/// Compiles the plan; every variable that it reads has its own name, with a blank behind it, as its value.
fn compiled(imported: &Imported, base_dir: &Path) -> Compiled {
    let env = imported.plan.lines().filter_map(|line| line.strip_prefix("#   ")?.split_once(':'));
    let env: BTreeMap<String, String> = env.map(|(name, _)| (name.into(), format!("{name} &"))).collect();
    let around = Surroundings { env, variables: BTreeMap::new(), base_dir, seed: 1, seed_wins: false };
    let plan = compile("plan.toml", &imported.plan, Format::Toml, &around);
    plan.unwrap_or_else(|error| panic!("{error}\n{}", imported.plan))
}

fn requests(plan: &Compiled) -> Vec<String> {
    let bytes = plan.workload.steps.iter().map(|step| step.request.constant().expect("no slots").to_vec());
    let own = concat!("User-Agent: squall/", env!("CARGO_PKG_VERSION"), "\r\n"); // curl names itself, too
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).replace(own, "")).collect()
}

/// What a command comes to.
fn sent(command: &str) -> Vec<String> {
    let imported = curl(command).unwrap_or_else(|error| panic!("{command}: {error}"));
    requests(&compiled(&imported, Path::new("tests/data")))
}

#[test]
fn curl_commands_become_the_requests_that_curl_sends() {
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
    let form = |method: &str, target: &str, body: &str| {
        format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{FORM}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let plain = |first: &str, more: &str| format!("{first} HTTP/1.1\r\nHost: h\r\n{more}\r\n");
    for (command, wanted) in [
        ("curl http://h", plain("GET /", "")),
        ("$ curl -s h/a?b=1#c", plain("GET /a?b=1", "")),
        ("/usr/bin/curl --url 'http://h/ü x'", plain("GET /%c3%bc%20x", "")),
        ("curl -I http://h/", plain("HEAD /", "")),
        ("curl -XDELETE http://h/", plain("DELETE /", "")),
        ("curl -sSLX OPTIONS http://h/", plain("OPTIONS /", "")),
        ("curl -H 'A: b' -H 'c:d' -H 'E;' -H 'Accept:' http://h", plain("GET /", "A: b\r\nc: d\r\nE:\r\n")),
        (
            "curl -A me -e 'http://r/;auto' http://h",
            plain("GET /", "User-Agent: me\r\nReferer: http://r/\r\n"),
        ),
        ("curl -u 'ada:p w' http://h", plain("GET /", "Authorization: AUTHORIZATION &\r\n")),
        ("curl http://ada:p@h/", plain("GET /", "Authorization: AUTHORIZATION &\r\n")),
        ("curl --oauth2-bearer t http://h", plain("GET /", "Authorization: AUTHORIZATION &\r\n")),
        ("curl -b 'a=1; b=2' http://h", plain("GET /", "Cookie: COOKIE &\r\n")),
        ("curl 'http://h/?api_key=x&b=1'", plain("GET /?api_key=API_KEY%20%26&b=1", "")),
        ("curl -g 'http://h/{{a}}' -H 'X: {{b}} \\{{'", plain("GET /{{a}}", "X: {{b}} \\{{\r\n")),
        ("curl -d a=1 -d b=2 http://h", form("POST", "/", "a=1&b=2")),
        ("curl -d 'user=u&password=x' http://h", form("POST", "/", "user=u&password=PASSWORD%20%26")),
        ("curl --data-raw '@x' http://h -X PUT", form("PUT", "/", "@x")),
        (r"curl --data-raw $'it\'s \u0021\n{{' http://h", form("POST", "/", "it's !\n{{")),
        (
            "curl --data-urlencode 'a=b c&d' --data-urlencode '=ü' http://h",
            form("POST", "/", "a=b+c%26d&%C3%BC"),
        ),
        ("curl -G -d a=1 --data-urlencode 'q=x y' 'http://h/s?z=0'", plain("GET /s?z=0&a=1&q=x+y", "")),
        ("curl -G -d a=1 http://h", plain("GET /?a=1", "")),
        ("curl --url-query 'a=b c' --url-query +d%20 http://h", plain("GET /?a=b+c&d%20", "")),
        ("curl -d '{\"token\":\"a=b\"}' http://h", form("POST", "/", "{\"token\":\"a=b\"}")),
        (
            "curl -d '' -X POST http://h -k -o /dev/null -w '%{http_code}' --no-keepalive-time 2>x",
            String::new(),
        ),
    ] {
        if wanted.is_empty() {
            assert!(curl(command).is_err(), "{command}");
            continue;
        }
        assert_eq!(sent(command), [wanted], "{command}");
    }
    let json = sent("curl --json '{\"a\":1}' http://h");
    assert!(json[0].starts_with("POST / HTTP/1.1\r\n") && json[0].ends_with("\r\n\r\n{\"a\":1}"), "{json:?}");
    assert!(json[0].contains("Content-Type: application/json\r\nAccept: application/json\r\n"), "{json:?}");
    assert_eq!(sent("curl -H 'Host: v' http://h"), ["GET / HTTP/1.1\r\nHost: v\r\n\r\n"]);
    let file = sent(
        "curl --data-binary @tiny.bin -H 'Content-Type: a/b' http://h"
            .replace("tiny.bin", "shop.har")
            .as_str(),
    );
    assert!(file[0].contains("\"version\": \"1.2\"") && file[0].contains("Content-Type: a/b"));
}

#[test]
fn a_browsers_copy_of_all_requests_becomes_steps() {
    let command = "curl 'http://a.test/x' \\\n  -H 'accept: */*' \\\n  --compressed ;\ncurl 'http://b.test:81/y' \\\n  \
                   -X 'POST' \\\n  -H 'content-type: application/json' \\\n  --data-raw $'{\"a\":\"\\u0021\"}' \\\n  --insecure &\n\
                   curl -L --max-redirs 3 -m 2.5 'http://a.test/x'";
    let imported = curl(command).unwrap();
    let plan = compiled(&imported, Path::new("."));
    let names: Vec<&str> = plan.workload.steps.iter().map(|step| &*step.name).collect();
    assert_eq!(names, ["GET /x", "POST /y", "GET /x #2"]);
    assert_eq!(plan.workload.origins.len(), 2);
    assert_eq!(plan.workload.steps.iter().map(|s| s.redirects_max).collect::<Vec<_>>(), [0, 0, 3]);
    assert_eq!(plan.workload.steps[2].timeout, Nanos::from_millis(2_500));
    assert!(requests(&plan)[1].ends_with("{\"a\":\"!\"}"));
    assert_eq!(imported.warnings.len(), 2, "{:?}", imported.warnings);
    assert_eq!(imported.warnings[0], "left out, as no plan has it: --insecure");
    assert!(imported.warnings[1].starts_with("Accept-Encoding is kept"));
}

#[test]
fn commands_that_cannot_be_imported_are_refused_by_name() {
    for (command, wanted) in [
        ("", "is empty"),
        ("wget http://h", "begins with `wget`"),
        ("curl http://h/?a=1&b=2", "command 2: begins with `b=2`"),
        ("curl", "has no URL"),
        ("curl -X", "`-X` is the last word"),
        ("curl --header", "`--header` is the last word"),
        ("curl ftp://h", "unknown scheme `ftp`"),
        ("curl 'http://h:99999'", "`99999` is not a port"),
        ("curl --digest -u a:b http://h", "`--digest` cannot be imported"),
        ("curl -x http://p http://h", "`-x` cannot be imported"),
        ("curl --cert c http://h", "`--cert` cannot be imported"),
        ("curl -d @f http://h", "--data-binary @f"),
        ("curl --data-binary @f -d x http://h", "two bodies, from `--data-binary` and `-d`: keep one"),
        ("curl -d x --data-binary @f http://h", "two bodies, from `-d` and `--data-binary`: keep one"),
        ("curl -F a=b -d x http://h", "two bodies, from `-F` and `-d`: keep one"),
        ("curl -T f -F a=b http://h", "two bodies, from `-T` and `-F`: keep one"),
        ("curl --data-binary @- http://h", "standard input"),
        ("curl --data-urlencode a@f http://h", "reads a file"),
        ("curl --get --data-binary @f http://h", "`--data-binary` cannot put a file into the URL"),
        ("curl --head --json 1 http://h", "asks for HEAD, and has a body from `--json`"),
        ("curl --user ada http://h", "`--user ada` has no password"),
        ("curl --header x http://h", "`--header x` is no header"),
        ("curl --form a http://h", "`--form a` is no part of a form: write NAME=VALUE"),
        (
            "curl -F a=b -H 'Content-Type: text/plain' http://h",
            "the Content-Type `text/plain`: leave that out",
        ),
        ("curl -T - http://h", "`-T -` reads the standard input"),
        ("curl -T '{a,b}' http://h", "`-T {a,b}` may stand for several files"),
        ("curl 'http://h/{a'", "the URL `http://h/{a`: `{a` has no `}` (-g takes it as it is)"),
        ("curl 'http://h/[1-99999]'", "`[1-99999]` stands for more than 10000 requests: narrow it"),
        ("curl 'http://h/[1-9999]' h h", "has more requests than a plan may have"),
        ("curl --dat x http://h", "`--dat` may be --data, --data-ascii, "),
        (
            "curl http://h \\\n-X GET\n-d x",
            "command 2: begins with `-d`, not with `curl`: where a command goes on, end the line",
        ),
        ("curl -H $'a: \\xff' http://h", "`-H` has bytes that are not UTF-8: only a body may have such"),
        ("curl $'http://h/\\xff'", "the URL has bytes that are not UTF-8"),
        ("curl -T a -T b http://h", "has more files from `-T` than URLs"),
        ("curl --request-target '*' http://h", "a plan's requests have paths"),
        ("curl -b jar.txt http://h", "`-b jar.txt` is a file of cookies"),
        ("curl -u ada http://h", "no password"),
        ("curl -H nonsense http://h", "`-H nonsense` is no header"),
        ("curl -H 'a b: c' http://h", "`a b` is no name of a header"),
        ("curl -H $'a: b\\nc' http://h", "line break"),
        ("curl -X 'G T' http://h", "`G T` is no method"),
        ("curl --frobnicate http://h", "`--frobnicate` is no option"),
        ("curl -ü http://h", "`-ü` is no option"),
        ("curl -m soon http://h", "`-m soon`"),
        ("curl --max-redirs x http://h", "whole number"),
    ] {
        let error = curl(command).expect_err(command).to_string();
        assert!(error.contains(wanted), "{command}: {error}");
    }
    let error = curl(&" ".repeat(5 << 20)).unwrap_err();
    assert!(error.what.contains("longer"));
}

/// In milliseconds.
fn pause(think: workload::Think) -> u64 {
    match think {
        workload::Think::None => 0,
        workload::Think::Fixed(span) | workload::Think::Between(_, span) => span.0 / 1_000_000,
    }
}

fn shop(options: &HarOptions) -> Imported {
    har("shop.har", HAR.as_bytes(), options).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_recording_becomes_a_plan() {
    let imported = shop(&HarOptions { no_static: true, ..HarOptions::default() });
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(imported.files, [("body-1.bin".to_owned(), b"\x08\xff\xff\xff\x0f\x12\x01\x00".to_vec())]);
    fs::write(directory.path().join("body-1.bin"), &imported.files[0].1).unwrap();
    let plan = compiled(&imported, directory.path());
    let origins: Vec<&str> = plan.workload.origins.iter().map(|origin| origin.name.as_str()).collect();
    assert_eq!(origins, ["shop-test", "api-shop-test-8081"]);
    let steps: Vec<(&str, u64)> = plan.workload.steps.iter().map(|s| (&*s.name, pause(s.think))).collect();
    // Between a response's end and the next request: only what is a person's.
    assert_eq!(
        steps,
        [
            ("GET /", 5_000),
            ("POST /login", 0),
            ("GET /account", 1_000),
            ("PUT /v1/items/7", 15),
            ("POST /v1/events", 0),
            ("GET /account #2", 0),
        ]
    );
    let sent = requests(&plan);
    assert_eq!(
        sent[0],
        "GET /?utm=a%20b HTTP/1.1\r\nHost: shop.test\r\naccept: text/html,*/*;q=0.8\r\n\
         accept-encoding: gzip, deflate, br\r\ncookie: COOKIE &\r\n\
         user-agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\r\n"
    );
    assert!(
        sent[1].contains("\r\nCookie: COOKIE &\r\nReferer: http://shop.test/?token=TOKEN%20%26\r\n"),
        "{}",
        sent[1]
    );
    assert!(sent[1].ends_with("\r\n\r\nuser=ada%20%26%20co&password=PASSWORD%20%26"), "{}", sent[1]);
    assert!(!sent[2].contains("Cookie"), "users get this one from the target: {}", sent[2]);
    assert!(sent[3].starts_with(
        "PUT /v1/items/7?api_key=API_KEY%20%26&lang=en HTTP/1.1\r\nHost: api.shop.test:8081\r\n"
    ));
    assert!(
        sent[3].contains("authorization: AUTHORIZATION &\r\n")
            && sent[3].contains("x-multi: a\r\nx-multi: b\r\n")
    );
    let body = "\r\n\r\n{\n  \"note\": \"{{ not a slot }} \\\\{{\",\n  \"a\": \"token=1&key=2\"\n}\r\n";
    assert!(sent[3].ends_with(body), "{}", sent[3]);
    assert!(plan.workload.steps[3].expected.contains(404) && !plan.workload.steps[3].expected.contains(200));
    assert!(plan.workload.steps.iter().all(|step| step.redirects_max == 0), "each hop was recorded");
    for secret in ["abc123", "dark", "eyJhbGciOi", "t-1", "p%20w", "k%2F1"] {
        assert!(!imported.plan.contains(secret), "{secret}: {}", imported.plan);
        assert!(!imported.warnings.iter().any(|w| w.contains(secret)), "{secret}: {:?}", imported.warnings);
    }
    let left_out: Vec<&String> = imported.warnings.iter().filter(|w| w.contains("left out")).collect();
    assert_eq!(left_out.len(), 4, "{left_out:?}"); // no response, data:, ws:, static
    assert_eq!(left_out[3], "shop.har: entries 2, 3: left out, as --no-static asks");
}

#[test]
fn a_recording_can_be_narrowed() {
    let all = shop(&HarOptions { think: Think::Drop, ..HarOptions::default() });
    assert_eq!(all.plan.matches("[[steps]]").count(), 8);
    assert!(!all.plan.contains("think"));
    for (host, steps) in
        [("shop.test", 4), ("api.shop.test:8081", 2), ("API.shop.test", 2), ("cdn.test:80", 2)]
    {
        let some = shop(&HarOptions { only_hosts: vec![host.into()], ..HarOptions::default() });
        assert_eq!(some.plan.matches("[[steps]]").count(), steps, "{host}");
    }
    let none =
        har("x", HAR.as_bytes(), &HarOptions { only_hosts: vec!["no.test".into()], ..HarOptions::default() });
    assert!(none.unwrap_err().what.contains("none of its 11 entries"));
}

#[test]
fn broken_recordings_are_refused_with_their_place() {
    let entry = |request: &str| {
        format!(r#"{{"log":{{"entries":[{{"request":{request},"response":{{"status":200}}}}]}}}}"#)
    };
    let refused = |text: &str| -> ImportError {
        har("x.har", text.as_bytes(), &HarOptions::default()).expect_err(text)
    };
    for (text, wanted) in [
        (String::new(), "x.har:1:0: this is no HAR"),
        ("{\n  \"log\": [1]\n}".into(), "x.har:2:"),
        ("{\"log\":{}}".into(), "missing field `entries`"),
        ("{\"log\":{\"entries\":[]}}".into(), "none of its 0 entries"),
        (
            entry(r#"{"method":"GET","url":"http://h:x/?token=t"}"#),
            "entry 1 (GET http://h:x/): `x` is not a port",
        ),
        (entry(r#"{"method":"G T","url":"http://h/"}"#), "`G T` is no method"),
        (
            entry(r#"{"method":"PUT","url":"http://h/","postData":{"encoding":"base64","text":"%"}}"#),
            "entry 1 (PUT http://h/): the base64",
        ),
    ] {
        let error = refused(&text).to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
    let marked = format!("\u{feff}{}", entry(r#"{"method":"GET","url":"http://h/"}"#));
    assert!(har("x.har", marked.as_bytes(), &HarOptions::default()).is_ok(), "a byte order mark is allowed");
}

fn squall(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.args(args).stdin(Stdio::null()).env("AUTHORIZATION", "Bearer t").output().unwrap()
}

#[test]
fn the_command_writes_files_and_chooses_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/shop.har");

    let output = squall(&[
        "import",
        "curl",
        "curl http://127.0.0.1:9/a -H 'Authorization: Bearer geheim'",
        "-o",
        &path("a.toml"),
    ]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("set AUTHORIZATION"));
    let output = squall(&["run", &path("a.toml"), "--dry-run"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("GET /a HTTP/1.1"), "{text}");

    let output = squall(&["import", "har", recording]);
    assert_eq!(output.status.code(), Some(2), "a body needs a file, and there is no place for it");
    let output =
        squall(&["import", "har", recording, "-o", &path("b.toml"), "--no-static", "--think", "drop"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read(path("body-1.bin")).unwrap().len(), 8);
    let output = squall(&["import", "har", recording, "--only-host", "shop.test"]);
    assert!(output.status.success() && output.stdout.starts_with(b"# Made by"));

    for args in [
        &["import", "curl", "wget x"][..],
        &["import", "har", "/nonexistent.har"],
        &["import", "har", file!()],
    ] {
        let output = squall(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
        assert!(output.stderr.starts_with(b"squall: "), "{args:?}");
    }
}

proptest! {
    #[test]
    fn any_command_is_refused_or_becomes_a_plan(words in prop::collection::vec(
        prop_oneof![
            "[-a-zA-Z:@=/.{}&?ü%# ;<\\[\\]\\\\\"]{0,12}",
            prop::sample::select(vec![
                "-d", "-H", "-X", "--json", "-G", "-u", "-b", "http://h/", "-sSLd", "--", "a: b", "-F", "a=b;type=c/d", "a=@f", "-T",
                "--next", "-g", "h/{a,b}", "[1-3]", "--url-query", "--request-target", "/", "-r", "--data-urlencode",
                "Cookie: token=1", "Host: h", "Content-Type: multipart/form-data; boundary={{",
            ]).prop_map(str::to_owned),
        ], 0..8,
    )) {
        let quoted: String = words.iter().map(|word| format!(" '{word}'")).collect();
        if let Ok(imported) = curl(&format!("curl{quoted} http://h/")) {
            let env = imported.plan.lines().filter_map(|line| line.strip_prefix("#   ")?.split_once(':'));
            let env = env.map(|(name, _)| (name.into(), "x".into())).collect();
            let base_dir = Path::new("/nowhere");
            let around = Surroundings { env, variables: BTreeMap::new(), base_dir, seed: 1, seed_wins: false };
            if let Err(error) = compile("plan.toml", &imported.plan, Format::Toml, &around) {
                let only_files = error.problems.iter().all(|problem| problem.message.contains("cannot read"));
                prop_assert!(only_files, "{quoted}\n{error}\n{}", imported.plan);
            }
        }
    }

    #[test]
    fn any_body_and_header_arrive_as_they_were(
        body in "[a-z{}\\\\&=\"'\r\n\tü\u{1}$]{1,30}",
        header in "[!-~][ -~]{0,20}[!-~]",
    ) {
        let quote = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let command = format!(
            "curl http://h/ -H 'Content-Type: a/b' -H {} --data-raw {}", quote(&format!("X: {header}")), quote(&body)
        );
        let sent = sent(&command);
        let head = format!("\r\nX: {header}\r\n");
        prop_assert!(sent[0].contains(&head), "{}", sent[0]);
        prop_assert!(sent[0].ends_with(&format!("\r\n\r\n{body}")), "{:?}\n{}", sent[0], body);
    }

    #[test]
    fn no_recording_makes_it_panic(
        url in "(http://|https://|)[a-z:@/?#&={}\\[\\]ü]{0,20}",
        method in "[A-Z ]{0,4}",
        at in "[0-9TZ:+.-]{0,30}",
        text in any::<String>(),
        cut in 0..400usize,
    ) {
        let value = serde_json::json!({"log": {"entries": [{
            "startedDateTime": at, "time": 1.5,
            "request": {"method": method, "url": url, "headers": [{"name": "cookie", "value": text}],
                        "postData": {"mimeType": "application/x-www-form-urlencoded", "text": text}},
            "response": {"status": 200},
        }]}});
        let bytes = serde_json::to_vec(&value).unwrap();
        let _ = har("x", &bytes, &HarOptions::default());
        let _ = har("x", &bytes[..cut.min(bytes.len())], &HarOptions::default());
    }
}
