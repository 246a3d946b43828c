//! A script in squall, and in the real k6: what it printed, counted and checked, how it ended.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use squall::units::Nanos;

use crate::common::process::free_port;
use crate::common::run::{squall, start_command};
use crate::document::Script;

/// Which program runs a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Squall,
    K6,
}

/// What a run of a script left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What the script wrote to its console: `level text`.
    pub(crate) console: Vec<String>,
    /// `--summary-export`; null where the run did not come to it.
    pub(crate) summary: Value,
    /// Samples by metric and tags: how many, and what they come to where that is no time.
    pub(crate) points: BTreeMap<String, (u64, f64)>,
    /// The samples themselves.
    pub(crate) samples: Vec<Value>,
    /// squall's own report.
    pub(crate) report: Value,
}

/// The real k6: that of scripts/test, or of the PATH.
pub(crate) fn k6_program() -> PathBuf {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/k6");
    if venv.is_file() { venv } else { "k6".into() }
}

/// Whether it is there.
///
/// # Errors
/// Why it is not.
pub(crate) fn has_k6() -> Result<(), String> {
    let asked =
        Command::new(k6_program()).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match asked {
        Ok(status) if status.success() => Ok(()),
        _ => {
            Err("k6 does not run here (scripts/test installs it): docs/k6.md is held by squall's half alone"
                .into())
        }
    }
}

/// Runs a script against the server at `base`; `more` flags come last.
pub(crate) fn run(tool: Tool, script: &Script, base: &str, more: &[&str]) -> Ran {
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| out.path().join(name).display().to_string();
    let (summary, samples, report) = (at("summary.json"), at("samples.json"), at("report.json"));
    let rows = script.path.parent().unwrap().display().to_string();
    let port = free_port().to_string();
    let fill = |text: &str| text.replace("{DIR}", &rows).replace("{PORT}", &port).replace("{OUT}", &at(""));
    let path = script.path.display().to_string();
    let mut args = vec!["run".to_owned(), "--quiet".into(), "--summary-export".into(), summary.clone()];
    args.extend(["--out".into(), format!("json={samples}")]);
    args.extend(["-e".into(), format!("BASE={base}"), "-e".into(), format!("PORT={port}")]);
    if tool == Tool::Squall {
        args.extend(["--output".into(), report.clone(), "--allow-invalid".into()]);
    } else if !script.text.contains("--address") {
        // Its REST API, on a port of its own.
        args.extend(["--address".into(), format!("127.0.0.1:{port}")]);
    }
    let flags = script.all("flags").join(" ");
    args.extend(flags.split_whitespace().chain(more.iter().copied()).map(fill));
    args.push(path);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut command = match tool {
        Tool::Squall => squall(&args),
        Tool::K6 => {
            let mut command = Command::new(k6_program());
            command.args(&args);
            command
        }
    };
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("K6_")) {
        command.env_remove(name);
    }
    command.env("K6_NO_USAGE_REPORT", "true").env("NO_COLOR", "1").current_dir(out.path());
    for pair in script.all("env") {
        let (name, value) = pair.split_once('=').expect("env: NAME=VALUE");
        command.env(name, value);
    }
    let done = start_command(&mut command).finish_within(Nanos::from_secs(90));
    let json = |path: &str| {
        fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null)
    };
    let samples: Vec<Value> = fs::read_to_string(&samples)
        .unwrap_or_default()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    Ran {
        code: done.code,
        console: console(&done.stderr),
        points: points(&samples, base),
        summary: json(&summary),
        report: json(&report),
        stdout: done.stdout,
        stderr: done.stderr,
        samples,
    }
}

/// The lines of `console`: squall's as on a terminal, k6's as in a file.
fn console(stderr: &str) -> Vec<String> {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^(?:(INFO|WARN|ERRO)\[\d+\] (.*?)\s*|time="[^"]*" level=(info|warning|error) msg=(.*)) source=console$"#)
            .unwrap()
    });
    let mut lines = Vec::new();
    for line in stderr.lines() {
        let Some(parts) = LINE.captures(line) else { continue };
        let part = |at: usize| parts.get(at).map_or("", |part| part.as_str());
        let level = match part(1) {
            "INFO" => "info",
            "WARN" => "warning",
            "ERRO" => "error",
            _ => part(3),
        };
        let text = if parts.get(2).is_some() {
            part(2).to_owned()
        } else {
            serde_json::from_str(part(4)).unwrap_or_else(|_| part(4).to_owned())
        };
        lines.push(format!("{level} {text}"));
    }
    lines
}

/// How many bytes there were and how many users stood differs from run to run.
const NOT_COMPARED: [&str; 4] = ["data_sent", "data_received", "vus", "vus_max"];

