//! The io_uring driver: multishot receives into provided buffers, sends that complete silently.
//!
//! Per keep-alive request the kernel sees one submission (the send) and posts one completion (the
//! answer's bytes). Receiving is armed once per connection and stays armed.

mod buf_ring;
mod dial;
mod ending;
mod gate;
mod prepare;
mod receive;
mod setup;

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use io_uring::types::{CancelBuilder, Fixed, SubmitArgs, Timespec};
use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter, cqueue, opcode, squeue};
use socket2::{Domain, Socket, Type};

use super::failure::Failure;
use super::token::{self, Op};
use super::{
    Alpn, Buffer, Completion, ConnId, Driver, DriverConfig, DriverCounters, Endpoint, Event, PayloadId, Wait,
    append,
};
use crate::clock;
use crate::units::Nanos;

use buf_ring::BufRing;
use prepare::{ENTRIES, Prepared};

pub use gate::Gate;
pub use setup::SetupError;

const GROUP: u16 = 0;
/// As much as one discarding receive of a Unix socket asks for.
const SINK_LEN: usize = 64 << 10;
/// SO_LINGER {1, 0}: close with RST.
static RESET: libc::linger = libc::linger { l_onoff: 1, l_linger: 0 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Connecting,
    Multi,
    Stopping,
    Discarding,
    Once,
    Handled,
    Starved,
    /// Receiving ended, and this was reported; only `close` makes sense now.
    Dead,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    state: State,
    /// Receive one by one: until an answer has shown that it needs no discard, since a multishot that
    /// meets a large body takes every free buffer before it can be stopped.
    one_by_one: bool,
    /// A Unix socket has no MSG_TRUNC that discards: unwanted bytes go into the sink.
    copies: bool,
    /// Length of the send that asked for `Sent`.
    sending: u32,
    /// errno of a failed send, reported when receiving has ended; 0 if there is none.
    broken: i32,
    /// Bytes that nobody wants, still to come.
    discard: u64,
    /// SO_RCVLOWAT as last asked for; the kernel reads it from here.
    low_water: libc::c_int,
}

/// One worker's ring and sockets.
pub struct UringDriver {
    // Borrow from `ring`; dropped by hand before it.
    submitter: ManuallyDrop<Submitter<'static>>,
    sq: ManuallyDrop<SubmissionQueue<'static>>,
    cq: ManuallyDrop<CompletionQueue<'static>>,
    ring: *mut IoUring,
    // The kernel reads and writes these until the ring is gone.
    buffers: ManuallyDrop<BufRing>,
    payloads: ManuallyDrop<Vec<Arc<[u8]>>>,
    /// Each in a place of its own, which stays the same when others are added.
    endpoints: ManuallyDrop<Vec<Arc<Endpoint>>>,
    drafts: ManuallyDrop<Vec<Vec<u8>>>,
    /// Where unwanted bytes of Unix sockets go, of all of them at once: nobody reads it. Empty until there is an
    /// endpoint of that kind, and never resized from then on.
    sink: ManuallyDrop<Vec<u8>>,
    /// Drafts of closed connections whose send may still be under way, by its token.
    limbo: ManuallyDrop<Vec<(u64, Vec<u8>)>>,
    slots: Vec<Slot>,
    /// Completions that did not come from the ring (sockets that could not even be made).
    local: VecDeque<Completion>,
    /// The slot whose single receive was just handed out: it is armed again once handled.
    handled: Option<u32>,
    starved: Vec<u32>,
    /// A close is queued but not submitted: the fixed-file table must not be changed before it.
    closes_queued: bool,
    expect_large: bool,
    counters: DriverCounters,
    features: Vec<&'static str>,
    /// The ring makes sockets itself.
    direct_sockets: bool,
    /// Submissions that the ring has room for; [`ENTRIES`] unless memory was short.
    entries: u32,
    /// The kernel raises IORING_SQ_TASKRUN when it has deferred work for us.
    taskrun_flag: bool,
}

