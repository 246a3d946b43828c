//! What is measured: histograms as the worker fills them, and as they are reported.

use crate::stats::histogram::Histogram;
use crate::units::Nanos;

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
    /// How long those requests had waited since they were scheduled that were never answered: their response times are longer.
    pub unanswered: Histogram,
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
                unanswered,
            } but {}
        )
    };
}

impl Latencies {
    /// Its histograms, in a fixed order.
    pub(super) fn tables(&self) -> [&Histogram; 9] {
        tables!(self)
    }

    /// The same, to be filled.
    pub(super) fn tables_mut(&mut self) -> [&mut Histogram; 9] {
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
        response_time.merge(&self.unanswered);
        LatencySet {
            response_time,
            censored: self.unanswered.len(),
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
    /// done - scheduled; of requests that were never answered, how long they had waited.
    pub response_time: Histogram,
    /// How many of these are of requests that were never answered.
    pub censored: u64,
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
