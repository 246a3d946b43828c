//! The rows of docs/k6.md, and the scripts that hold them.

use std::fs;
use std::path::{Path, PathBuf};

/// What a section of the document says of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// The same in both.
    There,
    /// Not the same, and how.
    Differs,
    /// Not to be had, with a message.
    Refused,
}

/// The headings, and what they say of their rows.
const SECTIONS: [(&str, Section); 5] = [
    ("What is there", Section::There),
    ("What differs", Section::Differs),
    ("What is refused", Section::Refused),
    ("What is not there yet", Section::Refused),
    ("Where k6 2 differs", Section::There),
];

/// A row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) section: Section,
    /// Its first cell, without backticks.
    pub(crate) name: String,
    /// Its second cell.
    pub(crate) text: String,
}

/// A script of `tests/k6/rows`, with what its first lines say about it.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    directives: Vec<(String, String)>,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/k6/rows")
}

/// All rows of the tables whose sections promise something.
pub(crate) fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/k6.md");
    let text = fs::read_to_string(path).unwrap();
    let (mut rows, mut section) = (Vec::new(), None);
    let mut in_table = false;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = SECTIONS.iter().find(|(name, _)| *name == heading).map(|(_, section)| *section);
        }
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            // The line of dashes is the head's end.
            in_table = line.starts_with("|--");
            continue;
        };
        let (Some(section), true) = (section, in_table) else { continue };
        let (name, text) = cells.split_once(" | ").unwrap_or_else(|| panic!("a row has two cells: {line}"));
        rows.push(Row { section, name: name.replace('`', ""), text: text.to_owned() });
    }
    assert!(SECTIONS.iter().all(|(_, section)| rows.iter().any(|row| row.section == *section)));
    rows
}

impl Row {
    /// What its text has in backticks, as words of a script.
    pub(crate) fn words(&self) -> Vec<&str> {
        let spans = self.text.split('`').skip(1).step_by(2);
        spans.map(|span| span.split(['(', '=', ' ', '*', '…']).next().unwrap_or(span)).collect()
    }
}

/// All scripts: of every file its text and its first lines.
pub(crate) fn scripts() -> Vec<Script> {
    let mut found: Vec<Script> = Vec::new();
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            found.push(Script::read(path));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl Script {
    pub(crate) fn read(path: PathBuf) -> Script {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map_while(|line| line.strip_prefix("// ")?.split_once(": "));
        let directives: Vec<(String, String)> =
            lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let known =
            ["row", "flags", "env", "exit", "both", "squall", "k6", "says", "counts", "report", "sends"];
        for (name, _) in &directives {
            assert!(known.contains(&name.as_str()), "{}: `{name}` means nothing", path.display());
        }
        Script { path, text, directives }
    }

    /// All that it says under this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.directives.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The first of these.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The exit code of both: 0 unless it says otherwise.
    pub(crate) fn exit(&self) -> i32 {
        self.one("exit").map_or(0, |code| code.parse().unwrap())
    }

    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap().to_string_lossy().into_owned()
    }
}
