//! What happened within one interval, in one worker or, merged, in all of them.

use crate::stats::compact::CompactHistogram;
use crate::stats::histogram::Histogram;
use crate::stats::outcome::ErrorKind;
use crate::stats::tally::Tally;
use crate::units::Nanos;

/// How many responses had each status code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCounts(Box<[u64; 1000]>);

impl Default for StatusCounts {
    fn default() -> StatusCounts {
        StatusCounts(Box::new([0; 1000]))
    }
}

impl StatusCounts {
    /// Counts one response. Codes above 999 do not exist on the wire (RFC 9112, section 4) and are not counted.
    #[inline]
    pub fn add(&mut self, code: u16) {
        debug_assert!(code < 1000, "a status has three digits");
        if let Some(count) = self.0.get_mut(usize::from(code)) {
            *count += 1;
        }
    }

    /// Sets how many had this code; false when there is no such code.
    pub(super) fn set(&mut self, code: u16, count: u64) -> bool {
        self.0.get_mut(usize::from(code)).map(|place| *place = count).is_some()
    }

    /// How many responses had this code.
    pub fn of(&self, code: u16) -> u64 {
        self.0.get(usize::from(code)).copied().unwrap_or(0)
    }

    /// Codes that occurred, in ascending order, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let codes = (0u16..).zip(self.0.iter().copied());
        codes.filter(|&(_, count)| count > 0)
    }

    /// All responses.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn merge(&mut self, other: &StatusCounts) {
        add_each(self.0.as_mut_slice(), other.0.as_slice());
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }
}

/// How many requests, or connection attempts, failed in each way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts([u64; ErrorKind::ALL.len()]);

impl ErrorCounts {
    /// Counts one failure.
    #[inline]
    pub fn add(&mut self, kind: ErrorKind) {
        self.0[kind as usize] += 1;
    }

    pub(super) fn set(&mut self, kind: ErrorKind, count: u64) {
        self.0[kind as usize] = count;
    }

    /// How many failed in this way.
    pub fn of(&self, kind: ErrorKind) -> u64 {
        self.0[kind as usize]
    }

    /// Kinds that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (ErrorKind, u64)> + '_ {
        let kinds = ErrorKind::ALL.into_iter().map(|kind| (kind, self.of(kind)));
        kinds.filter(|&(_, count)| count > 0)
    }

    /// All failures.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn merge(&mut self, other: &ErrorCounts) {
        add_each(&mut self.0, &other.0);
    }
}

fn add_each(to: &mut [u64], from: &[u64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

/// Everything that is counted, as opposed to measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Arrivals that came due. In the closed model the same as `started`.
    pub scheduled: u64,
    /// Requests whose send was submitted.
    pub started: u64,
    /// Whole HTTP responses, of any status.
    pub completed: u64,
    /// Whole responses that came within the measuring window: those of `completed` but for what came after it, and responses to requests
    /// that the warm-up began.
    pub completed_in_window: u64,
    /// Requests that were started and got no whole response.
    pub failed: u64,
    /// Arrivals that could not start within the bounds.
    pub dropped: u64,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of responses, heads and framing included.
    pub received_bytes: u64,
    /// Connections established.
    pub connects: u64,
    /// Those of `connects` that took the place of a lost one.
    pub reconnects: u64,
    /// Connection attempts that failed.
    pub connect_failures: u64,
    /// Completions of connections that were gone already: normal, but worth knowing.
    pub stale: u64,
    /// `completed` by status code.
    pub status: StatusCounts,
    /// `failed` by kind.
    pub errors: ErrorCounts,
    /// `connect_failures` by kind. No request was on these connections.
    pub connect_errors: ErrorCounts,
}

/// The plain numbers of [`Counts`], by `&` or `&mut`.
macro_rules! numbers {
    ($counts:expr) => {
        fields!(
            $counts,
            Counts {
                scheduled,
                started,
                completed,
                completed_in_window,
                failed,
                dropped,
                sent_bytes,
                received_bytes,
                connects,
                reconnects,
                connect_failures,
                stale,
            } but { status, errors, connect_errors }
        )
    };
}

impl Counts {
    /// Its plain numbers, in a fixed order.
    pub(super) fn numbers(&self) -> [&u64; 12] {
        numbers!(self)
    }

    /// The same, to be filled.
    pub(super) fn numbers_mut(&mut self) -> [&mut u64; 12] {
        numbers!(self)
    }

    /// Adds another's counts to this one's.
    pub fn merge(&mut self, other: &Counts) {
        self.numbers_mut().into_iter().zip(other.numbers()).for_each(|(to, from)| *to += from);
        self.status.merge(&other.status);
        self.errors.merge(&other.errors);
        self.connect_errors.merge(&other.connect_errors);
    }

    /// Sets everything to zero without allocating: a new value instead of this would allocate the status table.
    pub fn clear(&mut self) {
        self.numbers_mut().into_iter().for_each(|number| *number = 0);
        self.status.clear();
        self.errors = ErrorCounts::default();
        self.connect_errors = ErrorCounts::default();
    }
}

/// Histograms as the worker fills them.
///
/// Most responses come whole in one completion: their first byte and their end share a time. Such an
/// response is recorded once, in `whole`, and counted into both service time and first byte when the
/// run ends; only the others are recorded twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Service time, and time to the first byte, of responses that came in one completion.
    pub whole: Histogram,
    /// Service time of the others.
    pub split_service: Histogram,
    /// Time to the first byte of the others.
    pub split_first_byte: Histogram,
    /// done - scheduled; open model only (in the closed model it is the service time).
    pub response_time: Histogram,
    /// sent - scheduled; open model only (in the closed model it is zero by definition).
    pub start_lag: Histogram,
    /// How late the worker noticed an arrival: its own lateness, free of waiting for a connection.
    /// Open model only.
    pub pickup_lag: Histogram,
    /// How long connecting took: until TCP stood.
    pub connect: Histogram,
    /// How long TLS took, from there.
    pub tls_handshake: Histogram,
}

