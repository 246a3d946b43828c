//! Scenarios, checks and thresholds in the summary.

use std::fmt::{self, Write as _};

use super::{Page, micros};
use crate::report::{Check, ScenarioEntry, ThresholdEntry};
use crate::units::human;

/// A sample's body in the summary, at most.
const EXCERPT_MAX: usize = 60;

impl Page<'_> {
    pub(super) fn scenarios(&mut self) -> fmt::Result {
        let report = self.report;
        if let Some(once) = &report.once {
            self.heading("Once")?;
            let (requests, failed) = (human::count(once.requests), self.alarming(once.failed));
            self.line("requests", format_args!("{requests}, failed {failed}, in {:.3} s", once.duration_s))?;
        }
        for scenario in &report.scenarios {
            self.scenario(scenario)?;
        }
        Ok(())
    }

    fn scenario(&mut self, scenario: &ScenarioEntry) -> fmt::Result {
        self.heading(&format!("Scenario {} ({})", scenario.name, scenario.executor))?;
        let iterations = &scenario.iterations;
        let dropped = self.alarming(iterations.dropped);
        let interrupted = human::count(iterations.interrupted);
        let completed = human::count(iterations.completed);
        self.line("iterations", format_args!("{completed}, interrupted {interrupted}, dropped {dropped}"))?;
        if iterations.broken > 0 {
            let broken = self.alarming(iterations.broken);
            self.line("broken", format_args!("{broken} ended at a value that was not there"))?;
        }
        for cause in &scenario.causes {
            let count = human::count(cause.count);
            self.line("because", format_args!("step {}: {} ({count} times)", cause.step, cause.what))?;
        }
        if scenario.redirects_refused > 0 {
            let refused = human::count(scenario.redirects_refused);
            self.line(
                "redirects",
                format_args!("{refused} not followed: to no origin of the plan, or one too many"),
            )?;
        }
        let took = &scenario.iteration_duration;
        if took.count > 0 {
            let at = &took.percentiles_us;
            self.line(
                "each took",
                format_args!("p50 {}, p99 {}, max {}", micros(at.p50), micros(at.p99), micros(took.max_us)),
            )?;
        }
        self.line("users", format_args!("{} at most", human::count(scenario.vus_max)))?;
        if scenario.stages.len() > 1 {
            for stage in &scenario.stages {
                self.line(
                    &format!("stage {}", stage.stage),
                    format_args!(
                        "{} requests, {} failed, response time p50 {}, p99 {}",
                        human::count(stage.requests),
                        human::count(stage.failed),
                        micros(stage.p50_us),
                        micros(stage.p99_us)
                    ),
                )?;
            }
        }
        Ok(())
    }

    pub(super) fn checks(&mut self) -> fmt::Result {
        let report = self.report;
        if report.checks.is_empty() {
            return Ok(());
        }
        let (passes, fails) =
            report.checks.iter().fold((0, 0), |(p, f), check| (p + check.passes, f + check.fails));
        self.heading("Checks")?;
        let share = 100.0 * passes as f64 / (passes + fails).max(1) as f64;
        let failed = self.alarming(fails);
        self.line(
            "passed",
            format_args!(
                "{} of {} ({share:.2} %), failed {failed}",
                human::count(passes),
                human::count(passes + fails)
            ),
        )?;
        for check in &report.checks {
            self.check(check)?;
        }
        Ok(())
    }

    fn check(&mut self, check: &Check) -> fmt::Result {
        if check.fails == 0 {
            let mark = self.paint.good("\u{2713}");
            return writeln!(self.text, "  {mark} {}", check.name);
        }
        let mark = self.paint.bad("\u{2717}");
        writeln!(
            self.text,
            "  {mark} {}: {} of {} failed",
            check.name,
            human::count(check.fails),
            human::count(check.passes + check.fails)
        )?;
        for sample in &check.samples {
            let status =
                if sample.status == 0 { "no response".into() } else { format!("status {}", sample.status) };
            let excerpt: String = sample.excerpt.escape_debug().take(EXCERPT_MAX).collect();
            writeln!(self.text, "      {status} after {} ms {excerpt}", sample.at_ms)?;
        }
        Ok(())
    }

    pub(super) fn thresholds(&mut self) -> fmt::Result {
        let report = self.report;
        if report.thresholds.is_empty() {
            return Ok(());
        }
        self.heading("Thresholds")?;
        report.thresholds.iter().try_for_each(|threshold| self.threshold(threshold))
    }

    fn threshold(&mut self, threshold: &ThresholdEntry) -> fmt::Result {
        let mark = if threshold.ok { self.paint.good("\u{2713}") } else { self.paint.bad("\u{2717}") };
        let ended = if threshold.aborted { ", ended the run" } else { "" };
        let (metric, expression) = (&threshold.metric, &threshold.expression);
        writeln!(self.text, "  {mark} {metric}: {expression} (observed {:.3}{ended})", threshold.observed)
    }
}
