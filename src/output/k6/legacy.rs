//! The end of a test as k6 printed it before 1.0 (`--summary-mode legacy`).

use super::columns::{self, Columns, Look};
use super::model::{EndOfTest, Group};
use super::paint::{Ink, mark};

/// The text for standard output.
pub(super) fn text(end: &EndOfTest, ink: Ink) -> String {
    let look = Look { ink, unit: end.options.time_unit, dots: "2", beside: "36;2", wide: false };
    let mut text = "\n".to_owned();
    group(&mut text, 5, &end.root_group, ink);
    let metrics = columns::sorted(end.metrics.iter());
    for (metric, line) in Columns::of(&metrics, look).lines(|_| true) {
        let good = metric.thresholds.iter().all(|threshold| threshold.ok);
        let sign = match metric.thresholds.is_empty() {
            true => " ".to_owned(),
            false => ink.judged(good, mark(good)),
        };
        // The mark of one with tags stands before them.
        let (indent, line) = match line.strip_prefix("  {") {
            Some(rest) => ("     ", format!("{{{rest}")),
            None => ("   ", line),
        };
        text.push_str(&format!("{indent}{sign} {line}\n"));
    }
    text.push('\n');
    text
}

/// Its checks, and what is within it.
fn group(text: &mut String, depth: usize, group_: &Group, ink: Ink) {
    let indent = " ".repeat(depth);
    for check in &group_.checks {
        let (good, name, counts) = columns::check(check);
        let counts = counts.map(|counts| format!("\n{indent} {counts}")).unwrap_or_default();
        text.push_str(&ink.judged(good, &format!("{indent}{name}{counts}")));
        text.push('\n');
    }
    if !group_.checks.is_empty() {
        text.push('\n');
    }
    for inner in &group_.groups {
        text.push_str(&format!("{indent}█ {}\n\n", inner.name));
        group(text, depth + 2, inner, ink);
    }
}