impl UringDriver {
    /// Builds the ring on the calling thread, which alone may use it from then on.
    ///
    /// # Errors
    /// Says which gate is shut or what this kernel lacks.
    pub fn new(config: DriverConfig) -> Result<UringDriver, SetupError> {
        let Prepared { ring, submitter, sq, cq, buffers, features, entries } = Prepared::new(&config)?;
        let unix = config.endpoints.iter().any(Endpoint::is_unix);
        let slots = (0..config.slots).map(|_| Slot {
            generation: 0,
            state: State::Free,
            one_by_one: false,
            copies: false,
            sending: 0,
            broken: 0,
            discard: 0,
            low_water: 1,
        });
        let mut driver = UringDriver {
            submitter: ManuallyDrop::new(submitter),
            sq: ManuallyDrop::new(sq),
            cq: ManuallyDrop::new(cq),
            ring,
            buffers: ManuallyDrop::new(buffers),
            payloads: ManuallyDrop::new(config.payloads),
            endpoints: ManuallyDrop::new(config.endpoints.into_iter().map(Arc::new).collect()),
            drafts: ManuallyDrop::new(vec![Vec::new(); config.slots as usize]),
            sink: ManuallyDrop::new(vec![0; if unix { SINK_LEN } else { 0 }]),
            limbo: ManuallyDrop::new(Vec::new()),
            slots: slots.collect(),
            local: VecDeque::new(),
            handled: None,
            starved: Vec::new(),
            closes_queued: false,
            expect_large: config.expect_large,
            counters: DriverCounters::default(),
            direct_sockets: false,
            taskrun_flag: features.contains(&"taskrun_flag"),
            features,
            entries,
        };
        driver.probe_multishot()?;
        driver.direct_sockets = driver.probe_direct_sockets();
        if driver.direct_sockets {
            driver.features.push("direct_sockets");
        }
        Ok(driver)
    }

    /// What the ring has, for the report.
    pub fn features(&self) -> &[&'static str] {
        &self.features
    }

    /// What the user should know about a ring that is not what it should be.
    pub fn notice(&self) -> Option<String> {
        let (got, asked) = (self.buffers.count(), prepare::buffers_for(self.slots.len() as u32));
        (self.entries < ENTRIES || got < asked).then(|| {
            format!(
                "memory was short: a ring has room for {} submissions instead of {ENTRIES}, and {got} receive \
                 buffers instead of {asked}; raise RLIMIT_MEMLOCK (`ulimit -l unlimited`) or free memory",
                self.entries
            )
        })
    }

    /// Tries a multishot receive on a socket pair, as connections will use it: no flag tells whether the
    /// kernel has it (6.0), nor whether a filter lets sockets into the table.
    fn probe_multishot(&mut self) -> Result<(), SetupError> {
        let (near, far) = Socket::pair(Domain::UNIX, Type::STREAM, None).map_err(SetupError::Other)?;
        near.send(b"x").map_err(SetupError::Other)?;
        drop(near); // end of file ends the multishot
        let fd = std::os::fd::AsRawFd::as_raw_fd(&far);
        let lacks = |errno| setup::explain_later(errno, "updates of fixed files", "5.5");
        self.submitter.register_files_update(0, &[fd]).map_err(lacks)?;
        let received = self.receive_by_multishot();
        self.submitter.register_files_update(0, &[-1]).map_err(lacks)?;
        received.map_err(|errno| setup::explain_later(errno, "multishot receive", "6.0"))
    }

    /// Receives on the first fixed file until its end.
    fn receive_by_multishot(&mut self) -> io::Result<()> {
        let mark = token::pack(Op::Ignore, ConnId { slot: 0, generation: 0 });
        self.push(opcode::RecvMulti::new(Fixed(0), GROUP).build().user_data(mark));
        let deadline = clock::now() + Nanos::from_secs(1);
        let mut went_on = false;
        while clock::now() < deadline {
            self.wait(Wait::Until { until: deadline, want: 1 })?;
            for cqe in self.cq.by_ref() {
                if let Some(id) = cqueue::buffer_select(cqe.flags()) {
                    // SAFETY: the completion names it, and nobody else has seen that (docs/invariants.md, 8).
                    unsafe { self.buffers.hand_back(id) };
                }
                if cqe.result() < 0 {
                    return Err(io::Error::from_raw_os_error(-cqe.result()));
                }
                if cqueue::more(cqe.flags()) {
                    went_on = true;
                } else if went_on {
                    return Ok(());
                } else {
                    // It was taken for a single receive.
                    return Err(io::Error::from_raw_os_error(libc::EINVAL));
                }
            }
        }
        Err(io::Error::from_raw_os_error(libc::ETIME))
    }

