//! What the server counts of itself, and its Prometheus text.
//!
//! Each thread writes its own cache lines with relaxed loads and stores: it is the only writer,
//! so no read-modify-write is needed. A reader sums over the threads.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::units::Nanos;

/// Upper bounds of the latency buckets, in nanoseconds; above the last one lies +Inf.
const BOUNDS: [u64; 20] = [
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// The counters of one thread. Aligned so that two threads never share a cache line (or the
/// pair that the prefetcher fetches).
#[repr(align(128))]
pub(super) struct ThreadStats {
    by_status: [AtomicU64; 1000],
    in_flight: AtomicU64,
    open: AtomicU64,
    accepted: AtomicU64,
    injected_errors: AtomicU64,
    latency_sum: AtomicU64,
    latency_buckets: [AtomicU64; BOUNDS.len() + 1],
}

impl Default for ThreadStats {
    fn default() -> ThreadStats {
        ThreadStats {
            by_status: [const { AtomicU64::new(0) }; 1000],
            in_flight: AtomicU64::new(0),
            open: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            injected_errors: AtomicU64::new(0),
            latency_sum: AtomicU64::new(0),
            latency_buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1],
        }
    }
}

/// Adds to a counter that only this thread writes. Wraps, so adding `-n` subtracts.
#[inline]
fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

impl ThreadStats {
    /// A connection was accepted.
    pub(super) fn opened(&self) {
        add(&self.accepted, 1);
        add(&self.open, 1);
    }

    /// A connection ended, with `unanswered` requests on it.
    pub(super) fn closed(&self, unanswered: u64) {
        add(&self.open, u64::MAX);
        add(&self.in_flight, unanswered.wrapping_neg());
    }

    /// A whole request head was read.
    #[inline]
    pub(super) fn begun(&self) {
        add(&self.in_flight, 1);
    }

    /// The head of a response was made.
    #[inline]
    pub(super) fn status(&self, code: u16) {
        add(&self.by_status[usize::from(code).min(999)], 1);
    }

    /// An error was answered on purpose.
    pub(super) fn injected_error(&self) {
        add(&self.injected_errors, 1);
    }

    /// `n` responses were handed to the kernel, each `elapsed` after its request was read.
    #[inline]
    pub(super) fn answered(&self, n: u64, elapsed: Nanos) {
        let bucket = BOUNDS.partition_point(|bound| *bound < elapsed.0);
        add(&self.latency_buckets[bucket], n);
        add(&self.latency_sum, elapsed.0.saturating_mul(n));
        add(&self.in_flight, n.wrapping_neg());
    }
}

/// The sum over `threads`, in the Prometheus text format, version 0.0.4.
pub(super) fn render(threads: &[ThreadStats]) -> String {
    let sum = |pick: &dyn Fn(&ThreadStats) -> &AtomicU64| {
        threads.iter().fold(0u64, |total, thread| total.wrapping_add(pick(thread).load(Relaxed)))
    };
    let mut text = String::with_capacity(4096);
    header(&mut text, "requests_total", "counter", "Requests answered, by status.");
    for code in 0..1000 {
        let count = sum(&|thread| &thread.by_status[code]);
        if count > 0 {
            let _ = writeln!(text, "squall_target_requests_total{{status=\"{code}\"}} {count}");
        }
    }
    type Pick = fn(&ThreadStats) -> &AtomicU64;
    let singles: [(&str, &str, &str, Pick); 4] = [
        ("in_flight", "gauge", "Requests read and not yet answered.", |t| &t.in_flight),
        ("connections", "gauge", "Connections open now.", |t| &t.open),
        ("connections_total", "counter", "Connections accepted.", |t| &t.accepted),
        ("injected_errors_total", "counter", "Errors answered on purpose.", |t| &t.injected_errors),
    ];
    for (name, kind, help, pick) in singles {
        header(&mut text, name, kind, help);
        let _ = writeln!(text, "squall_target_{name} {}", sum(&pick));
    }
    let name = "request_duration_seconds";
    let help = "From the read that completed a request to the hand-over of its response.";
    header(&mut text, name, "histogram", help);
    let mut cumulative = 0;
    for (index, bound) in BOUNDS.iter().enumerate() {
        cumulative += sum(&|thread| &thread.latency_buckets[index]);
        let le = Nanos(*bound).as_secs_f64();
        let _ = writeln!(text, "squall_target_{name}_bucket{{le=\"{le}\"}} {cumulative}");
    }
    cumulative += sum(&|thread| &thread.latency_buckets[BOUNDS.len()]);
    let seconds = Nanos(sum(&|thread| &thread.latency_sum)).as_secs_f64();
    let _ = writeln!(text, "squall_target_{name}_bucket{{le=\"+Inf\"}} {cumulative}");
    let _ = writeln!(text, "squall_target_{name}_sum {seconds}");
    let _ = writeln!(text, "squall_target_{name}_count {cumulative}");
    text
}

fn header(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP squall_target_{name} {help}");
    let _ = writeln!(text, "# TYPE squall_target_{name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_summed() {
        let threads = [ThreadStats::default(), ThreadStats::default()];
        for thread in &threads {
            thread.opened();
            thread.begun();
            thread.begun();
            thread.status(200);
            thread.answered(1, Nanos::from_micros(7));
        }
        threads[1].status(500);
        threads[1].answered(1, Nanos::from_secs(60));
        threads[0].closed(1);
        let text = render(&threads);
        for line in [
            "squall_target_requests_total{status=\"200\"} 2",
            "squall_target_requests_total{status=\"500\"} 1",
            "squall_target_in_flight 0",
            "squall_target_connections 1",
            "squall_target_connections_total 2",
            "squall_target_request_duration_seconds_bucket{le=\"0.000005\"} 0",
            "squall_target_request_duration_seconds_bucket{le=\"0.00001\"} 2",
            "squall_target_request_duration_seconds_bucket{le=\"10\"} 2",
            "squall_target_request_duration_seconds_bucket{le=\"+Inf\"} 3",
            "squall_target_request_duration_seconds_count 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
