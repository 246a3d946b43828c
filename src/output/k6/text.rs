//! The end of a test as text, as k6 1.1 prints it.

use super::columns::{self, Columns, Look};
use super::legacy;
use super::model::{CheckEnd, EndOfTest, MetricEnd, Part};
use super::paint::{Ink, mark};
use crate::secrets::Redactor;

/// How much of it (`--summary-mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Totals, with the few metrics of HTTP that most look at.
    #[default]
    Compact,
    /// All metrics, also those of each group and scenario.
    Full,
    /// As k6 did before 1.0.
    Legacy,
}

impl Mode {
    /// Reads `compact`, `full` or `legacy`.
    ///
    /// # Errors
    /// What there is.
    pub fn parse(text: &str) -> Result<Mode, String> {
        match text {
            "compact" => Ok(Mode::Compact),
            "full" => Ok(Mode::Full),
            "legacy" => Ok(Mode::Legacy),
            _ => Err(format!("`{text}` is no mode of the summary: there are compact, full and legacy")),
        }
    }
}

/// What the compact form has of HTTP.
const FEW: [&str; 3] = ["http_reqs", "http_req_duration", "http_req_failed"];

/// The text for standard output, without secrets.
pub fn text(end: &EndOfTest, mode: Mode, secrets: &Redactor) -> String {
    secrets.text(&whole(end, mode)).into_owned()
}

fn whole(end: &EndOfTest, mode: Mode) -> String {
    let ink = Ink { on: end.state.is_stdout_tty && !end.options.no_color };
    if mode == Mode::Legacy {
        return legacy::text(end, ink);
    }
    let look = Look { ink, unit: end.options.time_unit, dots: "2;37", beside: "2;36", wide: true };
    let writer = Writer { look, mode, seconds: end.state.test_run_duration_ms / 1_000.0 };
    let mut blocks = Vec::new();
    if end.metrics.iter().any(|metric| !metric.thresholds.is_empty()) {
        blocks.push(writer.block(0, "THRESHOLDS", writer.thresholds(&end.metrics)));
    }
    blocks.push(writer.block(0, "TOTAL RESULTS", writer.results(0, &end.metrics, &end.checks)));
    if mode == Mode::Full {
        blocks.extend(end.groups.iter().map(|part| writer.part(0, "GROUP", part)));
        blocks.extend(end.scenarios.iter().map(|part| writer.part(0, "SCENARIO", part)));
    }
    format!("\n\n{}\n\n\n\n", blocks.join("\n\n\n"))
}

struct Writer {
    look: Look,
    mode: Mode,
    seconds: f64,
}

impl Writer {
    /// A title and what stands below it, `depth` blocks within others.
    fn block(&self, depth: usize, title: &str, parts: Vec<String>) -> String {
        let sign = if depth == 0 { "█" } else { "↳" };
        let title = format!("{}{sign} {} ", " ".repeat(2 + 2 * depth), self.look.ink.bold(title));
        [vec![title], parts].concat().join("\n\n")
    }

    fn part(&self, depth: usize, what: &str, part: &Part) -> String {
        let mut parts = self.results(depth, &part.metrics, &part.checks);
        parts.extend(part.groups.iter().map(|group| self.part(depth + 1, "GROUP", group)));
        self.block(depth, &format!("{what}: {}", part.name), parts)
    }

    fn thresholds(&self, metrics: &[MetricEnd]) -> Vec<String> {
        let all = columns::sorted(metrics.iter().filter(|metric| !metric.thresholds.is_empty()));
        let is_below = |metric: &MetricEnd| all.iter().any(|other| other.name == metric.parts().0);
        let of = |metric: &&MetricEnd| {
            let (indent, name) = match metric.parts().1.filter(|_| is_below(metric)) {
                Some(tags) => ("      ", format!("{{{tags}}}")),
                None => ("    ", metric.name.clone()),
            };
            let lines = metric.thresholds.iter().map(|threshold| {
                let source = threshold.source.as_str();
                let aggregation = source.find(['<', '>', '=', '!']).map_or(source, |at| source[..at].trim());
                let ink = self.look.ink;
                let observed = columns::observed(metric, aggregation, threshold.observed, self.look.unit);
                format!(
                    "\n{indent}{} {} {}={}",
                    ink.judged(threshold.ok, mark(threshold.ok)),
                    ink.paint("37", &format!("'{source}'")),
                    ink.paint("37", aggregation),
                    ink.paint("36", &observed),
                )
            });
            format!("{indent}{name}{}", lines.collect::<String>())
        };
        all.iter().map(of).collect()
    }

    /// Checks, and metrics by what they are of.
    fn results(&self, depth: usize, metrics: &[MetricEnd], checks: &[CheckEnd]) -> Vec<String> {
        let indent = " ".repeat(4 + 2 * depth);
        let mut parts = Vec::new();
        if let Some(totals) = columns::totals(checks, self.seconds) {
            let columns = Columns::of(&totals.each_ref(), self.look);
            parts.push(indented(&indent, columns.lines(|_| true).map(|(_, line)| line)));
            parts.push(self.checks(&indent, checks));
        }
        let shown = metrics.iter().filter(|metric| self.theme(metric).is_some());
        let columns = Columns::of(&columns::sorted(shown), self.look);
        for theme in [Theme::Custom, Theme::Http, Theme::Execution, Theme::Network] {
            let lines: Vec<String> =
                columns.lines(|metric| self.theme(metric) == Some(theme)).map(|(_, line)| line).collect();
            if !lines.is_empty() {
                let title = self.look.ink.bold(theme.title());
                parts.push(indented(&indent, std::iter::once(title).chain(lines)));
            }
        }
        parts
    }

    fn checks(&self, indent: &str, checks: &[CheckEnd]) -> String {
        // So k6 has it: what is deeper stands twice as deep.
        let counts_indent = " ".repeat(2 * indent.len() - 2);
        let lines = checks.iter().flat_map(|check| {
            let (good, name, counts) = columns::check(check);
            let line = format!("{indent}{}", self.look.ink.judged(good, &name));
            let counts = counts.map(|c| format!("{counts_indent}{}", self.look.ink.judged(good, &c)));
            std::iter::once(line).chain(counts)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// `None` for what is not shown.
    fn theme(&self, metric: &MetricEnd) -> Option<Theme> {
        match metric.parts().0 {
            "checks" | "group_duration" => None,
            name if name == "http_reqs" || name.starts_with("http_req_") => {
                (self.mode == Mode::Full || FEW.contains(&name)).then_some(Theme::Http)
            }
            "iterations" | "iteration_duration" | "dropped_iterations" | "vus" | "vus_max" => {
                Some(Theme::Execution)
            }
            "data_sent" | "data_received" => Some(Theme::Network),
            _ => Some(Theme::Custom),
        }
    }
}

/// What a metric is of.
#[derive(Clone, Copy, PartialEq)]
enum Theme {
    Custom,
    Http,
    Execution,
    Network,
}

impl Theme {
    fn title(self) -> &'static str {
        match self {
            Theme::Custom => "CUSTOM",
            Theme::Http => "HTTP",
            Theme::Execution => "EXECUTION",
            Theme::Network => "NETWORK",
        }
    }
}

fn indented(indent: &str, lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}