    #[inline]
    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: every entry points only at payloads, drafts, endpoints, RESET, the buffers, or a slot's
        // `low_water`. All outlive the ring (see `drop`), and none moves while the kernel may look at it:
        // payloads and slots are as many as they will ever be, an endpoint is shared memory, a draft is not written while it is being sent (see
        // `Driver::draft`; in `limbo` after a close), and the kernel copies addresses and options when
        // they are submitted.
        while unsafe { self.sq.push(&entry) }.is_err() {
            self.flush();
        }
    }

    /// Submits what is queued without waiting or reaping.
    #[cold]
    fn flush(&mut self) {
        // A submit may run receives, which must find what was released.
        self.buffers.publish();
        self.sq.sync();
        self.counters.enters += 1;
        // EBUSY: completions overflowed and must be reaped first; they are, into memory the kernel
        // keeps for us, by the GETEVENTS that the next submit carries. What is not transient shows in
        // the next wait, which can say so.
        let _ = self.submitter.submit();
        self.sq.sync();
        self.closes_queued &= !self.sq.is_empty();
    }

    fn live(&self, conn: ConnId) -> bool {
        let slot = &self.slots[conn.slot as usize];
        slot.generation == conn.generation && slot.state != State::Free
    }

    fn conn(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self.slots[slot as usize].generation }
    }

    fn translate(&mut self, cqe: &cqueue::Entry) -> Option<Completion> {
        let (op, conn) = token::unpack(cqe.user_data())?;
        let event = match op {
            Op::Recv => self.received(conn, cqe)?,
            Op::RecvOnce => self.received_once(conn, cqe)?,
            Op::Discard => self.discarded(conn, cqe.result())?,
            Op::Send if cqe.result() >= 0 => return None, // a kernel that ignores the skip flag
            Op::Send => {
                self.send_failed(conn, -cqe.result());
                return None;
            }
            Op::SendNotify => self.sent(conn, cqe.result())?,
            Op::Connect => self.connected(conn, cqe.result())?,
            Op::Socket => self.no_socket(conn, cqe.result())?,
            Op::Ignore => return None,
        };
        Some(Completion { conn, event })
    }

    fn sent(&mut self, conn: ConnId, result: i32) -> Option<Event> {
        if !self.live(conn) {
            let token = token::pack(Op::SendNotify, conn);
            self.limbo.retain(|(of, _)| *of != token);
            return None;
        }
        let asked = std::mem::take(&mut self.slots[conn.slot as usize].sending);
        if u32::try_from(result) == Ok(asked) {
            return Some(Event::Sent);
        }
        // One with MSG_WAITALL that came back short broke in the middle, and does not say why.
        self.send_failed(conn, if result < 0 { -result } else { 0 });
        None
    }

    fn connected(&mut self, conn: ConnId, result: i32) -> Option<Event> {
        if !self.live(conn) {
            return None;
        }
        if result < 0 {
            self.vacate(conn, false);
            return Some(Event::ConnectFailed(Failure::Os(-result)));
        }
        self.arm(conn.slot);
        Some(Event::Connected(Alpn::None))
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
        // SAFETY: no argument is passed; `queued` entries were published by `before_enter`, each of which
        // `push` vouches for.
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

/// IORING_ENTER_GETEVENTS.
const GETEVENTS: u32 = 1;

fn transient(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN))
}

impl Driver for UringDriver {
    #[inline]
    fn now(&mut self) -> Nanos {
        clock::now()
    }

    fn add_endpoint(&mut self, endpoint: Endpoint) -> u32 {
        if endpoint.is_unix() && self.sink.is_empty() {
            // The kernel was never pointed at the empty one.
            *self.sink = vec![0; SINK_LEN];
        }
        append(&mut self.endpoints, Arc::new(endpoint))
    }

    fn connect(&mut self, conn: ConnId, endpoint: u32) {
        self.dial(conn, endpoint);
    }

