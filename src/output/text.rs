//! The summary for people: settings, requests, latencies side by side, what it cost, the verdict.

mod judged;
mod latency;
mod settings;

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use super::paint::Paint;
use crate::report::{OriginEntry, Report};
use crate::stats::histogram::HistogramError;
use crate::units::{Nanos, human};
use crate::verdict::Status;

/// Writes the summary; with `spectrum` also all percentiles of response time and service time.
///
/// # Errors
/// When `out` cannot be written, or a spectrum is asked for and the report's histograms are broken.
pub fn write(report: &Report, colours: bool, spectrum: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page { report, paint: Paint { on: colours }, text: String::new() };
    page.fill().expect("a String takes everything");
    if spectrum {
        page.spectra().map_err(io::Error::other)?;
    }
    page.verdict().expect("a String takes everything");
    out.write_all(page.text.as_bytes())
}

/// The text so far.
struct Page<'a> {
    report: &'a Report,
    paint: Paint,
    text: String,
}

impl Page<'_> {
    fn fill(&mut self) -> fmt::Result {
        self.title()?;
        self.settings()?;
        self.requests()?;
        self.latencies()?;
        self.responses()?;
        self.connections()?;
        self.scenarios()?;
        self.costs()?;
        self.checks()?;
        self.thresholds()
    }

    fn title(&mut self) -> fmt::Result {
        let tool = &self.report.tool;
        let name = self.paint.bold(format_args!("{} {}", tool.name, tool.version));
        writeln!(self.text, "{name}  {}", self.report.config.target)?;
        if self.report.aborted {
            let span = human::duration(seconds(self.report.duration_s));
            let mark = self.paint.bad("ABORTED");
            writeln!(self.text, "{mark} after {span}: stopped by a signal before its time")?;
        }
        Ok(())
    }

    fn heading(&mut self, text: &str) -> fmt::Result {
        let heading = self.paint.bold(text);
        writeln!(self.text, "\n{heading}")
    }

    fn line(&mut self, label: &str, value: impl fmt::Display) -> fmt::Result {
        writeln!(self.text, "  {label:<13} {value}")
    }

    fn requests(&mut self) -> fmt::Result {
        let (requests, throughput) = (self.report.requests, self.report.throughput);
        self.heading("Requests")?;
        let rate = self.paint.bold(format_args!("{}/s", human::per_second(throughput.requests_per_s)));
        let span = human::duration(seconds(self.report.duration_s));
        // Of many arrivals over time the schedule's rate, too.
        let asked =
            self.report.config.rate_per_s.map(|asked| format!(" ({}/s scheduled)", human::per_second(asked)));
        self.line("rate", format_args!("{rate}{} over {span}", asked.unwrap_or_default()))?;
        self.line(
            "scheduled",
            format_args!("{}, started {}", human::count(requests.scheduled), human::count(requests.started)),
        )?;
        let failed = self.alarming(requests.failed);
        self.line("completed", format_args!("{}, failed {failed}", human::count(requests.completed)))?;
        let dropped = self.alarming(requests.dropped);
        self.line("dropped", dropped)?;
        self.line(
            "at the end",
            format_args!(
                "{} in flight, {} in the backlog",
                human::count(requests.in_flight_at_end),
                human::count(requests.backlog_at_end)
            ),
        )?;
        self.bytes("sent", throughput.sent_bytes)?;
        self.bytes("received", throughput.received_bytes)
    }

    fn bytes(&mut self, label: &str, bytes: u64) -> fmt::Result {
        let span = self.report.duration_s;
        let rate = if span > 0.0 { bytes as f64 / span } else { 0.0 };
        self.line(label, format_args!("{} ({})", human::bytes(bytes), human::bytes_per_second(rate)))
    }

    /// A count that should be zero.
    fn alarming(&self, n: u64) -> String {
        let text = human::count(n);
        if n > 0 { self.paint.bad(text) } else { text }
    }

    fn responses(&mut self) -> fmt::Result {
        self.heading("Status")?;
        if self.report.status.is_empty() {
            self.line("none", "no whole response came")?;
        }
        let total: u64 = self.report.status.values().sum();
        for (&code, &n) in &self.report.status {
            let label = format!("{code:<13}");
            let label = match code {
                400..=499 => self.paint.warn(label),
                500..=599 => self.paint.bad(label),
                _ => self.paint.good(label),
            };
            let share = 100.0 * n as f64 / total as f64;
            writeln!(self.text, "  {label} {:>15} {share:>7.2} %", human::count(n))?;
        }
        self.errors("Errors (requests without a whole response)", &self.report.errors)?;
        for sample in &self.report.error_samples {
            let came = sample.excerpt.as_ref().map(|came| format!(": `{came}`")).unwrap_or_default();
            let (kind, count) = (&sample.kind, human::count(sample.count));
            self.line("", format_args!("{kind}, {count} times: {}{came}", sample.reason))?;
        }
        Ok(())
    }

    fn errors(&mut self, heading: &str, errors: &std::collections::BTreeMap<String, u64>) -> fmt::Result {
        let occurred = || errors.iter().filter(|&(_, &n)| n > 0);
        if occurred().next().is_none() {
            return Ok(());
        }
        self.heading(heading)?;
        for (kind, &n) in occurred() {
            let label = self.paint.bad(format_args!("{kind:<16}"));
            writeln!(self.text, "  {label} {:>12}", human::count(n))?;
        }
        Ok(())
    }

    fn connections(&mut self) -> fmt::Result {
        let connections = &self.report.connections;
        self.heading("Connections")?;
        let failed = self.alarming(connections.failed_attempts);
        if connections.established == 0 && connections.failed_attempts > 0 {
            let none = self.paint.bad("no connection ever came about: the target was never reached");
            self.line("none", none)?;
        }
        if let Some(asked) = connections.asked {
            let open = format!("{:.0} of {asked}", connections.open_mean);
            let few = connections.open_mean < 0.9 * f64::from(asked);
            let open = if few { self.paint.bad(open) } else { open };
            self.line("open", format_args!("{open} ({} to {})", connections.open_min, connections.open_max))?;
        }
        self.line(
            "established",
            format_args!(
                "{} ({} reconnects), failed attempts {failed}",
                human::count(connections.established),
                human::count(connections.reconnects)
            ),
        )?;
        let latency = &self.report.latency;
        for (label, took) in [("connecting", &latency.connect), ("TLS", &latency.tls_handshake)] {
            if took.count > 0 {
                self.line(
                    label,
                    format_args!(
                        "p50 {}, p99 {}, max {}",
                        micros(took.percentiles_us.p50),
                        micros(took.percentiles_us.p99),
                        micros(took.max_us)
                    ),
                )?;
            }
        }
        self.tls()?;
        self.errors("Errors (connection attempts)", &self.report.connections.errors)?;
        for (reason, count) in &self.report.connections.reasons {
            self.line("", format_args!("{} times: {reason}", human::count(*count)))?;
        }
        self.origins()?;
        self.series()
    }

    /// Only where figures were not kept apart as was asked for.
    fn series(&mut self) -> fmt::Result {
        let series = &self.report.series;
        if series.other_samples == 0 {
            return Ok(());
        }
        self.heading("Too many tags")?;
        self.line(
            "with all others",
            format_args!(
                "{} samples beyond {} series: in totals, but not found by their tags",
                human::count(series.other_samples),
                series.bound
            ),
        )
    }

    /// Origins that turned up while load was sent, and those that could not be reached.
    fn origins(&mut self) -> fmt::Result {
        let told = |origin: &&OriginEntry| !origin.planned || origin.unreachable.is_some();
        let origins: Vec<&OriginEntry> = self.report.origins.iter().filter(told).collect();
        if origins.is_empty() {
            return Ok(());
        }
        self.heading("Origins beside the plan's")?;
        for origin in origins {
            self.line(
                &origin.url,
                format_args!(
                    "{} requests on {} connections{}",
                    human::count(origin.requests),
                    human::count(origin.connections),
                    origin.unreachable.as_ref().map(|why| format!("; {why}")).unwrap_or_default()
                ),
            )?;
        }
        Ok(())
    }

    /// What TLS agreed on.
    fn tls(&mut self) -> fmt::Result {
        let tls = &self.report.tls;
        let agreed = [&tls.version, &tls.cipher_suite, &tls.key_exchange];
        let agreed: Vec<&str> = agreed.into_iter().flatten().map(String::as_str).collect();
        let resumed = human::count(tls.resumed);
        let unsafely = if tls.insecure { ", certificates not checked" } else { "" };
        if !agreed.is_empty() {
            self.line("", format_args!("{}; {resumed} resumed{unsafely}", agreed.join(", ")))?;
        }
        Ok(())
    }

    fn costs(&mut self) -> fmt::Result {
        let generator = &self.report.generator;
        self.heading("Generator")?;
        let each = generator.cpu_us_per_request.map_or("-".into(), micros);
        let (user, system) = (seconds(generator.user_cpu_s), seconds(generator.system_cpu_s));
        self.line(
            "CPU",
            format_args!(
                "{each} per request; {} user, {} system",
                human::duration(user),
                human::duration(system)
            ),
        )?;
        let shares: Vec<String> = generator
            .workers
            .iter()
            .map(|worker| {
                format!(
                    "core {}: {:.0} % CPU, {:.0} % busy",
                    worker.core,
                    worker.cpu_share * 100.0,
                    worker.busy_share * 100.0
                )
            })
            .collect();
        for (i, share) in shares.iter().enumerate() {
            self.line(if i == 0 { "workers" } else { "" }, share)?;
        }
        self.line("memory", format_args!("{} at most", human::bytes(generator.max_rss_bytes)))?;
        self.samples()
    }

    fn samples(&mut self) -> fmt::Result {
        let samples = &self.report.samples;
        let Some(file) = &samples.file else { return Ok(()) };
        let waits = self.report.generator.workers.iter().map(|worker| worker.samples_wait_s);
        let longest = micros(waits.fold(0.0, f64::max) * 1e6);
        let written = human::count(samples.written);
        let what = if samples.error.is_some() { "and not all" } else { "all" };
        self.line(
            "samples",
            format_args!("{written} to {file}, {what} of them; a worker waited for {longest} at most"),
        )
    }

    fn spectra(&mut self) -> Result<(), HistogramError> {
        let latency = &self.report.latency;
        for (title, section) in
            [("Response time", &latency.response_time), ("Service time", &latency.service_time)]
        {
            let histogram = section.histogram()?;
            self.text.push('\n');
            super::spectrum::write(title, &histogram, &mut self.text).expect("a String takes everything");
        }
        Ok(())
    }

    /// Last, where it is seen.
    fn verdict(&mut self) -> fmt::Result {
        let verdict = &self.report.verdict;
        let label = verdict.status.label();
        let (label, meaning) = match verdict.status {
            Status::Valid => (self.paint.good(label), "the generator kept up, the figures are the target's"),
            Status::Suspect => {
                (self.paint.warn(label), "the figures may be the generator's as much as the target's")
            }
            Status::Invalid => {
                (self.paint.bad(label), "these figures do not describe the load that was asked for")
            }
        };
        let heading = self.paint.bold("Verdict");
        writeln!(self.text, "\n{heading}  {label}: {meaning}")?;
        for reason in &verdict.reasons {
            writeln!(self.text, "  - {reason}")?;
        }
        Ok(())
    }
}

/// Microseconds as they are read best.
fn micros(us: f64) -> String {
    if us == 0.0 {
        return "0".into();
    }
    human::duration(Nanos((us * 1e3).round() as u64))
}

fn seconds(s: f64) -> Nanos {
    Nanos((s * 1e9).round() as u64)
}

#[cfg(test)]
mod tests;
