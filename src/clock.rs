//! The only reader of the kernel's clocks.

use crate::units::Nanos;

fn read(clock: libc::clockid_t) -> Nanos {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `ts` is a valid, writable timespec; the clock ids used here always exist on Linux.
    unsafe { libc::clock_gettime(clock, &mut ts) };
    Nanos(ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64)
}

/// Now, on CLOCK_MONOTONIC. About 25 ns where the clock source is the TSC (vDSO, no system call).
#[inline]
pub fn now() -> Nanos {
    read(libc::CLOCK_MONOTONIC)
}

/// Now, on CLOCK_REALTIME, since the Unix epoch. For time stamps in reports, never for latencies.
pub fn wall() -> Nanos {
    read(libc::CLOCK_REALTIME)
}

/// Processor time that this thread has used, user and system together.
pub fn thread_cpu() -> Nanos {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Sleeps for `span`. For set-up code and back-off outside the workers only.
pub fn sleep(span: Nanos) {
    #[allow(clippy::disallowed_methods)] // this is the one place
    std::thread::sleep(std::time::Duration::from_nanos(span.0));
}
