//! Holds the shape of the code: which module may import which, where unsafe may stand, how long files
//! and functions may get, and that every module says what it is for.

mod circles;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Functions that may be longer: (file, function, why). Empty, or with a reason that convinces.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Imports that the floors would allow and the design does not: (module, must not import, why).
const FORBIDDEN: &[(&str, &str, &str)] =
    &[("output", "worker", "formats serialise the report; they know nothing of how it came about")];

/// A module's place in the table of `src/lib.rs`.
#[derive(Debug, PartialEq)]
struct Place {
    floor: u32,
    /// What the table names behind the module; lets siblings import each other.
    named: Vec<String>,
}

/// Reads `F2  plan (http, rng)   target` lines out of the crate's documentation.
fn floors(lib: &str) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    for line in lib.lines().filter_map(|l| l.strip_prefix("//! F")) {
        let (floor, mut rest) = line.split_once(' ').expect("a floor has modules");
        let floor: u32 = floor.parse().expect("a floor has a number");
        while let Some(start) = rest.find(|c: char| c.is_ascii_lowercase() || c == '(') {
            rest = &rest[start..];
            let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
            let (module, after) = rest.split_at(end);
            rest = after;
            let mut named = Vec::new();
            if let Some(list) = after.trim_start().strip_prefix('(') {
                let (inside, after) = list.split_once(')').expect("a parenthesis is closed");
                named = inside.split(',').map(|m| m.trim().to_owned()).collect();
                rest = after;
            }
            // A parenthesis of its own is a remark.
            if !module.is_empty() {
                places.insert(module.to_owned(), Place { floor, named });
            }
        }
    }
    places
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// All Rust files below `directories`, with their paths relative to the package.
fn sources(directories: &[&str]) -> Vec<Source> {
    fn walk(root: &Path, directory: &Path, found: &mut Vec<Source>) {
        let Ok(entries) = fs::read_dir(directory) else {
            return;
        };
        for path in entries.map(|e| e.expect("entry").path()) {
            if path.is_dir() {
                if path.file_name().is_some_and(|n| n != "target") {
                    walk(root, &path, found);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("readable source");
                let relative = path.strip_prefix(root).expect("below the root");
                found.push(Source::new(relative.to_str().expect("UTF-8 path"), text));
            }
        }
    }
    let (root, mut found) = (root(), Vec::new());
    for directory in directories {
        walk(&root, &root.join(directory), &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no sources below {directories:?}");
    found
}

fn report(offences: Vec<String>) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

/// What is wrong with `module` importing `other`, if anything.
fn offence(places: &BTreeMap<String, Place>, module: &str, other: &str) -> Option<String> {
    let (own, its) = (places.get(module)?, places.get(other)?);
    if module == other {
        return None;
    }
    if let Some((_, _, why)) = FORBIDDEN.iter().find(|f| (f.0, f.1) == (module, other)) {
        return Some(format!("{module} must not import {other}: {why}"));
    }
    let sibling = own.floor == its.floor && own.named.iter().any(|name| name == other);
    (its.floor >= own.floor && !sibling)
        .then(|| format!("{module} (floor {}) must not import {other} (floor {})", own.floor, its.floor))
}

#[test]
fn a_module_imports_only_lower_floors() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let places = floors(&lib);
    let mut offences = Vec::new();
    for source in sources(&["src"]) {
        let Some(module) = source.top_module() else {
            continue;
        };
        if !places.contains_key(&module) {
            offences.push(format!("{}: {module} has no floor in src/lib.rs", source.path));
        }
        for (line, other) in source.imports() {
            offences
                .extend(offence(&places, &module, &other).map(|o| format!("{}:{line}: {o}", source.path)));
        }
    }
    report(offences);
}

#[test]
fn no_files_of_a_room_stand_in_a_circle() {
    report(circles::circles(&circles::names(&sources(&["src"]))));
}

#[test]
fn every_module_of_the_table_exists() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let places = floors(&lib);
    assert!(places.len() > 10, "the table of src/lib.rs was not understood: {places:?}");
    let missing = places.keys().filter(|module| !lib.contains(&format!("mod {module};")));
    report(missing.map(|m| format!("{m} has a floor but no `mod`")).collect());
}

#[test]
fn unsafe_stands_only_where_the_kernel_is_met() {
    // The kernel, its clock, files that are mapped instead of read, and the memory of the JavaScript engine.
    let places = ["src/clock.rs", "src/plan/mapped_file.rs"];
    let rooms = ["src/driver/", "src/script/foreign/"];
    let allowed = |path: &str| rooms.iter().any(|room| path.starts_with(room)) || places.contains(&path);
    let offences = sources(&["src"]).into_iter().filter(|s| !allowed(&s.path));
    report(
        offences
            .flat_map(|s| {
                let lines = s.lines_with_word("unsafe");
                lines.into_iter().map(move |line| format!("{}:{line}: unsafe", s.path))
            })
            .collect(),
    );
}

#[test]
fn files_stay_short() {
    let all = sources(&["src", "tests", "benches", "fuzz"]);
    let long = all.iter().filter(|s| s.text.lines().count() > FILE_LINES_MAX);
    report(
        long.map(|s| format!("{}: {} lines (at most {FILE_LINES_MAX})", s.path, s.text.lines().count()))
            .collect(),
    );
}

#[test]
fn functions_stay_short() {
    let mut offences = Vec::new();
    for source in sources(&["src", "benches"]) {
        for function in source.functions() {
            let excused = LONG_FUNCTIONS.iter().any(|(p, f, _)| (*p, *f) == (&source.path, &function.name));
            if function.lines > FUNCTION_LINES_MAX && !excused {
                offences.push(format!(
                    "{}:{}: {} has {} lines (at most {FUNCTION_LINES_MAX})",
                    source.path, function.line, function.name, function.lines
                ));
            }
        }
    }
    report(offences);
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = sources(&["src", "benches"])
        .into_iter()
        .filter(|s| !s.text.starts_with("//!") && !source::is_test(&s.path));
    report(silent.map(|s| format!("{}: starts without a module doc (//!)", s.path)).collect());
}

#[test]
fn the_table_is_read_as_it_is_meant() {
    let places = floors("//! F0  units  rng\n//! F2  plan (http, rng)   target  (remarks are read over)\n");
    let names: Vec<_> = places.keys().map(String::as_str).collect();
    assert_eq!(names, ["plan", "rng", "target", "units"]);
    assert_eq!(places["plan"].named, ["http", "rng"]);
    assert_eq!(places["target"].floor, 2);
}

#[test]
fn an_import_upwards_or_sideways_is_an_offence() {
    let places = floors("//! F0  a\n//! F1  b  c (b)\n//! F2  output  worker\n");
    assert!(offence(&places, "b", "a").is_none());
    assert!(offence(&places, "c", "b").is_none());
    assert!(offence(&places, "b", "c").is_some());
    assert!(offence(&places, "a", "b").is_some());
    assert!(offence(&places, "output", "worker").is_some());
}
