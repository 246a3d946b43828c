//! Which files of a room name each other. A room is a folder of modules; what lies below one of them counts as it.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{self, Source};

/// Of each module, the modules that it names.
pub(crate) type Names = BTreeMap<String, BTreeSet<String>>;

/// `src/worker/links/mod.rs` is `worker::links`; none for the crate's own roots.
fn module(path: &str) -> Option<String> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?.replace('/', "::");
    let inner = inner.strip_suffix("::mod").unwrap_or(&inner);
    (!matches!(inner, "lib" | "main")).then(|| inner.to_owned())
}

/// What each file names, among all of them.
pub(crate) fn names(sources: &[Source]) -> Names {
    let sources = sources.iter().filter(|source| !source::is_test(&source.path));
    let by_module: BTreeMap<String, &Source> =
        sources.filter_map(|source| Some((module(&source.path)?, source))).collect();
    let known: BTreeSet<&str> = by_module.keys().map(String::as_str).collect();
    let of = |(own, source): (&String, &&Source)| {
        let found = paths(&source.code).into_iter().filter_map(|path| resolve(own, &path, &known));
        (own.clone(), found.filter(|other| other != own).collect())
    };
    by_module.iter().map(of).collect()
}

/// All paths in the code that begin with `crate`, `super` or `self`, or stand behind `use`; lists in braces taken apart.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, word) in words(code) {
        let behind_use = word == "use";
        if behind_use || matches!(word, "crate" | "super") {
            let start = if behind_use { at + word.len() } else { at };
            expand(String::new(), &code[start..], &mut found);
        }
    }
    found
}

/// Each word with its place.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(part)?;
        let end = code[start..].find(|c| !part(c)).map_or(code.len(), |length| start + length);
        at = end;
        Some((start, &code[start..end]))
    })
}

/// Reads one path at the start of `rest`, behind `prefix`; returns what it did not read.
fn expand<'a>(mut prefix: String, rest: &'a str, found: &mut Vec<String>) -> &'a str {
    let mut rest = rest.trim_start();
    loop {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        prefix.push_str(&rest[..end]);
        rest = rest[end..].trim_start();
        let Some(behind) = rest.strip_prefix("::") else { break };
        prefix.push_str("::");
        rest = behind.trim_start();
        if let Some(mut list) = rest.strip_prefix('{') {
            loop {
                list = expand(prefix.clone(), list, found);
                // Renamed: `as other`.
                list = list
                    .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c.is_whitespace());
                match list.strip_prefix(',') {
                    Some(more) if !more.trim_start().starts_with('}') => list = more,
                    Some(more) => return more.trim_start().strip_prefix('}').unwrap_or(more),
                    None => return list.strip_prefix('}').unwrap_or(list),
                }
            }
        }
    }
    found.push(prefix);
    rest
}

/// The module that a path in `own` leads to: the longest beginning of it that is one.
fn resolve(own: &str, path: &str, known: &BTreeSet<&str>) -> Option<String> {
    let mut base: Vec<&str> = own.split("::").collect();
    let mut segments = path.split("::").filter(|segment| !segment.is_empty()).peekable();
    match *segments.peek()? {
        "crate" => {
            base.clear();
            segments.next();
        }
        "super" => {
            while segments.next_if_eq(&"super").is_some() {
                base.pop();
            }
        }
        "self" => _ = segments.next(),
        // A module of its own; else another crate.
        child => known.contains(format!("{own}::{child}").as_str()).then_some(())?,
    }
    let full: Vec<&str> = base.into_iter().chain(segments).collect();
    (1..=full.len())
        .rev()
        .map(|length| full[..length].join("::"))
        .find(|beginning| known.contains(beginning.as_str()))
}

/// The circles of each room: modules each of which names, perhaps through others, all the others.
pub(crate) fn circles(names: &Names) -> Vec<String> {
    let mut rooms = BTreeSet::new();
    for module in names.keys() {
        rooms.extend(module.rmatch_indices("::").map(|(at, _)| &module[..at]));
    }
    let mut found = Vec::new();
    for room in rooms {
        let graph = within(room, names);
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            graph.keys().map(|from| (*from, reached(&graph, from))).collect();
        let mut told = BTreeSet::new();
        for (from, all) in &reach {
            let circle: Vec<&str> = all
                .iter()
                .copied()
                .filter(|other| reach.get(other).is_some_and(|back| back.contains(from)))
                .collect();
            if circle.len() > 1 && told.insert(circle.clone()) {
                found.push(format!("{room}: {} name each other", circle.join(", ")));
            }
        }
    }
    found
}

/// The part of `names` between the modules of a room.
fn within<'a>(room: &str, names: &'a Names) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let inside = |module: &'a str| -> Option<&'a str> {
        let behind = module.strip_prefix(room)?.strip_prefix("::")?;
        Some(behind.split("::").next().unwrap_or(behind))
    };
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, others) in names {
        let Some(own) = inside(module) else { continue };
        let others = others.iter().filter_map(|other| inside(other)).filter(|other| *other != own);
        graph.entry(own).or_default().extend(others);
    }
    graph
}

/// Whatever `from` names, perhaps through others.
fn reached<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let (mut found, mut left) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(next) = left.pop() {
        for other in graph.get(next.as_str()).into_iter().flatten() {
            if found.insert(*other) {
                left.push((*other).to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> =
            files.iter().map(|(path, text)| Source::new(path, (*text).to_owned())).collect();
        circles(&names(&sources))
    }

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        let plain = [("src/a/b.rs", "use super::c::C;"), ("src/a/c.rs", "fn f(_: super::b::B) {}")];
        assert_eq!(of(&plain), ["a: b, c name each other"]);
        let braces = [
            ("src/a/b.rs", "use crate::{x, a::{d, c::{self, C}}};"),
            ("src/a/c.rs", "use crate::a::b as other;"),
        ];
        assert_eq!(of(&braces), ["a: b, c name each other"]);
        let three = [
            ("src/a/b.rs", "use super::c;"),
            ("src/a/c.rs", "use super::d;"),
            ("src/a/d/mod.rs", "mod e;"),
            ("src/a/d/e.rs", "use super::super::b;"),
        ];
        assert_eq!(of(&three), ["a: b, c, d name each other"]);
    }

    #[test]
    fn what_is_no_circle_is_none() {
        assert_eq!(
            of(&[("src/a/b.rs", "use super::c::C;"), ("src/a/c.rs", "use std::b::B; // super::b")]),
            [""; 0]
        );
        // A module and its parts belong together, and tests may name what they like.
        assert_eq!(of(&[("src/a/mod.rs", "mod b; use b::B;"), ("src/a/b.rs", "use super::A;")]), [""; 0]);
        let tests = "use super::c;\n#[cfg(test)]\nmod tests { use super::super::b; }";
        assert_eq!(of(&[("src/a/c.rs", tests), ("src/a/b.rs", "use super::c;")]), [""; 0]);
    }
}
