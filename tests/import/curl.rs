//! What an imported curl command sends, held against what curl itself sends.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use squall::import::curl;
use squall::rng::Rng;

use super::compared::compared;
use super::recorder::{Asked, Recorder};
use super::skip::or_skip;

/// `URL` stands for the server's.
const CASES: &str = include_str!("../data/curl.txt");

/// Carries out a command and the plan that it is imported as; what differs.
fn difference(recorder: &Recorder, directory: &Path, command: &str) -> Option<String> {
    let command = command.replace("URL", &format!("http://{}", recorder.addr));
    let output = Command::new("bash")
        .args(["-c", &format!("curl() {{ command curl -sS \"$@\"; }}\n{command}")])
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let wanted = recorder.take();
    if !output.status.success() || wanted.is_empty() {
        return Some(format!("{command}\ncurl sends nothing: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let run = |args: &[&str], env: BTreeMap<String, String>| -> Output {
        let mut squall = Command::new(env!("CARGO_BIN_EXE_squall"));
        squall.args(args).current_dir(directory).envs(env).stdin(Stdio::null()).output().unwrap()
    };
    // Bodies have the same name each time, and are not written over.
    let _ = fs::remove_file(directory.join("body-1.bin"));
    let imported = run(&["import", "curl", &command, "-o", "plan.toml"], BTreeMap::new());
    if !imported.status.success() {
        return Some(format!("{command}\n{}", String::from_utf8_lossy(&imported.stderr)));
    }
    let plan = fs::read_to_string(directory.join("plan.toml")).unwrap();
    let ran = run(&["run", "plan.toml", "--allow-invalid"], secrets(&plan, &wanted));
    if !ran.status.success() {
        return Some(format!("{command}\n{plan}\n{}", String::from_utf8_lossy(&ran.stderr)));
    }
    let texts = |sent: Vec<Asked>| sent.iter().map(compared).collect::<Vec<_>>().join("\n---\n");
    let (wanted, found) = (texts(wanted), texts(recorder.take()));
    (wanted != found).then(|| format!("{command}\n=== curl\n{wanted}\n=== squall\n{found}"))
}

/// Values for the variables of a plan, from the requests they were taken from.
fn secrets(plan: &str, sent: &[Asked]) -> BTreeMap<String, String> {
    let variables = plan.lines().filter_map(|line| line.strip_prefix("#   ")?.split_once(": `"));
    variables.map(|(variable, what)| (variable.to_owned(), secret(variable, what, sent))).collect()
}

/// `what` is the name of a field or parameter, and what follows it; the variable has a number where there are several.
fn secret(variable: &str, what: &str, sent: &[Asked]) -> String {
    let number = variable.rsplit_once('_').and_then(|(_, number)| number.parse::<usize>().ok()).unwrap_or(1);
    let name = what.split('`').next().unwrap();
    for request in sent {
        let Asked { head, body } = request;
        let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let fields = fields.by_ref().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        if let Some((_, value)) = fields.take(number).last() {
            return value.trim().to_owned();
        }
        if let Some(part) = body.split(&format!("name=\"{name}\"\r\n\r\n")).nth(1) {
            return part.split("\r\n--").next().unwrap().to_owned();
        }
        let all = format!("&{body}&{}", head.replace([' ', '\r', '\n', '?', '#'], "&"));
        if let Some(rest) = all.split(&format!("&{name}=")).nth(1) {
            let value = rest.split('&').next().unwrap();
            return if what.contains("not percent-encoded") {
                value.replace("%20", " ")
            } else {
                value.to_owned()
            };
        }
    }
    panic!("{what} is in no request: {sent:?}");
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("f.txt", &b"one\r\ntwo\n"[..]),
        ("p.png", b"\x89PNG\0\xff"),
        ("b.bin", b"\0\xff\r\n"),
        ("x.html", b"<b>"),
    ] {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

fn all_alike(commands: &[String]) {
    if or_skip(Command::new("curl").arg("--version").output()).is_none()
        || or_skip(Command::new("bash").arg("--version").output()).is_none()
    {
        return;
    }
    let (recorder, directory) = (Recorder::start(|_| (String::new(), String::new())), directory());
    let different: Vec<String> =
        commands.iter().filter_map(|command| difference(&recorder, directory.path(), command)).collect();
    assert!(different.is_empty(), "{} of {}:\n\n{}", different.len(), commands.len(), different.join("\n\n"));
}

#[test]
fn curl_commands_send_what_curl_sends() {
    let lines = CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    all_alike(&lines.map(str::to_owned).collect::<Vec<_>>());
}

#[test]
fn random_commands_send_what_curl_sends() {
    // Others than those of every day: SEED=… cargo test --test import random
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut draw = Draw(Rng::new(seed));
    all_alike(&(0..50).map(|_| draw.command()).collect::<Vec<_>>());
}

struct Draw(Rng);

impl Draw {
    fn below(&mut self, most: usize) -> usize {
        self.0.below(most as u64) as usize
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// One in so many times.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn command(&mut self) -> String {
        let mut words: Vec<Vec<String>> = Vec::new();
        let body = self.below(7);
        let is_form = body == 2;
        self.body(body, &mut words);
        if body > 4 && self.one_in(3) {
            words.push(vec![self.of(&["-I", "--head"]).into()]);
        } else if self.one_in(3) {
            let method = self.of(&["PUT", "DELETE", "PATCH", "GET", "POST", "OPTIONS", "purge"]);
            words.push(vec![self.of(&["-X", "--request"]).into(), method.into()]);
        }
        for _ in 0..self.below(4) {
            let header = self.of(HEADERS);
            let of_form = header.starts_with("Content-Type: multipart");
            if is_form == of_form || !header.to_ascii_lowercase().starts_with("content-type") {
                words.push(vec![self.of(&["-H", "--header"]).into(), header.into()]);
            }
        }
        for _ in 0..self.below(4) {
            let option = self.of(OPTIONS);
            words.push(option.splitn(2, ' ').map(str::to_owned).collect());
        }
        for _ in 0..1 + usize::from(self.one_in(6)) {
            let path = self.of(&[
                "",
                "/",
                "/a/b",
                "/a/./b/../c",
                "/..",
                "/a%2Fb%20",
                "/ü",
                "//x//../y",
                "/{x,y}z",
                "/[8-10]",
                "/a\\[b",
            ]);
            let query = self.of(&[
                "",
                "",
                "?",
                "?q=1&r",
                "?token=s%203",
                "?a=b%2F%2f&c=+",
                "?x=\\{\"y\":1\\}",
                "?../z",
                "#f",
            ]);
            let mut url = vec![format!("URL{path}{query}")];
            if self.one_in(4) {
                url.insert(0, "--url".into());
            }
            words.push(url);
        }
        for at in (1..words.len()).rev() {
            // Parts of a body keep their order, which is the body's.
            if words[at - 1][0].starts_with("--url") || self.one_in(2) && !is_of_body(&words[at]) {
                words.swap(at, at - 1);
            }
        }
        let quoted: Vec<String> = words.concat().iter().map(|word| self.quoted(word)).collect();
        format!("curl {}", quoted.join(self.of(&[" ", "  ", " \\\n  "])))
    }

    fn body(&mut self, kind: usize, words: &mut Vec<Vec<String>>) {
        match kind {
            0 | 1 => {
                if self.one_in(3) {
                    words.push(vec![self.of(&["-G", "--get"]).into()]);
                }
                for _ in 0..1 + self.below(3) {
                    let option = self.of(&[
                        "-d",
                        "--data",
                        "--data-raw",
                        "--data-binary",
                        "--data-ascii",
                        "--data-urlencode",
                    ]);
                    let values: &[&str] = match option {
                        "--data-urlencode" => &["a=b c&d", "=ü/?", "x y~*", "", "q="],
                        "--data-raw" => &["@x", "a=1", "{\"t\":\"h?a=1&jwt=c\"}", ""],
                        _ => &["a=1", "b=2&password=s3", "c=%2fd", "{\"k\":[1,2]}", "", "e='\"$`\\"],
                    };
                    words.push(vec![option.into(), self.of(values).into()]);
                }
            }
            2 => {
                for _ in 0..1 + self.below(3) {
                    let part = self.of(FORMS);
                    words.push(vec![self.of(&["-F", "--form"]).into(), part.into()]);
                }
            }
            3 => {
                for _ in 0..1 + self.below(2) {
                    words.push(vec![
                        "--json".into(),
                        self.of(&["{\"a\":\"ü\"}", "[1]", "", "@f.txt"][..3]).into(),
                    ]);
                }
            }
            4 => words.push(match self.below(2) {
                0 => vec!["-T".into(), self.of(&["f.txt", "b.bin"]).into()],
                _ => vec!["--data-binary".into(), self.of(&["@f.txt", "@b.bin"]).into()],
            }),
            _ => {}
        }
    }

    /// A word as people and browsers quote it.
    fn quoted(&mut self, word: &str) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@,%".contains(&b);
        match self.below(4) {
            0 if !word.is_empty() && word.bytes().all(plain) => word.into(),
            1 => {
                let escaped =
                    word.chars().map(|c| if "\\\"$`".contains(c) { format!("\\{c}") } else { c.into() });
                format!("\"{}\"", escaped.collect::<String>())
            }
            2 => {
                let escaped = word.chars().map(|c| match c {
                    '\\' | '\'' => format!("\\{c}"),
                    '!' | '&' => format!("\\u{:04x}", u32::from(c)),
                    'ü' => "\\xc3\\xbc".into(),
                    c => c.into(),
                });
                format!("$'{}'", escaped.collect::<String>())
            }
            _ => format!("'{}'", word.replace('\'', "'\\''")),
        }
    }
}

fn is_of_body(words: &[String]) -> bool {
    ["-d", "-F", "--form", "--data", "--json"].iter().any(|option| words[0].starts_with(option))
}

const HEADERS: &[&str] = &[
    "X-A: 1",
    "X-A:2",
    "x-b;",
    "X-U:  ü \"q\" \\ $x ",
    "Accept:",
    "accept: application/json",
    "User-Agent:",
    "Content-Type: text/plain",
    "content-type:",
    "Content-Type: multipart/form-data",
    "Cookie: c=d",
    "Authorization: Bearer t",
    "Connection: keep-alive",
    "Connection: close",
    "Accept-Encoding: gzip",
    "Referer: http://r/?sid=abc",
    "Expect:",
    "Host: v.test",
    "X-Api-Key: k1",
    "TE: trailers",
];
const OPTIONS: &[&str] = &[
    "-u ada:p w",
    "--user ü:ß",
    "-b a=1; b=2",
    "--cookie c=3",
    "-A me/1",
    "-A ",
    "--user-agent you",
    "-e http://r/;auto",
    "--referer ",
    "--compressed",
    "--no-compressed",
    "--oauth2-bearer tok",
    "-sk",
    "-L",
    "--http1.1",
    "--max-time 5",
    "--path-as-is",
    "--url-query a=b c",
    "--url-query +d%2F",
];
const FORMS: &[&str] = &[
    "a=b",
    "=anonymous",
    "empty=",
    "f=@f.txt",
    "f=@b.bin;type=a/b; c=d ;filename=\"n;\\\"q.x\"",
    "p=@p.png",
    "p=<p.png",
    "t=<f.txt",
    "t=<f.txt;type=text/x",
    "w= blanks ;type=text/plain",
    "q=\"a;b\\\\\";unknown=z",
    "n\"=v;filename=x.html",
    "password=p w",
];

/// What a request comes to, without its first lines.
fn plan(command: &str) -> String {
    curl(command).unwrap_or_else(|error| panic!("{command}: {error}")).plan
}

#[test]
fn what_browsers_copy_for_cmd_is_what_they_copy_for_bash() {
    let bash = r#"curl 'http://h/a?x=1&y=%20"' \
  -X 'PUT' \
  -H 'accept: */*' \
  -H 'x-q: "a\b" 100%! ^' \
  --data-raw $'{"a":"it\'s 50%\u0021","b":"<x>\ny"}' \
  --compressed ;
curl 'http://h/b' -H 'accept: */*'"#;
    let cmd = "curl ^\"http://h/a?x=1^&y=^%^20^\\^\"^\" ^\r\n  -X ^\"PUT^\" ^\r\n  -H ^\"accept: */*^\" ^\r\n  \
               -H ^\"x-q: ^\\^\"a^\\^\\b^\\^\" 100^%^! ^^^\" ^\r\n  \
               --data-raw ^\"^{^\\^\"a^\\^\":^\\^\"it's 50^%^!^\\^\",^\\^\"b^\\^\":^\\^\"^<x^>^\r\n\r\ny^\\^\"^}^\" ^\r\n  \
               --compressed ^&\r\ncurl ^\"http://h/b^\" -H ^\"accept: */*^\"";
    assert_eq!(plan(&cmd.replace("^&\r\n", "&\r\n")), plan(bash));
    // Older ones, in quotes that cmd.exe sees.
    let older =
        "curl \"http://h/a\" ^\n  -H \"x: \\\"q\\\" $y\" ^\n  --data-raw \"{\\\"a\\\":1}\" ^\n  --compressed";
    let same = r#"curl 'http://h/a' -H 'x: "q" $y' --data-raw '{"a":1}' --compressed"#;
    assert_eq!(plan(older), plan(same));
}

#[test]
fn characters_that_browsers_write_as_two_are_one() {
    // bash writes each half on its own, which is no text; the browser had one character.
    let body =
        |command: &str| plan(command).lines().find(|line| line.starts_with("body = ")).unwrap().to_owned();
    assert_eq!(body(r"curl http://h/ --data-raw $'x\ud83d\ude00y'"), "body = \"x😀y\"");
}
