//! Was done what was asked for: all that was to be sent, on as many connections, and was it answered?

use super::{Connections, Findings, Readings, percent, share};
use crate::stats::outcome::ErrorKind;
use crate::stats::summary::Summary;
use crate::units::human;

/// Below this share of the connections that were asked for the load is another one.
const STANDING_SHARE_MIN: f64 = 0.90;
/// Above this share of the connections' time spent on requests without an answer, the figures are those of the rest.
const HELD_SHARE_MAX: f64 = 0.10;

pub(super) fn judge(readings: &Readings, summary: &Summary, findings: &mut Findings) {
    owed(readings, findings);
    standing(&readings.connections, findings);
    unanswered(readings, summary, findings);
}

fn owed(readings: &Readings, findings: &mut Findings) {
    let Some(owed) = readings.owed.filter(|owed| owed.begun < owed.asked) else { return };
    let what = owed.what;
    let fewer = format!(
        "only {} of {} {what} that were asked for were begun ({})",
        human::count(owed.begun),
        human::count(owed.asked),
        percent(share(owed.begun, owed.asked)),
    );
    if owed.all {
        findings.invalid(format!("{fewer}: the run ended before; check that the target goes on answering"));
    } else {
        findings.suspect(format!(
            "{fewer}: the time for them, or the data, had run out; give them more (maxDuration), or ask for fewer"
        ));
    }
}

fn standing(connections: &Connections, findings: &mut Findings) {
    let Some(asked) = connections.asked.filter(|&asked| asked > 0) else { return };
    let stood = connections.mean / f64::from(asked);
    if stood < STANDING_SHARE_MIN {
        findings.suspect(format!(
            "{:.0} of {} connections stood on average ({} to {}; at least {} are sound), so the load was another one than was asked \
             for; see the errors of connections, or ask for as many as the target takes (-c)",
            connections.mean,
            human::count(u64::from(asked)),
            human::count(u64::from(connections.least)),
            human::count(u64::from(connections.most)),
            percent(STANDING_SHARE_MIN),
        ));
    }
}

fn unanswered(readings: &Readings, summary: &Summary, findings: &mut Findings) {
    let errors = &summary.counts.errors;
    let count = errors.of(ErrorKind::Unanswered);
    if count > 0 {
        findings.suspect(format!(
            "{} still unanswered when the time for that was over (none should be): how long they take is not known, only that it \
             is longer than the figures say; wait longer (--drain, gracefulStop)",
            if count == 1 { "a request was".into() } else { format!("{} requests were", human::count(count)) },
        ));
    }
    let (Some(limit), Some(asked)) = (readings.timeout, readings.connections.asked) else { return };
    // Each holds its connection for as long as it may take, but not for longer than there is load.
    let each = limit.min(summary.duration);
    let held = errors.of(ErrorKind::Timeout) as f64 * each.as_secs_f64();
    let all = f64::from(asked) * summary.duration.as_secs_f64();
    let held = if all > 0.0 { (held / all).min(1.0) } else { 0.0 };
    if held > HELD_SHARE_MAX {
        findings.suspect(format!(
            "requests that were not answered within {} (--timeout) held {} of the connections' time (at most {} is sound): the other \
             figures are those of the rest",
            human::duration(limit),
            percent(held),
            percent(HELD_SHARE_MAX),
        ));
    }
}
