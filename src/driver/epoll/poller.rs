//! The epoll descriptor, edge-triggered, with a nanosecond timeout where the kernel has one.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::clock;
use crate::units::Nanos;

/// Readable, or about to say why not.
pub(super) const IN: u32 = libc::EPOLLIN as u32;
/// Writable, or the connect is over.
pub(super) const OUT: u32 = libc::EPOLLOUT as u32;
/// No further edge will come for end of file or errors: read on until they show.
pub(super) const ENDING: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;

const INTEREST: u32 = IN | OUT | (libc::EPOLLRDHUP | libc::EPOLLET) as u32;

/// Events taken per call. Everything that one call reports is read before the worker reads its
/// clock, so a larger batch would show as latency.
const BATCH: usize = 64;

/// An epoll instance and room for one batch of events.
pub(super) struct Poller {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
    /// Cleared when epoll_pwait2 (Linux 5.11) is missing or refused by a seccomp filter.
    precise: bool,
}

impl Poller {
    /// # Errors
    /// EMFILE, ENFILE or ENOMEM from epoll_create1.
    pub(super) fn new() -> io::Result<Poller> {
        // SAFETY: no pointers; the result is checked below.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Poller {
            // SAFETY: a fresh descriptor that nobody else owns.
            epoll: unsafe { OwnedFd::from_raw_fd(fd) },
            events: Vec::with_capacity(BATCH),
            precise: true,
        })
    }

    /// Watches `fd` for everything, edge-triggered: one call in a connection's life. Closing the
    /// descriptor ends it.
    ///
    /// # Errors
    /// ENOMEM, or ENOSPC beyond /proc/sys/fs/epoll/max_user_watches.
    pub(super) fn add(&self, fd: RawFd, mark: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: INTEREST, u64: mark };
        // SAFETY: `event` is valid for the call; the kernel copies it.
        let rc = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) };
        if rc < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Waits at most `timeout` for one batch of events; zero never sleeps.
    ///
    /// # Errors
    /// EINTR after a signal; anything else means that the instance is broken.
    pub(super) fn wait(&mut self, timeout: Nanos) -> io::Result<()> {
        self.events.clear();
        if timeout == Nanos::ZERO {
            return self.wait_ms(0);
        }
        if self.precise {
            match self.wait_ns(timeout) {
                Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    self.precise = false;
                }
                done => return done,
            }
        }
        self.wait_coarse(timeout)
    }

    /// Sleeps whole milliseconds and spins through the rest.
    #[cold]
    fn wait_coarse(&mut self, timeout: Nanos) -> io::Result<()> {
        let deadline = clock::now() + timeout;
        let whole = i32::try_from(timeout.0 / 1_000_000).unwrap_or(i32::MAX);
        self.wait_ms(whole)?;
        while self.events.is_empty() && clock::now() < deadline {
            self.wait_ms(0)?;
        }
        Ok(())
    }

    fn wait_ns(&mut self, timeout: Nanos) -> io::Result<()> {
        let span = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.0 / 1_000_000_000).unwrap_or(libc::time_t::MAX),
            tv_nsec: (timeout.0 % 1_000_000_000) as libc::c_long,
        };
        // SAFETY: room for BATCH events is reserved, `span` outlives the call, and a null signal
        // mask changes nothing. By number, since older C libraries have no wrapper.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                BATCH as libc::c_int,
                &raw const span,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        self.took(count)
    }

    fn wait_ms(&mut self, ms: i32) -> io::Result<()> {
        // SAFETY: room for BATCH events is reserved.
        let count = unsafe {
            libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), BATCH as libc::c_int, ms)
        };
        self.took(count.into())
    }

    fn took(&mut self, count: libc::c_long) -> io::Result<()> {
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        // SAFETY: the kernel has filled the first `count` (at most BATCH) reserved events.
        unsafe { self.events.set_len(count) };
        Ok(())
    }

    /// How many events the last wait brought.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The readiness and the mark of event `at`.
    pub(super) fn event(&self, at: usize) -> (u32, u64) {
        let event = self.events[at]; // packed on x86-64: by value only
        (event.events, event.u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waited(poller: &mut Poller, timeout: Nanos) -> Nanos {
        let before = clock::now();
        poller.wait(timeout).unwrap();
        assert_eq!(poller.len(), 0);
        clock::now() - before
    }

    #[test]
    fn both_ways_of_waiting_keep_sub_millisecond_deadlines() {
        for precise in [true, false] {
            let mut poller = Poller::new().unwrap();
            poller.precise = precise;
            let span = Nanos::from_micros(1_300);
            let best = (0..10).map(|_| waited(&mut poller, span)).min().unwrap();
            assert!(best >= span, "woke early: {best}");
            assert!(best < Nanos::from_micros(1_900), "rounded up: {best}");
        }
    }
}
