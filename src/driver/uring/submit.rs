//! Into the ring: entries are queued, submitted, waited for.

use std::io;

use io_uring::squeue;
use io_uring::types::{SubmitArgs, Timespec};

use super::super::Wait;
use super::{Local, State, UringDriver};
use crate::clock;
use crate::units::Nanos;

/// IORING_ENTER_GETEVENTS.
const GETEVENTS: u32 = 1;
/// How long a submission is repeated for which the kernel has no room or no memory just now.
const PATIENCE: Nanos = Nanos::from_secs(1);
/// The pause in between, when nothing else helps.
const PAUSE: Nanos = Nanos::from_millis(1);

impl UringDriver {
    /// Queues an entry; where there is no room, what is queued is submitted first. When that cannot be done the entry is
    /// dropped, and every wait from then on reports why.
    ///
    /// # Safety
    /// What the entry points at must be there, where it is, for as long as the kernel may look at it: until its completion, or
    /// until it was submitted where the kernel copies it then, or tries it once. Nothing else may write to it meanwhile, nor
    /// look at it where the kernel writes (docs/invariants.md, 7).
    #[inline]
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: as our caller promises.
        while unsafe { self.sq.push(entry) }.is_err() {
            if !self.make_room() {
                return;
            }
        }
    }

    /// Submits until there is room. False when there will never be any.
    #[cold]
    fn make_room(&mut self) -> bool {
        let give_up = clock::now() + PATIENCE;
        while self.failed == 0 {
            let done = self.flush();
            if !self.sq.is_full() {
                return true;
            }
            let errno = done.err().and_then(|e| e.raw_os_error()).unwrap_or(libc::EBUSY);
            if !transient(errno) || clock::now() > give_up {
                self.failed = errno;
            } else if self.take_completions() == 0 {
                clock::sleep(PAUSE);
            }
        }
        false
    }

    /// Takes completions out of the ring, for `next` to hand out: a kernel that has no room for more takes no submissions
    /// (EBUSY).
    fn take_completions(&mut self) -> usize {
        self.cq.sync();
        let before = self.local.len();
        self.local.extend(self.cq.by_ref().map(Local::Taken));
        self.local.len() - before
    }

    /// Submits what is queued without waiting or reaping.
    ///
    /// # Errors
    /// Those of io_uring_enter(2). Some of it may have been submitted all the same.
    #[cold]
    pub(super) fn flush(&mut self) -> io::Result<()> {
        // A submit may run receives, which must find what was released.
        self.buffers.publish();
        self.sq.sync();
        self.counters.enters += 1;
        let done = self.submitter.submit();
        self.note_submitted();
        done.map(drop)
    }

    /// Looks how far the kernel has come. What it has taken was tried at least once.
    fn note_submitted(&mut self) {
        self.sq.sync();
        if self.sq.is_empty() {
            self.closes_queued = false;
            self.emptied = self.emptied.wrapping_add(1);
        }
    }

    pub(super) fn submit_and_wait(&mut self, wait: Wait) -> io::Result<()> {
        self.before_enter();
        let entered = match wait {
            Wait::Until { until, want } if self.local.is_empty() => self.sleep(until, want),
            _ => self.poll(),
        };
        self.note_submitted();
        self.cq.sync();
        let errno = match entered {
            Err(e) => e.raw_os_error().unwrap_or(libc::EIO),
            Ok(_) => 0,
        };
        match self.failed {
            0 if errno == 0 || transient(errno) => Ok(()),
            0 => Err(io::Error::from_raw_os_error(errno)),
            failed => Err(io::Error::from_raw_os_error(failed)),
        }
    }

    fn before_enter(&mut self) {
        self.buffers.publish();
        for at in 0..self.starved.len() {
            let slot = self.starved[at];
            if self.slots[slot as usize].state == State::Starved {
                self.rearm(slot);
            }
        }
        self.starved.clear();
        self.sq.sync();
        // The kernel counts what we have not given back as already there, and would wait for less.
        self.cq.sync();
        if self.sq.cq_overflow() {
            self.counters.cq_overflows += 1;
        }
    }

    /// Submits, runs deferred work, does not sleep. An empty turn costs no system call: the kernel
    /// raises a flag when it has work for us (IORING_SQ_TASKRUN, Linux 5.19).
    fn poll(&mut self) -> io::Result<usize> {
        let queued = self.sq.len();
        if queued == 0 && self.taskrun_flag && !self.sq.taskrun() && !self.sq.cq_overflow() {
            return Ok(0);
        }
        self.counters.enters += 1;
        let flags = GETEVENTS;
        // SAFETY: no argument is passed; `queued` entries were published by `before_enter`, for each of which a caller of
        // `push` has vouched.
        unsafe { self.submitter.enter::<libc::sigset_t>(queued as u32, 0, flags, None) }
    }

    fn sleep(&mut self, until: Nanos, want: u32) -> io::Result<usize> {
        let left = until - clock::now();
        let span = Timespec::new().sec(left.0 / 1_000_000_000).nsec((left.0 % 1_000_000_000) as u32);
        let args = SubmitArgs::new().timespec(&span);
        self.counters.enters += 1;
        self.submitter.submit_with_args(want.max(1) as usize, &args)
    }
}

/// What passes by itself: the time was over, a signal came, completions must be taken first, memory is short.
fn transient(errno: i32) -> bool {
    matches!(errno, libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
}
