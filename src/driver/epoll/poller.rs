//! The epoll descriptor, edge-triggered, with a nanosecond timeout where the kernel has one.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::clock;
use crate::units::Nanos;

/// Readable, or about to say why not.
pub(super) const IN: u32 = libc::EPOLLIN as u32;
/// Writable, or the connect is over.
pub(super) const OUT: u32 = libc::EPOLLOUT as u32;
/// No further edge will come for end of file or errors: read on until they show.
pub(super) const ENDING: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;

const INTEREST: EpollFlags =
    EpollFlags::EPOLLIN.union(EpollFlags::EPOLLOUT).union(EpollFlags::EPOLLRDHUP).union(EpollFlags::EPOLLET);

/// Events taken per call. Everything that one call reports is read before the worker reads its
/// clock, so a larger batch would show as latency.
const BATCH: usize = 64;

/// An epoll instance and room for one batch of events.
pub(super) struct Poller {
    epoll: Epoll,
    events: [EpollEvent; BATCH],
    /// How many of them the last wait brought.
    count: usize,
    /// Cleared when epoll_pwait2 (Linux 5.11) is missing or refused by a seccomp filter.
    precise: bool,
}

impl Poller {
    /// # Errors
    /// EMFILE, ENFILE or ENOMEM from epoll_create1.
    pub(super) fn new() -> io::Result<Poller> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Poller { epoll, events: [EpollEvent::empty(); BATCH], count: 0, precise: true })
    }

    /// Watches `fd` for everything, edge-triggered: one call in a connection's life. Closing the
    /// descriptor ends it.
    ///
    /// # Errors
    /// ENOMEM, or ENOSPC beyond /proc/sys/fs/epoll/max_user_watches.
    pub(super) fn add(&self, fd: impl AsFd, mark: u64) -> io::Result<()> {
        Ok(self.epoll.add(fd, EpollEvent::new(INTEREST, mark))?)
    }

    /// Waits at most `timeout` for one batch of events; zero never sleeps.
    ///
    /// # Errors
    /// EINTR after a signal; anything else means that the instance is broken.
    pub(super) fn wait(&mut self, timeout: Nanos) -> io::Result<()> {
        self.count = 0;
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
        while self.count == 0 && clock::now() < deadline {
            self.wait_ms(0)?;
        }
        Ok(())
    }

    fn wait_ns(&mut self, timeout: Nanos) -> io::Result<()> {
        let span = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.0 / 1_000_000_000).unwrap_or(libc::time_t::MAX),
            tv_nsec: (timeout.0 % 1_000_000_000) as libc::c_long,
        };
        // SAFETY: there are BATCH events, each no more than a `libc::epoll_event` (transparently); `span`
        // outlives the call, and a null signal mask changes nothing. By number, since older C libraries
        // have no wrapper.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.0.as_raw_fd(),
                self.events.as_mut_ptr(),
                BATCH as libc::c_int,
                &raw const span,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        self.count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        Ok(())
    }

    fn wait_ms(&mut self, ms: i32) -> io::Result<()> {
        let timeout = EpollTimeout::try_from(ms).unwrap_or(EpollTimeout::MAX);
        self.count = self.epoll.wait(&mut self.events, timeout)?;
        Ok(())
    }

    /// How many events the last wait brought.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The readiness and the mark of event `at`.
    pub(super) fn event(&self, at: usize) -> (u32, u64) {
        let event = self.events[at];
        (event.events().bits() as u32, event.data())
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
