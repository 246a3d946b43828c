//! What can stand in templates and checks, for people: from the tables that they are read by.

use std::fmt::Write as _;

use super::filter::FILTERS;
use super::slot::NAMES;
use crate::plan::check::GRAMMAR;

/// What a plan itself gives names to.
const OWN: [(&str, &str); 4] = [
    ("NAME", "a constant of `variables` (or `--var`), or what a step has extracted in this iteration"),
    ("env.NAME", "a variable of the environment"),
    ("data.SET.COLUMN", "a field of the row that the iteration has of the data set"),
    ("\\{{", "outside of braces: two braces, as they are"),
];

/// A heading, what its first column is called, and the rows.
type Table = (&'static str, &'static str, Vec<(String, String)>);

fn tables() -> [Table; 3] {
    let rows = |table: &[(&str, &str)]| -> Vec<(String, String)> {
        table.iter().map(|(name, meaning)| ((*name).to_owned(), (*meaning).to_owned())).collect()
    };
    let braces = |name: &str| if name.contains('{') { name.to_owned() } else { format!("{{{{ {name} }}}}") };
    let values = [&OWN[..], &NAMES[..]].concat();
    let values = rows(&values).into_iter().map(|(name, meaning)| (braces(&name), meaning)).collect();
    let filters =
        FILTERS.iter().map(|(name, _, meaning)| (braces(&format!("… | {name}")), (*meaning).to_owned()));
    [
        ("Values", "template", values),
        ("Filters", "template", filters.collect()),
        ("Checks", "check", rows(&GRAMMAR)),
    ]
}

/// For the command line.
pub fn text() -> String {
    let mut out = String::new();
    for (heading, _, rows) in tables() {
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let _ = writeln!(out, "{heading}:");
        for (name, meaning) in rows {
            let _ = writeln!(out, "  {name:width$}  {}", meaning.replace('`', ""));
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

/// For the documentation.
pub fn markdown() -> String {
    let mut out = String::new();
    for (heading, column, rows) in tables() {
        let _ = write!(out, "### {heading}\n\n| {column} | meaning |\n|---|---|\n");
        for (name, meaning) in rows {
            let _ = writeln!(out, "| `{}` | {} |", name.replace('|', "\\|"), meaning.replace('|', "\\|"));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- Generated: `UPDATE=1 cargo test` writes it. -->\n\n";
    const END: &str = "<!-- End of what is generated. -->";

    /// C11: the documentation is what is read.
    #[test]
    fn the_tables_in_docs_are_these() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let begin = text.find(BEGIN).expect("where the tables begin") + BEGIN.len();
        let end = text.find(END).expect("where they end");
        if std::env::var_os("UPDATE").is_some() {
            let new = format!("{}{}{}", &text[..begin], markdown(), &text[end..]);
            return std::fs::write(&path, new).unwrap();
        }
        assert!(text[begin..end] == markdown(), "UPDATE=1 writes {}", path.display());
    }

    /// Whatever can be written is in the help, and whatever is there can be written.
    #[test]
    fn the_help_names_all_there_is() {
        use std::collections::BTreeMap;

        use crate::plan::template::{Names, Place, Template};
        let names =
            Names { variables: &[], data: &[], constants: &BTreeMap::new(), env: &|_| Some(String::new()) };
        for (name, _) in NAMES {
            let call = name.replace("(a, b)", "(1, 2)").replace("(n)", "(3)");
            for (filter, ..) in FILTERS {
                let text = format!("{{{{ {call} | {filter} }}}}");
                Template::compile(&text, Place::Body, &names).unwrap_or_else(|e| panic!("{e}"));
            }
            assert!(text().contains(&format!("{{{{ {name} }}}}")), "{name}");
        }
        let unknown = Template::compile("{{ nothing }}", Place::Body, &names).unwrap_err().to_string();
        assert!(NAMES.iter().all(|(name, _)| unknown.contains(name)), "{unknown}");
    }
}
