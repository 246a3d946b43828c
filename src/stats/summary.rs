//! The result of a run, and how it came about over time.

use crate::stats::histogram::Histogram;
use crate::stats::snapshot::{Counts, Latencies, LatencySet, Snapshot};
use crate::stats::tally::Tally;
use crate::units::Nanos;

/// Most points that a timeline holds. When a run has more intervals, the points are replaced by ones
/// of twice the span; so a long run's timeline holds between half of this and this.
pub const TIMELINE_MAX: usize = 4096;

/// What happened within one stretch of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelinePoint {
    /// End of the stretch, from the start of measuring.
    pub t: Nanos,
    /// Its length.
    pub span: Nanos,
    /// Whole answers within it.
    pub requests: u64,
    /// Failed requests within it.
    pub failed: u64,
    /// Median response time.
    pub p50: Nanos,
    /// 99th percentile of the response time.
    pub p99: Nanos,
    /// Longest response time.
    pub max: Nanos,
    /// Open connections at its end.
    pub connections: u64,
    /// Virtual users at its end.
    pub vus: u64,
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
    /// In the order of time; at most [`TIMELINE_MAX`] points and one.
    pub timeline: Vec<TimelinePoint>,
    /// Requests that had neither an answer nor an error when the run ended.
    pub in_flight_at_end: u64,
    /// Arrivals that were still waiting for a connection when the run ended.
    pub backlog_at_end: u64,
}

impl Summary {
    /// Whole answers within the measured window per second of it; 0 for an empty window.
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
    /// begins where the one before ended, the first one at 0.
    pub fn push(&mut self, interval: &Snapshot) -> TimelinePoint {
        self.counts.merge(&interval.counts);
        self.latencies.merge(&interval.latencies);
        self.tally.append(&interval.tally);
        let mut bucket = self.timeline.empty_bucket();
        if interval.tally.is_empty() {
            interval.latencies.merge_response_time_into(self.open_model, &mut bucket.response_time);
        } else {
            interval.tally.merge_response_time_into(&mut bucket.response_time);
        }
        bucket.span = interval.end - self.end;
        bucket.end = self.end.max(interval.end);
        bucket.requests = interval.counts.completed;
        bucket.failed = interval.counts.failed;
        bucket.connections = interval.connections;
        bucket.vus = interval.vus;
        self.end = bucket.end;
        let point = bucket.point();
        self.timeline.push(bucket, point);
        point
    }

    /// The totals so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What scenarios have kept apart so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The result. `duration` is the length of the measured window; the other two are what was left
    /// over when the run ended.
    pub fn finish(self, duration: Nanos, in_flight_at_end: u64, backlog_at_end: u64) -> Summary {
        let started = self.counts.started;
        let mut latency = self.latencies.finish(self.open_model, started);
        if !self.tally.is_empty() {
            latency = LatencySet {
                connect: latency.connect,
                tls_handshake: latency.tls_handshake,
                pickup_lag: latency.pickup_lag,
                ..self.tally.latencies(started)
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

/// A stretch of the run with all its response times.
#[derive(Debug, Default)]
struct Bucket {
    response_time: Histogram,
    end: Nanos,
    span: Nanos,
    requests: u64,
    failed: u64,
    connections: u64,
    vus: u64,
}

impl Bucket {
    /// Appends the stretch that follows this one.
    fn append(&mut self, next: &Bucket) {
        self.response_time.merge(&next.response_time);
        self.end = next.end;
        self.span += next.span;
        self.requests += next.requests;
        self.failed += next.failed;
        self.connections = next.connections;
        self.vus = next.vus;
    }

    fn point(&self) -> TimelinePoint {
        TimelinePoint {
            t: self.end,
            span: self.span,
            requests: self.requests,
            failed: self.failed,
            p50: self.response_time.percentile(50.0),
            p99: self.response_time.percentile(99.0),
            max: self.response_time.max(),
            connections: self.connections,
            vus: self.vus,
        }
    }
}

/// Points of bounded number whose percentiles are exact at every span.
///
/// Percentiles cannot be computed from percentiles, so the points of all coarser spans are built along
/// the way, from histograms: level l has a point for every 2^l intervals. Two buckets of a level
/// become one of the next, like the carry of a binary counter; a level keeps at most one bucket
/// waiting for its neighbour. When the finest level overflows it is thrown away and the next one,
/// which has had half as many points all along, takes its place.
///
/// Memory: fewer than two points per point shown, and one histogram per level (20 levels at 1 s: 12 days).
#[derive(Debug)]
struct Timeline {
    max: usize,
    /// The finest level that is still kept.
    shown: usize,
    levels: Vec<Level>,
    /// An emptied bucket for reuse.
    spare: Option<Bucket>,
}

#[derive(Debug, Default)]
struct Level {
    points: Vec<TimelinePoint>,
    waiting: Option<Bucket>,
}

impl Timeline {
    fn new(max: usize) -> Timeline {
        Timeline { max, shown: 0, levels: Vec::new(), spare: None }
    }

    fn empty_bucket(&mut self) -> Bucket {
        let mut bucket = self.spare.take().unwrap_or_default();
        bucket.response_time.clear();
        bucket
    }

    /// Appends one interval; `point` is its [`Bucket::point`].
    fn push(&mut self, mut bucket: Bucket, mut point: TimelinePoint) {
        for l in 0.. {
            if l == self.levels.len() {
                self.levels.push(Level::default());
            }
            let level = &mut self.levels[l];
            if l >= self.shown {
                level.points.push(point);
            }
            let Some(mut earlier) = level.waiting.take() else {
                level.waiting = Some(bucket);
                break;
            };
            earlier.append(&bucket);
            self.spare = Some(bucket);
            bucket = earlier;
            point = bucket.point();
        }
        if self.levels[self.shown].points.len() > self.max {
            self.levels[self.shown].points = Vec::new();
            self.shown += 1;
        }
    }

    /// The points of the finest level kept, and one more for what has not filled a point of it yet.
    fn finish(mut self) -> Vec<TimelinePoint> {
        let Some(level) = self.levels.get_mut(self.shown) else {
            return Vec::new();
        };
        let mut points = std::mem::take(&mut level.points);
        // Coarser buckets are the earlier ones.
        let finer = self.levels[..self.shown].iter_mut().rev();
        let rest = finer.filter_map(|l| l.waiting.take()).reduce(|mut earlier, later| {
            earlier.append(&later);
            earlier
        });
        points.extend(rest.map(|bucket| bucket.point()));
        points
    }
}

#[cfg(test)]
mod tests;
