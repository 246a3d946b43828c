//! Deadlines that are kept to the microsecond.
//!
//! tokio's timer wheel rounds up to the next millisecond, which would turn `/delay/5` into
//! anything from 5.0 to 6.1 ms. Here each thread owns one timerfd (an exact hrtimer: the task's
//! timer slack does not apply to it, `man 2 timerfd_create`) that is armed for the earliest
//! deadline and read through the ring.

use std::cell::{Cell, RefCell};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio_uring::fs::File;

use crate::clock;
use crate::units::Nanos;

/// The timerfd fires this much before a deadline, and the rest is spent awake: waking an idle core
/// takes 50 to 150 us on virtual machines, which a client would take for the target's response time.
const EARLY: Nanos = Nanos::from_micros(200);

/// The timer of one thread.
pub(super) struct Timer {
    fd: TimerFd,
    /// Sleepers by deadline; one that gave up stays here, without a waker, until its time.
    sleepers: RefCell<BinaryHeap<Reverse<Sleeper>>>,
    /// What the timerfd is set to; `Nanos::MAX` when it is not.
    armed: Cell<Nanos>,
}

struct Sleeper {
    at: Nanos,
    slot: Rc<Slot>,
}

#[derive(Default)]
struct Slot {
    fired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Sleeper) -> bool {
        self.at == other.at
    }
}

impl Eq for Sleeper {}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Sleeper) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Sleeper) -> Ordering {
        self.at.cmp(&other.at)
    }
}

impl Timer {
    /// A timer with no sleepers. Fails when descriptors have run out.
    pub(super) fn new() -> io::Result<Timer> {
        // Not TFD_NONBLOCK: io_uring would answer EAGAIN at once instead of waiting.
        let fd = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        Ok(Timer { fd, sleepers: RefCell::default(), armed: Cell::new(Nanos::MAX) })
    }

    /// Wakes sleepers for as long as the runtime lives. Spawn it once per timer.
    pub(super) async fn drive(self: Rc<Timer>) -> io::Result<()> {
        let file = File::from_std(std::fs::File::from(self.fd.as_fd().try_clone_to_owned()?));
        let mut expirations = vec![0u8; 8];
        loop {
            let (result, buffer) = file.read_at(expirations, 0).await;
            expirations = buffer;
            result?;
            self.armed.set(Nanos::MAX);
            while self.fire(clock::now()) {
                pass_once().await;
            }
        }
    }

    /// Completes at `deadline` of the monotonic clock: never before, and after it as soon as
    /// the thread gets to run.
    pub(super) fn sleep_until(&self, deadline: Nanos) -> Sleep<'_> {
        Sleep { timer: self, deadline, slot: None }
    }

    /// Wakes those whose time has come. True when the next one's is so near that it is not worth
    /// going to sleep.
    fn fire(&self, now: Nanos) -> bool {
        let mut sleepers = self.sleepers.borrow_mut();
        while let Some(Reverse(first)) = sleepers.peek() {
            if first.at > now {
                let near = first.at - now <= EARLY;
                if !near {
                    self.arm(first.at);
                }
                return near;
            }
            first.slot.fired.set(true);
            if let Some(waker) = first.slot.waker.take() {
                waker.wake();
            }
            sleepers.pop();
        }
        false
    }

    fn arm(&self, at: Nanos) {
        if at >= self.armed.get() {
            return;
        }
        // Zero would disarm; a time in the past fires at once.
        let early = (at - EARLY).max(Nanos(1));
        let when = TimeSpec::new((early.0 / 1_000_000_000) as _, (early.0 % 1_000_000_000) as _);
        let when = Expiration::OneShot(when);
        // Cannot fail: the descriptor is a timerfd and the time is normalised.
        if self.fd.set(when, TimerSetTimeFlags::TFD_TIMER_ABSTIME).is_ok() {
            self.armed.set(at);
        }
    }

    /// Stops firing for good: sleepers sleep on.
    pub(super) fn disarm(&self) {
        self.armed.set(Nanos::ZERO);
        let _ = self.fd.unset();
    }
}

/// Lets every other task, and the ring, have a turn.
async fn pass_once() {
    let mut passed = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Future of [`Timer::sleep_until`].
pub(super) struct Sleep<'a> {
    timer: &'a Timer,
    deadline: Nanos,
    slot: Option<Rc<Slot>>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(slot) = &self.slot {
            if slot.fired.get() {
                return Poll::Ready(());
            }
            slot.waker.replace(Some(context.waker().clone()));
            return Poll::Pending;
        }
        if clock::now() >= self.deadline {
            return Poll::Ready(());
        }
        let slot =
            Rc::new(Slot { fired: Cell::new(false), waker: RefCell::new(Some(context.waker().clone())) });
        self.timer.sleepers.borrow_mut().push(Reverse(Sleeper { at: self.deadline, slot: slot.clone() }));
        self.timer.arm(self.deadline);
        self.slot = Some(slot);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(slot) = &self.slot {
            slot.waker.take();
        }
    }
}
