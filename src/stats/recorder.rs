//! Where a worker puts what it sees.

use std::mem;

use crate::stats::counts::Counts;
use crate::stats::latencies::Latencies;
use crate::stats::layout::{Condition, Layout};
use crate::stats::outcome::{ErrorKind, Sample};
use crate::stats::places::{Found, Places};
use crate::stats::series::Requests;
use crate::stats::snapshot::Snapshot;
use crate::stats::tally::Tally;
use crate::units::Nanos;

/// One worker's statistics of the running interval. Nothing here allocates after [`Recorder::new`]
/// but for places and series that flows make, and nothing is shared: the collector gets the whole interval by [`Recorder::rotate`].
#[derive(Debug)]
pub struct Recorder {
    /// What was counted since the last rotation.
    pub counts: Counts,
    /// What scenarios keep apart since the last rotation; empty in plain runs.
    pub tally: Tally,
    /// Places that flows have made; they stay over all intervals.
    pub(super) places: Places,
    latencies: Latencies,
    open_model: bool,
    window_end: Nanos,
}

impl Recorder {
    /// An empty one. `open_model` says whether requests follow a schedule, so that response time and
    /// start lag are quantities of their own.
    pub fn new(open_model: bool) -> Recorder {
        Recorder {
            counts: Counts::default(),
            tally: Tally::default(),
            places: Places::default(),
            latencies: Latencies::default(),
            open_model,
            window_end: Nanos::MAX,
        }
    }

    /// For scenarios: one that keeps apart what `layout` says. Arrivals are iterations then.
    pub fn of_scenarios(layout: &Layout) -> Recorder {
        Recorder { tally: Tally::new(layout), ..Recorder::new(true) }
    }

    /// The place of requests with these tags; see [`Places::find`]. There is room for as many as series may be made, and once measuring
    /// has begun for as many again: those that only a warm-up has do not take it from the rest.
    pub fn place(&mut self, layout: &Layout, tags: &[(&str, &str)], measuring: bool) -> Found {
        let bound = self.tally.registry().bound();
        let room = if measuring { bound.saturating_mul(2) } else { bound };
        self.places.find(layout, &self.tally, tags, room)
    }

    /// Records a sample of a place that was made: into its series, and into the watch of its condition where there is one. `sample`:
    /// its stage, whether it is an expected response, and what it came to.
    #[cold]
    #[inline(never)]
    pub fn record_made(
        &mut self,
        layout: &Layout,
        place: u32,
        sample: (u32, bool, Condition),
        record: &mut dyn FnMut(&mut Requests),
    ) {
        let Recorder { places, tally, .. } = self;
        let Some(targets) = places.targets(layout, tally, place, sample) else {
            return debug_assert!(false, "a place comes from the plan, or from `place`");
        };
        for id in [Some(targets.series), targets.watch].into_iter().flatten() {
            if let Some(requests) = tally.requests_mut(id.0 as usize) {
                record(requests);
            }
        }
    }

    /// When the window ends.
    pub fn window_end(&self) -> Nanos {
        self.window_end
    }

    /// Responses that are complete at or after `end` (on the driver's clock) no longer count as
    /// completed in the window. Until this is called all of them do.
    pub fn close_window_at(&mut self, end: Nanos) {
        self.window_end = end;
    }

    /// The worker saw an arrival `lag` after its scheduled time. Open model: counts it as scheduled.
    #[inline]
    pub fn picked_up(&mut self, lag: Nanos) {
        debug_assert!(self.open_model, "the closed model has no arrivals");
        self.counts.scheduled += 1;
        self.noticed(lag);
    }

    /// The worker saw an arrival `lag` after its scheduled time, which is counted elsewhere.
    #[inline]
    pub fn noticed(&mut self, lag: Nanos) {
        self.latencies.pickup_lag.record(lag);
    }

