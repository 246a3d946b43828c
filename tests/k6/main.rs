//! docs/k6.md, row by row: each is held by a script of `tests/k6/rows` or by a test of `special`, in squall and in the real k6.
//!
//! A script says in its first lines which rows it holds, and what comes of it:
//!
//! | line | meaning |
//! |---|---|
//! | `// row: NAME` | the row: its first cell without backticks; several |
//! | `// flags: …`, `// env: NAME=VALUE` | what both are started with; `{DIR}` is that of the scripts, `{PORT}` a free port |
//! | `// exit: N` | the exit code, 0 unless said; of squall alone where the row is about what is refused |
//! | `// both: …`, `// squall: …`, `// k6: …` | lines of the console where they differ: all there are |
//! | `// report: POINTER VALUE` | what stands in squall's own report |
//! | `// says: …` | where it is refused: what stands in the message; several |
//! | `// sends: yes` | where it is refused: there are requests before that |
//! | `// counts: no` | how often something was done depends on the time: not compared |

#[path = "../common/mod.rs"]
mod common;
mod document;
mod server;
mod special;
mod tool;

use std::sync::LazyLock;

use common::parallel::judge_all;
use common::run::together;
use common::skip::skip;
use document::{Row, Script, Section};
use tool::{Ran, Tool, checks, differences, has_k6, run, sorted};

static BASE: LazyLock<String> = LazyLock::new(server::start);

/// The scripts of one sort of rows, with the real k6 beside where it is there.
fn each(section: Section, judge: impl Fn(&Script, &Ran, Option<&Ran>) -> Vec<String> + Sync) {
    let _together = together();
    let with_k6 = section != Section::Refused && has_k6().map_err(skip).is_ok();
    let rows = document::rows();
    let of = |script: &Script| {
        let held = script.all("row");
        rows.iter().any(|row| row.section == section && held.contains(&row.name.as_str()))
    };
    let scripts: Vec<Script> = document::scripts().into_iter().filter(of).collect();
    judge_all(&scripts, |script| {
        let ours = run(Tool::Squall, script, &BASE, &[]);
        let theirs = with_k6.then(|| run(Tool::K6, script, &BASE, &[]));
        let wrong = judge(script, &ours, theirs.as_ref());
        if wrong.is_empty() {
            wrong
        } else {
            [wrong, vec![format!("{}\n{}", script.name(), ours.stderr)]].concat()
        }
    });
}

#[test]
fn what_is_there_is_as_in_k6() {
    each(Section::There, |script, ours, theirs| {
        let mut wrong = Vec::new();
        if ours.code != Some(script.exit()) {
            wrong.push(format!("{}: exit code {:?}", script.name(), ours.code));
        }
        let failed = checks(&ours.summary).into_iter().filter(|(_, (_, fails))| *fails > 0);
        wrong.extend(failed.map(|(name, _)| format!("{}: check {name} failed", script.name())));
        wrong.extend(theirs.into_iter().flat_map(|theirs| differences(script, ours, theirs)));
        wrong
    });
}

#[test]
fn what_differs_differs_as_said() {
    each(Section::Differs, |script, ours, theirs| {
        let mut wrong = Vec::new();
        for (own, ran) in [("squall", Some(ours)), ("k6", theirs)] {
            let Some(ran) = ran else { continue };
            let said = [script.all("both"), script.all(own)].concat();
            let said: Vec<String> = said.into_iter().map(|line| format!("info {line}")).collect();
            if ran.code != Some(script.exit()) || sorted(&ran.console) != sorted(&said) {
                let console = sorted(&ran.console);
                wrong.push(format!("{}: {own}: {:?}, {console:#?}\n{}", script.name(), ran.code, ran.stderr));
            }
        }
        for said in script.all("report") {
            let (pointer, value) = said.split_once(' ').expect("report: POINTER VALUE");
            let found = ours.report.pointer(pointer).map(ToString::to_string);
            if found.as_deref() != Some(value) {
                wrong.push(format!("{}: {pointer}: {found:?}, not {value}", script.name()));
            }
        }
        wrong
    });
}

#[test]
fn what_is_refused_says_so_before_any_load() {
    each(Section::Refused, |script, ours, _| {
        assert!(script.one("says").is_some(), "{}: says nothing", script.name());
        let is_said = ours.code == Some(script.exit())
            && script.all("says").iter().all(|says| ours.stderr.contains(says));
        let sent = ours.samples.iter().any(|sample| sample["metric"] == "http_reqs")
            && script.one("sends").is_none();
        let found = format!("{}: exit code {:?}, samples: {sent}: {}", script.name(), ours.code, ours.stderr);
        if is_said && !sent { Vec::new() } else { vec![found] }
    });
}

#[test]
fn every_row_has_a_script_and_every_script_a_row() {
    let (rows, scripts) = (document::rows(), document::scripts());
    let mut wrong = Vec::new();
    for row in &rows {
        let of_row: Vec<&Script> = scripts.iter().filter(|script| holds(script, row)).collect();
        let is_special = special::ROWS.contains(&row.name.as_str());
        if of_row.is_empty() && !is_special {
            wrong.push(format!("docs/k6.md: no script holds `{}`", row.name));
        }
        // What is there is there word by word.
        if row.section == Section::There && !of_row.is_empty() {
            let named = |word: &str| {
                is_special && special::TEXT.contains(word)
                    || of_row.iter().any(|script| script.text.contains(word))
            };
            let missing = row.words().into_iter().filter(|word| !named(word));
            wrong.extend(missing.map(|word| format!("docs/k6.md: {}: no script has `{word}`", row.name)));
        }
    }
    let known = |name: &str| rows.iter().any(|row| row.name == name);
    for script in &scripts {
        assert!(!script.all("row").is_empty(), "{} names no row", script.name());
        let strangers = script.all("row").into_iter().filter(|name| !known(name));
        wrong.extend(strangers.map(|name| format!("{}: docs/k6.md has no row `{name}`", script.name())));
    }
    let strangers = special::ROWS.iter().filter(|name| !known(name));
    wrong.extend(strangers.map(|name| format!("special.rs: docs/k6.md has no row `{name}`")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn holds(script: &Script, row: &Row) -> bool {
    script.all("row").contains(&row.name.as_str())
}
