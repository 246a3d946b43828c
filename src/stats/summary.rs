//! The result of a run, and how it came about over time.

use crate::stats::compact::CompactHistogram;
use crate::stats::counts::Counts;
use crate::stats::latencies::{Latencies, LatencySet};
use crate::stats::snapshot::Snapshot;
use crate::stats::tally::Tally;
use crate::units::Nanos;

/// Most points that a timeline holds. When a run has more intervals, two and two become one; so a long run's timeline holds between half of
/// this and this.
pub const TIMELINE_MAX: usize = 4096;

/// What happened within one stretch of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelinePoint {
    /// End of the stretch, from the start of measuring.
    pub t: Nanos,
    /// Its length.
    pub span: Nanos,
    /// Whole responses within it, also those to requests that the warm-up began.
    pub requests: u64,
    /// Failed requests within it.
    pub failed: u64,
    /// All of its response times.
    pub response_time: CompactHistogram,
    /// Open connections at its end.
    pub connections: u64,
    /// Virtual users at its end.
    pub vus: u64,
}

impl TimelinePoint {
    /// Appends the stretch that follows this one.
    fn append(&mut self, next: &TimelinePoint) {
        self.response_time.merge(&next.response_time);
        self.t = next.t;
        self.span += next.span;
        self.requests += next.requests;
        self.failed += next.failed;
        self.connections = next.connections;
        self.vus = next.vus;
    }
}

/// What a run measured. Immutable: everything that is printed or judged comes from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Totals.
    pub counts: Counts,
    /// Latencies.
    pub latency: LatencySet,
    /// What scenarios kept apart; empty in plain runs.
    pub tally: Tally,
    /// Length of the measured window.
    pub duration: Nanos,
    /// In the order of time; at most [`TIMELINE_MAX`] points.
    pub timeline: Vec<TimelinePoint>,
    /// Requests that had neither a response nor an error when the run ended.
    pub in_flight_at_end: u64,
    /// Arrivals that were still waiting for a connection when the run ended.
    pub backlog_at_end: u64,
}

impl Summary {
    /// Whole responses within the measured window per second of it; 0 for an empty window.
    pub fn requests_per_s(&self) -> f64 {
        if self.duration == Nanos::ZERO {
            return 0.0;
        }
        self.counts.completed_in_window as f64 / self.duration.as_secs_f64()
    }

    /// Checks that no request was lost or counted twice:
    /// `started = completed + failed + in flight`, and `scheduled = started + dropped + backlog`.
    ///
    /// # Errors
    /// The equation that does not hold, with its figures: a defect of squall, never of the target.
    pub fn conserved(&self) -> Result<(), String> {
        let c = &self.counts;
        let ended = c.completed + c.failed + self.in_flight_at_end;
        if c.started != ended {
            return Err(format!(
                "started {} is not completed {} + failed {} + in flight at the end {} = {ended}",
                c.started, c.completed, c.failed, self.in_flight_at_end
            ));
        }
        let taken = c.started + c.dropped + self.backlog_at_end;
        if c.scheduled != taken {
            return Err(format!(
                "scheduled {} is not started {} + dropped {} + backlog at the end {} = {taken}",
                c.scheduled, c.started, c.dropped, self.backlog_at_end
            ));
        }
        Ok(())
    }
}

/// Builds a [`Summary`] from the intervals of a run, in order. Its memory does not grow with the
/// run's length beyond a few MB.
#[derive(Debug)]
pub struct SummaryBuilder {
    open_model: bool,
    counts: Counts,
    latencies: Latencies,
    tally: Tally,
    end: Nanos,
    timeline: Timeline,
}

impl SummaryBuilder {
    /// An empty one.
    pub fn new(open_model: bool) -> SummaryBuilder {
        SummaryBuilder {
            open_model,
            counts: Counts::default(),
            latencies: Latencies::default(),
            tally: Tally::default(),
            end: Nanos::ZERO,
            timeline: Timeline::new(TIMELINE_MAX),
        }
    }

    /// Takes the next interval, already merged over the workers, and says what happened in it. It
    /// begins where the one before ended, the first one at 0. What is of the drain is in no point.
    pub fn push(&mut self, interval: &Snapshot) -> Option<TimelinePoint> {
        self.push_rest(interval);
        if interval.drain {
            return None;
        }
        let point = TimelinePoint {
            t: self.end.max(interval.end),
            span: interval.end - self.end,
            requests: interval.counts.completed_in_window,
            failed: interval.counts.failed,
            response_time: interval.response_time(self.open_model),
            connections: interval.connections,
            vus: interval.vus,
        };
        self.end = point.t;
        self.timeline.push(&point);
        Some(point)
    }

    /// Takes what came behind the window: it is in all totals, and in no point of the timeline.
    pub fn push_rest(&mut self, rest: &Snapshot) {
        self.counts.merge(&rest.counts);
        self.latencies.merge(&rest.latencies);
        self.tally.append(&rest.tally);
    }

    /// The totals so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What was measured so far, apart from what scenarios keep.
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// What scenarios have kept apart so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The result. `duration` is the length of the measured window; the other two are what was left
    /// over when the run ended.
    pub fn finish(self, duration: Nanos, in_flight_at_end: u64, backlog_at_end: u64) -> Summary {
        let started = self.counts.started;
        let unanswered = self.latencies.unanswered.clone();
        let mut latency = self.latencies.finish(self.open_model, started);
        if !self.tally.is_empty() {
            let mut of_series = self.tally.latencies(started);
            of_series.response_time.merge(&unanswered);
            latency = LatencySet {
                censored: latency.censored,
                connect: latency.connect,
                tls_handshake: latency.tls_handshake,
                pickup_lag: latency.pickup_lag,
                ..of_series
            };
        }
        Summary {
            counts: self.counts,
            latency,
            tally: self.tally,
            duration,
            timeline: self.timeline.finish(),
            in_flight_at_end,
            backlog_at_end,
        }
    }
}

/// Points of bounded number, each with all of its response times: when there are too many, two and two become one.
#[derive(Debug)]
struct Timeline {
    max: usize,
    /// Intervals of a point.
    each: u64,
    /// Intervals of the last one.
    last: u64,
    points: Vec<TimelinePoint>,
}

impl Timeline {
    fn new(max: usize) -> Timeline {
        Timeline { max, each: 1, last: 1, points: Vec::new() }
    }

    /// Appends one interval.
    fn push(&mut self, point: &TimelinePoint) {
        match self.points.last_mut().filter(|_| self.last < self.each) {
            Some(last) => {
                last.append(point);
                self.last += 1;
            }
            None => {
                self.points.push(point.clone());
                self.last = 1;
            }
        }
        if self.points.len() > self.max {
            self.coarsen();
        }
    }

    /// Makes two and two one.
    #[cold]
    fn coarsen(&mut self) {
        if self.points.len().is_multiple_of(2) {
            self.last += self.each;
        }
        self.each *= 2;
        let mut all = std::mem::take(&mut self.points).into_iter();
        while let Some(mut point) = all.next() {
            all.next().iter().for_each(|next| point.append(next));
            self.points.push(point);
        }
    }

    fn finish(self) -> Vec<TimelinePoint> {
        self.points
    }
}

#[cfg(test)]
mod tests;