    /// A request was submitted. In the closed model it counts as scheduled as well.
    #[inline]
    pub fn started(&mut self, scheduled: Nanos, sent: Nanos) {
        self.counts.started += 1;
        if self.open_model {
            self.latencies.start_lag.record(sent - scheduled);
        } else {
            self.counts.scheduled += 1;
        }
    }

    /// A whole response arrived. The hot path: one histogram in the closed model (two when the response
    /// came in several completions), one more in the open model.
    #[inline]
    pub fn record(&mut self, sample: &Sample) {
        self.counts.completed += 1;
        self.counts.completed_in_window += u64::from(sample.done < self.window_end);
        self.counts.status.add(sample.status);
        let service = sample.done - sample.sent;
        if sample.first_byte == sample.done {
            self.latencies.whole.record(service);
        } else {
            let first_byte = sample.first_byte - sample.sent;
            self.latencies.split_service.record(service);
            self.latencies.split_first_byte.record(first_byte);
        }
        if self.open_model {
            let response = sample.done - sample.scheduled;
            self.latencies.response_time.record(response);
        }
    }

    /// A whole response arrived within or behind the window to a request that was begun before it. It is in no figure but the throughput: what
    /// came at its beginning for those before it is what is missing at its end.
    #[inline]
    pub fn carried_over(&mut self, done: Nanos) {
        self.counts.completed_in_window += u64::from(done < self.window_end);
    }

    /// A started request got no whole response.
    #[inline]
    pub fn failed(&mut self, kind: ErrorKind) {
        self.counts.failed += 1;
        self.counts.errors.add(kind);
    }

    /// A started request was given up after it had waited for `age` since it was scheduled.
    #[cold]
    pub fn unanswered(&mut self, age: Nanos) {
        self.failed(ErrorKind::Unanswered);
        self.latencies.unanswered.record(age);
    }

    /// An arrival could not start within the bounds.
    #[inline]
    pub fn dropped(&mut self) {
        self.counts.dropped += 1;
    }

    /// TCP stands (through a proxy: the tunnel), after `took`.
    #[inline]
    pub fn reached(&mut self, took: Nanos) {
        self.latencies.connect.record(took);
    }

    /// TLS stands, `took` after TCP did.
    #[inline]
    pub fn secured(&mut self, took: Nanos) {
        self.latencies.tls_handshake.record(took);
    }

    /// A connection can be used. Whether it replaces a lost one is the worker's to count (`counts.reconnects`).
    #[inline]
    pub fn connected(&mut self) {
        self.counts.connects += 1;
    }

    /// A connection attempt failed; no request was on it.
    #[inline]
    pub fn connect_failed(&mut self, kind: ErrorKind) {
        self.counts.connect_failures += 1;
        self.counts.connect_errors.add(kind);
    }

    /// Bytes of requests went out.
    #[inline]
    pub fn bytes_out(&mut self, bytes: u64) {
        self.counts.sent_bytes += bytes;
    }

    /// Bytes of responses came in.
    #[inline]
    pub fn bytes_in(&mut self, bytes: u64) {
        self.counts.received_bytes += bytes;
    }

    /// Ends the interval: returns what was recorded, in the shell of `empty`, whose emptied tables
    /// take the next interval. Only pointers and a few hundred bytes move.
    ///
    /// The gauges and the edge (`connections`, `vus`, `in_flight`, `backlog`, `end`) are the worker's to fill in.
    pub fn rotate(&mut self, mut empty: Snapshot) -> Snapshot {
        debug_assert!(
            empty.counts.scheduled == 0 && empty.latencies.whole.is_empty(),
            "rotate takes a snapshot that was cleared"
        );
        mem::swap(&mut self.counts, &mut empty.counts);
        mem::swap(&mut self.latencies, &mut empty.latencies);
        empty.tally.follow(&self.tally);
        mem::swap(&mut self.tally, &mut empty.tally);
        empty
    }
}

#[cfg(test)]
mod tests;
