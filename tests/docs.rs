//! The documents name what there is: every key of the report, every flag, every exit code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

#[path = "common/skip.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod skip;

use skip::skip;

const KEYS: &str =
    include_str!("../src/report/snapshots/squall__report__tests__the_keys_are_those_of_the_contract.snap");

fn document(path: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    fs::read_to_string(format!("{root}/{path}")).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn help_of(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_squall")).args(args).arg("--help").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The flags that stand first on lines of a help text, without the ones that every command has.
fn flags(help: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for line in help.lines().map(str::trim_start).filter(|line| line.starts_with('-')) {
        // `-c, --connections <N>`: the words up to the first that is no flag.
        let words = line
            .split_whitespace()
            .map(|word| word.trim_end_matches(',').split('[').next().unwrap_or_default());
        found.extend(words.take_while(|word| word.starts_with('-') && *word != "-"));
    }
    ["-h", "--help", "-V", "--version"].iter().for_each(|flag| {
        found.remove(flag);
    });
    found
}

/// Whether `text` has `flag` as a word of its own, not as the beginning of a longer one.
fn names(text: &str, flag: &str) -> bool {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.match_indices(flag).any(|(at, _)| {
        !text[..at].ends_with(part_of_word) && !text[at + flag.len()..].starts_with(part_of_word)
    })
}

/// A section of a document in Markdown: from its heading to the next of the same or a higher level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section `{heading}`"));
    let body = &text[start + heading.len() + 2..];
    let level = heading.chars().take_while(|c| *c == '#').count();
    let ends = (1..=level).filter_map(|n| body.find(&format!("\n{} ", "#".repeat(n))));
    &body[..ends.min().unwrap_or(body.len())]
}

/// The keys of the report below one of its sections, as `(section, key)`; the top level is `""`.
fn keys_by_section() -> BTreeSet<(String, String)> {
    let paths = KEYS.lines().skip_while(|line| !line.starts_with("expression:")).skip(2);
    let mut keys = BTreeSet::new();
    for path in paths.filter(|path| !path.is_empty()) {
        let (section, rest) = path.split_once('.').unwrap_or(("", path));
        for key in rest.split('.').filter(|key| *key != "*" && !key.bytes().all(|b| b.is_ascii_digit())) {
            keys.insert((section.trim_end_matches("[]").to_owned(), key.trim_end_matches("[]").to_owned()));
        }
    }
    assert!(keys.len() > 80, "the list of keys was not understood: {keys:?}");
    keys
}

#[test]
fn every_key_of_the_report_is_explained_in_its_section() {
    let text = document("docs/report.md");
    let missing: Vec<_> = keys_by_section()
        .into_iter()
        .filter(|(place, key)| {
            let heading = if place.is_empty() { "## Top level".into() } else { format!("## `{place}`") };
            // `tool` is small enough for a line of the first table.
            let heading = if place == "tool" { "## Top level".into() } else { heading };
            !section(&text, &heading).contains(&format!("`{key}`"))
        })
        .collect();
    assert!(missing.is_empty(), "docs/report.md does not explain {missing:?}");
}

#[test]
fn every_percentile_is_named() {
    let text = document("docs/report.md");
    let prefix = "latency.response_time.percentiles_us.";
    let percentiles: Vec<_> = KEYS.lines().filter_map(|line| line.strip_prefix(prefix)).collect();
    assert!(!percentiles.is_empty());
    for percentile in percentiles {
        assert!(text.contains(&format!("`\"{percentile}\"`")), "docs/report.md lacks {percentile}");
    }
}

#[test]
fn every_kind_of_error_is_explained() {
    let text = document("docs/report.md");
    for kind in squall::stats::outcome::ErrorKind::ALL {
        let row = format!("| `{}` |", kind.key());
        assert!(section(&text, "## `errors`").contains(&row), "docs/report.md lacks {row}");
    }
}

#[test]
fn every_flag_is_in_the_readme() {
    let text = document("README.md");
    for (command, heading) in [("run", "## Flags"), ("target", "## The bundled target")] {
        let help = help_of(&[command]);
        let flags = flags(&help);
        assert!(flags.len() >= 7, "the help of {command} was not understood: {flags:?}");
        let place = section(&text, heading);
        let missing: Vec<_> = flags.iter().filter(|flag| !names(place, flag)).collect();
        assert!(missing.is_empty(), "README.md, `{heading}`, lacks {missing:?}");
    }
}

#[test]
fn the_readme_names_no_flag_that_is_not_there() {
    let text = document("README.md");
    let help = help_of(&["run"]);
    let known = flags(&help);
    for row in section(&text, "## Flags").lines().filter(|line| line.starts_with("| `-")) {
        let cell = row.split('|').nth(1).unwrap();
        let words = cell.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for flag in words.filter(|word| word.starts_with('-')) {
            assert!(known.contains(flag), "README.md promises {flag}");
        }
    }
}

#[test]
fn every_exit_code_is_in_the_readme() {
    let text = document("README.md");
    let help = help_of(&["run"]);
    let codes = help.split_once("Exit codes:").unwrap().1.split('.').next().unwrap();
    let codes = codes.split([';', '\n']).filter_map(|part| part.split_whitespace().next());
    let codes: Vec<_> = codes.filter(|word| word.bytes().all(|b| b.is_ascii_digit())).collect();
    assert!(codes.len() >= 5, "{codes:?}");
    for code in codes {
        assert!(section(&text, "## Exit codes").contains(&format!("| {code} |")), "README.md lacks {code}");
    }
}

/// A heading as GitHub makes an anchor of it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    let mut followed = 0;
    for page in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/journal.md",
        "docs/methodology.md",
        "docs/report.md",
        "docs/samples.md",
    ] {
        let text = document(page);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            let directory = page.rsplit_once('/').map_or("", |(directory, _)| directory);
            let linked = if path.is_empty() { page.into() } else { format!("{directory}/{path}") };
            let linked = document(linked.trim_start_matches('/'));
            let mut headings = linked.lines().filter(|line| line.starts_with('#'));
            let found = headings.any(|line| anchor(line.trim_start_matches('#').trim()) == place);
            assert!(place.is_empty() || found, "{page}: {link} leads nowhere");
            followed += 1;
        }
    }
    assert!(followed >= 10, "only {followed} links were seen");
}

