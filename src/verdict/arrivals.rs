//! The open model: were the arrivals sent, and sent on time?

use super::{Findings, Readings, WorkerReadings, percent, share};
use crate::stats::summary::Summary;
use crate::units::{Nanos, human};

/// Below this share of the scheduled arrivals the run is not the one that was asked for.
const STARTED_SHARE_MIN: f64 = 0.99;
/// Lateness up to this is never held against a run: it is what a sleeping thread's wake-up can take.
const LATENESS_MIN: Nanos = Nanos::from_millis(1);
/// Lateness up to the median response time over this does not distort it by much.
const LATENESS_DIVISOR: u64 = 10;
/// A worker that spins takes all of its core; with less than this something else was on it.
const OWN_CORE_SHARE: f64 = 0.95;

pub(super) fn judge(readings: &Readings, summary: &Summary, findings: &mut Findings) {
    sent(summary, findings);
    on_time(readings, summary, findings);
}

fn sent(summary: &Summary, findings: &mut Findings) {
    let counts = &summary.counts;
    let remedy = "lower -R, or raise -c; more workers (-t) help when these are busy";
    // `scheduled` is zero only when nothing was started either, which has a reason of its own.
    if counts.scheduled > 0 && share(counts.started, counts.scheduled) < STARTED_SHARE_MIN {
        findings.invalid(format!(
            "only {} of {} scheduled arrivals were sent ({}, at least {} are needed): {} were dropped, {} \
             still waited at the end; {remedy}",
            human::count(counts.started),
            human::count(counts.scheduled),
            percent(share(counts.started, counts.scheduled)),
            percent(STARTED_SHARE_MIN),
            human::count(counts.dropped),
            human::count(summary.backlog_at_end),
        ));
    } else if counts.dropped > 0 {
        findings.suspect(format!(
            "{} of {} scheduled arrivals were dropped because the backlog was full (none should be); {remedy}",
            human::count(counts.dropped),
            human::count(counts.scheduled),
        ));
    }
}

fn on_time(readings: &Readings, summary: &Summary, findings: &mut Findings) {
    let latency = &summary.latency;
    let median = latency.response_time.percentile(50.0);
    let bound = LATENESS_MIN.max(Nanos(median.0 / LATENESS_DIVISOR));
    let limit = format!(
        "the bound is {}, the larger of 1 ms and a tenth of the median response time",
        human::duration(bound)
    );
    let late = |percent| human::duration(latency.pickup_lag.percentile(percent));
    let own_remedy = remedy(readings);
    if latency.pickup_lag.percentile(50.0) > bound {
        findings.invalid(format!(
            "the generator was late throughout: half of the arrivals were picked up {} or more after their time \
             ({limit}); {own_remedy}",
            late(50.0)
        ));
    } else if latency.pickup_lag.percentile(99.0) > bound {
        findings.suspect(format!(
            "the generator was late: 1 % of the arrivals were picked up {} or more after their time ({limit}); \
             {own_remedy}",
            late(99.0)
        ));
    }
    // Waiting for a connection comes on top of lateness; it has a reason of its own when it is the larger part.
    let (start, pickup) = (latency.start_lag.percentile(99.0), latency.pickup_lag.percentile(99.0));
    if start > bound && start - pickup > pickup {
        findings.suspect(format!(
            "arrivals waited for a free connection: 1 % of them for {} or more ({limit}); the target is slower than \
             the rate, or -c is too small: raise -c, or lower -R",
            human::duration(latency.start_lag.percentile(99.0))
        ));
    }
}

/// What helps a generator that is late.
fn remedy(readings: &Readings) -> String {
    if !readings.spinning {
        return "use --wait spin, more workers (-t), cores that nothing else uses (--cores), or a lower -R"
            .into();
    }
    let least = readings.workers.iter().map(WorkerReadings::cpu_share).fold(1.0, f64::min);
    if least < OWN_CORE_SHARE {
        return format!(
            "a worker that spins got only {} of its core: stop what else runs there, or use other cores (--cores)",
            percent(least)
        );
    }
    "use more workers (-t), or a lower -R".into()
}