/// The histograms of [`Latencies`], by `&` or `&mut`.
macro_rules! tables {
    ($latencies:expr) => {
        fields!(
            $latencies,
            Latencies {
                whole,
                split_service,
                split_first_byte,
                response_time,
                start_lag,
                pickup_lag,
                connect,
                tls_handshake,
            } but {}
        )
    };
}

impl Latencies {
    /// Its histograms, in a fixed order.
    pub(super) fn tables(&self) -> [&Histogram; 8] {
        tables!(self)
    }

    /// The same, to be filled.
    pub(super) fn tables_mut(&mut self) -> [&mut Histogram; 8] {
        tables!(self)
    }

    /// Adds another's values to this one's, exactly.
    pub fn merge(&mut self, other: &Latencies) {
        self.tables_mut().into_iter().zip(other.tables()).for_each(|(to, from)| to.merge(from));
    }

    /// Forgets everything, without allocating.
    pub fn clear(&mut self) {
        self.tables_mut().into_iter().for_each(Histogram::clear);
    }

    /// The quantities that are reported. `started` is how many requests were started: in the closed
    /// model each of them has a start lag of zero.
    pub fn finish(self, open_model: bool, started: u64) -> LatencySet {
        let (mut service_time, mut first_byte) = (self.whole.clone(), self.whole);
        service_time.merge(&self.split_service);
        first_byte.merge(&self.split_first_byte);
        let (mut response_time, mut start_lag) = (self.response_time, self.start_lag);
        if !open_model {
            response_time = service_time.clone();
            start_lag.record_n(Nanos::ZERO, started);
        }
        LatencySet {
            response_time,
            service_time,
            start_lag,
            pickup_lag: self.pickup_lag,
            connect: self.connect,
            tls_handshake: self.tls_handshake,
            first_byte,
        }
    }
}

/// What a run measured, one histogram for each quantity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencySet {
    /// done - scheduled.
    pub response_time: Histogram,
    /// done - sent.
    pub service_time: Histogram,
    /// sent - scheduled. All zero in the closed model.
    pub start_lag: Histogram,
    /// How late the worker noticed an arrival. Empty in the closed model.
    pub pickup_lag: Histogram,
    /// How long connecting took: until TCP stood.
    pub connect: Histogram,
    /// How long TLS took, from there.
    pub tls_handshake: Histogram,
    /// From `sent` to the first byte of the response.
    pub first_byte: Histogram,
}

/// One interval of one worker; after merging, of several.
///
/// Moved from the worker to the collector and back, emptied, for the next interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose it is. Merging keeps the receiver's.
    pub worker: u32,
    /// What was counted within the interval.
    pub counts: Counts,
    /// What was measured within the interval.
    pub latencies: Latencies,
    /// What a run of scenarios keeps apart; empty in plain runs, whose latencies are in `latencies`.
    pub tally: Tally,
    /// Connections open at the interval's edge.
    pub connections: u64,
    /// Virtual users at the interval's edge.
    pub vus: u64,
    /// Requests in flight at the interval's edge.
    pub in_flight: u64,
    /// Arrivals waiting for a connection at the interval's edge.
    pub backlog: u64,
    /// The interval's edge, as an offset from the start of measuring.
    pub end: Nanos,
    /// It is behind the window: of what was in flight when that closed.
    pub drain: bool,
}

impl Snapshot {
    /// An empty one for `worker`. This is the only place that allocates; all else reuses it.
    pub fn new(worker: u32) -> Snapshot {
        Snapshot { worker, ..Snapshot::default() }
    }

    /// Adds the same interval of another worker: counts and histograms exactly, gauges as sums, the
    /// later of both edges.
    pub fn merge(&mut self, other: &Snapshot) {
        self.counts.merge(&other.counts);
        self.latencies.merge(&other.latencies);
        self.tally.merge(&other.tally);
        self.connections += other.connections;
        self.vus += other.vus;
        self.in_flight += other.in_flight;
        self.backlog += other.backlog;
        self.end = self.end.max(other.end);
        self.drain |= other.drain;
    }

    /// All response times.
    pub fn response_time(&self, open_model: bool) -> CompactHistogram {
        let mut all = CompactHistogram::default();
        if !self.tally.is_empty() {
            for series in self.tally.all_requests() {
                all.merge(&series.alike);
                all.merge(&series.response_time);
            }
        } else if open_model {
            all.merge_dense(&self.latencies.response_time);
        } else {
            all.merge_dense(&self.latencies.whole);
            all.merge_dense(&self.latencies.split_service);
        }
        all
    }

    /// Empties it for reuse, without allocating. It stays the worker's. 0.1 to 0.2 ms: histograms that
    /// hold nothing cost nothing.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.latencies.clear();
        self.tally.clear();
        self.connections = 0;
        self.vus = 0;
        self.in_flight = 0;
        self.backlog = 0;
        self.end = Nanos::ZERO;
        self.drain = false;
    }
}

#[cfg(test)]
mod tests;
