//! Secrets stay out of every output: planted in each place that can hold one, they are looked for in all that the real binary
//! writes. With `--show-secrets` they are there.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::pki::head;
use common::process::free_port;
use common::rig::serve;
use common::run::squall;

/// In every planted secret, and in nothing else.
const MARK: &str = "pl4nted";
/// `user:pl4nted-basic` in base64, and what it goes out as through a proxy.
const BASIC: &str = "dXNlcjpwbDRudGVkLWJhc2lj";
const PROXY_BASIC: &str = "cHVzZXI6cGw0bnRlZC1wcm94eQ==";

/// Answers by path, and echoes: `/garbage` with what is no HTTP, `/moved` with a redirect, anything else with a status of 200,
/// cookies, and the request as it came. As a proxy it does the same for absolute targets.
fn server() -> SocketAddr {
    serve(|mut client| {
        while let Some(request) = request(&mut client) {
            let target = request.split(' ').nth(1).unwrap_or_default();
            if target.contains("/garbage") {
                let _ = client.write_all(format!("NOT HTTP token={MARK}-1 {request}").as_bytes());
                return;
            }
            let (status, location) = match target.contains("/moved") {
                true => ("302 Found", format!("Location: /echo?access_token={MARK}-2\r\n")),
                false => ("200 OK", String::new()),
            };
            let own = format!("{{\"token\":\"{MARK}-3\",\"n\":1}} Set-Cookie: a={MARK}-4; Path=/\n");
            let body = format!("{own}{request}");
            let answer = format!(
                "HTTP/1.1 {status}\r\nSet-Cookie: sid={MARK}-5; Path=/\r\n{location}Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if client.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// One request, body included.
fn request(client: &mut TcpStream) -> Option<String> {
    let head = head(client)?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}

/// All that a command has written: code, standard output, standard error, files.
struct Written {
    code: Option<i32>,
    stdout: String,
    all: String,
}

fn written(command: &mut Command, files: &[&Path]) -> Written {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut all = format!("{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    files.iter().for_each(|file| all += &String::from_utf8_lossy(&fs::read(file).unwrap()));
    Written { code: output.status.code(), stdout, all }
}

#[track_caller]
fn clean(written: &Written, what: &str) {
    for secret in [MARK, BASIC, PROXY_BASIC, "%70l4nted"] {
        let around = written.all.find(secret).map(|at| {
            let from = written.all.floor_char_boundary(at.saturating_sub(60));
            &written.all[from..written.all.floor_char_boundary(at + 60)]
        });
        assert_eq!(around, None, "{what} shows a secret");
    }
    assert!(written.all.contains("***"), "{what} says that something is hidden: {}", written.all);
}

#[test]
fn a_plain_run_shows_none() {
    let (server, directory) = (server(), tempfile::tempdir().unwrap());
    let samples = directory.path().join("samples");
    let run = |path: &str, format: &str, more: &[&str]| {
        let url = format!("http://{server}{path}?page=7&api_key={MARK}-6&next=%2F%3Ftoken%3D{MARK}-7");
        let mut command =
            squall(&[&url, "-n", "4", "-c", "1", "-t", "1", "--allow-invalid", "--format", format]);
        command.args(["-H", &format!("Authorization: Basic {BASIC}"), "-H", &format!("X-Api-Key: {MARK}-8")]);
        command.args(["-H", &format!("Cookie: lang=en; sid={MARK}-9"), "-H", "X-Page: visible"]);
        command.args(["--body", &format!("user=me&password={MARK}-10")]);
        command.arg("--samples").arg(&samples).args(more);
        written(&mut command, &[&samples])
    };
    for format in ["text", "json", "csv"] {
        for path in ["/echo", "/garbage", "/moved"] {
            clean(&run(path, format, &[]), &format!("{path} as {format}"));
        }
    }
    let report: serde_json::Value = serde_json::from_str(&run("/garbage", "json", &[]).stdout).unwrap();
    let wanted = format!("http://{server}/garbage?page=7&api_key=***&next=%2F%3Ftoken%3D***");
    assert_eq!(report["config"]["target"], wanted);
    let headers =
        ["Authorization: Basic ***", "X-Api-Key: ***", "Cookie: lang=***; sid=***", "X-Page: visible"];
    assert_eq!(report["config"]["headers"], serde_json::json!(headers));
    let excerpt = report["error_samples"][0]["excerpt"].as_str().unwrap();
    assert_eq!(excerpt, "NOT HTTP token=*** POST /garbage?page=7&api_key=***&");

    let shown = run("/garbage", "json", &["--show-secrets"]);
    for secret in ["-1", "-6", "-7", "-8", "-9"] {
        assert!(shown.all.contains(&format!("{MARK}{secret}")), "{secret} is shown: {}", shown.all);
    }
    assert!(shown.all.contains(BASIC) && !shown.all.contains("***"));
}

/// A plan with a secret in each place that has room for one.
fn plan(directory: &Path, server: SocketAddr) -> PathBuf {
    fs::write(directory.join("users.csv"), format!("name,password,tag\nann,{MARK}-20,t\n")).unwrap();
    fs::write(directory.join("body.json"), format!(r#"{{"access_token": "{MARK}-33"}} and {MARK}-33"#))
        .unwrap();
    let text = format!(
        r#"
        vus = 1
        iterations = 2
        thresholds = {{ "http_req_duration{{url:http://{server}/echo?token={MARK}-21}}" = "p(95)<9000" }}
        headers = {{ X-Session-Token = "{MARK}-22" }}
        [variables]
        password = "overridden"
        bearing = "{MARK}-23"
        [data.users]
        file = "users.csv"
        [[steps]]
        url = "http://{server}/echo?token={MARK}-21"
        headers = {{ X-Api-Key = "{{{{ env.CREDENTIAL_OF_MINE }}}}", Cookie = ["a={MARK}-24"] }}
        json = {{ user = "me", password = "{{{{ password }}}}", column = "{{{{ data.users.password }}}}" }}
        checks = ["body contains 'never there'"]
        extract.token = {{ json = "$.token", default = "{MARK}-25" }}
        [[steps]]
        name = "second of http://u:{MARK}-26@h/"
        url = "http://{server}/{{{{ bearing }}}}/echo?sig={{{{ env.CREDENTIAL_OF_MINE }}}}"
        auth.bearer = "{{{{ bearing }}}}"
        body = "client_secret={MARK}-27&x=1"
        checks = ["status==201", "json $.token == '{MARK}-34'"]
        tags = {{ team = "token={MARK}-28" }}
        [[steps]]
        url = "http://{server}/moved"
        auth.basic = {{ username = "user", password = "{MARK}-basic" }}
        multipart = [{{ name = "password", value = "{MARK}-29" }}]
        checks = ["body contains 'never there'"]
        [[steps]]
        url = "http://{server}/garbage"
        headers.Authorization = "{MARK}-30"
        [[steps]]
        url = "http://{server}/echo"
        bodyFile = "body.json"
        checks = ["body contains 'never there'"]
        "#
    );
    let path = directory.join("plan.toml");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_plan_shows_none() {
    let (server, directory) = (server(), tempfile::tempdir().unwrap());
    let path = plan(directory.path(), server);
    let samples = directory.path().join("samples");
    let run = |more: &[&str], files: &[&Path]| {
        let mut command = squall(&[path.to_str().unwrap(), "--var", &format!("password={MARK}-31")]);
        command
            .args(["-t", "1", "--allow-invalid"])
            .args(more)
            .env("CREDENTIAL_OF_MINE", format!("{MARK}-32"));
        written(&mut command, files)
    };
    let samples_too = ["--samples", samples.to_str().unwrap()];
    for format in ["text", "json", "csv"] {
        let run = run(&[&["--format", format], &samples_too[..]].concat(), &[&samples]);
        assert_eq!(run.code, Some(0), "{}", run.all);
        clean(&run, &format!("a plan as {format}"));
    }
    let dry = run(&["--dry-run=8"], &[]);
    assert_eq!(dry.code, Some(0), "{}", dry.all);
    clean(&dry, "the dry run");
    assert!(dry.all.contains("X-Api-Key: ***\r\n") && dry.all.contains("GET") | dry.all.contains("POST"));
    assert!(dry.all.contains("\"user\":\"me\"") && dry.all.contains("&x=1"), "{}", dry.all);

    let shown = run(&["--dry-run=8", "--show-secrets"], &[]).all;
    for secret in 20..=34 {
        // The default of what is extracted is not sent, and tags are not shown.
        let there = shown.contains(&format!("{MARK}-{secret}"));
        assert_eq!(there, ![25, 28].contains(&secret), "{secret}: {shown}");
    }
    assert!(shown.contains(BASIC));
    let shown = run(&[&["--format", "json", "--show-secrets"], &samples_too[..]].concat(), &[&samples]).all;
    for secret in ["-3", "-21", "-26", "-28"] {
        assert!(shown.contains(&format!("{MARK}{secret}")), "{secret}");
    }
}

#[test]
fn a_proxy_s_credentials_are_not_shown() {
    let server = server();
    let proxy = format!("http://puser:{MARK}-proxy@{server}");
    let run = |more: &[&str]| {
        let mut command =
            squall(&["http://127.0.0.1:9/echo?token=abcdefgh", "--proxy", &proxy, "--vus", "1", "-n", "1"]);
        command.args(["-t", "1", "--allow-invalid", "--check", "body contains 'never there'"]).args(more);
        written(&mut command, &[])
    };
    for more in [&["--format", "json"][..], &["--format", "text"], &["--dry-run"]] {
        clean(&run(more), &format!("{more:?} through a proxy"));
    }
    let shown = run(&["--dry-run", "--show-secrets"]).all;
    assert!(shown.contains(&format!("Proxy-Authorization: Basic {PROXY_BASIC}")), "{shown}");
}

#[test]
fn notices_and_errors_of_a_run_show_none() {
    let (port, mark) = (free_port(), MARK);
    let url = format!("http://127.0.0.1:{port}/?token={mark}-40");
    let mut command = squall(&[&url, "--vus", "1", "-d", "1s", "-t", "1", "--allow-invalid"]);
    let notice = written(&mut command, &[]);
    assert!(
        notice.all.contains("is the right target?") || notice.all.contains("right target"),
        "{}",
        notice.all
    );
    clean(&notice, "a notice");
    let plain = written(&mut squall(&[&url, "-n", "1", "-t", "1"]), &[]);
    assert_eq!(plain.code, Some(1));
    assert!(!plain.all.contains(MARK), "{}", plain.all);
}

#[test]
fn refused_command_lines_show_none() {
    let mark = MARK;
    let arguments: [&[&str]; 20] = [
        &["http://user:pl4nted@h/x y"],
        &["user:pl4nted@h/x"],
        &["h/?token=pl4nted"],
        &["http:user:pl4nted@h"],
        &["http://user:pl4nted/more@h/"],
        &["ftp://user:pl4nted@h/"],
        &["http:///?access_token=pl4nted"],
        &["http://h/", "-H", "Authorization Bearer pl4nted"],
        &["http://h/", "-H", "X-Api-Key pl4nted"],
        &["http://h/", "-H", "X Api-Key: pl4nted"],
        &["http://h/", "--proxy", "http://user:pl4nted@h:x"],
        &["http://h/", "--proxy", "user:pl4nted/2@h:1"],
        &["http://h/", "--proxy", "http://user:pw%@h/pl4nted?key=pl4nted"],
        &["http://h/", "--resolve", "token=pl4nted"],
        &["http://h/", "http://user:pl4nted@other/"],
        &["http://h/", "X-Api-Key: pl4nted"],
        &["http://h/", "--token=pl4nted"],
        &["http://h/", "-m", "token=pl4nted"],
        &["http://h/", "--check", "token='pl4nted'"],
        &["http://h/", "--threshold", "url:http://u:pl4nted@h/?token=pl4nted"],
    ];
    for line in arguments {
        let refused = written(&mut squall(line), &[]);
        assert_eq!(refused.code, Some(2), "{line:?}: {}", refused.all);
        assert!(!refused.all.contains(mark), "{line:?}: {}", refused.all);
    }
    let shown = written(&mut squall(&["http://h/", "-H", "X-Api-Key pl4nted", "--show-secrets"]), &[]);
    assert!(shown.all.contains("`X-Api-Key pl4nted` has no colon"), "{}", shown.all);
}

#[test]
fn refused_plans_show_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.toml");
    for (text, args) in [
        ("steps.a.url = \"http://user:pl4nted@h/\"", &[][..]),
        ("steps.a.url = \"http://h/ ?token=pl4nted\"", &[]),
        ("steps.a.url = \"h/?token=pl4nted\"", &[]),
        ("steps.a.url = \"http://h/\"\nauth = \"pl4nted\"", &[]),
        ("steps.a.url = \"http://h/\"\nauth.basic = \"user:pl4nted\"", &[]),
        ("steps.a.url = \"http://h/\"\nheaders = \"Authorization: Bearer pl4nted\"", &[]),
        ("steps.a.url = \"http://h/\"\nheaders = { X-Token = { a = \"pl4nted\" } }", &[]),
        ("steps.a.url = \"http://h/\"\nheaders = { X-Token = \"{{ pl4nted\" }", &[]),
        ("steps.a.url = \"http://h/\"\norigins.a = \"http://u:pl4nted@h/\"", &[]),
        ("steps.a.url = \"http://h/\"\nheaders = { X-Token = \"pl4nted", &[]),
        ("steps.a.url = \"http://h/\"", &["--var", "password:pl4nted"]),
        ("steps.a.url = \"http://h/\"", &["--var", "password pl4nted"]),
        ("steps.a.url = \"http://{{ token }}\"", &["--var", "token=pl4nted x"]),
        ("variables.token = \"pl4nted x\"\nsteps.a.url = \"http://{{ token }}/\"", &[]),
    ] {
        fs::write(&path, text).unwrap();
        let refused = written(squall(&[path.to_str().unwrap()]).args(args), &[]);
        assert_eq!(refused.code, Some(2), "{text}: {}", refused.all);
        assert!(!refused.all.contains(MARK), "{text} {args:?}: {}", refused.all);
    }
}

#[test]
fn imports_say_none() {
    for command in [
        "curl -u user:pl4nted -H 'X-Api-Key: pl4nted' -b 'sid=pl4nted' 'http://h/?code=pl4nted' -d 'password=pl4nted' -k",
        "curl http://user:pl4nted@h/?token=pl4nted",
        "curl 'http://user:pl4nted@h:x/'",
        "curl -H 'X-Api-Key pl4nted' http://h/",
        "curl -H 'Authorization Bearer pl4nted' http://h/",
        "curl --digest -u user:pl4nted http://h/",
        "curl -x http://user:pl4nted@p http://h/",
        "curl --oauth2-bearer pl4nted --nonsense http://h/",
        "curl -F 'password=pl4nted;type=' -F '=' http://h/",
        "curl 'ftp://user:pl4nted@h/'",
        "curl 'http://h/[1?token=pl4nted'",
        "curl --token=pl4nted http://h/",
        "wget http://user:pl4nted@h/",
    ] {
        let imported = written(&mut squall(&["import", "curl", command]), &[]);
        assert!(!imported.all.contains(MARK), "{command}: {}", imported.all);
        assert!(!imported.all.is_empty());
    }
}
