//! The live line on standard error.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::observer::{Interval, Observer, Phase, Progress};
use crate::report::Report;
use crate::units::{Nanos, human};

/// Draws one line, anew with every interval, and takes it away when the run is over.
///
/// Draws only when told by the run; a thread that keeps a spinner turning would be load on a
/// machine that is being measured.
#[derive(Debug)]
pub struct LiveLine {
    bar: ProgressBar,
    /// Dropped when the line is gone for good.
    stays: Option<Sender<Infallible>>,
}

impl LiveLine {
    /// On standard error; draws nothing when that is not a terminal.
    pub fn stderr() -> LiveLine {
        LiveLine::on(ProgressDrawTarget::stderr())
    }

    /// On another terminal.
    pub fn on(target: ProgressDrawTarget) -> LiveLine {
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is a constant"));
        LiveLine { bar, stays: None }
    }

    /// Disconnected once the line is gone for good: whoever writes to the same terminal then writes below nothing.
    pub fn gone(&mut self) -> Receiver<Infallible> {
        let (stays, gone) = bounded(0);
        self.stays = Some(stays);
        gone
    }

    fn take_away(&mut self) {
        self.bar.finish_and_clear();
        self.stays = None;
    }

    fn show(&self, text: impl Into<String>) {
        self.bar.set_message(text.into());
        // set_message may be held back by indicatif's limit on redraws.
        self.bar.force_draw();
    }
}

impl Observer for LiveLine {
    fn name(&self) -> &'static str {
        "progress line"
    }

    fn on_phase(&mut self, phase: Phase) {
        self.show(waiting(phase).unwrap_or("measuring …"));
    }

    fn on_interval(&mut self, interval: &Arc<Interval>) {
        self.show(match waiting(interval.phase) {
            Some(what) => format!("{what} {}", tenths(interval.in_phase)),
            None => line(&interval.progress),
        });
    }

    fn on_notice(&mut self, notice: &str) {
        if self.bar.is_hidden() {
            // Not eprintln!, which panics when nobody reads standard error any more.
            let _ = writeln!(std::io::stderr(), "squall: {notice}");
        } else {
            self.bar.println(format!("squall: {notice}"));
        }
    }

    fn on_report(&mut self, _report: &Arc<Report>) {
        self.take_away();
    }
}

impl Drop for LiveLine {
    /// A run that ends with an error has no report.
    fn drop(&mut self) {
        self.take_away();
    }
}

/// What is waited for in a phase in which nothing is measured.
fn waiting(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Connect => Some("connecting …"),
        Phase::Warmup => Some("warming up …"),
        Phase::Measure => None,
        Phase::Drain => Some("waiting for the last responses …"),
    }
}

/// To tenths of a second, which are none where intervals are whole seconds.
fn tenths(span: Nanos) -> String {
    match (span.0 + 50_000_000) / 100_000_000 {
        0 => "0s".into(),
        tenths => Nanos::from_millis(tenths * 100).to_string(),
    }
}

/// `3s/10s  183,456/s  p50 271.4µs  p99 1.204ms  errors 0  in flight 50`; the backlog only when
/// there is one.
fn line(progress: &Progress) -> String {
    let elapsed = match progress.total {
        Some(total) => format!("{}/{total}", tenths(progress.elapsed)),
        None => tenths(progress.elapsed),
    };
    let mut line = format!(
        "{elapsed}  {}/s  p50 {}  p99 {}  errors {}  in flight {}",
        human::per_second(progress.rate),
        human::duration(progress.p50),
        human::duration(progress.p99),
        human::count(progress.failed),
        human::count(progress.in_flight),
    );
    if progress.backlog > 0 {
        line += &format!("  backlog {}", human::count(progress.backlog));
    }
    line
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::TryRecvError;
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::report::sample;

    fn progress() -> Progress {
        Progress {
            elapsed: Nanos(3_000_412_345),
            total: Some(Nanos::from_secs(10)),
            rate: 183_456.4,
            p50: Nanos(271_400),
            p99: Nanos(1_204_000),
            failed: 12,
            completed: 550_369,
            connections: 50,
            in_flight: 50,
            backlog: 0,
        }
    }

    fn interval(phase: Phase) -> Arc<Interval> {
        let empty = Interval::empty(Arc::default());
        Arc::new(Interval { phase, in_phase: Nanos::from_millis(2_040), progress: progress(), ..empty })
    }

    #[test]
    fn the_line_has_the_figures() {
        let seen = line(&progress());
        assert_eq!(seen, "3s/10s  183,456/s  p50 271.4µs  p99 1.204ms  errors 12  in flight 50");
        let without_end = Progress { total: None, backlog: 1_234, ..progress() };
        let seen = line(&without_end);
        assert!(seen.starts_with("3s  ") && seen.ends_with("  backlog 1,234"), "{seen}");
        let nothing = line(&Progress::default());
        assert!(nothing.starts_with("0s  ") && !nothing.contains("NaN"), "{nothing}");
        assert!(line(&Progress { elapsed: Nanos(250_000_000), ..progress() }).starts_with("300ms/10s  "));
    }

    #[test]
    fn it_is_drawn_anew_and_taken_away() {
        let term = InMemoryTerm::new(10, 120);
        let mut live = LiveLine::on(ProgressDrawTarget::term_like(Box::new(term.clone())));
        let gone = live.gone();
        live.on_phase(Phase::Connect);
        assert_eq!(term.contents(), "connecting …");
        live.on_interval(&interval(Phase::Connect));
        assert_eq!(term.contents(), "connecting … 2s");
        live.on_phase(Phase::Measure);
        assert_eq!(term.contents(), "measuring …");
        live.on_interval(&interval(Phase::Measure));
        assert_eq!(term.contents(), line(&progress()));
        live.on_notice("io_uring is not allowed here");
        assert_eq!(term.contents(), format!("squall: io_uring is not allowed here\n{}", line(&progress())));
        live.on_phase(Phase::Drain);
        assert!(term.contents().ends_with("\nwaiting for the last responses …"));
        assert_eq!(gone.try_recv(), Err(TryRecvError::Empty));
        live.on_report(&Arc::new(sample::closed()));
        assert_eq!(term.contents(), "squall: io_uring is not allowed here");
        assert_eq!(gone.try_recv(), Err(TryRecvError::Disconnected));
    }
}
