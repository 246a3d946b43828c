//! What tests leave out is said in one form, and counts as a failure where everything is required.

mod common;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::skip::{excuses, is_excused, line, skip};

const SAID: &str = "skipped: skips::leaves_something_out: a reason of several lines";

/// A test for the others, which start it.
#[test]
#[ignore = "it is for the others to run"]
fn leaves_something_out() {
    skip("a reason\n  of several lines\n");
    skip("a reason of several lines"); // said already
}

/// Runs it under the harness, whose capture is on.
fn run_it(required: &str, list: &Path) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "leaves_something_out"]);
    command.env("SQUALL_REQUIRE_ALL", required).env("SQUALL_SKIPPED", list).output().unwrap()
}

#[test]
fn a_skip_is_said_once_in_spite_of_capture_and_listed() {
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("skipped");
    fs::write(&list, "skipped: of an earlier program: it had none\n").unwrap();
    let done = run_it("0", &list);
    assert!(done.status.success(), "{done:?}");
    let told = String::from_utf8(done.stderr).unwrap();
    assert_eq!(told.matches(SAID).count(), 1, "{told}");
    let listed = fs::read_to_string(&list).unwrap();
    assert_eq!(listed, format!("skipped: of an earlier program: it had none\n{SAID}\n"));
}

#[test]
fn where_all_is_required_a_skip_fails_the_test() {
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("skipped");
    let done = run_it("1", &list);
    assert_eq!(done.status.code(), Some(101), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stdout).contains(".ci/may-skip has no such line"), "{done:?}");
    assert_eq!(fs::read_to_string(&list).unwrap(), format!("{SAID}\n"), "it is listed all the same");
}

#[test]
fn excuses_are_beginnings() {
    let excuses = excuses("# a comment\n\nmiri: not done  # slow\ntls::a: no ring # old\n");
    assert_eq!(excuses, ["miri: not done", "tls::a: no ring"]);
    assert!(is_excused(&line("miri", "not done in time"), &excuses));
    assert!(!is_excused(&line("tls::b", "no ring"), &excuses));
    assert!(!is_excused(&line("x: miri", "not done"), &excuses));
    assert!(!is_excused(&line("miri", "it found something"), &excuses));
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// All text below a directory, with its files' paths.
fn texts(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_none_or(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

#[test]
fn each_excuse_has_a_reason_and_is_for_something_that_is_still_said() {
    let file = repository(".ci/may-skip");
    let Ok(text) = fs::read_to_string(file) else {
        return skip("the package is without .ci/may-skip");
    };
    let mut sources = Vec::new();
    ["tests", "src", "scripts"].iter().for_each(|directory| texts(&repository(directory), &mut sources));
    for said in excuses(&text) {
        let line = text.lines().find(|line| line.starts_with(&said)).unwrap();
        let reason = line[said.len()..].trim().strip_prefix('#').map_or("", str::trim);
        assert!(reason.len() > 10, "why may this be skipped? {line}");
        let (_, why) = said.split_once(": ").unwrap_or_else(|| panic!("no NAME: why in {line}"));
        let is_said = sources.iter().any(|(_, source)| source.contains(why));
        assert!(is_said, "nobody says `{why}` any more: {line}");
    }
}

/// What is printed by other means is captured, or has no place in the list.
#[test]
fn nobody_says_it_in_another_way() {
    let mut sources = Vec::new();
    ["tests", "src"].iter().for_each(|directory| texts(&repository(directory), &mut sources));
    assert!(sources.len() > 100, "{} sources", sources.len());
    for (path, text) in sources {
        let wrong = text.lines().find(|line| line.contains(concat!("println!(\"", "skipped")));
        assert_eq!(wrong, None, "{}: use common::skip", path.display());
    }
}
