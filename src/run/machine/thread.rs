//! What the kernel gave to the calling thread, and what it kept from it.

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;

use super::read;
use crate::units::Nanos;
use crate::worker::channel::ThreadReadings;

/// Reads all of it: CPU time and faults by getrusage(2) (RUSAGE_THREAD), the wait for the core from /proc/thread-self/schedstat
/// (Documentation/scheduler/sched-stats.rst; zero where /proc is hidden or the kernel has no CONFIG_SCHED_INFO).
pub fn thread_readings() -> ThreadReadings {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok();
    let cpu = |of: fn(&Usage) -> TimeVal| usage.as_ref().map_or(Nanos::ZERO, |usage| nanos(of(usage)));
    let waits = read("/proc/thread-self/schedstat").and_then(|text| parse(&text)).unwrap_or_default();
    ThreadReadings {
        user: cpu(Usage::user_time),
        system: cpu(Usage::system_time),
        run_delay: waits.0,
        slices: waits.1,
        major_faults: usage.map_or(0, |usage| usage.major_page_faults().max(0) as u64),
        core: nix::sched::sched_getcpu().ok(),
    }
}

fn nanos(time: TimeVal) -> Nanos {
    Nanos::from_secs(time.tv_sec().max(0) as u64) + Nanos::from_micros(time.tv_usec().max(0) as u64)
}

/// Time on the core, time in wait for it, and how often it was given; times in ns. The first is also in getrusage's.
fn parse(schedstat: &str) -> Option<(Nanos, u64)> {
    let mut numbers = schedstat.split_ascii_whitespace().skip(1).map_while(|word| word.parse().ok());
    Some((Nanos(numbers.next()?), numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read() {
        assert_eq!(parse("1041822 97111 2\n"), Some((Nanos(97_111), 2)));
        for odd in ["", "1", "1 2", "1 x 2", "0 -1 5"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_busy_thread_uses_processor_time() {
        let before = thread_readings();
        let mut x = 1u64;
        let mut after = thread_readings();
        while after.user + after.system <= before.user + before.system {
            x = std::hint::black_box(x.wrapping_mul(3));
            after = thread_readings();
        }
        assert!(after.run_delay >= before.run_delay && after.slices >= before.slices);
        assert!(after.core.is_some());
    }
}
