//! The open model: were the arrivals sent, and sent on time?

use super::{Arrivals, Findings, Keys, Readings, WorkerReadings, percent, share};
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
    sent(readings, summary, findings);
    on_time(readings, summary, findings);
}

/// Judged in arrivals: of scenarios those are iterations, each of which may send many requests or none.
fn sent(readings: &Readings, summary: &Summary, findings: &mut Findings) {
    let counts = &summary.counts;
    let (arrivals, noun, sent, full) = match readings.iterations {
        Some(iterations) => (iterations, "iterations", "begun", "no user was free"),
        None => {
            let requests = Arrivals {
                scheduled: counts.scheduled,
                started: counts.started,
                dropped: counts.dropped,
                waiting: summary.backlog_at_end,
            };
            (requests, "arrivals", "sent", "the backlog was full")
        }
    };
    let Keys { users, rate } = readings.keys;
    let remedy = format!("lower {rate}, or raise {users}; more workers (-t) help when these are busy");
    // `scheduled` is zero only when nothing was started either, which has a reason of its own.
    if arrivals.scheduled > 0 && share(arrivals.started, arrivals.scheduled) < STARTED_SHARE_MIN {
        let why = format!(
            "only {} of {} scheduled {noun} were {sent} ({}, at least {} are needed): {} were dropped, {} \
             still waited at the end; {remedy}",
            human::count(arrivals.started),
            human::count(arrivals.scheduled),
            percent(share(arrivals.started, arrivals.scheduled)),
            percent(STARTED_SHARE_MIN),
            human::count(arrivals.dropped),
            human::count(arrivals.waiting),
        );
        // Those who run scripts know dropped iterations from k6, whose exit codes say nothing of them.
        if readings.script_share.is_some() { findings.suspect(why) } else { findings.invalid(why) }
    } else if arrivals.dropped > 0 {
        findings.suspect(format!(
            "{} of {} scheduled {noun} were dropped because {full} (none should be); {remedy}",
            human::count(arrivals.dropped),
            human::count(arrivals.scheduled),
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
    // A user connects when it needs to: that, TLS included, is in the start lag, and is no sign of too few of them.
    if readings.iterations.is_some() {
        return;
    }
    // Waiting for a connection comes on top of lateness; it has a reason of its own when it is the larger part.
    let Keys { users, rate } = readings.keys;
    let (start, pickup) = (latency.start_lag.percentile(99.0), latency.pickup_lag.percentile(99.0));
    if start > bound && start - pickup > pickup {
        findings.suspect(format!(
            "arrivals waited for a free connection: 1 % of them for {} or more ({limit}); the target is slower than \
             the rate, or {users} is too small: raise {users}, or lower {rate}",
            human::duration(latency.start_lag.percentile(99.0))
        ));
    }
}

/// What helps a generator that is late.
fn remedy(readings: &Readings) -> String {
    let rate = readings.keys.rate;
    if !readings.spinning {
        return format!(
            "use --wait spin, more workers (-t), cores that nothing else uses (--cores), or lower {rate}"
        );
    }
    let least = readings.workers.iter().map(WorkerReadings::cpu_share).fold(1.0, f64::min);
    if least < OWN_CORE_SHARE {
        return format!(
            "a worker that spins got only {} of its core: stop what else runs there, or use other cores (--cores)",
            percent(least)
        );
    }
    format!("use more workers (-t), or lower {rate}")
}