fn exists(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()
}

/// What stands between backticks, and the lines of blocks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// What is wrong with a command, if anything: its script, and whatever it names with a place of its own.
fn wrong_in_command(command: &str, campaigns: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().filter(|word| !word.contains('=')).collect();
    let behind = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1));
    let lacks = |what: &str, name: &str| Some(format!("`{command}`: there is no {what} {name}"));
    let test = |name: &str| exists(&format!("tests/{name}.rs")) || exists(&format!("tests/{name}/main.rs"));
    if let Some(name) = behind("--test").filter(|name| !test(name)) {
        return lacks("test", name);
    }
    let bench =
        |name: &str| exists(&format!("benches/{name}.rs")) || exists(&format!("benches/{name}/main.rs"));
    if let Some(name) = behind("--bench").filter(|name| !bench(name)) {
        return lacks("bench", name);
    }
    let profile = |name: &str| document("Cargo.toml").contains(&format!("[profile.{name}]"));
    if let Some(name) = behind("--profile").filter(|name| !profile(name)) {
        return lacks("profile", name);
    }
    if let Some(name) =
        behind("--lib").filter(|name| !exists(&format!("src/{}", name.trim_end_matches("::"))))
    {
        return lacks("module", name);
    }
    let campaign = |name: &str| campaigns.lines().any(|line| line.split_whitespace().next() == Some(name));
    if let Some(name) = behind("scripts/campaign").filter(|name| !campaign(name)) {
        return lacks("campaign", name);
    }
    if let Some(name) =
        behind("scripts/bench").filter(|name| !document("scripts/bench").contains(&format!("\"{name}\"")))
    {
        return lacks("scenario", name);
    }
    let target = ["fuzz/run", "fuzz/minimise"].into_iter().find_map(behind);
    target
        .filter(|name| !exists(&format!("fuzz/fuzz_targets/{name}.rs")))
        .and_then(|name| lacks("target", name))
}

/// All sources, for names that stand in them.
fn sources() -> String {
    fn read(directory: &Path, all: &mut String) {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => read(&path, all),
                Some("rs") => all.push_str(&fs::read_to_string(path).unwrap()),
                _ => {}
            }
        }
    }
    let mut all = String::new();
    for directory in ["src", "tests"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut all);
    }
    all
}

#[test]
fn what_contributors_are_sent_to_is_there() {
    if !exists("fuzz") || !exists(".ci") {
        return skip("the package is without fuzz/ and .ci/");
    }
    let text = document("CONTRIBUTING.md");
    let campaigns =
        Command::new(format!("{}/scripts/campaign", env!("CARGO_MANIFEST_DIR"))).output().unwrap();
    let campaigns = String::from_utf8(campaigns.stdout).unwrap();
    let sources = sources();
    let (mut wrong, mut paths, mut names) = (Vec::new(), 0, 0);
    for said in quoted(&text) {
        wrong.extend(wrong_in_command(said, &campaigns));
        for word in said.split_whitespace() {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if word.contains('/') || word.ends_with(".md") {
                paths += 1;
                wrong.extend((!exists(word)).then(|| format!("there is no {word}")));
            } else if said == word && word.chars().all(is_name) {
                names += 1;
                wrong.extend((!sources.contains(word)).then(|| format!("nothing is called {word}")));
            }
        }
    }
    assert!(paths > 50 && names > 5, "{paths} paths and {names} names were seen");
    assert!(wrong.is_empty(), "CONTRIBUTING.md:\n{}", wrong.join("\n"));
}

#[test]
fn contributors_are_told_no_command_that_is_not_there() {
    for (command, part) in [
        ("cargo test --test nonsense", "no test nonsense"),
        ("cargo bench --bench parse", "no bench parse"),
        ("cargo build --profile slow", "no profile slow"),
        ("cargo test --lib nowhere::", "no module nowhere::"),
        ("scripts/campaign march", "no campaign march"),
        ("scripts/bench nothing", "no scenario nothing"),
        ("fuzz/run nothing 600", "no target nothing"),
    ] {
        assert!(
            wrong_in_command(command, "  simulate\n").is_some_and(|wrong| wrong.contains(part)),
            "{command}"
        );
    }
    assert_eq!(wrong_in_command("scripts/campaign simulate --for 60s", "  simulate\n"), None);
}
