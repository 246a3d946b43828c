//! The io_uring driver: multishot receives into provided buffers, sends that complete silently.
//!
//! Per keep-alive request the kernel sees one submission (the send) and posts one completion (the
//! response's bytes). Receiving is armed once per connection and stays armed.

mod buf_ring;
mod dial;
mod ending;
mod gate;
mod prepare;
mod receive;
mod sending;
mod setup;
mod submit;

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use io_uring::types::{CancelBuilder, Fixed, Timespec};
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
/// Generation of a slot that never had a connection.
const NEVER: u32 = u32::MAX;
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
    /// Receive one by one: until a response has shown that it needs no discard, since a multishot that
    /// meets a large body takes every free buffer before it can be stopped.
    one_by_one: bool,
    /// A Unix socket has no MSG_TRUNC that discards: unwanted bytes go into the sink.
    copies: bool,
    /// Length of the send that posts its success; 0 if there is none.
    sending: u32,
    /// That send reads the draft.
    reads_draft: bool,
    /// That send is the rest of one that does not report.
    quiet: bool,
    /// Length of the last send of the draft that does not report, and [`UringDriver::emptied`] when it was queued.
    draft_len: u32,
    draft_queued: u32,
    /// errno of a failed send, reported when receiving has ended; 0 if there is none.
    broken: i32,
    /// Bytes that nobody wants, still to come.
    discard: u64,
    /// SO_RCVLOWAT as last asked for; the kernel reads it from here.
    low_water: libc::c_int,
}

/// A completion outside of the ring.
enum Local {
    /// It never was in it: a socket that could not even be made.
    Done(Completion),
    /// It was taken out early, to make room.
    Taken(cqueue::Entry),
}

/// A send that cannot go yet.
#[derive(Clone, Copy, Debug)]
struct Behind {
    conn: ConnId,
    payload: PayloadId,
    len: u32,
    notify: bool,
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
    /// Drafts that the kernel may still read, though their slot has another one, by the token of the send that does.
    retired_drafts: ManuallyDrop<Vec<(u64, Vec<u8>)>>,
    slots: ManuallyDrop<Vec<Slot>>,
    /// Sends behind the rest of a quiet one of their connection, in order. Nearly always empty.
    behind: Vec<Behind>,
    /// Slots whose send is such a rest.
    quiet_rests: u32,
    /// What `next` hands out before it looks at the ring.
    local: VecDeque<Local>,
    /// The slot whose single receive was just handed out: it is armed again once handled.
    handled: Option<u32>,
    starved: Vec<u32>,
    /// A close is queued but not submitted: the fixed-file table must not be changed before it.
    closes_queued: bool,
    /// How many times the kernel had taken everything that was queued, modulo 2^32.
    emptied: u32,
    /// errno of a submission that failed for good, which every wait reports from then on; 0 if there is none.
    failed: i32,
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
            generation: NEVER,
            state: State::Free,
            one_by_one: false,
            copies: false,
            sending: 0,
            reads_draft: false,
            quiet: false,
            draft_len: 0,
            draft_queued: 0,
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
            retired_drafts: ManuallyDrop::new(Vec::new()),
            slots: ManuallyDrop::new(slots.collect()),
            behind: Vec::new(),
            quiet_rests: 0,
            local: VecDeque::new(),
            handled: None,
            starved: Vec::new(),
            closes_queued: false,
            emptied: 1,
            failed: 0,
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
        let entry = opcode::RecvMulti::new(Fixed(0), GROUP).build().user_data(mark);
        // SAFETY: it points at nothing; the buffers are those of the group.
        unsafe { self.push(&entry) };
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

    fn live(&self, conn: ConnId) -> bool {
        let slot = &self.slots[conn.slot as usize];
        slot.generation == conn.generation && slot.state != State::Free
    }

    fn conn(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self.slots[slot as usize].generation }
    }

    #[inline(always)]
    fn translate(&mut self, cqe: &cqueue::Entry) -> Option<Completion> {
        let (op, conn) = token::unpack(cqe.user_data())?;
        let event = match op {
            Op::Recv => self.received(conn, cqe)?,
            Op::RecvOnce => self.received_once(conn, cqe)?,
            Op::Discard => self.discarded(conn, cqe.result())?,
            Op::Send => {
                self.silent_failed(conn, cqe.result());
                return None;
            }
            Op::SendDraft => {
                self.draft_fell_short(conn, cqe.result());
                return None;
            }
            Op::SendNotify => self.sent(conn, cqe.result())?,
            Op::Connect => self.connected(conn, cqe.result())?,
            Op::Socket => self.no_socket(conn, cqe.result())?,
            Op::Ignore => return None,
        };
        Some(Completion { conn, event })
    }

    /// [`next`](Driver::next), where what comes next means nothing or lies outside of the ring: apart from it, since a loop there
    /// costs every request a twentieth more instructions.
    #[cold]
    fn next_but_one(&mut self) -> Option<Completion> {
        loop {
            let cqe = match self.local.pop_front() {
                None => self.cq.next()?,
                Some(Local::Taken(cqe)) => cqe,
                Some(Local::Done(completion)) => return Some(completion),
            };
            if let Some(completion) = self.translate(&cqe) {
                return Some(completion);
            }
        }
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
        if self.quiet_rests > 0 && self.holds_back(Behind { conn, payload, len, notify }) {
            return;
        }
        self.queue_send(conn, payload, len, notify);
    }

    #[inline]
    fn draft(&mut self, slot: u32) -> &mut Vec<u8> {
        let state = &self.slots[slot as usize];
        if state.reads_draft || state.draft_queued == self.emptied {
            self.set_draft_aside(slot);
        }
        &mut self.drafts[slot as usize]
    }

    fn drafted(&self, slot: u32) -> &[u8] {
        &self.drafts[slot as usize]
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
                // SAFETY: it points at nothing.
                unsafe { self.push(&entry) };
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
        self.submit_and_wait(wait)
    }

    #[inline]
    fn next(&mut self) -> Option<Completion> {
        if let Some(slot) = self.handled.take()
            && self.slots[slot as usize].state == State::Handled
        {
            // Its response was small or is not over: back to the multishot.
            self.slots[slot as usize].one_by_one = false;
            self.arm(slot);
        }
        if self.local.is_empty() {
            let cqe = self.cq.next()?;
            let completion = self.translate(&cqe);
            if completion.is_some() {
                return completion;
            }
        }
        self.next_but_one()
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
        // What fails here fails below, too.
        let _ = self.flush();
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
        // any more, looks at no longer (docs/invariants.md, 7 and 8).
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
                ManuallyDrop::drop(&mut self.retired_drafts);
                ManuallyDrop::drop(&mut self.sink);
                ManuallyDrop::drop(&mut self.slots);
            }
        }
    }
}