fn is_time(metric: &str) -> bool {
    let timed = ["http_req_", "iteration_duration", "group_duration"];
    timed.iter().any(|start| metric.starts_with(start)) && metric != "http_req_failed"
}

fn points(samples: &[Value], base: &str) -> BTreeMap<String, (u64, f64)> {
    let mut found: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample["type"] == "Point") {
        let (metric, data) = (sample["metric"].as_str().unwrap(), &sample["data"]);
        if NOT_COMPARED.contains(&metric) {
            continue;
        }
        let tags = data["tags"].as_object().cloned().unwrap_or_default();
        let tags: Vec<String> =
            tags.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
        let point = found.entry(format!("{metric} {}", tags.join(" ")).replace(base, "$BASE")).or_default();
        point.0 += 1;
        point.1 += if is_time(metric) { 0.0 } else { data["value"].as_f64().unwrap() };
    }
    found
}

/// The checks of a summary by their paths: how many passed and failed.
pub(crate) fn checks(summary: &Value) -> BTreeMap<String, (u64, u64)> {
    fn walk(group: &Value, path: &str, found: &mut BTreeMap<String, (u64, u64)>) {
        let of = |name: &str| group[name].as_object().cloned().unwrap_or_default();
        for (name, check) in of("checks") {
            let count = |what: &str| check[what].as_u64().unwrap();
            found.insert(format!("{path}::{name}"), (count("passes"), count("fails")));
        }
        of("groups").iter().for_each(|(name, inner)| walk(inner, &format!("{path}::{name}"), found));
    }
    let mut found = BTreeMap::new();
    walk(&summary["root_group"], "", &mut found);
    found
}

/// The metrics of a summary: of each what does not differ from run to run.
fn metrics(summary: &Value) -> BTreeMap<String, Value> {
    let all = summary["metrics"].as_object().cloned().unwrap_or_default();
    let compared = all.into_iter().filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()));
    let kept = compared.map(|(name, mut values)| {
        if let Value::Object(values) = &mut values {
            values.remove("rate");
            // Percentiles have a row of their own.
            values.retain(|name, _| name != "med" && !name.starts_with("p("));
            if is_time(&name) {
                values.values_mut().filter(|value| value.is_number()).for_each(|value| *value = Value::Null);
            }
        }
        (name, values)
    });
    kept.collect()
}

/// A summary's text without its numbers and its blanks.
fn skeleton(stdout: &str) -> Vec<String> {
    static NUMBER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d[\d.]*(e-?\d+)?(ns|µs|ms|m|s|h| [kMG]?B|%)?(/s)?").unwrap());
    let plain = |line: &str| {
        let line = NUMBER.replace_all(line, "#");
        line.replace("##", "#").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let lines = stdout.lines().map(plain);
    // Users are sampled once a second, so that a run of less may have none of them.
    lines.filter(|line| !line.is_empty() && !line.starts_with("vus")).collect()
}

/// In what the two differ.
pub(crate) fn differences(script: &Script, ours: &Ran, theirs: &Ran) -> Vec<String> {
    let mut found = Vec::new();
    let mut same = |what: &str, ours: Vec<String>, theirs: Vec<String>| {
        if ours != theirs {
            found.push(format!("{}: {what}:\n{}", script.name(), apart(&ours, &theirs)));
        }
    };
    let code = |ran: &Ran| vec![format!("{:?}", ran.code)];
    same("exit code", code(ours), code(theirs));
    same("console", sorted(&ours.console), sorted(&theirs.console));
    if script.one("counts") != Some("no") {
        same("checks", lines(&checks(&ours.summary)), lines(&checks(&theirs.summary)));
        same("metrics", lines(&metrics(&ours.summary)), lines(&metrics(&theirs.summary)));
        same("samples", lines(&ours.points), lines(&theirs.points));
        same("standard output", skeleton(&ours.stdout), skeleton(&theirs.stdout));
    }
    found
}

fn lines(map: &BTreeMap<String, impl std::fmt::Debug>) -> Vec<String> {
    map.iter().map(|(name, value)| format!("{name}: {value:?}")).collect()
}

/// Users write in any order.
pub(crate) fn sorted(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.sort();
    lines
}

/// The lines that one of the two has more often.
fn apart(ours: &[String], theirs: &[String]) -> String {
    let mut left = theirs.to_vec();
    let only: Vec<&String> = ours.iter().filter(|line| take(&mut left, line).is_none()).collect();
    let shown = only.into_iter().map(|line| format!("  squall: {line}\n"));
    shown.chain(left.iter().map(|line| format!("  k6: {line}\n"))).collect()
}

fn take(from: &mut Vec<String>, line: &str) -> Option<String> {
    let at = from.iter().position(|other| other == line)?;
    Some(from.remove(at))
}
