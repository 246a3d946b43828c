//! The table of latencies.

use std::fmt::{self, Write as _};

use super::{Page, micros};
use crate::report::LatencySection;

/// A row: its name, and how its figure is found.
type Row = (&'static str, fn(&LatencySection) -> f64);

const ROWS: [Row; 11] = [
    ("min", |s| s.min_us),
    ("mean", |s| s.mean_us),
    ("stddev", |s| s.stddev_us),
    ("p50", |s| s.percentiles_us.p50),
    ("p75", |s| s.percentiles_us.p75),
    ("p90", |s| s.percentiles_us.p90),
    ("p95", |s| s.percentiles_us.p95),
    ("p99", |s| s.percentiles_us.p99),
    ("p99.9", |s| s.percentiles_us.p99_9),
    ("p99.99", |s| s.percentiles_us.p99_99),
    ("max", |s| s.max_us),
];

impl Page<'_> {
    pub(super) fn latencies(&mut self) -> fmt::Result {
        let latency = &self.report.latency;
        let columns = [
            ("service time", &latency.service_time),
            ("response time", &latency.response_time),
            ("start lag", &latency.start_lag),
        ];
        let heading = self.paint.bold(format_args!("{:<15}", "Latency"));
        write!(self.text, "\n{heading}")?;
        for (name, _) in columns {
            write!(self.text, " {name:>14}")?;
        }
        self.text.push('\n');
        for (name, figure) in ROWS {
            write!(self.text, "  {name:<13}")?;
            for (_, section) in columns {
                // A figure of nothing is no figure; 0 would read as very fast.
                let text = if section.count == 0 { "-".into() } else { micros(figure(section)) };
                write!(self.text, " {text:>14}")?;
            }
            self.text.push('\n');
        }
        let note = "  service time: send to response; response time: scheduled start to response; \
                    start lag: the difference";
        let note = self.paint.dim(note);
        writeln!(self.text, "{note}")
    }
}