    #[inline]
    fn send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool) {
        let bytes = match payload {
            PayloadId::DRAFT => &self.drafts[conn.slot as usize][..len as usize],
            PayloadId(at) => &self.payloads[at as usize][..len as usize],
        };
        let entry = opcode::Send::new(Fixed(conn.slot), bytes.as_ptr(), len)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build();
        let entry = if notify {
            self.slots[conn.slot as usize].sending = len;
            entry.user_data(token::pack(Op::SendNotify, conn))
        } else {
            let mark = token::pack(Op::Send, conn);
            entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(mark)
        };
        self.push(entry);
    }

    #[inline]
    fn draft(&mut self, slot: u32) -> &mut Vec<u8> {
        &mut self.drafts[slot as usize]
    }

    fn discard(&mut self, conn: ConnId, bytes: u64) {
        if !self.live(conn) || bytes == 0 {
            return;
        }
        let slot = &mut self.slots[conn.slot as usize];
        slot.discard = bytes;
        match slot.state {
            State::Multi => {
                slot.state = State::Stopping;
                let armed = token::pack(Op::Recv, conn);
                let entry = opcode::AsyncCancel::new(armed)
                    .build()
                    .flags(squeue::Flags::SKIP_SUCCESS)
                    .user_data(token::pack(Op::Ignore, conn));
                self.push(entry);
            }
            State::Handled => self.arm_discard(conn.slot),
            // Starved: the discard is armed instead of a receive. Dead: nothing will come.
            _ => {}
        }
    }

    fn close(&mut self, conn: ConnId, reset: bool) {
        if self.live(conn) {
            self.vacate(conn, reset);
        }
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        self.before_enter();
        let entered = match wait {
            Wait::Until { until, want } if self.local.is_empty() => self.sleep(until, want),
            _ => self.poll(),
        };
        self.sq.sync();
        self.closes_queued &= !self.sq.is_empty();
        self.cq.sync();
        match entered {
            Err(e) if !transient(&e) => Err(e),
            _ => Ok(()),
        }
    }

    #[inline]
    fn next(&mut self) -> Option<Completion> {
        if let Some(slot) = self.handled.take()
            && self.slots[slot as usize].state == State::Handled
        {
            // Its answer was small or is not over: back to the multishot.
            self.slots[slot as usize].one_by_one = false;
            self.arm(slot);
        }
        if let Some(completion) = self.local.pop_front() {
            return Some(completion);
        }
        loop {
            let cqe = self.cq.next()?;
            if let Some(completion) = self.translate(&cqe) {
                return Some(completion);
            }
        }
    }

    #[inline]
    fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.buffers.bytes(buffer)
    }

    #[inline]
    fn release(&mut self, buffer: Buffer) {
        self.buffers.release(buffer);
    }

    fn counters(&self) -> DriverCounters {
        self.counters
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        // Requests in flight name our memory. The kernel lets go of them asynchronously after the
        // ring is closed, so cancel them and wait first; where that fails, leak the memory. One by one,
        // since cancelling all at once takes the kernel quadratic time; then what is left, if anything.
        for slot in 0..self.slots.len() as u32 {
            if self.slots[slot as usize].state != State::Free {
                self.vacate(self.conn(slot), false);
            }
        }
        self.flush();
        while self.wait(Wait::Poll).is_ok() && self.cq.by_ref().count() > 0 {}
        let second = Timespec::new().sec(1);
        let cancelled = self.submitter.register_sync_cancel(Some(second), CancelBuilder::any().all());
        let gone = match cancelled {
            Ok(()) => true,
            Err(e) => e.raw_os_error() == Some(libc::ENOENT),
        };
        // A ring that is registered with this thread would live as long as the thread.
        let _ = self.submitter.unregister_ring_fd();
        // SAFETY: each is dropped once, here: first the borrows of the ring, then the ring (made by
        // `Box::into_raw` in `prepare`), then what the kernel was pointed at and, since nothing is in flight
        // any more, looks at no longer.
        unsafe {
            ManuallyDrop::drop(&mut self.cq);
            ManuallyDrop::drop(&mut self.sq);
            ManuallyDrop::drop(&mut self.submitter);
            drop(Box::from_raw(self.ring));
            if gone {
                ManuallyDrop::drop(&mut self.buffers);
                ManuallyDrop::drop(&mut self.payloads);
                ManuallyDrop::drop(&mut self.endpoints);
                ManuallyDrop::drop(&mut self.drafts);
                ManuallyDrop::drop(&mut self.limbo);
                ManuallyDrop::drop(&mut self.sink);
            }
        }
    }
}
